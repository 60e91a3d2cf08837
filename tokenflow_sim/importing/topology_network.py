"""Topologies of communication networks -> nodes and arcs, or a whole scenario on them."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Hashable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tokenflow_sim.importing.faults import Faults, refuse
from tokenflow_sim.importing.imported import TABLE, Imported, Summary, comment
from tokenflow_sim.importing.link_speed import unit_factor
from tokenflow_sim.importing.names import is_name, map_names, renamed
from tokenflow_sim.importing.topology_graph import SUBJECT, Graph, read_graph, read_text, recognise
from tokenflow_sim.importing.topology_links import Carried, LinkOptions, read_links, words_of
from tokenflow_sim.importing.topology_scenario import market_of
from tokenflow_sim.importing.topology_sndlib import read_sndlib
from tokenflow_sim.numerals import counted
from tokenflow_sim.scenario.links import label_of

_LISTED = 8


def topology(
    file: str | Path,
    *,
    format: str | None = None,
    capacity: float = 1.25,
    capacity_attribute: str | None = None,
    capacity_unit: str | None = None,
    latency: float | None = None,
    km_per_ms: float = 200.0,
    hop_latency: float = 5.0,
    both: bool = False,
    map: Mapping[str, str] | None = None,
    scenario: bool = False,
    name: str | None = None,
) -> Imported:
    """Make nodes and arcs of a network's topology.

    Parameters
    ----------
    file : path
        GML, GraphML, node-link JSON or SNDlib (native or XML).
    format : str, optional
        ``gml``, ``graphml``, ``json`` or ``sndlib``; recognised if left out.
    capacity : float
        GB/s of a link whose speed the file does not say.
    capacity_attribute : str, optional
        Attribute of links that holds the capacity. If left out, those that the Internet Topology Zoo and others use:
        ``LinkSpeedRaw`` (bit/s), ``LinkSpeed`` and ``LinkSpeedUnits``, numbers called ``capacity`` or ``bandwidth``,
        speeds in words such as ``OC-192`` or ``10 Gbps``.
    capacity_unit : str, optional
        Unit of capacities that are plain numbers, e.g. ``Mbit/s`` or ``GB/s``; if left out, the file's, Gbit/s where
        it says none.
    latency : float, optional
        Latency in ms where neither the file nor coordinates say it.
    km_per_ms, hop_latency : float
        Speed of a signal in fibre in km/ms and latency of a hop in ms, as in `network` of a scenario: an arc's
        latency is its great-circle distance over the one plus the other.
    both : bool
        Add the opposite of every link of a directed file that has none. Links without a direction always become two
        arcs.
    map : mapping, optional
        Names of nodes by their label in the file.
    scenario : bool
        Make a whole scenario that runs, with classes, hardware and providers by assumption.
    name : str, optional
        Name of the scenario; the file's if left out.

    Returns
    -------
    Imported
        With the tables ``nodes.csv`` and ``arcs.csv``.

    Raises
    ------
    DataError
        If an argument or the file has faults.
    ResultError
        If networkx is needed and not installed.
    """
    path = Path(file)
    _check(capacity, capacity_unit, latency, km_per_ms, hop_latency, map, path)
    text = read_text(path)
    form = recognise(path, text, format)
    graph = read_sndlib(path, text) if form == "sndlib" else read_graph(path, text, form)
    unit = capacity_unit or graph.unit
    options = LinkOptions(capacity, capacity_attribute, unit, latency, km_per_ms, hop_latency)
    links = read_links(graph, options, path)
    labels = _labels(graph)
    names = map_names(labels.values(), map)
    node_of = {key: names[label] for key, label in labels.items()}
    repeated = [node for node, count in Counter(node_of.values()).items() if count > 1]
    if repeated:
        raise refuse(
            SUBJECT,
            f"would call several nodes {', '.join(repeated)}: map each to a name of its own",
            file=path,
        )
    arcs, added, alone = _arcs(graph, links, node_of, both)
    nodes = _nodes(graph, node_of)
    assumed = _assumed(graph, links, options, names, capacity_unit, added, alone)
    odd = _odd(graph, links, node_of, arcs)
    noted = [*assumed, *(f"{heading}: {text}" for heading, text in odd.items())]
    known_delay = not arcs["latency"].isna().any()
    title = name or graph.name or path.name.partition(".")[0]
    label = next(iter(map_names([title]).values()))
    if scenario:
        lines, tables = market_of(label, path.name, nodes, arcs, known_delay, noted)
    else:
        lines, tables = (
            _lines(path, graph, options, noted),
            {"nodes.csv": nodes, "arcs.csv": arcs},
        )
    size = f"{counted(len(nodes), 'node')} and {counted(len(graph.links), 'link')}"
    summary = Summary(
        f"topology of {path.name} ({graph.title}): {size}",
        {
            "rows read": f"{size}; {counted(len(arcs), 'arc')} written",
            "capacity": f"{arcs['capacity'].min():g} to {arcs['capacity'].max():g} GB/s; links by source:"
            f" {words_of(links.sources)}" if len(arcs) else "",
            "latency": f"{arcs['latency'].min():.4g} to {arcs['latency'].max():.4g} ms; links by source:"
            f" {words_of(links.delays)}" if arcs["latency"].notna().any() else "",
            **odd,
            "assumed": assumed,
        },
    )  # fmt: skip
    return Imported("topology", tables, lines, summary, whole=scenario)


def _check(
    capacity: float,
    unit: str | None,
    latency: float | None,
    km_per_ms: float,
    hop: float,
    map: Mapping[str, str] | None,
    path: Path,
) -> None:
    """Check the arguments, and say all that is wrong at once."""
    faults = Faults(SUBJECT)
    for what, value, least in (
        ("capacity", capacity, 0.0),
        ("latency", latency, 0.0),
        ("hop_latency", hop, 0.0),
    ):
        if value is not None and not (math.isfinite(value) and value >= least):
            faults.add(f"must be zero or more; found {value:g}", file=what)
    if not (math.isfinite(km_per_ms) and km_per_ms > 0):
        faults.add(f"must be above zero; found {km_per_ms:g}", file="km_per_ms")
    if unit is not None:
        try:
            unit_factor(unit)
        except ValueError as error:
            faults.add(str(error), file="capacity_unit")
    for name in (map or {}).values():
        if not is_name(name):
            faults.add(f"no scenario takes {name!r} for a name")
    faults.check()


def _labels(graph: Graph) -> dict[Hashable, str]:
    """Return a label of its own for each node: with its key where several have the same."""
    count = Counter(place.label for place in graph.nodes.values())
    return {
        key: place.label if count[place.label] == 1 else f"{place.label} {key}"
        for key, place in graph.nodes.items()
    }


def _arcs(
    graph: Graph, links: Carried, node_of: Mapping[Hashable, str], both: bool
) -> tuple[pd.DataFrame, int, int]:
    """Return the arcs, how many were added to one-way links, and how many links have no opposite."""
    there = {(node_of[a], node_of[b]) for a, b in links.ends}
    rows: list[tuple[str, str, str, float, float | None]] = []
    used: Counter[str] = Counter()
    added = alone = 0
    for (a, b), capacity, delay in zip(links.ends, links.capacity, links.delay, strict=True):
        ways = [(node_of[a], node_of[b])]
        back = ways[0][::-1]
        if not graph.directed:
            ways.append(back)
        elif back not in there:
            alone += 1
            if both:
                added += 1
                ways.append(back)
        for origin, destination in ways:
            label = label_of(origin, destination)
            used[label] += 1
            # Parallel links stay apart: each is an arc of its own, with a number from the second on.
            own = label if used[label] == 1 else f"{label}:{used[label]}"
            rows.append((own, origin, destination, capacity, delay))
    frame = pd.DataFrame(rows, columns=["arc", "origin", "destination", "capacity", "latency"])
    frame["latency"] = frame["latency"].astype(float)
    if frame["arc"].equals(frame["origin"] + "->" + frame["destination"]):
        frame = frame.drop(columns="arc")
    return frame, added, alone


def _nodes(graph: Graph, node_of: Mapping[Hashable, str]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "node": [node_of[key] for key in graph.nodes],
            "latitude": [place.latitude for place in graph.nodes.values()],
            "longitude": [place.longitude for place in graph.nodes.values()],
            "demand_weight": 1.0,
            "time_zone": [_zone(place.longitude) for place in graph.nodes.values()],
        }
    ).astype({"latitude": float, "longitude": float})


def _zone(longitude: float | None) -> str:
    """Return the nautical time zone of a longitude: fifteen degrees an hour."""
    hours = 0 if longitude is None else round(longitude / 15)
    return f"UTC{hours:+03d}:00" if hours else "UTC"


def _assumed(
    graph: Graph,
    links: Carried,
    options: LinkOptions,
    names: Mapping[str, str],
    unit: str | None,
    added: int,
    alone: int,
) -> list[str]:
    """Return what was assumed, a line each."""
    notes = list(graph.notes)
    if not graph.directed:
        notes.append("a link has its capacity each way: it becomes two arcs")
    elif added:
        notes.append(f"{counted(added, 'one-way link')} got an opposite of the same capacity")
    elif alone:
        notes.append(
            f"{counted(alone, 'link')} of this directed file have no opposite: one-way arcs; both (--both) adds them"
        )
    if links.sources["without a speed"]:
        links_without = counted(links.sources["without a speed"], "link")
        notes.append(
            f"{links_without} without a speed: {options.capacity:g} GB/s; capacity (--capacity) says another"
        )
    if unit is None and any(re.search(rf"\bin {options.unit}$", source) for source in links.sources):
        notes.append(
            f"capacities that are plain numbers are in {options.unit}; capacity_unit (--capacity-unit) says another"
        )
    notes.append("8 bits a byte; what protocols add is not taken off")
    if links.delays["from the great-circle distance"] or links.delays["from its length in km"]:
        notes.append(f"latency: distance / {options.km_per_ms:g} km per ms + {options.hop:g} ms a hop")
    notes.append("time zones are by longitude, 15 degrees an hour; every node has a demand weight of 1")
    if changed := renamed(names):
        notes.append(f"names of nodes: {changed}")
    return notes


def _odd(graph: Graph, links: Carried, node_of: Mapping[Hashable, str], arcs: pd.DataFrame) -> dict[str, str]:
    """Name what a market may stumble over: nodes without coordinates, apart from others, links to themselves."""
    found: dict[str, str] = {}
    lost = [node_of[key] for key, place in graph.nodes.items() if place.latitude is None]
    if lost:
        found["no coordinates"] = f"{counted(len(lost), 'node')}: {_some(lost)}"
    position = {node: number for number, node in enumerate(node_of.values())}
    ends = [arcs[end].map(position).to_numpy(dtype=int) for end in ("origin", "destination")]
    size = len(position)
    matrix = coo_array((np.ones(len(arcs)), (ends[0], ends[1])), shape=(size, size))
    count, part = connected_components(matrix, directed=False)
    if count > 1:
        largest = np.bincount(part).argmax()
        apart = [node for node, number in position.items() if part[number] != largest]
        found["disconnected"] = f"{count} parts; outside of the largest: {_some(apart)}"
    if links.loops:
        found["dropped"] = f"{counted(len(links.loops), 'link')} of a node to itself: {_some(links.loops)}"
    unknown = arcs[arcs["latency"].isna()]
    if len(unknown):
        pairs = [label_of(*pair) for pair in zip(unknown["origin"], unknown["destination"], strict=True)]
        found["no latency"] = (
            f"{counted(len(unknown), 'arc')}: {_some(pairs)} ; latency (--latency) gives one"
        )
    return found


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _lines(path: Path, graph: Graph, options: LinkOptions, notes: list[str]) -> str:
    """Return the lines of a scenario that use the tables."""
    return "\n".join(
        [
            comment(f"Network of {path.name} ({graph.title})."),
            *(comment(note) for note in notes),
            comment("Assets need nodes with an electricity_price, in $/kWh: add that column, or a series."),
            f"nodes: {TABLE}",
            "network:",
            f"  km_per_ms: {options.km_per_ms:g}",
            f"  hop_latency: {options.hop:g}",
            "  arcs: arcs.csv",
            "",
        ]
    )
