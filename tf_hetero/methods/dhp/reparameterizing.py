"""From a model to its hyper model, whose kernels are generated from latent vectors."""

import dataclasses
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from keras import tree

from tf_hetero.graph.arguments import check_whole
from tf_hetero.graph.calls import Call
from tf_hetero.graph.channels import ChannelGraph, Ids, Site, Weight
from tf_hetero.graph.flattening import check_plain
from tf_hetero.graph.keras_internals import seeded_initializers
from tf_hetero.graph.tracing import trace
from tf_hetero.methods.dhp.latents import KernelSpec, LatentAxis, LatentBank
from tf_hetero.methods.dhp.layers import HYPER_LAYERS, HyperLayer
from tf_hetero.methods.generating import check_float32, fan_in, generated_kernels
from tf_hetero.surgery.rebuilding import Builder, Rebuilt, copy_weights, new_inputs
from tf_hetero.widths.width_rules import check_shrinkable

# Names of the banks; the optimizers find the latents to shrink by the first.
LATENTS = "latents"
FROZEN_LATENTS = "frozen_latents"


def reparameterize(
    model: Any,
    embedding_dim: int = 8,
    from_weights: bool = False,
    exclude: Iterable[str] = (),
    seed: int | None = None,
) -> keras.Model:
    """Builds the hyper model: the same network, its kernels made by hypernetworks.

    Every channel group gets one latent vector with an element a unit; every kernel
    that touches an unfrozen unit is generated from the vectors along its two axes
    of channels. Everything else (biases, normalisation, the classifier) keeps the
    model's own weights; so do layers that have no hyper form: attention, EinsumDense,
    and layers with a rule of your own. Channel groups that these alone touch, such as
    an attention's heads, have no latent vector and are left whole. The hyper model
    trains as any Keras model does; `trace`, `count`, `select` and `strip` see it as
    the plain model that it stands for.

    Args:
        model: a built functional or Sequential `keras.Model`, or its graph.
        embedding_dim: the hypernetwork's m.
        from_weights: whether the generated kernels are the model's own, with
            latents of one, so that a trained model goes on from where it is; they
            are fresh ones otherwise.
        exclude: regular expressions; layers of which one matches the name keep
            their own kernels.
        seed: makes the fresh weights reproducible.

    Returns:
        A functional, uncompiled `keras.Model` with the layers' names.

    Raises:
        ValueError: if the model is a hyper model already, no layer with a kernel to
            be generated has a hyper form or one has a constraint on that kernel, an
            unfrozen group is touched by excluded kernels alone, or a pattern of
            `exclude` matches nothing.

    Example:

    >>> import keras, tf_hetero
    >>> inputs = keras.Input((8, 8, 3))
    >>> x = keras.layers.Conv2D(4, 3, name="stem")(inputs)
    >>> x = keras.layers.GlobalAveragePooling2D()(x)
    >>> model = keras.Model(inputs, keras.layers.Dense(2)(x))
    >>> hyper = tf_hetero.reparameterize(model)
    >>> tf_hetero.latent_vectors(hyper)["stem"].shape
    (4,)

    References:
        - Differentiable Meta Pruning via HyperNetworks, section 3.
    """
    graph = trace(model)
    check_plain(graph.model)
    check_whole(1, embedding_dim=embedding_dim)
    check_shrinkable(graph)
    specs = _specs(graph, exclude)
    inputs = new_inputs(graph)
    with seeded_initializers(seed):
        builder = _HyperBuilder(graph, specs, embedding_dim, tree.flatten(inputs)[0])
        rebuilt = builder.build(inputs)
    _copy_rest(rebuilt, graph)
    if from_weights:
        _take_over(rebuilt, np.random.default_rng(seed))
    return rebuilt.model


def latent_vectors(model: Any) -> dict[str, np.ndarray]:
    """The latent vectors of a hyper model, of the unfrozen groups.

    Args:
        model: what `reparameterize` returned, or such a model loaded.

    Returns:
        `{group name: array of shape (size,)}`; their magnitudes are DHP's scores.

    Raises:
        ValueError: if the model is no hyper model.

    Example:

    >>> import keras, tf_hetero
    >>> inputs = keras.Input((8, 8, 3))
    >>> x = keras.layers.Conv2D(4, 3, name="stem")(inputs)
    >>> x = keras.layers.GlobalAveragePooling2D()(x)
    >>> model = keras.Model(inputs, keras.layers.Dense(2)(x))
    >>> list(tf_hetero.latent_vectors(tf_hetero.reparameterize(model)))
    ['stem']

    References:
        - Differentiable Meta Pruning via HyperNetworks, sections 3.1 and 3.4.
    """
    banks = [layer for layer in latent_banks(model) if layer.name == LATENTS]
    if not banks:
        raise ValueError(
            "`model` must be a hyper model, as tf_hetero.reparameterize makes it. "
            f"Received: {model.name!r}, which has no latent vectors."
        )
    vectors = {name: v for bank in banks for name, v in bank.vectors.items()}
    return {name: keras.ops.convert_to_numpy(v) for name, v in vectors.items()}


def latent_banks(model: Any) -> list[LatentBank]:
    """The banks among the layers of a model."""
    return [layer for layer in model.layers if isinstance(layer, LatentBank)]


