"""A denoiser: trained on patches, cut without labels, run on a whole picture in tiles."""

# %% Folders of gray pictures that scikit-image brings; yours may be large
import pathlib
import tempfile

import keras
import numpy as np
from skimage import data

import tf_hetero as th
from tf_hetero import datasets
from tf_hetero.restoration.quality import psnr

keras.utils.set_random_seed(0)
folder = pathlib.Path(tempfile.mkdtemp())
for name, pictures in (("train", ("brick", "grass", "gravel")), ("test", ("camera",))):
    (folder / name).mkdir()
    for picture in pictures:
        array = getattr(data, picture)()[..., None]
        keras.utils.save_img(folder / name / f"{picture}.png", array, scale=False)
patches = datasets.load_patches(
    "train",
    ["test"],
    datasets.Degradation(noise=25),
    folder,
    size=40,
    count=1200,
    channels=1,
)

# %% DnCNN at a quarter of its width
network = th.models.DnCNN((None, None, 1), width_multiplier=0.25)
network.compile(keras.optimizers.Adam(1e-3), "mae")
network.fit(patches.training_batches(16, seed=0), steps_per_epoch=75, epochs=2, verbose=2)

# %% Cut to 60 % of its operations; the labels of the patches are not looked at
noisy = np.concatenate([x for x, _ in patches.training_batches(16, seed=1).take(16)])
small = th.shrink(network, noisy, macs=0.6)
print(th.compare(network, small))

# %% A whole picture, in tiles that overlap by what an output pixel looks at
((picture, truth),) = patches.pairs("test")
for name, model in (("whole", network), ("cut", small)):
    restored = th.restore(model, picture, tile=256) * 255
    print(f"{name}: {psnr(restored, truth):.2f} dB")
print(f"noisy: {psnr(picture * 255, truth):.2f} dB")
