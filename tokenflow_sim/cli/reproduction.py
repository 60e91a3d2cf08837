"""``tokenflow reproduce``: the paper's published numbers beside ours."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tokenflow_sim.cli.console import say, show_table
from tokenflow_sim.cli.options import Debug, Force, make_folder, refuse_existing

if TYPE_CHECKING:
    from tokenflow_sim.study.paper import Reproduction
    from tokenflow_sim.study.paper.row import Row

_VERDICTS = {True: "matches", False: "DIFFERS", None: "open"}


def reproduce(
    figures: Annotated[
        Path | None,
        typer.Option(
            "--figures",
            metavar="DIR",
            help="Folder for the data of Figures 1 to 4 (NetCDF) and the table (CSV).",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="CSV file for the table.")
    ] = None,
    force: Force = False,
    debug: Debug = False,
) -> None:
    """Print every number of the paper beside ours; exit with 1 if one that should match does not."""
    from tokenflow_sim.study.paper import reproduce as compute
    from tokenflow_sim.study.paper.reproduction import FILES

    wanted = [figures / name for name in FILES] if figures is not None else []
    refuse_existing([*wanted, *([out] if out is not None else [])], force)
    for folder in {path.parent for path in [*wanted, *([out] if out is not None else [])]}:
        make_folder(folder)
    reproduction = compute()
    _show(reproduction)
    written = reproduction.save(figures) if figures is not None else []
    if out is not None:
        reproduction.table.to_csv(out, index=False)
        written.append(out)
    for path in written:
        say(str(path))
    if reproduction.failures:
        raise typer.Exit(1)


def _show(reproduction: Reproduction) -> None:
    notes: dict[str, int] = {}
    for section, rows in groupby(reproduction.rows, key=lambda row: row.section):
        lines = []
        for row in rows:
            mark = f"[{notes.setdefault(row.note, len(notes) + 1)}]" if row.note else ""
            lines.append((row.name, mark, *_numbers(row), _VERDICTS[row.matches]))
        show_table(section, ["", "note", "paper", "ours", "difference", "verdict"], lines, words=2)
    for note, number in notes.items():
        say(f"[{number}] {note}")
    say()
    counts = {
        verdict: sum(row.matches is key for row in reproduction.rows) for key, verdict in _VERDICTS.items()
    }
    say(
        f"{counts['matches']} rows match within one unit of the last printed digit, {counts['DIFFERS']} differ, "
        f"{counts['open']} cannot be derived from the paper's text (open)"
    )


def _numbers(row: Row) -> tuple[str, str, str]:
    digits = max(row.printed, 0)
    # One digit more than printed, so that a reader sees how close the rounding was.
    difference = 0.0 if abs(row.difference) < 0.5 * 10.0 ** -(digits + 1) else row.difference
    return f"{row.paper:,.{digits}f}", f"{row.ours:,.{digits + 1}f}", f"{difference:+,.{digits + 1}f}"
