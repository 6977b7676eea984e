"""Before and after: widths layer by layer, MACs and parameters."""

import dataclasses
from typing import Any

from tf_hetero.channels import ChannelGraph
from tf_hetero.counting import CostModel, Counts
from tf_hetero.tracing import trace


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two models side by side; printing it shows a table.

    Attributes:
        before, after: `Counts` of both models.
        widths: `{layer name: (channels before, channels after)}` for every
            layer with a kernel that makes channels; None where one lacks it.
    """

    before: Counts
    after: Counts
    widths: dict[str, tuple[int | None, int | None]]

    def __str__(self) -> str:
        width = max([len(name) for name in self.widths] + [len("papers' FLOPs")])
        lines = [f"{'layer':<{width}} {'before':>14} {'after':>14}  ratio"]
        for name, (before, after) in self.widths.items():
            lines.append(_row(name, width, before, after))
        for name, attribute in (
            ("MACs", "macs"),
            ("papers' FLOPs", "papers_flops"),
            ("parameters", "params"),
        ):
            values = (getattr(counts, attribute) for counts in (self.before, self.after))
            lines.append(_row(name, width, *values))
        return "\n".join(lines)


def compare(before: Any, after: Any) -> Comparison:
    """Compares two models, layers by name.

    Args:
        before, after: built functional or Sequential models, such as a baseline
            and what `shrink` made of it.

    Returns:
        A `Comparison` with `before`, `after` (`Counts`) and `widths`.

    Raises:
        ValueError: if one of them is not functional or leaves a spatial size
            open.

    Example:

    >>> import keras, tf_hetero
    >>> inputs = keras.Input((8, 8, 3))
    >>> x = keras.layers.Conv2D(4, 3, name="stem")(inputs)
    >>> x = keras.layers.GlobalAveragePooling2D()(x)
    >>> model = keras.Model(inputs, keras.layers.Dense(2, name="head")(x))
    >>> tf_hetero.compare(model, tf_hetero.widen(model, 2)).widths
    {'stem': (4, 8), 'head': (2, 2)}
    """
    graphs = [trace(model) for model in (before, after)]
    first, second = (layer_widths(graph) for graph in graphs)
    names = [*first, *(name for name in second if name not in first)]
    widths = {name: (first.get(name), second.get(name)) for name in names}
    costs_before, costs_after = (CostModel(graph).counts() for graph in graphs)
    return Comparison(costs_before, costs_after, widths)


def layer_widths(graph: ChannelGraph) -> dict[str, int]:
    """Output channels of every layer whose kernel mixes its inputs."""
    return {
        site.call.name: site.call.outputs[0].shape[-1]
        for site in graph.sites
        if any(weight.input_axis is not None for _, weight in site.kernels)
    }


def _row(name: str, width: int, before: int | None, after: int | None) -> str:
    first, second = ("-" if v is None else f"{v:,}" for v in (before, after))
    ratio = f"{after / before:6.3f}" if before and after is not None else "     -"
    return f"{name:<{width}} {first:>14} {second:>14} {ratio}"
