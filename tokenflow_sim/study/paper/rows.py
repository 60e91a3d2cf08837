"""One number of the paper beside ours, and what the difference means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["matches", "differs", "not derivable"]
_ROUNDING = 1e-9  # relative: what binary fractions may add to a difference of half a digit


@dataclass(frozen=True)
class Row:
    """One number that the paper prints, and ours.

    Parameters
    ----------
    name : str
        What it is, e.g. ``us5 35x: cost``.
    where : str
        Where the paper prints it, e.g. ``Table 4``.
    printed : str
        The number as printed; its digits set the tolerance.
    ours : float
        Our number.
    unit : str
        Unit of both.
    calibrated : str
        Which of the inputs are calibrated, i.e. not printed but found by solving the paper's program until its
        results came out. Empty if none is.
    note : str
        What a reader must know to judge the row; why the number is not derivable, if it is not.
    derivable : bool
        Whether the paper's text and the calibrated inputs determine the number. A row where they do not is shown,
        and never counts as a mismatch.
    between : tuple of float, optional
        Lowest and highest value that an optimum allows, where it allows more than one: the paper's must be one of
        them.
    at_most : bool
        Whether the paper only says that the number is reached by then, e.g. ``by scale 10x``.
    """

    name: str
    where: str
    printed: str
    ours: float
    unit: str
    calibrated: str
    note: str = ""
    derivable: bool = True
    between: tuple[float, float] | None = None
    at_most: bool = False

    @property
    def paper(self) -> float:
        """The paper's number."""
        return float(self.printed.replace(",", ""))

    @property
    def tolerance(self) -> float:
        """Half a unit of the last digit printed."""
        decimals = len(self.printed.partition(".")[2])
        return 0.5 * 10.0**-decimals

    @property
    def difference(self) -> float:
        """Ours less the paper's."""
        return self.ours - self.paper

    @property
    def agrees(self) -> bool:
        """Whether the numbers agree to the digits printed."""
        slack = self.tolerance + _ROUNDING * abs(self.paper)
        if self.at_most:
            return self.ours <= self.paper + slack
        low, high = self.between or (self.ours, self.ours)
        return low - slack <= self.paper <= high + slack

    @property
    def verdict(self) -> Verdict:
        """What the row says."""
        if not self.derivable:
            return "not derivable"
        return "matches" if self.agrees else "differs"
