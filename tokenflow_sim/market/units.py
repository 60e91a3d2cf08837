"""The units in which the solver measures limits and activities: such that coefficients are about one.

Its tolerances are absolute. A unit of service uses of a limit what it uses, be it kilograms or megawatts; so a row
is measured in what a typical unit of service uses, an activity in the unit of the rows that it meets. All units are
powers of two, which lose no bit, and depend on coefficients alone: all markets of one structure have the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tokenflow_sim.market.activity import Activity
from tokenflow_sim.market.limits import OWN_UNITS, SERVICE, SharedCapacity


def units_of(
    limits: Sequence[SharedCapacity], activities: Sequence[Activity]
) -> tuple[list[float], dict[str, float]]:
    """Return the units of limits, and of activities by name.

    Parameters
    ----------
    limits, activities
        As a market has them. What service uses sets the unit of a limit; that sets the units of activities which meet
        it, those the units of limits that service does not meet, and so on; what nothing leads to is measured in
        its own unit.
    """
    found = {limit.name: unit for limit in limits if (unit := _of_limit(limit, {})) is not None}
    own: dict[str, float] = {}
    while len(own) < len(activities):
        before = len(own)
        for activity in activities:
            if activity.name not in own and (unit := _of_activity(activity, limits, found)) is not None:
                own[activity.name] = unit
        for limit in limits:
            if limit.name not in found and (unit := _of_limit(limit, own)) is not None:
                found[limit.name] = unit
        if len(own) == before:
            own |= {activity.name: 1.0 for activity in activities if activity.name not in own}
    for limit in limits:
        if limit.name not in found:
            unit = _of_limit(limit, own)
            found[limit.name] = 1.0 if unit is None else unit
    return [found[limit.name] for limit in limits], own


def _of_limit(limit: SharedCapacity, own: Mapping[str, float]) -> float | None:
    """Return the unit of a limit by what service uses of it, else by the activities whose unit is known."""
    if limit.name in OWN_UNITS:
        return 1.0
    for by in (dict.fromkeys(SERVICE, 1.0), own):
        terms = [(term, by[term.on]) for term in limit.measure.terms if term.on in by]
        used = [np.abs(term.use[term.use != 0]) * unit for term, unit in terms]
        if sum(one.size for one in used):
            return power_of_two(float(np.concatenate(used).mean()))
    return None


def _of_activity(
    activity: Activity, limits: Sequence[SharedCapacity], found: Mapping[str, float]
) -> float | None:
    """Return the unit of an activity by the rows it meets whose unit is known."""
    ratios = [
        found[limit.name] / np.abs(term.use[term.use != 0])
        for limit in limits
        if limit.name in found
        for term in limit.terms
        if term.on == activity.name
    ]
    if not sum(one.size for one in ratios):
        return None
    return power_of_two(float(np.exp(np.log(np.concatenate(ratios)).mean())))


def power_of_two(value: float) -> float:
    """Return the power of two closest to a number."""
    return float(2.0 ** np.round(np.log2(value)))
