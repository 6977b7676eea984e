"""Networks for super-resolution and denoising."""

import keras
import numpy as np

from tf_hetero.models import blocks

layers = keras.layers

# Mean of DIV2K's pictures, of 255.
_RGB_MEAN = (0.4488 * 255, 0.4371 * 255, 0.4040 * 255)


def SRResNet(
    input_shape=(None, None, 3), scale=4, width_multiplier=1.0, name="srresnet"
) -> keras.Model:
    """SRResNet: 16 residual blocks of 64 channels.

    Args:
        input_shape: shape of a low-resolution picture; any height and width by
            default.
        scale: 2, 3 or 4, how much larger the output is.
        width_multiplier: factor on all widths.
        name: name of the model.

    Returns:
        A functional `keras.Model` from pictures to larger pictures.

    References:
        - Photo-Realistic Single Image Super-Resolution Using a Generative
          Adversarial Network, section 2.1.
    """
    width = int(64 * width_multiplier)
    inputs = keras.Input(input_shape, name="image")
    head = x = _prelu(_convolution(inputs, width, 9, "head"), "head")
    for number in range(1, 17):
        prefix = f"block{number}"
        y = _convolution_bn(x, width, f"{prefix}_conv1")
        y = _prelu(y, prefix)
        y = _convolution_bn(y, width, f"{prefix}_conv2")
        x = layers.Add(name=f"{prefix}_add")([x, y])
    x = _convolution_bn(x, width, "body_end")
    x = layers.Add(name="body_add")([x, head])
    for number, factor in enumerate(_factors(scale), start=1):
        x = _prelu(_enlarged(x, number, factor), f"upsample{number}")
    return keras.Model(inputs, _convolution(x, input_shape[-1], 3, "tail"), name=name)


def EDSR(
    input_shape=(None, None, 3), scale=4, width_multiplier=1.0, name="edsr"
) -> keras.Model:
    """EDSR with 8 residual blocks of 128 channels; arguments as for `SRResNet`.

    Pictures are in 0 to 255; two 1x1 convolutions take DIV2K's mean away and
    add it again.

    References:
        - Enhanced Deep Residual Networks for Single Image Super-Resolution.
    """
    width = int(128 * width_multiplier)
    inputs = keras.Input(input_shape, name="image")
    head = x = _convolution(_mean_shift(inputs, -1.0, "sub_mean"), width, 3, "head")
    for number in range(1, 9):
        y = _convolution(x, width, 3, f"block{number}_conv1")
        y = blocks.activation(y, blocks.RELU, f"block{number}_relu")
        y = _convolution(y, width, 3, f"block{number}_conv2")
        x = layers.Add(name=f"block{number}_add")([x, y])
    x = layers.Add(name="body_add")([_convolution(x, width, 3, "body_end"), head])
    for number, factor in enumerate(_factors(scale), start=1):
        x = _enlarged(x, number, factor)
    outputs = _mean_shift(_convolution(x, 3, 3, "tail"), 1.0, "add_mean")
    return keras.Model(inputs, outputs, name=name)


def DnCNN(input_shape=(None, None, 1), width_multiplier=1.0, name="dncnn") -> keras.Model:
    """DnCNN of 17 convolutions; arguments as for `SRResNet`.

    References:
        - Beyond a Gaussian Denoiser: Residual Learning of Deep CNN for Image
          Denoising, section 3.
    """
    width = int(64 * width_multiplier)
    inputs = keras.Input(input_shape, name="image")
    x = blocks.activation(_convolution(inputs, width, 3, "head"), blocks.RELU, "head_relu")
    for number in range(1, 16):
        x = _convolution_bn(x, width, f"body{number}")
        x = blocks.activation(x, blocks.RELU, f"body{number}_relu")
    x = _convolution(x, input_shape[-1], 3, "tail")
    return keras.Model(inputs, layers.Add(name="residual")([x, inputs]), name=name)


def UNet(input_shape=(None, None, 1), width_multiplier=1.0, name="unet") -> keras.Model:
    """U-Net of depth 5 from 32 to 512 channels; arguments as for `SRResNet`.

    Height and width must be multiples of 16.

    References:
        - U-Net: Convolutional Networks for Biomedical Image Segmentation, in the
          form that the DHP paper denoises with.
    """
    widths = [int(width * width_multiplier) for width in (32, 64, 128, 256, 512)]
    inputs = x = keras.Input(input_shape, name="image")
    skips: list = []
    for level, width in enumerate(widths, start=1):
        if skips:
            x = layers.MaxPooling2D(2, name=f"down{level}_pool")(x)
        x = _double_convolution(x, width, f"down{level}")
        skips.append(x)
    for level, width in reversed(list(enumerate(widths[:-1], start=1))):
        x = layers.Conv2DTranspose(
            width,
            2,
            2,
            kernel_initializer=blocks.fan_average_normal(),
            bias_initializer=blocks.bias_uniform(4 * width),
            name=f"up{level}",
        )(x)
        x = layers.Concatenate(name=f"up{level}_concat")([x, skips[level - 1]])
        x = _double_convolution(x, width, f"up{level}")
    normal = blocks.fan_average_normal()
    outputs = blocks.convolution(
        x, input_shape[-1], 1, use_bias=True, initializer=normal, name="tail"
    )
    return keras.Model(inputs, outputs, name=name)


def _double_convolution(x, width: int, name: str):
    """ReLU is a function of the convolution here, which the papers do not count."""
    for number in (1, 2):
        x = layers.Conv2D(
            width,
            3,
            padding="same",
            activation="relu",
            kernel_initializer=blocks.fan_average_normal(),
            bias_initializer=blocks.bias_uniform(9 * x.shape[-1]),
            name=f"{name}_conv{number}",
        )(x)
    return x


def _convolution(x, width: int, kernel: int, name: str):
    return blocks.convolution(x, width, kernel, use_bias=True, name=name)


def _convolution_bn(x, width: int, name: str):
    return blocks.convolution_bn(x, width, 3, use_bias=True, name=name)


def _prelu(x, name: str):
    """One slope for all channels."""
    quarter = keras.initializers.Constant(0.25)
    return layers.PReLU(quarter, shared_axes=[1, 2, 3], name=f"{name}_prelu")(x)


def _factors(scale: int) -> tuple[int, ...]:
    factors = {2: (2,), 3: (3,), 4: (2, 2)}
    if scale not in factors:
        raise ValueError(f"`scale` must be 2, 3 or 4. Received: scale={scale}")
    return factors[scale]


def _enlarged(x, number: int, factor: int):
    x = _convolution(x, factor**2 * x.shape[-1], 3, f"upsample{number}")
    return keras.ops.depth_to_space(x, factor)


def _mean_shift(x, sign: float, name: str):
    layer = layers.Conv2D(3, 1, trainable=False, name=name)
    shifted = layer(x)
    layer.set_weights([np.eye(3)[None, None], sign * np.array(_RGB_MEAN)])
    return shifted
