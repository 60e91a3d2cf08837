"""Which kinds of values a scenario takes; every other is refused with what to give in its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from os import PathLike, fspath
from typing import Any
from unicodedata import normalize

import numpy as np
import xarray as xr
from pydantic import BaseModel

from tokenflow_sim.scenario.places import Loc
from tokenflow_sim.scenario.pypsa_network import is_network
from tokenflow_sim.scenario.series import Series
from tokenflow_sim.scenario.sheet import is_table

NETWORK_PLACES = ("grid", "pypsa"), ("grid", "pypsa", "file")
"""Where a network of PyPSA may stand: a file, or the object."""
_SINGLE = (type(None), bool, int, float, str, date, BaseModel, Series)
_REMEDIES = {
    "DataFrame": "give its text as CSV, e.g. frame.to_csv(), or a list of rows, e.g. frame.to_dict('records')",
    "Series": "give its numbers, e.g. series.tolist(), or a mapping, e.g. series.to_dict()",
    "DataArray": "give its numbers, e.g. array.values, or its table as CSV text, e.g. array.to_pandas().to_csv()",
    "Dataset": "give the numbers of one of its variables",
}


class UnknownType(ValueError):
    """A value is of a kind that no scenario holds."""


def plain(
    value: Any, place: str = "", loc: Loc = (), takes_table: Callable[[Loc], bool] = lambda loc: False
) -> Any:
    """Return a value in plain containers and numbers: what YAML could have held.

    Parameters
    ----------
    value : object
        Numbers, text, dates, lists, mappings, numpy arrays, and parts of a scenario.
    place : str
        Where in the value this stands, for the message.
    loc : tuple
        Where in a scenario this stands.
    takes_table : callable
        Says whether a table object may stand at a place of a scenario, which is then left as it is.

    Raises
    ------
    UnknownType
        If there is anything else in it: what nothing reads must not pass without a word.
    """
    if isinstance(value, np.generic):
        value = value.item()
    elif isinstance(value, np.ndarray):
        value = value.tolist()
    elif isinstance(value, Decimal):
        value = float(value)
    elif isinstance(value, xr.DataArray) and not value.dims and not takes_table(loc):
        value = value.item()
    elif isinstance(value, PathLike):
        names_file = takes_table(loc) or loc[-1:] == ("file",) or loc in NETWORK_PLACES
        if loc and not names_file and not {"strategy", "limits"} & set(loc[:-1]):
            raise UnknownType(
                f"{_at(place)}is a path, and no file may stand here; give text; found {fspath(value)!r:.60}"
            )
        value = fspath(value)
    if isinstance(value, str):
        return normalize("NFC", value)  # names that look the same are the same
    if isinstance(value, _SINGLE):
        return value
    if isinstance(value, Mapping) and not isinstance(value, xr.Dataset):
        return {
            normalize("NFC", str(key)): plain(item, f"{place}.{key}", (*loc, str(key)), takes_table)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple, range)):
        return [
            plain(item, f"{place}[{number}]", (*loc, number), takes_table)
            for number, item in enumerate(value)
        ]
    if (is_table(value) and takes_table(loc)) or (is_network(value) and loc in NETWORK_PLACES):
        return value
    if isinstance(value, xr.Dataset) and takes_table(loc):
        names = [str(name) for name in value.data_vars]
        one = f"ds[{names[0]!r}]" if names else "a DataArray"
        raise UnknownType(f"{_at(place)}is a Dataset; give one of its variables, e.g. {one}")
    raise UnknownType(refusal(value, place.removeprefix(".")))


def refusal(value: object, place: str = "") -> str:
    """Say that a kind of value is not taken, and what to give in its place."""
    kind = type(value).__name__
    if type(value).__module__.split(".")[0] == "polars":
        return f"{_at(place)}is a {kind} of polars, which a scenario does not take; give .to_pandas() of it"
    remedy = _REMEDIES.get(kind, "give numbers, text, lists or mappings, as YAML has them")
    article = "an" if kind[0] in "aeiouAEIOU" else "a"
    return f"{_at(place)}is {article} {kind}, which a scenario does not take; {remedy}"


def _at(place: str) -> str:
    return f"{place} " if place else ""


def listed(value: Any) -> Any:
    """Refuse what has no order, or can be read only once, where a list belongs.

    Raises
    ------
    ValueError
        For a set, a generator, or anything else that is no list.
    """
    if not isinstance(value, (list, tuple, str)):
        # A number or nothing is named by itself; a generator would be named by its address.
        is_plain = value is None or isinstance(value, (bool, int, float))
        raise ValueError(f"must be a list; found {value if is_plain else f'a {type(value).__name__}'}")
    return value
