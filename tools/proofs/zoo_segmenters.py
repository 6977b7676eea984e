"""Models for pictures and volumes: segmodels-keras, keras-unet-collection, medicai.

A recipe is `(module, function, settings)`. Three models of keras-unet-collection are
missing, ResUNet-a, TransUNET and Swin-UNET: they cannot be built with Keras 3, whose
symbolic tensors are not TensorFlow's.
"""

from typing import Any

Recipe = tuple[str, str, dict[str, Any]]

_SEGMODELS = ("Unet", "FPN", "Linknet", "PSPNet")
_BACKBONES = ("resnet18", "mobilenetv2")
_FILTERS = [16, 32, 64, 128]
_PLAIN: dict[str, Any] = {"filter_num": _FILTERS, "n_labels": 2}
_NORMED: dict[str, Any] = {**_PLAIN, "batch_norm": True}
_DOWN: dict[str, Any] = {"filter_num_down": _FILTERS, "n_labels": 2}
# name: (function without "_2d", settings)
_UNETS: dict[str, tuple[str, dict[str, Any]]] = {
    "unet": ("unet", _PLAIN),
    "unet-strided": ("unet", {**_NORMED, "pool": False, "unpool": False}),
    "unet-gelu": ("unet", {**_PLAIN, "activation": "GELU", "unpool": "nearest"}),
    "unet-EfficientNetB0": (
        "unet",
        {
            **_NORMED,
            "backbone": "EfficientNetB0",
            "weights": None,
            "freeze_backbone": False,
        },
    ),
    "unet_plus": ("unet_plus", _NORMED),
    "unet_plus-supervised": ("unet_plus", {**_NORMED, "deep_supervision": True}),
    "unet_3plus": ("unet_3plus", {**_DOWN, "batch_norm": True}),
    "vnet": ("vnet", {**_NORMED, "pool": False, "unpool": False}),
    "att_unet": ("att_unet", _NORMED),
    "att_unet-multiply": ("att_unet", {**_NORMED, "attention": "multiply"}),
    "r2_unet": ("r2_unet", _NORMED),
    "u2net": ("u2net", {**_DOWN, "batch_norm": True}),
    "u2net-supervised": ("u2net", {**_DOWN, "deep_supervision": True}),
}
_MEDICAI_CLASSIFIERS = """
ConvNeXtTiny ConvNeXtV2Atto DenseNet121 EfficientNetB0 EfficientNetV2B0 MixViTB0 ResNet18
ResNet50v2 ResNet50vd ResNeXt50 SEResNet18 SwinTiny SwinTinyV2 ViTBase Xception
""".split()
_ON_RESNET: dict[str, Any] = {
    "encoder_name": "resnet18",
    "decoder_filters": (64, 48, 32, 24, 16),
}
_TRANSUNET: dict[str, Any] = {
    **_ON_RESNET,
    "num_vit_layers": 2,
    "num_heads": 4,
    "num_queries": 8,
    "embed_dim": 64,
    "mlp_dim": 128,
}
# name: (class, settings); on pictures
_MEDICAI: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in _MEDICAI_CLASSIFIERS},
    "UNet": ("UNet", _ON_RESNET),
    "UNet-transpose": ("UNet", {**_ON_RESNET, "decoder_block_type": "transpose"}),
    "AttentionUNet": ("AttentionUNet", _ON_RESNET),
    "UNetPlusPlus": ("UNetPlusPlus", _ON_RESNET),
    "DeepLabV3Plus": (
        "DeepLabV3Plus",
        {"encoder_name": "resnet18", "decoder_channels": 64, "projection_filters": 16},
    ),
    "UPerNet": ("UPerNet", {"encoder_name": "resnet18", "decoder_filters": 64}),
    "SegFormer": (
        "SegFormer",
        {"encoder_name": "mit_b0", "decoder_head_embedding_dim": 64},
    ),
    "TransUNet": ("TransUNet", _TRANSUNET),
    "SwinUNETR": ("SwinUNETR", {"encoder_name": "swin_tiny", "feature_size": 24}),
    "UNETR": ("UNETR", {"encoder_name": "vit_base"}),
}
# The same, on volumes.
_MEDICAI_3D: dict[str, tuple[str, dict[str, Any]]] = {
    "ResNet18-3D": ("ResNet18", {}),
    "DenseNet121-3D": ("DenseNet121", {}),
    "UNet-3D": ("UNet", _ON_RESNET),
    "AttentionUNet-3D": ("AttentionUNet", _ON_RESNET),
    "SegFormer-3D": (
        "SegFormer",
        {"encoder_name": "mit_b0", "decoder_head_embedding_dim": 32},
    ),
    "UNETRPlusPlus-3D": ("UNETRPlusPlus", {"encoder_name": "unetr_plusplus_encoder"}),
}


def recipes(size: int) -> dict[str, Recipe]:
    """`{name: recipe}` for pictures of this size (some round it), smaller volumes."""
    picture, volume = (size, size, 3), (32, 32, 32, 1)
    return {
        **{
            f"segmodels-{name}-{backbone}": _segmodels(name, backbone, size)
            for name in _SEGMODELS
            for backbone in _BACKBONES
        },
        **{
            f"unets-{name}": _unet(function, size, settings)
            for name, (function, settings) in _UNETS.items()
        },
        **{f"medicai-{k}": _medicai(picture, *entry) for k, entry in _MEDICAI.items()},
        **{f"medicai-{k}": _medicai(volume, *entry) for k, entry in _MEDICAI_3D.items()},
    }


def _segmodels(name: str, backbone: str, size: int) -> Recipe:
    side = max(48, size // 48 * 48) if name == "PSPNet" else size // 32 * 32
    settings = {
        "backbone_name": backbone,
        "input_shape": (side, side, 3),
        "classes": 2,
        "activation": "linear",
        "encoder_weights": None,
    }
    return "segmodels_keras", name, settings


def _unet(function: str, size: int, settings: dict[str, Any]) -> Recipe:
    side = size // 32 * 32
    given = {"input_size": (side, side, 3), "output_activation": None, **settings}
    return "keras_unet_collection.models", f"{function}_2d", given


def _medicai(shape: tuple[int, ...], name: str, settings: dict[str, Any]) -> Recipe:
    given = {"input_shape": shape, "num_classes": 4, "classifier_activation": None}
    return "medicai.models", name, {**given, **settings}
