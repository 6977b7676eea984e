"""Pictures of a search by sparse latents: cost, widths and latents over its steps."""

from collections.abc import Sequence
from typing import Any

from tools.figures import legend, new_figure, palette, shown_name


def search_progress(results: Sequence[dict[str, Any]]) -> Any:
    """Three panels from the looks of `StopAtBudget`.

    The MACs that would be kept, every seed; the units kept of each channel group; the
    deciles of the latents' magnitudes (both of the first search). DHP's Figs. 4 and 5
    show the second and the third for one layer each.
    """
    figure, (cost, widths, latents) = new_figure(12, 4, columns=3)
    colors = palette([result["arm"] for result in results])
    for result in results:
        looks, arm = result["looks"], result["arm"]
        line = [look["macs"] for look in looks]
        cost.plot(_steps(looks), line, color=colors[arm], lw=1.2, label=shown_name(arm))
    cost.set(ylabel="MACs kept / whole", title="Cost, one line a seed", ylim=(0, 1.05))
    legend(cost)
    first = results[0]
    _plot_widths(widths, first)
    _plot_deciles(latents, first)
    for axes in (cost, widths, latents):
        axes.set(xlabel="step")
    return figure


def _steps(looks: Sequence[dict[str, Any]]) -> list[int]:
    return [look["step"] for look in looks]


def _plot_widths(axes, result: dict[str, Any]) -> None:
    looks, sizes = result["looks"], {n: len(z) for n, z in result["latents"].items()}
    colors = palette(list(sizes))
    for name, size in sizes.items():
        kept = [look["units"][name] / size for look in looks]
        axes.plot(_steps(looks), kept, color=colors[name], lw=1, alpha=0.8, label=name)
    axes.set(ylabel="units kept / all", title=f"Channel groups, seed {result['seed']}")
    axes.set_ylim(0, 1.05)
    if len(sizes) <= 14:
        axes.legend(frameon=False, fontsize=6)


def _plot_deciles(axes, result: dict[str, Any]) -> None:
    looks = result["looks"]
    for decile, values in enumerate(zip(*(look["deciles"] for look in looks), strict=True)):
        shade = str(0.15 + 0.12 * abs(decile - 5))
        axes.plot(_steps(looks), values, color=shade, lw=1.6 if decile == 5 else 0.9)
    axes.set(ylabel="|latent|", title="Deciles of the latents, median bold", ylim=(0, None))
