"""Limits of one's own by object, by class, or as ``module:Class`` where code is allowed."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Mapping
from typing import Any

from tokenflow_sim.errors import Fault, InputError, StrategyError
from tokenflow_sim.market import Limit
from tokenflow_sim.scenario.schema import ScenarioFields
from tokenflow_sim.strategies.base import parameters
from tokenflow_sim.strategies.registry import code_of, read_parameters

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
