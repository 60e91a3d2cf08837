"""Names of other tools as names of a scenario: which places become nodes, and what they are called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from pydantic import TypeAdapter, ValidationError

from tokenflow_sim.errors import unknown_name
from tokenflow_sim.importing.faults import Faults
from tokenflow_sim.scenario.fields import Name

Nodes = Mapping[str, str] | Iterable[str] | None
"""Nodes of a scenario by their name in the file; or the names to keep as they are; None keeps all."""

_NAME: TypeAdapter[str] = TypeAdapter(Name)
_LONGEST = 64


def scenario_name(text: str) -> str:
    """Return the nearest text that the scenario format takes as a name."""
    try:
        return _NAME.validate_python(text)
    except ValidationError:
        plain = re.sub(r"[^\w \-]+", "_", text.strip()).strip(" _-")[:_LONGEST].strip()
        return plain or "unnamed"


def is_name(text: str) -> bool:
    """Say whether a scenario takes a text as a name."""
    return scenario_name(text) == text


def map_names(names: Iterable[str], given: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the name that each text has in a scenario.

    Parameters
    ----------
    names : iterable of str
        Names of the other tool.
    given : mapping, optional
        Names to use, by name of the other tool. Several may share one.

    Returns
    -------
    dict
        By name of the other tool: the given name; else itself where a scenario takes it; else what is left of it, made
        unique by a number.
    """
    given = given or {}
    wanted = dict.fromkeys(names)
    result = {name: given.get(name, name) for name in wanted if name in given or is_name(name)}
    taken = set(result.values())
    for name in wanted:
        if name not in result:
            stem = scenario_name(name)
            fitting, number = stem, 2
            while fitting in taken or not is_name(fitting):
                fitting = f"{stem[: _LONGEST - 8]}_{number}"
                number += 1
            result[name] = fitting
            taken.add(fitting)
    return {name: result[name] for name in wanted}


def renamed(mapping: Mapping[str, str], most: int = 8) -> str:
    """Return the names that changed in words; empty where none did."""
    changed = [f"{old!r} is {new!r}" for old, new in mapping.items() if old != new]
    more = f" and {len(changed) - most} more" if len(changed) > most else ""
    return ", ".join(changed[:most]) + more


def name_nodes(
    found: Iterable[str], nodes: Nodes, faults: Faults, file: str
) -> tuple[dict[str, str], list[str]]:
    """Choose and name the nodes.

    Parameters
    ----------
    found : iterable of str
        Names in the file, in order.
    nodes : mapping, iterable of str or None
        What the user asked for.
    faults : Faults
        Takes what is wrong: names that are not in the file, two places of one name.
    file : str
        The file, for messages.

    Returns
    -------
    dict
        Name of the node by name in the file, of those that are kept.
    list of str
        What was left out or renamed, in words.
    """
    places = list(dict.fromkeys(found))
    notes = []
    if nodes is None:
        named = {place: scenario_name(place) for place in places}
    else:
        asked = dict(nodes) if isinstance(nodes, Mapping) else {name: scenario_name(name) for name in nodes}
        for name in asked:
            if name not in places:
                faults.add(unknown_name("place", name, places), file=file)
        named = {place: asked[place] for place in places if place in asked}
        left = [place for place in places if place not in asked]
        if left:
            notes.append(f"{len(left)} of {len(places)} places, not asked for: {listed(left)}")
    back: dict[str, str] = {}
    for place, node in named.items():
        if node in back:
            message = f"{back[node]!r} and {place!r} would both be node {node!r}; name them by map (--map PLACE=NODE)"
            faults.add(message, file=file)
        back[node] = place
        if nodes is None and node != place:
            notes.append(f"{place!r} is called {node!r}, since the format takes no such name")
    return named, notes


def listed(names: list[str], most: int = 8) -> str:
    """List the first few names, and how many there are."""
    more = f", ... ({len(names)} in all)" if len(names) > most else ""
    return ", ".join(names[:most]) + more
