"""Types of the arrays that all rooms compute with, and the constants that they share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

ZERO, INFINITY = (np.array(number) for number in (0.0, np.inf))
"""Operands that are arrays already: beside small ones, numpy takes a third longer for numbers."""
for _one in (ZERO, INFINITY):
    _one.setflags(write=False)

SECONDS_PER_HOUR = 3600.0
"""From rates in Mtok/s and $/s to quantities and money of an hour."""


def quickly[T](kind: type[T], **fields: Any) -> T:
    """Make a frozen dataclass, one without slots, by setting all its fields at once.

    Its own ``__init__`` takes as long for a field as an array of a small market takes to be made. Fields that are left
    out have their default, as far as it is a plain one.
    """
    made = object.__new__(kind)
    vars(made).update(fields)
    return made


def frozen[A: NDArray[Any]](array: A) -> A:
    """Return an array, read-only from here on."""
    array.flags.writeable = False
    return array
