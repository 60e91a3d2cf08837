"""What each node processes, and how much of its assets that uses."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tokenflow_sim.numeric import Floats
from tokenflow_sim.plot import heat, text
from tokenflow_sim.plot.panels import OneOrMore, head, panels
from tokenflow_sim.plot.registry import Results, figure
from tokenflow_sim.plot.style import Columns
from tokenflow_sim.results.site_use import site_use


@figure("dispatch", "offer_quantity", "asset_node")
def sites(results: Results, *, most: int = 24, columns: Columns = 2, ax: OneOrMore | None = None) -> Figure:
    """Show what each node processes of each class, and how much of its assets that uses.

    The left table has the mean dispatch of each node's assets in Mtok/s, coloured by the node's share of the class.
    The right one has the share in use: of the quantity offered for each class or, where the classes share an asset's
    power, of that power, by class and in all. The node that processes most stands on top.

    Parameters
    ----------
    ds : Dataset
        Results with `dispatch` and `offer_quantity`, dims (period, asset, workload).
    most : int
        How many nodes to show at most.
    columns : {1, 2}
        Columns of a printed page that the figure spans: 89 or 183 mm.
    ax : sequence of two Axes, optional
        Draw here instead of in a new figure.

    Returns
    -------
    Figure

    Raises
    ------
    ResultError
        If the results lack what is needed.
    """
    use = site_use(results)
    largest = np.argsort(-use.processing.sum(axis=1), kind="stable")[:most]
    names = [text.name(use.nodes[i], 16 if columns == 2 else 12) for i in largest]
    height = 0.4 + heat.ROW * max(4, len(names))
    drawn = panels(2, ax, columns, figure="sites", height=height)
    unit = text.plain(results.attrs("dispatch")["units"])
    processing_table(
        drawn.axes[0],
        use.processing[largest],
        names,
        results.names("workload", "dispatch"),
        use.processing.sum(axis=0),
    )
    head(drawn.axes[0], f"Processing [{unit}]")
    heat.table(drawn.axes[1], use.share[largest], names, use.columns, longest=30)
    head(drawn.axes[1], "In use [% of power]" if use.of_power else "In use [% of offer]")
    if len(use.nodes) > most:
        drawn.axes[1].set_xlabel(f"the largest {most} of {len(use.nodes)} nodes")
    return drawn.figure


def processing_table(ax: Axes, values: Floats, rows: list[str], classes: list[str], total: Floats) -> None:
    """Draw processing in Mtok/s, dims (row, class), each cell coloured by its share of the class's `total`."""
    share = np.divide(values, total, out=np.zeros_like(values), where=total > 0)
    words = np.array([[text.number(value) if value > 0 else "0" for value in row] for row in values.tolist()])
    heat.table(ax, share, rows, classes, max(float(share.max(initial=0.0)), 1e-9), words, 30)
