"""Settlements over time: who pays, and who is paid what."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tokenflow_sim.numeric import Floats
from tokenflow_sim.plot import text
from tokenflow_sim.plot.layers import Layer, layers_of, stack, within_cut
from tokenflow_sim.plot.panels import OneOrMore, cut_at, cut_peaks, dress_value, head, panels
from tokenflow_sim.plot.registry import Results, figure
from tokenflow_sim.plot.style import INK, Columns
from tokenflow_sim.results.reading import grouped

_VISIBLE = 1e-6  # share of the payments from which on money that goes nowhere is drawn as a layer of its own


@figure("payment", "revenue", "link_income", "asset_provider", "arc_owner")
def settlements(
    results: Results, *, cut: bool | None = None, columns: Columns = 2, ax: OneOrMore | None = None
) -> Figure:
    """Settlements over time: what demand pays, and what each provider and network owner receives.

    The upper panel stacks the receipts of compute providers and network owners; the black line is what demand
    pays, so that the stack must fill it. The lower panel repeats the network owners on a scale of their own.
    What is left between money in and money out is told above the upper panel, and is drawn as a layer wherever
    it exceeds a millionth of the payments. (A run balances, and so does each class of it; some of its nodes or
    assets alone do not.) Where periods are taken together, amounts are means of a step.

    Parameters
    ----------
    ds : Dataset
        Results with `payment`, `revenue` and `link_income`.
    cut : bool, optional
        Whether the axis ends above the usual values, with the heights of the peaks written at its end; by default
        where the highest value is more than three times that which nine in ten steps keep to. In a column that is
        cut off, the layers keep their shares of it.
    columns : {1, 2}
        Columns of a printed page that the figure spans: 89 or 183 mm.
    ax : sequence of two Axes, optional
        Draw here instead of in a new figure; one Axes where network owners earn nothing.

    Returns
    -------
    Figure

    Raises
    ------
    ResultError
        If the results lack what is needed.
    """
    time, firms, names = results.time, results.along("asset_provider"), results.providers
    carriers, owners = results.along("arc_owner"), results.owners
    unit_of_data = str(results.attrs("payment")["units"])

    def by_party(payment: Floats, revenue: Floats, income: Floats) -> tuple[Floats, ...]:
        earned = grouped(revenue.sum(axis=3).mean(axis=1), firms, names, axis=1)
        carried = grouped(income.sum(axis=3).mean(axis=1), carriers, owners, axis=1)
        return payment.sum(axis=(2, 3)).mean(axis=1), earned, carried

    money = (results[name] for name in ("payment", "revenue", "link_income"))
    paid, earned, income = time.apply(by_party, *money)
    residual = paid - earned.sum(axis=1) - income.sum(axis=1)
    largest = float(np.abs(paid).max(initial=0.0))
    share = float(np.abs(residual).max(initial=0.0)) / largest if largest else 0.0

    factor, unit = text.money(largest, unit_of_data, results.hours)
    layers = layers_of(names, earned * factor, "provider", names, "providers", earned.sum(axis=0))
    layers += _owner_layers(results, income, factor)
    if share > _VISIBLE:
        layers.append(Layer("residual", residual * factor, "#FFFFFF", "xxxxxx"))
    has_owners = bool(income.any())
    drawn = panels(
        1 + has_owners, ax, columns, figure="settlements", height=[2.4, 1.0][: 1 + has_owners], across=1
    )

    upper = drawn.axes[0]
    stack(upper, time, within_cut(layers, paid * factor, cut_at(paid * factor, cut)))
    upper.plot(time.line, time.steps(paid * factor), color=INK, linewidth=1.0, label="demand pays")
    head(upper, "All receipts", f"residual ≤ {text.number(share, 2)} of payments" if share else "residual 0")
    dress_value(upper, text.labelled("Money flow", unit), from_zero=True)
    cut_peaks(upper, time, paid * factor, cut=cut)
    if has_owners:
        own_factor, own_unit = text.money(
            float(income.sum(axis=1).max(initial=0.0)), unit_of_data, results.hours
        )
        owned, sums = _owner_layers(results, income, own_factor), income.sum(axis=1) * own_factor
        stack(drawn.axes[1], time, within_cut(owned, sums, cut_at(sums, cut)))
        head(drawn.axes[1], "Network owners alone")
        dress_value(drawn.axes[1], text.labelled("Money flow", own_unit), ticks=3, from_zero=True)
        cut_peaks(drawn.axes[1], time, sums, cut=cut)
    drawn.dress_time(time)
    drawn.entries = {"demand pays": Line2D([], [], color=INK, linewidth=1.0)}
    drawn.entries |= {layer.label: layer.patch() for layer in layers}
    drawn.legend()
    return drawn.figure


def _owner_layers(results: Results, income: Floats, factor: float) -> list[Layer]:
    names = results.owners
    return layers_of(names, income * factor, "owner", names, "network owners", income.sum(axis=0))
