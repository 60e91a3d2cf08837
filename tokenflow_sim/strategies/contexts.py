"""What a learner may tell apart before it offers: the hour of the day, and how scarce service was last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from tokenflow_sim.strategies.base import Floats, Ints

Context = Literal["none", "hour", "scarcity", "both"]
"""What a learner has a table of its own for: nothing, each hour of the day, each state of scarcity, or each pair."""

LEVELS = (1.5, 3.0)
"""Last price over own cost at which one state of scarcity ends and the next begins, unless others are given."""

HOURS = 24


class Contexts:
    """Numbers the contexts that a learner tells apart.

    Parameters
    ----------
    context : {'none', 'hour', 'scarcity', 'both'}
        What is told apart.
    levels : sequence of float
        Where one state of scarcity ends and the next begins, rising.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    """

    def __init__(self, context: Context, levels: Sequence[float]) -> None:
        if context not in ("none", "hour", "scarcity", "both"):
            raise ValueError(f"context must be 'none', 'hour', 'scarcity' or 'both'; found {context!r}")
        if list(levels) != sorted(levels):
            raise ValueError(f"levels must rise; found {list(levels)!r}")
        self.levels = np.array(levels, dtype=np.float64)
        self.by_hour, self.by_scarcity = context in ("hour", "both"), context in ("scarcity", "both")

    @property
    def count(self) -> int:
        """How many contexts there are."""
        return (HOURS if self.by_hour else 1) * self._states

    @property
    def _states(self) -> int:
        return len(self.levels) + 1 if self.by_scarcity else 1

    def at(self, period: int, hours: float, scarcity: Ints) -> Ints:
        """Return the context that each group is in, dims (group,).

        Parameters
        ----------
        period : int
            The period, from 0.
        hours : float
            Length of a period. Hours of the day count from the first period on.
        scarcity : ndarray of int
            State of scarcity of each group.
        """
        hour = int(period * hours) % HOURS if self.by_hour else 0
        return hour * self._states + (scarcity if self.by_scarcity else np.zeros_like(scarcity))

    def scarcity(self, ratio: Floats) -> Ints:
        """Return the state of scarcity for last prices over own cost."""
        return np.searchsorted(self.levels, ratio, side="right").astype(np.int64)
