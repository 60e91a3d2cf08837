"""Vickrey, Clarke and Groves: each provider is paid its offers and what its presence saves everybody else."""

from __future__ import annotations

import numpy as np

from tokenflow_sim.errors import InfeasibleError
from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.beside import LayoutBeside, clearer_beside
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.market import Market
from tokenflow_sim.market.money import Money, budget_of
from tokenflow_sim.market.pay_as_bid import offered_cost
from tokenflow_sim.market.pricing import Pricing
from tokenflow_sim.market.reserve import without_assets
from tokenflow_sim.market.shared_clearer import shared_clearer
from tokenflow_sim.market.values import Values
from tokenflow_sim.numeric import Bools, Floats, Ints


class VCG:
    """Providers are paid by Vickrey, Clarke and Groves; demand, links and payees of limits stay at the prices.

    Notes
    -----
    With C the cost of the clearing as offered (lost service at its value), c_i what provider i asks for what it
    serves, and C_-i the cost of the market without its assets, provider i is paid

        c_i + C_-i - C,

    so that to offer all capacity at true cost is at least as good as any other offer, whatever rivals do. The market
    is cleared once more for each provider that serves something (or has capacity where there is a reserve: the part of
    it that its assets hold goes with them). Of what is paid beyond c_i, an asset gets what the price pays it for
    reserve; the rest stands on the provider's assets and classes by what each serves. Capacities that no asset holds,
    a site's queue among them, stay as they are.

    Demand pays the price, which need not bring in what providers are paid: `Money.budget` is what the operator keeps,
    below zero where it adds to it. A provider without which demand that must be served cannot be has no finite
    payment; `Pricing.pivotal_value` gives that demand a value then.

    References
    ----------
    W. Vickrey, "Counterspeculation, Auctions, and Competitive Sealed Tenders", Journal of Finance 16 (1961) 8-37.
    E. H. Clarke, "Multipart Pricing of Public Goods", Public Choice 11 (1971) 17-33. T. Groves, "Incentives in Teams",
    Econometrica 41 (1973) 617-631. B. F. Hobbs, M. H. Rothkopf, L. C. Hyde and R. P. O'Neill, "Evaluation of a
    Truthful Revelation Auction in the Context of Energy Markets with Nonconcave Benefits", Journal of Regulatory
    Economics 18 (2000) 5-32: the rule in a power market, and its deficit.
    """

    def faults(self, layout: Layout, arrays: Arrays) -> list[str]:
        """Return why a market cannot be settled so."""
        if arrays.security is None:
            return []
        return ["vcg is not defined with losses that the schedule has to survive (security)"]

    def money(
        self,
        layout: Layout,
        arrays: Arrays,
        values: Values,
        at_price: Money,
        pricing: Pricing,
        own: Ints | None,
    ) -> Money:
        """Return who pays and is paid how much.

        Raises
        ------
        InfeasibleError
            If demand that must be served cannot be without one of the providers, and has no `pivotal_value`.
        """
        revenue, dispatch = offered_cost(arrays, values).copy(), values.dispatch.sum(axis=2)
        held = at_price.reserve_payment
        if held is not None:
            revenue += held
        each = layout.by_market
        for name, rows in providers_of(layout).items():
            if own is not None and own[0] not in rows:
                continue
            weight = each(dispatch[rows])
            there = weight.any(axis=(1, 2))
            if held is not None and not there.all():
                weight = np.where(there[:, None, None], weight, each(arrays.capacity[rows].sum(axis=2)))
                there = weight.any(axis=(1, 2))
            if not there.any():
                continue
            # The cost of a market without a clearing is none.
            needed = there & ~np.isnan(np.atleast_1d(values.cost))
            saved = costs_without(layout, arrays, name, rows, pricing.pivotal_value, needed) - values.cost
            if held is not None:
                saved = saved - each(held[rows]).sum(axis=(1, 2))
            share = weight / np.where(there, weight.reshape(layout.many, -1).sum(axis=1), 1.0)[:, None, None]
            # Less than nothing is rounding, or a pivotal value below what the service costs.
            gain = np.where(there, np.maximum(saved, 0.0), 0.0)[:, None, None] * share
            revenue[rows] += gain.reshape(-1, gain.shape[2])
        return Money(
            payment=at_price.payment,
            revenue=revenue,
            link_income=at_price.link_income,
            limit_income=at_price.limit_income,
            activity_income=at_price.activity_income,
            reserve_payment=held,
            budget=budget_of(layout, at_price.revenue, revenue),
        )


def providers_of(layout: Layout) -> dict[str, Ints]:
    """Return the positions of each provider's assets, by name."""
    names = np.array(layout.provider, dtype=object)
    return {name: np.flatnonzero(names == name) for name in dict.fromkeys(layout.provider)}


def costs_without(
    layout: Layout, arrays: Arrays, name: str, rows: Ints, pivotal_value: float | None, needed: Bools
) -> Floats:
    """Return what a market, or each of markets beside each other, costs without a provider's assets, in $/s.

    Parameters
    ----------
    layout : Layout
        Labels of the market.
    arrays : Arrays
        The market.
    name : str
        The provider, for messages.
    rows : ndarray of int
        Positions of its assets.
    pivotal_value : float or None
        What demand that must be served is worth meanwhile in $/Mtok.
    needed : ndarray of bool
        In which markets it matters, dims (market,).

    Returns
    -------
    ndarray
        Dims (market,).

    Raises
    ------
    InfeasibleError
        If demand that must be served cannot be, where it matters.
    """
    capacity = arrays.capacity.copy()
    capacity[rows] = 0.0
    value = _valued(arrays, pivotal_value)
    changed = arrays.with_(
        capacity=capacity,
        value=value,
        limits=tuple(without_assets(limit, rows) for limit in arrays.limits),
        pricing=None,
    )
    without = Market.from_arrays(layout, changed, check=False)
    try:
        if not isinstance(layout, LayoutBeside):
            return np.array([shared_clearer(without, f"without {name}").clear(without).values.cost])
        found = clearer_beside(layout).clear(without)
        for number, error in found.failed.items():
            if needed[number]:
                error.add_note(f"in the market of seed {layout.called[number]}")
                raise error
        return np.asarray(found.values.cost)
    except InfeasibleError as error:
        error.add_note(
            f"  That is without provider {name!r}: market.pricing vcg pays what its presence saves, which has no bound"
            " then. Give `market.pivotal_value`, the worth of that demand while a provider is taken away, or let"
            " demand go unserved at a value."
        )
        raise


def _valued(arrays: Arrays, pivotal_value: float | None) -> Floats:
    if pivotal_value is None or arrays.must_serve is None:
        return arrays.value
    return np.where(arrays.must_serve, pivotal_value, arrays.value)
