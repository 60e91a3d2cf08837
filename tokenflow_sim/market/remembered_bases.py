"""Factorised bases that earlier markets ended in, tried before a solver is run.

The shifted program has one optimal basis, and `basis.check_basis` proves that a basis is that one, whatever found it.
From period to period it is mostly the same one: then the proof is all that a market costs. No bit depends on what is
remembered; how often it is worth a try does.
"""

from __future__ import annotations

from tokenflow_sim.market.basis import BasisCheck, ShiftedData, check_basis
from tokenflow_sim.market.factorization import BasisFactorization
from tokenflow_sim.market.program import Program
from tokenflow_sim.numeric import Ints

# How many bases are kept, and tried.
_KEPT = 3
# After as many tries in vain as double up to this, one solve in so many tries again.
_LONGEST_PAUSE = 63


class RememberedBases:
    """The bases that were found last, the one used last first; all of one program's coefficients."""

    def __init__(self) -> None:
        self._known: list[BasisFactorization] = []
        self._pause = self._left = 0

    @property
    def last(self) -> BasisFactorization | None:
        """The basis used last; None without any."""
        return self._known[0] if self._known else None

    def forget(self) -> None:
        """Drop all bases, since coefficients have changed."""
        self._known.clear()

    def find(self, program: Program, numbers: ShiftedData) -> BasisCheck | None:
        """Return the check of a basis that is proved to be the shifted program's only optimal one, if one is known.

        Parameters
        ----------
        program : Program
            The structure, the same as of all bases.
        numbers : ShiftedData
            The numbers of a market.
        """
        if self._left:
            self._left -= 1
            return None
        # While they are tried in vain, the last one is tried alone.
        for place, factor in enumerate(self._known[:1] if self._pause else self._known):
            check = check_basis(program, numbers, factor.columns, factor.tight, factor=factor, alone=True)
            if check is not None and check.unique:
                self._pause = 0
                if place:
                    self._known.insert(0, self._known.pop(place))
                return check
        if self._known:
            self._pause = self._left = min(2 * self._pause + 1, _LONGEST_PAUSE)
        return None

    def factor_of(self, columns: Ints, tight: Ints) -> BasisFactorization | None:
        """Return the factorisation of a basis, if it is known."""
        for factor in self._known:
            if factor.columns.tobytes() == columns.tobytes() and factor.tight.tobytes() == tight.tobytes():
                return factor
        return None

    def keep(self, factor: BasisFactorization) -> None:
        """Remember a basis as the one used last."""
        if factor in self._known:
            self._known.remove(factor)
        self._known.insert(0, factor)
        del self._known[_KEPT:]
