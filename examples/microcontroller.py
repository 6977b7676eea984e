"""A trained network for a microcontroller: an arena and a file in int8, in bytes."""

# %% A network that is too large
import keras
from sklearn.datasets import load_digits

import tf_hetero as th

keras.utils.set_random_seed(0)
x, y = load_digits(return_X_y=True)
x = keras.ops.image.resize(x.reshape(-1, 8, 8, 1) / 16, (32, 32)).numpy()
training, testing = (x[:1000], y[:1000]), (x[1000:], y[1000:])
model = th.models.DigitsNet((32, 32, 1), classifier_activation="softmax")
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(*training, batch_size=32, epochs=20, verbose=0)
counts = th.count(model, dtype="int8")
print(f"{counts.memory:,} bytes of arena, {counts.file_size:,} of file, in int8")

# %% Both budgets hold together; widths in multiples of 4, as kernels of int8 like them
small = th.shrink(
    model,
    training[0],
    memory="20 kB",
    file_size="24 kB",
    dtype="int8",
    widths=th.WidthRules(multiple_of=4),
)
print(th.compare(model, small, dtype="int8"))
assert th.count(small, dtype="int8").memory <= 20_000

# %% Trained on for a while
small.compile(
    keras.optimizers.Adam(3e-4), "sparse_categorical_crossentropy", metrics=["accuracy"]
)
small.fit(*training, batch_size=32, epochs=5, verbose=0)
print("whole:", model.evaluate(*testing, verbose=0)[1])
print("small:", small.evaluate(*testing, verbose=0)[1])

# %% The file, as LiteRT for Microcontrollers reads it
exported = th.export(
    small,
    "digits.tflite",
    "litert",
    "int8",
    representative=training[0],
    examples=testing[0],
)
print(exported)
assert exported.bytes <= 24_000
