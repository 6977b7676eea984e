"""Attention layers: a head is a unit, with all that is projected for it and from it."""

import inspect
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import tree

from tf_hetero.graph.calls import Tensor
from tf_hetero.graph.channels import Ids, Length, Outcome, Weight, along
from tf_hetero.graph.rules.base import (
    ATTENTION,
    HEAD_MASK,
    SCORES,
    RuleCall,
    register_rule,
)
from tf_hetero.graph.rules.einsum import has_heads

OUTPUT = "attention_output"


def arguments(call: Any) -> Mapping[str, Any]:
    """The arguments of a call of a layer, by name; `call` has operation, args, kwargs."""
    signature = inspect.signature(call.operation.call)
    return signature.bind(*call.args, **call.kwargs).arguments


def projected(call: Any) -> dict[str, Any]:
    """What each projection of an attention reads, and for the output what is asked.

    Args:
        call: a call with `operation`, `args` and `kwargs`.
    """
    given = arguments(call)
    query, value, key = (given.get(name) for name in ("query", "value", "key"))
    key = value if key is None else key
    return {"query": query, "gate": query, "value": value, "key": key, OUTPUT: query}


def multi_head_attention(call: RuleCall) -> Outcome:
    """MultiHeadAttention: fresh heads, fresh channels."""
    rows = _channels(call)
    if rows is None:
        return _frozen(call)
    *before, width = call.variables[f"{OUTPUT}/kernel"].shape[2:]
    heads = _heads(call, call.operation.num_heads)
    out = call.fresh(width)
    config = {"num_heads": Length(heads), "output_shape": (*before, Length(out))}
    return _attention(call, rows | {OUTPUT: out}, (heads, heads), config)


def group_query_attention(call: RuleCall) -> Outcome:
    """GroupQueryAttention: a unit is a head of keys and values and those that query it.

    Its output is as wide as the query, which has to be as wide as the value.
    """
    rows = _channels(call)
    if rows is None:
        return _frozen(call)
    layer = call.operation
    heads = _heads(call, layer.num_key_value_heads)
    querying = np.repeat(heads, layer.num_query_heads // layer.num_key_value_heads)
    out = call.fresh(len(rows["query"]))
    for row in (rows["query"], rows["value"]):
        call.unify(out, row)
    config = {
        "num_query_heads": Length(querying),
        "num_key_value_heads": Length(heads),
    }
    return _attention(call, rows | {OUTPUT: out}, (querying, heads), config)


def _channels(call: RuleCall) -> dict[str, Ids] | None:
    """The channels that each projection reads; None if any is not to be seen."""
    leaves = [x for x in tree.flatten((call.args, call.kwargs)) if isinstance(x, Tensor)]
    ids_of = {tensor.key: ids for tensor, ids in zip(leaves, call.inputs, strict=True)}
    read = projected(call)
    for tensor in leaves:
        if all(tensor is not one for one in read.values()):
            call.freeze(ids_of[tensor.key], ATTENTION)
    rows: dict[str, Ids] = {}
    for name, tensor in read.items():
        row = along(ids_of[tensor.key] if isinstance(tensor, Tensor) else None, -1)
        if row is None:
            return None
        rows[name] = row
    known = {f"{name}/{kind}" for name in rows for kind in ("kernel", "bias")}
    return rows if known >= set(call.variables) else None


def _heads(call: RuleCall, number: int) -> Ids:
    """Fresh ids of heads; frozen where something else has one value for each."""
    heads = call.fresh(number)
    mask = arguments(call).get("attention_mask")
    axes = getattr(call.operation, "attention_axes", None) or (1,)
    if len(call.output_shapes) > 1:
        call.freeze(heads, SCORES)
    if mask is not None and has_heads(mask, len(axes)):
        call.freeze(heads, HEAD_MASK)
    return heads


def _attention(
    call: RuleCall, rows: dict[str, Ids], heads: tuple[Ids, Ids], config: dict[str, Any]
) -> Outcome:
    """Weights and outputs, given the heads of queries and those of keys and values."""
    weights = {}
    for name, variable in call.variables.items():
        projection, _, kind = name.partition("/")
        own = heads[0 if projection in ("query", "gate", OUTPUT) else 1]
        made: tuple[Ids | None, ...] = (own, None)
        read: tuple[Ids | None, ...] = (rows[projection],)
        if projection == OUTPUT:
            others = len(variable.shape) - (3 if kind == "kernel" else 1)
            made, read = (*(None,) * others, rows[OUTPUT]), made
        if kind == "bias":
            weights[name] = Weight(made)
            continue
        positions, summed = _positions(call, projection), tuple(range(len(read)))
        weights[name] = Weight((*read, *made), positions, 0, summed=summed)
    outputs = [call.as_output(rows[OUTPUT])]
    for shape in call.output_shapes[1:]:
        outputs.append(heads[0].reshape(-1, *(1,) * (len(shape) - 2)))
    return Outcome(tuple(outputs), weights, config)


def _frozen(call: RuleCall) -> Outcome:
    """Everything frozen, with the projections counted all the same."""
    weights = {
        name: Weight(
            (None,) * len(variable.shape),
            _positions(call, name.partition("/")[0]) if name.endswith("/kernel") else 0,
        )
        for name, variable in call.variables.items()
    }
    return Outcome(call.frozen(ATTENTION).outputs, weights)


def _positions(call: RuleCall, projection: str) -> int | None:
    """How often a projection is made: once for each position of what it reads."""
    tensor = projected(call).get(projection)
    return 0 if tensor is None else call.positions(tuple(tensor.shape))


register_rule(keras.layers.MultiHeadAttention, multi_head_attention)
register_rule(keras.layers.GroupQueryAttention, group_query_attention)
