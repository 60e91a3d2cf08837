"""How full the links are."""

from __future__ import annotations

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from tokenflow_sim.numeric import Floats
from tokenflow_sim.plot import heat, text
from tokenflow_sim.plot.panels import OneOrMore, head, panels, say_nothing_happened
from tokenflow_sim.plot.registry import Results, figure
from tokenflow_sim.plot.style import INK, Columns

FULL = 1.0 - 1e-6
"""Share of its capacity in use from which on a link counts as full."""
FULL_COLOUR, FREE_COLOUR = "#D55E00", "#7FB2D6"


@figure("link_use_share", "origin", "destination", "arc_owner")
def links(results: Results, *, most: int = 24, columns: Columns = 1, ax: OneOrMore | None = None) -> Figure:
    """Utilisation of the links that are in use: mean, range over time, and which are full.

    A bar is the mean share of a link's capacity in use, the line across it the range from the least to the most used
    period. Links that are full in at least one period are darker; the number behind is the share of the
    periods in which they are, where there are several.

    Parameters
    ----------
    ds : Dataset
        Results with `link_use_share`, dims (period, arc).
    most : int
        How many links to show at most, those with the highest mean.
    columns : {1, 2}
        Columns of a printed page that the figure spans: 89 or 183 mm.
    ax : Axes, optional
        Draw here instead of in a new figure.

    Returns
    -------
    Figure

    Raises
    ------
    ResultError
        If the results lack what is needed.
    """

    def steps(share: Floats) -> tuple[Floats, ...]:
        share = np.nan_to_num(share)
        return (
            share.sum(axis=1),
            share.min(axis=1),
            share.max(axis=1),
            (share >= FULL).sum(axis=1, dtype=float),
        )

    total, low, high, full = results.time.apply(steps, results["link_use_share"])
    count = len(results.time.periods)
    mean, full_share = total.sum(axis=0) / count, full.sum(axis=0) / count
    used = np.argsort(-mean, kind="stable")[: min(most, int(np.count_nonzero(mean)))]
    drawn = panels(1, ax, columns, figure="links", height=0.4 + heat.ROW * max(4, len(used)), across=1)
    ax_ = drawn.axes[0]
    names = link_names(results, 28 if columns == 1 else 40)
    share_bars(ax_, [names[i] for i in used], mean[used], full_share[used] > 0)
    for row, arc in enumerate(used):
        if count > 1:
            ax_.plot(
                [100 * low[:, arc].min(), 100 * high[:, arc].max()], [row, row], color=INK, linewidth=0.5
            )
        if count > 1 and full_share[arc] > 0:
            ax_.annotate(
                text.percent(float(full_share[arc])), (1.01, row), xycoords=("axes fraction", "data"), va="center",
                fontsize=6.0, annotation_clip=False,
            )  # fmt: skip
    in_use = int(np.count_nonzero(mean))
    head(ax_, f"Busiest {len(used)} of {in_use} links used" if in_use > len(used) else "Links in use")
    ax_.set_xlabel("Share of capacity in use [%]")
    if not len(used):
        say_nothing_happened(ax_, "no link was used")
        ax_.set_yticks([])
        return drawn.figure
    drawn.entries = bar_entries(full_share[used] > 0)
    if count > 1 and full_share[used].any():
        drawn.entries["full; % of the time at the right"] = drawn.entries.pop("full")
    if count > 1:
        drawn.entries["range over time"] = Line2D([], [], color=INK, linewidth=0.5)
    drawn.legend()
    return drawn.figure


def share_bars(
    ax: Axes, names: list[str], share: Floats, full: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> None:
    """Draw shares as bars, one a row, the first on top; full links are darker."""
    for row, (size, is_full) in enumerate(zip(share, full, strict=True)):
        ax.barh(
            row, 100 * float(size), height=0.72, linewidth=0, color=FULL_COLOUR if is_full else FREE_COLOUR
        )
    ax.set_ylim(max(len(names), 1) - 0.4, -0.6)
    ax.set_yticks(range(len(names)), names, fontsize=6.5)
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False, axis="y")
    ax.grid(visible=True, axis="x")
    ax.set_xlim(0.0, 100.0)


def bar_entries(full: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> dict[str, Artist]:
    """Return the legend of `share_bars`."""
    entries: dict[str, Artist] = {}
    if not full.all():
        entries["never full"] = Patch(facecolor=FREE_COLOUR, linewidth=0)
    if full.any():
        entries["full"] = Patch(facecolor=FULL_COLOUR, linewidth=0)
    return entries


def link_names(results: Results, longest: int = 28) -> list[str]:
    """Name links by their ends, unless two links have the same ends."""
    names = results.names("arc", "link_use_share")
    if "origin" in results.ds.coords and "destination" in results.ds.coords:
        half = longest // 2
        ends = [
            f"{text.name(a, half)} → {text.name(b, half)}"
            for a, b in zip(results.along("origin"), results.along("destination"), strict=True)
        ]
        if len(set(ends)) == len(ends):
            return ends
    return [text.name(name, longest) for name in names]
