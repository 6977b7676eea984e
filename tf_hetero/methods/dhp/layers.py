"""Hyper layers: stock layers whose kernels are generated from latent vectors.

A hyper layer is called on a tensor and on the latent vectors that it needs:
`HyperConv2D(...)(x, {"stem": z_stem, "stage1": z_stage1})`.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from tf_hetero.graph.stand_ins import Plain, StandIn
from tf_hetero.hypernetwork import as_tensor, combine, draw_bounds, embed_kernel
from tf_hetero.methods.dhp.latents import KernelSpec

_register = keras.saving.register_keras_serializable("tf_hetero")


_Stock: Any = object  # stands for the stock layer, which follows in the classes' order


class HyperLayer(StandIn, _Stock):
    """What hyper layers add to the stock layer that they inherit from.

    Args:
        kernels: `{name of a kernel: KernelSpec}`, for all kernels of the layer.
        embedding_dim: the hypernetwork's m.
        *args, **kwargs: as for the stock layer.

    Call arguments:
        inputs: the tensor that the stock layer takes.
        latents: `{group name: latent vector}`, the groups that `kernels` name.

    References:
        - Differentiable Meta Pruning via HyperNetworks, section 3.1, Eqs. 1 to 3.
    """

    plain_class: Any
    # What the stock layer computes from its input and its kernels by name, before
    # bias and activation.
    operate: Callable[..., Any]

    def __init__(self, *args, kernels: Mapping[str, Any], embedding_dim=8, **kwargs):
        super().__init__(*args, **kwargs)
        self.embedding_dim = embedding_dim
        self.kernels = {n: KernelSpec.from_config(spec) for n, spec in kernels.items()}

    @property
    def latent_groups(self) -> list[str]:
        """Names of the latent vectors that the layer is to be called on."""
        axes = [axis for spec in self.kernels.values() for axis in spec.axes if axis]
        return list(dict.fromkeys(name for axis in axes for name in axis.groups))

    def build(self, inputs_shape, latents_shape=None) -> None:
        del latents_shape
        for name, spec in self.kernels.items():
            self._add_hypernetwork(name, spec)
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.compute_output_shape(inputs_shape)[-1],),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.input_spec = None

    def _add_hypernetwork(self, name: str, spec: KernelSpec) -> None:
        m, pair = self.embedding_dim, tuple(spec.shape[-2:])
        bound1, bound2 = draw_bounds(m, spec.fan_in)
        uniform = keras.initializers.RandomUniform
        for weight, shape, initializer in (
            ("w1", (m, *pair), uniform(-bound1, bound1)),
            ("w2", (m, *spec.shape), uniform(-bound2, bound2)),
            ("b0", pair, "zeros"),
            ("b1", (m, *pair), "zeros"),
            ("b2", tuple(spec.shape), "zeros"),
        ):
            self._add(name, weight, shape, initializer)
        for position, axis in enumerate(spec.axes):
            if axis is None:
                normal = keras.initializers.RandomNormal(stddev=1.0)
                self._add(name, f"latent{position}", (pair[position],), normal)

    def _add(self, kernel: str, weight: str, shape, initializer) -> None:
        name = hyper_weight(kernel, weight)
        setattr(
            self, name, self.add_weight(name=name, shape=shape, initializer=initializer)
        )

    def generated_kernel(self, name: str, latents: Mapping[str, Any]) -> Any:
        """The kernel of this name for these latent vectors."""
        weights = [
            getattr(self, hyper_weight(name, w)) for w in ("w1", "w2", "b0", "b1", "b2")
        ]
        return combine(*self._ends(name, latents), *weights)

    def _ends(self, name: str, latents: Mapping[str, Any]) -> list[Any]:
        ends = []
        for position, axis in enumerate(self.kernels[name].axes):
            if axis is None:
                own = getattr(self, hyper_weight(name, f"latent{position}"))
                ends.append(as_tensor(own))
                continue
            parts = [latents[group] for group in axis.groups]
            vector = parts[0] if len(parts) == 1 else ops.concatenate(parts)
            if axis.indices is not None:
                vector = ops.take(vector, list(axis.indices), axis=0)
            ends.append(vector)
        return ends

    def call(self, inputs, latents):
        kernels = {}
        for name, spec in self.kernels.items():
            kernels[name] = self.generated_kernel(name, latents)
            regularizer = keras.regularizers.get(spec.regularizer)
            if regularizer is not None:
                self.add_loss(regularizer(kernels[name]))
        outputs = self.operate(inputs, **kernels)
        if self.bias is not None:
            shape = (1,) * (len(outputs.shape) - 1) + (outputs.shape[-1],)
            outputs = ops.add(outputs, ops.reshape(self.bias, shape))
        return outputs if self.activation is None else self.activation(outputs)

    def compute_output_spec(self, inputs, latents):
        del latents
        shape = self.compute_output_shape(inputs.shape)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def compute_output_shape(self, inputs_shape, latents_shape=None):
        del latents_shape
        return super().compute_output_shape(inputs_shape)

    def stand_for(self, sources: Mapping[str, Any]) -> Plain:
        """The stock layer, its kernels generated where their values are asked for."""
        shapes = {name: tuple(spec.shape) for name, spec in self.kernels.items()}
        if self.bias is not None:
            shapes["bias"] = tuple(self.bias.shape)

        def latents() -> dict[str, Any]:
            return {n: as_tensor(bank.vectors[n]) for n, bank in sources.items()}

        def value(name: str) -> np.ndarray:
            if name in self.kernels:
                return ops.convert_to_numpy(self.generated_kernel(name, latents()))
            return ops.convert_to_numpy(getattr(self, name))

        config = {**self.plain_class.get_config(self), "activation": self.activation}
        return Plain(
            layer=self.plain_class.from_config(config),
            weights={
                name: keras.KerasTensor(shape, self.variable_dtype, name=name)
                for name, shape in shapes.items()
            },
            value=value,
            compute=lambda inputs: self(inputs, latents()),
        )

    def take_over(self, name: str, kernel: Any, rng: np.random.Generator) -> None:
        """Makes latents of one generate this kernel; the layer's own become ones."""
        for weight, value in zip(
            ("w1", "w2"), embed_kernel(kernel, self.embedding_dim, rng), strict=True
        ):
            getattr(self, hyper_weight(name, weight)).assign(value)
        for position, axis in enumerate(self.kernels[name].axes):
            if axis is None:
                own = getattr(self, hyper_weight(name, f"latent{position}"))
                own.assign(np.ones(own.shape))

    def get_config(self) -> dict[str, Any]:
        kernels = {name: dataclasses.asdict(spec) for name, spec in self.kernels.items()}
        own = {"kernels": kernels, "embedding_dim": self.embedding_dim}
        return {**super().get_config(), **own}

    # Keras's convolutions save what they call kernel and bias, whatever is there.
    def save_own_variables(self, store) -> None:
        keras.layers.Layer.save_own_variables(self, store)

    def load_own_variables(self, store) -> None:
        keras.layers.Layer.load_own_variables(self, store)


