"""The one table: what its rows say of each other holds."""

from __future__ import annotations

import pytest

from tokenflow_sim import variables
from tokenflow_sim.variables import CLEARING, MARKET, RESULTS, Variable

TABLES = [table for table in vars(variables).values() if isinstance(table, dict) and table]
ROWS = [(name, row, table) for table in TABLES for name, row in table.items() if isinstance(row, Variable)]


@pytest.mark.parametrize(("name", "row", "table"), ROWS)
def test_a_row_is_consistent(name: str, row: Variable, table: dict[str, Variable]) -> None:
    assert row.name == name
    assert (row.weight is None) == (row.collapse != "mean")
    if row.weight is not None:  # what weights a mean is a quantity with the same dims, which is summed
        weight = (RESULTS | table)[row.weight]
        assert (weight.full_dims, weight.collapse) == (row.full_dims, "sum")
    assert row.required is True or row.required is False or row.required in row.dims
    if row.default is not None:
        assert row.required is False


def test_blocks_and_steps_are_carried_alike_before_and_after_clearing() -> None:
    answers = {"capacity": ("dispatch", "scarcity_rent"), "demand": ("unserved",)}
    for asked, found in answers.items():
        for name in found:
            assert MARKET[asked].extra == CLEARING[name].extra == RESULTS[name].extra
    for name in CLEARING.keys() & RESULTS.keys():
        assert CLEARING[name].collapse == RESULTS[name].collapse


def test_dims_with_and_without_what_may_follow() -> None:
    row = MARKET["offer_price"]
    assert row.full_dims == row.dims_among(["block", "step"]) == ("asset", "workload", "block")
    assert row.dims_among(["step"]) == row.dims == ("asset", "workload")
