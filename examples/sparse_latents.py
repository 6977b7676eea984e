"""DHP: latent vectors trained until they are sparse, and looked at in TensorBoard."""

# %% Pictures and a network
import keras
from sklearn.datasets import load_digits

import tf_hetero as th

keras.utils.set_random_seed(0)
x, y = load_digits(return_X_y=True)
x = (x.reshape(-1, 8, 8, 1) / 16).astype("float32")
training, testing = (x[:1000], y[:1000]), (x[1000:], y[1000:])
baseline = th.models.DigitsNet()
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

# %% Every kernel is made of latents; a proximal optimizer draws these towards zero
hyper = th.reparameterize(baseline)
widths = th.WidthRules(min_conv_fraction=0.1, min_dense_fraction=0.1, min_channels=2)
optimizer = th.ProximalSGD(
    0.05, momentum=0.9, l1_strength=0.03, floors=th.latent_floors(hyper, widths)
)
hyper.compile(optimizer, loss, metrics=["accuracy"])
stop = th.StopAtBudget(macs=0.5, check_every=20)
hyper.fit(
    *training,
    batch_size=32,
    epochs=40,
    callbacks=[stop, th.LatentSummaries("logs")],
    verbose=2,
)
print("budget met:", stop.reached, "at", stop.history[-1]["macs"])

# %% tensorboard --logdir=logs shows the latents of each group, step by step
scores = {group: abs(z) for group, z in th.latent_vectors(hyper).items()}
masks = th.select(hyper, scores, macs=0.5, widths=widths)
small = th.strip(hyper, masks)
print(th.compare(baseline, small))

# %% The training goes on, with the kernels that the search made
small.compile(keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"])
small.fit(*training, batch_size=32, epochs=10, verbose=0)
print("accuracy:", small.evaluate(*testing, verbose=0)[1])
