"""Strategies of network owners: fixed, congestion and withheld-capacity tariffs."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pandas as pd

from tokenflow_sim.errors import StrategyError, unknown_name
from tokenflow_sim.market import Market
from tokenflow_sim.numeric import SECONDS_PER_HOUR, Floats, Ints
from tokenflow_sim.strategies.by_class import check_numbers
from tokenflow_sim.strategies.network import NetworkReceipt, NetworkStrategy, NetworkView, Tender
from tokenflow_sim.strategies.reclearing import clear_again


class FixedTariff(NetworkStrategy):
    """Offer all links at the scenario's route cost, with a mark-up if one is asked for.

    The paper's network: one tariff a GB on every link, whatever the congestion. The scenario's route cost
    counts as the true cost of transport.

    Parameters
    ----------
    markup : float
        Mark-up as a share of the route cost, at least -1.

    Raises
    ------
    ValueError
        If the mark-up is not a number of at least -1.
    """

    follows_state = True

    def __init__(self, markup: float = 0.0) -> None:
        if not (math.isfinite(markup) and markup >= -1):
            raise ValueError(f"markup must be a finite number of at least -1; found {markup!r}")
        self.markup = markup

    def tender(self, view: NetworkView) -> Tender:
        """Offer links at the marked-up route cost."""
        cost = view.route_cost if self.markup == 0 else view.route_cost * (1 + self.markup)
        return Tender(route_cost=cost, capacity=view.capacity)


class LinkWithholding(NetworkStrategy):
    """Hold back a share of link capacity, at the true cost of transport.

    Parameters
    ----------
    share : float
        Share of capacity held back, from 0 to 1.
    arcs : list of str or None
        Links of which it is held back; None means all.

    Raises
    ------
    ValueError
        If the share is out of range.

    References
    ----------
    P. L. Joskow and J. Tirole, "Transmission rights and market power on electric power networks", RAND Journal of
    Economics 31 (2000) 450-487: who earns congestion rent gains by making links scarce.
    """

    def __init__(self, share: float = 0.1, arcs: list[str] | None = None) -> None:
        check_numbers("share", share, 0.0, 1.0)
        self.share = share
        self.arcs = arcs

    def tender(self, view: NetworkView) -> Tender:
        """Offer the rest."""
        strange = [name for name in self.arcs or () if name not in view.arcs]
        if strange:
            raise StrategyError(
                "; ".join(f"arcs: {unknown_name('arc', name, view.arcs)}" for name in strange)
            )
        offered = offer_share(view.capacity, 1 - self.share)
        if self.arcs is not None:
            offered = np.where([name in self.arcs for name in view.arcs], offered, view.capacity)
        return Tender(view.route_cost, offered)


class AdaptiveLinkWithholding(NetworkStrategy):
    """Offer a share of link capacity that follows profit: go on while it rises, turn round when it falls.

    Derivative following with the capacity offered as the quantity: after every trial of some periods the share of
    capacity offered on all links moves by a step, in the direction of the last move if profit (income less true
    cost) did not fall, else back; from a bound it moves inwards. It starts at all capacity.

    Parameters
    ----------
    step : float
        Change of the share offered after a trial, above 0 and at most 1.
    least : float
        Least share offered, from 0 to 1.
    every : int
        Periods of a trial; a day's worth keeps the daily cycle of demand out of the comparison.

    Raises
    ------
    ValueError
        If a parameter is out of range.

    References
    ----------
    A. R. Greenwald and J. O. Kephart, "Shopbots and pricebots", IJCAI (1999) 506-511: derivative followers. P. L.
    Joskow and J. Tirole, "Transmission rights and market power on electric power networks", RAND Journal of
    Economics 31 (2000) 450-487.
    """

    def __init__(self, step: float = 0.05, least: float = 0.2, every: int = 6) -> None:
        check_numbers("step", step, 0.0, 1.0)
        check_numbers("least", least, 0.0, 1.0)
        if step == 0:
            raise ValueError("step must be positive; found 0")
        if every < 1:
            raise ValueError(f"every must be at least 1; found {every!r}")
        self.step, self.least, self.every = step, least, every
        self.offered = 1.0
        """Share of capacity offered at present."""
        self._direction = -1.0
        self._earned = 0.0
        self._periods = 0
        self._before: float | None = None

    def tender(self, view: NetworkView) -> Tender:
        """Offer the present share at the true cost of transport."""
        return Tender(view.route_cost, offer_share(view.capacity, self.offered))

    def learn(self, receipt: NetworkReceipt) -> None:
        """Count the profit; at the end of a trial move on or turn round."""
        self._earned += float((receipt.income - receipt.cost).sum())
        self._periods += 1
        if self._periods < self.every:
            return
        if self.offered <= self.least or self.offered >= 1.0:
            # At a bound there is one way only; to stay would compare a trial with itself.
            self._direction = 1.0 if self.offered <= self.least else -1.0
        elif self._before is not None and self._earned < self._before:
            self._direction = -self._direction
        self._before, self._earned, self._periods = self._earned, 0.0, 0
        self.offered = min(max(self.offered + self._direction * self.step, self.least), 1.0)


def offer_share(capacity: Floats, share: float) -> Floats:
    """Return a share of capacity; none of an endless one at zero."""
    return np.zeros_like(capacity) if share == 0 else capacity * share


_RENT = 1e-9
_BETTER = 1e-9
_DECADES = 3


class CongestionTariff(NetworkStrategy):
    """Raise the tariff of a link that was congested in the last period, and lower it otherwise.

    A link counts as congested where its congestion rent was positive: users would have paid more. Each link has a
    factor f, at first 1; it is multiplied by ``1 + rise`` after congestion and divided by ``1 + fall`` otherwise,
    within bounds. Asked is the true cost of transport plus ``(f - 1)`` times it, or ``(f - 1)`` times the
    `base` tariff where that is higher. All capacity is offered.

    Parameters
    ----------
    rise : float
        How much more is asked after congestion, as a share.
    fall : float
        How much less is asked without, as a share.
    least : float
        Least factor; below 1 it may ask less than the true cost.
    most : float
        Largest factor, at least `least`.
    base : float
        What factors refer to where transport costs less, in $/GB; zero: the true cost alone, so that a link without
        cost never charges.

    Raises
    ------
    ValueError
        If a parameter is out of range.

    References
    ----------
    J. K. MacKie-Mason and H. R. Varian, "Pricing congestible network resources", IEEE Journal on Selected Areas in
    Communications 13 (1995) 1141-1149. R. Cocchi, S. Shenker, D. Estrin and L. Zhang, "Pricing in computer
    networks: motivation, formulation, and example", IEEE/ACM Transactions on Networking 1 (1993) 614-627.
    """

    def __init__(
        self,
        rise: float = 0.1,
        fall: float = 0.05,
        least: float = 1.0,
        most: float = 10.0,
        base: float = 0.001,
    ) -> None:
        for name, number in (("rise", rise), ("fall", fall), ("least", least), ("base", base)):
            check_numbers(name, number, 0.0)
        check_numbers("most", most, least)
        self.rise, self.fall = rise, fall
        self.least, self.most, self.base = least, most, base
        self.factor: Floats | None = None
        """Present factor of each link, dims (arc,); None before the first tender."""

    def tender(self, view: NetworkView) -> Tender:
        """Offer all capacity at the present tariffs."""
        factor = np.ones(len(view.arcs)) if self.factor is None else self.factor
        if view.last_congestion_rent is not None:
            congested = view.last_congestion_rent > _RENT
            factor = np.where(congested, factor * (1 + self.rise), factor / (1 + self.fall))
        self.factor = np.clip(factor, self.least, self.most)
        base = np.maximum(view.route_cost, self.base * view.transfer)
        asked = view.route_cost + (self.factor - 1)[:, None] * base
        return Tender(np.maximum(asked, 0.0), view.capacity)


class BestResponseTariff(NetworkStrategy):
    """Ask the tariff that would have earned most in the last market, had nobody else changed anything.

    The last published market is cleared again with t $/GB on top of the true cost of transport on the owner's
    links: for t of zero, the present one, and a geometric grid of three decades up to the last price of the dearest
    service where the links start (doubled while that earns more), then finer around the best. Counted is income,
    congestion rent included, less true cost. Of tariffs that earn the same the lowest is asked. All capacity is
    offered. In the first period, and where offers are not published, it asks the true cost.

    Parameters
    ----------
    by : {'owner', 'arc'}
        One tariff for all links, or each its own: then one link's is improved a period, in turn, the others' stay.
    candidates : int
        Tariffs tried on the grid, at least 2.
    rounds : int
        How often the search is repeated closer to the best, with half as many tariffs.
    most : float
        Highest t in $/GB: a cap for links without which demand that must be served could not be.

    Raises
    ------
    ValueError
        If a parameter is out of range.

    Notes
    -----
    A period takes some ``candidates + 3 + rounds (candidates // 2)`` clearings. Where a link is full its owner earns
    the difference of prices with any tariff below it, as rent or as tariff; a tariff pays where the link would
    otherwise be too large to be scarce.

    Tariffs are never negative: a cycle of links that pay would carry without end. Where service is negative,
    the grid is that of the dearest that is positive, and without any the tariff stays.

    References
    ----------
    P. L. Joskow and J. Tirole, "Merchant transmission investment", Journal of Industrial Economics 53 (2005)
    233-264. B. F. Hobbs, C. B. Metzler and J.-S. Pang, "Strategic gaming analysis for electric power systems: an
    MPEC approach", IEEE Transactions on Power Systems 15 (2000) 638-645: best responses to a market that is
    cleared.
    """

    def __init__(
        self,
        by: Literal["owner", "arc"] = "owner",
        candidates: int = 12,
        rounds: int = 3,
        most: float = 100.0,
    ) -> None:
        if by not in ("owner", "arc"):
            raise ValueError(f"by must be owner or arc; found {by!r}")
        if candidates < 2:
            raise ValueError(f"candidates must be at least 2; found {candidates!r}")
        if rounds < 0:
            raise ValueError(f"rounds must not be negative; found {rounds!r}")
        self.by: Literal["owner", "arc"] = by
        check_numbers("most", most, 0.0)
        self.candidates, self.rounds, self.most = candidates, rounds, most
        self.tariff: Floats | None = None
        """Present tariff on top of cost of each link in $/GB, dims (arc,); None before the first tender."""
        self._turn = 0

    def tender(self, view: NetworkView) -> Tender:
        """Offer all capacity at the best tariffs found."""
        if self.tariff is None:
            self.tariff = np.zeros(len(view.arcs))
        if view.last_market is not None and len(view.arcs):
            trial = _Trial(view, view.last_market)
            if self.by == "owner":
                links = np.arange(len(view.arcs))
            else:
                links = np.array([self._turn % len(view.arcs)])
                self._turn += 1
            self.tariff = self._best(trial, links)
        return Tender(trial_cost(view, self.tariff), view.capacity)

    def _best(self, trial: _Trial, links: Ints) -> Floats:
        """Return all tariffs, those of some links at their best."""
        held = np.zeros(len(trial.view.arcs)) if self.tariff is None else self.tariff
        top = trial.bound(links)
        tried: dict[float, float] = {}

        def earned(tariff: float) -> None:
            if tariff not in tried:
                tariffs = held.copy()
                tariffs[links] = tariff
                tried[tariff] = trial.profit(tariffs)

        def best() -> float:
            """Return the lowest of the tariffs that earn most."""
            most = max(tried.values())
            return min(t for t, profit in tried.items() if profit >= most - _BETTER * max(1.0, abs(most)))

        top = min(trial.bound(links), self.most)
        grid = np.geomspace(top * 10.0**-_DECADES, top, self.candidates).tolist() if top > 0 else []
        for tariff in (0.0, float(held[links[0]]), *grid):
            earned(tariff)
        while best() == max(tried) and 0 < max(tried) < self.most:
            earned(min(2 * max(tried), self.most))
        for _ in range(self.rounds):
            ordered = sorted(tried)
            place = ordered.index(best())
            low, high = ordered[max(place - 1, 0)], ordered[min(place + 1, len(ordered) - 1)]
            for tariff in np.linspace(low, high, self.candidates // 2 + 2)[1:-1].tolist():
                earned(tariff)
        result = held.copy()
        result[links] = best()
        return result


class _Trial:
    """A published market with the tariffs of one owner left open."""

    def __init__(self, view: NetworkView, market: Market) -> None:
        self.view, self.market = view, market
        rows = market.layout.arcs.get_indexer(pd.Index(view.arcs))
        if (rows < 0).any():
            lost = ", ".join(name for name, row in zip(view.arcs, rows, strict=True) if row < 0)
            raise StrategyError(f"the published market lacks the agent's own links {lost}")
        self.rows: Ints = rows.astype(np.int64)

    def bound(self, links: Ints) -> float:
        """Return the tariff in $/GB that would double the last price of the dearest service on some links."""
        view, layout = self.view, self.market.layout
        if not len(view.history):
            return 0.0
        delivered = view.history.price[-1][layout.origin[self.rows[links]]]  # an arc starts where demand is
        moved = view.transfer[links]
        usable = self.market.arrays.allowed[self.rows[links]] & (moved > 0)
        return float(np.divide(delivered, moved, out=np.zeros_like(delivered), where=usable).max(initial=0.0))

    def profit(self, tariffs: Floats) -> float:
        """Return income less true cost at some tariffs, and what contracts bring, in $/s.

        Minus infinity if the market could not be cleared.
        """
        view, market = self.view, self.market
        route_cost, capacity = market.arrays.route_cost.copy(), market.arrays.link_capacity.copy()
        asked = trial_cost(view, tariffs)
        route_cost[self.rows], capacity[self.rows] = asked, view.capacity
        arrays = market.arrays.with_(route_cost=route_cost, link_capacity=capacity)
        clearing = clear_again(Market.from_arrays(market.layout, arrays, market.hours, check=False))
        if clearing is None:
            return -np.inf
        values = clearing.values
        margin = asked - view.route_cost + values.congestion_rent[self.rows, None] * view.link_use
        earned = float((margin * values.flow[self.rows]).sum())
        if view.contracts is None:
            return earned
        return earned + float(view.contracts.income(values.price).sum()) / (SECONDS_PER_HOUR * view.hours)


def trial_cost(view: NetworkView, tariffs: Floats) -> Floats:
    """Return the route cost asked in $/Mtok at tariffs in $/GB on top of true cost, dims (arc, workload)."""
    asked: Floats = view.route_cost + tariffs[:, None] * view.transfer
    return asked
