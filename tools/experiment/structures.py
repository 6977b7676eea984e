"""Structures sampled from the probabilities that a search of MCH found."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tf_hetero.graph.channels import ChannelGraph
from tf_hetero.methods.mch.gates import TEMPERATURE, UnitGates
from tf_hetero.widths.width_rules import WidthRules
from tools.experiment.figures import new_figure


def sample(graph: ChannelGraph, record: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Masks of one structure, as the search samples them.

    The gates of a structure are independent, each open with its own probability; the
    likeliest fill what a sample leaves below a floor.

    Args:
        graph: the searched network.
        record: the result: `probabilities` by group, and the width rules in `settings`.
        seed: of the sample.

    Raises:
        ValueError: if it is another network.
    """
    sizes = {group.name: group.size for group in graph.free_groups}
    likely = {name: np.array(p) for name, p in record["probabilities"].items()}
    if any(sizes.get(name) != len(p) for name, p in likely.items()):
        raise ValueError(
            "The network must be the one that was searched. Received: probabilities of "
            f"{ {name: len(p) for name, p in likely.items()} }, and a network with {sizes}"
        )
    rules = WidthRules(**record["settings"]["search"]["widths"])
    allowed = rules.allowed_units(graph)
    least = {g.name: int(a[0]) for g, a in zip(graph.groups, allowed, strict=True)}
    gates = UnitGates(graph, {name: least[name] for name in likely}, TEMPERATURE)
    probabilities = np.concatenate([*likely.values()])
    # A gate is open where its probability is above a uniform number.
    noise = -np.random.default_rng(seed).random(len(probabilities))
    return gates.masks(probabilities, noise)


def figure(result: Mapping[str, Any]) -> Any:
    """Accuracy against MACs of the samples, and their means with standard deviations."""
    drawn, (axes,) = new_figure(5.5, 4)
    samples = result["samples"]
    axes.scatter(
        [one["macs"] for one in samples],
        [100 * one["accuracy"] for one in samples],
        color="0.55",
        s=14,
        label=f"{len(samples)} samples",
    )
    macs, accuracy = result["macs"], result["accuracy"]
    axes.errorbar(
        macs["mean"],
        100 * accuracy["mean"],
        100 * accuracy["std"],
        macs["std"],
        fmt="o",
        color="#d1495b",
        capsize=3,
        label="mean ± standard deviation",
    )
    axes.set(xlabel="MACs / whole", ylabel="accuracy (%), nothing trained")
    axes.legend(frameon=False, fontsize=8)
    return drawn
