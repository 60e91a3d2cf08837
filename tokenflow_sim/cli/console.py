"""How the command line writes: plain tables, numbers with sensible digits, a progress bar on terminals."""

from __future__ import annotations

import math
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Literal, Protocol

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from tokenflow_sim.cli import signals

_UNBOUNDED = 10_000  # columns: where nobody looks at a screen, a row stays one line

_PARAGRAPH = 100


class Advance(Protocol):
    """Count finished steps."""

    def __call__(self, steps: int = 1, /) -> None:
        """Add finished steps."""


def console(stream: IO[str] | None = None) -> Console:
    """Make a console that writes text as it is: no markup in names, no highlighting of numbers.

    On a terminal lines fit its width; in a file or a pipe a table takes the width that it needs.
    """
    file = stream or sys.stdout
    if file.isatty():
        return Console(file=file, markup=False, highlight=False, emoji=False)
    # rich takes an explicit width seriously only beside an explicit height where TERM is dumb
    return Console(
        file=file, width=_UNBOUNDED, height=100, markup=False, highlight=False, emoji=False,
        force_terminal=False, color_system=None, no_color=True,
    )  # fmt: skip


def say(text: str = "", stream: IO[str] | None = None) -> None:
    """Write one line of prose; the terminal wraps it, so that a copied path stays whole."""
    console(stream).print(text, soft_wrap=True)


def say_wrapped(text: str, head: str) -> None:
    """Write a paragraph whose lines hang under its head, e.g. a numbered note."""
    out = console()
    width = out.width if out.is_terminal else _PARAGRAPH
    out.print(
        textwrap.fill(text, width, initial_indent=head, subsequent_indent=" " * len(head)), soft_wrap=True
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
    cells = [list(map(Text, row)) for row in rows]
    if not cells:
        return
    feet = cells.pop() if total else [Text("")] * len(heads)
    table = Table(
        box=box.SIMPLE, show_edge=False, show_footer=total, pad_edge=False, collapse_padding=True,
        header_style="bold", footer_style="",
    )  # fmt: skip
    for number, (head, foot) in enumerate(zip(heads, feet, strict=True)):
        side: Literal["left", "right"] = "left" if number < words else "right"
        table.add_column(Text(head), foot, justify=side, overflow="fold", vertical="bottom")
    for row in cells:
        table.add_row(*row)
    out = console()
    out.print(Text(title, style="bold"))
    out.print(table)
    out.print()


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


def significant(value: float, digits: int = 4) -> str:
    """Write a number with so many significant digits, e.g. ``0.0748``, ``41.89``, ``123,635``, ``1.2e-13``."""
    if not math.isfinite(value):
        return "-" if math.isnan(value) else ("inf" if value > 0 else "-inf")
    if value == 0:
        return "0"
    rounded = f"{value:.{digits - 1}e}"
    size = int(rounded.partition("e")[2])
    if size < -4:
        return f"{value:.{min(digits, 2) - 1}e}"
    return f"{value:,.{max(0, digits - 1 - size)}f}"


def fixed(value: float, decimals: int) -> str:
    """Write a number with so many decimals; a dash for what is none, and no ``-0.00``."""
    # adding 0.0 turns the -0.0 of a rounded loss of nothing into 0.0
    return f"{round(value, decimals) + 0.0:,.{decimals}f}" if math.isfinite(value) else "-"


def money(values: Iterable[float]) -> list[str]:
    """Write sums of money alike: whole dollars where the largest has five digits or more, else cents."""
    sums = list(values)
    largest = max((abs(value) for value in sums if math.isfinite(value)), default=0.0)
    decimals = 0 if largest >= 10_000 else 2
    # adding 0.0 turns the -0.0 of a rounded loss of nothing into 0.0
    return [
        f"{round(value, decimals) + 0.0:,.{decimals}f}" if math.isfinite(value) else "-" for value in sums
    ]


def share(part: float, whole: float) -> str:
    """Write a part of a whole in per cent, e.g. ``3.2 %``; a dash where there is no whole."""
    if not whole:
        return "-"
    percent = 100 * part / whole
    return f"{percent:.1f} %" if percent == 0 or abs(percent) >= 0.05 else f"{significant(percent, 1)} %"


def counted(number: int, thing: str) -> str:
    """Return a number of things in words, e.g. ``1 node``, ``3 classes``."""
    plural = f"{thing}es" if thing.endswith("s") else f"{thing}s"
    return f"{number:,} {thing if number == 1 else plural}"
