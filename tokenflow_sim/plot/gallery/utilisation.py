"""How much of the links and of the assets is in use."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from tokenflow_sim.numeric import Floats
from tokenflow_sim.plot import heat, text
from tokenflow_sim.plot.gallery.links import FULL, link_names
from tokenflow_sim.plot.panels import OneOrMore, Panels, head, panels, say_nothing_happened
from tokenflow_sim.plot.registry import Results, figure
from tokenflow_sim.plot.style import Columns
from tokenflow_sim.results.site_use import site_use

_CONGESTED = "#D55E00"
_BAR = 0.6  # inches for the colour bar


@figure("link_use_share", "congestion_rent", "dispatch", "offer_quantity", "asset_node")
def utilisation(
    results: Results, *, most: int = heat.MOST_ROWS, columns: Columns = 2, ax: OneOrMore | None = None
) -> Figure:
    """Utilisation of the links over time and of the assets by node and class.

    The map has the most used links, the busiest on top, as the share of their capacity in use. Periods in which
    a link is congested, that is full and earning a congestion rent, are underlined; their number stands at the
    right of the row. The table has the share in use of each node's assets over the run, the busiest node on top: of
    the quantity offered for each class or, where the classes share an asset's power, of that power, by class and in
    all.

    Parameters
    ----------
    ds : Dataset
        Results with `link_use_share`, `congestion_rent`, `dispatch` and `offer_quantity`.
    most : int
        How many links and nodes to show at most.
    columns : {1, 2}
        Columns of a printed page that the figure spans: 89 or 183 mm.
    ax : sequence of two Axes, optional
        Draw here instead of in a new figure; one Axes where there are no links.

    Returns
    -------
    Figure

    Raises
    ------
    ResultError
        If the results lack what is needed.
    """
    links, sites = _link_use(results), site_use(results)
    busiest = sites.busiest[:most]
    used = np.argsort(-links.mean, kind="stable")[: max(1, min(most, np.count_nonzero(links.mean)))]
    heights = [0.35 + heat.ROW * max(4, count) for count in (len(used), len(busiest))]
    if not len(links.mean):
        drawn = panels(1, ax, columns, figure="utilisation", height=heights[1])
    elif columns == 2:
        drawn = panels(
            2, ax, columns, figure="utilisation", height=max(heights), widths=(2.6, 1.0), more=_BAR
        )
    else:
        drawn = panels(2, ax, columns, figure="utilisation", height=heights, more=_BAR)
    table = drawn.axes[-1]
    heat.table(table, sites.share[busiest], [text.name(sites.nodes[i], 16) for i in busiest], sites.columns)
    head(table, "Nodes [% of power]" if sites.of_power else "Nodes [% of offer]")
    some = f"{len(busiest)} of {len(sites.nodes)} nodes, " if len(sites.nodes) > most else ""
    table.set_xlabel(f"{some}busiest first")
    if len(links.mean):
        mesh = _draw_links(results, drawn, links, used)
        beside = drawn.axes if drawn.own else drawn.axes[0]
        bar = drawn.figure.colorbar(mesh, ax=beside, location="bottom", aspect=50, shrink=0.6)
        bar.set_label(text.labelled("Share in use", "%"))
        bar.outline.set_visible(False)
    drawn.legend()
    return drawn.figure


@dataclass(frozen=True, eq=False)
class _LinkUse:
    """Use of the links: share in use and congested periods, dims (step, arc), and the mean share (arc,)."""

    share: Floats
    congested: Floats
    mean: Floats


def _link_use(results: Results) -> _LinkUse:
    def steps(share: Floats, rent: Floats) -> tuple[Floats, ...]:
        congested = (share >= FULL) & (rent > 0)
        return np.nan_to_num(share).mean(axis=1), congested.sum(axis=1, dtype=float)

    share, congested = results.time.apply(steps, results["link_use_share"], results["congestion_rent"])
    return _LinkUse(share, congested, share.mean(axis=0))


def _draw_links(results: Results, drawn: Panels, links: _LinkUse, shown: NDArray[np.intp]) -> QuadMesh:
    time, ax, names = results.time, drawn.axes[0], link_names(results)
    mesh = heat.over_time(ax, time, links.share[:, shown].T, [names[i] for i in shown])
    heat.mark(ax, time, links.congested[:, shown].T > 0, _CONGESTED)
    for row, count in enumerate(links.congested.sum(axis=0)[shown]):
        if count:
            ax.annotate(
                f"{count:.0f}", (1.0, row), xycoords=("axes fraction", "data"), xytext=(3, 0),
                textcoords="offset points", va="center", fontsize=6.0, color=_CONGESTED, annotation_clip=False,
            )  # fmt: skip
    head(
        ax, "Links" if len(names) == len(shown) else f"Links, the {len(shown)} most used of all {len(names)}"
    )
    time.dress(ax)
    if links.congested.any():
        drawn.entries["congested; number of periods at the right"] = Line2D(
            [], [], color=_CONGESTED, linewidth=2.0
        )
    if not links.mean.any():
        say_nothing_happened(ax, "no link was used")
    return mesh
