"""What a user changed of a scenario on the page, and what is wrong with it, field by field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tokenflow_sim.errors import Fault, InputError
from tokenflow_sim.scenario import Scenario, list_scenarios, load_bundled, load_scenario
from tokenflow_sim.scenario.places import path_of
from tokenflow_sim.strategies import registry
from tokenflow_sim.strategies.assignment import assign, specs
from tokenflow_sim.strategies.base import parameters

SOURCE, SEED, MORE = "scenario", "seed", "more"
"""Fields of the page that are no dotted path."""


@dataclass(frozen=True)
class Edits:
    """Changes of a scenario, as they were typed.

    Parameters
    ----------
    source : str
        A bundled scenario, a folder or a file.
    seed : str
        The seed.
    values : mapping
        Text by dotted path, only where it differs from the scenario's.
    more : str
        More of them, one ``path = value`` a line.
    """

    source: str
    seed: str = "1"
    values: Mapping[str, str] = field(default_factory=dict)
    more: str = ""

    def put(self, path: str, text: str, base: str) -> Edits:
        """Return these edits with one field changed; what equals the scenario's own value is no change."""
        values = {key: value for key, value in self.values.items() if key != path}
        if path.endswith(".strategy.name"):
            # Parameters belong to a strategy: another one brings its own.
            stem = path.removesuffix("name")
            values = {key: value for key, value in values.items() if not key.startswith(stem)}
        return replace(self, values=values if text.strip() == base else values | {path: text.strip()})


@dataclass(frozen=True)
class Checked:
    """What came of edits.

    Parameters
    ----------
    scenario : Scenario or None
        The changed scenario; None where there are faults.
    base : Scenario or None
        The scenario without the changes; None where it cannot be read.
    seed : int
        The seed.
    faults : mapping
        What is wrong, by field: a dotted path, or one of `SOURCE`, `SEED` and `MORE`.
    """

    scenario: Scenario | None
    base: Scenario | None
    seed: int
    faults: Mapping[str, str]


def check(edits: Edits) -> Checked:
    """Apply edits, and report what is wrong beside the field where it was typed."""
    faults: dict[str, str] = {}
    seed = _seed(edits.seed, faults)
    try:
        base = (load_bundled if edits.source in list_scenarios() else load_scenario)(edits.source)
    except InputError as error:
        return Checked(None, None, seed, faults | {SOURCE: "; ".join(map(str, error.faults))})
    changes, written = dict(edits.values), _lines(edits.more, faults)
    for path in written.keys() & changes.keys():
        _add_fault(faults, MORE, f"{path}: is set in its own field already")
    scenario: Scenario | None = base
    try:
        scenario = load_scenario(base, {**written, **changes})
        assign(specs(scenario.compiled), subject=scenario.name)
    except InputError as error:
        scenario = None
        for fault in error.faults:
            _place(faults, fault, changes)
    return Checked(None if faults else scenario, base, seed, faults)


def _seed(text: str, faults: dict[str, str]) -> int:
    if text.strip().isdecimal():
        return int(text)
    faults[SEED] = "a seed is a whole number from 0 on"
    return 0


def _lines(text: str, faults: dict[str, str]) -> dict[str, str]:
    """Read the lines of further changes."""
    found: dict[str, str] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        path, equals, value = line.partition("=")
        if not equals or not path.strip():
            _add_fault(faults, MORE, f"{line[:60]!r}: write path = value, e.g. market.must_serve = false")
        elif path.strip() in found:
            _add_fault(faults, MORE, f"{path.strip()}: is set twice")
        else:
            found[path.strip()] = value.strip()
    return found


def _place(faults: dict[str, str], fault: Fault, changes: Mapping[str, str]) -> None:
    """Find the field of a fault: that of its own place, or of what it stands in or holds."""
    place = fault.place.partition(":")[0].strip()
    near = [
        path
        for path in changes
        if place == path or place.startswith((f"{path}.", f"{path}[")) or path.startswith(f"{place}.")
    ]
    if place and near:
        _add_fault(faults, max(near, key=lambda path: (path == place, len(path))), fault.message)
    else:
        _add_fault(faults, MORE, f"{fault.place}: {fault.message}" if fault.place else fault.message)


def _add_fault(faults: dict[str, str], where: str, what: str) -> None:
    faults[where] = f"{faults[where]}; {what}" if where in faults else what


@dataclass(frozen=True)
class Entry:
    """A field of the page: what it changes, what it is called, and what the scenario says."""

    path: str
    label: str
    base: str
    unit: str = ""


def general(base: Scenario) -> list[Entry]:
    """Return the fields of the whole market."""
    entries = [
        Entry("periods", "Periods", str(base.periods)),
        Entry("demand.scale", "Demand scale", _text(base.demand.scale)),
    ]
    return entries


def latencies(base: Scenario) -> list[Entry]:
    """Return the latency limits of the classes; an empty field is no limit."""
    return [
        Entry(path_of(("workloads", name, "latency_limit")), name, _text(item.latency_limit), "ms")
        for name, item in base.workloads.items()
    ]


def capacities(base: Scenario) -> list[Entry]:
    """Return the capacities that rules give to links."""
    network = base.network
    entries = []
    if network.max_distance is not None:
        entries.append(Entry("network.capacity", "Links by distance", _text(network.capacity), "GB/s"))
    if network.tier1 is not None:
        entries.append(
            Entry("network.tier1.capacity", "Tier-1 backbone", _text(network.tier1.capacity), "GB/s")
        )
    return entries


def link(base: Scenario, arc: str) -> Entry:
    """Return the capacity of one link, which is empty where a rule gives it."""
    own = base.network.arcs.get(arc)
    return Entry(
        path_of(("network", "arcs", arc, "capacity")), arc, _text(own.capacity if own else None), "GB/s"
    )


def strategy(base: Scenario, provider: str, chosen: str) -> list[Entry]:
    """Return the parameters of the strategy that is chosen for a provider."""
    spec = base.providers[provider].strategy
    given = spec.parameters if spec.name == chosen else {}
    if chosen not in registry.names("provider"):
        return []
    own = parameters(registry.find("provider", chosen))
    return [
        Entry(
            path_of(("providers", provider, "strategy", name)),
            name.replace("_", " "),
            _text(given.get(name, None if one.default is one.empty else one.default)),
        )
        for name, one in own.items()
    ]


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)
