"""A classifier of keras-hub: its backbone cut, the task put together again."""

# %% A task as keras-hub makes it; yours would say from_preset(...)
import keras
import keras_hub
import numpy as np
from sklearn.datasets import load_digits

import tf_hetero as th

keras.utils.set_random_seed(0)
x, y = load_digits(return_X_y=True)
x = keras.ops.image.resize(x.reshape(-1, 8, 8, 1) / 16, (32, 32)).numpy().repeat(3, -1)
training, testing = (x[:1200], y[:1200]), (x[1200:], y[1200:])
backbone = keras_hub.models.ResNetBackbone(
    input_conv_filters=[64],
    input_conv_kernel_sizes=[3],
    stackwise_num_filters=[64, 64],
    stackwise_num_blocks=[1, 1],
    stackwise_num_strides=[1, 2],
    block_type="basic_block",
    image_shape=(32, 32, 3),
)
task = keras_hub.models.ResNetImageClassifier(backbone, num_classes=10, preprocessor=None)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
task.compile(keras.optimizers.Adam(2e-3), loss, metrics=["accuracy"])
task.fit(*training, batch_size=32, epochs=8, verbose=2)
print("whole:", task.evaluate(*testing, verbose=0)[1])

# %% A task is a functional model: it is cut as any
small = th.shrink(task, training[0], macs=0.5)
small.compile(loss=loss, metrics=["accuracy"])
print(th.compare(task, small))
print("cut:", small.evaluate(*testing, verbose=0)[1])

# %% What comes out is a plain model, which loads where keras-hub is known
small.save("digits.keras")
again = keras.models.load_model("digits.keras")
assert np.allclose(again.predict(x[:8], verbose=0), small.predict(x[:8], verbose=0))
