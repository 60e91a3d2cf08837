"""Collect the ratios of a run and write them to docs/reference/benchmarks.md."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "benchmarks.md"


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Measure in one process: workers that share the cores would measure each other."""
    return 0


class Table:
    """Rows by name, columns by network."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, str]] = {}

    def set(self, row: str, column: str, text: str) -> None:
        self.rows.setdefault(row, {})[column] = text

    def text(self) -> str:
        columns = list(dict.fromkeys(column for row in self.rows.values() for column in row))
        lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
        lines += [
            f"| {name} | " + " | ".join(row.get(column, "") for column in columns) + " |"
            for name, row in self.rows.items()
        ]
        return "\n".join(lines)


@pytest.fixture(scope="session")
def table() -> Iterator[Table]:
    """The table, written when everything has run."""
    made = Table()
    yield made
    packages = ("highspy", "linopy", "mesa", "numpy", "scipy", "xarray")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    PAGE.write_text(
        PAGE.read_text(encoding="utf-8").split("<!-- table -->")[0]
        + "<!-- table -->\n\n"
        + made.text()
        + f"\n\nPython {platform.python_version()}, {versions}; {os.cpu_count()} cores.\n",
        encoding="utf-8",
    )
