"""What all commands of ``tokenflow import`` share: the option of the output, and how a result is delivered."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tokenflow_sim.cli.console import say
from tokenflow_sim.disk import writing
from tokenflow_sim.errors import Fault, InputError, ResultError

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


NodeNames = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="PLACE=NODE",
        help="Take this place of the file as this node, and leave out those that are not named; may be repeated."
        " Without =NODE it keeps its name. All if left out.",
    ),
]


def place_names(texts: list[str] | None) -> dict[str, str] | None:
    """Read the ``PLACE=NODE`` pairs of `NodeNames`; one without ``=`` keeps its name.

    Raises
    ------
    InputError
        If a pair lacks a name, or names a place twice; all are listed.
    """
    from tokenflow_sim.importing.names import scenario_name

    nodes: dict[str, str] = {}
    faults: list[Fault] = []
    for text in texts or ():
        name, equals, node = (part.strip() for part in text.rpartition("="))
        name, node = (name, node) if equals else (node, scenario_name(node))
        if not name or not node:
            message = "give the name in the file and the node, e.g. TH_NP15=california"
            faults.append(Fault(message, f"--map {text}"))
        elif name in nodes:
            faults.append(Fault(f"{name!r} is named more than once", f"--map {text}"))
        nodes[name] = node
    if faults:
        raise InputError(faults, "the command line")
    return nodes or None


def named_pairs(texts: list[str] | None, option: str, example: str) -> dict[str, str]:
    """Split the ``name=value`` pairs of an option.

    Raises
    ------
    InputError
        If a pair lacks a name, a value or the equals sign, or repeats a name; all are listed.
    """
    faults: list[Fault] = []
    pairs: dict[str, str] = {}
    for text in texts or ():
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not name or not value:
            faults.append(Fault(f"give a name and a value, e.g. {option} {example}", f"{option} {text}"))
        elif name in pairs:
            faults.append(Fault(f"{name!r} is given more than once", f"{option} {text}"))
        else:
            pairs[name] = value
    if faults:
        raise InputError(faults, "the command line")
    return pairs


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
