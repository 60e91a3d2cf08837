"""What rivals are believed to do next, from all that they have done: averages of markets, and how often each came."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np

from tokenflow_sim.market import Arrays, Market
from tokenflow_sim.strategies.base import Floats, Ints

_PLAIN = ("capacity", "demand", "route_cost", "link_capacity")
_SUBMITTED = ("offer_price", "value", *_PLAIN)


class RunningAverage:
    """The average of all markets so far, at the same cost in every period.

    Notes
    -----
    It keeps sums alone, and equals `average` of the list of all markets but for rounding.
    """

    def __init__(self) -> None:
        self.count = 0
        self.sums: dict[str, Floats] = {}

    def add(self, market: Market, price: Floats) -> None:
        """Take in a market, and its prices in $/Mtok, dims (node, workload)."""
        arrays = market.arrays
        found = {name: getattr(arrays, name) for name in _PLAIN} | {"price": price}
        for name, values, weights in _weighted(arrays):
            # zero times infinity is not a number: what has no weight must not count
            found[name] = np.where(weights > 0, values, 0.0) * weights
            found[f"plain_{name}"] = values
        if arrays.power_limit is not None:
            found["power_limit"] = arrays.power_limit
        self.sums = {name: self.sums[name] + one if self.count else one + 0.0 for name, one in found.items()}
        self.count += 1

    def market(self, last: Market) -> Market:
        """Return the average, with what is structure as in the last market."""
        sums, count = self.sums, self.count
        changes = {name: sums[name] / count for name in _PLAIN}
        for name, weight in (("offer_price", "capacity"), ("value", "demand")):
            total = sums[weight]
            plain = sums[f"plain_{name}"] / count
            changes[name] = np.where(total > 0, sums[name] / np.where(total > 0, total, 1.0), plain)
        if "power_limit" in sums:
            changes["power_limit"] = sums["power_limit"] / count
        return Market.from_arrays(last.layout, last.arrays.with_(**changes), last.hours, check=False)

    @property
    def price(self) -> Floats:
        """Mean price in $/Mtok, dims (node, workload)."""
        return self.sums["price"] / self.count


class Seen(NamedTuple):
    """A market that came, its prices, what tells it from others, and how often it came."""

    market: Market
    price: Floats
    mark: bytes
    times: float


class Tally:
    """How often each market came, whatever oneself offered in it.

    Parameters
    ----------
    most : int
        How many different markets are kept.

    Notes
    -----
    As long as no more than `most` different markets came, the tally is exact. From then on it is a sample: `most`
    markets, each drawn with the same chance from all that came, which each new one replaces with probability 1/n in
    the n-th period.
    """

    def __init__(self, most: int) -> None:
        self.most, self.count, self.exact = most, 0, True
        self.seen: list[Seen] = []

    def add(self, market: Market, price: Floats, own: Ints, rng: np.random.Generator) -> None:
        """Take in a market.

        Parameters
        ----------
        market : Market
            As it was submitted.
        price : ndarray
            Its prices in $/Mtok, dims (node, workload).
        own : ndarray of int
            Positions of one's own assets, whose offers do not tell markets apart.
        rng : numpy.random.Generator
            Draws the sample.
        """
        self.count += 1
        new = Seen(market, price, mark_of(market, own), 1.0)
        if self.exact:
            before = sum(one.times for one in self.seen if one.mark == new.mark)
            others = [one for one in self.seen if one.mark != new.mark]
            if len(others) < self.most:
                # The last one stands last: searches start from it.
                self.seen = [*others, new._replace(times=before + 1.0)]
                return
            self.exact = False
            shares = np.array([one.times for one in others])
            drawn = rng.choice(len(others), size=self.most, p=shares / shares.sum())
            self.seen = [others[place]._replace(times=1.0) for place in drawn]
        replaced = rng.random(self.most) < 1.0 / self.count
        self.seen = [new if gone else one for one, gone in zip(self.seen, replaced, strict=True)]

    def believed(self, last: Market, price: Floats) -> list[Seen]:
        """Return the different markets with their weights; the last one, of no weight if need be, stands last."""
        if self.exact:
            return self.seen
        found: dict[bytes, Seen] = {}
        for one in self.seen:
            before = found[one.mark].times if one.mark in found else 0.0
            found[one.mark] = one._replace(times=before + 1.0)
        return [*found.values(), Seen(last, price, b"", 0.0)]


def mark_of(market: Market, own: Ints) -> bytes:
    """Return what tells a market from others in what all but oneself submitted."""
    arrays, digest = market.arrays, hashlib.blake2b(digest_size=16)
    for name in _SUBMITTED:
        array = getattr(arrays, name)
        if name in ("offer_price", "capacity"):
            array = np.delete(array, own, axis=0)
        digest.update(np.ascontiguousarray(array).tobytes())
    if arrays.power_limit is not None:
        digest.update(np.delete(arrays.power_limit, own).tobytes())
    return digest.digest()


def average(markets: list[Market]) -> Market:
    """Return the market of everybody's average offer, bid and tender.

    Parameters
    ----------
    markets : list of Market
        Markets of one layout.

    Returns
    -------
    Market
        What is structure (link use, allowed arcs, power use) as in the last. An offer's price is the mean over
        quantities offered, so that a price at which nothing was offered does not count.
    """
    if len(markets) == 1:
        return markets[-1]
    mean = RunningAverage()
    for market in markets:
        mean.add(market, np.zeros(()))
    return mean.market(markets[-1])


def _weighted(arrays: Arrays) -> list[tuple[str, Floats, Floats]]:
    return [("offer_price", arrays.offer_price, arrays.capacity), ("value", arrays.value, arrays.demand)]