def hyper_weight(kernel: str, weight: str) -> str:
    """The name of one weight of the hypernetwork of a kernel."""
    return f"{kernel.removesuffix('kernel')}{weight}"


class _Spatial(HyperLayer):
    def geometry(self) -> dict[str, Any]:
        """How the kernel moves over the pixels, for `keras.ops`."""
        return {
            "strides": tuple(self.strides),
            "padding": self.padding,
            "dilation_rate": self.dilation_rate,
            "data_format": self.data_format,
        }


class _Convolution(_Spatial):
    def operate(self, inputs, kernel):
        geometry = self.geometry()
        if self.padding == "causal":
            before = self.dilation_rate[0] * (self.kernel_size[0] - 1)
            inputs = ops.pad(inputs, [[0, 0], [before, 0], [0, 0]])
            geometry["padding"] = "valid"
        return ops.conv(inputs, kernel, **geometry)


class _Transposed(_Spatial):
    def operate(self, inputs, kernel):
        padding = {"output_padding": self.output_padding}
        return ops.conv_transpose(inputs, kernel, **self.geometry(), **padding)


class _Depthwise(_Spatial):
    def operate(self, inputs, kernel):
        return ops.depthwise_conv(inputs, kernel, **self.geometry())


class _Separable(_Spatial):
    def operate(self, inputs, depthwise_kernel, pointwise_kernel):
        kernels = depthwise_kernel, pointwise_kernel
        return ops.separable_conv(inputs, *kernels, **self.geometry())


