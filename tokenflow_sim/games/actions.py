"""The actions that the players of a market's game choose among, and what each makes of its numbers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tokenflow_sim.errors import Fault, unknown_name
from tokenflow_sim.numeric import Floats
from tokenflow_sim.study.game import MarketGame
from tokenflow_sim.study.roles import Role, Seller

Action = float | tuple[float, ...]
"""One number for all classes, or one for each."""
Grids = tuple[tuple[Action, ...], ...]
"""The actions of each player."""


def grids_of(actions: object, game: MarketGame, named: Sequence[str], faults: list[Fault]) -> Grids:
    """Validate what was given as actions, and return the actions of each player.

    Parameters
    ----------
    actions : sequence, or mapping of sequences
        One list for all players, or a list for each by name. An action is a number, or one number for each class.
    game : MarketGame
        The game.
    named : sequence of str
        Who was named as a player, the unknown ones among them.
    faults : list of Fault
        Takes everything that is wrong.
    """
    if isinstance(actions, Mapping):
        faults += [
            Fault(unknown_name("player", name, game.players), "actions")
            for name in actions
            if name not in game.players and name not in named
        ]
        lacking = [name for name in game.players if name not in actions]
        if lacking:
            faults.append(Fault(f"lacks the actions of {', '.join(lacking)}", "actions"))
        return tuple(
            _grid(actions[name], role, len(game.workloads), f"actions[{name!r}]", faults)
            if name in actions
            else ()
            for name, role in zip(game.players, game.roles, strict=True)
        )
    found: list[Fault] = []
    grids = tuple(_grid(actions, role, len(game.workloads), "actions", found) for role in game.roles)
    faults += dict.fromkeys(found)  # one list for all has each fault once
    return grids


def _grid(given: object, role: Role, classes: int, place: str, faults: list[Fault]) -> tuple[Action, ...]:
    """Return one player's actions; what is wrong is added to the faults."""
    if isinstance(given, str) or not isinstance(given, Sequence | np.ndarray):
        faults.append(
            Fault(f"must be a list of numbers, or of one number for each class; found {given!r:.80}", place)
        )
        return ()
    if not len(given):
        faults.append(Fault("is empty: give at least one action", place))
        return ()
    low, high, what = limits_of(role)
    found: list[Action] = []
    for number, one in enumerate(given):
        at = f"{place}[{number}]"
        values = [one] if _is_number(one) else list(one) if isinstance(one, Sequence | np.ndarray) else []
        if isinstance(one, str) or not values or not all(map(_is_number, values)):
            faults.append(Fault(f"must be a number, or one for each class; found {one!r:.80}", at))
        elif not _is_number(one) and len(values) != classes:
            faults.append(Fault(f"has {len(values)} numbers where there are {classes} classes", at))
        elif not all(math.isfinite(value) for value in values):
            faults.append(Fault(f"must be finite; found {one!r:.80}", at))
        elif not all(low <= value <= high for value in values):
            most = "" if math.isinf(high) else f" and at most {high:g}"
            faults.append(Fault(f"{what} must be at least {low:g}{most}; found {one!r:.80}", at))
        else:
            found.append(float(values[0]) if _is_number(one) else tuple(map(float, values)))
    repeated = [one for one, times in Counter(found).items() if times > 1]
    if repeated:
        listed = ", ".join(map(label_of, repeated))
        faults.append(Fault(f"names {listed} more than once; give each action once", place))
    return tuple(found)


def limits_of(role: Role) -> tuple[float, float, str]:
    """Return the lowest and the highest number that a player may choose, and what it is."""
    if isinstance(role, Seller) and role.ratio:
        return -1.0, math.inf, "a mark-up"
    if role.name.startswith("owners.") and not role.truthful.any():
        return 0.0, math.inf, "a tariff"
    return 0.0, 1.0, "a share"


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def label_of(action: Action) -> str:
    """Return an action as people read it: ``0.5``, or ``0.5/0.3`` for one number a class."""
    values = action if isinstance(action, tuple) else (action,)
    return "/".join(f"{value:g}" for value in values)


def labels_of(grid: tuple[Action, ...]) -> list[Any]:
    """Return the labels of a player's actions: numbers, or text where any is by class."""
    if all(isinstance(one, float) for one in grid):
        return list(grid)
    return [label_of(one) for one in grid]


def numbers_of(role: Role, grid: tuple[Action, ...], classes: int) -> Floats:
    """Return the numbers of a player's slots for each of its actions, dims (action, slot).

    A share of a class's capacity is made where it costs least first.
    """
    rows = []
    for action in grid:
        by_class = np.array(action if isinstance(action, tuple) else (action,) * classes)
        if isinstance(role, Seller) and not role.ratio:
            row = role.truthful.copy()
            for k in range(classes):
                slots = np.flatnonzero((role.workload == k) & role.plays)
                if len(slots):
                    row[slots] = role.spread(slots, float(by_class[k]))
        elif (role.workload < 0).all():  # one number for all classes: a link's capacity
            row = np.full(len(role.truthful), by_class[0])
        else:
            row = by_class[role.workload]
        rows.append(np.where(role.plays, row, role.truthful))
    return np.array(rows)
