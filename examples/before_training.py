"""An architecture of one's own: LW-DNA finds its widths before it is trained."""

# %% Pictures, and an architecture with a block of its own
import keras
import numpy as np
from keras import layers
from sklearn.datasets import load_digits

import tf_hetero as th

x, y = load_digits(return_X_y=True)
x = (x.reshape(-1, 8, 8, 1) / 16).astype("float32")
training, testing = (x[:400], y[:400]), (x[400:], y[400:])


def block(x, width, name):
    """Two convolutions, and what came in beside what came out."""
    y = layers.Conv2D(width, 3, padding="same", activation="relu", name=f"{name}_a")(x)
    y = layers.Conv2D(width, 3, padding="same", activation="relu", name=f"{name}_b")(y)
    return layers.Concatenate(name=f"{name}_both")([x, y])


def architecture():
    inputs = keras.Input((8, 8, 1))
    x = layers.Conv2D(12, 3, padding="same", activation="relu", name="stem")(inputs)
    for number, width in enumerate((12, 16, 24)):
        x = block(x, width, f"block{number}")
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10, name="classes")(x))


loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def trained(model):
    """The accuracy after a training that is the same for both."""
    keras.utils.set_random_seed(0)
    model.compile(keras.optimizers.Adam(3e-3), loss, metrics=["accuracy"])
    model.fit(*training, batch_size=32, epochs=30, verbose=0)
    return model.evaluate(*testing, verbose=0)[1]


# %% Twice as wide, scored by one gradient pass, cut to the operations of the baseline
keras.utils.set_random_seed(0)
baseline = architecture()
found = th.shrink(
    baseline,
    training,
    loss,
    macs=1.0,
    method=th.LWDNA(width_multiplier=2.0),
    widths=th.WidthRules(min_conv_fraction=0.2, min_dense_fraction=0.45),
)
print(th.compare(baseline, found))

# %% Which widths may come out decides much: floors are hyperparameters
normalized = th.LWDNA(criterion="normalized", weights="fresh", width_multiplier=2.0)
other = th.shrink(baseline, training, loss, macs=1.0, method=normalized)

# %% The same training for all
for name, model in (("baseline", baseline), ("LW-DNA", found), ("normalized", other)):
    print(f"{name}: {trained(model):.3f}, {th.count(model).params:,} parameters")
assert np.isfinite(found.predict(x[:8], verbose=0)).all()
