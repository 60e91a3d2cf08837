"""``tokenflow reproduce``: the paper's published numbers beside ours."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tokenflow_sim.cli.console import busy, fixed, say, say_wrapped, show_table, significant
from tokenflow_sim.cli.guard import CHECK_FAILED
from tokenflow_sim.cli.options import Debug, Force, check_suffix, make_folder, refuse_existing

if TYPE_CHECKING:
    from tokenflow_sim.study import Reproduction
    from tokenflow_sim.study.paper.row import Row

_VERDICTS = {True: "matches", False: "DIFFERS", None: "open"}


def reproduce(
    figures: Annotated[
        Path | None,
        typer.Option(
            "--figures", metavar="DIR", help="Draw the paper's figures here (PNG), with their data (NetCDF)."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write the table here (CSV).")
    ] = None,
    force: Force = False,
    debug: Debug = False,
) -> None:
    """Compute every number that the paper prints, beside it; fail if one that should match does not."""
    from tokenflow_sim.results import save_results
    from tokenflow_sim.results.files import whole_file
    from tokenflow_sim.study import reproduce as reproduce_paper
    from tokenflow_sim.study.paper.reproduction import FIGURES

    data_files = {name: figures / f"{name}.nc" for name in FIGURES} if figures else {}
    drawings = {name: path.with_suffix(".png") for name, path in data_files.items()}
    files = [
        *data_files.values(),
        *drawings.values(),
        *([check_suffix(out, ".csv", "the table")] if out else []),
    ]
    refuse_existing(files, force)
    for folder in {path.parent for path in files}:
        make_folder(folder)
    with busy("clearing the paper's markets"):
        reproduction = reproduce_paper()
    show_rows(reproduction)
    for name, path in data_files.items():
        save_results(reproduction.figures[name], path, force)
    _draw(reproduction, drawings)
    if out:
        with whole_file(out, force) as draft:
            reproduction.table.to_csv(draft, index=False)
    for path in files:
        say(f"wrote {path}")
    if reproduction.failures:
        raise typer.Exit(CHECK_FAILED)


def _draw(reproduction: Reproduction, drawings: dict[str, Path]) -> None:
    """Draw the paper's figures into files."""
    if not drawings:
        return
    import matplotlib as mpl

    mpl.use("Agg")  # figures go to files, on machines without a screen too
    from tokenflow_sim.cli.figures import Format, save_figure
    from tokenflow_sim.plot.paper import FIGURES

    for name, path in drawings.items():
        save_figure(FIGURES[name](reproduction.figures[name]), path, Format.PNG)


def show_rows(reproduction: Reproduction) -> None:
    """Print every row, a table a section, then the notes and the verdict."""
    notes = list(dict.fromkeys(row.note for row in reproduction.rows if row.note))
    heads = ["", "paper", "ours", "difference", "", "note"]
    for section, rows in groupby(reproduction.rows, key=lambda row: row.section):
        cells = [
            [
                row.name,
                *numbers(row),
                _VERDICTS[row.matches],
                str(notes.index(row.note) + 1) if row.note else "",
            ]
            for row in rows
        ]
        show_table(section, heads, cells)
    say("Notes")
    for number, note in enumerate(notes, 1):
        say_wrapped(note, head=f" {number:>2}  ")
    say()
    say(verdict(reproduction))


def numbers(row: Row) -> tuple[str, str, str]:
    """Write a row's numbers: the paper's as printed, ours with two digits more, and the difference."""
    printed = max(row.printed, 0)
    whole = float(row.paper).is_integer() and float(row.ours).is_integer()
    paper, ours = (0, 0) if whole else (printed, printed + 2)
    # Below this, a difference is the rounding of the arithmetic.
    difference = row.difference if abs(row.difference) > 1e-12 * max(1.0, abs(row.paper)) else 0.0
    sign = "+" if difference > 0 else ""
    return fixed(row.paper, paper), fixed(row.ours, ours), sign + significant(difference, 2)


def verdict(reproduction: Reproduction) -> str:
    """Say how many rows agree, and which do not."""
    judged = [row for row in reproduction.rows if row.matches is not None]
    left = len(reproduction.rows) - len(judged)
    failures = reproduction.failures
    text = f"{len(judged) - len(failures)} of the {len(judged)} numbers that should match do"
    if left:
        text += f"; {left} more cannot be derived from the paper's text and are left open, see their notes"
    differences = "".join(f"\n  differs: {row.section}: {row.name}" for row in failures)
    return text + differences
