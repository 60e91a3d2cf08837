from __future__ import annotations

import errno
import warnings

import pytest
import typer
from typer.testing import CliRunner, Result

from tokenflow_sim.cli.guard import Command, installed_version
from tokenflow_sim.errors import CertificateError, Fault, InfeasibleError, ResultError, ScenarioError


def raising(error: BaseException, *words: str) -> Result:
    """Run a command that raises."""
    app = typer.Typer()

    @app.callback()
    def root(debug: bool = False) -> None: ...

    @app.command("do", cls=Command)
    def do(debug: bool = False) -> None:
        raise error

    return CliRunner().invoke(app, words or ["do"])


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (ResultError("run.nc: exists already"), 2, "error: run.nc: exists already\n"),
        (
            ScenarioError([Fault("a"), Fault("b", "p[2]", "f")], "scenario 'x'"),
            2,
            "2 faults:\n  - a\n  - f: p[2]: b",
        ),
        (InfeasibleError({("dallas", "image"): 0.5}), 2, "image: 0.5 Mtok/s short, at dallas (0.5)"),
        (CertificateError("not optimal within 1e-7"), 1, "error: not optimal within 1e-7\n"),
        (OSError(errno.ENOSPC, "No space left on device", "run.nc"), 2, "error: run.nc: the disk is full\n"),
        (
            PermissionError(errno.EACCES, "Permission denied", "run.nc"),
            2,
            "error: run.nc: Permission denied\n",
        ),
        (MemoryError(), 2, "error: there is not enough memory"),
        (KeyboardInterrupt(), 130, "interrupted: no unfinished file was left behind\n"),
        (KeyError("x"), 70, f"error: this is a bug in tokenflow_sim {installed_version()}: KeyError: 'x'\n"),
        (ZeroDivisionError(), 70, ": ZeroDivisionError\n"),
        (typer.Exit(1), 1, ""),
    ],
)
def test_every_error_has_one_message_and_a_status(error: BaseException, status: int, told: str) -> None:
    result = raising(error)
    assert result.exit_code == status
    assert told in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


def test_names_with_brackets_and_newlines_survive() -> None:
    result = raising(ResultError("providers.b.assets[2].node: [bold]odd[/bold]"))
    assert "providers.b.assets[2].node: [bold]odd[/bold]" in result.stderr


@pytest.mark.parametrize("words", [("do", "--debug"), ("--debug", "do")])
@pytest.mark.parametrize(("error", "status"), [(ResultError("no file"), 2), (KeyError("x"), 70)])
def test_debug_shows_the_traceback_and_keeps_the_status(
    error: Exception, status: int, words: tuple[str, ...]
) -> None:
    result = raising(error, *words)
    assert result.exit_code == status
    assert "Traceback (most recent call last)" in result.stderr
    assert "test_guard.py" in result.stderr


def test_a_bug_says_how_to_see_the_traceback() -> None:
    assert "--debug" in raising(KeyError("x")).stderr
    assert "--debug" not in raising(ResultError("x")).stderr


def test_notes_are_told() -> None:
    error = InfeasibleError({("dallas", "image"): 0.5})
    error.add_note("  in period 3")
    assert raising(error).stderr.endswith("  in period 3\n")


def test_warnings_are_sentences_and_deprecations_are_for_developers() -> None:
    app = typer.Typer()

    @app.command(cls=Command)
    def do() -> None:
        warnings.warn("the tariff is zero", UserWarning, stacklevel=1)
        warnings.warn("old", DeprecationWarning, stacklevel=1)

    result = CliRunner().invoke(app)
    assert result.stderr == "warning: the tariff is zero\n"
