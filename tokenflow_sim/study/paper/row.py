"""One published number beside ours."""

from __future__ import annotations

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
    between : tuple of float, optional
        Lowest and highest value among the optima, where the optimum is not unique: the paper's number must be one
        of these.
    """

    section: str
    name: str
    paper: float
    ours: float
    printed: int
    note: str = ""
    expected: bool = True
    between: tuple[float, float] | None = None

    @property
    def difference(self) -> float:
        """Ours less the paper's."""
        return self.ours - self.paper

    @property
    def tolerance(self) -> float:
        """Half a unit of the last printed digit."""
        return 0.5 * 10.0**-self.printed

    @property
    def matches(self) -> bool | None:
        """Whether they agree to the digits printed; None where they need not."""
        if not self.expected:
            return None
        low, high = self.between or (self.ours, self.ours)
        room = self.tolerance + 1e-12 * max(
            1.0, abs(self.paper)
        )  # what subtracting two such numbers rounds off
        return low - room <= self.paper <= high + room
