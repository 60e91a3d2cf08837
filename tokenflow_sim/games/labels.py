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
_DIMS = frozenset(
    {
        "provider",
        "node",
        "workload",
        "session",
        "sample",
        "period",
        "equilibrium",
        "choice",
        "step",
        "profile",
    }
)
_TAKEN = _DIMS | {
    *MEANINGS, "action", "commitment", "exploitability", "gain", "method", "odds", "place", "probability", "value",
}  # fmt: skip


def dims_of(players: Sequence[str]) -> tuple[str, ...]:
    """Return the dimension of each player: its name, unless that means something else in results."""
    return tuple(f"{name} (player)" if name in _TAKEN else name for name in players)


def attrs_of(name: str) -> dict[str, str]:
    """Return unit and meaning of a variable."""
    return {"units": UNITS.get(name, "1"), "long_name": MEANINGS.get(name, name)}


def payoffs_of(
    given: object, faults: list[Fault]
) -> tuple[Floats, tuple[str, ...], list[list[Any]], tuple[str, ...]]:
    """Return payoffs of a table that a user gives, dims (action of each player ..., player), and its labels.

    Parameters
    ----------
    given : DataArray or array
        A dim for each player and a last one for whose payoff it is; a DataArray may have the players' names in the
        last dim's coordinate, and actions in those of the others; where a dim has the name ``provider``, that is the
        last one. A sequence of one matrix for each player will do too.
    faults : list of Fault
        Takes what is wrong.

    Returns
    -------
    payoffs : ndarray
        The table.
    players : tuple of str
        Their names.
    actions : list of list
        Of each player.
    dims : tuple of str
        What the table's own dims of actions are called; none where it has no names.
    """
    none: tuple[Floats, tuple[str, ...], list[list[Any]], tuple[str, ...]]
    none = (np.zeros((1, 1)), ("1",), [[0]], ())
    dims: tuple[str, ...] = ()
    labels: list[list[Any] | None] = []
    players: tuple[str, ...] | None = None
    if isinstance(given, xr.DataArray):
        if "provider" in given.dims:
            given = given.transpose(..., "provider")
        values, dims = given.values, tuple(map(str, given.dims[:-1]))
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
    if repeated := [name for name, own in zip(names, actions, strict=True) if len(set(own)) < len(own)]:
        return _faulty(faults, f"names an action of {', '.join(repeated)} more than once", none)
    return values, names, actions, dims


def beside_of(
    name: str,
    given: object,
    dims: tuple[str, ...],
    actions: list[list[Any]],
    faults: list[Fault],
) -> tuple[Floats, dict[str, list[Any]]] | None:
    """Return what a user says of each profile beside payoffs, and its labels of nodes and classes.

    Parameters
    ----------
    name : str
        What it is.
    given : DataArray or array
        A dim for each player, of `price` with those of nodes and classes after them. A DataArray is put in order by
        the names of its dims, and its labels must be those of the payoffs.
    dims : tuple of str
        What the payoffs' own dims are called, where they have names.
    actions : list of list
        Of each player.
    faults : list of Fault
        Takes what is wrong.
    """
    sizes, labels = tuple(map(len, actions)), dict[str, list[Any]]()
    if name in _TAKEN - set(MEANINGS):
        faults.append(Fault("means something else in a game; choose another name", name))
        return None
    if isinstance(given, xr.DataArray):
        if dims and set(dims) <= set(map(str, given.dims)):
            given = given.transpose(*dims, ...)
            for dim, own in zip(dims, actions, strict=True):
                if dim in given.coords and given[dim].values.tolist() != own:
                    faults.append(Fault(f"has other actions along {dim} than the payoffs", name))
                    return None
        more = tuple(zip(("node", "workload"), given.dims[len(sizes) :], strict=False))
        labels = {dim: given[own].values.tolist() for dim, own in more if own in given.coords}
    try:
        array = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        faults.append(Fault(f"must be numbers; found {given!r:.80}", name))
        return None
    ends = (2,) if name == "price" else (0,) if name in MEANINGS else (0, 1, 2)
    if array.shape[: len(sizes)] != sizes or array.ndim - len(sizes) not in ends:
        more_dims = ", and those of nodes and classes after them" if name == "price" else ""
        faults.append(Fault(f"has the shape {array.shape}, where profiles have {sizes}{more_dims}", name))
        return None
    if not np.isfinite(array).all():
        faults.append(Fault(f"must be finite; {int((~np.isfinite(array)).sum())} are not", name))
        return None
    return array, labels


def _faulty[T](faults: list[Fault], text: str, value: T) -> T:
    faults.append(Fault(text, "payoff"))
    return value
