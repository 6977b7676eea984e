"""keras-hub's detectors and segmenters, and backbones that `hub_models` leaves out.

As there, sizes are those of a small published network or of the documentation.
"""

import importlib
from collections.abc import Callable
from typing import Any

import keras

from tools.proofs import hub_models

_PATCHES: dict[str, Any] = {
    "patch_size": 16,
    "num_layers": 2,
    "num_heads": 3,
    "hidden_dim": 96,
    "intermediate_dim": 192,
}
_VIT_DET: dict[str, Any] = {
    "hidden_size": 48,
    "num_layers": 2,
    "intermediate_dim": 96,
    "num_heads": 3,
    "global_attention_layer_indices": [1],
    "patch_size": 16,
    "num_output_channels": 16,
    "window_size": 2,
}
_HGNETV2: dict[str, Any] = {
    "stem_channels": [3, 16, 16],
    "stackwise_stage_filters": [
        [16, 16, 32, 1, 3, 3],
        [32, 16, 64, 1, 3, 3],
        [64, 32, 96, 2, 3, 5],
        [96, 48, 128, 1, 3, 5],
    ],
    "apply_downsample": [False, True, True, True],
    "use_lightweight_conv_block": [False, False, True, True],
    "depths": [1, 1, 2, 1],
    "hidden_sizes": [32, 64, 96, 128],
    "embedding_size": 16,
    "use_learnable_affine_block": True,
    "hidden_act": "relu",
}
_D_FINE: dict[str, Any] = {
    "decoder_in_channels": [32, 32],
    "encoder_hidden_dim": 32,
    "num_denoising": 0,
    "num_labels": 5,
    "hidden_dim": 32,
    "learn_initial_query": False,
    "num_queries": 12,
    "feat_strides": [16, 32],
    "num_feature_levels": 2,
    "encoder_in_channels": [96, 128],
    "encode_proj_layers": [1],
    "num_attention_heads": 4,
    "encoder_ffn_dim": 64,
    "num_encoder_layers": 1,
    "hidden_expansion": 0.34,
    "depth_multiplier": 0.5,
    "eval_idx": -1,
    "num_decoder_layers": 2,
    "decoder_attention_heads": 4,
    "decoder_ffn_dim": 64,
    "decoder_n_points": [3, 3],
    "lqe_hidden_dim": 16,
    "num_lqe_layers": 2,
    "seed": 0,
}


def builders(size: int) -> dict[str, Callable[[], keras.Model]]:
    """`{name: function that builds the model}` for pictures of this size."""

    def builder(make: Callable[..., keras.Model], *arguments: Any):
        return lambda: make(size, *arguments)

    models = {
        "RetinaNet": builder(_retinanet, {}),
        "RetinaNet-norm": builder(_retinanet, {"use_prediction_head_norm": True}),
        "DeepLabV3": builder(_deeplab, {}),
        "DeepLabV3Plus": builder(_deeplab, {"low_level_feature_key": "P2"}),
        "SegFormer": builder(_segformer),
        "BASNet": builder(_basnet),
        "SAM": builder(_sam),
        "DFine": builder(_d_fine),
        "DepthAnything": builder(_depth_anything),
        "ViTDet": builder(_backbone, "ViTDetBackbone", _VIT_DET),
        "DINOV3": builder(_backbone, "DINOV3Backbone", _PATCHES),
        "CLIPVision": builder(_encoder, "clip.clip_vision_encoder", "CLIPVisionEncoder"),
        "SigLIPVision": builder(
            _encoder, "siglip.siglip_vision_encoder", "SigLIPVisionEncoder"
        ),
        "DenseNetClassifier": builder(_classifier, "DenseNet", "DenseNet121"),
        "ResNetClassifier": builder(_classifier, "ResNet", "ResNet18"),
        "MobileNetClassifier": builder(_classifier, "MobileNet", "MobileNetV3"),
        "ViTClassifier": builder(_classifier, "ViT", "ViT"),
    }
    return {f"hub-{name}": build for name, build in models.items()}


def _made(name: str, **settings: Any) -> Any:
    import keras_hub

    return getattr(keras_hub.models, name)(**settings)


def _known(name: str, size: int | None) -> keras.Model:
    """A backbone of `hub_models`."""
    return hub_models.builders(size)[name]()


