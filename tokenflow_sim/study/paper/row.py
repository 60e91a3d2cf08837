"""One published number beside ours."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One number that the paper prints, and what this package gives.

    Parameters
    ----------
    section : str
        What part of the paper it belongs to.
    name : str
        What it is, with its unit.
    paper : float
        The number as printed.
    ours : float
        Ours.
    printed : int
        Decimals that the paper prints; a negative number for rounding to tens, hundreds, ...
    note : str
        Where an input is calibrated, or why the number cannot be derived from the paper's text.
    expected : bool
        Whether it should match; false where it cannot be derived.
    slack : float
        How far off it may be, where rounding alone does not say: in the number's own unit.
    """

    section: str
    name: str
    paper: float
    ours: float
    printed: int
    note: str = ""
    expected: bool = True
    slack: float = 0.0

    @property
    def difference(self) -> float:
        """Ours less the paper's."""
        return self.ours - self.paper

    @property
    def tolerance(self) -> float:
        """One unit of the last printed digit, or the slack where that is larger."""
        return max(10.0**-self.printed, self.slack)

    @property
    def matches(self) -> bool | None:
        """Whether they agree; None where they need not."""
        if not self.expected:
            return None
        # A digit's breadth and the rounding of its own subtraction.
        return abs(self.difference) <= self.tolerance * (1 + 1e-9) and math.isfinite(self.ours)
