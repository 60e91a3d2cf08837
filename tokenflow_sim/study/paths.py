"""Dotted paths that a study is given twice: whichever came last would play, under the labels of both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import permutations
from typing import Any

from tokenflow_sim.errors import Fault, InputError
from tokenflow_sim.scenario.override import changes_of as mapping_of
from tokenflow_sim.scenario.places import Loc, parse_path


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
