"""Models of packages that build on Keras 3: classifiers, detectors, segmenters.

Of each family the smallest network, without weights. Names are `package-model`. kimm's
VGG is missing: it takes no pictures below 224 pixels.
"""

import functools
import importlib
import importlib.util
from collections.abc import Callable
from typing import Any

import keras

from tools.proofs import zoo_hub, zoo_segmenters

PACKAGES = "kimm kyolo segmodels_keras keras_unet_collection medicai keras_hub".split()

_KIMM = """
ConvMixer736D32 ConvNeXtAtto DenseNet121 EfficientNetB0 EfficientNetLiteB0
EfficientNetV2B0 TinyNetE GhostNetW050 GhostNetV2W100 GhostNetV3W050 HGNetTiny HGNetV2B0
InceptionNeXtTiny InceptionV3 LCNet035 MobileNetV2W050 MobileNetV3W050Small
MobileNetV3W100SmallMinimal MobileOneS0 MobileViTXXS MobileViTV2W050 RegNetX002 RegNetY002
RepVGGA0 ResNet18 ResNet50 VisionTransformerTiny32 Xception
""".split()
_KYOLO = "yolov5n yolov8n yolov9t yolov10n yolo11n yolo12n yolo26n".split()


def builders(size: int) -> dict[str, Callable[[], keras.Model]]:
    """`{name: function that builds the model}` for pictures of about this size.

    Raises:
        ImportError: if a package is missing, with the names of all that are.
    """
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(f"Packages that are not installed: {', '.join(missing)}.")
    recipes = {
        **{f"kimm-{name}": _kimm(name, size) for name in _KIMM},
        **{
            f"kyolo-{name}": _recipe("kyolo", name, nc=10, input_shape=(size, size, 3))
            for name in _KYOLO
        },
        **zoo_segmenters.recipes(size),
    }
    return {
        **{name: functools.partial(_made, *recipe) for name, recipe in recipes.items()},
        **zoo_hub.builders(size),
    }


def _made(module: str, name: str, settings: dict[str, Any]) -> keras.Model:
    return getattr(importlib.import_module(module), name)(**settings)


def _recipe(module: str, name: str, **settings: Any) -> tuple[str, str, dict[str, Any]]:
    return module, name, settings


def _kimm(name: str, size: int) -> tuple[str, str, dict[str, Any]]:
    return _recipe(
        "kimm.models",
        name,
        input_shape=(size, size, 3),
        weights=None,
        classes=10,
        classifier_activation="linear",
    )
