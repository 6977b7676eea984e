"""What a rule is, what it is given, and the registry of rules by exact type."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from tf_hetero.graph.channel_ids import ChannelIds
from tf_hetero.graph.channels import Ids, Outcome, along

# Reasons why channels are frozen. Reports show them, so the list is short.
ACTIVATION = "an activation that mixes channels"
ATTENTION = "attention mixes channels"
BROADCAST = "one channel is broadcast over many"
CONSTANT = "met by a constant with one value a channel"
HEAD_MASK = "a mask with a value for each head"
INPUT = "model input"
LAMBDA = "a Lambda, whose function cannot be seen: write it with keras.ops"
LAYOUT = "channels are not on the last axis here"
MIXING = "an operation mixes channels"
NO_CHANNELS = "met by a tensor of unknown width: give every Input its full shape"
NO_LATENTS = "no kernel of these channels has a hyper form"
OUTPUT = "model output"
PADDING = "channels are padded"
PREPROCESSED = "met by a preprocessing layer"
RECURRENT = "a recurrent layer mixes channels"
RESHAPED = "a reshape mixes channels with an unknown axis"
SCORES = "attention scores of each head leave the layer"
SHARED = "a layer is called on tensors of different layouts"
STRIDED = "channels are taken with a stride or an index"
UNFOLLOWED = "an activation that cannot be followed"
UNKNOWN = "unknown layer"
UNKNOWN_OPERATION = "unknown operation"

# Why a layer stays closed. Reports show them, so the list is short.
BATCH = "with a call that reads the batch size"
OWN_WEIGHTS = "with weights of its own"
MASKED = "with a mask of times"
NOT_SYMBOLIC = "with a call that does not run on symbolic tensors"
TRAINING = "with a call that depends on `training`"
SIZES = "with a call that takes sizes from its input: give every Input its full shape"

Rule = Callable[["RuleCall"], Outcome]


@dataclasses.dataclass(frozen=True, eq=False)
class RuleCall:
    """One call of a layer or operation, as a rule sees it.

    Attributes:
        operation: the layer or operation.
        name: its name in the flattened model.
        args, kwargs: what it was called with.
        constants: the arrays among the arguments.
        inputs: for each tensor among the arguments its id array, or None.
        input_shapes, output_shapes: shapes with the batch axis.
        variables: the layer's weights by name.
        ids: hands out ids; rules use `fresh`, `unify` and `freeze`.
        follow: says why a function of a tensor of this shape, whose channels are laid
            out like this id array, does not leave every channel what it is; None if
            it does.
        grouped: how grouped convolutions are to shrink.
        closed: for a layer that holds sub-layers, why it was not opened.

    Example:

    >>> import keras, numpy as np, tf_hetero
    >>> class Twice(keras.layers.Layer):  # its input beside itself
    ...     def call(self, x):
    ...         return keras.ops.concatenate([x, x], axis=-1)
    >>> def twice(call):
    ...     channels = call.channels()
    ...     if channels is None:
    ...         return call.frozen("channels are not on the last axis")
    ...     return tf_hetero.Outcome((call.as_output(np.tile(channels, 2)),))
    >>> tf_hetero.register_rule(Twice, twice)
    >>> inputs = keras.Input((8,))
    >>> x = Twice()(keras.layers.Dense(4, name="a")(inputs))
    >>> model = keras.Model(inputs, keras.layers.Dense(2, name="head")(x))
    >>> small = tf_hetero.strip(model, {"a": np.arange(4) < 3})
    >>> tuple(small.get_layer("head").kernel.shape)
    (6, 2)
    """

    operation: Any
    name: str
    args: tuple
    kwargs: Mapping[str, Any]
    constants: Sequence[Any]
    inputs: Sequence[Ids | None]
    input_shapes: Sequence[tuple]
    output_shapes: Sequence[tuple]
    variables: Mapping[str, Any]
    ids: ChannelIds = dataclasses.field(repr=False)
    follow: Callable[[Any, tuple, Ids], str | None] = dataclasses.field(repr=False)
    grouped: str = "auto"
    closed: str = ""

    def channels(self, index: int = 0) -> Ids | None:
        """The 1-D ids on the last axis of an input; None if they are not there."""
        return along(self.inputs[index], -1)

    def fresh(self, size: int) -> Ids:
        """`size` new ids, produced by this call."""
        return self.ids.fresh(size, self.name)

    def as_output(self, ids: Ids, index: int = 0) -> Ids:
        """1-D ids as the array of an output with these channels on its last axis."""
        return ids.reshape((1,) * (len(self.output_shapes[index]) - 2) + (-1,))

    def unify(self, a: Ids, b: Ids) -> None:
        """Lets the channels of `a` and `b` live and die together."""
        self.ids.unify(a, b)

    def freeze(self, ids: Ids | None, reason: str) -> None:
        """Forbids the removal of these channels."""
        self.ids.freeze(ids, reason)

    def positions(self, shape: tuple) -> int | None:
        """Number of spatial positions of a tensor of this shape."""
        spatial = shape[1:-1]
        return None if None in spatial else math.prod(spatial)

    def frozen(self, reason: str) -> Outcome:
        """Freezes every input, and outputs that are new and frozen."""
        for ids in self.inputs:
            self.freeze(ids, reason)
        outputs = tuple(
            frozen_tensor(self.ids, shape, self.name, reason)
            for shape in self.output_shapes
        )
        return Outcome(outputs)


def without_first_axis(ids: Ids, shape: tuple) -> Ids | None:
    """The array of a tensor of which the first axis goes; None where that is the batch.

    Query, key and value often lie there, in front of the batch.
    """
    return ids[0] if shape[0] is not None and ids.ndim > 1 and len(ids) == 1 else None


def frozen_tensor(ids: ChannelIds, shape: tuple, name: str, reason: str) -> Ids | None:
    """New frozen ids for a tensor; None where it has no static last axis."""
    if len(shape) < 2 or shape[-1] is None:
        return None
    array = ids.fresh(shape[-1], name).reshape((1,) * (len(shape) - 2) + (-1,))
    ids.freeze(array, reason)
    return array


_RULES: dict[type, Rule] = {}


def register_rule(operation_class: type, rule: Rule) -> None:
    """Teaches `tf_hetero` how channels pass a layer or operation.

    Rules are looked up by exact type: a subclass needs a rule of its own.

    Args:
        operation_class: a subclass of `keras.layers.Layer` or `keras.Operation`.
        rule: a function that takes a `RuleCall` and returns an `Outcome`. It
            names the channels of the outputs and, for each weight by name, the
            channels along its axes.

    Raises:
        ValueError: if the class has a rule already, or is no operation.

    Example:

    >>> import keras, tf_hetero
    >>> class Scale(keras.layers.Layer):  # one learned factor a channel
    ...     def build(self, shape):
    ...         self.factor = self.add_weight(shape=(shape[-1],), name="factor")
    ...     def call(self, x):
    ...         return x * self.factor
    >>> def scale_rule(call):
    ...     weight = tf_hetero.Weight((call.channels(),))
    ...     return tf_hetero.Outcome((call.inputs[0],), {"factor": weight})
    >>> tf_hetero.register_rule(Scale, scale_rule)
    >>> inputs = keras.Input((8,))
    >>> x = Scale()(keras.layers.Dense(4, name="a")(inputs))
    >>> model = keras.Model(inputs, keras.layers.Dense(2, name="head")(x))
    >>> [group.name for group in tf_hetero.trace(model).free_groups]
    ['a']
    """
    if not (
        isinstance(operation_class, type) and issubclass(operation_class, keras.Operation)
    ):
        raise ValueError(
            "A rule is registered for a subclass of keras.layers.Layer or "
            f"keras.Operation. Received: operation_class={operation_class!r}"
        )
    if operation_class in _RULES:
        raise ValueError(
            "Each class has one rule. Received: operation_class="
            f"{operation_class.__name__}, which has the rule "
            f"{_RULES[operation_class].__name__!r} already."
        )
    _RULES[operation_class] = rule


def has_rule(operation: Any) -> bool:
    """Whether the exact type of `operation` has a rule."""
    return type(operation) in _RULES


def rule_for(operation: Any) -> Rule:
    """The rule of the exact type of `operation`; the unknown rule if it has none."""
    return _RULES.get(type(operation), unknown)


def inherited_rule(operation: Any) -> Rule | None:
    """The rule of the nearest class that `operation` inherits from, if one has any."""
    rules = (_RULES.get(base) for base in type(operation).__mro__[1:])
    return next((rule for rule in rules if rule is not None), None)


def unknown(call: RuleCall) -> Outcome:
    """The rule of everything without a rule: nothing is assumed."""
    is_layer = isinstance(call.operation, keras.layers.Layer)
    kind = UNKNOWN if is_layer else UNKNOWN_OPERATION
    return call.frozen(f"{kind} {type(call.operation).__name__} {call.closed}".rstrip())
