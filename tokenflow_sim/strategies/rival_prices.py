"""What all players asked last, as bins: the state of Q-learning after Calvano and others, and its start values."""

from __future__ import annotations

from itertools import product

import numpy as np

from tokenflow_sim.market import Market
from tokenflow_sim.market.paid_price import paid_price
from tokenflow_sim.numeric import Floats, Ints
from tokenflow_sim.strategies.actions import one_plus_markup, raised
from tokenflow_sim.strategies.reclearing import SECONDS_PER_HOUR, clear_again

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

    Attributes
    ----------
    rivals : list of ndarray of int
        Positions of each rival's assets, rivals in the market's order.
    """

    def __init__(
        self, market: Market, rows: Ints, cost: Floats, capacity: Floats, markups: tuple[float, ...]
    ) -> None:
        self.market, self.rows, self.cost, self.capacity = market, rows, cost, capacity
        self.markups = np.array(markups)
        self.ladder = 1.0 + self.markups
        owner = np.array(market.layout.provider, dtype=str)
        oneself = owner[rows[0]]
        names = [str(name) for name in dict.fromkeys(owner.tolist()) if name != oneself]
        self.rivals: list[Ints] = [np.flatnonzero(owner == name) for name in names]

    def of(self, members: Floats) -> tuple[int, ...]:
        """Return the bin of each rival's last price for a group of the provider's offers.

        Parameters
        ----------
        members : ndarray of bool
            The offers of the group, dims (asset, workload).

        Returns
        -------
        tuple of int
            For each rival the mark-up of the provider's ladder, over the provider's mean cost, that its mean
            offer price lies closest to; the number of mark-ups where it offered nothing for the group's classes.
        """
        cost = self._reference(self.capacity * members)
        return tuple(self._bin(rival, cost) for rival in self.rivals)

    def _reference(self, weight: Floats) -> Floats:
        """Return mean own cost of each class by weight, dims (workload,); not a number where there is none."""
        total = weight.sum(axis=0)
        blank = np.full(len(total), np.nan)
        mean: Floats = np.divide((weight * self.cost).sum(axis=0), total, out=blank, where=total > 0)
        return mean

    def _bin(self, rival: Ints, cost: Floats) -> int:
        arrays = self.market.arrays
        quantity, price = arrays.capacity[rival], arrays.offer_price[rival]
        offered = quantity.sum(axis=(0, 2))
        known = (offered > 0) & ~np.isnan(cost) & (cost != 0)
        if not known.any():
            return len(self.ladder)
        mean = (quantity * price).sum(axis=(0, 2))[known] / offered[known]
        ratio = one_plus_markup(mean, cost[known], np.ones(mean.shape, dtype=bool))
        return int(np.abs(self.ladder - ratio.mean()).argmin())

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
        steps = len(self.ladder)
        if steps ** len(self.rivals) <= PROFILES:
            profiles = np.array(list(product(range(steps), repeat=len(self.rivals))), dtype=np.int64)
        else:
            profiles = rng.integers(steps, size=(PROFILES, len(self.rivals)))
        arms = [(markup, share) for markup in self.markups for share in shares]
        return np.stack(
            [np.mean([self._profit(*arm, profile) for profile in profiles], axis=0) for arm in arms]
        )

    def _profit(self, markup: float, share: float, profile: Ints) -> Floats:
        """Return the profit at an arm against one combination of rivals' mark-ups, dims (asset, workload)."""
        arrays, layout = self.market.arrays, self.market.layout
        price, quantity = arrays.offer_price.copy(), arrays.capacity.copy()
        reference = self._reference(self.capacity)
        # A class that one cannot serve has no cost to go by: rivals' offers of it stay as they were.
        for rival, step in zip(self.rivals, profile.tolist(), strict=True):
            asked = raised(reference, self.markups[step])[None, :, None]
            price[rival] = np.where(np.isnan(asked), price[rival], asked)
        price[self.rows] = raised(self.cost, markup)[:, :, None]
        quantity[self.rows] = 0.0
        quantity[self.rows, :, 0] = share * self.capacity
        new = np.concatenate([self.rows, *self.rivals])
        changed = arrays.with_offers(new, offer_price=price, capacity=quantity)
        clearing = clear_again(Market.from_arrays(layout, changed, self.market.hours, check=False))
        if clearing is None:
            return np.zeros_like(self.cost)
        served = clearing.values.dispatch[self.rows].sum(axis=2)
        paid = paid_price(layout, changed, clearing.values, self.rows)
        return (paid - self.cost) * served * SECONDS_PER_HOUR * self.market.hours
