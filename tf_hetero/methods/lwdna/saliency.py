"""LW-DNA's single shot: one gradient pass over the latent vectors."""

from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np
from keras import tree

from tf_hetero.data.batching import Batch
from tf_hetero.data.losses import Objective, objective_of
from tf_hetero.data.structures import input_tensors
from tf_hetero.graph.arguments import check_choice, refuse
from tf_hetero.graph.channels import ChannelGraph
from tf_hetero.graph.flattening import check_plain
from tf_hetero.graph.tracing import trace
from tf_hetero.methods.generating import check_float32
from tf_hetero.methods.grouped_convolutions import in_parts
from tf_hetero.methods.lwdna.kernels import GeneratedKernels, draw_kernels, own_kernels
from tf_hetero.widths.counting import CostModel
from tf_hetero.widths.width_rules import check_shrinkable


def latent_saliency(
    model: Any,
    x: Any,
    y: Any,
    loss: Any = None,
    criterion: str = "gradient",
    per_mac: bool = False,
    from_weights: bool = False,
    exclude: Iterable[str] = (),
    embedding_dim: int = 8,
    seed: int = 0,
    sample_weight: Any = None,
    **moved: Any,
) -> dict[str, np.ndarray]:
    """Scores every unit with one gradient pass over one batch.

    Every kernel that touches an unfrozen unit is re-parameterized by a fresh
    hypernetwork: it becomes the outer product of two latent vectors times a
    random direction. One forward and backward pass gives the gradient of the
    loss with respect to every latent element. The model itself (weights,
    BatchNormalization statistics) is not touched. Under a distribution
    strategy the batch is split and the gradients are summed.

    Args:
        model: a built functional or Sequential `keras.Model`, or its graph.
        x, y: one batch of inputs and targets, as for `model.train_on_batch`: dicts
            are matched by the names of inputs and outputs.
        loss: a Keras loss or its name (a structure of them for several outputs); what
            a compiled model is trained by if None, its loss weights included. What
            regularizers add counts, too, as in `fit`.
        criterion: `"gradient"` (magnitude of the gradient, the paper's),
            `"magnitude"` (magnitude of the latent; with `from_weights` the L2
            norm of the unit's kernel slices), `"taylor"` (latent times
            gradient) or `"normalized"` (gradient over its group's RMS).
        per_mac: divides each score by the MACs that the unit costs.
        from_weights: takes the model's own kernels, with latents of one,
            instead of a fresh hypernetwork.
        exclude: regular expressions; layers of which one matches the name keep
            their own kernels.
        embedding_dim: the hypernetwork's m.
        seed: seed of the hypernetwork.
        sample_weight: weights of the examples, as for `model.train_on_batch`.

    Returns:
        Scores `{group name: array of shape (size,)}` for every unfrozen group.

    Raises:
        ValueError: if the loss is not finite (the message names the first
            layer that is not), the batch is empty, labels lie outside the
            classes, a pattern matches nothing, or an unfrozen group is touched
            by no generated kernel.

    Example:

    >>> import keras, numpy as np, tf_hetero
    >>> inputs = keras.Input((8, 8, 3))
    >>> x = keras.layers.Conv2D(4, 3, name="stem")(inputs)
    >>> x = keras.layers.GlobalAveragePooling2D()(x)
    >>> model = keras.Model(inputs, keras.layers.Dense(2)(x))
    >>> x, y = np.random.rand(16, 8, 8, 3), np.random.randint(2, size=16)
    >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> tf_hetero.latent_saliency(model, x, y, loss)["stem"].shape
    (4,)

    References:
        - The Heterogeneity Hypothesis, section 4, Eqs. 7 to 10.
    """
    new_way = "latent_saliency(tf_hetero.trace(model, grouped={value}), ...)"
    refuse("latent_saliency", moved, {"grouped": new_way})
    check_choice("criterion", criterion, sorted(CRITERIA))
    graph = trace(model)
    check_plain(graph.model)
    check_shrinkable(graph)
    if from_weights:
        kernels = own_kernels(graph, exclude)
    else:
        kernels = draw_kernels(graph, exclude, embedding_dim, seed)
    objective = None
    if criterion != "magnitude":
        objective = objective_of(graph.model, loss)
    return score(graph, kernels, (x, y, sample_weight), objective, criterion, per_mac)


