"""Users who leave where service has been dear for long, and come back where it has been cheap."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from tokenflow_sim.numeric import Floats
from tokenflow_sim.strategies.by_class import ByClass, by_class, check_numbers
from tokenflow_sim.strategies.demand import Bid, DemandStrategy, DemandView
from tokenflow_sim.strategies.elastic import reference_of


class Churn(DemandStrategy):
    """Ask for the scenario's demand times a share of users that follows prices over weeks, at its value.

    Users look at a smoothed price s against a reference price p0, ``r = s / p0``: what they remember having paid for
    a Mtok, payment over use, each smoothed exponentially from p0 on. In the long run, so many of them as at the
    reference price would use the service at r:

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
        Price in $/Mtok at which users neither leave nor come; by class, or one for all. None takes the scenario's
        own: at each node the mean truthful price of expected demand over the first week, weighted by that demand.
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

    Notes
    -----
    Without `reference_price` it is the scenario's (up to 24 clearings, once for a scenario in a process), never made
    from prices of the run: the same for all strategies that are compared, and in results as ``reference_price``.

    What can be compared: who leaves takes the value of lost service along, so that with a finite value dear service
    costs welfare over the run, an upper bound of what it does, since who leaves valued the service least. Where
    demand must be served it counts nothing in welfare, which is then minus true cost and *rises* when users leave:
    compare users (`demand`), payments and profits there, not welfare.

    A negative smoothed price brings in users as its ratio says, up to `most`; where the reference price is zero or
    negative, the number of users stays.

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
        self.uses_reference_price = reference_price is None
        self._asked: Floats | None = None
        self._used: Floats | None = None
        self._paid: Floats | None = None
        self.users: Floats | None = None
        """Users over those of the scenario, dims (node, workload); None before the first bid."""

    def bid(self, view: DemandView) -> Bid:
        """Bid what the present users want."""
        if self.users is None:
            self.users = np.clip(np.ones(view.demand.shape), self.least, self.most)
        reference = reference_of(self.reference_price, view)
        known = np.isfinite(reference)
        if view.last_price is not None:
            smoothed = self._remember(view.last_price, np.where(known, reference, view.last_price), view)
            ratio = np.where(known, smoothed / np.where(known, reference, 1.0), 1.0)
            target = self.long_run(ratio, by_class("elasticity", self.elasticity, view.workloads, 0.0))
            moved = self.users + _share_of_gap(view.hours, self.adjustment) * (target - self.users)
            self.users = np.where(known, np.clip(moved, self.least, self.most), self.users)
        self._asked = view.demand
        return Bid(view.demand * self.users, view.value)

    def _remember(self, price: Floats, before: Floats, view: DemandView) -> Floats:
        """Take in a price; return what users remember having paid for a Mtok, dims (node, workload).

        Payment and use are smoothed apart, so that an hour counts by what is asked for in it, as it does in the
        reference price, and memory begins with that price: else users would leave or come over a daily cycle that
        nobody changed, or over the hour at which a run starts.
        """
        used = view.demand if self._asked is None else self._asked
        if self._used is None or self._paid is None:
            self._used, self._paid = used, before * used
        gain = _share_of_gap(view.hours, self.memory)
        self._used = self._used + gain * (used - self._used)
        self._paid = self._paid + gain * (price * used - self._paid)
        some = self._used > 0
        return np.where(some, self._paid / np.where(some, self._used, 1.0), price)

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
            users = np.exp(np.minimum(elasticity * (ratio - 1), 700.0))  # a price far below zero
        else:
            slope = -elasticity / (1 - self.adoption)
            odds_against = (1 - self.adoption) / self.adoption
            users = 1 / (self.adoption * (1 + odds_against * np.exp(np.minimum(slope * (ratio - 1), 700.0))))
        bounded: Floats = np.clip(users, self.least, self.most)
        return bounded


def _share_of_gap(hours: float, half_life: float) -> float:
    """Return the share of a gap that closes in a period."""
    return 1.0 if half_life == 0 else 1.0 - 0.5 ** (hours / half_life)
