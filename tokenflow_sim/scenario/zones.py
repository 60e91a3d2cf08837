"""Zones: names for groups of nodes, given by a column of the nodes or as lists of their own."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from tokenflow_sim.errors import unknown_name
from tokenflow_sim.scenario.places import Found, Loc
from tokenflow_sim.scenario.schema import ScenarioFields

ALL = "all"
"""Name for every node, where no node or zone is so called."""


def groups_of(scenario: ScenarioFields) -> dict[str, tuple[str, ...]]:
    """Return the nodes that every name stands for: each node, each zone, and `all`.

    Parameters
    ----------
    scenario : ScenarioFields
        The scenario. Names in `zones` that do not exist, and zones that contain themselves, count as empty: the
        checks report them.

    Returns
    -------
    dict of tuple of str
        Nodes by name, in the order of the nodes.
    """
    by_column: dict[str, list[str]] = {}
    for name, node in scenario.nodes.items():
        if node.zone is not None:
            by_column.setdefault(node.zone, []).append(name)
    fixed = {ALL: tuple(scenario.nodes)}
    fixed |= {name: tuple(nodes) for name, nodes in by_column.items()}
    fixed |= {name: (name,) for name in scenario.nodes}

    def expand(name: str, above: tuple[str, ...]) -> set[str]:
        if name in scenario.zones and name not in scenario.nodes and name not in above:
            return {node for member in scenario.zones[name] for node in expand(member, (*above, name))}
        return set(fixed.get(name, ())) if name not in above else set()

    for name in scenario.zones:
        if name in scenario.nodes:
            continue  # the checks refuse it
        found = expand(name, ())
        fixed[name] = tuple(node for node in scenario.nodes if node in found)
    return fixed


def find_zone_faults(scenario: ScenarioFields, known: Collection[str]) -> list[Found]:
    """Find zones that share a name with something else, have unknown members, or contain themselves.

    Parameters
    ----------
    scenario : ScenarioFields
        The scenario.
    known : collection of str
        Names of all nodes, those with faults among them.
    """
    found: list[Found] = []
    by_column = {node.zone for node in scenario.nodes.values() if node.zone is not None}
    for name, node in scenario.nodes.items():
        if node.zone in known:
            found.append(
                (("nodes", name, "zone"), f"{node.zone!r} is the name of a node; call the zone otherwise")
            )
    names = list(dict.fromkeys([*known, *sorted(by_column), *scenario.zones]))
    told: set[str] = set()
    for zone, members in scenario.zones.items():
        place: Loc = ("zones", zone)
        if zone in known:
            found.append((place, "is the name of a node too; call the zone otherwise"))
        elif zone in by_column:
            found.append(
                (place, "is the zone of nodes in their field `zone` too; call one of them otherwise")
            )
        for member in members:
            if member not in names and member != ALL:
                found.append((place, unknown_name("place", member, names)))
        circle = _circle(zone, scenario.zones)
        if circle and not told & set(circle):
            found.append((place, f"contains itself, by {' > '.join(circle)}"))
        told |= set(circle)
    return found


def _circle(zone: str, zones: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return a way from a zone over its members back to it; empty where there is none."""
    seen: set[str] = set()
    todo: list[tuple[str, ...]] = [(zone,)]
    while todo:
        way = todo.pop()
        for member in zones.get(way[-1], ()):
            if member == zone:
                return (*way, zone)
            if member in zones and member not in seen:
                seen.add(member)
                todo.append((*way, member))
    return ()
