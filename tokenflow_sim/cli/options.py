"""Arguments and options that several commands share, and what is checked about them before any work."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

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
        raise ResultError(f"{names} {verb} already: choose another --out, or replace with --force")


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
