"""Networks of keras.applications in experiments."""

import keras
import numpy as np
import pytest

import tf_hetero as th
from tf_hetero.datasets.records import IMAGENET_MEAN, IMAGENET_STD
from tools.experiment.applications import application


@pytest.mark.parametrize("name", ["MobileNet", "ResNet50"])
def test_pictures_come_as_the_network_wants_them(name, tmp_path):
    """MobileNet wants -1 to 1, ResNet50 blue first and less the mean of ImageNet."""
    keras.utils.set_random_seed(0)
    network = application(name, None, 32)
    inner = next(la for la in network.layers if isinstance(la, keras.Model))
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype("float32")
    wanted = pixels / 127.5 - 1
    if name == "ResNet50":  # the means that Caffe's networks were trained with
        wanted = pixels[..., ::-1] - np.array([103.939, 116.779, 123.68], "float32")
    x = (pixels - np.array(IMAGENET_MEAN)) / np.array(IMAGENET_STD)
    found, expected = network.predict(x, verbose=0), inner.predict(wanted, verbose=0)
    # Pixels up to 255 are normalised and brought back: a few units of 2^-24 of them.
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    assert (found < 0).any()  # logits


def test_it_is_searched_like_any_network(tmp_path):
    network = application("MobileNet", None, 32)
    small = th.shrink(network, macs=0.5, method="post_training")
    assert th.count(small).macs <= 0.5 * th.count(network).macs


def test_an_unknown_application_is_refused():
    with pytest.raises(ValueError, match="'ResNet5000'"):
        application("ResNet5000", None)