def _backbone(size: int, name: str, settings: dict[str, Any]) -> keras.Model:
    return _made(name, image_shape=(size, size, 3), **settings)


def _encoder(size: int, module: str, name: str) -> keras.Model:
    found = importlib.import_module(f"keras_hub.src.models.{module}")
    return getattr(found, name)(image_shape=(size, size, 3), **_PATCHES)


def _classifier(size: int, family: str, backbone: str) -> keras.Model:
    return _made(f"{family}ImageClassifier", backbone=_known(backbone, size), num_classes=5)


def _retinanet(size: int, settings: dict[str, Any]) -> keras.Model:
    backbone = _made(
        "RetinaNetBackbone",
        image_encoder=_known("ResNet18", size),
        min_level=3,
        max_level=5,
        use_p5=False,
        use_fpn_batch_norm=bool(settings),
        image_shape=(size, size, 3),
    )
    return _made("RetinaNetObjectDetector", backbone=backbone, num_classes=5, **settings)


def _deeplab(size: int, settings: dict[str, Any]) -> keras.Model:
    backbone = _made(
        "DeepLabV3Backbone",
        image_encoder=_known("ResNet18", size),
        spatial_pyramid_pooling_key="P5",
        upsampling_size=8,
        dilation_rates=[6, 12, 18],
        image_shape=(size, size, 3),
        **settings,
    )
    return _made("DeepLabV3ImageSegmenter", backbone=backbone, num_classes=5)


def _segformer(size: int) -> keras.Model:
    backbone = _made(
        "SegFormerBackbone", image_encoder=_known("MiT-B0", size), projection_filters=64
    )
    return _made("SegFormerImageSegmenter", backbone=backbone, num_classes=5)


def _basnet(size: int) -> keras.Model:
    backbone = _made(
        "BASNetBackbone",
        image_encoder=_known("ResNet18", None),  # it takes the size of its own
        num_classes=1,
        image_shape=(size, size, 3),
        projection_filters=64,
    )
    return _made("BASNetImageSegmenter", backbone=backbone)


def _depth_anything(size: int) -> keras.Model:
    encoder = _known("DINOV2", max(size, 96))
    backbone = _made(
        "DepthAnythingBackbone",
        image_encoder=encoder,
        reassemble_factors=[4, 2, 1, 0.5],
        neck_hidden_dims=[16, 32, 48, 64],
        fusion_hidden_dim=32,
        head_hidden_dim=16,
        head_in_index=-1,
        feature_keys=["stage1", "stage2", "stage3", "stage4"],
    )
    return _made(
        "DepthAnythingDepthEstimator",
        backbone=backbone,
        depth_estimation_type="relative",
    )


def _sam(size: int) -> keras.Model:
    import keras_hub

    side = size // 16
    backbone = _made(
        "SAMBackbone",
        image_encoder=_backbone(size, "ViTDetBackbone", _VIT_DET),
        prompt_encoder=keras_hub.layers.SAMPromptEncoder(
            hidden_size=16,
            image_embedding_size=(side, side),
            input_image_size=(size, size),
            mask_in_channels=16,
        ),
        mask_decoder=keras_hub.layers.SAMMaskDecoder(
            num_layers=2,
            hidden_size=16,
            intermediate_dim=32,
            num_heads=4,
            embedding_dim=16,
            num_multimask_outputs=3,
            iou_head_depth=3,
            iou_head_hidden_dim=16,
        ),
    )
    shapes = {
        "images": (size, size, 3),
        "points": (1, 2),
        "labels": (1,),
        "boxes": (1, 2, 2),
        "masks": (1, 4 * side, 4 * side, 1),
    }
    inputs = {name: keras.Input(shape, name=name) for name, shape in shapes.items()}
    segmenter = _made("SAMImageSegmenter", backbone=backbone)
    return keras.Model(inputs, segmenter(inputs))


def _d_fine(size: int) -> keras.Model:
    shape = {"image_shape": (size, size, 3), "out_features": ["stage3", "stage4"]}
    backbone = _made(
        "DFineBackbone",
        backbone=_made("HGNetV2Backbone", **_HGNETV2, **shape),
        anchor_image_size=(size, size),
        **_D_FINE,
        **shape,
    )
    return _made(
        "DFineObjectDetector", backbone=backbone, num_classes=5, bounding_box_format="yxyx"
    )