class _HyperBuilder(Builder):
    """Makes hyper layers of the layers that `specs` names, by id."""

    def __init__(self, graph: ChannelGraph, specs, embedding_dim: int, tensor) -> None:
        super().__init__(graph, np.ones(graph.num_units))
        # A nested model would have to be handed the latent vectors.
        self._flat = dataclasses.replace(graph.flat, blocks=())
        self._specs = specs
        self._embedding_dim = embedding_dim
        self._vectors = _banks(graph, specs, tensor)

    def make(self, call: Call, config: dict[str, Any]) -> Any:
        kernels = self._specs.get(id(call.operation))
        if kernels is None:
            return super().make(call, config)
        hyper = HYPER_LAYERS[type(call.operation)]
        added = {"kernels": kernels, "embedding_dim": self._embedding_dim}
        return hyper.from_config({**config, **added})

    def apply(self, clone: Any, args: tuple, kwargs: dict) -> Any:
        if not isinstance(clone, HyperLayer):
            return super().apply(clone, args, kwargs)
        return clone(args[0], {name: self._vectors[name] for name in clone.latent_groups})


def _specs(graph: ChannelGraph, exclude: Iterable[str]) -> dict[int, dict[str, KernelSpec]]:
    """`{id of a layer: specs of all its kernels}` for layers with a generated one."""
    specs = {}
    for _, site, _, _ in generated_kernels(graph, exclude):
        operation = site.call.operation
        if id(operation) in specs or type(operation) not in HYPER_LAYERS:
            continue
        specs[id(operation)] = {
            name: _spec(graph, site, name, weight) for name, weight in site.kernels
        }
    if not specs:
        raise ValueError(
            "A layer whose kernel can be generated is a convolution or a Dense layer. "
            f"Received: {graph.flat.name!r}, where none of these touches an unfrozen "
            "channel group."
        )
    return specs


def without_latents(graph: ChannelGraph) -> set[str]:
    """Names of the unfrozen groups that no layer with a hyper form touches."""
    touched = np.zeros(graph.num_units, bool)
    for _, site, _, weight in generated_kernels(graph, ()):
        if type(site.call.operation) in HYPER_LAYERS:
            for ids in weight.axes:
                if ids is not None:
                    touched[graph.units(ids)] = True
    return {group.name for group in graph.free_groups if not touched[group.units].any()}


def _spec(graph: ChannelGraph, site: Site, name: str, weight: Weight) -> KernelSpec:
    variable = site.variable(name)
    check_float32([variable])
    if variable.constraint is not None:
        raise ValueError(
            "A generated kernel cannot be constrained. Received: layer "
            f"{site.call.name!r} with a constraint on its {name}. Remove the constraint, "
            f"or keep the kernel with exclude=[{site.call.name!r}]."
        )
    regularizer = variable.regularizer
    if regularizer is not None:
        regularizer = keras.regularizers.serialize(regularizer)
    return KernelSpec(
        shape=tuple(variable.shape),
        fan_in=fan_in(site, name, weight),
        axes=tuple(_axis(graph, ids) for ids in weight.axes[-2:]),
        regularizer=regularizer,
    )


def _axis(graph: ChannelGraph, ids: Ids | None) -> LatentAxis | None:
    if ids is None:
        return None
    units = graph.units(ids)
    groups = [graph.groups[index] for index in dict.fromkeys(graph.group_of[units])]
    joined = np.concatenate([group.units for group in groups])
    place = np.empty(graph.num_units, int)
    place[joined] = np.arange(len(joined))
    indices = None if np.array_equal(joined, units) else tuple(place[units].tolist())
    return LatentAxis(tuple(group.name for group in groups), indices)


def _banks(graph: ChannelGraph, specs, tensor: Any) -> dict[str, Any]:
    """The latent vectors as symbolic tensors, from one or two banks."""
    kernels = [spec for layer in specs.values() for spec in layer.values()]
    needed = {
        name for spec in kernels for axis in spec.axes if axis for name in axis.groups
    }
    vectors: dict[str, Any] = {}
    for bank, frozen in ((LATENTS, False), (FROZEN_LATENTS, True)):
        sizes = {
            group.name: group.size
            for group in graph.groups
            if group.name in needed and (group.frozen is not None) == frozen
        }
        if sizes:
            vectors.update(LatentBank(sizes, name=bank)(tensor))
    return vectors


def _copy_rest(rebuilt: Rebuilt, graph: ChannelGraph) -> None:
    """Copies every weight that is not generated."""
    plain = [pair for pair in rebuilt.layers if not isinstance(pair[1], HyperLayer)]
    everything = np.ones(graph.num_units, bool)
    copy_weights(Rebuilt(rebuilt.model, tuple(plain)), graph, everything)
    for site, layer in rebuilt.layers:
        if isinstance(layer, HyperLayer) and layer.bias is not None:
            layer.bias.assign(site.variable("bias"))


def _take_over(rebuilt: Rebuilt, rng: np.random.Generator) -> None:
    """Makes the hyper layers generate the kernels that their layers had."""
    for bank in latent_banks(rebuilt.model):
        for vector in bank.weights:
            vector.assign(np.ones(vector.shape))
    for site, layer in rebuilt.layers:
        if isinstance(layer, HyperLayer):
            for name in layer.kernels:
                kernel = site.call.value(name)
                layer.take_over(name, kernel, rng)
