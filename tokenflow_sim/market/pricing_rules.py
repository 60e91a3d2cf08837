"""Pricing rules by name: how a cleared market is settled where that is not at its prices.

A rule is a class in a module of its own and a line here; `Pricing` has its parameters, and the scenario's `market`
section the same.
"""

from __future__ import annotations

from typing import Protocol

from tokenflow_sim.errors import Fault, MarketError
from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.double_auction import KDoubleAuction
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.money import Money, at_prices
from tokenflow_sim.market.pay_as_bid import PayAsBid
from tokenflow_sim.market.pricing import Pricing
from tokenflow_sim.market.values import Values
from tokenflow_sim.market.vcg import VCG
from tokenflow_sim.numeric import Ints


class PricingRule(Protocol):
    """Who pays and is paid how much; the clearing and its prices are the same under all rules."""

    def faults(self, layout: Layout, arrays: Arrays) -> list[str]:
        """Return why a market cannot be settled by the rule, a line each."""

    def money(
        self,
        layout: Layout,
        arrays: Arrays,
        values: Values,
        at_price: Money,
        pricing: Pricing,
        own: Ints | None,
    ) -> Money:
        """Settle a clearing.

        Parameters
        ----------
        layout, arrays, values
            The market and its clearing.
        at_price : Money
            Its settlement at the prices; belongs to the rule.
        pricing : Pricing
            The rule's parameters.
        own : ndarray of int or None
            Assets whose revenue alone matters, those of one provider; None where all does.
        """


PRICING_RULES: dict[str, PricingRule] = {
    "pay_as_bid": PayAsBid(),
    "vcg": VCG(),
    "k_double_auction": KDoubleAuction(),
}
"""The rules beside ``lmp``, which `money.at_prices` is."""


def settle_values(layout: Layout, arrays: Arrays, values: Values, own: Ints | None = None) -> Money:
    """Settle plain arrays by the market's pricing rule.

    Parameters
    ----------
    layout : Layout
        Where assets stand.
    arrays : Arrays
        The market's numbers, its pricing rule among them.
    values : Values
        The clearing's.
    own : ndarray of int, optional
        Assets of one provider, where what anybody else is paid does not matter, which saves clearings under `vcg`.

    Returns
    -------
    Money
        In $/s.

    Raises
    ------
    MarketError
        If the rule is not defined for such a market.
    InfeasibleError
        If `vcg` takes away a provider without which demand that must be served cannot be.
    """
    at_price, pricing = at_prices(layout, arrays, values), arrays.pricing
    if pricing is None or pricing.rule == "lmp":
        return at_price
    check_rule(layout, arrays)
    return PRICING_RULES[pricing.rule].money(layout, arrays, values, at_price, pricing, own)


def check_rule(layout: Layout, arrays: Arrays) -> None:
    """Refuse a market that cannot be settled by its own pricing rule.

    Raises
    ------
    MarketError
        If the rule is not defined for it; one line for each reason.
    """
    pricing = arrays.pricing
    if pricing is None or pricing.rule == "lmp":
        return
    if faults := PRICING_RULES[pricing.rule].faults(layout, arrays):
        raise MarketError([Fault(fault, "pricing") for fault in faults], "market")
