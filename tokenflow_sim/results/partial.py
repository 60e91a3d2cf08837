"""The finished periods of a run that could not be finished: kept beside its output under a name that says so."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from tokenflow_sim.disk import LONGEST, hidden_stem, remove
from tokenflow_sim.errors import ResultError
from tokenflow_sim.results.files import load_results
from tokenflow_sim.results.plan import Plan

PARTIAL = "partial"
"""Attribute of results that hold some periods of a run only; says which."""


def head_of(attrs: Mapping[str, Any], variables: list[str]) -> dict[str, Any]:
    """Return what tells one run from another, by the words that a message uses."""
    return {
        "scenario": hashlib.sha256(str(attrs.get("scenario")).encode()).hexdigest(),
        "seed": str(attrs.get("seed")),
        "strategies": str(attrs.get("strategies")),
        "versions": f"{attrs.get('tokenflow_sim_version')} {attrs.get('versions')}",
        "variables": variables,
        "code": str(attrs.get("code", "{}")),
    }


def partial_path(path: Path, plan: Plan) -> Path:
    """Return where the finished periods of a run go: ``run.partial.nc`` beside ``run.nc``.

    What another run left under that name stays; then the name has a number.

    Parameters
    ----------
    path : Path
        The output of the run.
    plan : Plan
        What its results look like.
    """
    return next(place for place in _places(path) if not place.exists() or _is_of(place, plan))


def remove_partial(path: Path, plan: Plan) -> None:
    """Remove what an earlier try of a run left, now that its output is whole."""
    for place in _places(path):
        if not place.exists():
            return
        if _is_of(place, plan):
            remove(place)
            return


def _places(path: Path) -> Iterator[Path]:
    for number in count(1):
        ending = f".partial{f'-{number}' if number > 1 else ''}{path.suffix}"
        whole = f"{path.stem}{ending}"
        fits = len(os.fsencode(whole)) <= LONGEST
        yield path.with_name(whole if fits else f"{hidden_stem(path)}{ending}")


def _is_of(place: Path, plan: Plan) -> bool:
    """Say whether a file holds some periods of the very same run."""
    with suppress(ResultError), load_results(place) as found:
        names = [str(name) for name in found.data_vars]
        own = head_of(plan.attrs, list(plan.variables))
        return PARTIAL in found.attrs and head_of(found.attrs, names) == own
    return False


def told(first: int, last: int, periods: int, place: Path | None, resume: int = 0) -> str:
    """Say which periods are kept, where, and how to go on.

    Parameters
    ----------
    first, last : int
        The periods.
    periods : int
        How many the run has.
    place : Path or None
        The file; None where they are in memory.
    resume : int
        The period from which the run can go on; 0 where it cannot.
    """
    which = f"period {first}" if first == last else f"periods {first} to {last}"
    verb = "is" if first == last else "are"
    if place is None:
        return f"  {which} of {periods} {verb} kept in memory: the model's results() returns them"
    text = f"  {which} of {periods} {verb} kept in {place}, which opens like any result; "
    if resume:
        return (
            f"{text}where the cause lay outside of the run, go on from period {resume} with --resume; after a change"
            " of the scenario or of code start anew with --force"
        )
    return f"{text}mend what went wrong and run again"
