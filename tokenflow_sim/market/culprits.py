"""The entries of an array that break a rule, with their labels, as messages list them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tokenflow_sim.numeric import Bools

_LISTED = 5

Labels = Mapping[str, "pd.Index[Any] | None"]
"""The labels of dimensions by name; None for one without."""


def culprits(bad: Bools, values: NDArray[Any], dims: tuple[str, ...], labels: Labels) -> str:
    """List the first entries where `bad` is true, each with its value and its labels."""
    spots = np.argwhere(bad)
    shown = [_place(values[tuple(spot)], spot, dims, labels) for spot in spots[:_LISTED]]
    more = f" and {len(spots) - _LISTED} more" if len(spots) > _LISTED else ""
    return ", ".join(shown) + more


def _place(value: Any, spot: NDArray[np.int64], dims: tuple[str, ...], labels: Labels) -> str:
    along = [(dim, labels.get(dim), at) for dim, at in zip(dims, spot, strict=True)]
    place = [f"{dim}={str(index[at])!r}" for dim, index, at in along if index is not None]
    number = f"{value:g}" if isinstance(value, (float, np.floating)) else repr(value)
    return f"{number} at [{', '.join(place)}]" if place else number
