"""What rivals are believed to do next, from all that they have done: averages of markets, and how often each came."""

from __future__ import annotations

import hashlib
from typing import Literal, NamedTuple

import numpy as np

from tokenflow_sim.market import Arrays, Market
from tokenflow_sim.numeric import Floats, Ints
from tokenflow_sim.strategies.actions import raised
from tokenflow_sim.strategies.base import Offer, Strategy, View
from tokenflow_sim.strategies.best_response import check_search, check_start
from tokenflow_sim.strategies.levels import best_prices
from tokenflow_sim.strategies.reclearing import By, Rehearsal

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
    """A market that came, its prices, what distinguishes it from others, and how often it came."""

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
            Positions of the provider's own assets, whose offers do not distinguish markets.
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
    """Return what distinguishes a market from others in what all but oneself submitted."""
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


Belief = Literal["mix", "average"]


class FictitiousPlay(Strategy):
    """Offer what would have earned most on average over all markets so far.

    Rivals are believed to draw from what they did: either each market so far comes again with the same chance
    (``mix``), or one market comes in which everybody offers and bids their average (``average``). The search for the
    best offer is that of `BestResponse`.

    Parameters
    ----------
    memory : int or None
        How many of the last markets count, at least 1; None counts all since the first.
    belief : {'mix', 'average'}
        What is believed of rivals; a mix takes a clearing for each different market where the average takes one.
    by : {'workload', 'node', 'asset'}
        What has one price level: a class at all assets, at those of one node, or at each asset.
    candidates : int
        Prices tried for each group, at least 2.
    sweeps : int
        How often to go through the groups at most.
    under : float
        How far to stay under a rival's price or a value, as a share of it.
    markup : float
        Mark-up over true cost of the first offer, as a share, while nothing is published.
    profiles : int
        How many different markets a mix without a window keeps, at least 1.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Notes
    -----
    Where the market does not publish offers, it offers at the first mark-up throughout. An average is taken block by
    block and step by step, of prices and of quantities; a value that is infinite in any of the markets stays so.

    The source's rule is the ``mix`` over all that came: a best reply to the empirical distribution of rivals' choices,
    here of all that others submitted in a period together. It is counted exactly while no more than `profiles`
    different markets came; where demand or costs move by the hour, so that no market comes twice, a uniform sample of
    `profiles` of them stands for all, and a period's cost stays bounded. The ``average`` keeps sums alone. It is the
    same in Cournot's oligopoly with linear demand, where profit is linear in rivals' quantities; with prices it is
    not, and the mean of two prices at which rivals take turns may be one that none of them ever asked.

    Where cost is negative, the search is that of `BestResponse`, and the first mark-up asks ``cost + markup
    |cost|``.

    References
    ----------
    G. W. Brown, "Iterative Solution of Games by Fictitious Play", in T. C. Koopmans (ed.), Activity Analysis of
    Production and Allocation (1951) 374-376: the whole past counts. J. Robinson, "An Iterative Method of Solving a
    Game", Annals of Mathematics 54 (1951) 296-301: it converges in zero-sum games. L. Thorlund-Petersen,
    "Iterative Computation of Cournot Equilibrium", Games and Economic Behavior 2 (1990) 61-75: replies to averages
    converge in Cournot's oligopoly where replies to the last quantities do not.
    """

    def __init__(
        self,
        memory: int | None = None,
        belief: Belief = "average",
        by: By = "workload",
        candidates: int = 8,
        sweeps: int = 1,
        under: float = 0.001,
        markup: float = 0.0,
        profiles: int = 16,
    ) -> None:
        if memory is not None and memory < 1:
            raise ValueError(f"memory must be at least 1, or None; found {memory!r}")
        if belief not in ("mix", "average"):
            raise ValueError(f"belief must be 'mix' or 'average'; found {belief!r}")
        if profiles < 1:
            raise ValueError(f"profiles must be at least 1; found {profiles!r}")
        check_search(by, candidates, sweeps, under)
        check_start(markup, 0.0)
        self.memory = memory
        self.belief: Belief = belief
        self.by: By = by
        self.candidates = candidates
        self.sweeps = sweeps
        self.under = under
        self.markup = markup
        self.profiles = profiles
        self.seen: list[tuple[Market, Floats]] = []
        self.average = RunningAverage()
        self.tally = Tally(profiles)

    def offer(self, view: View) -> Offer:
        """Offer the best reply to the markets that count."""
        if view.last_market is None:
            return Offer(raised(view.cost, self.markup), view.capacity)
        rehearsal, prices = self._believed(view, view.last_market, view.history.price[-1])
        reply = best_prices(
            rehearsal,
            prices,
            by=self.by,
            candidates=self.candidates,
            sweeps=self.sweeps,
            under=self.under,
        )
        return Offer(reply.price, reply.quantity)

    def _believed(self, view: View, last: Market, price: Floats) -> tuple[Rehearsal, Floats]:
        """Take in the last market; return the markets that may come, and their prices."""
        if self.memory is not None:
            self.seen = [*self.seen, (last, price)][-self.memory :]
            markets, past = [one for one, _ in self.seen], np.stack([one for _, one in self.seen])
            if self.belief == "average":
                return Rehearsal(view, [average(markets)]), past.mean(axis=0, keepdims=True)
            return Rehearsal(view, markets), past
        if self.belief == "average":
            self.average.add(last, price)
            return Rehearsal(view, [self.average.market(last)]), self.average.price[None]
        self.tally.add(last, price, Rehearsal(view, [last]).rows, view.rng)
        seen = self.tally.believed(last, price)
        rehearsal = Rehearsal(view, [one.market for one in seen], [one.times for one in seen])
        return rehearsal, np.stack([one.price for one in seen])
