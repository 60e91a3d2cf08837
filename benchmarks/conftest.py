"""Collect the ratios of a run, tell which targets they meet, and write them to docs/reference/benchmarks.md."""

from __future__ import annotations

import pytest

from benchmarks.page import Table, versions, write_section

FIVE, TWENTY, HUNDRED, THOUSAND = (
    "5 nodes",
    "20 nodes, 278 arcs",
    "100 nodes, 2 000 arcs",
    "1 000 nodes, 20 000 arcs",
)
TARGETS = {
    "Clearer over raw highspy": {FIVE: 3.0, TWENTY: 1.6, HUNDRED: 1.15, THOUSAND: 1.0},
    "linopy rebuilt over Clearer": {FIVE: 400, TWENTY: 100, HUNDRED: 8, THOUSAND: 5},
    "whole period over Clearer": {FIVE: 4.0, TWENTY: 2.5, HUNDRED: 1.3, THOUSAND: 1.1},
    "whole period, s of waiting": {THOUSAND: 8.0},
    "peak memory of this process so far, GiB": {THOUSAND: 4.0},
    "all price bounds of us20, s": {TWENTY: 1.0},
}
_TABLE = pytest.StashKey[Table]()


def pytest_configure(config: pytest.Config) -> None:
    """Make the table that the benchmarks fill."""
    config.stash[_TABLE] = Table(TARGETS, larger_is_better={"linopy rebuilt over Clearer"})


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Measure in one process: workers that share the cores would measure each other."""
    return 0


@pytest.fixture(scope="session")
def table(pytestconfig: pytest.Config) -> Table:
    """The table, written when everything has run."""
    return pytestconfig.stash[_TABLE]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Tell which targets are met; write the page if every network was measured."""
    made = config.stash[_TABLE]
    for met, text in made.verdicts:
        terminalreporter.write_line(f"{'met   ' if met else 'missed'}  {text}", green=met, red=not met)
    ratios = made.rows.get("Clearer over raw highspy", {})
    if set(ratios) == set(TARGETS["Clearer over raw highspy"]):
        write_section("table", f"{made.text()}\n\n{versions()}")
    elif made.rows:
        terminalreporter.write_line(
            "not all networks were measured: docs/reference/benchmarks.md stays as it is"
        )
