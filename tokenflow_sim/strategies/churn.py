"""Users who leave where service has been dear for long, and come back where it has been cheap."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from tokenflow_sim.strategies.base import Floats
from tokenflow_sim.strategies.demand import Bid, DemandStrategy, DemandView
from tokenflow_sim.strategies.response import ByClass, ReferencePrice, by_class, check_numbers


class Churn(DemandStrategy):
    """Ask for the scenario's demand times a share of users that follows prices over weeks, at its value.

    Users look at a smoothed price s (exponential smoothing) against a reference price p0, ``r = s / p0``. In the
    long run, so many of them as at the reference price would use the service at r:

    - ``exponential``: ``exp(e (r - 1))``,
    - ``logit``: ``S(r) / S(1)`` with ``S(r) = 1 / (1 + exp(-a + b r))``, where a and b give a share `adoption` of
      all possible users at r = 1 and the elasticity e there.

    The number moves towards that by partial adjustment, half of the way in `adjustment` hours, and stays between
    `least` and `most`. Each node and class has its own.

    Parameters
    ----------
    elasticity : float or dict
        Long-run elasticity of the number of users at the reference price, not positive; by class, or one for all. A
        class left out, or at zero, keeps its users.
    reference_price : float, dict or None
        Price in $/Mtok at which users neither leave nor come; by class, or one for all. None takes the mean price
        at each node over the first day, in which nobody moves.
    form : {'exponential', 'logit'}
        Shape of the long-run response.
    adoption : float
        Share of all possible users that use the service at the reference price, between 0 and 1; logit only.
    memory : float
        Half-life of what users remember of prices, in hours; zero: the last price alone counts.
    adjustment : float
        Half-life of the gap between users and their long-run number, in hours; zero: they move at once.
    least : float
        Fewest users there can be, as a multiple of the scenario's demand.
    most : float
        Most users there can be, likewise, at least `least`.

    Raises
    ------
    ValueError
        If a parameter is out of range.

    References
    ----------
    M. Nerlove, The Dynamics of Supply (Johns Hopkins, 1958): partial adjustment and adaptive expectations.
    D. McFadden, "Conditional logit analysis of qualitative choice behavior", in P. Zarembka (ed.), Frontiers in
    Econometrics (Academic Press, 1974) 105-142: the logit share.
    """

    def __init__(
        self,
        elasticity: ByClass = -1.0,
        reference_price: ByClass | None = None,
        form: Literal["exponential", "logit"] = "exponential",
        adoption: float = 0.5,
        memory: float = 168.0,
        adjustment: float = 336.0,
        least: float = 0.2,
        most: float = 3.0,
    ) -> None:
        check_numbers("elasticity", elasticity, -math.inf, 0.0)
        check_numbers("reference_price", reference_price, 0.0)
        for name, hours in (("memory", memory), ("adjustment", adjustment), ("least", least)):
            check_numbers(name, hours, 0.0)
        check_numbers("most", most, least)
        if form not in ("exponential", "logit"):
            raise ValueError(f"form must be exponential or logit; found {form!r}")
        if not 0 < adoption < 1:
            raise ValueError(f"adoption must lie between 0 and 1; found {adoption!r}")
        self.elasticity = elasticity
        self.reference_price = reference_price
        self.form: Literal["exponential", "logit"] = form
        self.adoption = adoption
        self.memory, self.adjustment = memory, adjustment
        self.least, self.most = least, most
        self._reference = ReferencePrice(reference_price)
        self._smoothed: Floats | None = None
        self.users: Floats | None = None
        """Users over those of the scenario, dims (node, workload); None before the first bid."""

    def bid(self, view: DemandView) -> Bid:
        """Bid what the present users want."""
        if self.users is None:
            self.users = np.clip(np.ones(view.demand.shape), self.least, self.most)
        reference = self._reference.at(view)
        if view.last_price is not None:
            gain = _share_of_gap(view.hours, self.memory)
            before = view.last_price if self._smoothed is None else self._smoothed
            self._smoothed = before + gain * (view.last_price - before)
        known = np.isfinite(reference)
        if self._smoothed is not None and known.any():
            ratio = np.where(known, self._smoothed / np.where(known, reference, 1.0), 1.0)
            target = self.long_run(ratio, by_class("elasticity", self.elasticity, view.workloads, 0.0))
            moved = self.users + _share_of_gap(view.hours, self.adjustment) * (target - self.users)
            self.users = np.where(known, np.clip(moved, self.least, self.most), self.users)
        return Bid(view.demand * self.users, view.value)

    def long_run(self, ratio: Floats, elasticity: Floats) -> Floats:
        """Return the long-run number of users at a price.

        Parameters
        ----------
        ratio : ndarray
            Smoothed price over reference price, dims (node, workload).
        elasticity : ndarray
            Elasticity at a ratio of one, dims (workload,).

        Returns
        -------
        ndarray
            Over those at the reference price, dims (node, workload).
        """
        if self.form == "exponential":
            users = np.exp(elasticity * (ratio - 1))
        else:
            slope = -elasticity / (1 - self.adoption)
            odds_against = (1 - self.adoption) / self.adoption
            users = 1 / (self.adoption * (1 + odds_against * np.exp(np.minimum(slope * (ratio - 1), 700.0))))
        bounded: Floats = np.clip(users, self.least, self.most)
        return bounded


def _share_of_gap(hours: float, half_life: float) -> float:
    """Return the share of a gap that closes in a period."""
    return 1.0 if half_life == 0 else 1.0 - 0.5 ** (hours / half_life)
