"""The money flows of a clearing at its prices, as plain arrays: what every pricing rule starts from.

Demand at node n pays ``pi (d - y)``, an asset earns ``pi x = (p + mu + sigma h) x``, a link earns
``(c + rent u) f`` (section 2.4 of the paper), and money in equals money out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokenflow_sim.market.arrays import Arrays, total
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.reserve import held_income
from tokenflow_sim.market.values import Values
from tokenflow_sim.numeric import Floats


@dataclass(frozen=True, eq=False, kw_only=True)
class Money:
    """Who pays and is paid how much, in $/s.

    Parameters
    ----------
    payment : ndarray
        Dims (node, workload).
    revenue : ndarray
        Dims (asset, workload).
    link_income : ndarray
        Dims (arc, workload).
    limit_income : ndarray
        What the payee of each limit is paid, dims (limit,), in the order of `Arrays.limits`; zero without a payee.
        Below zero where it pays: of a bus it is what local load pays, with its sign turned.
    activity_income : dict of ndarray
        What each label of an activity is paid by the limits it gives to less what it pays, by name, dims (label,).
    reserve_payment : ndarray or None
        What of the revenue is paid for capacity kept free, dims (asset, workload); None without reserve.
    budget : float or ndarray
        What the operator keeps (below zero: adds) under a pricing rule that does not balance; zero at prices. Of
        markets beside each other that of each, dims (market,).
    """

    payment: Floats
    revenue: Floats
    link_income: Floats
    limit_income: Floats
    activity_income: dict[str, Floats]
    reserve_payment: Floats | None = None
    budget: float | Floats = 0.0


def budget_of(layout: Layout, paid: Floats, received: Floats) -> float | Floats:
    """Return what is paid less what is received: a number, or one for each of the markets beside each other."""
    many = layout.many
    kept: Floats = paid.reshape(many, -1).sum(axis=1) - received.reshape(many, -1).sum(axis=1)
    return float(kept[0]) if many == 1 else kept


def at_prices(layout: Layout, arrays: Arrays, values: Values) -> Money:
    """Settle at the prices: everybody pays or is paid the price at the own node.

    Parameters
    ----------
    layout : Layout
        Where assets stand.
    arrays : Arrays
        The market's numbers.
    values : Values
        The clearing's.

    Returns
    -------
    Money
        In $/s.
    """
    lost, served = total(values.unserved), total(arrays.demand - values.unserved)
    quantities = {"dispatch": total(values.dispatch), "flow": values.flow, "unserved": lost}
    payment = values.price * served
    activity_income: dict[str, Floats] = {}
    for one in arrays.activities:
        quantities[one.name] = values.done[one.name].sum(axis=1)
        activity_income[one.name] = np.zeros(one.size)
    charge = arrays.route_cost + values.congestion_rent[:, None] * arrays.link_use
    worth, income = values.service_price[layout.asset_node], np.zeros(len(arrays.limits))
    reserve = any(limit.held is not None for limit in arrays.limits)
    held: Floats = np.zeros(quantities["dispatch"].shape if reserve else 0)
    for place, limit in enumerate(arrays.limits):
        rent = values.rents[limit.rent]
        for term in limit.terms:
            due = term.charge(rent)
            if term.kept is not None:
                due = due - term.of_members(rent)[:, None] * term.kept
            if limit.paid_to is not None:
                income[place] += float((due * quantities[term.on]).sum())
                if term.on == "dispatch":
                    worth = worth - due
                elif term.on == "unserved":
                    payment = payment + due * lost
                elif term.on in activity_income:
                    activity_income[term.on] = activity_income[term.on] - due * quantities[term.on]
            elif term.on == "flow":
                # A price pays for all that a flow uses; what no payee gets of it is the link owner's.
                charge = charge + due
        if limit.held is not None:
            earned = held_income(limit, rent, quantities["dispatch"])
            held, income[place] = held + earned, income[place] - float(earned.sum())
    return Money(
        payment=payment,
        revenue=worth * quantities["dispatch"] + held if reserve else worth * quantities["dispatch"],
        reserve_payment=held if reserve else None,
        link_income=charge * values.flow,
        limit_income=income,
        activity_income=activity_income,
    )
