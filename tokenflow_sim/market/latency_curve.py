"""Latency that grows with load: curves by utilisation, and what another unit of load costs all others in delay."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokenflow_sim.market.limits import Supply
from tokenflow_sim.numeric import Floats


@dataclass(frozen=True, eq=False)
class LatencyCurve:
    """Latency in ms by utilisation, rising and convex.

    Parameters
    ----------
    idle : float
        Latency at no load in ms. Without points the curve is that of an M/M/1 queue, ``idle / (1 - utilisation)``
        (Kleinrock 1975, Queueing Systems I, equation 3.26).
    most : float
        Utilisation that is not exceeded, below one.
    points : ndarray, optional
        A measured curve: rows of utilisation, from 0 on, and ms; straight lines between them.
    """

    idle: float
    most: float
    points: Floats | None = None

    def at(self, utilisation: Floats) -> Floats:
        """Return the latency in ms; beyond `most` it stays as it is there."""
        load = np.clip(utilisation, 0.0, self.most)
        if self.points is None:
            return np.asarray(self.idle / (1.0 - load))
        return np.asarray(np.interp(load, self.points[:, 0], self.points[:, 1]))

    def breaks(self, steps: int) -> Floats:
        """Return utilisations from 0 to `most` that part the curve into steps, ``steps + 1`` of them or more.

        Those of a queue rise in latency by the same factor from each to the next; those of a measured curve lie
        evenly, with its points among them.
        """
        even = np.linspace(0.0, 1.0, steps + 1)
        if self.points is None:
            return 1.0 - (1.0 - self.most) ** even
        own = self.points[:, 0]
        return np.unique(np.concatenate([even * self.most, own[own < self.most]]))

    def supply(self, capacity: Floats, value: Floats, steps: int) -> Supply:
        """Return the marginal cost of delay as steps of supply.

        The delay cost of a load L is ``value * L * t(L / capacity)`` a second: every unit waits. Its derivative, what
        one more unit costs itself and all others, rises with load; each step has its mean over the step, so that the
        cost is exact at the ends of steps and a chord between them.

        Parameters
        ----------
        capacity : ndarray
            Load at which a station is full, dims (label,); may be infinite, or zero.
        value : ndarray
            What a ms of delay costs a unit of load in $, dims (label,).
        steps : int
            How many steps at least.
        """
        breaks = self.breaks(steps)
        total = breaks * self.at(breaks)  # ms of waiting, per capacity
        marginal = np.diff(total) / np.diff(breaks)
        price = value[:, None] * marginal
        endless = np.isinf(capacity)
        quantity = np.where(endless, 0.0, capacity)[:, None] * np.diff(breaks)
        # What never fills has the latency of no load.
        price[endless], quantity[endless, 0] = (value * float(self.at(np.zeros(1))[0]))[endless, None], np.inf
        return Supply(price, quantity)
