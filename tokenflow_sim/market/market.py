"""One period's labelled market: the data of the linear program, frozen and validated."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from tokenflow_sim.errors import Fault, MarketError, unknown_name
from tokenflow_sim.market.activity import Activity
from tokenflow_sim.market.arrays import Arrays, find_faults, hours_faults
from tokenflow_sim.market.bound_limit import bind_limits
from tokenflow_sim.market.html import table
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.limits import SharedCapacity
from tokenflow_sim.market.own_limit import Limit, LimitView
from tokenflow_sim.market.routing import Routing
from tokenflow_sim.market.routing_input import NAMES, PREFIX, read_routing, routing_arrays
from tokenflow_sim.market.validation import read_arrays
from tokenflow_sim.variables import COORDINATES, MARKET

# What a market may have that no table of its labels can hold.
_BEYOND_LABELS = ("limits", "activities", "security", "pricing")


class Market:
    """One period's market: offers, demand and network, as labelled arrays.

    Every formulation of the paper is data of this one class. The token-equivalent baseline (equation 1) has
    ``link_use`` 1 and ``link_capacity`` in Mtok/s; the transfer-aware market (equation 10) has ``link_use`` in
    GB/Mtok and ``link_capacity`` in GB/s; economic dispatch leaves the arc arrays out; partial service has a
    finite ``value``; the congestion-QP has a positive ``link_curvature``. Smooth supply and demand curves have
    ``offer_slope`` and ``value_slope``, see docs/explanation/smooth-competition.md.

    Parameters
    ----------
    offer_price, capacity : DataArray
        Offers, dims (asset, workload[, block]), in $/Mtok and Mtok/s. Blocks need no order.
    demand : DataArray
        Demand, dims (node, workload[, step]), in Mtok/s.
    value : DataArray or float, optional
        Value of lost service, same dims as demand, in $/Mtok; infinite (the default) means must serve.
    offer_slope, value_slope : DataArray or float, optional
        Slopes in $/Mtok per Mtok/s, dims as `capacity` and `demand`: an offer of which x is taken is offered at
        ``offer_price + offer_slope x``, demand of which q is served is worth ``value - value_slope q`` (affine).
    route_cost : DataArray, optional
        Route cost, dims (arc, workload), in $/Mtok. Without any arc array there is no network: every node is
        on its own.
    link_use : DataArray or float, optional
        Link use of one unit of service, dims (arc, workload), in GB/Mtok, or 1 (the default) in token
        equivalents.
    allowed : DataArray or bool, optional
        Whether a class may use an arc, dims (arc, workload); true by default.
    link_capacity : DataArray, optional
        Link capacity, dims (arc,), in GB/s or Mtok/s; may be infinite.
    link_curvature : DataArray or float, optional
        Slope of a congestion charge that grows with the load, dims (arc,); zero by default.
    power_use, power_limit : DataArray, optional
        Power drawn by each class, dims (asset, workload), in MW per Mtok/s, and the power that an asset's
        classes share, dims (asset,), in MW. Both or neither.
    hours : float
        Length of the period in hours.
    asset_node, provider : DataArray, Series, mapping, sequence or str, optional
        Node and provider of each asset, where no array brings them as coordinates along `asset`, or to be used
        in place of those; a single name stands for all. A market of one node needs no `asset_node`; `provider`
        defaults to the asset's own name.
    origin, destination, owner : DataArray, Series, mapping, sequence or str, optional
        Ends and owner of each arc, likewise along `arc`. `owner` defaults to ``"network"``.
    link_unit : {'GB/s', 'Mtok/s'}, optional
        Unit of link_capacity; read from its ``units`` attribute if left out, else GB/s.

    limits : sequence of Limit, optional
        Further constraints, see docs/how-to/own-constraint.md.
    routing : Routing or mapping, optional
        Rules for whole paths, from origin to server: `latency` (by arc) and `limit` (by class) in ms, `processing`
        (by node) in ms, `servers` (by class, by origin, the nodes that may serve it); see `Routing` and
        docs/explanation/paths.md.

    Raises
    ------
    MarketError
        If any array is of a wrong type, has a wrong dim, unknown or repeated labels, negative or non-finite numbers,
        or an asset or arc ends at a node that demand does not know. All faults are listed, each once.

    Notes
    -----
    Arrays are aligned by label, never by position. A missing dim is broadcast for everything but quantities and
    limits: `capacity`, `demand`, `link_capacity`, `power_limit`. A pandas DataFrame stands for an array with two
    dims (its rows are assets, nodes or arcs, unless its axes are named otherwise), a Series for one with one, or with
    the dim that names its index. The numbers are copied.
    """

    __slots__ = ("__dict__", "arrays", "hours", "layout")

    layout: Layout
    arrays: Arrays
    hours: float

    def __init__(
        self,
        *,
        offer_price: Any = None,
        capacity: Any = None,
        demand: Any = None,
        value: Any = None,
        route_cost: Any = None,
        link_use: Any = None,
        allowed: Any = None,
        link_capacity: Any = None,
        link_curvature: Any = None,
        power_use: Any = None,
        power_limit: Any = None,
        offer_slope: Any = None,
        value_slope: Any = None,
        hours: float = 1.0,
        asset_node: Any = None,
        provider: Any = None,
        origin: Any = None,
        destination: Any = None,
        owner: Any = None,
        link_unit: Any = None,
        limits: Sequence[Limit] = (),
        routing: Any = None,
    ) -> None:
        given = {
            "offer_price": offer_price,
            "capacity": capacity,
            "demand": demand,
            "value": value,
            "route_cost": route_cost,
            "link_use": link_use,
            "allowed": allowed,
            "link_capacity": link_capacity,
            "link_curvature": link_curvature,
            "power_use": power_use,
            "power_limit": power_limit,
            "offer_slope": offer_slope,
            "value_slope": value_slope,
        }
        along = {
            "asset_node": asset_node,
            "provider": provider,
            "origin": origin,
            "destination": destination,
            "owner": owner,
        }
        layout, arrays = read_arrays(given, along, link_unit, hours)
        if routing is not None:
            arrays = arrays.with_(routing=read_routing(layout, routing))
        self._set(layout, _with_limits(layout, arrays, hours, limits), hours)

    @classmethod
    def from_arrays(cls, layout: Layout, arrays: Arrays, hours: float = 1.0, *, check: bool = True) -> Market:
        """Make a market from plain arrays of full shape, without any alignment: the period loop's way in.

        Parameters
        ----------
        layout : Layout
            The labels.
        arrays : Arrays
            The numbers; not copied, and read-only from here on: what is needed again to be changed is to be copied.
        hours : float
            Length of the period.
        check : bool
            Whether to look for impossible numbers; costs a few passes over the arrays.

        Raises
        ------
        MarketError
            If `check` finds faults.
        """
        faults = [*find_faults(layout, arrays), *hours_faults(hours)] if check else []
        if faults:
            raise MarketError(faults, "market")
        market = cls.__new__(cls)
        market._set(layout, arrays, hours)
        return market

    def _set(self, layout: Layout, arrays: Arrays, hours: float) -> None:
        arrays.freeze()
        object.__setattr__(self, "layout", layout)
        object.__setattr__(self, "arrays", arrays)
        object.__setattr__(self, "hours", float(hours))

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse: a market is frozen; `replace` makes another."""
        raise AttributeError(f"a Market is frozen; use market.replace({name}=...)")

    def __delattr__(self, name: str) -> None:
        """Refuse: a market is frozen."""
        raise AttributeError(f"a Market is frozen; {name!r} cannot be deleted")

    def replace(self, **changes: Any) -> Market:
        """Return a copy with some arrays, or `hours`, exchanged.

        Parameters
        ----------
        **changes
            As in the constructor. What is labelled is aligned by label, and this market's order of labels is kept;
            a plain ndarray of the shape that the array has here is taken in that order. None leaves an optional
            array out.

        Raises
        ------
        MarketError
            As in the constructor; and for a name that no market has.
        """
        data: dict[str, Any] = {name: self[name] for name, _ in self.arrays.items()}
        data |= {"hours": self.hours, "link_unit": self.layout.link_unit}
        routing = changes.pop("routing", self.arrays.routing)
        for name, new in changes.items():
            mine = data.get(name)
            here = isinstance(mine, xr.DataArray) and isinstance(new, np.ndarray) and new.shape == mine.shape
            data[name] = data[name].copy(data=new) if here else new
        return self._from_names(data, self.layout, self.arrays, routing)

    @classmethod
    def _from_names(
        cls,
        data: dict[str, Any],
        order: Layout | None = None,
        kept: Arrays | None = None,
        routing: Any = None,
    ) -> Market:
        names = [*MARKET, *COORDINATES, "hours", "link_unit"]
        strange = [name for name in data if name not in names]
        if strange:
            raise MarketError(
                [Fault(unknown_name("name", name, names, limit=len(names)), name) for name in strange],
                "market",
            )
        given, along = ({name: data.get(name) for name in table} for table in (MARKET, COORDINATES))
        hours = data.get("hours", 1.0)
        layout, arrays = read_arrays(given, along, data.get("link_unit"), hours, order)
        bound = {
            "limits": kept is not None and bool(kept.limits),
            "activities": kept is not None and bool(kept.activities),
            "routing": isinstance(routing, Routing),
            "security": kept is not None and kept.security is not None,
        }
        if any(bound.values()) and (order is None or layout != order):
            rule = "belong to the market's labels: give them again to a market with others"
            raise MarketError([Fault(rule, name) for name, held in bound.items() if held], "market")
        if kept is not None:
            arrays = arrays.with_(
                limits=kept.limits, activities=kept.activities, security=kept.security, pricing=kept.pricing
            )
        if routing is not None:
            arrays = arrays.with_(routing=read_routing(layout, routing))
        market = cls.__new__(cls)
        market._set(order if layout == order else layout, arrays, hours)
        return market

    def __getitem__(self, name: str) -> xr.DataArray:
        """Return one of the market's arrays, labelled, with units; `block` and `step` only where it has them.

        It is read-only; a ``.copy()`` of it may be changed and given to `replace`.
        """
        values = getattr(self.arrays, name, None) if name in MARKET else None
        if values is None:
            present = ", ".join(key for key, _ in self.arrays.items())
            raise KeyError(f"{name!r}; this market has {present}")
        return self.layout.label(MARKET[name], values)

    def __getattr__(self, name: str) -> xr.DataArray:
        """Give the arrays as attributes, ``market.demand``."""
        if name in MARKET and "arrays" in type(self).__slots__:
            try:
                return self[name]
            except KeyError as error:
                raise AttributeError(str(error)) from None
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @cached_property
    def has_shared_power(self) -> bool:
        """Whether the classes of an asset share its power."""
        return self.arrays.power_use is not None and self.arrays.power_limit is not None

    @cached_property
    def is_quadratic(self) -> bool:
        """Whether any link's charge grows with its load (the congestion-QP), or any offer or demand has a slope."""
        return self.arrays.is_curved or self.arrays.is_sloped

    def same_as(self, other: Market) -> bool:
        """Whether another market has the same labels and the same numbers; the length of the period aside."""
        if self is other:
            return True
        mine, theirs = dict(self.arrays.items()), dict(other.arrays.items())
        return (
            self.layout == other.layout
            and mine.keys() == theirs.keys()
            and all(mine[name] is theirs[name] or np.array_equal(mine[name], theirs[name]) for name in mine)
            and len(self.arrays.limits) == len(other.arrays.limits)
            and all(map(SharedCapacity.same_as, self.arrays.limits, other.arrays.limits))
            and len(self.arrays.activities) == len(other.arrays.activities)
            and all(map(Activity.same_as, self.arrays.activities, other.arrays.activities))
            and (
                other.arrays.routing is None
                if self.arrays.routing is None
                else self.arrays.routing.same_as(other.arrays.routing)
            )
            and (
                other.arrays.security is None
                if self.arrays.security is None
                else self.arrays.security.same_as(other.arrays.security)
            )
        )

    def to_dataset(self) -> xr.Dataset:
        """Return copies of all arrays as one Dataset, with `hours` among its attributes.

        Rules for whole paths stand in it as `routing_latency`, `routing_limit`, `routing_processing` and
        `routing_servers`. Limits, activities, losses and a pricing rule have no place in a table of the market's
        labels: the attribute `lacks` names those that the market has, and `from_dataset` refuses such a Dataset.
        """
        data = {name: self[name].copy() for name, _ in self.arrays.items()}
        if self.arrays.routing is not None:
            data |= routing_arrays(self.layout, self.arrays.routing)
        attrs: dict[str, object] = {"hours": self.hours, "link_unit": self.layout.link_unit}
        if lacks := [name for name in _BEYOND_LABELS if getattr(self.arrays, name)]:
            attrs["lacks"] = ", ".join(lacks)
        return xr.Dataset(data, attrs=attrs)

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> Market:
        """Make a market from such a Dataset.

        Raises
        ------
        MarketError
            As in the constructor; and if the market that it was made of has limits, activities or losses, without
            which this one would be another.
        """
        if lacks := dataset.attrs.get("lacks"):
            rule = "stood in the market that the Dataset was made of, and not in itself; pickle the market instead"
            raise MarketError([Fault(rule, name) for name in str(lacks).split(", ")], "market")
        data: dict[str, Any] = {str(name): array for name, array in dataset.data_vars.items()}
        data |= {name: dataset.attrs[name] for name in ("hours", "link_unit") if name in dataset.attrs}
        routing = {name: data.pop(f"{PREFIX}{name}") for name in NAMES if f"{PREFIX}{name}" in data}
        return cls._from_names(data, routing=routing or None)

    def __repr__(self) -> str:
        """Summarise the market in one line."""
        sizes = self.layout.sizes
        arrays = self.arrays
        parts = [f"{sizes[dim]} {dim}s" for dim in ("node", "workload", "asset", "arc")]
        parts += [f"{sizes[dim]} {dim}s" for dim in ("block", "step") if sizes[dim] > 1]
        return (
            f"<Market: {', '.join(parts)}; demand {arrays.demand.sum():.4g} Mtok/s, "
            f"offered {arrays.capacity.sum():.4g} Mtok/s, {self.hours:g} h>"
        )

    def _repr_html_(self) -> str:
        """Show the arrays in a notebook."""
        layout, rows = self.layout, []
        for name, values in self.arrays.items():
            variable = MARKET[name]
            finite = values[np.isfinite(values)].astype(float)
            span = f"{finite.min():.4g} to {finite.max():.4g}" if finite.size else "all infinite"
            if 0 < finite.size < values.size:
                span += f"; {values.size - finite.size} infinite"
            dims = ", ".join(f"{dim}: {layout.sizes[dim]}" for dim in layout.dims_of(variable))
            rows.append((name, dims, span, variable.unit_for(layout.link_unit)))
        labels = [
            (f"{dim}s", ", ".join(str(label) for label in index[:8]) + (", ..." if len(index) > 8 else ""))
            for dim, index in (("node", layout.nodes), ("workload", layout.workloads))
        ]
        note = "; ".join(f"{name}: {listed}" for name, listed in labels)
        return table(repr(self).strip("<>"), ("array", "dims", "range", "unit"), rows, note=note)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by layout and arrays."""
        return _restore, (self.layout, self.arrays, self.hours)


def _with_limits(layout: Layout, arrays: Arrays, hours: float, limits: Sequence[Limit]) -> Arrays:
    """Add limits of a user to a market's arrays."""
    if not limits:
        return arrays
    power_use = None if arrays.power_use is None else layout.label(MARKET["power_use"], arrays.power_use)
    view = LimitView(period=0, hours=hours, layout=layout, power_use=power_use)
    return arrays.with_(limits=tuple(limit.at(view) for limit in bind_limits(limits, view)))


def _restore(layout: Layout, arrays: Arrays, hours: float) -> Market:
    return Market.from_arrays(layout, arrays, hours, check=False)
