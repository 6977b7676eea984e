"""Pictures of the searches that train: cost, widths and scores over their course."""

import itertools
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


def latent_progress(results: Sequence[dict[str, Any]]) -> Any:
    """A panel for each channel group: its latents over the search of the first seed.

    Median, quartiles and range of the magnitudes, as LW-DNA's Fig. 9 has the
    distributions of some layers.
    """
    looks, latents = results[0]["looks"], results[0]["latents"]
    steps, names = [look["step"] for look in looks], list(latents)
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    figure, panels = new_figure(3 * columns, 2.2 * rows, columns, rows)
    for axes, name in itertools.zip_longest(panels, names):
        if name is None:
            axes.axis("off")
            continue
        values = zip(*(look["quartiles"][name] for look in looks), strict=True)
        least, quarter, median, three_quarters, largest = values
        axes.fill_between(steps, least, largest, color="0.88")
        axes.fill_between(steps, quarter, three_quarters, color="0.7")
        axes.plot(steps, median, color="0.15", lw=1.2)
        axes.set_title(f"{name}, {len(latents[name])}", fontsize=8)
        axes.tick_params(labelsize=7)
        axes.set_ylim(0, None)
    figure.supxlabel("step", fontsize=9)
    figure.supylabel("|latent|: range, quartiles, median", fontsize=9)
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
