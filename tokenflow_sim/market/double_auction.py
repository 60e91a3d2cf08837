"""The k-double auction at one place: a price between bid and offer, pair by pair or one for all."""

from __future__ import annotations

import numpy as np

from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.money import Money, budget_of
from tokenflow_sim.market.pricing import Pricing
from tokenflow_sim.market.values import Values
from tokenflow_sim.numeric import Floats, Ints

_ROUNDING = 1e-9
"""Share of a quantity up to which a trade is the rounding of a solver."""


class KDoubleAuction:
    """Buyers and sellers trade at prices between bids and offers, each class by itself.

    Notes
    -----
    Who trades how much is the clearing's: the dearest bids and the cheapest offers. With k from 0 to 1, 1/2 being the
    midpoint,

    - ``discriminatory``: the dearest bid is matched with the cheapest offer, and so on down both lists, and each match
      trades at ``k bid + (1 - k) offer``. Equal bids share what their quantity is matched with in proportion to what
      each trades, and so do equal offers.
    - ``uniform``: all trade at ``k b + (1 - k) a``, where prices from a to b clear the market: a is the dearest of
      offers taken and of bids left, b the cheapest of bids taken and of offers left. A step that is taken in part is
      both taken and left, so that it sets the price. (With k = 1 that is the buyer's bid double auction.)

    Payments equal revenues. It takes one place without limits: one node, or a pool (``bandwidth: none``), and bids
    with a finite value.

    References
    ----------
    K. Chatterjee and W. Samuelson, "Bargaining under Incomplete Information", Operations Research 31 (1983) 835-851:
    the price k b + (1 - k) s of one pair. M. A. Satterthwaite and S. R. Williams, "Bilateral Trade with the Sealed Bid
    k-Double Auction", Journal of Economic Theory 48 (1989) 107-133, and "The Rate of Convergence to Efficiency in the
    Buyer's Bid Double Auction as the Market Becomes Large", Review of Economic Studies 56 (1989) 477-498: one price
    for many. J. Nicolaisen, V. Petrov and L. Tesfatsion, "Market Power and Efficiency in a Computational Electricity
    Market with Discriminatory Double-Auction Pricing", IEEE Transactions on Evolutionary Computation 5 (2001) 504-523:
    the midpoint of each matched pair.
    """

    def faults(self, layout: Layout, arrays: Arrays) -> list[str]:
        """Return why a market cannot be settled so."""
        found = []
        if not _is_one_place(layout, arrays):
            found.append(
                f"k_double_auction takes one node or a pool; found {len(layout.nodes)} nodes"
                f" {'with a network' if len(layout.arcs) else 'apart'}: have one node, or market.bandwidth none"
            )
        beside = {
            "shared power": arrays.power_limit is not None,
            "rules for whole paths": arrays.routing is not None,
            "losses that the schedule has to survive": arrays.security is not None,
            "a grid": bool(arrays.activities),
            **{f"the limit {limit.name}": True for limit in arrays.limits},
        }
        if named := [name for name, there in beside.items() if there]:
            found.append(f"k_double_auction has no price for {', '.join(named)}: leave that out")
        must = arrays.must_serve
        if must is not None and (arrays.demand[must] > 0).any():
            spot = np.argwhere(must & (arrays.demand > 0))[0]
            found.append(
                "k_double_auction needs a finite value of every bid; found demand that must be served, of"
                f" {layout.workloads[spot[1]]!r} at {layout.nodes[spot[0]]!r}: have market.must_serve false"
            )
        return found

    def money(
        self,
        layout: Layout,
        arrays: Arrays,
        values: Values,
        at_price: Money,
        pricing: Pricing,
        own: Ints | None,
    ) -> Money:
        """Return who pays and is paid how much."""
        bought, sold = arrays.demand - values.unserved, values.dispatch
        margin = arrays.at_margin(values.dispatch, values.unserved)  # with slopes, those of the next unit

        def listed(array: Floats) -> Floats:
            """Return steps or blocks by market and class, dims (list, place)."""
            each = layout.by_market(array).swapaxes(1, 2)
            return each.reshape(each.shape[0] * each.shape[1], -1)

        bid, offer = listed(margin.value), listed(margin.offer_price)
        quantities = listed(bought), listed(sold)
        if pricing.trade == "uniform":
            lots = listed(arrays.demand), listed(arrays.capacity)
            price = uniform_price(bid, offer, *quantities, *lots, pricing.k)[:, None]
            paid, got = price * quantities[0], price * quantities[1]
        else:
            paid, got = matched(bid, offer, *quantities, pricing.k)

        def by_row(money: Floats, like: Floats) -> Floats:
            many, classes, steps = layout.many, *like.shape[1:]
            rows = money.reshape(many, classes, len(like) // many, steps).sum(axis=3)
            return np.ascontiguousarray(rows.swapaxes(1, 2)).reshape(len(like), classes)

        payment, revenue = by_row(paid, bought), by_row(got, sold)
        return Money(
            payment=payment,
            revenue=revenue,
            link_income=np.zeros_like(at_price.link_income),
            limit_income=at_price.limit_income,
            activity_income=at_price.activity_income,
            budget=budget_of(layout, payment, revenue),
        )


def matched(bid: Floats, offer: Floats, bought: Floats, sold: Floats, k: float) -> tuple[Floats, Floats]:
    """Return what bids pay and offers get where the dearest bid is matched with the cheapest offer, and so on.

    Parameters
    ----------
    bid, offer : ndarray
        In $/Mtok, dims (list, bid) and (list, offer): each list is an auction of its own.
    bought, sold : ndarray
        What of each trades in Mtok/s, dims as `bid` and `offer`.
    k : float
        Weight of the bid in the price of a match.

    Returns
    -------
    tuple of ndarray
        In $/s, dims as `bid` and `offer`.
    """
    bids, of_bid, in_bid = _levels(-bid, bought)  # from the dearest
    offers, of_offer, in_offer = _levels(offer, sold)  # from the cheapest
    up, down = np.cumsum(in_bid, axis=1), np.cumsum(in_offer, axis=1)
    # How much of each level of bids stands against each level of offers: where their stretches overlap.
    overlap = np.minimum(up[:, :, None], down[:, None]) - np.maximum(
        (up - in_bid)[:, :, None], (down - in_offer)[:, None]
    )
    money = np.maximum(overlap, 0.0) * (k * -bids[:, :, None] + (1.0 - k) * offers[:, None])
    paid = _shared(_summed(money, 2), of_bid, in_bid, bought)
    return paid, _shared(_summed(money, 1), of_offer, in_offer, sold)


def _levels(price: Floats, traded: Floats) -> tuple[Floats, Ints, Floats]:
    """Return the prices at which something trades, rising, the level of each place, and what trades at each level.

    Dims (list, level), (list, place) and (list, level). Where a list has fewer levels than others, price and quantity
    of the last ones are zero.
    """
    key = np.where(traded > 0, price, np.inf)
    order = np.argsort(key, axis=1, kind="stable")
    rising = np.take_along_axis(key, order, axis=1)
    step = np.cumsum(rising[:, 1:] != rising[:, :-1], axis=1)
    level = np.zeros(key.shape, dtype=np.int64)
    np.put_along_axis(level, order[:, 1:], step, axis=1)
    lists, width = len(key), int(level.max(initial=0, where=traded > 0)) + 1
    # What does not trade stands on the last level, with nothing.
    np.minimum(level, width - 1, out=level)
    spot = (np.arange(lists)[:, None] * width + level).ravel()
    quantity = np.bincount(spot, np.where(traded > 0, traded, 0.0).ravel(), lists * width)
    prices = np.zeros(lists * width)
    prices[spot[(traded > 0).ravel()]] = price[traded > 0]
    return prices.reshape(lists, width), level, quantity.reshape(lists, width)


def _summed(money: Floats, axis: int) -> Floats:
    """Return sums over levels, one after the other: levels of nothing behind the others then change no bit."""
    summed: Floats = np.add.accumulate(money, axis=axis).take(-1, axis=axis)
    return summed


def _shared(money: Floats, level: Ints, quantity: Floats, traded: Floats) -> Floats:
    """Return the money of each level shared out by what trades, dims (list, place)."""
    mean = np.divide(money, quantity, out=np.zeros_like(money), where=quantity > 0)
    return np.where(traded > 0, np.take_along_axis(mean, level, axis=1) * traded, 0.0)


def uniform_price(
    bid: Floats, offer: Floats, bought: Floats, sold: Floats, wanted: Floats, offered: Floats, k: float
) -> Floats:
    """Return the one price of all trades of each list in $/Mtok, dims (list,); zero where nothing trades.

    Parameters
    ----------
    bid, offer, bought, sold, k
        As of `matched`.
    wanted, offered : ndarray
        All that was bid and offered in Mtok/s, dims as `bid` and `offer`.

    Notes
    -----
    Where nothing is left on a side, the price there is bounded by what is taken alone.
    """
    small = _ROUNDING * np.maximum(np.maximum(wanted.sum(axis=1), offered.sum(axis=1)), 1e-300)[:, None]
    trades = (bought > small).any(axis=1)
    low = np.maximum(
        offer.max(axis=1, initial=-np.inf, where=sold > small),
        bid.max(axis=1, initial=-np.inf, where=wanted - bought > small),
    )
    high = np.minimum(
        bid.min(axis=1, initial=np.inf, where=bought > small),
        offer.min(axis=1, initial=np.inf, where=offered - sold > small),
    )
    high, low = np.where(trades, high, 0.0), np.where(trades, low, 0.0)
    price: Floats = k * high + (1.0 - k) * low
    return price


def _is_one_place(layout: Layout, arrays: Arrays) -> bool:
    """Whether all nodes are one, or arcs that cost nothing and limit nothing lead from each to all."""
    if len(layout.one.nodes) == 1:
        return not len(layout.arcs)
    free = (
        arrays.allowed.all()
        and not arrays.route_cost.any()
        and not arrays.link_curvature.any()
        and np.isinf(arrays.link_capacity).all()
    )
    return bool(free) and _leads_everywhere(layout.one)


def _leads_everywhere(layout: Layout) -> bool:
    """Whether arcs lead from the first node to all, and from all to it."""
    for start, end in ((layout.origin, layout.destination), (layout.destination, layout.origin)):
        reached = np.zeros(len(layout.nodes), dtype=bool)
        reached[0] = True
        while (new := reached[start] & ~reached[end]).any():
            reached[end[new]] = True
        if not reached.all():
            return False
    return True