def score(
    graph: ChannelGraph,
    kernels: GeneratedKernels,
    batch: Batch,
    objective: Objective | None,
    criterion: str,
    per_mac: bool = False,
) -> dict[str, np.ndarray]:
    """Scores from the kernels of a traced model; see `latent_saliency`."""
    gradient = None
    if criterion != "magnitude":
        gradient = _gradient(graph, kernels, batch, objective)
    values = CRITERIA[criterion](graph, kernels, gradient)
    if per_mac:
        values = values / unit_macs(graph)
    return graph.by_group(values.astype(np.float64))


def _magnitude(graph, kernels: GeneratedKernels, gradient) -> np.ndarray:
    del gradient
    if kernels.drawn:
        return np.abs(kernels.latents)
    squares = np.zeros(graph.num_units)
    for kernel in kernels.kernels:
        for axis, units in kernel.latents:
            if axis == kernel.output_axis:
                value = keras.ops.convert_to_numpy(kernel.value).astype(np.float64)
                others = tuple(a for a in range(value.ndim) if a != axis)
                np.add.at(squares, units, (value**2).sum(axis=others))
    return np.sqrt(squares)


def _normalized(graph: ChannelGraph, kernels, gradient: np.ndarray) -> np.ndarray:
    del kernels
    values = np.abs(gradient).astype(np.float64)
    for group in graph.groups:
        rms = np.sqrt(np.mean(values[group.units] ** 2))
        values[group.units] /= rms if rms > 0 else 1.0
    return values


CRITERIA: dict[str, Callable[..., np.ndarray]] = {
    "gradient": lambda graph, kernels, gradient: np.abs(gradient),
    "magnitude": _magnitude,
    "taylor": lambda graph, kernels, gradient: np.abs(kernels.latents * gradient),
    "normalized": _normalized,
}


def unit_macs(graph: ChannelGraph) -> np.ndarray:
    """The MACs that the whole model loses with one unit less, for each unit."""
    cost_model = CostModel(graph)
    full = cost_model.macs(cost_model.sizes)
    costs = []
    for index in range(len(graph.groups)):
        fewer = cost_model.sizes.copy()
        fewer[index] -= 1
        costs.append(max(full - cost_model.macs(fewer), 1.0))
    return np.array(costs)[graph.group_of]


def _gradient(graph, kernels: GeneratedKernels, batch: Batch, objective) -> np.ndarray:
    """The gradient of the loss with respect to every unit's latent element."""
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "The gradient pass needs KERAS_BACKEND=tensorflow. Received: "
            f"{keras.backend.backend()!r}. criterion='magnitude' works everywhere."
        )
    import tensorflow as tf

    objective.check(graph.flat, *batch)
    check_float32(kernel.variable for kernel in kernels.kernels)
    tensors = [
        tree.map_structure(keras.ops.convert_to_tensor, part)
        for part in batch
        if part is not None
    ]
    values = [tf.convert_to_tensor(kernel.value) for kernel in kernels.kernels]
    latents = tf.convert_to_tensor(kernels.latents)
    step = latent_step(objective.trainer(graph.model), kernels)
    with in_parts(call.operation for call in graph.flat.calls):
        value, gradient = _run_replicas(tf, step, tensors, (latents, values))
    if not np.isfinite(value) or not np.isfinite(gradient).all():
        raise ValueError(
            "The loss and its gradient must be finite. Received: loss="
            f"{float(value)}; {_first_not_finite(graph, kernels, batch)}."
        )
    return gradient


