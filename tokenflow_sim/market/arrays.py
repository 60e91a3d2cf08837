"""The numbers of a market as plain arrays of full shape: what the solver and the period loop work on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tokenflow_sim.errors import Fault
from tokenflow_sim.market.activity import Activity
from tokenflow_sim.market.culprits import Labels, culprits
from tokenflow_sim.market.expanded import Expanded
from tokenflow_sim.market.further_faults import further_faults
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.limits import SharedCapacity, groups_of
from tokenflow_sim.market.losses import Security, security_faults
from tokenflow_sim.market.pricing import Pricing
from tokenflow_sim.market.routing import Routing, routing_faults
from tokenflow_sim.numeric import INFINITY, Bools, Floats, Ints
from tokenflow_sim.variables import MARKET

# No market has such numbers, and a solver takes those beyond 1e20 for infinite.
_BEYOND = 1e15
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False, kw_only=True)  # arrays have no single truth value to compare or hash by
class Arrays:
    """All numbers of one market; see the table in `Market` for meanings and units.

    Parameters
    ----------
    offer_price, capacity : ndarray
        Dims (asset, workload, block).
    demand, value : ndarray
        Dims (node, workload, step).
    route_cost, link_use : ndarray
        Dims (arc, workload).
    allowed : ndarray of bool
        Dims (arc, workload).
    link_capacity, link_curvature : ndarray
        Dims (arc,).
    power_use, power_limit : ndarray or None
        Dims (asset, workload) and (asset,); None where power is not shared between classes.
    offer_slope, value_slope : ndarray or None
        By how much the price of an offer rises, and the value of demand falls, with each unit taken; dims as
        `capacity` and as `demand`; None where prices and values are constant.
    limits : tuple of SharedCapacity
        Shared capacities beyond those of links and of an asset's power.
    activities : tuple of Activity
        What is done beside service and flow; see `activity`.
    security : Security, optional
        Losses that the schedule has to survive.
    routing : Routing, optional
        Rules for whole paths, from origin to server; None where all rules are those of arcs.
    expanded : Expanded, optional
        What a market made from one with such rules has beside; see `expansion`.
    pricing : Pricing, optional
        By which rule it is settled; None at its prices.
    """

    offer_price: Floats
    capacity: Floats
    demand: Floats
    value: Floats
    route_cost: Floats
    link_use: Floats
    allowed: Bools
    link_capacity: Floats
    link_curvature: Floats
    power_use: Floats | None = None
    power_limit: Floats | None = None
    offer_slope: Floats | None = None
    value_slope: Floats | None = None
    limits: tuple[SharedCapacity, ...] = ()
    activities: tuple[Activity, ...] = ()
    routing: Routing | None = None
    expanded: Expanded | None = None
    security: Security | None = None
    pricing: Pricing | None = None

    @cached_property
    def must_serve(self) -> Bools | None:
        """Demand that has no value since it must be served, dims (node, workload, step); None where there is none."""
        endless: Bools = self.value == INFINITY
        if not np.count_nonzero(endless):
            return None
        endless.setflags(write=False)
        return endless

    @cached_property
    def worth(self) -> Floats:
        """What demand is worth that may be shed, dims (node, workload, step); zero for what must be served."""
        return self._that_may_be_shed(self.value)

    @cached_property
    def sheddable(self) -> Floats:
        """What of demand may be shed, dims (node, workload, step); zero for what must be served."""
        return self._that_may_be_shed(self.demand)

    def _that_may_be_shed(self, values: Floats) -> Floats:
        if self.must_serve is None:
            return values
        found = np.where(self.must_serve, 0.0, values)
        found.setflags(write=False)
        return found

    @cached_property
    def every_limit(self) -> tuple[SharedCapacity, ...]:
        """Every group of limits that the market has, that of the links first; see `limits.LIMITS`."""
        own = groups_of(self) if self.expanded is None else self.expanded.limits
        return (*own, *self.limits)

    @property
    def links(self) -> SharedCapacity:
        """The limits of the links."""
        return self.every_limit[0]

    @cached_property
    def is_sloped(self) -> bool:
        """Whether the price of any offer rises, or the value of any demand falls, with what is taken."""
        return any(slope is not None and slope.any() for slope in (self.offer_slope, self.value_slope))

    @cached_property
    def is_curved(self) -> bool:
        """Whether the charge of any link grows with its load: the congestion-QP."""
        return bool(np.count_nonzero(self.link_curvature))

    def at_margin(self, dispatch: Floats, unserved: Floats) -> Arrays:
        """Return the linear market with prices and values frozen at those of the next unit.

        Parameters
        ----------
        dispatch, unserved : ndarray
            What is taken of each offer, and what is not of demand, in Mtok/s, dims as `capacity` and `demand`.

        Returns
        -------
        Arrays
            Without slopes: offers at ``p + s x``, demand at ``v - b (d - y)``. These numbers themselves where there is
            no slope.
        """
        if self.offer_slope is None and self.value_slope is None:
            return self
        price, value = self.offer_price, self.value
        if self.offer_slope is not None:
            price = price + self.offer_slope * dispatch
        if self.value_slope is not None:
            # No more is demanded than is worth something; what is left below zero there is rounding.
            value = np.maximum(value - self.value_slope * (self.demand - unserved), 0.0)
        return self.with_(offer_price=price, value=value, offer_slope=None, value_slope=None)

    def with_offers(self, rows: Ints, **changes: Any) -> Arrays:
        """Return a copy with other numbers, in which the offers of some assets are flat, as new offers are.

        Parameters
        ----------
        rows : ndarray of int
            Positions of the assets.
        **changes
            What else is exchanged, unchecked.
        """
        if self.offer_slope is None:
            return replace(self, **changes)
        slope = self.offer_slope.copy()
        slope[rows] = 0.0
        return replace(self, offer_slope=slope, **changes)

    def slope_cost(self, dispatch: Floats, unserved: Floats) -> float:
        """Return what slopes add to the cost at the first unit: of offers, and of demand that goes unserved, in $/s.

        Parameters
        ----------
        dispatch, unserved : ndarray
            As in `at_margin`.

        Notes
        -----
        An offer costs ``p x + s x^2 / 2``; the last y units of demand d are worth
        ``(v - b d) y + b y^2 / 2``, the integral of its value from ``d - y`` to d. Returned are the squares.
        """
        cost = 0.0
        if self.offer_slope is not None:
            cost += 0.5 * float(np.add.reduce(self.offer_slope * dispatch * dispatch, axis=None))
        if self.value_slope is not None:
            cost += 0.5 * float(np.add.reduce(self.value_slope * unserved * unserved, axis=None))
        return cost

    def with_(self, **changes: Any) -> Arrays:
        """Return a copy with some arrays exchanged, unchecked."""
        return replace(self, **changes)

    def freeze(self) -> None:
        """Make the arrays read-only: a market is cleared once, and what was written later would be ignored."""
        for array in (
            self.offer_price, self.capacity, self.demand, self.value, self.route_cost, self.link_use, self.allowed,
            self.link_capacity, self.link_curvature, self.power_use, self.power_limit, self.offer_slope,
            self.value_slope, *(self.__dict__.get(name) for name in ("must_serve", "worth", "sheddable")),
        ):  # fmt: skip
            if array is not None:
                array.setflags(write=False)
        for limit in self.limits:
            limit.freeze()
        for activity in self.activities:
            activity.freeze()

    def items(self) -> list[tuple[str, NDArray[Any]]]:
        """Return names and values of the arrays that are present; `limits` have theirs in themselves."""
        pairs = ((name, getattr(self, name)) for name in MARKET)
        return [(name, values) for name, values in pairs if values is not None]


def total(values: Floats) -> Floats:
    """Return sums over blocks or steps, the last of three dims; a view where there is one only."""
    return values[:, :, 0] if values.shape[2] == 1 else values.sum(axis=2)


def find_faults(layout: Layout, arrays: Arrays) -> list[Fault]:
    """Find everything in plain arrays that no market can have.

    Parameters
    ----------
    layout : Layout
        The labels, to name the culprits by.
    arrays : Arrays
        The numbers.

    Returns
    -------
    list of Fault
        One per array and kind of fault, naming the first culprits.
    """
    faults: list[Fault] = []
    for name, row in MARKET.items():
        values = getattr(arrays, name)
        if values is None and row.required is False and row.default is None:
            continue
        # `block` and `step` always exist here, with length one where the layout has none.
        shape = tuple(layout.sizes[dim] for dim in row.full_dims)
        kinds = "b" if name == "allowed" else "fiu"
        if not isinstance(values, np.ndarray) or values.dtype.kind not in kinds:
            found = values.dtype if isinstance(values, np.ndarray) else type(values).__name__
            faults.append(
                Fault(f"must be an ndarray of {'bool' if kinds == 'b' else 'numbers'}; found {found}", name)
            )
        elif values.shape != shape:
            faults.append(
                Fault(f"shape {values.shape} where {shape} ({', '.join(row.full_dims)}) is needed", name)
            )
    whole = not faults
    if arrays.routing is not None:
        faults += routing_faults(layout, arrays.routing)
    if arrays.security is not None:
        faults += security_faults(layout, arrays.security)
    if arrays.limits or arrays.activities:
        faults += further_faults(layout, arrays.limits, arrays.activities)
    labels = labels_of(layout)
    for name, values in arrays.items() if whole else []:
        faults += number_faults(name, values, MARKET[name].full_dims, labels, layout.link_unit)
    faults += pair_faults(arrays.power_use is not None, arrays.power_limit is not None)
    if whole and arrays.power_use is not None:
        faults += power_faults(arrays.power_use, arrays.capacity, labels)
    if whole and arrays.value_slope is not None:
        faults += slope_faults(arrays.value_slope, arrays.demand, arrays.value, labels)
    return faults


def labels_of(layout: Layout) -> dict[str, pd.Index[Any] | None]:
    """Return the labels of every dimension; None for a block or step that the layout does not have."""
    return {
        "node": layout.nodes, "workload": layout.workloads, "asset": layout.assets, "arc": layout.arcs,
        "block": layout.blocks, "step": layout.steps,
    }  # fmt: skip


def number_faults(
    name: str, values: NDArray[Any], dims: tuple[str, ...], labels: Labels, link_unit: str
) -> list[Fault]:
    """Find the numbers of one array that no market can have: not finite, or negative where that has no meaning.

    Parameters
    ----------
    name : str
        The array's name in the market's table.
    values : ndarray
        Its numbers, of whatever shape.
    dims : tuple of str
        What its dimensions are.
    labels : mapping
        Labels of each of `dims`, to name the culprits by; None for a dimension without labels.
    link_unit : str
        How links are measured.

    Returns
    -------
    list of Fault
        One per kind of fault.
    """
    if values.dtype == np.bool_ or not values.size:
        return []
    endless, least = MARKET[name].may_be_infinite, -_BEYOND if MARKET[name].may_be_negative else 0.0
    # Not-a-number passes neither comparison.
    if values.min() >= least and (
        values.max() < _BEYOND or (endless and values[values < np.inf].max(initial=0) < _BEYOND)
    ):
        return []
    unit = MARKET[name].unit_for(link_unit)
    allowed = ~np.isnan(values) if endless else np.isfinite(values)
    rules = (
        (~allowed, f"must be {'a number' if endless else 'finite'} ({unit})"),
        (
            allowed & (values < least),
            f"must {f'be above {least:g}' if least else 'not be negative'} ({unit})",
        ),
        (np.isfinite(values) & (values >= _BEYOND), f"must be below {_BEYOND:g} ({unit})"),
    )
    return [
        Fault(f"{rule}; found {culprits(bad, values, dims, labels)}", name)
        for bad, rule in rules
        if bad.any()
    ]


def pair_faults(has_use: bool, has_limit: bool) -> list[Fault]:
    """Find one of `power_use` and `power_limit` without the other."""
    if has_use == has_limit:
        return []
    missing = "power_limit" if has_use else "power_use"
    return [Fault("is missing: power_use and power_limit come together", missing)]


def power_faults(power_use: Floats, capacity: Floats, labels: Labels) -> list[Fault]:
    """Find classes that an asset offers without drawing any of the power that its classes share.

    Parameters
    ----------
    power_use : ndarray
        Dims (asset, workload).
    capacity : ndarray
        Dims (asset, workload, block).
    labels : mapping
        Labels of `asset` and `workload`.

    Returns
    -------
    list of Fault
        At most one.
    """
    bad = (capacity > 0).any(axis=2) & (power_use == 0)
    if not bad.any():
        return []
    rule = "must be positive where the asset offers capacity, since its power is shared"
    found = culprits(bad, power_use, MARKET["power_use"].full_dims, labels)
    return [Fault(f"{rule} ({MARKET['power_use'].unit}); found {found}", "power_use")]


def slope_faults(value_slope: Floats, demand: Floats, value: Floats, labels: Labels) -> list[Fault]:
    """Find demand whose value falls with what is served, and has no value to fall from, or falls below zero.

    Parameters
    ----------
    value_slope, demand, value : ndarray
        Dims (node, workload, step).
    labels : mapping
        Labels of `node`, `workload` and `step`.

    Returns
    -------
    list of Fault
        At most two.
    """
    faults, dims = [], MARKET["value_slope"].full_dims
    falls = value_slope > 0
    endless = falls & (value == np.inf)
    if endless.any():
        rule = "must be zero where demand must be served, whose value is infinite"
        faults.append(Fault(f"{rule}; found {culprits(endless, value_slope, dims, labels)}", "value_slope"))
    with np.errstate(invalid="ignore"):
        below = falls & ~endless & (value_slope * demand > value * (1 + _ROUNDING))
    if below.any():
        rule = "must be no more than value / value_slope, where demand is worth nothing (Mtok/s)"
        faults.append(Fault(f"{rule}; found {culprits(below, demand, dims, labels)}", "demand"))
    return faults


def hours_faults(hours: object) -> list[Fault]:
    """Find what is wrong with the length of a period."""
    number = isinstance(hours, Real) and not isinstance(hours, (bool, np.bool_))
    if number and 0 < float(hours) < np.inf:  # type: ignore[arg-type]
        return []
    return [Fault(f"must be positive and finite; found {hours!r}", "hours")]
