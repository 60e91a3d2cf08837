"""A scenario -> one self-contained YAML text, with every table in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tokenflow_sim.scenario.fields import FrozenDict
from tokenflow_sim.scenario.packed import is_long, pack
from tokenflow_sim.scenario.profile import DAYS
from tokenflow_sim.scenario.schema import ScenarioFields
from tokenflow_sim.scenario.series import NodeSeries, PeriodSeries
from tokenflow_sim.scenario.series_kinds import KINDS
from tokenflow_sim.scenario.tables import write_csv
from tokenflow_sim.scenario.yaml_text import Block, write

_NOTHING: tuple[Any, ...] = (None, "", (), {}, FrozenDict())


def to_yaml(scenario: ScenarioFields, apart: dict[str, str] | None = None) -> str:
    """Write a scenario as YAML that `Scenario.from_yaml` reads back equal.

    Defaults are written out too, so that the text keeps its meaning where a later version has others.

    Parameters
    ----------
    scenario : ScenarioFields
        The scenario.
    apart : dict, optional
        Takes series that are long, by dotted path, as text that `packed.unpack` reads, cut to the scenario's periods.
        The YAML then has the digest of each in its place. If left out, every table stands in the YAML.
    """
    data = scenario.model_dump(by_alias=True)
    if scenario.start is not None:
        data["start"] = scenario.start.isoformat(sep=" ").removesuffix("+00:00")
    elif data["time_zone"] == "UTC":
        del data["time_zone"]  # of no meaning without dates
    data["nodes"] = _keyed("node", data["nodes"])
    data["network"]["arcs"] = _keyed("arc", data["network"]["arcs"])
    for section, key, names in (
        ("demand", "hourly", ()),
        ("demand", "weekly", DAYS),
        ("electricity", "hourly", ()),
    ):
        data[section][key] = _profile("day" if names else "hour", data[section][key], names)
    if data["grid"] is not None:
        data["grid"] = _grid(data["grid"])
    for section in ("power", "carbon"):
        if all(value is False or value in _NOTHING for value in data[section].values()):
            del data[section]
    for section, key in KINDS:
        series = (data.get(section) or {}).get(key)
        if not isinstance(series, (PeriodSeries, NodeSeries)):
            continue
        if apart is not None and is_long(series):
            # The very numbers that the run takes: an average taken again over fewer rows could differ in its last bit.
            run = series.over(scenario.start, scenario.hours, scenario.periods)[: scenario.periods]
            series = series.with_values(run)
            if is_long(series):
                apart[f"{section}.{key}"] = pack(series)
                data[section][key] = {"packed": series.digest()}
                continue
        data[section][key] = Block(write_csv(series.header(), series.rows()))
    if data["outages"]:
        data["outages"] = _table(data["outages"])
    return write(_without_nothing(data))


def _grid(grid: dict[str, Any]) -> dict[str, Any]:
    """Return the grid with its tables as text; generators with steps, which a table has no column for, as they are."""
    tables = {"buses": "bus", "lines": "line"}
    if not any(made["steps"] for made in grid["generators"].values()):
        tables["generators"] = "generator"
        for made in grid["generators"].values():
            del made["steps"]
    return grid | {section: _keyed(key, grid[section]) for section, key in tables.items()}


def _table(records: Iterable[Mapping[str, Any]]) -> Block:
    rows = list(records)
    columns = [column for column in rows[0] if any(row[column] not in (None, "") for row in rows)]
    return Block(write_csv(columns, [[row[column] for column in columns] for row in rows]))


def _keyed(key: str, entries: Mapping[str, Mapping[str, Any]]) -> Block | None:
    if not entries:
        return None
    return _table([{key: name, **entry} for name, entry in entries.items()])


def _profile(key: str, columns: Mapping[str, Iterable[float]], names: Iterable[str]) -> Block | None:
    if not columns:
        return None
    labels = list(names) or [str(hour) for hour in range(24)]
    rows = zip(labels, *columns.values(), strict=True)
    return Block(write_csv([key, *columns], rows))


def _plain(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {key: _plain(item) for key, item in data.items()}
    return [_plain(item) for item in data] if isinstance(data, (list, tuple)) else data


def _without_nothing(data: Any) -> Any:
    """Drop entries that say nothing, and turn containers into plain ones."""
    if isinstance(data, Mapping):
        return {
            # Parameters of a strategy or limit are its own: even nothing may mean something there.
            key: _plain(item) if key in ("strategy", "limits") else _without_nothing(item)
            for key, item in data.items()
            if item not in _NOTHING
        }
    if isinstance(data, (list, tuple)):
        return [_without_nothing(item) for item in data]
    return data
