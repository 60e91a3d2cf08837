"""Networks of SNDlib, native and XML (Orlowski, Pioro, Tomaszewski and Wessaely, Networks 55, 2010)."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator
from pathlib import Path
from xml.etree import ElementTree

from tokenflow_sim.importing.faults import refuse
from tokenflow_sim.importing.link_speed import number
from tokenflow_sim.importing.topology_graph import SUBJECT, Graph, Link, Place, place_at

UNIT = "Mbit/s"
"""Unit of SNDlib's capacities where the file says none."""
_UNITS = {"MBITPERSEC": "Mbit/s", "GBITPERSEC": "Gbit/s", "KBITPERSEC": "kbit/s", "BITPERSEC": "bit/s"}
_SECTION = re.compile(r"([A-Z_]+)\s*\(")
_TOKENS = re.compile(r"[()]|[^\s()]+")


def read_sndlib(path: Path, text: str) -> Graph:
    """Read a network.

    Raises
    ------
    DataError
        With the line, if the file has faults.

    Notes
    -----
    A link's capacity is what is installed; where that is nothing, its largest module. Demands, costs and admissible
    paths are left out.
    """
    graph = _read_xml(path, text) if text.lstrip().startswith("<") else _read_native(path, text)
    if not graph.nodes:
        raise refuse(SUBJECT, "has no nodes", file=path)
    for link in graph.links:
        for end in (link.origin, link.destination):
            if end not in graph.nodes:
                raise refuse(SUBJECT, f"has a link from or to an unknown node {end!r}", file=path)
    return graph


def capacity_of(installed: float, modules: list[float]) -> dict[str, float]:
    """Return a link's capacity as an attribute, if it has any."""
    best = installed if installed > 0 else max(modules, default=0.0)
    return {"capacity": best} if best > 0 else {}


def _graph(
    nodes: dict[Hashable, Place],
    links: list[Link],
    unit: str,
    pixels: bool,
    modular: int,
    name: str,
    demands: bool,
) -> Graph:
    notes = []
    if pixels:
        notes.append("coordinates are of a drawing, not of the Earth: left out")
    if modular:
        notes.append(f"{modular} links have nothing installed: each has its largest module")
    if demands:
        notes.append("demands, costs and admissible paths are left out")
    return Graph("SNDlib", name, False, nodes, links, unit, tuple(notes))


def _read_native(path: Path, text: str) -> Graph:
    nodes: dict[Hashable, Place] = {}
    links: list[Link] = []
    unit, modular, demands = UNIT, 0, False
    for line, section, words in _rows(path, text):
        if section == "META" and words[0] == "unit":
            unit = _UNITS.get(words[-1].upper(), UNIT)
        elif section == "NODES":
            # name ( longitude latitude )
            place = Place(words[0])
            if len(words) >= 5 and words[1] == "(":
                place = place_at(words[0], words[3], words[2])
            if words[0] in nodes:
                raise refuse(SUBJECT, f"repeats node {words[0]!r}", file=path, line=line)
            nodes[words[0]] = place
        elif section == "LINKS":
            # name ( source target ) installed its-cost routing-cost setup-cost ( {module-capacity module-cost}* )
            if len(words) < 6 or words[1] != "(" or words[4] != ")":
                raise refuse(SUBJECT, "must be a link: name ( source target ) numbers", file=path, line=line)
            installed = number(words[5])
            inside = words[words.index("(", 5) + 1 : -1] if "(" in words[5:] else []
            modules = [value for word in inside[::2] if (value := number(word)) is not None]
            if installed is None or installed < 0:
                raise refuse(SUBJECT, f"must be a capacity; found {words[5]!r}", file=path, line=line)
            modular += installed == 0 and bool(modules)
            links.append(Link(words[2], words[3], capacity_of(installed, modules)))
        elif section in ("DEMANDS", "ADMISSIBLE_PATHS"):
            demands = True
    return _graph(nodes, links, unit, False, modular, "", demands)


def _rows(path: Path, text: str) -> Iterator[tuple[int, str, list[str]]]:
    """Yield line, section and words of each row within a section."""
    section = ""
    for line, row in enumerate(text.splitlines(), start=1):
        row = row.partition("#")[0].strip()
        if not row or row.startswith("?"):
            continue
        if not section:
            opening = _SECTION.fullmatch(row)
            if opening is None:
                raise refuse(
                    SUBJECT, f"must be a section such as NODES (; found {row[:40]!r}", file=path, line=line
                )
            section = opening[1]
        elif row == ")":
            section = ""
        else:
            yield line, section, _TOKENS.findall(row)
    if section:
        raise refuse(SUBJECT, f"ends within {section}", file=path)


def _read_xml(path: Path, text: str) -> Graph:
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise refuse(SUBJECT, f"is no XML: {error}", file=path, line=error.position[0]) from None
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]  # the namespace says nothing more
    if root.tag != "network":
        raise refuse(SUBJECT, f"is no network of SNDlib: its root is <{root.tag}>", file=path)
    unit = _UNITS.get((root.findtext("meta/unit") or "").strip().upper(), UNIT)
    frame = root.find("networkStructure/nodes")
    pixels = frame is not None and frame.get("coordinatesType") == "pixel"
    nodes: dict[Hashable, Place] = {}
    for node in root.iterfind("networkStructure/nodes/node"):
        name = node.get("id") or ""
        if not name or name in nodes:
            raise refuse(SUBJECT, f"repeats node {name!r}" if name else "has a node without id", file=path)
        x, y = node.findtext("coordinates/x"), node.findtext("coordinates/y")
        nodes[name] = Place(name) if pixels else place_at(name, y, x)
    links: list[Link] = []
    modular = 0
    for link in root.iterfind("networkStructure/links/link"):
        ends = [(link.findtext(end) or "").strip() for end in ("source", "target")]
        values: list[float] = []
        for place in ("preInstalledModule/capacity", "additionalModules/addModule/capacity"):
            for item in link.iterfind(place):
                value = number((item.text or "").strip())
                if value is None or value < 0:
                    message = f"must be a capacity; found {item.text!r} at link {link.get('id')!r}"
                    raise refuse(SUBJECT, message, file=path, column=place)
                values.append(value)
        has_installed = link.find("preInstalledModule") is not None
        installed = values.pop(0) if has_installed and values else 0.0
        modular += installed == 0 and bool(values)
        links.append(Link(ends[0], ends[1], capacity_of(installed, values)))
    demands = root.find("demands/demand") is not None
    return _graph(nodes, links, unit, pixels, modular, "", demands)
