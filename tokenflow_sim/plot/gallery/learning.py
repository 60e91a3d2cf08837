"""How learners' payoffs move while a game is played over and over."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from tokenflow_sim.plot import text
from tokenflow_sim.plot.panels import OneOrMore, dress_value, head, panels
from tokenflow_sim.plot.registry import Results, figure
from tokenflow_sim.plot.style import INK, Columns, colours, dashes


@figure("history", "payoff", "settled", "provider")
def learning(results: Results, *, columns: Columns = 2, ax: OneOrMore | None = None) -> Figure:
    """Payoffs of learners over the periods of repeated play, and when sessions settled.

    The first panel has each player's mean over all sessions, with the middle half of them; a session that has ended
    counts with what its players earn in the cycle that it ended in. The second has the share of sessions in which no
    policy changed any more.

    Parameters
    ----------
    ds : Dataset
        The `dataset` of repeated play (`tf.Game.play`).
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
        If the Dataset is not that of repeated play.
    """
    ds = results.ds
    names = [str(name) for name in ds["provider"].values]
    colour, dash = colours(names, "provider"), dashes(names)
    history = ds["history"].transpose("sample", "session", "provider").values
    # The mean of those still played would be that of the slowest.
    history = np.where(np.isnan(history), ds["payoff"].transpose("session", "provider").values, history)
    periods = ds["sample"].values
    drawn = panels(2, ax, columns, figure="learning", height=1.9, widths=(1.6, 1.0) if columns == 2 else None)
    payoffs, settled = drawn.axes
    factor, prefix = text.prefixed(float(np.nanmax(np.abs(history), initial=0.0)))
    for column, name in enumerate(names):
        own = history[..., column] * factor
        low, high = np.quantile(own, (0.25, 0.75), axis=1)
        payoffs.fill_between(periods, low, high, color=colour[name], alpha=0.25, linewidth=0)
        payoffs.plot(periods, np.mean(own, axis=1), color=colour[name], linestyle=dash[name])
        drawn.entries[text.name(name)] = Line2D([], [], color=colour[name], linestyle=dash[name])
    drawn.entries["middle half of sessions"] = Patch(color=INK, alpha=0.25, linewidth=0)
    dress_value(payoffs, text.labelled("Payoff", f"{prefix}$/h"))
    head(payoffs, "Payoffs while learning", f"{ds.sizes['session']:,} sessions")
    converged = ds["converged"].values
    ends = np.sort(ds["settled"].values[converged])
    shares = 100.0 * np.arange(1, len(ends) + 1) / max(len(converged), 1)
    last = float(ds["periods"].max())
    unit = 1000.0 if last >= 20_000 else 1.0
    settled.step(
        np.concatenate([[0.0], ends, [last]]),
        np.concatenate([[0.0], shares, shares[-1:] if len(ends) else [0.0]]),
        where="post",
        color=INK,
    )
    dress_value(settled, text.labelled("Sessions settled", "%"), from_zero=True)
    settled.set_ylim(0.0, 102.0)
    head(settled, "No policy changes any more")
    for axes in drawn.axes:
        axes.set_xlim(0.0, last)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.xaxis.set_major_formatter(text.TickNumbers(unit))
        axes.set_xlabel("Period" if unit == 1 else "Period, thousands")
    drawn.legend()
    return drawn.figure
