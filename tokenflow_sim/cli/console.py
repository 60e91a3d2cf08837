"""How the command line writes: plain tables, numbers with sensible digits, a progress bar on terminals."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from tokenflow_sim.cli import signals
from tokenflow_sim.cli.tables import blocks
from tokenflow_sim.numerals import counted, fixed, money, share, significant

__all__ = [
    "Advance", "busy", "console", "counted", "fixed", "money", "progress", "say", "say_wrapped", "share",
    "show_table", "significant",
]  # fmt: skip

_UNBOUNDED = 10_000  # columns: where nobody looks at a screen, a row stays one line

_PARAGRAPH = 100


class Advance(Protocol):
    """Count finished steps."""

    def __call__(self, steps: int = 1, /) -> None:
        """Add finished steps."""


def console(stream: IO[str] | None = None, least: int = 0) -> Console:
    """Make a console that writes text as it is: no markup in names, no highlighting of numbers.

    On a terminal lines fit its width, or `least` where that is more; in a file or a pipe a table takes the width that
    it needs.
    """
    file = stream or sys.stdout
    if file.isatty():
        screen = Console(file=file, markup=False, highlight=False, emoji=False)
        screen.width = max(screen.width, least)
        return screen
    # rich takes an explicit width seriously only beside an explicit height where TERM is dumb
    return Console(
        file=file, width=_UNBOUNDED, height=100, markup=False, highlight=False, emoji=False,
        force_terminal=False, color_system=None, no_color=True,
    )  # fmt: skip


def say(text: str = "", stream: IO[str] | None = None) -> None:
    """Write one line of prose; the terminal wraps it, so that a copied path stays whole."""
    out = console(stream)
    out.print(_shown(text, out), soft_wrap=True)


def say_wrapped(text: str, head: str) -> None:
    """Write a paragraph whose lines hang under its head, e.g. a numbered note."""
    out = console()
    width = out.width if out.is_terminal else _PARAGRAPH
    out.print(
        textwrap.fill(_shown(text, out), width, initial_indent=head, subsequent_indent=" " * len(head)),
        soft_wrap=True,
    )


def show_table(
    title: str, heads: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1, total: bool = False
) -> None:
    """Write a table.

    Parameters
    ----------
    title : str
        What the table shows.
    heads : sequence of str
        One head a column; a line break parts the name from its unit.
    rows : iterable of sequence of str
        The cells, formatted.
    words : int
        How many of the first columns hold words (set left); the others hold numbers (set right).
    total : bool
        Whether the last row is the sum of the others, and is ruled off.
    """
    out = console()
    cells = [[_shown(cell, out) for cell in row] for row in rows]
    if not cells:
        return
    out.print(Text(_shown(title, out), style="bold"))
    shown = [_shown(head, out) for head in heads]
    for number, (table, width) in enumerate(blocks(shown, cells, words, out.width, total)):
        if number:
            out.print()
        # a table wider than the terminal is wrapped by it, which loses nothing
        console(least=width).print(table)
    out.print()


def _shown(text: str, out: Console) -> str:
    """Escape what the stream cannot encode, before columns are measured."""
    return text.encode(out.encoding, "backslashreplace").decode(out.encoding)


@contextmanager
def progress(task: str, total: int, unit: str) -> Iterator[Advance]:
    """Show a bar with the time left on a terminal's stderr; stay silent elsewhere.

    Parameters
    ----------
    task : str
        What is being done.
    total : int
        How many steps there are.
    unit : str
        What a step is, in the plural.
    """
    screen = Console(stderr=True, markup=False, highlight=False, emoji=False)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit, markup=False),
        TimeRemainingColumn(compact=True),
        TextColumn("left"),
    )
    bar = Progress(*columns, console=screen, transient=True, disable=not sys.stderr.isatty())
    with bar:
        handle = bar.add_task(task, total=total)

        def advance(steps: int = 1, /) -> None:
            bar.advance(handle, steps)
            signals.check()

        yield advance


@contextmanager
def busy(task: str) -> Iterator[None]:
    """Show that work goes on, where its length is unknown, on a terminal's stderr; stay silent elsewhere."""
    if not sys.stderr.isatty():
        yield
        return
    with Console(stderr=True, markup=False, highlight=False, emoji=False).status(task):
        yield
