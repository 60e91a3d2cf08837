"""Changing values of a scenario by dotted path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, get_origin

from tokenflow_sim.errors import Fault, InputError, unknown_name
from tokenflow_sim.scenario import yaml_text
from tokenflow_sim.scenario.compiled import Compiled
from tokenflow_sim.scenario.fields import Spec
from tokenflow_sim.scenario.known_types import plain
from tokenflow_sim.scenario.places import Loc, fields_at, parse_path, path_of, type_at
from tokenflow_sim.scenario.reading import takes_table
from tokenflow_sim.scenario.schema import ScenarioFields
from tokenflow_sim.scenario.series import NodeSeries, PeriodSeries

_SINGULAR = {name: name[:-1] for name in ("nodes", "workloads", "providers", "owners", "regions", "limits")}
_SINGULAR |= {"hardware": "hardware type"}


_POWERS = ("power_mw", "accelerators", "share")
"""The ways in which an asset's power may be given, of which it has one."""


class _BadPath(Exception):
    """A path leads nowhere, or its value is no YAML."""


def changes_of(overrides: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return overrides as a dict, empty for None.

    Raises
    ------
    InputError
        If they are no mapping: a table of values, say, would be neither true nor false.
    """
    if overrides is None:
        return {}
    if not isinstance(overrides, Mapping):
        message = f"give a mapping of dotted paths to values; found a {type(overrides).__name__}"
        raise InputError([Fault(message)], "overrides")
    return dict(overrides)


def apply(
    scenario: ScenarioFields, changes: Mapping[str, Any], compiled: Callable[[], Compiled]
) -> tuple[dict[str, Any], list[Fault]]:
    """Return the scenario's plain data with some values changed, and the faults of the paths.

    Parameters
    ----------
    scenario : ScenarioFields
        What to start from.
    changes : mapping
        New values by dotted path, as Python objects or as YAML text.
    compiled : callable
        Returns the scenario as arrays; called only where a path names an arc or region that a rule makes.

    Raises
    ------
    InputError
        If the changes are no mapping.

    Notes
    -----
    Giving a strategy another name drops the parameters of the former one, unless the same change gives them.
    Giving an asset a power drops its share or number of accelerators, and the other way round.
    """
    changes = changes_of(changes)
    change = _Change(scenario, compiled)
    faults: list[Fault] = []
    # Classes of strategies and limits first: parameters given beside them belong to the new class.
    for path in sorted(changes, key=lambda text: not _names_class(str(text))):
        try:
            change.set(parse_path(str(path)), changes[path])
        except (_BadPath, ValueError) as error:
            faults.append(Fault(str(error), str(path)))
    return change.data, faults


def _names_class(path: str) -> bool:
    """Whether a dotted path is that of a strategy or limit as a whole, or of its class."""
    parts = path.strip().split(".")
    if parts[0] == "limits":
        return len(parts) < 3 or parts[2:] == ["limit"]
    return parts[-1] == "strategy" or parts[-2:] == ["strategy", "name"]


class _Change:
    def __init__(self, scenario: ScenarioFields, compiled: Callable[[], Compiled]) -> None:
        self.compiled = compiled
        self.schema = type(scenario)
        self.data: dict[str, Any] = scenario.model_dump(by_alias=True)

    def set(self, loc: Loc, value: Any) -> None:
        value = self.read(loc, value)
        here: Any = self.data
        for depth, part in enumerate(loc[:-1]):
            done = loc[: depth + 1]
            below = self.step(here, part, done)
            if isinstance(below, (PeriodSeries, NodeSeries)):
                here[part] = self.cell(below, loc[depth + 1 :], value)
                return
            if below is None or isinstance(below, tuple):
                # An optional part comes to life; a list is opened for writing.
                below = here[part] = (
                    list(below or ()) if get_origin(type_at(self.schema, done)) is tuple else {}
                )
            here = below
        self.put(here, loc, value)

    def read(self, loc: Loc, value: Any) -> Any:
        """Read text as YAML, except where the schema wants text or where it is a table."""
        value = plain(value, loc=loc, takes_table=takes_table)
        if not isinstance(value, str) or type_at(self.schema, loc) is str or "\n" in value:
            return value
        try:
            document = yaml_text.read(value)
        except yaml_text.YamlFault as error:
            raise _BadPath(f"the value {value!r:.80} {error.message}") from None
        if document.faults:
            said = "; ".join(f"{path_of(place)}: {message}" for place, message, _ in document.faults)
            raise _BadPath(f"the value {value!r:.80} has faults: {said}")
        return document.data

    def options(self, here: Any, done: Loc) -> list[str]:
        """Return the names known at a place."""
        if isinstance(here, (list, tuple)):
            return [str(number) for number in range(len(here))]
        if done[:-1] == ("network", "arcs"):
            return list(self.compiled().layout.arcs)
        if done[:-1] == ("regions",):
            return list(self.compiled().regions)
        return list(here) if isinstance(here, dict) else []

    def unknown(self, here: Any, part: str | int, done: Loc) -> _BadPath:
        if not isinstance(here, (dict, list, tuple)):
            return _BadPath(f"{path_of(done[:-1])} holds a single value, and nothing below it")
        options = self.options(here, done)
        if isinstance(here, (list, tuple)):
            what = "entry"
        elif fields := fields_at(self.schema, done[:-1]):
            what, options = "field", fields
        else:
            what = "arc" if done[:-1] == ("network", "arcs") else _SINGULAR.get(str(done[-2]), "name")
        dotted = [name for name in options if "." in name and name.startswith(f"{part}.")]
        hint = f"; a name with dots stands in quotes: {path_of((*done[:-1], dotted[0]))}" if dotted else ""
        return _BadPath(unknown_name(what, part, options, limit=30) + hint)

    def step(self, here: Any, part: str | int, done: Loc) -> Any:
        """Go one step down."""
        if isinstance(here, (list, tuple)):
            number = int(part) if str(part).isdecimal() else -1
            if not 0 <= number < len(here):
                raise self.unknown(here, part, done)
            return here[number]
        if isinstance(here, dict):
            if part in here:
                return here[part]
            if part in fields_at(self.schema, done[:-1]):
                here[part] = None
                return None
            if done[:-1] == ("residency",):
                here[part] = {}  # the checks report a class that does not exist
                return here[part]
            if done[:-1] == ("network", "arcs"):
                return self.arc(str(part), here, done)
            if done == ("regions", part) and not here and part in self.compiled().regions:
                # Regions that stand for their nodes are written down, so that one can be changed.
                here |= {name: {"nodes": [name]} for name in self.compiled().regions}
                return here[part]
        raise self.unknown(here, part, done)

    def arc(self, label: str, arcs: dict[str, Any], done: Loc) -> dict[str, Any]:
        """Write down an arc that a rule makes, so that its values can be changed one by one."""
        compiled = self.compiled()
        if label not in self.options(arcs, done):
            raise self.unknown(arcs, label, done)
        number = list(compiled.layout.arcs).index(label)
        names = list(compiled.layout.nodes)
        ends = compiled.layout.origin[number], compiled.layout.destination[number]
        row = arcs[label] = {"origin": names[ends[0]], "destination": names[ends[1]]}
        return row

    def put(self, here: Any, loc: Loc, value: Any) -> None:
        """Set the last part of a path."""
        part = loc[-1]
        if isinstance(here, list):
            self.step(here, part, loc)
            here[int(part)] = value
            return
        if not isinstance(here, dict):
            raise self.unknown(here, part, loc)
        holder = type_at(self.schema, loc[:-1])
        names_class = isinstance(holder, type) and issubclass(holder, Spec) and part == holder.key
        fields = fields_at(self.schema, loc[:-1])
        if fields and part not in fields:
            raise self.unknown(here, part, loc)
        if names_class and here.get(part) != value:
            here.clear()
        if "assets" in loc and part in _POWERS:
            here |= dict.fromkeys(_POWERS)
        here[str(part)] = value

    def cell(self, series: PeriodSeries | NodeSeries, rest: Loc, value: Any) -> PeriodSeries | NodeSeries:
        """Change one number of a table by period: [period].column, or [period].node.column."""
        if series.periods is None:
            raise _BadPath("holds times, not periods, so that no cell has a number; give the whole series")
        options: list[list[Any]] = [list(range(series.periods)), list(series.names)]
        if isinstance(series, NodeSeries):
            options.insert(1, list(series.nodes))
        if len(rest) != len(options):
            raise _BadPath("a cell of a table by period is [period].column, or [period].node.column")
        key: list[Any] = [int(rest[0]) if str(rest[0]).isdecimal() else rest[0], *rest[1:]]
        for what, part, names in zip(("period", "name", "name"), key, options, strict=False):
            if part not in names:
                raise _BadPath(unknown_name(what, part, names))
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise _BadPath(f"must be a number; found {value!r:.60}")
        return series.with_cell(key, float(value))
