"""Types of the arrays that all rooms compute with, and the one constant of time between their units."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

SECONDS_PER_HOUR = 3600.0
"""From rates in Mtok/s and $/s to quantities and money of an hour."""
