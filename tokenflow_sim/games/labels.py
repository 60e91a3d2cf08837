"""Labels of a game's Dataset: a dimension for each player, whose coordinate has its actions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from tokenflow_sim.errors import Fault
from tokenflow_sim.numeric import Floats

UNITS = {"payoff": "$/h", "payment": "$/h", "welfare": "$/h", "price": "$/Mtok"}
MEANINGS = {
    "payoff": "profit of each player",
    "payment": "what demand pays",
    "welfare": "worth of what is served less true costs",
    "price": "price",
    "feasible": "whether the market could be cleared",
}
_TAKEN = frozenset(
    {"provider", "node", "workload", "session", "period", "equilibrium", "choice", "step", "profile"}
)


def dims_of(players: Sequence[str]) -> tuple[str, ...]:
    """Return the dimension of each player: its name, unless that means something else in results."""
    return tuple(f"{name} (player)" if name in _TAKEN else name for name in players)


def attrs_of(name: str) -> dict[str, str]:
    """Return unit and meaning of a variable."""
    return {"units": UNITS.get(name, "1"), "long_name": MEANINGS.get(name, name)}


def payoffs_of(given: object, faults: list[Fault]) -> tuple[Floats, tuple[str, ...], list[list[Any]]]:
    """Return payoffs of a table that a user gives, dims (action of each player ..., player), players and actions.

    Parameters
    ----------
    given : DataArray or array
        A dim for each player and a last one for whose payoff it is; a DataArray may have the players' names in the
        last dim's coordinate, and actions in those of the others. A sequence of one matrix for each player will do
        too.
    faults : list of Fault
        Takes what is wrong.
    """
    none: tuple[Floats, tuple[str, ...], list[list[Any]]] = (np.zeros((1, 1)), ("1",), [[0]])
    labels: list[list[Any] | None] = []
    players: tuple[str, ...] | None = None
    if isinstance(given, xr.DataArray):
        values = given.values
        for dim in given.dims[:-1]:
            labels.append(given[dim].values.tolist() if dim in given.coords else None)
        last = given.dims[-1] if given.dims else None
        players = tuple(map(str, given[last].values)) if last in given.coords else None
    else:
        try:
            values = np.array(given, dtype=np.float64)
        except (TypeError, ValueError) as error:
            faults.append(Fault(f"must be numbers of one shape for all players ({error})", "payoff"))
            return none
        if isinstance(given, (list, tuple)) and values.ndim == len(given) + 1:
            values = np.moveaxis(values, 0, -1)  # one matrix for each player
    if values.dtype.kind not in "fiu" or values.ndim < 2 or values.shape[-1] != values.ndim - 1:
        text = (
            "must have a dim for each player and a last one of as many players, e.g. (3, 3, 2) for two players with"
            f" three actions; found the shape {values.shape}"
        )
        return _faulty(faults, text, none)
    if 0 in values.shape:
        return _faulty(faults, f"has a player without actions: its shape is {values.shape}", none)
    values = values.astype(np.float64)
    if np.isinf(values).any() or np.isnan(values).any():
        bad = np.argwhere(~np.isfinite(values))
        return _faulty(faults, f"must be finite; {len(bad)} are not, the first at {bad[0].tolist()}", none)
    names = players or tuple(str(place + 1) for place in range(values.shape[-1]))
    if len(set(names)) < len(names):
        return _faulty(faults, f"has players of the same name: {', '.join(names)}", none)
    actions = [
        own if own is not None else list(range(size))
        for own, size in zip(labels or [None] * (values.ndim - 1), values.shape[:-1], strict=True)
    ]
    return values, names, actions


def _faulty[T](faults: list[Fault], text: str, value: T) -> T:
    faults.append(Fault(text, "payoff"))
    return value
