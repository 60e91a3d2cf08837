"""What all commands of ``tokenflow import`` share: the option of the output, and how a result is delivered."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tokenflow_sim.cli.console import say
from tokenflow_sim.disk import writing
from tokenflow_sim.errors import ResultError

if TYPE_CHECKING:
    from tokenflow_sim.importing import Imported

Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        help="A folder, or a file ending in .csv or .parquet where there is one table; the YAML lines go beside it. If"
        " left out, nothing is written and the lines are shown.",
    ),
]


def check_target(out: Path | None, force: bool) -> None:
    """Refuse, before any work, to replace a file or to take a file for a folder.

    Raises
    ------
    ResultError
        If `out` is a file that exists: any without `force`, one that is no table even so.
    """
    if out is None:
        return
    with writing(out):
        exists = out.is_file()
    if exists and out.suffix not in (".csv", ".parquet"):
        raise ResultError(
            f"{out} is a file, and no table: name a folder, or a file ending in .csv or .parquet"
        )
    if exists and not force:
        raise ResultError(f"{out} exists already: choose another --out, or replace with --force")


def deliver(imported: Imported, out: Path | None, *, force: bool) -> None:
    """Write what was imported and show its summary, or show the YAML lines where no output was named.

    Raises
    ------
    ResultError
        If a file exists and `force` is false, or cannot be written.
    """
    say(str(imported.summary))
    if out is None:
        say()
        say(imported.yaml.rstrip())
        say()
        say("nothing was written: name a folder or a file with --out")
        return
    for path in imported.write(out, force=force):
        say(f"wrote {path}")
