"""A tournament: what each strategy earns against each other, and the ranking."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tokenflow_sim.plot import text
from tokenflow_sim.plot.heat import table as shares_of
from tokenflow_sim.plot.intervals import whiskers
from tokenflow_sim.plot.panels import OneOrMore, head, panels
from tokenflow_sim.plot.registry import Results, figure
from tokenflow_sim.plot.style import Columns

_ROW = 0.27
_LABELS = 1.3
_FRAME = "#E69F00"  # stands out from both ends of the scale


@figure("payoff", "strategy", "rival", "seed")
def tournament(results: Results, *, columns: Columns = 2, ax: OneOrMore | None = None) -> Figure:
    """Payoffs of every strategy against every other, and how much each earns beyond the mean of all.

    Each cell has the mean profit of the provider that plays the row's strategy while all others play the
    column's; its colour is that profit's place between the least and the most of its column. The best reply in
    each column is framed. Strategies that cannot be ranked, because their runs failed, are left out.

    Parameters
    ----------
    ds : Dataset
        The `dataset` of `tf.tournament`.
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
        If the Dataset is not that of a tournament.
    """
    from tokenflow_sim.study.common import seeds_text
    from tokenflow_sim.study.statistics import mean_payoff, ranking  # not before it is needed: it loads SciPy

    ds = results.ds
    ranked = ranking(ds)
    order = list(ranked.index)
    payoff = mean_payoff(ds).sel(strategy=order, rival=order).values
    factor, prefix = text.prefixed(float(np.nanmax(np.abs(payoff))))
    height = _LABELS + _ROW * len(order)
    drawn = panels(
        2, ax, columns, figure="tournament", height=height, widths=(1.5, 1.0) if columns == 2 else None
    )
    table, advantage = drawn.axes
    least, most = np.nanmin(payoff, axis=0), np.nanmax(payoff, axis=0)
    share = np.divide(payoff - least, most - least, out=np.ones_like(payoff), where=most > least)
    words = np.vectorize(lambda value: text.number(value * factor) if np.isfinite(value) else "")(payoff)
    shares_of(table, share, [text.name(name, 18) for name in order], order, words=words)
    for column, row in enumerate(np.nanargmax(payoff, axis=0)):
        frame = Rectangle(
            (column - 0.46, row - 0.44), 0.92, 0.88, fill=False, edgecolor=_FRAME, linewidth=1.4
        )
        table.add_patch(frame)
    table.set_xticks(range(len(order)), [text.name(name, 18) for name in order])
    table.set_xlabel("strategy of all others")
    table.set_ylabel("strategy of the provider")
    head(table, text.labelled("Profit", f"{prefix}$/h", wrap=60), "best reply framed")
    ends = [ranked[end].to_numpy(dtype=float) for end in ("advantage", "lower", "upper")]
    scale, prefix = text.prefixed(float(np.nanmax(np.abs(np.array(ends)))))
    shown = text.labelled("More than the mean", f"{prefix}$/h", wrap=60)
    series = [("", "#332288", ends[0] * scale, ends[1] * scale, ends[2] * scale)]
    whiskers(advantage, order, series, shown, named=not drawn.own or columns == 1)
    confidence = 100 * float(ds.attrs["confidence"])
    head(advantage, "Ranking", f"{confidence:g} %, {seeds_text(ds)}")
    return drawn.figure
