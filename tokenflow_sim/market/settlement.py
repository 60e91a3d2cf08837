"""Who pays whom: the settlement that the prices of a clearing imply, to the last cent.

Demand at node n pays ``pi (d - y)``, an asset earns ``pi x = (p + mu + sigma h) x``, a link earns
``(c + rent u) f`` (section 2.4 of the paper), and money in equals money out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from tokenflow_sim.market.activity import Activity
from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.clearing import Clearing
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.market import Market
from tokenflow_sim.market.reserve import held_income
from tokenflow_sim.market.values import Values
from tokenflow_sim.numeric import SECONDS_PER_HOUR, Floats
from tokenflow_sim.variables import SETTLEMENT


@dataclass(frozen=True, eq=False, kw_only=True)
class Settlement:
    """The money flows of one clearing, in $/h.

    Parameters
    ----------
    payment : DataArray
        What demand pays, dims (node, workload).
    revenue : DataArray
        What assets earn, dims (asset, workload).
    link_income : DataArray
        What links earn: route cost and congestion rent, dims (arc, workload).
    limit_income : DataArray
        What the payees of further limits are paid, dims (limit,), with `payee` beside; empty without such limits.
        Below zero where they pay: of a bus of a grid, what local load pays.
    activity_income : Dataset
        What activities are paid, by name, each with its own dim, and `payee` in its attributes; empty without any.
    residual : float
        Money in less money out; zero up to rounding.
    """

    payment: xr.DataArray
    revenue: xr.DataArray
    link_income: xr.DataArray
    limit_income: xr.DataArray
    activity_income: xr.Dataset
    residual: float

    def by_party(self) -> xr.Dataset:
        """Return totals in $/h: `payment` by node, `revenue` by provider, `link_income` by owner."""
        return xr.Dataset(
            {
                "payment": self.payment.sum("workload", keep_attrs=True),
                "revenue": self.revenue.sum("workload", keep_attrs=True).groupby("provider").sum(),
                "link_income": self.link_income.sum("workload", keep_attrs=True).groupby("owner").sum()
                if self.link_income.sizes["arc"]
                else xr.DataArray(np.zeros(0), dims="owner", coords={"owner": np.array([], dtype=object)}),
            }
        )

    def __repr__(self) -> str:
        """Summarise the settlement in one line."""
        return (
            f"<Settlement: demand pays {float(self.payment.sum()):,.2f} $/h, providers earn "
            f"{float(self.revenue.sum()):,.2f} $/h, networks {float(self.link_income.sum()):,.2f} $/h, "
            f"residual {self.residual:.2g} $/h>"
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Money:
    """The same as plain arrays, in $/s.

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
    """

    payment: Floats
    revenue: Floats
    link_income: Floats
    limit_income: Floats
    activity_income: dict[str, Floats]
    reserve_payment: Floats | None = None


def settle_values(layout: Layout, arrays: Arrays, values: Values) -> Money:
    """Settle plain arrays.

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
    lost = values.unserved.sum(axis=2)
    served = (arrays.demand - values.unserved).sum(axis=2)
    quantities = {"dispatch": values.dispatch.sum(axis=2), "flow": values.flow, "unserved": lost}
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


def settle(market: Market, clearing: Clearing) -> Settlement:
    """Settle a clearing.

    Parameters
    ----------
    market : Market
        What was cleared.
    clearing : Clearing
        Its outcome.

    Returns
    -------
    Settlement
        In $/h; ``residual`` is zero up to 1e-9 of the payments.

    Raises
    ------
    MarketError
        If the clearing is of a market with other labels or numbers.
    """
    clearing.check_belongs_to(market)
    market = clearing.market  # which has the rows of losses, where there are any
    money = settle_values(market.layout, market.arrays, clearing.values)

    def labelled(name: str) -> xr.DataArray:
        amounts = getattr(money, name) * SECONDS_PER_HOUR
        amounts.setflags(write=False)  # they belong together
        return market.layout.label(SETTLEMENT[name], amounts)

    paid = money.revenue.sum() + money.link_income.sum() + money.limit_income.sum()
    paid += sum(income.sum() for income in money.activity_income.values())
    limit_income = money.limit_income * SECONDS_PER_HOUR
    limit_income.setflags(write=False)
    return Settlement(
        payment=labelled("payment"),
        revenue=labelled("revenue"),
        link_income=labelled("link_income"),
        limit_income=xr.DataArray(
            limit_income,
            {
                "limit": [limit.name for limit in market.arrays.limits],
                "payee": ("limit", [limit.paid_to or "" for limit in market.arrays.limits]),
            },
            ("limit",),
            "limit_income",
            SETTLEMENT["limit_income"].attrs(),
        ),
        activity_income=xr.Dataset(
            {one.name: _income(one, money.activity_income[one.name]) for one in market.arrays.activities}
        ),
        residual=float((money.payment.sum() - paid) * SECONDS_PER_HOUR),
    )


def _income(activity: Activity, income: Floats) -> xr.DataArray:
    """Return what an activity is paid, labelled, in $/h."""
    found = activity.label(income[:, None] * SECONDS_PER_HOUR)
    found.attrs |= {"units": SETTLEMENT["limit_income"].unit, "long_name": f"income of {activity.name}"}
    found.attrs["payee"] = activity.payee or activity.name
    return found
