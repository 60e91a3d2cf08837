"""What was run, with which versions, and the command that runs it again."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

import xarray as xr

from tokenflow_sim.errors import ScenarioError
from tokenflow_sim.numerals import counted
from tokenflow_sim.report.blocks import Block, Code, Facts, Prose, Table
from tokenflow_sim.scenario import Scenario, list_scenarios, load_bundled
from tokenflow_sim.scenario.times import written
from tokenflow_sim.strategies.assignment import specs

_MOST_CHANGES = 8
"""More changed values than this are better read in the scenario's own text."""
_MOST_AGENTS = 60


def subtitle(ds: xr.Dataset) -> str:
    """Say how long the run was and what it was seeded with."""
    hours = float(ds.attrs.get("hours", float("nan")))
    length = counted(int(ds.sizes["period"]), "period") + (f" of {hours:g} h" if hours == hours else "")
    seed = ds.attrs.get("seed")
    return length if seed is None else f"{length}, seed {seed}"


def what_was_run(ds: xr.Dataset, scenario: Scenario | None, file: str) -> Iterator[Block]:
    """Give the facts of a run, its agents' strategies, versions, how to repeat it, and the scenario's text."""
    name = str(scenario.name if scenario else ds.attrs.get("title", "unknown"))
    facts = [("Scenario", name)]
    if scenario is not None:
        times = scenario.times
        if scenario.description:
            facts.append(("Description", scenario.description))
        facts += [
            ("Begins", "-" if times is None else f"{written(times.at([0])[0], times.zone)} {times.zone}"),
            ("Bandwidth", scenario.rules.bandwidth.replace("_", " ")),
            (
                "Demand",
                "must be served" if scenario.rules.must_serve else "is worth its value of lost service",
            ),
        ]
    facts += [("Length", subtitle(ds)), ("Size", _size(ds)), ("File", file)]
    facts += [("tokenflow_sim", str(ds.attrs.get("tokenflow_sim_version", "unknown")))]
    versions = _mapping(ds.attrs.get("versions"))
    if versions:
        facts.append(("Made with", ", ".join(f"{package} {number}" for package, number in versions.items())))
    yield Facts([(key, value) for key, value in facts if value])
    if scenario is not None and (table := _strategies(ds, scenario)):
        yield table
    yield from again(ds, scenario, file)
    text = ds.attrs.get("scenario")
    if isinstance(text, str) and text:
        if "scenario_series" in ds.attrs:
            yield Prose(
                "Its long series are kept in the results: tf.Scenario.from_results(...) reads it with them."
            )
            yield Code(text, summary="The scenario, without its long series")
        else:
            yield Code(text, summary="The scenario, with every table in it", file=f"{_file_name(name)}.yaml")


def again(ds: xr.Dataset, scenario: Scenario | None, file: str) -> Iterator[Block]:
    """Say how to run it again: by one command where that is enough, else in Python."""
    choices = _mapping(ds.attrs.get("strategies"))
    seed = ds.attrs.get("seed")
    if scenario is None or seed is None or choices is None:
        yield Prose("These results do not say all that is needed to make them again.")
        return
    if choices or "scenario_series" in ds.attrs:
        lines = [
            "import tokenflow_sim as tf",
            "",
            f"model = tf.TokenMarket.from_results(tf.load_results({file!r}))",
            "model.run()",
        ]
        what = "strategies were given there" if choices else "its series are long"
        yield Prose(f"To run it again, in Python, since {what}:")
        yield Code("\n".join(lines))
        return
    changes = changes_of(scenario)
    if changes is None:
        source, words = f"{_file_name(scenario.name)}.yaml", [f"--seed {seed}"]
        yield Prose("To run it again, save the scenario's text (below) and give this command:")
    else:
        source, words = scenario.name, [f"--seed {seed}"]
        words += [f"--set {shlex.quote(f'{path}={_yaml(value)}')}" for path, value in changes.items()]
        yield Prose("To run it again:")
    yield Code(f"tokenflow run {shlex.quote(source)} {' '.join(words)} --out again.nc")


def changes_of(scenario: Scenario) -> dict[str, Any] | None:
    """Return the values, by dotted path, that make a bundled scenario this one; None if it is no such scenario."""
    if scenario.name not in list_scenarios():
        return None
    bundled = load_bundled(scenario.name)
    before, after = (
        item.model_dump(mode="json", by_alias=True, fallback=lambda series: series.digest())
        for item in (bundled, scenario)
    )
    changes = dict(_differences(before, after, ""))
    # A table of numbers over time does not fit a command.
    if len(changes) > _MOST_CHANGES or any(path.endswith(".series") for path in changes):
        return None
    try:
        return changes if bundled.override(changes).to_yaml() == scenario.to_yaml() else None
    except ScenarioError:
        return None


def _differences(before: Any, after: Any, place: str) -> Iterator[tuple[str, Any]]:
    if isinstance(before, Mapping) and isinstance(after, Mapping) and place.rpartition(".")[2] != "strategy":
        if before.keys() != after.keys():
            yield place, after
            return
        for key in before:
            yield from _differences(before[key], after[key], f"{place}.{key}" if place else str(key))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from _differences(old, new, f"{place}[{number}]")
    elif before != after:
        yield place, after


def _strategies(ds: xr.Dataset, scenario: Scenario) -> Table | None:
    choices = _mapping(ds.attrs.get("strategies"))
    rows: list[list[str]] = []
    for kind, agents in specs(scenario.compiled).items():
        played: dict[tuple[str, str], list[str]] = {}
        for name, spec in agents.items():
            chosen = spec
            for key in (f"{kind}s", name, f"{kind}s.{name}"):
                chosen = (choices or {}).get(key, chosen)
            parameters = ", ".join(f"{key} = {value}" for key, value in chosen.items() if key != "name")
            played.setdefault((str(chosen.get("name")), parameters), []).append(name)
        for (strategy, parameters), names in played.items():
            shown = (
                names
                if len(names) <= _MOST_AGENTS
                else [*names[:_MOST_AGENTS], f"and {len(names) - _MOST_AGENTS:,} more"]
            )
            rows.append([kind, strategy, parameters or "-", ", ".join(shown)])
    note = (
        ""
        if choices is not None
        else "Some strategies were objects that could not be written down; the scenario's are shown."
    )
    heads = ["kind", "strategy", "parameters", "agents"]
    return Table("Strategies", heads, rows, words=4, note=note) if rows else None


def _size(ds: xr.Dataset) -> str:
    things = {"node": "node", "workload": "class", "asset": "asset", "provider": "provider", "arc": "link"}
    return ", ".join(counted(int(ds.sizes[dim]), thing) for dim, thing in things.items() if dim in ds.sizes)


def _mapping(text: Any) -> dict[str, Any] | None:
    """Read an attribute that holds a mapping as JSON; None where it does not."""
    try:
        found = json.loads(text)
    except (TypeError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _yaml(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name)
