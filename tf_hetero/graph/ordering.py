"""The order of calls: that of Keras's own graph of the same calls, whoever made them."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tf_hetero.graph.calls import Block, Call, Tensor


def post_order(last: Iterable[Any], before: Callable[[Any], Iterable[Any]]) -> list[Any]:
    """Items after those that they need, which come in the order in which they are named.

    Args:
        last: the items that nothing else may need.
        before: takes an item, returns what it needs.
    """
    ordered: dict[int, Any] = {}
    pending = [*last][::-1]
    while pending:
        item = pending[-1]
        missing = [x for x in before(item) if id(x) not in ordered]
        if missing:
            pending.extend(reversed(missing))
        else:
            ordered[id(pending.pop())] = item
    return list(ordered.values())


def in_order(
    calls: Sequence[Call], blocks: Sequence[Block], outputs: Sequence[Tensor]
) -> tuple[tuple[Call, ...], tuple[Block, ...]]:
    """Calls and nested models as they follow each other once the model is built again.

    What a layer consists of is then part of the graph around it: its first operation
    may come before whatever made its second input. Calls of which nothing is used
    are not in that graph.

    Args:
        calls: the calls of a model, each after those that make its inputs.
        blocks: the nested models among them.
        outputs: what the model makes.
    """
    found: list[Call] = []
    ordered = _level(calls, 0, len(calls), blocks, outputs, found)
    return tuple(found), ordered


def _level(calls, start, stop, blocks, outputs, found: list[Call]) -> tuple[Block, ...]:
    """Orders what lies directly in one model, and then in each nested one."""
    inside = {n for block in blocks for n in range(block.start, block.stop)}
    items = [calls[n] for n in range(start, stop) if n not in inside] + [*blocks]
    makers = {x.key: item for item in items for x in _made(item)}

    def before(item: Call | Block) -> list[Any]:
        return [makers[x.key] for x in item.inputs if x.key in makers]

    ordered = []
    ends = [makers[x.key] for x in outputs if x.key in makers]
    for item in post_order(ends, before):
        if isinstance(item, Call):
            found.append(item)
            continue
        first = len(found)
        inner = _level(calls, item.start, item.stop, item.blocks, item.outputs, found)
        places = {"start": first, "stop": len(found), "blocks": inner}
        ordered.append(dataclasses.replace(item, **places))
    return tuple(ordered)


def _made(item: Call | Block) -> list[Tensor]:
    """The tensors that an item makes; a nested model may hand on what it is given."""
    given = {x.key for x in item.inputs}
    return [x for x in item.outputs if x.key not in given]
