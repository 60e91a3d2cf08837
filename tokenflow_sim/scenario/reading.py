"""A scenario's text or data -> plain data with every table read in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unicodedata import normalize

from tokenflow_sim.errors import Fault, ScenarioError
from tokenflow_sim.scenario import yaml_text
from tokenflow_sim.scenario.grid_at import TABLES, read_grid_tables
from tokenflow_sim.scenario.intake import Intake, Source
from tokenflow_sim.scenario.places import Loc, parse_path, path_of, value_at
from tokenflow_sim.scenario.series import Series
from tokenflow_sim.scenario.series_at import SeriesAt
from tokenflow_sim.scenario.series_kinds import KINDS
from tokenflow_sim.scenario.sheet import is_table, records
from tokenflow_sim.scenario.strategy_files import place_strategy_files
from tokenflow_sim.scenario.table_at import TableAt


def from_text(text: str, source: Source) -> Intake:
    """Read YAML text and every table in it or beside it.

    Raises
    ------
    ScenarioError
        If the text is no YAML; faults of tables are noted in the intake instead.
    """
    try:
        document = yaml_text.read(normalize("NFC", text))
    except yaml_text.YamlFault as error:
        raise ScenarioError([yaml_text.as_fault(error, source.file)], source.subject) from None
    prefix = f"{source.file}:" if source.file else "line "
    intake = Intake(source, document.data)
    intake.origins = {loc: f"{prefix}{line}" for loc, line in document.lines.items()}
    intake.faults = [
        Fault(message, path_of(loc), f"{prefix}{line}") for loc, message, line in document.faults
    ]
    if not isinstance(intake.data, dict):
        found = "nothing" if intake.data is None else f"{intake.data!r:.60}"
        message = f"must be a mapping of a scenario's fields (format, name, nodes, ...); found {found}"
        raise ScenarioError([Fault(message, "", source.file)], source.subject)
    # A section left empty says as much as one left out.
    intake.data = {name: part for name, part in intake.data.items() if part is not None}
    read_tables(intake)
    return intake


def read_tables(intake: Intake) -> None:
    """Replace every table that is given as text, path or list of rows by what it holds."""
    data = intake.data
    for section in ("nodes", "workloads"):
        TableAt(intake, data, (section,)).keyed(section[:-1])
    for name in ("network", "demand", "electricity"):
        if not isinstance(data.get(name), dict):
            continue
        part = data[name] = dict(data[name])  # an alias may share it
        if name == "network":
            TableAt(intake, part, (name, "arcs")).arcs()
            continue
        TableAt(intake, part, (name, "hourly")).profile("hour")
        TableAt(intake, part, (name, "weekly")).profile("day")
    read_grid_tables(intake)
    for loc, kind in KINDS.items():
        holder = data.get(loc[0])
        if isinstance(holder, dict):
            data[loc[0]] = dict(holder)
            SeriesAt(intake, data[loc[0]], loc).series(kind)
    TableAt(intake, data, ("outages",)).records()
    TableAt(intake, data, ("outage_processes",)).keyed("process")
    TableAt(intake, data, ("contracts",)).keyed("contract")
    providers = data.get("providers")
    if isinstance(providers, dict):
        for name, provider in providers.items():
            if isinstance(provider, dict):
                providers[name] = dict(provider)
                TableAt(intake, providers[name], ("providers", name, "assets")).records()
    place_strategy_files(intake)


_KEYS: dict[Loc, str] = {
    ("nodes",): "node", ("workloads",): "workload", ("network", "arcs"): "arc", ("demand", "hourly"): "hour",
    ("demand", "weekly"): "day", ("electricity", "hourly"): "hour", ("electricity", "weekly"): "day",
    ("grid", "links"): "node", **{("grid", name): key for name, key in TABLES.items()},
    ("outage_processes",): "process", ("contracts",): "contract",
}  # fmt: skip


def takes_table(loc: Loc) -> bool:
    """Whether a place of the format takes a table, and so a DataFrame."""
    if loc[:2] in KINDS:
        return loc[2:] in ((), ("file",))
    return loc in _KEYS or loc == ("outages",) or (loc[:1] == ("providers",) and loc[2:] == ("assets",))


def held(changes: Mapping[str, Any], faults: list[Fault]) -> dict[str, Any]:
    """Return changes of a scenario with their tables and files read, so that many runs read them once.

    Parameters
    ----------
    changes : mapping
        New values by dotted path, as overrides have them.
    faults : list of Fault
        What is wrong is added here.
    """
    found = dict(changes)
    for path, value in changes.items():
        try:
            loc = parse_path(path)
        except ValueError:
            continue  # reported where all changes are checked
        kind = KINDS.get((str(loc[0]), str(loc[-1]))) if len(loc) == 2 else None
        if kind is None:
            if is_table(value) and takes_table(loc):
                found[path] = records(value, _KEYS.get(loc))
        elif not isinstance(value, Series) and value is not None:
            if isinstance(value, str) and "\n" not in value:
                try:
                    value = yaml_text.read(value).data
                except yaml_text.YamlFault:
                    continue  # reported where all changes are checked
            data = {str(loc[1]): value}
            intake = Intake(at_hand("values to vary"), {str(loc[0]): data})
            SeriesAt(intake, data, loc).series(kind)
            faults += intake.faults
            found[path] = data.get(str(loc[1]))
    return found


def at_hand(subject: str) -> Source:
    """Return the source of what a user gives on the command line or in Python: its paths start where that runs."""
    return Source(subject, folder=Path.cwd(), anywhere=True)


_GIVES_WAY = {"electricity": "electricity_price", "power": "power_mw", "carbon": "carbon_intensity"}
"""What of a node a section's series stands for."""


def give_way(intake: Intake, changes: Mapping[str, Any]) -> None:
    """Take out the numbers of nodes for which a change gives a series, unless it gives them as well."""
    given = {path.strip() for path in map(str, changes)}
    nodes, hourly = value_at(intake.data, ("nodes",)), value_at(intake.data, ("electricity", "hourly"))
    for section, field in _GIVES_WAY.items():
        series = value_at(intake.data, (section, "series"))
        if not given & {section, f"{section}.series"} or not isinstance(series, Series):
            continue
        for name in series.names:
            node = value_at(nodes, (name,))
            places = {"nodes", path_of(("nodes", name)), path_of(("nodes", name, field))}
            if isinstance(node, dict) and not given & places:
                nodes[name] = {**node, field: None}
            is_price = section == "electricity" and isinstance(hourly, dict)
            if is_price and name in hourly and "electricity.hourly" not in given:
                intake.data["electricity"]["hourly"] = hourly = {k: v for k, v in hourly.items() if k != name}
