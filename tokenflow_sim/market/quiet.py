"""Keeping HiGHS from talking where its own options come too late."""

from __future__ import annotations

import contextlib
import os
import sys
from functools import cache

import highspy


@cache
def silence_banner() -> None:
    """Let HiGHS print its copyright lines to nowhere.

    From 1.16 on, the first solver object that a process makes prints them to the file descriptor of standard
    output before any option can be set, where they would end up inside a table that somebody is piping on.
    """
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    try:
        kept = os.dup(1)
    except OSError:  # standard output is closed: there is nothing to keep clean
        highspy.Highs()  # type: ignore[no-untyped-call]
        return
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.close(nowhere)
        highspy.Highs()  # type: ignore[no-untyped-call]
    finally:
        os.dup2(kept, 1)
        os.close(kept)
