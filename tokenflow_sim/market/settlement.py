"""Who pays whom: the settlement that the prices of a clearing imply, to the last cent.

Demand at node n pays ``pi (d - y)``, an asset earns ``pi x = (p + mu + sigma h) x``, a link earns
``(c + rent u) f`` (section 2.4 of the paper), and money in equals money out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.clearing import Clearing
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.market import Market
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
    residual : float
        Money in less money out; zero up to rounding.
    """

    payment: xr.DataArray
    revenue: xr.DataArray
    link_income: xr.DataArray
    limit_income: xr.DataArray
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
    """

    payment: Floats
    revenue: Floats
    link_income: Floats
    limit_income: Floats


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
    served = (arrays.demand - values.unserved).sum(axis=2)
    charge = arrays.route_cost + values.congestion_rent[:, None] * arrays.link_use
    dispatch = values.dispatch.sum(axis=2)
    worth, income = values.service_price[layout.asset_node], np.zeros(len(arrays.limits))
    for place, limit in enumerate(arrays.limits):
        rent = values.rents[limit.rent]
        for term in limit.terms:
            due = term.charge(rent)
            if limit.payee is not None:
                income[place] += float((due * (dispatch if term.on == "dispatch" else values.flow)).sum())
                if term.on == "dispatch":
                    worth = worth - due
            elif term.on == "flow":
                # A price pays for all that a flow uses; what no payee gets of it is the link owner's.
                charge = charge + due
    return Money(
        payment=values.price * served,
        revenue=worth * dispatch,
        link_income=charge * values.flow,
        limit_income=income,
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
    money = settle_values(market.layout, market.arrays, clearing.values)

    def labelled(name: str) -> xr.DataArray:
        amounts = getattr(money, name) * SECONDS_PER_HOUR
        amounts.setflags(write=False)  # they belong together
        return market.layout.label(SETTLEMENT[name], amounts)

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
                "payee": ("limit", [limit.payee or "" for limit in market.arrays.limits]),
            },
            ("limit",),
            "limit_income",
            SETTLEMENT["limit_income"].attrs(),
        ),
        residual=float(
            (money.payment.sum() - money.revenue.sum() - money.link_income.sum() - money.limit_income.sum())
            * SECONDS_PER_HOUR
        ),
    )
