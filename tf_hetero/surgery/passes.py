"""In which passes over the data a network's kernels are solved for: one a depth."""

import dataclasses
from collections.abc import Callable, Sequence

from keras import tree

from tf_hetero.graph.calls import FlatGraph
from tf_hetero.graph.channels import Site


@dataclasses.dataclass(frozen=True, eq=False)
class Pass:
    """One pass over the data.

    Attributes:
        calls: the calls to run, in order.
        collected: the calls whose equations are taken, when `calls` have run.
        ahead: calls to run after that, with what is there, because a collected layer is
            called again in them; nothing of this is kept.
        read: keys of the tensors that earlier passes made and this one reads.
        kept: keys of the tensors that this pass makes and later ones read.
        done: keys of the tensors that no later pass reads.
    """

    calls: tuple[Site, ...]
    collected: tuple[Site, ...]
    ahead: tuple[Site, ...]
    read: frozenset[int]
    kept: frozenset[int]
    done: frozenset[int]


def passes(
    flat: FlatGraph, sites: Sequence[Site], is_solved: Callable[[Site], bool]
) -> list[Pass]:
    """Cuts a network where kernels are solved for.

    A layer is solved for as soon as what its first call reads is there, and runs in the
    next pass. So a pass solves for all kernels of one depth, and their number is the
    number of solved kernels on the longest way through the network.
    """
    made = {tensor.key: 0 for tensor in tree.flatten(flat.inputs)}
    collected_at: dict[int, int] = {}
    runs: list[tuple[int, Site]] = []
    for site in sites:
        depth = max((made[tensor.key] for tensor in site.call.inputs), default=0)
        if is_solved(site):
            start = collected_at.setdefault(id(site.call.operation), depth)
            depth = max(depth, start + 1)
        made.update({tensor.key: depth for tensor in site.call.outputs})
        runs.append((depth, site))
    last = max(collected_at.values(), default=-1)
    return [_pass(depth, runs, made, collected_at) for depth in range(last + 1)]


def _pass(depth: int, runs, made: dict[int, int], collected_at: dict[int, int]) -> Pass:
    now = [site for at, site in runs if at == depth]
    later = [site for at, site in runs if at > depth]
    of_layer = [s for s in later if collected_at.get(id(s.call.operation)) == depth]
    reached = [s for s in of_layer if _ready(s, made) <= depth]
    behind = [s for s in of_layer if _ready(s, made) > depth]
    ahead = later[: later.index(behind[-1]) + 1] if behind else []
    read, read_later = _read((*now, *reached, *ahead)), _read(later)
    before = {key for key, at in made.items() if at < depth}
    here = {key for key, at in made.items() if at == depth}
    return Pass(
        calls=tuple(now),
        collected=tuple(reached),
        ahead=tuple(ahead),
        read=frozenset(read & before),
        kept=frozenset(read_later & here),
        done=frozenset((read & before) - read_later),
    )


def _read(sites: Sequence[Site]) -> set[int]:
    return {tensor.key for site in sites for tensor in site.call.inputs}


def _ready(site: Site, made: dict[int, int]) -> int:
    return max(made[tensor.key] for tensor in site.call.inputs)
