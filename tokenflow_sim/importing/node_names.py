"""Which places of a file become nodes, and under which names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from pydantic import TypeAdapter, ValidationError

from tokenflow_sim.errors import Fault, InputError, unknown_name
from tokenflow_sim.importing.faults import Faults
from tokenflow_sim.scenario.fields import Name

Nodes = Mapping[str, str] | Iterable[str] | None
"""Nodes of a scenario by their name in the file; or the names to keep as they are; None keeps all."""

_NAME: TypeAdapter[str] = TypeAdapter(Name)


def parse_nodes(texts: Iterable[str] | None) -> dict[str, str] | None:
    """Read ``FILE_NODE=SCENARIO_NODE`` pairs of the command line; one without ``=`` keeps its name.

    Raises
    ------
    InputError
        If a pair lacks a name, or names a place twice.
    """
    nodes: dict[str, str] = {}
    faults = []
    for text in texts or ():
        name, equals, node = (part.strip() for part in text.rpartition("="))
        name, node = (name, node) if equals else (node, scenario_name(node))
        if not name or not node:
            faults.append(
                Fault("give the name in the file and the node, e.g. TH_NP15=california", f"--node {text}")
            )
        elif name in nodes:
            faults.append(Fault(f"{name!r} is named more than once", f"--node {text}"))
        nodes[name] = node
    if faults:
        raise InputError(faults, "the command line")
    return nodes or None


def scenario_name(text: str) -> str:
    """Return the nearest text that the scenario format takes as a name."""
    try:
        return _NAME.validate_python(text)
    except ValidationError:
        plain = re.sub(r"[^\w \-]+", "_", text.strip()).strip(" _-")[:64].strip()
        return plain or "unnamed"


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
            message = (
                f"{back[node]!r} and {place!r} would both be node {node!r}; name them by --node PLACE=NODE"
            )
            faults.add(message, file=file)
        back[node] = place
        if nodes is None and node != place:
            notes.append(f"{place!r} is called {node!r}, since the format takes no such name")
    return named, notes


def listed(names: list[str], most: int = 8) -> str:
    """List the first few names, and how many there are."""
    more = f", ... ({len(names)} in all)" if len(names) > most else ""
    return ", ".join(names[:most]) + more
