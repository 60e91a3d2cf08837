"""Who plays what, within which limits: what a scenario says, some of it exchanged for something else."""

from __future__ import annotations

import copy
import inspect
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from tokenflow_sim.errors import Fault, InputError, ScenarioError, StrategyError, unknown_name
from tokenflow_sim.market import Layout, Limit
from tokenflow_sim.pickling import culprit
from tokenflow_sim.scenario import Compiled, Scenario
from tokenflow_sim.scenario.places import Found, parse_path
from tokenflow_sim.scenario.schema import ScenarioFields
from tokenflow_sim.strategies.base import BaseStrategy, Kind, parameters
from tokenflow_sim.strategies.registry import BASES, attempt, code_of, read_parameters, spec_of

LimitChoice = Limit | type[Limit] | str | Mapping[str, Any]
"""A limit, its class, ``module:Class``, or ``{"limit": "module:Class", parameter: value}``."""


def find_limits(choices: Iterable[LimitChoice], *, allow_code: bool) -> tuple[Limit, ...]:
    """Make limits of what was given for them.

    Parameters
    ----------
    choices : iterable
        Limits, classes, names or mappings.
    allow_code : bool
        Whether ``module:Class`` may be imported.

    Raises
    ------
    InputError
        With the faults of all of them.
    """
    if isinstance(choices, (str, Mapping, Limit, type)):
        choices = [choices]
    found: list[Limit] = []
    faults: list[Fault] = []
    for number, choice in enumerate(choices):
        made, own = _attempt(choice, allow_code, f"limits[{number}]")
        faults += own
        found += [made] if made is not None else []
    if faults:
        raise InputError(faults, "list of limits")
    return tuple(found)


def limits_of(
    scenario: ScenarioFields, *, allow_code: bool, faults: list[Fault] | None = None
) -> tuple[Limit, ...]:
    """Make the limits of a scenario's section `limits`, each with its name there.

    Parameters
    ----------
    scenario : Scenario
        The scenario.
    allow_code : bool
        Whether their classes may be imported.
    faults : list of Fault, optional
        What is wrong is added here, with its place in the scenario.

    Raises
    ------
    InputError
        With everything that is wrong, where no list takes it.
    """
    found: list[Limit] = []
    wrong: list[Fault] = []
    for name, spec in scenario.limits.items():
        made, own = _attempt(spec.as_dict(), allow_code, f"limits.{name}")
        wrong += own
        if made is not None:
            made.name = name
            found.append(made)
    if faults is not None:
        faults += wrong
    elif wrong:
        raise InputError(wrong, f"scenario {scenario.name!r}")
    return tuple(found)


def _attempt(choice: LimitChoice, allow_code: bool, place: str) -> tuple[Limit | None, list[Fault]]:
    """Make a limit, or return all that is wrong with what was given for it."""
    if isinstance(choice, Limit):
        return choice, []
    given: dict[str, Any] = {}
    at = place
    if isinstance(choice, Mapping):
        given = dict(choice)
        choice, at = given.pop("limit", None), f"{place}.limit"
    cls: Any = choice
    if isinstance(choice, str):
        if ":" not in choice:
            return None, [Fault(f"must be a limit's class as module:Class; found {choice!r:.80}", at)]
        try:
            cls = code_of(choice, Limit, allow_code=allow_code)
        except StrategyError as error:
            return None, [Fault(str(error), at)]
    if not (inspect.isclass(cls) and issubclass(cls, Limit)):
        return None, [Fault(f"must be a tf.Limit, its class, or module:Class; found {choice!r:.80}", at)]
    what = f"limit {cls.__name__!r}"
    if inspect.isabstract(cls):
        return None, [Fault(f"{what} lacks the method {', '.join(sorted(cls.__abstractmethods__))}", at)]
    values, faults = read_parameters(cls, what, given)
    if faults:
        return None, [Fault(fault.message, f"{place}.{fault.place}") for fault in faults]
    try:
        return cls(**values), []
    except Exception as error:  # a user's code may raise anything
        return None, [Fault(f"{what}: {type(error).__name__}: {error}", place)]


def limits_written_down(limits: Iterable[Limit]) -> str:
    """Return limits as JSON that `find_limits` takes again; ``null`` where one does not keep its parameters."""
    specs = []
    for limit in limits:
        cls = type(limit)
        names = list(parameters(cls))
        if not all(hasattr(limit, name) for name in names) or "<locals>" in cls.__qualname__:
            return "null"
        own = {name: getattr(limit, name) for name in names}
        specs.append({"limit": f"{cls.__module__}:{cls.__qualname__}", **own})
    try:
        return json.dumps(specs)
    except (TypeError, ValueError):
        return "null"


