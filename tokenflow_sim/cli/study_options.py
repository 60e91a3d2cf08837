"""Options that the commands with many runs share, what is checked about them, and the bar that shows the runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from tokenflow_sim.cli.console import progress, say
from tokenflow_sim.cli.options import check_suffix, make_folder, refuse_existing
from tokenflow_sim.errors import Fault, InputError, ResultError

Periods = Annotated[
    int | None, typer.Option("--periods", min=1, help="Number of periods, in place of the scenario's.")
]
BurnIn = Annotated[
    int,
    typer.Option(
        "--burn-in", min=0, metavar="N", help="Leave so many periods out of the measures, at the start."
    ),
]
Seeds = Annotated[int, typer.Option("--seeds", min=1, help="How many seeds, from 0 on; the same throughout.")]
Confidence = Annotated[float, typer.Option("--confidence", help="What the intervals cover, between 0 and 1.")]
File = Annotated[
    Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write the data here (NetCDF).")
]
Store = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", metavar="STORE", help="Zarr store to write runs to as they finish, e.g. study.zarr."
    ),
]
Table = Annotated[
    Path | None, typer.Option("--table", metavar="FILE", help="CSV file to write the whole table to.")
]
Figures = Annotated[
    Path | None, typer.Option("--figures", metavar="DIR", help="Draw the figure into this folder.")
]
Workers = Annotated[
    int, typer.Option("--workers", min=0, help="Processes on this machine; 0 takes all cores.")
]
Scheduler = Annotated[
    str | None,
    typer.Option("--scheduler", metavar="ADDRESS", help="Play on a Dask cluster, e.g. tcp://10.0.0.5:8786."),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with what an interrupted study of this output has kept.")
]


def check_outputs(
    out: Path | None, suffix: str, others: Mapping[Path, str], force: bool, resume: bool | None = None
) -> None:
    """Refuse what cannot be written, before any work, and make the folders.

    Parameters
    ----------
    out : Path or None
        What the study becomes.
    suffix : str
        What its name must end in.
    others : mapping
        Files that are made of it, and what their names must end in.
    force, resume : bool
        Whether to replace what exists, or go on with it; `resume` is None where a command cannot.

    Raises
    ------
    InputError
        If the options contradict each other.
    ResultError
        If a file is there already, has a name of another kind, or cannot be written.
    """
    faults = []
    if resume and force:
        faults.append(Fault("go on with a study, or replace it: give one of them", "--resume and --force"))
    if resume and out is None:
        faults.append(Fault("name the output to go on with (--out)", "--resume"))
    if faults:
        raise InputError(faults, "the command line")
    if out is not None:
        check_suffix(out, suffix, "a study")
        if out.exists() and not (resume or force):
            ways = "" if resume is None else "go on with it (--resume), "
            raise ResultError(f"{out} exists already: {ways}replace it (--force) or choose another")
    for path, ending in others.items():
        check_suffix(path, ending, "it")
    refuse_existing(others, force or bool(resume))
    for path in [*([] if out is None else [out]), *others]:
        make_folder(path.absolute().parent)


@contextmanager
def connected(workers: int, scheduler: str | None) -> Iterator[dict[str, Any]]:
    """Give what says where runs are played, as arguments of a study."""
    if scheduler is None:
        yield {"workers": workers or None}
        return
    from tokenflow_sim.study.executor import connect

    with connect(scheduler) as client:
        yield {"client": client}


@contextmanager
def playing(workers: int, scheduler: str | None) -> Iterator[dict[str, Any]]:
    """Give the same, under a bar that shows how many runs are done and the time left."""
    with ExitStack() as stack:
        bar = _Bar(stack)
        yield stack.enter_context(connected(workers, scheduler)) | {"progress": bar}
    if not bar.played:
        say("all runs were finished before: nothing was left to play")


class _Bar:
    """A progress bar that learns its length with the first run."""

    def __init__(self, stack: ExitStack) -> None:
        self.stack, self.shown, self.played = stack, 0, False
        self.advance: Callable[[int], None] | None = None

    def __call__(self, done: int, total: int) -> None:
        if self.advance is None:
            self.advance = self.stack.enter_context(progress("playing", total, "runs"))
            self.played = done < total or total == 1  # a first call that ends it counts what was kept
        self.advance(done - self.shown)
        self.shown = done
