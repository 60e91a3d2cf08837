"""Collect the ratios of a run and write them to docs/reference/benchmarks.md."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.page import Table, versions, write_section


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Measure in one process: workers that share the cores would measure each other."""
    return 0


@pytest.fixture(scope="session")
def table() -> Iterator[Table]:
    """The table, written when everything has run."""
    made = Table()
    yield made
    write_section("table", f"{made.text()}\n\n{versions()}")