StrategiesByKind = Mapping[Kind, Mapping[str, Any]]
"""Strategies: ``{kind: {name: strategy}}``."""
Agents = Mapping[Kind, Mapping[str, Mapping[str, Any]]]
Choice = str | Mapping[str, Any] | BaseStrategy | type[BaseStrategy]
"""A strategy: its name, its name with parameters, an object, or a class that is made with its defaults."""


def assign(
    agents: Agents,
    choices: Mapping[str, Choice] | None = None,
    *,
    allow_code: bool = False,
    subject: str = "scenario",
    found: Sequence[Fault] = (),
) -> dict[Kind, dict[str, BaseStrategy]]:
    """Make every agent's strategy.

    Parameters
    ----------
    agents : mapping
        ``{kind: {name: spec}}``, what the scenario says.
    choices : mapping, optional
        Other strategies for some: by an agent's name (``atlas``, or ``providers.atlas`` where an agent of
        another kind has the same name), or by ``providers``, ``owners`` or ``regions`` for all of a kind. An
        object is copied for each agent, so that no two share what they remember.
    allow_code : bool
        Whether ``module:Class`` may be imported.
    subject : str
        What the agents belong to, for messages.
    found : sequence of Fault
        What else is wrong, to be reported with the faults of strategies.

    Returns
    -------
    dict
        ``{kind: {name: strategy}}``.

    Raises
    ------
    ScenarioError
        With all faults: unknown agents, strategies or parameters, and values that do not fit.
    """
    chosen, faults = resolve(agents, choices or {})
    faults += found
    made: dict[Kind, dict[str, BaseStrategy]] = {}
    for kind, specs in agents.items():
        made[kind] = {}
        for name, spec in specs.items():
            place = f"{kind}s.{name}.strategy"
            choice = chosen.get((kind, name), spec)
            strategy, own = _make(kind, choice, allow_code, place)
            faults += own
            if strategy is not None:
                made[kind][name] = strategy
    if faults:
        raise ScenarioError(faults, subject)
    return made


def assign_with_limits(
    scenario: Scenario, choices: Mapping[str, Choice] | None = None, *, allow_code: bool = False
) -> tuple[dict[Kind, dict[str, BaseStrategy]], tuple[Limit, ...]]:
    """Make every agent's strategy and all limits of a scenario.

    Parameters
    ----------
    scenario : Scenario
        The scenario.
    choices, allow_code
        As `assign` takes them.

    Raises
    ------
    ScenarioError
        With the faults of both.
    """
    faults: list[Fault] = []
    limits = limits_of(scenario, allow_code=allow_code, faults=faults)
    subject = f"scenario {scenario.name!r}"
    made = assign(specs(scenario.compiled), choices, allow_code=allow_code, subject=subject, found=faults)
    return made, limits


def specs(compiled: Compiled) -> dict[Kind, dict[str, dict[str, Any]]]:
    """Return what a scenario says of its agents' strategies: ``{kind: {name: spec}}``."""
    names: dict[Kind, tuple[str, ...]] = {
        "provider": compiled.providers,
        "owner": compiled.owners,
        "region": compiled.regions,
    }
    return {kind: {name: compiled.strategy_of(kind, name) for name in names[kind]} for kind in names}


def find_faults(scenario: Scenario, *, allow_code: bool = False) -> list[Found]:
    """Find strategies, limits and parameters of a scenario that do not exist or do not fit, by their places."""
    sections: dict[Kind, Mapping[str, Any]] = {
        "provider": scenario.providers,
        "owner": scenario.owners,
        "region": scenario.regions,
    }
    found: list[Found] = []
    for kind, section in sections.items():
        for name, agent in section.items():
            _, faults = attempt(kind, agent.strategy.as_dict(), allow_code=allow_code)
            for fault in faults:
                loc = (f"{kind}s", name, "strategy", *([fault.place] if fault.place else []))
                found.append((loc, fault.message))
    for name, merger in scenario.mergers.items():
        given = None if merger.strategy is None else merger.strategy.as_dict()
        for fault in attempt("provider", given, allow_code=allow_code)[1] if given else ():
            loc = ("mergers", name, "strategy", *([fault.place] if fault.place else []))
            found.append((loc, fault.message))
    faults = list[Fault]()
    limits_of(scenario, allow_code=allow_code, faults=faults)
    return found + [(parse_path(fault.place), fault.message) for fault in faults]


