"""Where the command writes: consoles that lack letters, and readers that leave before the end."""

from __future__ import annotations

import io
import os
import sys

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
