"""What studies are given: strategies, seeds and dotted paths, checked all at once."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import permutations
from typing import Any, TypeGuard

import numpy as np

from tokenflow_sim.errors import Fault, InputError, StrategyError, unknown_name
from tokenflow_sim.scenario import Scenario
from tokenflow_sim.scenario.override import changes_of as mapping_of
from tokenflow_sim.scenario.places import Loc, parse_path
from tokenflow_sim.strategies.assignment import Choice
from tokenflow_sim.strategies.base import BaseStrategy, Strategy, parameters
from tokenflow_sim.strategies.registry import attempt, spec_of


def label_of(choice: Choice) -> str:
    """Return a strategy's name, with the parameters that were given: ``fixed_markup(markup=0.2)``.

    Parameters
    ----------
    choice : str, mapping, BaseStrategy or class
        The strategy.
    """
    if isinstance(choice, str):
        return choice
    if inspect.isclass(choice):
        return str(_named(choice())["name"])
    if isinstance(choice, BaseStrategy):
        spec, defaults = _named(choice), parameters(type(choice))
        given = {
            key: value for key, value in spec.items() if key != "name" and value != defaults[key].default
        }
    else:
        spec = dict(choice)
        given = {key: value for key, value in spec.items() if key != "name"}
    shown = ", ".join(f"{key}={value}" for key, value in given.items())
    return f"{spec.get('name')}({shown})" if shown else str(spec.get("name"))


def _named(strategy: BaseStrategy) -> dict[str, Any]:
    try:
        return spec_of(strategy)
    except StrategyError:  # one that hides its parameters still has a name
        return {"name": type(strategy).__name__}


def labelled(
    strategies: Sequence[Choice], allow_code: bool, faults: list[Fault], least: int = 2
) -> dict[str, Choice]:
    """Check the strategies of a study, and return them by label.

    Parameters
    ----------
    strategies : sequence
        Names, names with parameters, classes or objects.
    allow_code : bool
        Whether ``module:Class`` may be imported.
    faults : list of Fault
        What is wrong is added here.
    least : int
        How many there must be.
    """
    if isinstance(strategies, (str, Mapping)) or not isinstance(strategies, Sequence):
        faults.append(Fault(f"must be a list of strategies; found {strategies!r:.80}", "strategies"))
        return {}
    found: dict[str, Choice] = {}
    for place, choice in enumerate(strategies):
        where = f"strategies[{place}]"
        own = _check(choice, allow_code, where)
        faults += own
        if own:
            continue
        label = label_of(choice)
        if label in found:
            faults.append(Fault(f"{label!r} is there twice; give one of them other parameters", where))
        found[label] = choice
    if len(strategies) < least:
        text = f"needs at least {least} strategies to compare; found {len(strategies)}"
        faults.append(Fault(text, "strategies"))
    return found


def _check(choice: object, allow_code: bool, where: str) -> list[Fault]:
    if isinstance(choice, (str, Mapping)):
        return attempt("provider", choice, allow_code=allow_code, place=where)[1]
    cls = choice if inspect.isclass(choice) else type(choice)
    if not issubclass(cls, Strategy):
        return [
            Fault(f"must be a strategy of a provider: its name, class or object; found {choice!r:.80}", where)
        ]
    return without_defaults(choice, where)


def without_defaults(choice: object, where: str) -> list[Fault]:
    """Return the fault of a strategy's class that cannot be made without its parameters."""
    if not (inspect.isclass(choice) and issubclass(choice, BaseStrategy)):
        return []
    needed = [key for key, one in parameters(choice).items() if one.default is one.empty]
    if not needed:
        return []
    return [Fault(f"class {choice.__name__} has no default for {', '.join(needed)}; give an object", where)]


def check_provider(scenario: Scenario, provider: str | None, faults: list[Fault]) -> None:
    """Add a fault if there is no such provider; None stands for all of them."""
    known = scenario.compiled.providers  # of those that merged, the new firm
    if provider is not None and provider not in known:
        faults.append(Fault(unknown_name("provider", provider, list(known)), "provider"))


_LAST_SEED = 2**64 - 1  # what a coordinate of results holds


def seeds_of(seeds: object, faults: list[Fault]) -> list[int]:
    """Return the seeds of a study: so many from 0 on, or those given.

    Parameters
    ----------
    seeds : int, sequence or array of int
        How many, or which.
    faults : list of Fault
        What is wrong is added here.
    """
    if _is_whole(seeds):
        if int(seeds) < 1:
            faults.append(Fault(f"give a number from 1 on, or a list of seeds; found {seeds}", "seeds"))
        return list(range(int(seeds)))
    if isinstance(seeds, str) or not isinstance(seeds, (Sequence, np.ndarray)):
        text = f"must be a whole number of seeds, or a list of seeds; found {seeds!r:.80}"
        faults.append(Fault(text, "seeds"))
        return []
    listed = list(seeds)
    wrong = [seed for seed in listed if not (_is_whole(seed) and 0 <= int(seed) <= _LAST_SEED)]
    if wrong:
        text = f"seeds are whole numbers from 0 to {_LAST_SEED:,}; found {wrong[0]!r:.60}"
        faults.append(Fault(text, "seeds"))
        return []
    numbers = [int(seed) for seed in listed]
    if not numbers:
        faults.append(Fault("give at least one seed; found an empty list", "seeds"))
    elif len(set(numbers)) < len(numbers):
        twice = next(seed for seed in numbers if numbers.count(seed) > 1)
        faults.append(Fault(f"seed {twice} is given twice, which would count one run twice", "seeds"))
    return numbers


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def check_ways(resume: bool, force: bool, faults: list[Fault]) -> None:
    """Add a fault where a study is to be gone on with, and also to be replaced."""
    if resume and force:
        faults.append(Fault("resume a study, or replace it: give one of them", "resume and force"))


