"""Which runs a study plays: the product of lists, points drawn or listed, and seeds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any, Literal

import numpy as np

from tokenflow_sim.errors import Fault, InputError, unknown_name
from tokenflow_sim.scenario.sheet import is_table
from tokenflow_sim.study.arguments import seeds_of, varied_twice
from tokenflow_sim.study.sampling import (
    METHODS,
    Distribution,
    Values,
    draw,
    is_strategy,
    label_of,
    read_values,
)

How = Literal["grid", "list", "random", "latin", "sobol"]
HOW: tuple[str, ...] = ("grid", "list", *METHODS)
MOST_RUNS = 1_000_000


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a design: where it stands along the dims, and the values that it sets."""

    index: tuple[int, ...]
    values: dict[str, Any]


@dataclass(frozen=True)
class Design:
    """The runs of a study.

    Parameters
    ----------
    lists : dict
        Values of the paths that are crossed, each a dim of its own.
    points : list of dict
        Values of the paths that vary together, along the dim ``point``; empty if there are none.
    seeds : list of int
        Seeds, along the dim ``seed``: the same at every point, so that points differ by their values alone.
    how : str
        How the points came about.
    """

    lists: dict[str, list[Any]]
    points: list[dict[str, Any]]
    seeds: list[int]
    how: str = "grid"

    @cached_property
    def shape(self) -> dict[str, int]:
        """Length of every dim of the runs, in order."""
        sizes = {path: len(values) for path, values in self.lists.items()}
        return {**sizes, **({"point": len(self.points)} if self.points else {}), "seed": len(self.seeds)}

    def __len__(self) -> int:
        """Return the number of runs."""
        return int(np.prod(list(self.shape.values())))

    def __iter__(self) -> Any:
        """Go through all points in the order of the runs, seeds left out."""
        numbers = [range(len(values)) for values in self.lists.values()]
        together = range(len(self.points)) if self.points else range(1)
        for index in product(*numbers, together):
            values = {
                path: choices[number]
                for (path, choices), number in zip(self.lists.items(), index[:-1], strict=True)
            }
            if self.points:
                yield Point(index, values | self.points[index[-1]])
            else:
                yield Point(index[:-1], values)

    @cached_property
    def coords(self) -> dict[str, tuple[str, np.ndarray[Any, Any]]]:
        """Coordinates of the runs: name, dim, labels."""
        coords = {path: (path, _labels(values)) for path, values in self.lists.items()}
        if self.points:
            coords["point"] = ("point", np.arange(len(self.points)))
            for path in self.points[0]:
                coords[path] = ("point", _labels([point[path] for point in self.points]))
        coords["seed"] = (
            "seed",
            np.array(self.seeds, dtype=np.int64 if max(self.seeds) < 2**63 else np.uint64),
        )
        return coords

    def index(self, position: int) -> tuple[int, ...]:
        """Return where a run stands along the dims."""
        return tuple(int(number) for number in np.unravel_index(position, tuple(self.shape.values())))

    def describe(self) -> str:
        """Return the design as JSON, for the attributes of results."""
        return json.dumps(
            {"how": self.how, "vary": self.lists, "points": self.points},
            default=lambda value: label_of(value) if is_strategy(value) or is_table(value) else str(value),
        )


def make_design(
    vary: Mapping[str, Values],
    seeds: int | Sequence[int] = 1,
    *,
    how: How | None = None,
    samples: int | None = None,
    sample_seed: int = 0,
) -> Design:
    """Say which runs a study plays.

    Parameters
    ----------
    vary : mapping
        Values by dotted path, as `sampling.read_values` takes them.
    seeds : int or sequence of int
        How many seeds, from 0 on, or which.
    how : {'grid', 'list', 'random', 'latin', 'sobol'}, optional
        The product of all lists; lists of one length read side by side; or how distributions are drawn from, by
        default Sobol's sequence where `samples` is a power of two and at random elsewhere. Lists beside
        distributions are crossed with the points drawn.
    samples : int, optional
        How many points to draw.
    sample_seed : int
        Seed of the draw.

    Raises
    ------
    InputError
        With all faults.
    """
    faults: list[Fault] = []
    lists: dict[str, list[Any]] = {}
    drawn: dict[str, Distribution] = {}
    if not isinstance(vary, Mapping):
        text = f"must be a mapping from paths to values, e.g. {{'demand.scale': [1, 2]}}; found {vary!r:.80}"
        raise InputError([Fault(text, "vary")], "the study")
    for path, values in vary.items():
        try:
            found = read_values(values)
        except InputError as error:
            faults += [Fault(f"{fault.place}: {fault.message}", path) for fault in error.faults]
            continue
        if isinstance(found, Distribution):
            drawn[path] = found
        else:
            lists[path] = found
    numbers = seeds_of(seeds, faults)
    if not vary:
        faults.append(Fault("name at least one path, e.g. demand.scale over 1:45:1", "vary"))
    how = how or ("grid" if not drawn else "sobol" if samples and not samples & (samples - 1) else "random")
    faults += [*varied_twice(vary), *_misfits(how, lists, drawn, samples)]
    if faults:
        raise InputError(faults, "the study")
    points: list[dict[str, Any]] = []
    if how == "list":
        points = [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]
        lists = {}
    elif drawn:
        columns = draw(list(drawn.values()), samples or 0, how, sample_seed)  # type: ignore[arg-type]
        points = [dict(zip(drawn, row, strict=True)) for row in zip(*columns, strict=True)]
    design = Design(lists, points, numbers, how)
    if len(design) > MOST_RUNS:
        raise InputError([Fault(f"has {len(design):,} runs, more than {MOST_RUNS:,}", "vary")], "the study")
    return design


def _misfits(
    how: str, lists: Mapping[str, list[Any]], drawn: Mapping[str, Distribution], samples: int | None
) -> list[Fault]:
    if how not in HOW:
        return [Fault(unknown_name("design", how, HOW), "how")]
    faults = []
    if how in ("grid", "list"):
        faults += [
            Fault(f"{how}: takes lists, no distribution such as {d}", path) for path, d in drawn.items()
        ]
        if samples is not None:
            faults.append(Fault(f"has a meaning for distributions only; the design is a {how}", "samples"))
    elif not drawn:
        faults.append(Fault(f"{how}: no path has a distribution, e.g. uniform(1, 3)", "how"))
    elif samples is None:
        faults.append(Fault("say how many points to draw", "samples"))
    elif samples < 1 or (how == "sobol" and samples & (samples - 1)):
        want = "a power of two, e.g. 64" if how == "sobol" else "a number from 1 on"
        faults.append(Fault(f"{how}: give {want}; found {samples}", "samples"))
    lengths = {path: len(values) for path, values in lists.items()}
    if how == "list" and len(set(lengths.values())) > 1:
        faults.append(Fault(f"list: all lists must have one length; found {lengths}", "vary"))
    return faults


def _labels(values: Sequence[Any]) -> np.ndarray[Any, Any]:
    labels = [label_of(value) for value in values]
    if all(isinstance(label, bool) for label in labels):
        return np.array(labels, dtype=bool)
    if all(isinstance(label, (int, float)) and not isinstance(label, bool) for label in labels):
        whole = all(isinstance(label, int) for label in labels)
        return np.array(labels, dtype=np.int64 if whole else np.float64)
    return np.array([str(label) for label in labels], dtype=np.str_)
