"""The residency rules of a scenario as numbers, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from tokenflow_sim.errors import unknown_name
from tokenflow_sim.numeric import Bools, Ints
from tokenflow_sim.scenario.links import Links
from tokenflow_sim.scenario.places import Found, Loc, path_of
from tokenflow_sim.scenario.schema import ScenarioFields
from tokenflow_sim.scenario.series import listed
from tokenflow_sim.scenario.zones import ALL, groups_of


@dataclass(frozen=True)
class Rule:
    """One residency rule.

    Parameters
    ----------
    place : tuple
        Where it stands in the scenario.
    workload : str
        The class that it holds for.
    origins, servers : tuple of str
        The nodes whose requests it holds for, and those where they may be processed.
    """

    place: Loc
    workload: str
    origins: tuple[str, ...]
    servers: tuple[str, ...]

    @property
    def label(self) -> str:
        """What results call it, e.g. ``chat.eu``: its dotted path below `residency`."""
        return path_of(self.place[1:])


def rules_of(scenario: ScenarioFields) -> tuple[Rule, ...]:
    """Return the residency rules in the order of the file; unknown names stand for no node."""
    groups = groups_of(scenario)
    rules = []
    for workload, by_origin in scenario.residency.items():
        for origin, residence in by_origin.items():
            if residence is None:
                continue
            given = list(scenario.nodes) if residence.within is None else _members(groups, residence.within)
            barred = set(_members(groups, residence.outside or ()))
            servers = {node for node in given if node not in barred}
            rules.append(
                Rule(
                    ("residency", workload, origin),
                    workload,
                    groups.get(origin, ()),
                    tuple(node for node in scenario.nodes if node in servers),
                )
            )
    return tuple(rules)


def _members(groups: Mapping[str, tuple[str, ...]], names: Sequence[str]) -> list[str]:
    return [node for name in names for node in groups.get(name, ())]


def server_mask(scenario: ScenarioFields) -> Bools | None:
    """Return where each class may be processed, dims (origin node, workload, node); None without rules."""
    if not scenario.residency:
        return None
    spot = {name: number for number, name in enumerate(scenario.nodes)}
    column = {name: number for number, name in enumerate(scenario.workloads)}
    mask = np.ones((len(spot), len(column), len(spot)), dtype=np.bool_)
    for rule in rules_of(scenario):
        servers = np.zeros(len(spot), dtype=np.bool_)
        servers[[spot[node] for node in rule.servers]] = True
        mask[[spot[node] for node in rule.origins], column[rule.workload]] = servers
    mask.setflags(write=False)
    return mask


def find_residency_faults(
    scenario: ScenarioFields,
    nodes: Sequence[str],
    workloads: Sequence[str],
    dropped: Set[str],
    *,
    knows_servers: bool,
) -> list[Found]:
    """Find unknown names, rules for the same requests, and rules that leave requests without a server.

    Parameters
    ----------
    scenario : ScenarioFields
        The scenario.
    nodes, workloads : sequence of str
        Names of all nodes and classes, those with faults among them.
    dropped : set of str
        Sections that could not be read: nothing is said about names in them.
    knows_servers : bool
        Whether all assets and their hardware were read, so that it is known where a class has servers.
    """
    found: list[Found] = []
    groups = groups_of(scenario)
    # The zone of a node whose row was lost is unknown, and so is what a zone of that name would mean.
    whole = not {"nodes", "zones"} & dropped and all(name in scenario.nodes for name in nodes)
    places = [name for name in groups if name != ALL]
    for workload, by_origin in scenario.residency.items():
        if workload not in workloads and "workloads" not in dropped:
            found.append((("residency", workload), unknown_name("workload", workload, list(workloads))))
        for origin, residence in by_origin.items():
            place: Loc = ("residency", workload, origin)
            named = [origin]
            if residence is not None:
                named += [*(residence.within or ()), *(residence.outside or ())]
            found += [
                (place, unknown_name("place", name, places))
                for name in dict.fromkeys(named)
                if whole and name not in groups
            ]
    unsound = {loc for loc, _ in found}
    if not whole:
        return found
    first: dict[tuple[str, str], str] = {}
    served = _served(scenario) if knows_servers else None
    for rule in rules_of(scenario):
        if rule.place in unsound or rule.place[:2] in unsound:
            continue
        origin = str(rule.place[2])
        twice = [node for node in rule.origins if (rule.workload, node) in first]
        if twice:
            other = first[rule.workload, twice[0]]
            found.append(
                (
                    rule.place,
                    f"and the rule of {other} both hold for {rule.workload} from {listed(twice)}; give one rule",
                )
            )
        for node in rule.origins:
            first.setdefault((rule.workload, node), origin)
        if not rule.origins:
            found.append((rule.place, f"holds for nobody: no node is in {origin}"))
        elif not rule.servers:
            found.append(
                (
                    rule.place,
                    f"leaves {rule.workload} from {origin} nowhere to go: `not` names all of the places",
                )
            )
        elif served is not None and not served.get(rule.workload, set()) & set(rule.servers):
            there = [node for node in scenario.nodes if node in served.get(rule.workload, set())]
            known = f"; it has servers at {listed(there)}" if there else ", nor anywhere else"
            found.append(
                (
                    rule.place,
                    f"leaves {rule.workload} from {origin} nowhere to go: no asset at {listed(rule.servers)} serves"
                    f" it{known}",
                )
            )
    return found


def _served(scenario: ScenarioFields) -> dict[str, set[str]]:
    """Return the nodes where each class has a server."""
    served: dict[str, set[str]] = {}
    for provider in scenario.providers.values():
        for asset in provider.assets:
            hardware = scenario.hardware.get(asset.hardware)
            for workload, rate in ({} if hardware is None else hardware.rates).items():
                if rate > 0:
                    served.setdefault(workload, set()).add(asset.node)
    return served


def find_reach_faults(scenario: ScenarioFields, links: Links) -> list[Found]:
    """Find rules whose places lie beyond the latency limit of the class, where it holds for whole paths.

    Parameters
    ----------
    scenario : ScenarioFields
        A scenario whose names were checked.
    links : Links
        Its arcs.
    """
    if scenario.rules.latency_rule != "path" or scenario.rules.bandwidth == "none" or not scenario.residency:
        return []
    nearest = fastest(len(scenario.nodes), links)
    names = list(scenario.nodes)
    spot = {name: number for number, name in enumerate(names)}
    served, found = _served(scenario), []
    for rule in rules_of(scenario):
        limit = scenario.workloads[rule.workload].latency_limit
        servers = [node for node in rule.servers if node in served.get(rule.workload, set())]
        if limit is None or not servers:
            continue
        reach = nearest[np.ix_([spot[node] for node in rule.origins], [spot[node] for node in servers])]
        best = reach.min(axis=1)
        # Nodes without demand ask for nothing.
        far = [
            (node, at)
            for at, node in enumerate(rule.origins)
            if best[at] > limit * (1 + 1e-12)
            and (scenario.demand.series is not None or scenario.nodes[node].demand_weight > 0)
        ]
        if far:
            node, at = far[0]
            close = f"the nearest, {servers[int(reach[at].argmin())]}, is {best[at]:.4g} ms away"
            if not np.isfinite(best[at]):
                close = "no path leads to one"
            others = f" (and from {listed([other for other, _ in far[1:]])})" if len(far) > 1 else ""
            found.append(
                (
                    rule.place,
                    f"leaves {rule.workload} from {node}{others} nowhere to go within its latency limit of {limit:g}"
                    f" ms: of {listed(servers)}, {close}",
                )
            )
    return found


def fastest(nodes: int, links: Links) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Return the least latency in ms from each node to each other, dims (node, node); infinite where no path leads."""
    latency = np.where(np.isnan(links.latency), np.inf, links.latency)
    usable = np.isfinite(latency) & (links.capacity > 0)
    best: dict[tuple[int, int], float] = {}
    ends: list[Ints] = [links.origin[usable], links.destination[usable]]
    for start, end, ms in zip(*(array.tolist() for array in ends), latency[usable].tolist(), strict=True):
        best[start, end] = min(ms, best.get((start, end), np.inf))
    # A sparse graph takes a stored zero for an edge of length zero; duplicates would be added up.
    pairs = np.array(list(best), dtype=np.int64).reshape(-1, 2)
    graph = csr_array((list(best.values()), (pairs[:, 0], pairs[:, 1])), shape=(nodes, nodes))
    found: np.ndarray[tuple[int, int], np.dtype[np.float64]] = dijkstra(graph)
    return found
