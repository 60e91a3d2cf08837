"""Write one table of the page of benchmarks, leaving the rest of the page alone."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Container, Mapping
from importlib.metadata import version
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "benchmarks.md"
_PACKAGES = ("highspy", "linopy", "mesa", "netcdf4", "numpy", "scipy", "xarray")


class Table:
    """Rows by name, columns by what was measured.

    Parameters
    ----------
    targets : mapping, optional
        What is aimed at, by row and column: at most, or at least where the row is among `larger_is_better`.
    larger_is_better : container of str, optional
        Names of rows.
    """

    def __init__(
        self, targets: Mapping[str, Mapping[str, float]] | None = None, larger_is_better: Container[str] = ()
    ) -> None:
        self.rows: dict[str, dict[str, str]] = {}
        self.targets, self.larger_is_better = targets or {}, larger_is_better
        self.verdicts: list[tuple[bool, str]] = []

    def ratio(self, row: str, column: str, value: float) -> None:
        """Fill one cell with a number, beside what is aimed at."""
        text = f"{value:.0f}" if value >= 20 else f"{value:.2f}"
        target = self.targets.get(row, {}).get(column)
        if target is not None:
            larger = row in self.larger_is_better
            met = value >= target if larger else value <= target
            text += f" ({'≥' if larger else '≤'} {target:g})"
            self.verdicts.append((met, f"{row}, {column}: {text}"))
            text = text if met else f"**{text}**"
        self.set(row, column, text)

    def set(self, row: str, column: str, text: str) -> None:
        """Fill one cell."""
        self.rows.setdefault(row, {})[column] = text

    def text(self) -> str:
        """Return the table as Markdown."""
        columns = list(dict.fromkeys(column for row in self.rows.values() for column in row))
        lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
        lines += [
            f"| {name} | " + " | ".join(row.get(column, "") for column in columns) + " |"
            for name, row in self.rows.items()
        ]
        return "\n".join(lines)


def versions() -> str:
    """Return one sentence on what was measured with."""
    found = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return f"Python {platform.python_version()}, {found}; {os.cpu_count()} cores."


def write_section(name: str, text: str, page: Path = PAGE) -> None:
    """Replace what stands between ``<!-- name -->`` and ``<!-- end name -->``.

    Raises
    ------
    ValueError
        If the page has no such section.
    """
    old = page.read_text(encoding="utf-8")
    start, end = f"<!-- {name} -->", f"<!-- end {name} -->"
    if start not in old or end not in old:
        raise ValueError(f"{page} has no section {start} ... {end}")
    pattern = re.compile(re.escape(start) + ".*?" + re.escape(end), re.DOTALL)
    page.write_text(pattern.sub(lambda _: f"{start}\n\n{text}\n\n{end}", old, count=1), encoding="utf-8")
