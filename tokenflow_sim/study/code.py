"""What code the runs of a study are played by, so that no study mixes two states of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tokenflow_sim.errors import ResultError, StrategyError
from tokenflow_sim.scenario import Scenario
from tokenflow_sim.strategies.code import UNKNOWN, compare, fingerprint
from tokenflow_sim.strategies.registry import code_of
from tokenflow_sim.study.task import Task

_NAME = re.compile(r"[^\W\d][\w.]*:[^\W\d][\w.]*")
"""``module:Class`` within the text of an override."""


def study_code(tasks: Sequence[Task]) -> dict[str, str]:
    """Return the digests of all code of a user's own that tasks play, by module.

    Parameters
    ----------
    tasks : sequence of Task
        The runs; of those that share a scenario or strategies, these are looked into once.
    """
    found: dict[str, str] = {}
    seen: dict[int, object] = {}
    named: set[str] = set()
    for task in tasks:
        for part in (task.scenario, task.strategies, *task.overrides.values()):
            if part is None or isinstance(part, (bool, int, float)) or id(part) in seen:
                continue
            seen[id(part)] = part
            found |= fingerprint([] if isinstance(part, Scenario) else part)
            if task.allow_code:
                named.update(_names(part))
    for name in sorted(named):
        try:
            found |= fingerprint(code_of(name))
        except (StrategyError, ImportError):
            continue  # the run that needs it says so
    return dict(sorted(found.items()))


def _names(part: object) -> Iterator[str]:
    """Yield what may be ``module:Class`` in a scenario, strategies or an override."""
    if isinstance(part, Scenario):
        for section in (part.providers, part.owners, part.regions):
            for agent in section.values():
                yield from _names(agent.strategy.as_dict())
        for merger in part.mergers.values():
            yield from _names(None if merger.strategy is None else merger.strategy.as_dict())
        for limit in part.limits.values():
            yield from _names(limit.as_dict())
    elif isinstance(part, str):
        yield from _NAME.findall(part)
    elif isinstance(part, Mapping):
        for value in part.values():
            yield from _names(value)
    elif isinstance(part, (list, tuple)):
        for value in part:
            yield from _names(value)


def refuse_other_code(then: object, now: object, where: str, remedy: str) -> None:
    """Refuse to resume what other code has begun.

    Parameters
    ----------
    then, now : str, mapping or None
        Digests by module, as JSON perhaps.
    where : str
        What was begun.
    remedy : str
        What else there is to do.

    Raises
    ------
    ResultError
        If a module has changed; it is named with both digests.
    """
    if difference := compare(then, now, where):
        raise ResultError(
            f"{where}: was played by other code, from which this differs: {difference}; restore that code to resume"
            f" it, {remedy}"
        )


def check_played(here: Mapping[str, str], there: str) -> None:
    """Refuse a run that another process played by other code of the same module.

    Parameters
    ----------
    here : mapping
        The digests of the study's code.
    there : str
        Those of the run, as JSON.

    Raises
    ------
    ResultError
        Naming the modules.
    """
    played: dict[str, Any] = json.loads(there) if there else {}
    other = {
        name: digest for name, digest in played.items() if here.get(name, UNKNOWN) not in (UNKNOWN, digest)
    }
    if other:
        difference = compare({name: here[name] for name in other}, other, "the study")
        raise ResultError(
            f"a worker plays other code than this process: {difference}; was it edited during the study, or has the"
            " worker another copy of it? Start the study again"
        )
