"""What a HiGHS model is told and asked beside its numbers: its basis, and coefficients that change."""

from __future__ import annotations

from typing import Any

import highspy
import numpy as np

from tokenflow_sim.numeric import Bools, Floats, Ints

# HiGHS's small_matrix_value.
_DROPPED = 1e-9


def change_entries(highs: Any, rows: Ints, columns: Ints, values: Floats) -> None:
    """Change coefficients of a HiGHS model, which keeps its basis."""
    # Given a program, HiGHS leaves such entries out; to a change it would only object, and keep the old value.
    values = np.where(np.abs(values) <= _DROPPED, 0.0, values)
    for row, column, value in zip(rows.tolist(), columns.tolist(), values.tolist(), strict=True):
        highs.changeCoeff(row, column, value)


def read_basis(highs: Any, columns: int, rows: int) -> tuple[Ints, Ints]:
    """Return the basic columns of a HiGHS model, and the rows whose slack is not basic, in ascending order."""
    _, basic = highs.getBasicVariables()  # columns by their number, rows by the one before its negative
    found = np.zeros(columns + rows, dtype=np.bool_)
    found[basic] = True  # rows count from the end
    return found[:columns].nonzero()[0], (~found[columns:][::-1]).nonzero()[0]


def flags(size: int, *sets: Ints) -> list[Bools]:
    """Return sets of positions as flags."""
    found = [np.zeros(size, dtype=np.bool_) for _ in sets]
    for flag, positions in zip(found, sets, strict=True):
        flag[positions] = True
    return found


def set_basis(highs: Any, basic: Bools, at_upper: Bools, tight: Bools) -> None:
    """Give a HiGHS model a basis: its basic columns, those at their upper bound, its rows with no basic slack."""
    status = highspy.HighsBasisStatus
    basis = highspy.HighsBasis()
    basis.col_status = [
        status.kBasic if b else status.kUpper if u else status.kLower
        for b, u in zip(basic.tolist(), at_upper.tolist(), strict=True)
    ]
    basis.row_status = [status.kUpper if t else status.kBasic for t in tight.tolist()]
    basis.valid = True
    highs.setBasis(basis)