def latent_step(trainer: keras.Model, kernels: GeneratedKernels) -> Callable:
    """The forward and backward pass, to be run eagerly or in a `tf.function`.

    Args:
        trainer: the model, compiled with the loss (`Objective.trainer`).
        kernels: the kernels that latents generate.

    Returns:
        A function of `(batch, share, latents, kernel values)`, where the batch is
        `[x, y]` or `[x, y, sample_weight]`; it returns the loss times `share`, and
        its gradient with respect to the latents.
    """
    import tensorflow as tf

    def step(batch, share, latents, values):
        x, y, *sample_weight = batch
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(latents)
            mapping = [
                (k.variable, _generate(tf, k.latents, value, latents))
                for k, value in zip(kernels.kernels, values, strict=True)
            ]
            with keras.StatelessScope(state_mapping=mapping, collect_losses=True):
                predicted = trainer(x, training=True)
                loss = trainer.compute_loss(x, y, predicted, *sample_weight)
            value = share * loss
        return value, tape.gradient(value, latents)

    return step


def _generate(tf, axes, kernel, latents):
    """The kernel as a function of the latents, at the point where it was generated.

    The kernel is a product of one latent element along each axis and of a
    direction, so that its derivative needs no direction: it is the kernel
    divided by the element. Nothing but the kernel itself is held.
    """

    @tf.custom_gradient
    def generate(latents):
        def gradient(upstream):
            product = upstream * kernel
            total = tf.zeros_like(latents)
            for axis, units in axes:
                others = [a for a in range(product.shape.rank) if a != axis]
                along = tf.reduce_sum(product, others) / tf.gather(latents, units)
                total += tf.math.unsorted_segment_sum(along, units, latents.shape[0])
            return total

        return tf.identity(kernel), gradient

    return generate(latents)


def _run_replicas(tf, step, batch: list, constants) -> tuple[np.ndarray, np.ndarray]:
    """Runs the step, on the shares of the batch if there are several replicas."""
    strategy = tf.distribute.get_strategy()
    replicas = strategy.num_replicas_in_sync
    size = len(tree.flatten(batch)[0])
    if replicas == 1:
        value, gradient = tf.function(step)(batch, tf.constant(1.0), *constants)
        return value.numpy(), gradient.numpy()
    if size < replicas:
        raise ValueError(
            "The batch must have at least one example for each replica. Received: "
            f"{size} examples for {replicas} replicas."
        )
    cuts = np.linspace(0, size, replicas + 1).astype(int)

    def share(context):
        i = context.replica_id_in_sync_group
        return tree.map_structure(lambda a: a[cuts[i] : cuts[i + 1]], batch)

    def weight(context):
        # Keras divides each replica's mean by the number of replicas.
        part = np.diff(cuts)[context.replica_id_in_sync_group] / size
        return tf.constant(part * replicas, tf.float32)

    @tf.function
    def distributed(batch, weights):
        results = strategy.run(step, args=(batch, weights, *constants))
        return [strategy.reduce("SUM", result, axis=None) for result in results]

    distribute = strategy.experimental_distribute_values_from_function
    value, gradient = distributed(distribute(share), distribute(weight))
    return value.numpy(), gradient.numpy()


def _first_not_finite(graph: ChannelGraph, kernels, batch: Batch) -> str:
    """Where the forward pass first leaves the finite numbers."""
    x, _, sample_weight = batch
    for what, part in (("input holds", x), ("sample weights hold", sample_weight)):
        leaves = [leaf for leaf in tree.flatten(part) if leaf is not None]
        if not all(np.isfinite(leaf).all() for leaf in leaves):
            return f"the {what} values that are not finite"
    names: list[str] = []

    def run(call, values):
        results = call.compute(values)
        for result in tree.flatten(results):
            if not np.isfinite(keras.ops.convert_to_numpy(result)).all():
                names.append(call.name)
        return results

    mapping = [(k.variable, keras.ops.convert_to_tensor(k.value)) for k in kernels.kernels]
    with keras.StatelessScope(state_mapping=mapping):
        graph.flat.run(input_tensors(graph.flat, x), run)
    if names:
        return f"the first layer whose output is not finite is {names[0]!r}"
    return "every layer's output is finite, so look at the loss and the targets"
