"""What a strategy promises that says it follows the state alone (`BaseStrategy.follows_state`)."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from tokenflow_sim.strategies.base import BaseStrategy, History, Kind


@dataclass(frozen=True, slots=True)
class _Numbers:
    """What strategies of one kind submit, and on what.

    Parameters
    ----------
    method : str
        Their method that submits.
    seen : tuple of str
        The two numbers of the view that count, row by row.
    made : tuple of str
        The arrays of a submission.
    labels : tuple of str
        Fields of the view that say whose rows these are.
    beside : tuple of str
        Fields with other numbers of these rows.
    """

    method: str
    seen: tuple[str, str]
    made: tuple[str, ...]
    labels: tuple[str, ...]
    beside: tuple[str, ...] = ()


_NUMBERS: dict[Kind, _Numbers] = {
    "provider": _Numbers(
        "offer", ("cost", "capacity"), ("price", "quantity", "slope"), ("assets", "asset_node"),
        ("power_use", "power_limit"),
    ),
    "owner": _Numbers(
        "tender", ("route_cost", "capacity"), ("route_cost", "capacity"), ("arcs", "origin", "destination"),
        ("transfer", "link_use"),
    ),
    "region": _Numbers("bid", ("demand", "value"), ("quantity", "value", "worth", "slope"), ("nodes", "node")),
}  # fmt: skip


def state_faults(strategy: BaseStrategy, views: Sequence[Any]) -> list[str]:
    """Submit again where only what must not count has changed, and say what counted.

    Parameters
    ----------
    strategy : BaseStrategy
        One whose class says ``follows_state = True``; left as it is.
    views : sequence of View, NetworkView or DemandView
        What it saw in the periods of a run.

    Returns
    -------
    list of str
        One line, where there is a fault: what it looks at beside its parameters and its two numbers, each with the
        first period and number that differ. No line where there is none.
    """
    numbers, found = _NUMBERS[strategy.kind], dict[str, str]()
    for view in views:
        one = _copy(strategy)
        first = _submitted(one, numbers, view)
        tried = [
            *((what, _submitted(_copy(strategy), numbers, other)) for what, other in _others(view, numbers)),
            ("what stands in its other rows", _in_parts(strategy, numbers, view)),
            ("how often it was asked", _submitted(one, numbers, view)),
        ]
        for what, made in tried:
            if what not in found and (difference := _difference(first, made)):
                found[what] = f"period {view.period}, {difference}"
    if not found:
        return []
    listed = "; ".join(f"{what} ({where})" for what, where in found.items())
    first_number, second_number = numbers.seen
    return [
        "it says `follows_state = True`, so that agents alike are asked in one call, and not again while"
        f" {first_number} and {second_number} stay the same; yet what it submits depends on {listed}: leave"
        " `follows_state` out"
    ]


def _others(view: Any, numbers: _Numbers) -> Iterator[tuple[str, Any]]:
    """Give the view with something else changed each time, and what that is."""
    yield "the period", replace(view, period=view.period + 5, periods=view.periods + 17)
    yield "random numbers", replace(view, rng=np.random.default_rng(view.period + 1))
    labels: dict[str, Any] = {name: _relabelled(getattr(view, name)) for name in numbers.labels}
    yield "whose rows they are", replace(view, name=f"another {view.name}", **labels)
    further = {name: getattr(view, name) for name in numbers.beside}
    doubled: dict[str, Any] = {name: 2 * array for name, array in further.items() if array is not None}
    if doubled:
        yield " and ".join(doubled), replace(view, **doubled)
    last: dict[str, Any] = {field.name: None for field in fields(view) if field.name.startswith("last_")}
    none = np.zeros((0, *view.history.price.shape[1:]))
    yield "what the last periods brought", replace(view, history=History(none, none, none), **last)


def _relabelled(labels: Any) -> Any:
    """Return as many other labels; positions in reverse."""
    if isinstance(labels, np.ndarray):
        return labels[::-1]
    return tuple(f"another {label}" for label in labels)


def _copy(strategy: BaseStrategy) -> BaseStrategy:
    copied: BaseStrategy = pickle.loads(pickle.dumps(strategy))
    return copied


_Made = dict[str, Any] | str
"""The arrays of a submission by name, or what went wrong."""


def _submitted(strategy: BaseStrategy, numbers: _Numbers, view: Any) -> _Made:
    try:
        # A copy of the stream, so that each begins where the others do.
        made = getattr(strategy, numbers.method)(replace(view, rng=copy.deepcopy(view.rng)))
        return {name: getattr(made, name) for name in numbers.made}
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _in_parts(strategy: BaseStrategy, numbers: _Numbers, view: Any) -> _Made:
    """Submit for the first row and for the others, each apart, and put both together."""
    parts = []
    for rows in (slice(1), slice(1, None)):
        # As agents that are alike are asked: by a view of one of them with the rows of all.
        own = {name: getattr(view, name)[rows] for name in numbers.seen}
        made = _submitted(_copy(strategy), numbers, replace(view, **own))
        if isinstance(made, str):
            return made
        parts.append(made)
    return {
        name: None if first is None or second is None else np.concatenate([first, second])
        for name, first, second in ((name, *(part[name] for part in parts)) for name in numbers.made)
    }


def _difference(first: _Made, second: _Made) -> str:
    """Say where two submissions differ first; an empty text if nowhere."""
    if isinstance(first, str) or isinstance(second, str):
        return "" if first == second else str(first if isinstance(first, str) else second)
    for name, one in first.items():
        other = second[name]
        if one is None or other is None:
            if one is not other:
                return f"{name}: once there, once not"
        elif one.shape != other.shape:
            return f"{name}: shape {one.shape}, then {other.shape}"
        elif not np.array_equal(one, other, equal_nan=True):
            spot = tuple(np.argwhere(~((one == other) | (np.isnan(one) & np.isnan(other))))[0])
            return f"{name}: {one[spot]:.6g}, then {other[spot]:.6g}"
    return ""
