"""Pictures of the searches that train: cost, widths and scores over their course."""

from collections.abc import Sequence
from typing import Any

from tools.experiment.figures import legend, line_styles, new_figure, palette, shown_name


def search_progress(results: Sequence[dict[str, Any]]) -> Any:
    """Three panels from the looks of `StopAtBudget`.

    The MACs that would be kept, every seed; the units kept of each channel group; the
    deciles of the latents' magnitudes (both of the first search), as LW-DNA's Fig. 9 has
    the latents of some layers.
    """
    figure, (cost, widths, latents) = new_figure(12, 4, columns=3)
    colors = palette([result["arm"] for result in results])
    for result in results:
        looks, arm = result["looks"], result["arm"]
        _plot_line(cost, looks, "step", "macs", color=colors[arm], label=shown_name(arm))
    cost.set(ylabel="MACs kept / whole", title="Cost, one line a seed", ylim=(0, 1.05))
    legend(cost)
    first = results[0]
    sizes = {name: len(z) for name, z in first["latents"].items()}
    _plot_widths(widths, first["looks"], "step", sizes)
    widths.set(title=f"Channel groups, seed {first['seed']}")
    _plot_deciles(latents, first["looks"], "step")
    latents.set(ylabel="|latent|", title="Deciles of the latents, median bold")
    latents.set_ylim(0, None)
    for axes in (cost, widths, latents):
        axes.set(xlabel="step")
    return figure


def structure_progress(results: Sequence[dict[str, Any]]) -> Any:
    """Four panels from what `StructureHistory` saw.

    The MACs of the sampled structures and the resource term, every seed; what each
    channel group is expected to keep and the deciles of the probabilities to be kept
    (both of the first seed of the arm `structure`), as MCH's Figs. 4 and 6 have them.
    """
    figure, panels = new_figure(16, 4, columns=4)
    cost, resource, widths, probabilities = panels
    colors = palette([result["arm"] for result in results])
    for result in results:
        style = {"color": colors[result["arm"]], "label": shown_name(result["arm"])}
        for axes, key in ((cost, "macs"), (resource, "resource")):
            _plot_line(axes, result["structure"][1:], "epoch", key, **style)
    cost.set(ylabel="MACs / whole", title="Sampled structures, one line a seed")
    cost.set_ylim(0, 1.05)
    resource.set(ylabel="log(|MACs - budget| / unit + 1)", title="Resource term")
    legend(cost)
    named = (result for result in results if result["arm"] == "structure")
    first = next(named, results[0])
    _plot_widths(widths, first["structure"], "epoch", first["sizes"])
    widths.set(title=f"Channel groups, {shown_name(first['arm'])}, seed {first['seed']}")
    _plot_deciles(probabilities, first["structure"], "epoch")
    probabilities.set(ylabel="probability to be kept", title="Deciles, median bold")
    probabilities.set_ylim(0, 1.05)
    for axes in panels:
        axes.set(xlabel="epoch")
    return figure


def _plot_line(
    axes, looks: Sequence[dict[str, Any]], along: str, key: str, **style
) -> None:
    places = [look[along] for look in looks]
    axes.plot(places, [look[key] for look in looks], lw=1.2, **style)


def _plot_widths(axes, looks, along: str, sizes: dict[str, int]) -> None:
    names = [name for name in sizes if name in looks[0]["units"]]
    colors, styles = palette(names), line_styles(names)
    for name in names:
        kept = [look["units"][name] / sizes[name] for look in looks]
        places = [look[along] for look in looks]
        axes.plot(places, kept, styles[name], color=colors[name], lw=1, label=name)
    axes.set(ylabel="units kept / all")
    axes.set_ylim(0, 1.05)
    if len(names) <= 14:
        legend(axes)


def _plot_deciles(axes, looks: Sequence[dict[str, Any]], along: str) -> None:
    places = [look[along] for look in looks]
    for decile, values in enumerate(zip(*(look["deciles"] for look in looks), strict=True)):
        shade = str(0.15 + 0.12 * abs(decile - 5))
        axes.plot(places, values, color=shade, lw=1.6 if decile == 5 else 0.9)
