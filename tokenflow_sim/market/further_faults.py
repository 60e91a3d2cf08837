"""What no market can have of limits and activities: wrong shapes, impossible bounds, names that lead nowhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokenflow_sim.errors import Fault
from tokenflow_sim.market.activity import Activity
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.limits import LIMITS, NOBODY, SERVICE, SharedCapacity, Term

_OF_MARKET = {
    "dispatch": ("asset", "workload"),
    "flow": ("arc", "workload"),
    "unserved": ("node", "workload"),
}
_BALANCE = ("balance", "load_is_use")


def further_faults(
    layout: Layout, limits: Sequence[SharedCapacity], activities: Sequence[Activity]
) -> list[Fault]:
    """Find everything in a market's limits and activities that no market can have.

    Parameters
    ----------
    layout : Layout
        The labels.
    limits : sequence of SharedCapacity
        Limits beyond those of links and of an asset's power.
    activities : sequence of Activity
        What is done beside service and flow.

    Returns
    -------
    list of Fault
        One per limit or activity and kind of fault.
    """
    faults = [fault for one in activities for fault in _of_activity(one)]
    faults += _twice("activities", [one.name for one in activities], SERVICE)
    faults += _twice("limits", [one.name for one in limits], (*(group.name for group in LIMITS), *_BALANCE))
    faults += _twice("limits", [one.rent for one in limits], [group.rent for group in LIMITS], "rents ")
    shapes = {on: tuple(layout.sizes[dim] for dim in dims) for on, dims in _OF_MARKET.items()} | {
        one.name: (one.size,) for one in activities
    }
    for limit in limits:
        faults += _of_limit(layout, limit, shapes)
    return faults


def _of_activity(one: Activity) -> list[Fault]:
    place = f"activities[{one.name!r}]"
    faults = _labels_twice(one.labels, place)
    shape = (one.size, one.price.shape[1] if one.price.ndim == 2 and one.price.shape[1] else 1)
    arrays = {"price": one.price, "most": one.most} | ({} if one.least is None else {"least": one.least})
    wrong = [
        Fault(f"shape {values.shape} where {shape} ({one.dim}, tranche) is needed", f"{place}.{name}")
        for name, values in arrays.items()
        if values.shape != shape
    ]
    if wrong:
        return faults + wrong
    faults += _numbers(~np.isfinite(one.price), one.price, one.labels, "must be finite", f"{place}.price")
    bad = np.isnan(one.most) | (one.most == -np.inf)
    faults += _numbers(bad, one.most, one.labels, "must be a number, or infinite", f"{place}.most")
    endless = ~np.isfinite(one.lowest)
    faults += _numbers(endless, one.lowest, one.labels, "must be finite", f"{place}.least")
    crossed = ~bad & ~endless & (one.most < one.lowest)
    return faults + _numbers(crossed, one.most, one.labels, "must not be below the least", f"{place}.most")


def _of_limit(layout: Layout, limit: SharedCapacity, shapes: Mapping[str, tuple[int, ...]]) -> list[Fault]:
    place = f"limits[{limit.name!r}]"
    labels = limit.labels or (tuple(layout.index(limit.dim)) if limit.dim in layout.sizes else ())
    faults = _labels_twice(labels, place)
    if labels and limit.capacity.shape != (len(labels),):
        rule = f"shape {limit.capacity.shape} where ({len(labels)},) ({limit.dim}) is needed"
        return [*faults, Fault(rule, f"{place}.capacity")]
    bad = (
        ~np.isfinite(limit.capacity)
        if limit.equality
        else np.isnan(limit.capacity) | (limit.capacity == -np.inf)
    )
    rule = "must be finite, of an equality" if limit.equality else "must be a number, or infinite"
    faults += _numbers(bad, limit.capacity, labels, rule, f"{place}.capacity")
    if limit.supply is not None:
        faults += _of_supply(limit, labels, place)
    for number, term in enumerate(limit.terms):
        faults += _of_term(term, limit.size, shapes, f"{place}.terms[{number}]")
    return faults


def _of_supply(limit: SharedCapacity, labels: Sequence[object], place: str) -> list[Fault]:
    supply = limit.supply
    assert supply is not None
    if limit.equality:
        return [
            Fault("an equality has no supply; what more can be had of it is an activity", f"{place}.supply")
        ]
    shape = supply.price.shape
    if supply.price.ndim != 2 or shape[0] != limit.size or supply.quantity.shape != shape:
        found = f"price {shape} and quantity {supply.quantity.shape}"
        rule = f"needs shapes ({limit.size}, tranche); found {found}"
        return [Fault(rule, f"{place}.supply")]
    faults = _numbers(
        ~np.isfinite(supply.price), supply.price, labels, "must be finite", f"{place}.supply.price"
    )
    bad = ~(supply.quantity >= 0)
    return faults + _numbers(bad, supply.quantity, labels, "must not be negative", f"{place}.supply.quantity")


def _of_term(term: Term, size: int, shapes: Mapping[str, tuple[int, ...]], place: str) -> list[Fault]:
    if term.on not in shapes:
        return [
            Fault(f"is on {term.on!r}, which the market does not have; known: {', '.join(shapes)}", place)
        ]
    shape = shapes[term.on]
    if term.use.shape != shape:
        return [Fault(f"shape {term.use.shape} where {shape} is needed, as of {term.on!r}", f"{place}.use")]
    faults = []
    if not np.isfinite(term.use).all():
        faults.append(Fault(f"must be finite; found {term.use[~np.isfinite(term.use)][0]:g}", f"{place}.use"))
    if term.member is None:
        if shape[0] != size:
            rule = f"is missing: {term.on!r} has {shape[0]} labels, and the limit {size}"
            faults.append(Fault(rule, f"{place}.member"))
    elif term.member.shape != shape[:1]:
        faults.append(Fault(f"shape {term.member.shape} where {shape[:1]} is needed", f"{place}.member"))
    elif ((term.member < NOBODY) | (term.member >= size)).any():
        found = term.member[(term.member < NOBODY) | (term.member >= size)][0]
        rule = f"must be {NOBODY} for none, or from 0 to {size - 1}; found {found}"
        faults.append(Fault(rule, f"{place}.member"))
    if term.kept is not None and term.kept.shape != shape:
        faults.append(Fault(f"shape {term.kept.shape} where {shape} is needed", f"{place}.kept"))
    return faults


def _numbers(
    bad: NDArray[np.bool_], values: NDArray[Any], labels: Sequence[object], rule: str, place: str
) -> list[Fault]:
    if not bad.any():
        return []
    spot = tuple(np.argwhere(bad)[0])
    at = f" at {labels[spot[0]]!r}" if labels else ""
    more = f" and {int(bad.sum()) - 1} more" if bad.sum() > 1 else ""
    return [Fault(f"{rule}; found {values[spot]:g}{at}{more}", place)]


def _labels_twice(labels: Sequence[object], place: str) -> list[Fault]:
    twice = [label for label in dict.fromkeys(labels) if labels.count(label) > 1]
    return [Fault(f"has the label {twice[0]!r} twice", place)] if twice else []


def _twice(place: str, names: Sequence[str], taken: Sequence[str], what: str = "") -> list[Fault]:
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    faults = [Fault(f"two {what or 'of them '}are called {name!r}", place) for name in twice]
    clash = [name for name in dict.fromkeys(names) if name in taken]
    return faults + [
        Fault(f"the market has {'a rent' if what else 'something'} called {name!r} already", place)
        for name in clash
    ]
