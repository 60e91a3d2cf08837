"""What stands around every command: errors in one message, signals, and streams that close."""

from __future__ import annotations

import errno
import importlib.metadata
import io
import os
import signal
import sys
import sysconfig
import traceback
import warnings
from types import FrameType
from typing import Any

import typer
from typer.core import TyperCommand

from tokenflow_sim.errors import CertificateError, TokenflowError

BROKEN_PIPE = 141
"""Status of a command whose reader has left: what a shell reports of ``cat``, 128 and the number of SIGPIPE."""


def escape_what_cannot_be_encoded() -> None:
    r"""Write letters that a console or a code page lacks as escapes, e.g. ``\u0141``: a name must not end a run."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def reader_left(leave: BaseException) -> bool:
    """Return whether the command ends since nobody reads it any more (``tokenflow list | head -1``).

    Parameters
    ----------
    leave : BaseException
        What ends it. Both typer and rich turn a broken pipe into an exit with status 1.
    """
    cause: BaseException | None = leave
    for _ in range(20):  # a chain of causes is short
        if cause is None or isinstance(cause, BrokenPipeError):
            return cause is not None
        cause = cause.__cause__ or cause.__context__
    return False


def forget() -> None:
    """Throw away what is still to be written: the interpreter would complain of it on its way out."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            os.dup2(nowhere, stream.fileno())
        except (OSError, ValueError, AttributeError):
            continue  # no file of the system's: a test's or a notebook's
    os.close(nowhere)


_pending: list[int] = []


def install_signals() -> None:
    """Take over SIGINT (Ctrl-C) and SIGTERM (a scheduler that stops the job)."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    sys.unraisablehook = _swallowed


def _swallowed(told: sys.UnraisableHookArgs) -> None:
    """Say nothing of a stop that Python swallowed, which `check_signals` raises again; else what Python says."""
    if not (_pending and isinstance(told.exc_value, KeyboardInterrupt | SystemExit)):
        sys.__unraisablehook__(told)


def _stop(number: int, frame: FrameType | None) -> None:
    _pending.append(number)
    check_signals()


def check_signals() -> None:
    """Raise what a signal asked for; long loops call this after every step.

    Python swallows an exception that a signal raises inside a destructor or a weak reference's callback, as
    imports have them, and the command would go on.

    Raises
    ------
    KeyboardInterrupt
        After SIGINT.
    SystemExit
        After SIGTERM, with status 143.
    """
    if signal.SIGINT in _pending:
        raise KeyboardInterrupt
    if _pending:
        raise SystemExit(128 + signal.SIGTERM)


CHECK_FAILED = 1
BAD_INPUT = 2
BUG = 70  # EX_SOFTWARE of sysexits.h: neither a failed check nor the user's input
INTERRUPTED = "interrupted: no unfinished file was left behind"

_ENVIRONMENT = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the disk quota is used up"}


class Command(TyperCommand):
    """A command whose errors end in one message on stderr and an exit status."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Read the arguments; say of one that does not fit what must be and what was found.

        Raises
        ------
        BadParameter
            If an argument does not fit.
        """
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            from pydantic import ValidationError

            if isinstance(error.__cause__, ValidationError):
                from tokenflow_sim.scenario.places import say

                error.message = "; ".join(say(one) for one in error.__cause__.errors(include_url=False))
            raise

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        """Run the command; report what it raises.

        Raises
        ------
        typer.Exit
            With the exit status, after an error was reported.
        """
        try:
            with warnings.catch_warnings():
                warnings.showwarning = _show_warning
                return super().invoke(ctx)
        except (typer.Exit, typer.Abort):
            raise
        except KeyboardInterrupt as error:
            kept = getattr(error, "__notes__", ())
            _print_error(f"interrupted: {'; '.join(note.strip() for note in kept)}" if kept else INTERRUPTED)
            raise typer.Exit(130) from None
        except SystemExit as error:  # a signal that ends it, such as SIGTERM
            for note in getattr(error, "__notes__", ()):
                _print_error(note.strip())
            raise
        except BrokenPipeError:
            raise  # the reader of a pipe has gone (`tokenflow list | head`): typer leaves quietly
        except Exception as error:  # the outermost boundary: nothing is hidden, everything is reported
            if _debug(ctx):
                _print_error("".join(traceback.format_exception(error)).rstrip())
            message, status = describe(error, own_code=bool(ctx.params.get("allow_code")))
            _print_error(f"error: {message}")
            if status == BUG and not _debug(ctx):
                _print_error("run the command again with --debug to see the traceback, and report it")
            raise typer.Exit(status) from error


def describe(error: Exception, own_code: bool = False) -> tuple[str, int]:
    """Say what an error means to a user, and with which status the command ends.

    Parameters
    ----------
    error : Exception
        What a command raised.
    own_code : bool
        Whether code of the user's own may have raised it.

    Returns
    -------
    str
        The message.
    int
        1 where a check failed, 2 where the input or the machine is at fault, 70 where the program is.
    """
    notes = "".join(f"\n{note}" for note in getattr(error, "__notes__", ()))
    if isinstance(error, TokenflowError):
        return f"{error}{notes}", CHECK_FAILED if isinstance(error, CertificateError) else BAD_INPUT
    if isinstance(error, MemoryError):
        return (
            "there is not enough memory: ask for less at once: periods, seeds, actions, workers, or a smaller market",
            BAD_INPUT,
        )
    if isinstance(error, OSError) and error.errno is not None:
        reason = _ENVIRONMENT.get(error.errno, error.strerror or str(error))
        return (f"{error.filename}: {reason}" if error.filename else reason) + notes, BAD_INPUT
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if own_code and (place := _own_line(error)):
        return f"{place}: {text}{notes}", BAD_INPUT
    return f"this is a bug in tokenflow_sim {installed_version()}: {text}{notes}", BUG


def _own_line(error: Exception) -> str:
    """Find the line of the user's own code that an error came from; empty if it came from the package."""
    libraries = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        if frame.f_globals.get("__name__", "").partition(".")[0] == "tokenflow_sim":
            return ""
        file = frame.f_code.co_filename
        if not file.startswith((*libraries, "<")):
            return f"{file}, line {line}"
    return ""


def installed_version() -> str:
    """Return the version of the installed package, without importing the package's own modules."""
    return importlib.metadata.version("tokenflow-sim")


def _debug(ctx: typer.Context) -> bool:
    return any(context.params.get("debug") for context in (ctx, ctx.find_root()))


def _print_error(text: str) -> None:
    # Not by typer.echo, which takes a terminal without letters (ascii) for one with all of them.
    print(text, file=sys.stderr, flush=True)


def _show_warning(message: Warning | str, category: type[Warning], *place: Any, **_: Any) -> None:
    """Show a warning as a sentence; where in our code it was raised means nothing to a user."""
    if issubclass(category, UserWarning):
        _print_error(f"warning: {message}")
