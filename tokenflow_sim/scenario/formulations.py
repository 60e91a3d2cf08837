"""The paper's formulations as data of the network: token equivalents, physical transfer, or no network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tokenflow_sim.market.layout import LinkUnit
from tokenflow_sim.numeric import Floats, Ints
from tokenflow_sim.scenario.geography import ring
from tokenflow_sim.scenario.links import Links, label_of
from tokenflow_sim.scenario.schema import ScenarioFields


@dataclass(frozen=True)
class NetworkArrays:
    """The network as the market sees it, dims (arc,) or (arc, workload); see `Compiled` for meanings."""

    labels: tuple[str, ...]
    origin: Ints
    destination: Ints
    owner: tuple[str, ...]
    distance: Floats
    latency: Floats
    tariff: Floats
    transfer: Floats
    base_route_cost: Floats
    route_cost: Floats
    link_use: Floats
    allowed: NDArray[np.bool_]
    link_capacity: Floats
    link_curvature: Floats
    link_unit: LinkUnit

    def __post_init__(self) -> None:
        """Make every array read-only."""
        for value in vars(self).values():
            if isinstance(value, np.ndarray):
                value.setflags(write=False)


def network_arrays(scenario: ScenarioFields, links: Links) -> NetworkArrays:
    """Return the network under the scenario's bandwidth and latency rules.

    Notes
    -----
    Token equivalents (equation 1): a unit of any class takes one unit of a link, whose capacity is
    W / min_k a_k in Mtok/s; its cost is c + w a_k. Physical (equation 10): a unit takes gamma_k GB, the payload
    with protocol overhead, of a link of W GB/s; its cost is c + w gamma_k. None: see `_pool`.
    """
    rules = scenario.rules
    if rules.bandwidth == "none":
        return _pool(scenario, links)
    classes = list(scenario.workloads.values())
    payload = np.array([item.payload for item in classes])
    shape = (len(links.labels), len(classes))
    if rules.bandwidth == "physical":
        payload = payload * np.array([item.overhead for item in classes])
        use, capacity = np.tile(payload, (shape[0], 1)), links.capacity.copy()
    else:
        least = float(payload.min())
        # Where some class moves no data, token equivalents cannot state a limit.
        capacity = links.capacity / least if least > 0 else np.full(shape[0], np.inf)
        use = np.ones(shape)
    transfer = np.tile(payload, (shape[0], 1))
    limits = np.array([np.inf if item.latency_limit is None else item.latency_limit for item in classes])
    allowed = np.ones(shape, dtype=bool)
    if rules.latency_rule != "none":  # nor can a path be faster than one of its arcs
        # An unknown latency passes no limit; the checks refuse it where a limit is finite.
        allowed = (links.latency[:, None] <= limits) | np.isinf(limits)
    return NetworkArrays(
        labels=links.labels,
        origin=links.origin,
        destination=links.destination,
        owner=links.owner,
        distance=links.distance,
        latency=links.latency,
        tariff=links.tariff,
        transfer=transfer,
        base_route_cost=links.route_cost,
        route_cost=links.route_cost + links.tariff[:, None] * transfer,
        link_use=use,
        allowed=allowed,
        link_capacity=capacity,
        link_curvature=np.full(shape[0], rules.congestion_curvature),
        link_unit="GB/s" if rules.bandwidth == "physical" else "Mtok/s",
    )


def _pool(scenario: ScenarioFields, links: Links) -> NetworkArrays:
    """Return a network that costs nothing and limits nothing: all nodes are one pool.

    Economic dispatch has no network, but a market in which nodes are on their own would be another thing:
    demand could not reach cheap supply elsewhere. So the arcs stay, under their labels, that results line up with
    those of the other formulations. Only where they do not connect all nodes both ways is a ring of arcs
    added, so that every unit of demand can reach every asset.
    """
    size, before = len(scenario.nodes), len(links.labels)
    labels, origin, destination, owner = (
        list(links.labels),
        links.origin,
        links.destination,
        list(links.owner),
    )
    graph = coo_array((np.ones(before), (origin, destination)), shape=(size, size))
    pieces = connected_components(graph, directed=True, connection="strong", return_labels=False)
    if pieces > 1:
        names = list(scenario.nodes)
        start, end = ring(size)
        added = [label_of(names[o], names[d]) for o, d in zip(start, end, strict=True)]
        there = set(labels)
        new = [number for number, label in enumerate(added) if label not in there]
        rest = next((name for name, item in scenario.owners.items() if item.owns == "rest"), None)
        labels += [added[number] for number in new]
        owner += [rest or next(iter(scenario.owners))] * len(new)
        origin = np.concatenate([origin, start[new]])
        destination = np.concatenate([destination, end[new]])
    count, classes = len(labels), len(scenario.workloads)
    unknown = np.full(count - before, np.nan)
    nothing = np.zeros((count, classes))
    return NetworkArrays(
        labels=tuple(labels),
        origin=origin,
        destination=destination,
        owner=tuple(owner),
        distance=np.concatenate([links.distance, unknown]),
        latency=np.concatenate([links.latency, unknown]),
        tariff=np.zeros(count),
        transfer=nothing,
        base_route_cost=nothing,
        route_cost=nothing,
        link_use=np.ones((count, classes)),
        allowed=np.ones((count, classes), dtype=bool),
        link_capacity=np.full(count, np.inf),
        link_curvature=np.zeros(count),
        link_unit="Mtok/s",
    )
