"""Limits of one's own by object, by class, or as ``module:Class`` where code is allowed."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Mapping
from typing import Any

from tokenflow_sim.errors import Fault, InputError, StrategyError
from tokenflow_sim.market.own_limit import Limit
from tokenflow_sim.strategies.registry import code_of

LimitChoice = Limit | type[Limit] | str | Mapping[str, Any]
"""A limit, its class, ``module:Class``, or ``{"name": "module:Class", parameter: value}``."""


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
    found: list[Limit] = []
    faults: list[Fault] = []
    if isinstance(choices, (str, Mapping, Limit, type)):
        choices = [choices]
    for number, choice in enumerate(choices):
        place = f"limits[{number}]"
        try:
            found.append(_make(choice, allow_code))
        except (StrategyError, TypeError, ValueError) as error:
            faults.append(Fault(str(error), place))
    if faults:
        raise InputError(faults, "list of limits")
    return tuple(found)


def _make(choice: LimitChoice, allow_code: bool) -> Limit:
    if isinstance(choice, Limit):
        return choice
    given: dict[str, Any] = {}
    if isinstance(choice, Mapping):
        given = dict(choice)
        choice = given.pop("name", "")
    made: Any = choice
    if isinstance(choice, str):
        if ":" not in choice:
            raise ValueError(f"must be a limit's class as module:Class; found {choice!r}")
        if not allow_code:
            raise ValueError(
                f"limit {choice!r} is code outside the package, which runs only where you allow it: allow_code=True"
            )
        made = code_of(choice)
    if not (inspect.isclass(made) and issubclass(made, Limit)):
        raise TypeError(f"must be a tf.Limit, its class, or module:Class; found {choice!r:.80}")
    if inspect.isabstract(made):
        raise TypeError(
            f"limit {made.__name__!r} lacks the method {', '.join(sorted(made.__abstractmethods__))}"
        )
    limit: Limit = made(**given)
    return limit


def limits_written_down(limits: Iterable[Limit]) -> str:
    """Return the classes of limits as JSON, for the attributes of results."""
    return json.dumps([f"{type(limit).__module__}:{type(limit).__qualname__}" for limit in limits])
