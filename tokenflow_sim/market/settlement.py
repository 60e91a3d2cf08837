"""Who pays whom: the settlement of a clearing, at its prices or by another pricing rule, to the last cent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from tokenflow_sim.errors import Fault, MarketError, unknown_name
from tokenflow_sim.market.activity import Activity
from tokenflow_sim.market.clearing import Clearing
from tokenflow_sim.market.market import Market
from tokenflow_sim.market.pricing import RULES, Pricing
from tokenflow_sim.market.pricing_rules import settle_values
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
        Money in less money out, the operator's budget included; zero up to rounding.
    budget : float
        What the operator keeps, below zero what it adds; zero but under `vcg`.
    """

    payment: xr.DataArray
    revenue: xr.DataArray
    link_income: xr.DataArray
    limit_income: xr.DataArray
    activity_income: xr.Dataset
    residual: float
    budget: float = 0.0

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
        operator = f"the operator keeps {self.budget:,.2f} $/h, " if self.budget else ""
        return (
            f"<Settlement: demand pays {float(self.payment.sum()):,.2f} $/h, providers earn "
            f"{float(self.revenue.sum()):,.2f} $/h, networks {float(self.link_income.sum()):,.2f} $/h, "
            f"{operator}residual {self.residual:.2g} $/h>"
        )


def settle(market: Market, clearing: Clearing, *, pricing: str | Pricing | None = None) -> Settlement:
    """Settle a clearing.

    Parameters
    ----------
    market : Market
        What was cleared.
    clearing : Clearing
        Its outcome.
    pricing : {'lmp', 'pay_as_bid', 'vcg', 'k_double_auction'} or Pricing, optional
        The pricing rule; that of the market's scenario if left out, which is ``lmp`` for markets made by hand. A
        `tokenflow_sim.market.pricing.Pricing` has parameters beside.

    Returns
    -------
    Settlement
        In $/h; ``residual`` is zero up to 1e-9 of the payments.

    Raises
    ------
    MarketError
        If the clearing is of a market with other labels or numbers, there is no rule of that name, or the rule is not
        defined for such a market.
    InfeasibleError
        If `vcg` takes away a provider without which demand that must be served cannot be.
    """
    clearing.check_belongs_to(market)
    rule = _rule_of(market, pricing)
    market = clearing.market  # which has the rows of losses, where there are any
    money = settle_values(market.layout, market.arrays.with_(pricing=rule), clearing.values)

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
        residual=float((money.payment.sum() - paid - money.budget) * SECONDS_PER_HOUR),
        budget=float(money.budget) * SECONDS_PER_HOUR,
    )


def _rule_of(market: Market, given: str | Pricing | None) -> Pricing | None:
    if given is None or isinstance(given, Pricing):
        return market.arrays.pricing if given is None else given
    if given not in RULES:
        raise MarketError([Fault(unknown_name("pricing rule", given, RULES), "pricing")], "settlement")
    return Pricing(rule=given)  # type: ignore[arg-type]  # it is one of them


def _income(activity: Activity, income: Floats) -> xr.DataArray:
    """Return what an activity is paid, labelled, in $/h."""
    found = activity.label(income[:, None] * SECONDS_PER_HOUR)
    found.attrs |= {"units": SETTLEMENT["limit_income"].unit, "long_name": f"income of {activity.name}"}
    found.attrs["payee"] = activity.payee or activity.name
    return found