def check_confidence(confidence: object, faults: list[Fault]) -> None:
    """Add a fault unless it is a number between 0 and 1."""
    if not (isinstance(confidence, (float, int, np.number)) and 0 < confidence < 1):
        faults.append(Fault(f"must lie between 0 and 1; found {confidence!r}", "confidence"))


def check_burn_in(burn_in: object, periods: int, faults: list[Fault]) -> None:
    """Add a fault unless so many periods can be left out at the start, and some are left."""
    if not _is_whole(burn_in) or not 0 <= burn_in < periods:
        text = (
            f"must be a whole number from 0 to {periods - 1}, less than the {periods} periods that are played"
        )
        faults.append(Fault(f"{text}; found {burn_in!r}", "burn_in"))


def check_rivals(rivals: object, played: str, faults: list[Fault]) -> None:
    """Add a fault for strategies of rivals that the strategies to compare would replace.

    Parameters
    ----------
    rivals : mapping or None
        Strategies of other agents.
    played : str
        Who plays the strategies to compare: ``providers``, or ``providers.NAME``.
    faults : list of Fault
        What is wrong is added here.
    """
    if rivals is None:
        return
    if not isinstance(rivals, Mapping):
        text = f"must be a mapping from agents to strategies; found {rivals!r:.80}"
        faults.append(Fault(text, "rivals"))
        return
    for name in (played, played.removeprefix("providers.")):
        if name in rivals:
            text = "plays the strategies to compare, so that it cannot have another; leave it out"
            faults.append(Fault(text, f"rivals[{name!r}]"))
            return


def refuse(faults: list[Fault], subject: str) -> None:
    """Raise all faults together, if there are any.

    Raises
    ------
    InputError
        With all of them.
    """
    if faults:
        raise InputError(faults, subject)


def varied_twice(varied: Iterable[str]) -> list[Fault]:
    """Return the faults of paths that are varied of which one holds the other."""
    faults, locs = [], _locs(varied)
    for one, other in permutations(locs, 2):
        if _holds(locs[one], locs[other]) and (locs[one] != locs[other] or one < other):
            faults.append(Fault(f"holds {other}, which is varied too; vary one of them", str(one)))
    return faults


def fixed_too(varied: Iterable[str], fixed: Iterable[str]) -> list[Fault]:
    """Return the faults of paths that are varied, while `overrides` give them, a part of them, or what holds them."""
    faults = []
    given = _locs(fixed)
    for path, loc in _locs(varied).items():
        for other, at in given.items():
            if loc == at:
                text = "is varied, and given by overrides (--set) too; give it once"
            elif _holds(loc, at):
                text = f"is varied, and holds {other}, which overrides (--set) give too; give one of them"
            elif _holds(at, loc):
                text = (
                    f"is varied, and is part of {other}, which overrides (--set) give too; give the other parts one by"
                    " one, or change the scenario first: load_scenario(...).override({...})"
                )
            else:
                continue
            faults.append(Fault(text, path))
    return faults


def changes_of(
    overrides: Mapping[str, Any] | None, periods: int | None, faults: list[Fault]
) -> dict[str, Any]:
    """Return the overrides with the number of periods among them, which must not be given in both ways."""
    try:
        changes = mapping_of(overrides)
    except InputError as error:
        faults.extend(Fault(fault.message, "overrides") for fault in error.faults)
        return {}
    if periods is not None:
        if "periods" in changes:
            faults.append(Fault("is given by overrides (--set) too; give it once", "periods"))
        changes["periods"] = periods
    return changes


def replaced_strategies(overrides: Iterable[str], provider: str | None) -> list[Fault]:
    """Return the faults of overrides of strategies that a study exchanges for those it compares.

    Parameters
    ----------
    overrides : iterable of str
        The paths.
    provider : str or None
        Who plays the strategies to compare; every provider if None.
    """
    text = (
        "is of a provider that plays the strategies to compare, so that it would change nothing; leave it out"
    )
    return [
        Fault(text, path)
        for path, loc in _locs(overrides).items()
        if loc[0] == "providers" and loc[2:3] == ("strategy",) and provider in (None, loc[1])
    ]


def _holds(outer: Loc, inner: Loc) -> bool:
    return inner[: len(outer)] == outer


def _locs(paths: Iterable[str]) -> dict[str, Loc]:
    locs = {}
    for path in paths:
        with suppress(ValueError):  # what is no path is reported where it is applied
            locs[path] = parse_path(str(path))
    return locs
