"""What the links of a topology carry and how long they take, from whatever their files say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tokenflow_sim.errors import unknown_name
from tokenflow_sim.importing.faults import Faults
from tokenflow_sim.importing.link_speed import GIGABYTE, number, parse_speed, unit_factor
from tokenflow_sim.importing.topology_graph import Graph, Link, pick
from tokenflow_sim.scenario.geography import haversine, latency

_RAW = ("linkspeedraw",)
_TEXTS = ("linklabel", "linktype", "linknote", "label", "type", "speed", "link_speed")
_NUMBERS = ("capacity", "bandwidth", "bw", "cap", "speed")
_DELAYS = ("latency", "delay", "latency_ms", "delay_ms")
_LENGTHS = ("length", "distance", "dist", "length_km", "distance_km")


@dataclass(frozen=True)
class LinkOptions:
    """How links are read.

    Parameters
    ----------
    capacity : float
        GB/s of a link whose speed the file does not say.
    attribute : str or None
        Attribute that holds the capacity; found if left out.
    unit : str
        Unit of capacities that are plain numbers.
    delay : float or None
        Latency in ms where neither the file nor coordinates say it; unknown if left out.
    km_per_ms, hop : float
        Kilometres that a signal travels in fibre in 1 ms, and latency of a hop beside, in ms: as in `network`.
    """

    capacity: float
    attribute: str | None
    unit: str
    delay: float | None
    km_per_ms: float
    hop: float


@dataclass
class Carried:
    """Links of a graph, self-loops left out.

    Parameters
    ----------
    ends : list of tuple
        Keys of the two nodes.
    capacity : list of float
        GB/s, each way.
    delay : list of float or None
        Latency in ms; None where unknown.
    sources : Counter
        Links by where their capacity is from.
    delays : Counter
        Links by where their latency is from.
    loops : list of str
        Labels of nodes with a link to themselves.
    """

    ends: list[tuple[Any, Any]] = field(default_factory=list)
    capacity: list[float] = field(default_factory=list)
    delay: list[float | None] = field(default_factory=list)
    sources: Counter[str] = field(default_factory=Counter)
    delays: Counter[str] = field(default_factory=Counter)
    loops: list[str] = field(default_factory=list)


def read_links(graph: Graph, options: LinkOptions, path: Path) -> Carried:
    """Return capacities and latencies of a graph's links.

    Raises
    ------
    DataError
        If the named attribute is not there, or a capacity is no speed.
    """
    faults = Faults("the topology")
    found = Carried()
    names = dict.fromkeys(name for link in graph.links for name in link.attributes)
    if options.attribute is not None and options.attribute not in names:
        faults.add(unknown_name("attribute", options.attribute, list(names)), file=path)
        faults.check()
    for number_, link in enumerate(graph.links):
        ends = graph.nodes[link.origin], graph.nodes[link.destination]
        if link.origin == link.destination:
            found.loops.append(ends[0].label)
            continue
        where = f"link {number_ + 1} ({ends[0].label} - {ends[1].label})"
        try:
            capacity, source = _capacity(link, options)
        except ValueError as error:
            faults.add(f"{error} at {where}", file=path, column=options.attribute)
            continue
        delay, how = _delay(link, graph, options)
        found.ends.append((link.origin, link.destination))
        found.capacity.append(capacity)
        found.delay.append(delay)
        found.sources[source] += 1
        found.delays[how] += 1
    faults.check()
    return found


def _capacity(link: Link, options: LinkOptions) -> tuple[float, str]:
    """Return a link's GB/s and where they are from."""
    factor = unit_factor(options.unit) / GIGABYTE
    attributes = link.attributes
    if options.attribute is not None:
        value = attributes.get(options.attribute)
        if value is None or value == "":
            return options.capacity, "without a speed"
        plain = number(value)
        if plain is not None and plain >= 0:
            return plain * factor, f"{options.attribute} in {options.unit}"
        speed = parse_speed(str(value)) if plain is None else None
        if speed is None:
            raise ValueError(f"must be a speed; found {value!r}")
        return speed.gigabytes, options.attribute
    raw = number(pick(attributes, _RAW))
    if raw is not None and raw > 0:
        return raw / GIGABYTE, "LinkSpeedRaw in bit/s"
    amount, prefix = pick(attributes, ("linkspeed",)), pick(attributes, ("linkspeedunits",))
    if amount is not None and prefix is not None and (speed := parse_speed(f"{amount} {prefix}bps")):
        return speed.gigabytes, "LinkSpeed and LinkSpeedUnits"
    plain = number(pick(attributes, _NUMBERS))
    if plain is not None and plain > 0:
        return plain * factor, f"numbers in {options.unit}"
    for name in _TEXTS:
        text = pick(attributes, (name,))
        if isinstance(text, str) and (speed := parse_speed(text)):
            return speed.gigabytes, "a bound or range in words" if speed.rough else "words such as " + text
    return options.capacity, "without a speed"


def _delay(link: Link, graph: Graph, options: LinkOptions) -> tuple[float | None, str]:
    """Return a link's latency in ms and where it is from."""
    given = number(pick(link.attributes, _DELAYS))
    if given is not None and given >= 0:
        return given, "said, in ms"
    length = number(pick(link.attributes, _LENGTHS))
    if length is not None and length > 0:
        return float(latency(length, options.km_per_ms, options.hop)), "from its length in km"
    here, there = graph.nodes[link.origin], graph.nodes[link.destination]
    if None not in (here.latitude, here.longitude, there.latitude, there.longitude):
        distance = haversine(*_degrees(here), *_degrees(there))
        return float(latency(distance, options.km_per_ms, options.hop)), "from the great-circle distance"
    return options.delay, "unknown" if options.delay is None else f"taken as {options.delay:g} ms"


def _degrees(place: Any) -> tuple[float, float]:
    return place.latitude, place.longitude


def words_of(counts: Mapping[str, int]) -> str:
    """Return counts in words: ``14 words such as OC-192, 2 without a speed``."""
    return ", ".join(f"{count} {name}" for name, count in Counter(counts).most_common())
