"""Image backbones of keras-hub that are built without weights from a hub.

keras-hub has no default configs outside its presets, so the sizes stand here: those
of a small published network of each family, or of the example in its documentation.
"""

from collections.abc import Callable
from typing import Any

import keras

_EFFICIENTNET: dict[str, Any] = {
    "stackwise_width_coefficients": [1.0] * 7,
    "stackwise_depth_coefficients": [1.0] * 7,
    "stackwise_kernel_sizes": [3, 3, 5, 3, 5, 5, 3],
    "stackwise_num_repeats": [1, 2, 2, 3, 3, 4, 1],
    "stackwise_input_filters": [32, 16, 24, 40, 80, 112, 192],
    "stackwise_output_filters": [16, 24, 40, 80, 112, 192, 320],
    "stackwise_expansion_ratios": [1, 6, 6, 6, 6, 6, 6],
    "stackwise_strides": [1, 2, 2, 2, 1, 2, 1],
    "stackwise_squeeze_and_excite_ratios": [0.25] * 7,
}
_RESNET: dict[str, Any] = {
    "input_conv_filters": [64],
    "input_conv_kernel_sizes": [7],
    "stackwise_num_filters": [64, 128, 256, 512],
    "stackwise_num_strides": [1, 2, 2, 2],
}
_MOBILENET: dict[str, Any] = {
    "stackwise_expansion": [[40, 56], [64, 144, 144], [72, 72], [144, 288, 288]],
    "stackwise_num_blocks": [2, 3, 2, 3],
    "stackwise_num_filters": [[16, 16], [24, 24, 24], [24, 24], [48, 48, 48]],
    "stackwise_kernel_size": [[3, 3], [5, 5, 5], [5, 5], [5, 5, 5]],
    "stackwise_num_strides": [[2, 1], [2, 1, 1], [1, 1], [2, 1, 1]],
    "stackwise_se_ratio": [[None, None], [0.25] * 3, [0.3, 0.3], [0.3, 0.25, 0.25]],
    "stackwise_activation": [["relu"] * 2] + [["hard_swish"] * n for n in (3, 2, 3)],
    "stackwise_padding": [[1, 1], [2, 2, 2], [2, 2], [2, 2, 2]],
    "output_num_filters": 288,
    "depthwise_filters": 8,
    "depthwise_stride": 2,
    "depthwise_residual": False,
    "last_layer_filter": 256,
    "squeeze_and_excite": 0.5,
}
_MOBILENETV5: dict[str, Any] = {
    "stackwise_block_types": [["er"], ["uir", "uir"]],
    "stackwise_num_blocks": [1, 2],
    "stackwise_num_filters": [[24], [48, 48]],
    "stackwise_strides": [[2], [2, 1]],
    "stackwise_act_layers": [["relu"], ["relu", "relu"]],
    "stackwise_exp_ratios": [[4.0], [6.0, 6.0]],
    "stackwise_exp_kernel_sizes": [[3], [0, 0]],
    "stackwise_pw_kernel_sizes": [[1], [0, 0]],
    "stackwise_dw_kernel_sizes": [[0], [5, 5]],
    "stackwise_se_ratios": [[0.0], [0.0, 0.0]],
    "stackwise_use_cpe": [[False], [False, False]],
    **{
        f"stackwise_{name}": [[0], [0, 0]]
        for name in (
            "dw_start_kernel_sizes dw_end_kernel_sizes num_heads key_dims value_dims "
            "kv_strides"
        ).split()
    },
    "use_msfa": False,
}
_HGNETV2: dict[str, Any] = {
    "depths": [1, 1, 3, 1],
    "embedding_size": 32,
    "hidden_sizes": [64, 256, 512, 1024],
    "stem_channels": [3, 16, 16],
    "hidden_act": "relu",
    "use_learnable_affine_block": False,
    "stackwise_stage_filters": [
        (16, 16, 64, 1, 3, 3),
        (64, 32, 256, 1, 3, 3),
        (256, 64, 512, 2, 3, 5),
        (512, 128, 1024, 1, 3, 5),
    ],
    "apply_downsample": [False, True, True, True],
    "use_lightweight_conv_block": [False, False, True, True],
}
_TRANSFORMER: dict[str, Any] = {
    "patch_size": 16,
    "num_layers": 4,
    "num_heads": 3,
    "hidden_dim": 192,
}
_MIT: dict[str, Any] = {
    "num_layers": 4,
    "hidden_dims": [32, 64, 160, 256],
    "layerwise_depths": [2, 2, 2, 2],
    "layerwise_num_heads": [1, 2, 5, 8],
    "layerwise_sr_ratios": [8, 4, 2, 1],
    "layerwise_patch_sizes": [7, 3, 3, 3],
    "layerwise_strides": [4, 2, 2, 2],
    "max_drop_path_rate": 0.1,
}
_CSPNET: dict[str, Any] = {
    "stem_filters": 32,
    "stem_kernel_size": 3,
    "stem_strides": 1,
    "stackwise_depth": [1, 2, 4],
    "stackwise_strides": [1, 2, 2],
    "stackwise_num_filters": [32, 64, 128],
}