def with_blocks(layout: Layout, made: StrategiesByKind) -> Layout:
    """Give a market's layout as many blocks and steps as the strategies ask for, or none where one is enough."""
    blocks = max((strategy.blocks for strategy in made["provider"].values()), default=1)
    steps = max((strategy.steps for strategy in made["region"].values()), default=1)
    return replace(
        layout,
        blocks=pd.RangeIndex(blocks, name="block") if blocks > 1 else None,
        steps=pd.RangeIndex(steps, name="step") if steps > 1 else None,
    )


def slopes_recorded(made: StrategiesByKind) -> tuple[str, ...]:
    """Return which slopes a run records: those of offers and of bids, where some strategy says that it has them."""
    offers = any(strategy.offers_slopes for strategy in made["provider"].values())
    bids = any(strategy.bids_slopes for strategy in made["region"].values())
    return (*(["offer_slope"] if offers else []), *(["value_slope"] if bids else []))


def written_down(choices: Mapping[str, Choice] | None) -> str:
    """Return what `describe` does as JSON; ``null`` where it cannot be written down."""
    try:
        return json.dumps(describe(choices), sort_keys=True)
    except (StrategyError, TypeError):
        return "null"


def describe(choices: Mapping[str, Choice] | None) -> dict[str, dict[str, Any]]:
    """Return choices as names and parameters, which can be written down and given to `assign` again.

    Raises
    ------
    StrategyError
        If an object does not keep its parameters as attributes.
    """
    described: dict[str, dict[str, Any]] = {}
    for key, choice in (choices or {}).items():
        if inspect.isclass(choice):
            choice = choice()
        if isinstance(choice, BaseStrategy):
            described[key] = spec_of(choice)
        else:
            described[key] = {"name": choice} if isinstance(choice, str) else dict(choice)
    return described


def resolve[T](
    agents: Mapping[Kind, Mapping[str, object]], choices: Mapping[str, T], argument: str = "strategies"
) -> tuple[dict[tuple[Kind, str], T], list[Fault]]:
    """Find the agents that the keys of an argument mean; a single agent's choice goes before that of its kind."""
    chosen: dict[tuple[Kind, str], T] = {}
    faults: list[Fault] = []
    single: dict[tuple[Kind, str], T] = {}
    for key, choice in choices.items():
        kinds = [kind for kind in agents if key == f"{kind}s"]
        dotted = [(kind, _unquoted(key.partition(".")[2])) for kind in agents if key.startswith(f"{kind}s.")]
        hits = [pair for pair in dotted if pair[1] in agents[pair[0]]]
        hits = hits or [(kind, key) for kind, specs in agents.items() if key in specs]
        if len(hits) == 1:
            single[hits[0]] = choice
        elif hits:
            either = " or ".join(f"{kind}s.{key}" for kind, _ in hits)
            faults.append(Fault(f"several agents are called {key!r}; say {either}", f"{argument}[{key!r}]"))
        elif kinds:
            chosen |= {(kinds[0], name): choice for name in agents[kinds[0]]}
        else:
            everybody = [name for specs in agents.values() for name in specs]
            faults.append(Fault(unknown_name("agent", key, everybody), f"{argument}[{key!r}]"))
    return chosen | single, faults


def _unquoted(name: str) -> str:
    """Take off the quotes in which a dotted path has names with dots."""
    return name[1:-1] if len(name) > 2 and name[0] == name[-1] == '"' else name


def _make(
    kind: Kind, choice: Choice, allow_code: bool, place: str
) -> tuple[BaseStrategy | None, list[Fault]]:
    if inspect.isclass(choice) and issubclass(choice, BASES[kind]):
        return choice(), []
    if isinstance(choice, BASES[kind]):
        try:
            return copy.deepcopy(choice), []
        except Exception as error:  # what a user's own object raises
            what = culprit(choice, copy.deepcopy, type(choice).__name__)
            reason = f"this object cannot be copied, as each agent has its own: {what} ({error})"
            return None, [Fault(f"{reason}; give its class, or make such things where they are used", place)]
    if isinstance(choice, (str, Mapping)):
        return attempt(kind, choice, allow_code=allow_code, place=place)
    return None, [Fault(f"must be a strategy of a {kind}; found {choice!r:.80}", place)]
