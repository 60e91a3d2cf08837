"""What all players asked last, as bins: the state of Q-learning after Calvano and others, and its start values."""

from __future__ import annotations

from itertools import product

import numpy as np

from tokenflow_sim.market import Market
from tokenflow_sim.market.paid_price import paid_price
from tokenflow_sim.numeric import Floats, Ints
from tokenflow_sim.strategies.actions import one_plus_markup, raised
from tokenflow_sim.strategies.reclearing import SECONDS_PER_HOUR, values_again

PROFILES = 64
"""Most combinations of rivals' mark-ups that start values are the mean over."""


class PriceBins:
    """Rivals' offers in a published market, against the provider's own cost and ladder of mark-ups.

    Parameters
    ----------
    market : Market
        The market as submitted.
    rows : ndarray of int
        Positions of the provider's own assets in it, dims (asset,).
    cost, capacity : ndarray
        True cost in $/Mtok and what could have been served in Mtok/s, dims (asset, workload).
    markups : sequence of float
        One's own mark-ups, as shares of cost.
    beside : int
        How many markets stand beside each other in `market`, each with as many of the rows.

    Attributes
    ----------
    rivals : list of ndarray of int
        Positions of each rival's assets in each market, rivals in the market's order.
    """

    def __init__(
        self,
        market: Market,
        rows: Ints,
        cost: Floats,
        capacity: Floats,
        markups: tuple[float, ...],
        beside: int = 1,
    ) -> None:
        self.market, self.rows, self.beside = market, rows, beside
        self.cost, self.capacity = self._each(cost), self._each(capacity)
        self.markups = np.array(markups)
        self.ladder = 1.0 + self.markups
        provider = market.layout.provider
        owner = np.array(provider[: len(provider) // beside], dtype=str)
        oneself = owner[rows[0]]
        names = [str(name) for name in dict.fromkeys(owner.tolist()) if name != oneself]
        self.rivals: list[Ints] = [np.flatnonzero(owner == name) for name in names]

    def of(self, group: Ints, count: int) -> Ints:
        """Return the bin of each rival's last price for each group of the provider's offers.

        Parameters
        ----------
        group : ndarray of int
            The group of each offer, dims (asset, workload); those of one market before those of the next.
        count : int
            How many there are.

        Returns
        -------
        ndarray of int
            For each group and rival the mark-up of the provider's ladder, over the provider's mean cost, that its
            mean offer price lies closest to; the number of mark-ups where it offered nothing for the group's classes.
            Dims (group, rival).
        """
        own = count // self.beside
        local = self._each(group)[0]
        found = np.empty((self.beside, own, len(self.rivals)), dtype=np.int64)
        capacity, price = self._each(self.market.arrays.capacity), self._each(self.market.arrays.offer_price)
        for place, rival in enumerate(self.rivals):
            quantity = capacity.take(rival, axis=1)
            offered = quantity.sum(axis=(1, 3))
            paid = (quantity * price.take(rival, axis=1)).sum(axis=(1, 3))
            for one in range(own):
                cost = self._reference(self.capacity * (local == one))
                found[:, one, place] = self._bins(offered, paid, cost)
        return found.reshape(count, len(self.rivals))

    def _each[A: (Floats, Ints)](self, array: A) -> A:
        """Return rows by market."""
        return array.reshape(self.beside, -1, *array.shape[1:])

    def _reference(self, weight: Floats) -> Floats:
        """Return mean own cost of each class by weight, dims (market, workload); NaN where there is none."""
        total = weight.sum(axis=1)
        blank = np.full(total.shape, np.nan)
        mean: Floats = np.divide((weight * self.cost).sum(axis=1), total, out=blank, where=total > 0)
        return mean

    def _bins(self, offered: Floats, paid: Floats, cost: Floats) -> Ints:
        """Return a rival's bins, dims (market,), from what it offered and at what prices, dims (market, workload)."""
        known = (offered > 0) & ~np.isnan(cost) & (cost != 0)
        if known.all():
            return self._nearest(paid / offered, cost)
        bins: Ints = np.full(len(known), len(self.ladder), dtype=np.int64)
        for number in known.any(axis=1).nonzero()[0].tolist():
            there = known[number]
            mean = paid[number, there] / offered[number, there]
            bins[number] = self._nearest(mean[None], cost[number, there][None])[0]
        return bins

    def _nearest(self, mean: Floats, cost: Floats) -> Ints:
        ratio = one_plus_markup(mean, cost, np.ones(mean.shape, dtype=bool)).mean(axis=1)
        return np.abs(self.ladder - ratio[:, None]).argmin(axis=1).astype(np.int64)

    def expected_profit(self, shares: tuple[float, ...], rng: np.random.Generator) -> Floats:
        """Return what each arm would have earned against rivals that draw their mark-ups evenly.

        Parameters
        ----------
        shares : tuple of float
            Shares of capacity that mark-ups are joined with.
        rng : numpy.random.Generator
            Draws the rivals' mark-ups where there are more than `PROFILES` combinations.

        Returns
        -------
        ndarray
            In $ a period, dims (arm, asset, workload).

        Notes
        -----
        What service costs rivals is not published. They are taken to choose among the prices of the provider's own
        ladder, over the provider's own mean cost of each class, for the quantities that they offered.
        """
        steps, rivals = len(self.ladder), len(self.rivals)
        if steps**rivals <= PROFILES:
            every = np.array(list(product(range(steps), repeat=rivals)), dtype=np.int64)
            profiles = np.broadcast_to(every, (self.beside, *every.shape))
        else:
            drawn = rng.integers(steps, size=(self.beside * PROFILES, rivals))
            profiles = drawn.reshape(self.beside, PROFILES, rivals)
        arms = [(markup, share) for markup in self.markups for share in shares]
        return np.stack([self._mean_profit(*arm, profiles) for arm in arms])

    def _mean_profit(self, markup: float, share: float, profiles: Ints) -> Floats:
        """Return the mean profit at an arm over rivals' mark-ups, dims (market, combination, rival)."""
        each = [self._each(self._profit(markup, share, profiles[:, n])) for n in range(profiles.shape[1])]
        # Market by market, so that each is summed as it would be alone.
        mean: Floats = np.stack(each, axis=1).mean(axis=1)
        return mean.reshape(-1, mean.shape[2])

    def _profit(self, markup: float, share: float, profile: Ints) -> Floats:
        """Return the profit at an arm against one combination of rivals' mark-ups, dims (asset, workload)."""
        arrays, layout = self.market.arrays, self.market.layout
        price, quantity = arrays.offer_price.copy(), arrays.capacity.copy()
        prices = self._each(price)
        reference = self._reference(self.capacity)
        # A class that one cannot serve has no cost to go by: rivals' offers of it stay as they were.
        for rival, step in zip(self.rivals, profile.T, strict=True):
            asked = raised(reference, self.markups[step][:, None])[:, None, :, None]
            prices[:, rival] = np.where(np.isnan(asked), prices[:, rival], asked)
        cost, capacity = (one.reshape(-1, one.shape[2]) for one in (self.cost, self.capacity))
        price[self.rows] = raised(cost, markup)[:, :, None]
        quantity[self.rows] = 0.0
        quantity[self.rows, :, 0] = share * capacity
        assets = len(price) // self.beside
        others = [np.arange(self.beside)[:, None] * assets + rival for rival in self.rivals]
        new = np.concatenate([self.rows, *(rows.ravel() for rows in others)])
        changed = arrays.with_offers(new, offer_price=price, capacity=quantity)
        values = values_again(Market.from_arrays(layout, changed, self.market.hours, check=False))
        if values is None:
            return np.zeros_like(cost)
        served = values.dispatch[self.rows].sum(axis=2)
        paid = paid_price(layout, changed, values, self.rows)
        profit: Floats = (paid - cost) * served * SECONDS_PER_HOUR * self.market.hours
        return np.where(np.isnan(profit), 0.0, profit)
