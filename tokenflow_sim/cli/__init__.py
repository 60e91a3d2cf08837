"""The ``tokenflow`` command.

Every command imports what it needs when it runs: ``tokenflow --help`` has no use for a solver, and a help
page that takes seconds is not read.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from tokenflow_sim.cli import (
    application,
    comparison,
    doctor,
    figures,
    game,
    guard,
    importing,
    reproduction,
    running,
    scenarios,
    studies,
    training,
)
from tokenflow_sim.cli.guard import INTERRUPTED, Command, installed_version

app = typer.Typer(
    name="tokenflow",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Simulate the locational market of generative-AI services.",
    epilog="Exit status: 0 done, 1 a check failed, 2 bad input, 70 an error of tokenflow itself.",
    context_settings={"help_option_names": ["--help", "-h"]},
)
_COMMANDS: dict[str, Callable[..., None]] = {
    "list": scenarios.list_names,
    "new": scenarios.new,
    "validate": scenarios.validate,
    "run": running.run,
    "plot": figures.plot,
    "report": figures.report,
    "sweep": studies.sweep,
    "sensitivity": studies.sensitivity,
    "study": studies.study,
    "app": application.app,
    "compare": comparison.compare,
    "tournament": comparison.tournament,
    "equilibrium": comparison.equilibrium,
    "game": game.game,
    "train": training.train,
    "reproduce": reproduction.reproduce,
    "schema": scenarios.schema,
    "doctor": doctor.doctor,
}
for name, command in _COMMANDS.items():
    app.command(name, cls=Command)(command)
app.add_typer(importing.group, name="import")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tokenflow_sim {installed_version()}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Simulate the locational market of generative-AI services."""


def main() -> None:
    """Run the ``tokenflow`` command and exit with its status."""
    guard.install_signals()
    guard.escape_what_cannot_be_encoded()
    try:
        app(prog_name="tokenflow")
    except KeyboardInterrupt:  # between commands: while modules load, or while the interpreter leaves
        typer.echo(INTERRUPTED, err=True)
        sys.exit(130)
    except SystemExit as leave:
        if guard.reader_left(leave):
            guard.forget()
            sys.exit(guard.BROKEN_PIPE)
        raise
