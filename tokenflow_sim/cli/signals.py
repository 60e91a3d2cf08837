"""Signals that end the command: by an exception, so that half-written files are removed on the way out."""

from __future__ import annotations

import signal
from types import FrameType

_pending: list[int] = []


def install() -> None:
    """Take over SIGINT (Ctrl-C) and SIGTERM (a scheduler that stops the job)."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)


def _stop(number: int, frame: FrameType | None) -> None:
    _pending.append(number)
    check()


def check() -> None:
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
