"""Rules for whole paths as users give them, by label -> a `Routing` in the order of a market's labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from tokenflow_sim.errors import Fault, MarketError, unknown_name
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.routing import Routing, routing_faults
from tokenflow_sim.numeric import Bools, Floats

NAMES = ("latency", "limit", "processing", "servers")
_DIMS = {"latency": ("arc", "workload"), "limit": ("workload",), "processing": ("node", "workload")}
_SERVERS = ("node", "workload", "server")
PREFIX = "routing_"
"""What the names begin with in the Dataset of a market."""


def read_routing(layout: Layout, given: object) -> Routing:
    """Read the rules for whole paths.

    Parameters
    ----------
    layout : Layout
        The market's labels.
    given : Routing or mapping
        A Routing in the order of the labels; or `latency` (by arc, perhaps also by class), `limit` (by class; a class
        that is left out has none), `processing` (by node, perhaps also by class) as numbers, mappings, Series,
        DataFrames or DataArrays, and `servers`: by class, by origin, the nodes that may serve it; whoever is left out
        may be served anywhere. `servers` may also be flags, an ndarray or DataArray of dims (node, workload, server).

    Raises
    ------
    MarketError
        With all faults of names, labels and numbers.
    """
    faults: list[Fault] = []
    if isinstance(given, Mapping):
        strange = [name for name in given if name not in NAMES]
        faults = [Fault(unknown_name("name", name, NAMES), f"routing.{name}") for name in strange]
        arrays: dict[str, Any] = {}
        for name, dims in _DIMS.items():
            if given.get(name) is None:
                if name == "latency":
                    arrays[name] = np.zeros(layout.sizes["arc"])
                elif name == "limit":
                    arrays[name] = np.full(layout.sizes["workload"], np.inf)
                continue
            arrays[name] = _read(layout, name, dims, given[name], faults)
        if given.get("servers") is not None:
            arrays["servers"] = _servers(layout, given["servers"], faults)
        if faults:
            raise MarketError(faults, "market")
        given = Routing(**arrays)
    faults = routing_faults(layout, given)
    if faults:
        raise MarketError(faults, "market")
    assert isinstance(given, Routing)
    return given


def routing_arrays(layout: Layout, routing: Routing) -> dict[str, xr.DataArray]:
    """Return the rules as labelled arrays, as `read_routing` takes them, by their names in a market's Dataset."""
    found = {}
    for name in NAMES:
        values = getattr(routing, name)
        if values is not None:
            dims = _SERVERS if name == "servers" else _DIMS[name][: values.ndim]
            labels = [layout.index("node" if dim == "server" else dim).to_numpy() for dim in dims]
            unit = {} if name == "servers" else {"units": "ms"}
            found[f"{PREFIX}{name}"] = xr.DataArray(values.copy(), labels, dims, attrs=unit)
    return found


def _read(layout: Layout, name: str, dims: tuple[str, ...], given: Any, faults: list[Fault]) -> Floats:
    """Align numbers by label: what a table of two dims leaves out is a fault, a missing limit is none."""
    place, missing = f"routing.{name}", np.inf if name == "limit" else np.nan
    if isinstance(given, Mapping):
        given = pd.Series(given)
    if isinstance(given, pd.DataFrame):
        given = xr.DataArray(given.to_numpy(), [(dims[0], given.index), (dims[-1], given.columns)])
    elif isinstance(given, pd.Series):
        given = xr.DataArray(given.to_numpy(), [(dims[0], given.index)])
    nothing = np.zeros(layout.sizes[dims[0]])
    if not isinstance(given, xr.DataArray):
        values = np.asarray(given, dtype=np.float64)
        return nothing + values if values.ndim < 2 else values
    strange = [str(dim) for dim in given.dims if dim not in dims]
    if strange or not given.dims:
        faults.append(
            Fault(f"needs dims among {', '.join(dims)}; found {', '.join(strange) or 'none'}", place)
        )
        return nothing
    for dim in given.dims:
        known = layout.index(str(dim))
        unknown = [label for label in given.indexes[dim] if label not in known]
        faults += [Fault(unknown_name(str(dim), label, list(known)), place) for label in unknown]
    shape = {str(dim): layout.index(str(dim)) for dim in given.dims}
    if any(given.indexes[dim].has_duplicates for dim in given.dims):
        faults.append(Fault("has a label twice", place))
        return nothing
    aligned = given.reindex(shape, fill_value=missing).astype(np.float64)
    for dim in dims:
        if dim not in aligned.dims and len(aligned.dims) and dim == dims[0]:
            aligned = aligned.expand_dims({dim: layout.index(dim)})
    values = aligned.transpose(*(dim for dim in dims if dim in aligned.dims)).to_numpy()
    if np.isnan(values).any() and not faults:
        spot = np.argwhere(np.isnan(values))[0]
        label = layout.index(dims[0])[spot[0]]
        faults.append(Fault(f"has no number for {dims[0]} {str(label)!r}", place))
    return np.asarray(values)


def _servers(layout: Layout, given: object, faults: list[Fault]) -> Bools:
    """Read which nodes may serve whom, dims (origin, workload, server)."""
    nodes, classes = layout.nodes, layout.workloads
    allowed = np.ones((len(nodes), len(classes), len(nodes)), dtype=np.bool_)
    if isinstance(given, np.ndarray):
        return given
    if isinstance(given, xr.DataArray) and set(given.dims) == set(_SERVERS):
        labels = {"node": nodes, "workload": classes, "server": nodes}
        if all(dim in given.indexes and given.indexes[dim].equals(index) for dim, index in labels.items()):
            return given.transpose(*_SERVERS).to_numpy()
        faults.append(
            Fault("must have the labels of the market, in its order, as node and server", "routing.servers")
        )
        return allowed
    if not isinstance(given, Mapping):
        faults.append(
            Fault("must map classes to origins to the nodes that may serve them", "routing.servers")
        )
        return allowed
    for name, origins in given.items():
        place = f"routing.servers.{name}"
        if name not in classes:
            faults.append(Fault(unknown_name("workload", name, list(classes)), place))
            continue
        if not isinstance(origins, Mapping):
            faults.append(Fault("must map origins to the nodes that may serve them", place))
            continue
        for origin, servers in origins.items():
            listed = [servers] if isinstance(servers, str) else list(servers)
            strange = [label for label in (origin, *listed) if label not in nodes]
            faults += [
                Fault(unknown_name("node", label, list(nodes)), f"{place}.{origin}") for label in strange
            ]
            if not strange:
                allowed[nodes.get_loc(origin), classes.get_loc(name)] = np.isin(nodes, listed)
    return allowed
