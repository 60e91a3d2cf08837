"""Files of network topologies -> one graph: nodes with coordinates, links with what the file says of each."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tokenflow_sim.errors import unknown_name
from tokenflow_sim.importing.faults import refuse
from tokenflow_sim.scenario.extra import load_extra

SUBJECT = "the topology"
FORMATS = ("gml", "graphml", "json", "sndlib")
_LATITUDE = ("latitude", "lat", "y")
_LONGITUDE = ("longitude", "lon", "lng", "long", "x")
_OPENING = re.compile(r"^[ \t]*graph\s*\[", re.MULTILINE)
_MULTIGRAPH = re.compile(r"^[ \t]*multigraph\s+\d", re.MULTILINE)


@dataclass(frozen=True)
class Place:
    """A node of a graph.

    Parameters
    ----------
    label : str
        Its name in words.
    latitude, longitude : float or None
        In degrees; None where the file says none.
    """

    label: str
    latitude: float | None = None
    longitude: float | None = None


@dataclass(frozen=True)
class Link:
    """A link of a graph.

    Parameters
    ----------
    origin, destination : hashable
        Keys of its ends among the nodes.
    attributes : mapping
        What the file says of it.
    """

    origin: Hashable
    destination: Hashable
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Graph:
    """A topology as its file has it.

    Parameters
    ----------
    title : str
        The format in words.
    name : str
        What the file calls itself; empty where it does not.
    directed : bool
        Whether a link goes one way only.
    nodes : dict
        Nodes by key.
    links : list of Link
        The links, in order.
    unit : str
        Unit of capacities that are plain numbers.
    notes : tuple of str
        What was assumed or left out.
    """

    title: str
    name: str
    directed: bool
    nodes: dict[Hashable, Place]
    links: list[Link]
    unit: str = "Gbit/s"
    notes: tuple[str, ...] = ()


def read_text(path: Path) -> str:
    """Return a file's text: UTF-8, or Latin-1 where it is not.

    Raises
    ------
    DataError
        If it cannot be read, or is empty.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise refuse(SUBJECT, f"cannot be read: {error.strerror or error}", file=path) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    if not text.strip():
        raise refuse(SUBJECT, "is empty", file=path)
    return text


def recognise(path: Path, text: str, name: str | None) -> str:
    """Return the format of a file, by its beginning.

    Raises
    ------
    DataError
        If the format is unknown.
    """
    if name is not None:
        if name not in FORMATS:
            raise refuse(SUBJECT, unknown_name("format", name, FORMATS))
        return name
    start = text.lstrip()[:2000]
    if start.startswith("{"):
        return "json"
    if start.startswith("?SNDlib") or re.search(r"^\s*NODES\s*\(", text, re.MULTILINE):
        return "sndlib"
    if start.startswith("<"):
        return "graphml" if "graphml" in start.lower() else "sndlib"
    if _OPENING.search(text):
        return "gml"
    raise refuse(
        SUBJECT,
        "is of no known format: GML, GraphML, node-link JSON and SNDlib (native or XML) are read; say which it is by"
        " format (--format)",
        file=path,
    )


def read_graph(path: Path, text: str, form: str) -> Graph:
    """Read GML, GraphML or node-link JSON by networkx.

    Raises
    ------
    DataError
        If networkx refuses the file, or it has no nodes.
    ResultError
        If networkx is not installed.
    """
    networkx = load_extra("networkx", "a topology")
    notes: list[str] = []
    try:
        if form == "gml":
            found = _read_gml(networkx, text)
        elif form == "graphml":
            found = networkx.parse_graphml(text, force_multigraph=True)
        else:
            data = json.loads(text)
            edges = next((key for key in ("links", "edges") if isinstance(data, dict) and key in data), None)
            if edges is None or "nodes" not in data:
                raise refuse(
                    SUBJECT, "is no node-link JSON: it needs `nodes` and `links` (or `edges`)", file=path
                )
            found = networkx.node_link_graph(data, edges=edges)
    except json.JSONDecodeError as error:
        raise refuse(SUBJECT, f"is no JSON: {error.msg}", file=path, line=error.lineno) from None
    except (ArithmeticError, AttributeError, LookupError, RecursionError, SyntaxError, TypeError, ValueError,
            networkx.NetworkXException) as error:  # fmt: skip
        if type(error).__module__.startswith("tokenflow_sim"):
            raise
        line = re.search(r"line (\d+)|\(\s*(\d+),", str(error))
        message = f"cannot be read as {form}: {' '.join(str(error).split()) or type(error).__name__}"
        raise refuse(
            SUBJECT, message[:300], file=path, line=int(line[1] or line[2]) if line else None
        ) from None
    nodes = {key: _place(key, attributes) for key, attributes in found.nodes(data=True)}
    if not nodes:
        raise refuse(SUBJECT, "has no nodes", file=path)
    links = [
        Link(origin, destination, dict(attributes))
        for origin, destination, attributes in found.edges(data=True)
    ]
    name = str(found.graph.get("label") or found.graph.get("Network") or found.graph.get("name") or "")
    title = {"gml": "GML", "graphml": "GraphML", "json": "node-link JSON"}[form]
    return Graph(title, name, bool(found.is_directed()), nodes, links, notes=tuple(notes))


def _read_gml(networkx: Any, text: str) -> Any:
    """Read GML by node ids, parallel edges allowed: many files have some and do not say so."""
    if not _MULTIGRAPH.search(text):
        text = _OPENING.sub(lambda found: f"{found[0]}\n  multigraph 1", text, count=1)
    return networkx.parse_gml(text.splitlines(), label="id")


def _place(key: Hashable, attributes: Mapping[str, Any]) -> Place:
    named = next(
        (attributes[name] for name in ("label", "name", "Label", "Name") if attributes.get(name)), key
    )
    latitude, longitude = pick(attributes, _LATITUDE), pick(attributes, _LONGITUDE)
    pos = attributes.get("pos") or attributes.get("coordinates")
    if latitude is None and isinstance(pos, (list, tuple)) and len(pos) == 2:
        longitude, latitude = pos  # x before y, as drawing tools and GeoJSON have it
    return place_at(str(named), latitude, longitude)


def pick(attributes: Mapping[str, Any], names: Iterable[str]) -> Any:
    """Return the first attribute of these names, whatever their case; None where there is none."""
    by_name = {name.lower(): value for name, value in attributes.items()}
    return next((by_name[name] for name in names if by_name.get(name) is not None), None)


def place_at(label: str, latitude: Any, longitude: Any) -> Place:
    """Return a node with its coordinates, or without where they are none on Earth."""
    try:
        north, east = float(latitude), float(longitude)
    except (TypeError, ValueError):
        return Place(label)
    if abs(north) <= 90 and abs(east) <= 180:
        return Place(label, north, east)
    return Place(label)