class _Dense(HyperLayer):
    def operate(self, inputs, kernel):
        return ops.matmul(inputs, kernel)


@_register
class HyperConv1D(_Convolution, keras.layers.Conv1D):
    """`keras.layers.Conv1D` with a generated kernel; arguments as `HyperLayer`."""

    plain_class = keras.layers.Conv1D


@_register
class HyperConv2D(_Convolution, keras.layers.Conv2D):
    """`keras.layers.Conv2D` with a generated kernel; arguments as `HyperLayer`."""

    plain_class = keras.layers.Conv2D


@_register
class HyperConv3D(_Convolution, keras.layers.Conv3D):
    """`keras.layers.Conv3D` with a generated kernel; arguments as `HyperLayer`."""

    plain_class = keras.layers.Conv3D


@_register
class HyperConv1DTranspose(_Transposed, keras.layers.Conv1DTranspose):
    """`keras.layers.Conv1DTranspose` with a generated kernel; arguments as `HyperLayer`."""

    plain_class = keras.layers.Conv1DTranspose


@_register
class HyperConv2DTranspose(_Transposed, keras.layers.Conv2DTranspose):
    """`keras.layers.Conv2DTranspose` with a generated kernel; arguments as `HyperLayer`."""

    plain_class = keras.layers.Conv2DTranspose


@_register
class HyperConv3DTranspose(_Transposed, keras.layers.Conv3DTranspose):
    """`keras.layers.Conv3DTranspose` with a generated kernel; arguments as `HyperLayer`."""

    plain_class = keras.layers.Conv3DTranspose


@_register
class HyperDepthwiseConv1D(_Depthwise, keras.layers.DepthwiseConv1D):
    """`keras.layers.DepthwiseConv1D` with a generated kernel; arguments as `HyperLayer`."""

    plain_class = keras.layers.DepthwiseConv1D


@_register
class HyperDepthwiseConv2D(_Depthwise, keras.layers.DepthwiseConv2D):
    """`keras.layers.DepthwiseConv2D` with a generated kernel; arguments as `HyperLayer`."""

    plain_class = keras.layers.DepthwiseConv2D


@_register
class HyperSeparableConv1D(_Separable, keras.layers.SeparableConv1D):
    """`keras.layers.SeparableConv1D` with generated kernels; arguments as `HyperLayer`."""

    plain_class = keras.layers.SeparableConv1D


@_register
class HyperSeparableConv2D(_Separable, keras.layers.SeparableConv2D):
    """`keras.layers.SeparableConv2D` with generated kernels; arguments as `HyperLayer`."""

    plain_class = keras.layers.SeparableConv2D


@_register
class HyperDense(_Dense, keras.layers.Dense):
    """`keras.layers.Dense` with a generated kernel; arguments as `HyperLayer`."""

    plain_class = keras.layers.Dense


HYPER_LAYERS: dict[type, type[HyperLayer]] = {
    hyper.plain_class: hyper
    for hyper in (
        HyperConv1D,
        HyperConv2D,
        HyperConv3D,
        HyperConv1DTranspose,
        HyperConv2DTranspose,
        HyperConv3DTranspose,
        HyperDepthwiseConv1D,
        HyperDepthwiseConv2D,
        HyperSeparableConv1D,
        HyperSeparableConv2D,
        HyperDense,
    )
}