# name: (class without "Backbone", name of the size argument, settings)
_BACKBONES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "ResNet18": (
        "ResNet",
        "image_shape",
        {**_RESNET, "stackwise_num_blocks": [2, 2, 2, 2], "block_type": "basic_block"},
    ),
    "ResNet50V2": (
        "ResNet",
        "image_shape",
        {
            **_RESNET,
            "stackwise_num_blocks": [3, 4, 6, 3],
            "block_type": "bottleneck_block",
            "use_pre_activation": True,
        },
    ),
    "DenseNet121": ("DenseNet", "image_shape", {"stackwise_num_repeats": [6, 12, 24, 16]}),
    "VGG16": (
        "VGG",
        "image_shape",
        {
            "stackwise_num_repeats": [2, 2, 3, 3, 3],
            "stackwise_num_filters": [64, 128, 256, 512, 512],
        },
    ),
    "Xception": (
        "Xception",
        "image_shape",
        {
            "stackwise_conv_filters": [
                [32, 64],
                [128, 128],
                [256, 256],
                [728, 728],
                *[[728] * 3] * 8,
                [728, 1024],
                [1536, 2048],
            ],
            "stackwise_pooling": [False, *[True] * 3, *[False] * 8, True, False],
        },
    ),
    **{
        f"EfficientNet-{kind}": (
            "EfficientNet",
            "input_shape",
            {**_EFFICIENTNET, "stackwise_block_types": [kind] * 7},
        )
        for kind in ("v1", "unfused", "fused", "cba")
    },
    "MobileNetV3": ("MobileNet", "image_shape", _MOBILENET),
    "MobileNetV5": ("MobileNetV5", "image_shape", _MOBILENETV5),
    **{
        f"CSPNet-{stage}": (
            "CSPNet",
            "image_shape",
            {
                **_CSPNET,
                "stage_type": stage,
                "block_type": f"{block}_block",
                "expand_ratio": [expand],
                "bottle_ratio": [0.5],
            },
        )
        for stage, block, expand in (
            ("dark", "dark", 1.0),
            ("csp", "bottleneck", 2.0),
            ("cs3", "edge", 2.0),
        )
    },
    "HGNetV2": ("HGNetV2", "image_shape", _HGNETV2),
    "MiT-B0": ("MiT", "image_shape", _MIT),
    "ViT": ("ViT", "image_shape", {**_TRANSFORMER, "mlp_dim": 768}),
    "DeiT": ("DeiT", "image_shape", {**_TRANSFORMER, "intermediate_dim": 768}),
    "DINOV2": ("DINOV2", "image_shape", {**_TRANSFORMER, "intermediate_dim": 768}),
    "SwinTransformer": (
        "SwinTransformer",
        "image_shape",
        {"embed_dim": 48, "depths": [2, 2], "num_heads": [3, 6], "window_size": 4},
    ),
}


def builders(size: int | None) -> dict[str, Callable[[], keras.Model]]:
    """`{name: function that builds the backbone}` for pictures of this size.

    None leaves the size open.
    """
    import keras_hub

    def builder(family: str, argument: str, settings: dict[str, Any]):
        backbone = getattr(keras_hub.models, f"{family}Backbone")
        return lambda: backbone(**settings, **{argument: (size, size, 3)})

    return {name: builder(*entry) for name, entry in _BACKBONES.items()}
