"""The generated kernels of the single shot, and their values."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from keras import ops

from tf_hetero.graph.channels import ChannelGraph, Site, Weight
from tf_hetero.hypernetwork import draw_direction, draw_latents, scale_axis
from tf_hetero.methods.generating import fan_in, generated_kernels


@dataclasses.dataclass(frozen=True, eq=False)
class GeneratedKernel:
    """A kernel that latent vectors generate.

    Attributes:
        variable: the layer's kernel variable.
        value: the generated kernel.
        latents: pairs of an axis of the kernel and the units along it.
        output_axis: the axis of the units that the kernel produces; None for
            kernels that act on each channel apart.
    """

    variable: Any
    value: Any
    latents: tuple[tuple[int, np.ndarray], ...]
    output_axis: int | None


@dataclasses.dataclass(frozen=True, eq=False)
class GeneratedKernels:
    """All generated kernels of a model and the latent element of every unit.

    Attributes:
        latents: one element a unit, frozen units included.
        kernels: tuple of `GeneratedKernel`.
        drawn: False where the kernels are the model's own.
    """

    latents: np.ndarray
    kernels: tuple[GeneratedKernel, ...]
    drawn: bool

    def assign(self) -> None:
        """Writes the generated kernels into the model's variables."""
        for kernel in self.kernels:
            kernel.variable.assign(kernel.value)


def draw_kernels(
    graph: ChannelGraph, exclude: Iterable[str] = (), embedding_dim: int = 8, seed: int = 0
) -> GeneratedKernels:
    """The kernels of a fresh hypernetwork, reproducible from `seed`.

    A kernel axis of channels without ids gets a latent vector of its own: one
    element in depthwise layers, the block's width in grouped ones. Axes that are not of
    channels, as the size of an attention's heads, are positions of the kernel.
    """
    latents = draw_latents(graph.num_units, _generator(seed))

    def drawn(site: Site, name: str, weight: Weight, number: tuple[int, int]) -> Any:
        rng = _generator(seed, *number)
        shape = site.variable(name).shape
        fan, axes = fan_in(site, name, weight), weight.channel_axes
        kernel = draw_direction(shape, fan, embedding_dim, rng, axes)
        for axis in axes:
            ids = weight.axes[axis]
            if ids is None:
                latent = draw_latents(shape[axis], rng)
            else:
                latent = latents[graph.units(ids)]
            scale_axis(kernel, latent, axis)
        return ops.convert_to_tensor(kernel)

    return GeneratedKernels(latents, _generated(graph, exclude, drawn), drawn=True)


def own_kernels(graph: ChannelGraph, exclude: Iterable[str] = ()) -> GeneratedKernels:
    """The model's own kernels as generated ones, with latents of one."""

    def own(site: Site, name: str, weight: Weight, number: tuple[int, int]) -> Any:
        del weight, number
        return site.variable(name).value

    latents = np.ones(graph.num_units, dtype=np.float32)
    return GeneratedKernels(latents, _generated(graph, exclude, own), drawn=False)


def _generated(
    graph: ChannelGraph, exclude: Iterable[str], make: Callable[..., Any]
) -> tuple[GeneratedKernel, ...]:
    kernels = []
    for number, site, name, weight in generated_kernels(graph, exclude):
        axes = tuple(
            (axis, graph.units(ids))
            for axis, ids in enumerate(weight.axes)
            if ids is not None
        )
        value = make(site, name, weight, number)
        variable = site.variable(name)
        kernels.append(GeneratedKernel(variable, value, axes, weight.output_axis))
    return tuple(kernels)


def _generator(*seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed)))
