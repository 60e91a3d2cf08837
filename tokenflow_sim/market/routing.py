"""Rules for whole paths: how long service may take from its origin to its server, and who may serve whom.

A rule for a whole path cannot be kept arc by arc, since two fast arcs may add up to a slow path, and what leaves
an origin cannot be told from what passes through it. Demand of a class at an origin that such a rule may bind is
therefore served along paths of its own; all other demand keeps to the arcs, as in a market without such rules. See
docs/explanation/paths.md.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from tokenflow_sim.errors import Fault
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.numeric import Bools, Floats

# Sums of latencies round: a path that meets its limit to the last bit in decimals may exceed it in binary.
ROUNDING = 1e-9


@dataclass(frozen=True, eq=False, kw_only=True)
class Routing:
    """What holds along whole paths, from an origin to the node that serves it.

    Parameters
    ----------
    latency : ndarray
        Latency of every arc in ms, dims (arc,), or (arc, workload) where it differs between classes.
    limit : ndarray
        Latency limit of every class in ms, dims (workload,); infinite where it has none. A path may take as long as
        its limit, with what the serving node itself takes included.
    processing : ndarray, optional
        Latency that the serving node adds in ms, dims (node,) or (node, workload); zero by default.
    servers : ndarray of bool, optional
        Which nodes may serve whom, dims (origin, workload, server), both of the nodes; all by default.

    Notes
    -----
    A path uses arcs that `Arrays.allowed` lets its class use, and no node twice. A market that has a Routing but no
    finite limit and no forbidden server is cleared as if it had none. All arrays are read-only copies.
    """

    latency: Floats
    limit: Floats
    processing: Floats | None = None
    servers: Bools | None = None

    def __post_init__(self) -> None:
        """Take read-only copies."""
        for field in fields(self):
            array = getattr(self, field.name)
            if array is not None and (not isinstance(array, np.ndarray) or array.flags.writeable):
                array = np.array(array)
                array.setflags(write=False)
                object.__setattr__(self, field.name, array)

    def __getstate__(self) -> dict[str, Any]:
        """Pickle what it was made of."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore it as it was made: unpickled arrays are writable."""
        self.__dict__.update(state)
        self.__post_init__()

    def same_as(self, other: Routing | None) -> bool:
        """Whether another one has the same numbers."""
        if self is other:
            return True
        if other is None:
            return False
        for field in fields(self):
            mine, theirs = getattr(self, field.name), getattr(other, field.name)
            if (mine is None) != (theirs is None):
                return False
            if mine is not None and mine is not theirs and not np.array_equal(mine, theirs):
                return False
        return True

    def needs_paths(self, nodes: int) -> Bools:
        """Return which demand a rule may bind, so that it is served along paths, dims (node, workload).

        It is that of every class with a finite limit, and of every origin that some node may not serve.

        Parameters
        ----------
        nodes : int
            How many nodes the market has.
        """
        needs: Bools = np.broadcast_to(np.isfinite(self.limit), (nodes, len(self.limit))).copy()
        if self.servers is not None:
            needs |= ~self.servers.all(axis=2)
        return needs

    def latency_by_class(self) -> Floats:
        """Return the latency of every arc for every class in ms, dims (arc, workload)."""
        one = self.latency if self.latency.ndim == 2 else self.latency[:, None]
        return np.broadcast_to(one, (len(one), len(self.limit)))

    def processing_by_class(self, nodes: int) -> Floats:
        """Return what the serving node adds for every class in ms, dims (node, workload)."""
        shape = nodes, len(self.limit)
        if self.processing is None:
            return np.zeros(shape)
        return np.broadcast_to(
            self.processing if self.processing.ndim == 2 else self.processing[:, None], shape
        )

    def ceiling(self) -> Floats:
        """Return the limit of every class with room for rounding in ms, dims (workload,)."""
        finite = np.where(np.isfinite(self.limit), self.limit, 0.0)
        return np.where(
            np.isfinite(self.limit), self.limit + ROUNDING * np.maximum(1.0, np.abs(finite)), np.inf
        )


def least_latency(routing: Routing, layout: Layout, allowed: Bools) -> Floats:
    """Return the least latency with which each node can serve each origin, by shortest ways in time.

    Parameters
    ----------
    routing : Routing
        The rules.
    layout : Layout
        The network.
    allowed : ndarray of bool
        Which arcs each class may use, dims (arc, workload).

    Returns
    -------
    ndarray
        In ms, what the serving node adds included, dims (origin, workload, server); infinite where no path leads
        there, and where the node may not serve the origin.
    """
    nodes, classes = layout.sizes["node"], layout.sizes["workload"]
    arc_time = np.where(allowed, routing.latency_by_class(), np.inf)
    way = np.full((nodes, classes, nodes), np.inf)
    for k in range(classes):
        np.minimum.at(way[:, k], (layout.origin, layout.destination), arc_time[:, k])
    way[np.arange(nodes), :, np.arange(nodes)] = 0.0
    for via in range(nodes):
        np.minimum(way, way[:, :, via, None] + way[via], out=way)
    way = way + routing.processing_by_class(nodes).T
    found: Floats = way if routing.servers is None else np.where(routing.servers, way, np.inf)
    return found


def may_serve(routing: Routing, layout: Layout, allowed: Bools) -> Bools:
    """Return which node may serve whom within the limits, dims (origin, workload, server); see `least_latency`."""
    least = least_latency(routing, layout, allowed)
    return np.isfinite(least) & (least <= routing.ceiling()[:, None])


def routing_faults(layout: Layout, routing: object) -> list[Fault]:
    """Find everything in the rules for paths that no market can have.

    Parameters
    ----------
    layout : Layout
        The labels.
    routing : Routing
        The rules.

    Returns
    -------
    list of Fault
        One for each array and kind of fault, naming the first culprit.
    """
    if not isinstance(routing, Routing):
        return [Fault(f"must be a Routing; found {type(routing).__name__}", "routing")]
    sizes = layout.sizes
    nodes, classes, arcs = sizes["node"], sizes["workload"], sizes["arc"]
    rules: dict[str, tuple[tuple[int, ...], ...]] = {
        "latency": ((arcs,), (arcs, classes)),
        "limit": ((classes,),),
        "processing": ((nodes,), (nodes, classes)),
        "servers": ((nodes, classes, nodes),),
    }
    faults: list[Fault] = []
    for name, shapes in rules.items():
        values, place = getattr(routing, name), f"routing.{name}"
        if values is None:
            continue
        if values.shape not in shapes:
            needed = " or ".join(map(str, shapes))
            faults.append(Fault(f"shape {values.shape} where {needed} is needed", place))
        elif values.dtype.kind not in ("b" if name == "servers" else "fiu"):
            kind = "bool" if name == "servers" else "numbers (ms)"
            faults.append(Fault(f"must be an ndarray of {kind}; found {values.dtype}", place))
        elif name != "servers":
            endless = name == "limit"
            bad = ~(values >= 0) | (~np.isfinite(values) & ~(endless & (values == np.inf)))
            if bad.any():
                spot = tuple(np.argwhere(bad)[0])
                dim = {"latency": "arc", "limit": "workload", "processing": "node"}[name]
                label = layout.index(dim)[spot[0]]
                rule = "must be a number of ms, not negative" + (
                    "" if endless else ", and must not be infinite"
                )
                faults.append(Fault(f"{rule}; found {values[spot]:g} at {dim} {str(label)!r}", place))
    return faults
