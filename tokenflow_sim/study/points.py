"""The points of a study made into its runs, all of them checked and their labels known before the first is played."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from tokenflow_sim.agents.environment import Environment
from tokenflow_sim.errors import Fault, InputError, ScenarioError
from tokenflow_sim.results import Plan
from tokenflow_sim.scenario.places import parse_path, value_at
from tokenflow_sim.scenario.reading import held
from tokenflow_sim.strategies.assignment import (
    Choice,
    assign_with_limits,
    find_faults,
    resolve,
    specs,
    with_blocks,
)
from tokenflow_sim.strategies.registry import BASES
from tokenflow_sim.study.design import Design
from tokenflow_sim.study.frame import DatasetShape
from tokenflow_sim.study.sampling import is_strategy, label_of
from tokenflow_sim.study.task import Task


def prepare(design: Design, pattern: Task, frame: DatasetShape, recorded: Sequence[str]) -> list[Task]:
    """Make the tasks, check all points, and let the frame know the shape of what they will bring.

    Raises
    ------
    ScenarioError
        With the faults of all points, the first time each is found.
    """
    tasks: list[Task] = []
    faults = {
        str(fault): fault for fault in [*_strategies_twice(design, pattern), *_same_values(design, pattern)]
    }
    structures: set[Hashable] = set()
    tables: dict[tuple[str, Hashable], Any] = {}
    names = list(design.shape)
    for point in design:
        overrides, strategies = _parted(_held(point.values, tables, faults), faults)
        labels = dict(zip(names, point.index, strict=False)) | {
            path: label_of(value) for path, value in point.values.items()
        }
        of_point = [
            replace(
                pattern,
                seed=seed,
                label={**labels, "seed": seed},
                overrides=overrides,
                strategies={**(pattern.strategies or {}), **strategies} or None,
            )
            for seed in design.seeds
        ]
        tasks += of_point
        try:
            structure = _structure(of_point[0])
            if structure not in structures:
                model = of_point[0].model(record=recorded)
                frame.add(model.ledger.plan, model.periods)
                structures.add(structure)
        except InputError as error:
            for fault in error.faults:
                faults.setdefault(str(fault), fault)
    if faults:
        raise ScenarioError(list(faults.values()), f"scenario {pattern.scenario.name!r} as it is varied")
    return tasks


def _held(
    values: Mapping[str, Any], tables: dict[tuple[str, Hashable], Any], faults: dict[str, Fault]
) -> dict[str, Any]:
    """Return the values of a point with tables and files of series read, each once for all points."""
    found: list[Fault] = []
    for path, value in values.items():
        key = (path, label_of(value))
        if key not in tables:
            tables[key] = held({path: value}, found)[path]
    for fault in found:
        faults.setdefault(str(fault), fault)
    return {path: tables[path, label_of(value)] for path, value in values.items()}


def _structure(task: Task) -> Hashable:
    """Return what the labels of a run's results follow from: much sooner than by making its model.

    Raises
    ------
    ScenarioError
        If the scenario or a strategy has faults.
    """
    scenario = task.scenario.override(task.overrides, also=partial(find_faults, allow_code=task.allow_code))
    compiled = scenario.compiled
    made, own = assign_with_limits(scenario, task.strategies, allow_code=task.allow_code)
    limits = Environment(compiled, 0, own).limits()
    backlogs = tuple(getattr(strategy, "keeps_backlog", False) for strategy in made["region"].values())
    layout = with_blocks(compiled.layout, made)
    # Asked of the plan, which has all labels that results may have, those of grid, rules and latencies among them.
    plan = Plan(
        layout, compiled.providers, compiled.owners, {}, has_backlog=any(backlogs), limits=limits,
        carbon=compiled.carbon.recorded, has_outages=compiled.has_outages, grid=compiled.grid,
        delivery=compiled.path_rules.delivery, contracts=compiled.contracts,
        mitigates=scenario.rules.mitigation is not None,
    )  # fmt: skip
    labels = tuple((name, dim, tuple(values.tolist())) for name, (dim, values) in plan.coords.items())
    units = tuple((name, row.unit_for(layout.link_unit)) for name, row in plan.table.items())
    return layout, compiled.periods, backlogs, scenario.times, labels, units


def _parted(values: Mapping[str, Any], faults: dict[str, Fault]) -> tuple[dict[str, Any], dict[str, Choice]]:
    """Part the values of a point into overrides, and strategies that are given as classes or objects."""
    overrides: dict[str, Any] = {}
    strategies: dict[str, Choice] = {}
    for path, value in values.items():
        if not is_strategy(value):
            overrides[path] = value
            continue
        if agent := _agent_of(path):
            strategies[agent] = value
        else:
            fault = Fault("a strategy's class or object may stand at an agent's strategy only", path)
            faults.setdefault(str(fault), fault)
    return overrides, strategies


def _agent_of(path: str) -> str:
    """Return the agent whose strategy a path is, e.g. ``providers.atlas``; empty if it is none."""
    try:
        loc = parse_path(path)
    except ValueError:
        return ""
    is_of_agent = loc[2:] in (("strategy",), ("strategy", "name")) and f"{loc[0]}"[:-1] in BASES
    return f"{loc[0]}.{loc[1]}" if is_of_agent else ""


def _strategies_twice(design: Design, pattern: Task) -> list[Fault]:
    """Return the faults of strategies that are varied, while the argument `strategies` gives them too."""
    chosen, _ = resolve(specs(pattern.scenario.compiled), pattern.strategies or {})
    given = {(f"{kind}s", name) for kind, name in chosen}
    text = "is varied, but the argument `strategies` gives this agent's strategy too; give one of them"
    faults = []
    for path in _paths(design):
        with suppress(ValueError):
            loc = parse_path(path)
            if loc[:2] in given and loc[2:3] == ("strategy",):
                faults.append(Fault(text, path))
    return faults


def _same_values(design: Design, pattern: Task) -> list[Fault]:
    """Return the faults of values that are written differently, and mean the same: one run would have two labels.

    Numbers are what they are; text and truth values are compared as the scenario reads them: ``yes`` is ``true``.
    """
    faults = []
    for path, values in _paths(design).items():
        if all(_is_number(value) or is_strategy(value) for value in values):
            continue
        seen: dict[str, Any] = {}
        for value in values:
            if is_strategy(value):
                continue
            with suppress(InputError, ValueError):  # what cannot be is reported where all points are checked
                changed = pattern.scenario.override({path: value})
                read = value_at(changed.model_dump(by_alias=True), parse_path(path))
                if read is not None and (first := seen.setdefault(repr(read), value)) is not value:
                    faults.append(
                        Fault(f"{first!r} and {value!r} mean the same ({read!r}); give it once", path)
                    )
    return faults


def _paths(design: Design) -> dict[str, list[Any]]:
    """Return the listed values of every path that is varied; none of one whose values are drawn."""
    if design.how == "list":
        return {path: [point[path] for point in design.points] for path in design.points[0]}
    return {**design.lists, **({path: [] for path in design.points[0]} if design.points else {})}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
