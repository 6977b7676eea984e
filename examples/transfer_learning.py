"""A nested backbone on a folder of pictures: trained, cut, distilled, exported.

Three classes of pictures, crops of three photographs that scikit-image brings, stand for
a folder of yours. The backbone begins with random weights, so that nothing is downloaded;
yours would say weights="imagenet".
"""

# %% A folder of pictures, one folder a class
import pathlib
import tempfile

import keras
import numpy as np
from skimage import data

import tf_hetero as th

keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
folder = pathlib.Path(tempfile.mkdtemp())
for name in ("astronaut", "chelsea", "coffee"):
    photograph = getattr(data, name)()
    (folder / name).mkdir()
    for number in range(120):
        top, left = (rng.integers(0, side - 96) for side in photograph.shape[:2])
        crop = photograph[top : top + 96, left : left + 96]
        keras.utils.save_img(folder / name / f"{number}.png", crop, scale=False)

training, testing = keras.utils.image_dataset_from_directory(
    folder, image_size=(64, 64), batch_size=32, validation_split=0.25, subset="both", seed=0
)

# %% A backbone in a model, as transfer learning is usually written
backbone = keras.applications.MobileNetV2(
    input_shape=(64, 64, 3), include_top=False, weights=None, alpha=0.35
)
inputs = keras.Input((64, 64, 3))
x = keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs)
x = keras.layers.GlobalAveragePooling2D()(backbone(x))
model = keras.Model(inputs, keras.layers.Dense(3, name="classes")(x))
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"])
model.fit(training, epochs=12, verbose=2)
th.recalibrate_batchnorm(model, training, steps=8)  # few steps leave BatchNorm's behind
print("whole:", model.evaluate(testing, verbose=0)[1])

# %% Cut to half of its operations, by pictures without labels
small = th.shrink(model, training.map(lambda x, y: x), macs=0.5, method="post_training")
small.compile(loss=loss, metrics=["accuracy"])
print(th.compare(model, small))
print("cut:", small.evaluate(testing, verbose=0)[1])
assert small.get_layer(backbone.name).count_params() < backbone.count_params()

# %% Trained on, with the whole one for a teacher
student = keras.distillation.Distiller(
    teacher=model,
    student=small,
    distillation_losses=keras.distillation.LogitsDistillation(temperature=4.0),
    student_loss_weight=0.6,
)
student.compile(keras.optimizers.Adam(3e-4), loss, metrics=["accuracy"])
student.fit(training, epochs=4, verbose=2)
small.compile(loss=loss, metrics=["accuracy"])
print("distilled:", small.evaluate(testing, verbose=0)[1])

# %% To a phone, in int8
pictures = np.concatenate([x for x, _ in training])
exported = th.export(small, "pictures.tflite", "litert", "int8", representative=pictures)
print(exported)
