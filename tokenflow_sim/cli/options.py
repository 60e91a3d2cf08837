"""Arguments and options that several commands share, and what is checked about them before any work."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from tokenflow_sim.cli.console import progress, say
from tokenflow_sim.disk import writing
from tokenflow_sim.errors import Fault, InputError, ResultError

Source = Annotated[
    str, typer.Argument(metavar="SCENARIO", help="A scenario folder, its file, or a bundled scenario.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change a value of the scenario; may be repeated."),
]
Force = Annotated[bool, typer.Option("--force", help="Replace what exists.")]
AllowCode = Annotated[
    bool, typer.Option("--allow-code", help='Let the scenario name strategies and limits as "module:Class".')
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def parse_overrides(assignments: Sequence[str] | None) -> dict[str, Any]:
    """Split ``path=value`` pairs; the scenario reads the values, which are YAML.

    Parameters
    ----------
    assignments : sequence of str or None
        What ``--set`` was given, in order.

    Returns
    -------
    dict
        Text of the values by dotted path.

    Raises
    ------
    InputError
        If pairs lack a path or an equals sign, or a path is given twice; all are listed.
    """
    faults: list[Fault] = []
    values: dict[str, Any] = {}
    for text in assignments or ():
        path, equals, value = text.partition("=")
        path = path.strip()
        if not equals or not path:
            faults.append(Fault("give a path and a value, e.g. --set demand.scale=40", f"--set {text}"))
        elif path in values:
            faults.append(Fault("this path is set more than once", f"--set {text}"))
        else:
            values[path] = value.strip()
    if faults:
        raise InputError(faults, "the command line")
    return values


def check_suffix(path: Path, suffix: str, what: str) -> Path:
    """Refuse a name of another kind of file: one that is not what its name says misleads.

    Parameters
    ----------
    path : Path
        The file to write.
    suffix : str
        What its name must end in, e.g. ``.nc``.
    what : str
        What it holds, for the message.

    Raises
    ------
    ResultError
        If the name ends otherwise.
    """
    if path.suffix != suffix:
        kind = {".nc": "NetCDF", ".csv": "CSV", ".html": "HTML", ".zarr": "Zarr", ".png": "PNG"}[suffix]
        raise ResultError(f"{path}: {what} will be {kind}; give a name that ends in {suffix}")
    return path


def refuse_existing(paths: Iterable[Path], force: bool) -> None:
    """Refuse to overwrite, before any work is done.

    Raises
    ------
    ResultError
        If one of the paths exists and `force` is false, or if one is a folder.
    """
    existing = []
    for path in paths:
        with writing(path):  # e.g. a name that is too long
            existing += [path] if path.exists() else []
    for path in existing:
        if path.is_dir():
            raise ResultError(f"{path} is a folder: give the name of a file")
    if existing and not force:
        names = ", ".join(map(str, existing))
        verb = "exists" if len(existing) == 1 else "exist"
        raise ResultError(f"{names} {verb} already: choose another name, or replace with --force")


def make_folder(folder: Path) -> None:
    """Create a folder for output and see that files can be made in it, before any work is done.

    Raises
    ------
    ResultError
        If the folder cannot be created or nothing can be written into it.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass


def quoted(path: Path | str) -> str:
    """Return a path as a shell takes it."""
    return subprocess.list2cmdline([str(path)]) if os.name == "nt" else shlex.quote(str(path))


def here(path: Path) -> str:
    """Return a path as a shell takes it, which cannot be read as a name or an option: ``./us20``."""
    plain = path.is_absolute() or path.parts[:1] in ((), (os.pardir,))
    return quoted(path if plain else os.path.join(os.curdir, path))


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
Resume = Annotated[bool, typer.Option("--resume", help="Resume an interrupted study of this output.")]


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
        Whether to replace or to resume what exists; `resume` is None where a command cannot.

    Raises
    ------
    InputError
        If the options contradict each other.
    ResultError
        If a file exists already, has a name of another kind, or cannot be written.
    """
    faults = []
    if resume and force:
        faults.append(Fault("resume a study, or replace it: give one of them", "--resume and --force"))
    if resume and out is None:
        faults.append(Fault("name the output to resume (--out)", "--resume"))
    if faults:
        raise InputError(faults, "the command line")
    if out is not None:
        check_suffix(out, suffix, "a study")
        if out.exists() and not (resume or force):
            ways = "" if resume is None else "resume it (--resume), "
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
        bar = Bar(stack)
        yield stack.enter_context(connected(workers, scheduler)) | {"progress": bar}
    if not bar.played:
        say("all runs were finished before: nothing was left to play")


class Bar:
    """A progress bar that learns its length with the first report, and stands until the stack is left."""

    def __init__(self, stack: ExitStack, task: str = "playing", unit: str = "runs") -> None:
        self.stack, self.task, self.unit = stack, task, unit
        self.shown, self.played = 0, False
        self.advance: Callable[[int], None] | None = None

    def __call__(self, done: int, total: int) -> None:
        """Show how much of all is done."""
        if self.advance is None:
            self.advance = self.stack.enter_context(progress(self.task, total, self.unit))
            self.played = done < total or total == 1  # a first call that ends it counts what was kept
        self.advance(done - self.shown)
        self.shown = done
