"""The arcs of a scenario as arrays: by rule and by table, with their owners and tariffs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tokenflow_sim.numeric import Floats, Ints
from tokenflow_sim.scenario.geography import count, haversine, join, latency
from tokenflow_sim.scenario.network import Arc
from tokenflow_sim.scenario.places import Found, Loc
from tokenflow_sim.scenario.schema import ScenarioFields


@dataclass(frozen=True)
class Links:
    """All arcs, dims (arc,) unless stated otherwise.

    Parameters
    ----------
    labels : tuple of str
        Names, origin->destination unless the table names them.
    origin, destination : ndarray of int
        Positions of the ends.
    capacity, distance, latency, tariff : ndarray
        In GB/s, km (NaN where unknown), ms and $/GB.
    route_cost : ndarray
        Cost beside the tariff in $/Mtok, dims (arc, workload).
    owner : tuple of str
        Owners; empty where no rule names one.
    """

    labels: tuple[str, ...]
    origin: Ints
    destination: Ints
    capacity: Floats
    distance: Floats
    latency: Floats
    tariff: Floats
    route_cost: Floats
    owner: tuple[str, ...]


def label_of(origin: str, destination: str) -> str:
    """Return the name of an arc that has no other."""
    return f"{origin}->{destination}"


def table_places(scenario: ScenarioFields) -> Iterator[tuple[Loc, str, Arc]]:
    """Yield place, label and content of the arcs of the table."""
    for label, arc in scenario.network.arcs.items():
        yield ("network", "arcs", label), label, arc


def reverse_label(label: str, arc: Arc) -> str:
    """Return the name of the other direction of an undirected link."""
    named = label != label_of(arc.origin, arc.destination)
    return f"{label}:reverse" if named else label_of(arc.destination, arc.origin)


def directed_rows(scenario: ScenarioFields) -> Iterator[tuple[str, Arc]]:
    """Yield label and content of the arcs of the table, both directions of undirected links."""
    for _, label, arc in table_places(scenario):
        yield label, arc
        if arc.undirected:
            turned = {"origin": arc.destination, "destination": arc.origin}
            yield reverse_label(label, arc), arc.model_copy(update=turned)


def _sites(scenario: ScenarioFields) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return latitude and longitude of the nodes (NaN where unknown), and which are on the backbone."""
    nodes = list(scenario.nodes.values())
    latitude = np.array([np.nan if node.latitude is None else node.latitude for node in nodes])
    longitude = np.array([np.nan if node.longitude is None else node.longitude for node in nodes])
    has_backbone = scenario.network.tier1 is not None
    return latitude, longitude, np.array([node.tier1 and has_backbone for node in nodes])


def count_links(scenario: ScenarioFields, most: int) -> int:
    """Count the arcs of a scenario without making them; past `most` of them the count is a lower bound."""
    latitude, longitude, on_backbone = _sites(scenario)
    by_rule = count(latitude, longitude, scenario.network.max_distance, on_backbone, most)
    return max(by_rule, sum(1 + bool(arc.undirected) for arc in scenario.network.arcs.values()))


def make_links(scenario: ScenarioFields) -> Links:
    """Make the arcs of a scenario whose names were checked."""
    network, names = scenario.network, list(scenario.nodes)
    position = {name: number for number, name in enumerate(names)}
    latitude, longitude, on_backbone = _sites(scenario)
    pairs = join(latitude, longitude, network.max_distance, on_backbone)
    labels = [label_of(names[o], names[d]) for o, d in zip(pairs.origin, pairs.destination, strict=True)]
    origin, destination = pairs.origin.tolist(), pairs.destination.tolist()
    rows: dict[int, Arc] = {}
    spot = {label: number for number, label in enumerate(labels)}
    for label, arc in directed_rows(scenario):
        ends = position[arc.origin], position[arc.destination]
        number = spot.get(label)
        if number is None:
            number = len(labels)
            labels.append(label)
            origin.append(ends[0])
            destination.append(ends[1])
        rows[number] = arc

    start, end = np.array(origin, dtype=np.int64), np.array(destination, dtype=np.int64)
    distance = haversine(latitude[start], longitude[start], latitude[end], longitude[end])
    backbone = on_backbone[start] & on_backbone[end]
    capacity = np.full(len(labels), network.capacity)
    if network.tier1 is not None:
        capacity[backbone] = network.tier1.capacity
    delay = latency(distance, network.km_per_ms, network.hop_latency)
    route = np.array([network.route_cost.get(name, 0.0) for name in scenario.workloads])
    route_cost = np.tile(route, (len(labels), 1))
    owner = owners_by_rule(scenario, [names[o] for o in origin], backbone.tolist())
    tariff = np.empty(len(labels))
    for number, arc in rows.items():
        if arc.capacity is not None:
            capacity[number] = arc.capacity
        if arc.latency is not None:
            delay[number] = arc.latency
        if arc.route_cost is not None:
            route_cost[number] = arc.route_cost
        if arc.owner is not None:
            owner[number] = arc.owner
    by_owner = {
        name: network.tariff if item.tariff is None else item.tariff for name, item in scenario.owners.items()
    }
    for number, name in enumerate(owner):
        own = rows[number].tariff if number in rows else None
        tariff[number] = by_owner.get(name, network.tariff) if own is None else own
    return Links(tuple(labels), start, end, capacity, distance, delay, tariff, route_cost, tuple(owner))


def owners_by_rule(scenario: ScenarioFields, origins: list[str], backbone: list[bool]) -> list[str]:
    """Return the owner of each arc by the owners' rules; empty where no rule applies."""
    tier1 = rest = ""
    by_node: dict[str, str] = {}
    for name, owner in scenario.owners.items():
        if owner.owns == "tier1":
            tier1 = name
        elif owner.owns == "rest":
            rest = name
        else:
            by_node |= dict.fromkeys(owner.owns, name)
    return [
        tier1 if tier1 and fast else by_node.get(origin, rest)
        for origin, fast in zip(origins, backbone, strict=True)
    ]


def find_link_faults(scenario: ScenarioFields, links: Links) -> list[Found]:
    """Find arcs without an owner or a latency, once names were checked."""
    found: list[Found] = []
    ownerless = [label for label, owner in zip(links.labels, links.owner, strict=True) if not owner]
    if ownerless:
        more = f" and {len(ownerless) - 5} more" if len(ownerless) > 5 else ""
        message = (
            f"nobody owns {', '.join(ownerless[:5])}{more}; let one owner own `rest`,"
            " or name owners in the table of arcs"
        )
        found.append((("owners",), message))
    for loc, label, arc in table_places(scenario):
        other = reverse_label(label, arc)
        if arc.undirected and other in scenario.network.arcs:
            found.append(
                (loc, f"is undirected, and so makes {other}, which the table has too; leave one out")
            )
    limited = any(item.latency_limit is not None for item in scenario.workloads.values())
    if limited and scenario.rules.latency_rule != "none" and scenario.rules.bandwidth != "none":
        unknown = [links.labels[number] for number in np.flatnonzero(np.isnan(links.latency))]
        for label in unknown[:20]:
            message = "has no latency: give it one, or give both of its ends latitude and longitude"
            found.append((("network", "arcs", label), message))
    return found
