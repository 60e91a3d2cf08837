"""The part of a clearing's certificate that equalities and activities have in it.

A balance of power is kept as one of service is, and its dual may have either sign. An activity stands at its least
where a unit more would cost more than it is paid, at its most where less, and anywhere between where it breaks even.
Power is measured in megawatts and service in millions of tokens, so each residual is relative to its own group.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np

from tokenflow_sim.market.activity import Activity
from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.limits import SharedCapacity
from tokenflow_sim.numeric import Floats

# Beside its group this is rounding, and no measure of anything.
_FLOOR = 1e-8
_UNNOTICED = 1e-3


class Further:
    """What equalities and activities add to the residuals of a clearing.

    Parameters
    ----------
    arrays : Arrays
        The market.
    quantities : mapping
        The clearing's quantities by what terms are on.
    money : float
        The size of the market's cost, in $/s.

    Attributes
    ----------
    primal, dual : float
        Violation of equalities and bounds, and rents of endless activities, relative to their own group.
    fine : float
        Largest product of what an activity stands off a bound, as a share of its own reach, and of what the bound
        would earn it, as a share of its group's prices.
    product : float
        Largest product of such a slack and its rent, in $/s.
    dual_cost : float
        What they add to the dual objective, in $/s.
    """

    primal = dual = fine = product = dual_cost = 0.0

    def __init__(self, arrays: Arrays, quantities: Mapping[str, Floats], money: float) -> None:
        self._arrays, self._quantities, self._money = arrays, quantities, money

    @cached_property
    def _reach(self) -> dict[str, Floats]:
        """What each quantity might be, or is where nothing bounds it: sums are exact up to the rounding of these."""
        arrays, reach = self._arrays, {name: np.abs(some) for name, some in self._quantities.items()}
        if arrays.activities:
            reach |= {"dispatch": arrays.capacity, "unserved": arrays.demand}
        for one in arrays.activities:
            bounds = np.maximum(np.abs(one.lowest), np.where(one.most < np.inf, np.abs(one.most), 0.0))
            reach[one.name] = np.maximum(reach[one.name], bounds)
        return reach

    def add_equality(self, limit: SharedCapacity, rent: Floats, used: Floats) -> None:
        """Add a group of equalities.

        Parameters
        ----------
        limit : SharedCapacity
            The group.
        rent, used : ndarray
            Its duals and what is used, dims (label,).
        """
        size = self._size(limit)
        size = np.maximum(size, _FLOOR * _largest(size))
        self._raise("primal", np.abs(used - limit.capacity) / np.where(size > 0, size, 1.0))
        self.dual_cost -= float(np.add.reduce(rent * limit.capacity))

    def _size(self, limit: SharedCapacity) -> Floats:
        """Return what passes through each label of a limit at most, dims (label,)."""
        size = np.where(limit.capacity < np.inf, np.abs(limit.capacity), 0.0)
        for term in limit.terms:
            reach = self._reach[term.on]
            each = np.abs(term.use) * (reach if reach.ndim == term.use.ndim else reach.sum(axis=-1))
            size = size + term.summed(each if each.ndim == 1 else each.sum(axis=1), limit.size)
        return size

    def _least_reach(self, activity: Activity) -> float:
        """Return what is rounding of an activity, by what passes through the limits that it meets."""
        sizes = [
            _largest(self._size(limit)) / _largest(term.use)
            for limit in self._arrays.limits
            for term in limit.terms
            if term.on == activity.name and term.use.any()
        ]
        return _FLOOR * max(sizes, default=1.0)

    def add_activity(self, activity: Activity, cost: Floats, done: Floats) -> None:
        """Add an activity.

        Parameters
        ----------
        activity : Activity
            The activity.
        cost : ndarray
            What a unit costs, with all it pays for limits, in $/s, dims (label, tranche).
        done : ndarray
            What is done, dims (label, tranche).
        """
        least, most = activity.lowest, activity.most
        endless = most == np.inf
        most = np.where(endless, np.maximum(done, least), most)
        reach = np.maximum(self._reach[activity.name], self._least_reach(activity) or 1.0)
        self._raise("primal", np.maximum(least - done, done - most) / reach)
        # A rent that all there is of it would not notice is rounding.
        noise = _UNNOTICED * self._money / (_largest(reach) or 1.0)
        level = max(_largest(activity.price), _largest(cost - activity.price), noise)
        above, below = np.maximum(cost, 0.0), np.maximum(-cost, 0.0)
        self._raise("dual", np.where(endless, below, 0.0) / level)
        for rent, slack in ((above, done - least), (below, most - done)):
            self._raise("product", np.abs(rent * slack))
            self._raise("fine", np.abs(rent / level * (slack / reach)))
        self.dual_cost += float(np.add.reduce(above * least - below * most, axis=None))

    def _raise(self, name: str, residuals: Floats) -> None:
        """Raise a residual to the largest of several; not-a-number is infinite."""
        worst = float(residuals.max(initial=0.0))
        setattr(self, name, max(getattr(self, name), worst if np.isfinite(worst) else np.inf))


def _largest(values: Floats) -> float:
    return float(np.abs(values).max(initial=0.0))
