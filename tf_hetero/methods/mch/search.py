"""MCH's search: the hyper-structure network learns which units a model needs."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from tf_hetero.graph.channels import ChannelGraph
from tf_hetero.graph.flattening import check_plain
from tf_hetero.graph.keras_internals import output_names
from tf_hetero.graph.tracing import trace
from tf_hetero.methods.grouped_convolutions import in_parts
from tf_hetero.methods.mch import gates
from tf_hetero.methods.mch.gated_model import GatedModel
from tf_hetero.methods.mch.gates import UnitGates
from tf_hetero.methods.mch.layer_scaling import LayerScaling, ScalingRule
from tf_hetero.methods.mch.network import HyperStructureNetwork
from tf_hetero.methods.mch.resource_term import ResourceTerm
from tf_hetero.surgery.stripping import strip
from tf_hetero.widths.budgets import MoreBudgets, limits_of, split_budgets
from tf_hetero.widths.counting import CostModel
from tf_hetero.widths.selection import Selector
from tf_hetero.widths.width_rules import MOVED_WIDTHS, WidthRules

_MOVED = {
    **MOVED_WIDTHS,
    "grouped": "HyperStructureSearch(tf_hetero.trace(model, grouped={value}), ...)",
    "scaling_rate": "layer_scaling=tf_hetero.ScalingRule(rate={value})",
    "resource_unit": "resource_fraction, 0 for single operations",
}


class HyperStructureSearch(keras.Model):
    """Learns the structure of a trained model within a budget.

    At each step a structure is sampled: a gate of zero or one for every unit, from
    the logits of a hyper-structure network. The model runs with these gates, its
    weights and its BatchNormalization statistics untouched; the network is trained by
    the loss plus `strength * log(|cost - budget| + 1)`. Costs are MACs (or parameters)
    of the whole model, frozen groups and classifier included, so that a budget means
    the same everywhere in this package. They are counted in twentieths of the whole:
    the term's gradient is `1 / (|cost - budget| + 1)`, so in single operations a sample
    that meets its budget by chance moves the network a million times as much as another,
    after which Adam hardly moves for a thousand steps.

    `fit` as any Keras model, with labels; then `strip` makes the plain model. The
    searched model belongs to the user and is no part of this one: keep `search` with
    `save_weights`, and the result with `search.strip().save(...)`.

    Args:
        model: a built functional or Sequential `keras.Model` that is trained.
        macs, params: budgets, as in `select`, as are `papers_flops`, `latency`, `memory`
            and `file_size`, which take `latency_table` and `dtype`. Of several, the
            terms are added.
        strength: strength of the resource term, the paper's lambda (4 on CIFAR, 8 on
            ImageNet).
        resource_fraction: what the resource term counts costs in, a fraction of the
            whole; 0 for single operations, as the paper's formula has it.
        layer_scaling: whether each group learns how much the loss counts for it, and
            how: a `ScalingRule`, or the default one.
        temperature: of the sigmoid behind the gates, the paper's tau.
        backward_pruning: added to the noise of the gates: the c of the supplement (D, 3),
            with which nearly the whole model is begun. Eq. 2 has none: 0 (63 %).
        widths: floors and which groups may shrink, as in `select`; no floor but one
            channel if None. The most probable units fill what a sample leaves below a
            floor. `max_fraction` and `multiple_of` are of what `strip` makes; samples do
            not know them.
        network: makes the network from `{group name: units}`; a
            `HyperStructureNetwork` if None. `IndependentGates` is the paper's ablation.
        seed: of the network's weights and of the samples.

    Raises:
        ValueError: if a budget is missing, out of range or not reachable with the
            floors, a pattern matches nothing, or no group can be shrunk; in `compile`,
            if layer-wise scaling meets another optimizer than Adam and SGD; in `fit`, if
            the data have no labels.

    Example:

    >>> import keras, numpy as np, tf_hetero
    >>> inputs = keras.Input((8, 8, 3))
    >>> x = keras.layers.Conv2D(16, 3, activation="relu", name="stem")(inputs)
    >>> x = keras.layers.GlobalAveragePooling2D()(x)
    >>> model = keras.Model(inputs, keras.layers.Dense(2)(x))
    >>> x, y = np.random.rand(64, 8, 8, 3), np.random.randint(2, size=64)
    >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> model.compile("adam", loss)
    >>> history = model.fit(x, y, verbose=0)
    >>> search = tf_hetero.HyperStructureSearch(model, macs=0.5)
    >>> search.compile(keras.optimizers.Adam(1e-3), loss)
    >>> history = search.fit(x, y, epochs=2, verbose=0)
    >>> plain = search.strip()

    References:
        - Model Compression via Hyper-Structure Network, sections 3.1 to 3.3,
          Algorithm 1; defaults from its section 4.1.
    """

    def __init__(
        self,
        model: Any,
        macs: float | int | None = None,
        params: float | int | None = None,
        strength: float = 4.0,
        resource_fraction: float = 0.05,
        layer_scaling: ScalingRule | bool = True,
        temperature: float = gates.TEMPERATURE,
        backward_pruning: float = gates.BACKWARD_PRUNING,
        widths: WidthRules | None = None,
        network: Callable[[Mapping[str, int]], Any] | None = None,
        seed: int = 0,
        **kwargs,
    ) -> None:
        named = {*_MOVED, *MoreBudgets.__annotations__}
        more = {name: kwargs.pop(name) for name in named & set(kwargs)}
        budgets, target = split_budgets(type(self).__name__, macs, params, more, _MOVED)
        _check_options(strength, temperature, resource_fraction)
        graph = trace(model)
        check_plain(graph.model)
        allowed = (widths or WidthRules(0.0, 0.0)).allowed_units(graph)
        limits = limits_of(CostModel(graph, target), budgets)
        self._selector = Selector(graph, limits, allowed)  # refuses what floors exclude
        _warn_if_untrained(graph)
        super().__init__(**kwargs)
        self.strength = strength
        self.backward_pruning = backward_pruning
        self._graph = graph
        self._gated = GatedModel(graph)
        self._gates = UnitGates(graph, _floors(graph, allowed), temperature)
        self._resource = ResourceTerm(graph, limits, resource_fraction)
        self.network = (network or _network(seed))(self._gates.sizes)
        self.network.build()
        self._noise_seed = keras.random.SeedGenerator(seed)
        self.layer_scaling = None
        if layer_scaling:
            self.layer_scaling = LayerScaling(
                self.network.heads,
                list(self._gates.sizes.values()),
                strength,
                ScalingRule() if layer_scaling is True else layer_scaling,
                lambda **options: self.add_weight(trainable=False, **options),
            )
        self._trackers = {name: keras.metrics.Mean(name) for name in (*budgets, "resource")}
        # Targets, losses and weights given by name are matched as in the model.
        self.output_names = output_names(graph.model)
        self.built = True

    def compile(self, optimizer="adam", loss=None, **kwargs) -> None:
        super().compile(optimizer, loss, **kwargs)
        if self.layer_scaling is not None:
            self.layer_scaling.check(self.optimizer)

    def call(self, inputs):
        """The outputs of the model with its more likely structure."""
        return self._gated(inputs, self._likely_gates())

    def train_step(self, data):
        import tensorflow as tf

        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        if y is None:
            raise ValueError(
                "The search needs labels: it trains by the model's loss. Received: "
                "batches without targets. Give fit(x, y) or a dataset of (x, y)."
            )
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        variables = self.trainable_variables
        with tf.GradientTape(persistent=True) as inner:
            opened = self._gates(self.network(), self._noise())
        with tf.GradientTape(persistent=True) as outer:
            outer.watch(opened)
            with in_parts(call.operation for call in self._graph.flat.calls):
                predicted, added = self._gated.with_losses(x, opened)
            loss = self.compute_loss(x, y, predicted, sample_weight)
            loss += sum(added) / replicas
            # Keras divides losses by the number of replicas already.
            term, shown = self._resource(opened)
            resource = term / replicas
        task, cost = (
            inner.gradient(opened, variables, outer.gradient(value, opened))
            for value in (loss, resource)
        )
        task, cost = _summed(task), _summed(cost)
        self._apply(variables, task, cost, replicas)
        self._show(shown)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss * replicas)
        return self.compute_metrics(x, y, predicted, sample_weight)

    def test_step(self, data):
        self._show(self._resource(self._likely_gates())[1])
        return super().test_step(data)

    def keep_probabilities(self) -> dict[str, np.ndarray]:
        """For each searched group the probability that a sample keeps each unit."""
        logits = ops.convert_to_numpy(self.network())
        probabilities = gates.keep_probability(logits, self.backward_pruning)
        return self._gates.by_group(probabilities)

    def scales(self) -> dict[str, float]:
        """How much the loss counts for each searched group; all 1 without scaling."""
        values = np.ones(len(self._gates.sizes))
        if self.layer_scaling is not None:
            values = ops.convert_to_numpy(self.layer_scaling.scales)
        return dict(zip(self._gates.sizes, values.tolist(), strict=True))

    def masks(self, most_likely: bool = False, seed: int = 0) -> dict[str, np.ndarray]:
        """One structure as it is sampled, as masks for `tf_hetero.strip`.

        Args:
            most_likely: takes the more likely state of each gate instead of a sample.
            seed: of the sample.
        """
        logits = ops.convert_to_numpy(self.network())
        noise = np.random.default_rng(seed).gumbel(size=logits.shape)
        if most_likely:
            noise = np.full(logits.shape, gates.MEDIAN_NOISE)
        return self._gates.masks(logits, noise + self.backward_pruning)

    def scores(self, most_likely: bool = False, seed: int = 0) -> dict[str, np.ndarray]:
        """Scores for `select`: one structure, then the probability of each unit.

        Every unit that the sample keeps stands before every one that it drops, so
        that `select` changes the sample only as far as a budget asks for.

        Args:
            most_likely, seed: as in `masks`.

        Returns:
            `{group name: array of shape (size,)}` for every unfrozen group.
        """
        whole = {group.name: np.full(group.size, 2.0) for group in self._graph.free_groups}
        probabilities, masks = self.keep_probabilities(), self.masks(most_likely, seed)
        return {**whole, **{name: masks[name] + probabilities[name] for name in masks}}

    def strip(self, most_likely: bool = False, seed: int = 0) -> keras.Model:
        """The plain model of one structure, with the weights that survive.

        Unless all gates are decided, the cost of a sample is only near the budget; the
        least decided units of the sample are then removed or added until it is met, and
        until widths are multiples of `multiple_of` and at most `max_fraction`.
        `tf_hetero.strip(model, search.masks(seed=seed))` is the sample as it is. The
        BatchNormalization statistics are those of the whole model: call
        `recalibrate_batchnorm` before it is judged, and train it on.

        Args:
            most_likely, seed: as in `masks`.
        """
        masks = self._selector.masks(self.scores(most_likely, seed))
        return strip(self._graph, masks)

    def get_config(self) -> dict[str, Any]:
        raise ValueError(
            "A search cannot be saved as a model, because the model that it searches is "
            "no part of it. Received: save or get_config. Keep it with save_weights(), and "
            "its result with strip().save(path)."
        )

    def save_own_variables(self, store) -> None:
        super().save_own_variables(store)
        # Keras keeps no seed generator: a search that goes on would repeat its noise.
        store["noise"] = ops.convert_to_numpy(self._noise_seed.state)

    def load_own_variables(self, store) -> None:
        own = {key: store[key] for key in store.keys() if key != "noise"}  # noqa: SIM118
        super().load_own_variables(own)
        self._noise_seed.state.assign(store["noise"])

    def _noise(self) -> Any:
        shape = (sum(self._gates.sizes.values()),)
        uniform = keras.random.uniform(shape, seed=self._noise_seed)
        return gates.gumbel(uniform) + self.backward_pruning

    def _likely_gates(self) -> Any:
        noise = gates.MEDIAN_NOISE + self.backward_pruning
        return self._gates(self.network(), noise)

    def _show(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            self._trackers[name].update_state(value)

    def _apply(self, variables: list[Any], task: list, cost: list, replicas: int) -> None:
        """One step of the optimizer on `task + strength * cost`, with scales if any."""
        gradients = [g + self.strength * r for g, r in zip(task, cost, strict=True)]
        if self.layer_scaling is not None:
            ids = [id(variable) for variable in variables]
            places = [ids.index(id(head)) for head in self.network.heads]
            of_heads = [task[i] for i in places], [cost[i] for i in places]
            self.layer_scaling.learn(*of_heads, self.optimizer.iterations)
            scaled = self.layer_scaling.combined(*of_heads)
            for place, gradient in zip(places, scaled, strict=True):
                gradients[place] = gradient
        # The optimizer sums over the replicas.
        self.optimizer.apply([gradient / replicas for gradient in gradients], variables)
        if self.layer_scaling is not None:
            self.layer_scaling.remember(self.optimizer, *of_heads)


def _check_options(strength: float, temperature: float, resource_fraction: float) -> None:
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "HyperStructureSearch needs KERAS_BACKEND=tensorflow. Received: "
            f"{keras.backend.backend()!r}"
        )
    if strength < 0 or temperature <= 0 or not 0 <= resource_fraction <= 1:
        raise ValueError(
            "`strength` must be at least 0, `temperature` above 0, `resource_fraction` "
            f"from 0 to 1. Received: strength={strength}, temperature={temperature}, "
            f"resource_fraction={resource_fraction}"
        )


def _floors(graph: ChannelGraph, allowed: list[np.ndarray]) -> dict[str, int]:
    """The least number of units of every group that may lose some."""
    pairs = zip(graph.groups, allowed, strict=True)
    return {group.name: int(counts[0]) for group, counts in pairs if counts[0] < group.size}


def _network(seed: int) -> Callable[[Mapping[str, int]], Any]:
    return lambda sizes: HyperStructureNetwork(sizes, seed=seed, name="network")


def _summed(gradients: list[Any]) -> list[Any]:
    """Summed over the replicas of a distribution strategy."""
    import tensorflow as tf

    if tf.distribute.get_strategy().num_replicas_in_sync == 1:
        return gradients
    return tf.distribute.get_replica_context().all_reduce("SUM", gradients)


def _warn_if_untrained(graph: ChannelGraph) -> None:
    """Warns where biases and moving means are all zero, as before any training."""
    names = ("bias", "beta", "moving_mean")
    values = [
        keras.ops.convert_to_numpy(variable)
        for site in graph.sites
        for name, variable in site.call.weights.items()
        if name in names
    ]
    if values and not any(value.any() for value in values):
        warnings.warn(
            "The model seems not to be trained: all its biases and moving means are zero. "
            "The search takes the weights as they are; train the model first.",
            stacklevel=4,
        )
