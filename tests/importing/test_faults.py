"""Faults of a file name file, row and column."""

from __future__ import annotations

import pytest

from tokenflow_sim.errors import DataError
from tokenflow_sim.importing.faults import Faults, refuse


def test_every_fault_names_its_file_row_and_column() -> None:
    faults = Faults("prices")
    faults.check()
    assert not faults
    faults.add("must be a number; found 'x'", file="a.csv", line=3, column="LMP")
    faults.add("is empty", file="b.csv")
    with pytest.raises(DataError) as caught:
        faults.check()
    assert str(caught.value).splitlines() == [
        "prices has 2 faults:",
        "  - a.csv:3: column 'LMP': must be a number; found 'x'",
        "  - b.csv: is empty",
    ]


def test_many_faults_are_counted() -> None:
    faults = Faults("prices")
    for line in range(100):
        faults.add("bad", file="a.csv", line=line)
    text = str(faults.error())
    assert text.count("bad") == 20
    assert "and 80 more faults" in text


def test_one_fault_is_an_error_at_once() -> None:
    assert "a.csv: is empty" in str(refuse("prices", "is empty", file="a.csv"))
