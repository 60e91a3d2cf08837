"""What the terminal shows: lines, tables, numbers and progress."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Protocol

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from tokenflow_sim.cli.guard import check_signals
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
            check_signals()

        yield advance


@contextmanager
def busy(task: str) -> Iterator[None]:
    """Show that work goes on, where its length is unknown, on a terminal's stderr; stay silent elsewhere."""
    if not sys.stderr.isatty():
        yield
        return
    with Console(stderr=True, markup=False, highlight=False, emoji=False).status(task):
        yield


GAP = 2
"""Columns of the terminal between two columns of a table."""

_TEXT = 24  # width down to which a column of text, or a long name, may be wrapped
_HEAD = 12  # the same for the head of a column
_NUMBER = re.compile(r"[^\w]*\d[\d,.]*(e[-+]?\d+)?[^\w]*")
_PIECE = re.compile(r"[^\s._/>\]-]*[\s._/>\]-]*")


def blocks(
    heads: Sequence[str], rows: Sequence[Sequence[str]], words: int, width: int, total: bool
) -> list[tuple[Table, int]]:
    """Lay out a table.

    Parameters
    ----------
    heads : sequence of str
        One head a column; a line break parts the name from its unit.
    rows : sequence of sequence of str
        The cells.
    words : int
        How many of the first columns hold words, set left; they stand in every block.
    width : int
        Columns of the terminal.
    total : bool
        Whether the last row is ruled off.

    Returns
    -------
    list of (Table, int)
        Tables to be written one under the other, and how wide each is: wider than the terminal only where a single
        column of numbers beside the words is.
    """
    columns = [[str(row[place]) for row in rows] for place in range(len(heads))]
    widest = [
        max(map(cell_len, [*head.split("\n"), *cells])) for head, cells in zip(heads, columns, strict=True)
    ]
    sizes = list(widest)
    if _across(sizes) > width:
        least = [
            min(widest[place], max(_least(cells, is_words=place < words), min(_HEAD, _longest(heads[place]))))
            for place, cells in enumerate(columns)
        ]
        sizes = _spread(least, widest, width)
    made = []
    for places in _split(sizes, words, width):
        chosen = _spread([sizes[place] for place in places], [widest[place] for place in places], width)
        table = Table(
            box=box.SIMPLE, show_edge=False, show_footer=total, pad_edge=False, collapse_padding=True,
            header_style="bold", footer_style="",
        )  # fmt: skip
        for place, size in zip(places, chosen, strict=True):
            cells = [Text(cell) for cell in columns[place]]
            table.add_column(
                Text("\n".join(_wrapped(heads[place], size))),
                cells.pop() if total else Text(""),
                justify="left" if place < words else "right",
                overflow="fold",
                vertical="bottom",
                width=size,
            )
        for row in rows[: len(rows) - total]:
            table.add_row(*(Text(str(row[place])) for place in places))
        made.append((table, _across(chosen)))
    return made


def _across(sizes: Sequence[int]) -> int:
    return sum(sizes) + GAP * (len(sizes) - 1)


def _longest(text: str) -> int:
    return max(map(cell_len, text.split()), default=0)


def _least(cells: Sequence[str], *, is_words: bool) -> int:
    """Return how narrow a column may become: its numbers stay whole, its words are wrapped."""
    numbers = [token for cell in cells for token in cell.split() if _NUMBER.fullmatch(token)]
    whole = max(map(cell_len, numbers), default=1)
    natural = max(map(cell_len, cells), default=1)
    longest = max(map(_longest, cells), default=1) if is_words else natural
    return max(whole, min(_TEXT, longest), min(_HEAD, natural))


def _spread(least: Sequence[int], widest: Sequence[int], width: int) -> list[int]:
    """Share out what is left of the width, to the narrowest first."""
    sizes, left = list(least), width - _across(least)
    for place in sorted(range(len(sizes)), key=lambda n: widest[n] - least[n]):
        more = min(max(left, 0), widest[place] - sizes[place])
        sizes[place] += more
        left -= more
    return sizes


def _split(sizes: Sequence[int], words: int, width: int) -> list[list[int]]:
    """Deal the columns of numbers out to blocks that fit, each behind the columns of words."""
    always = list(range(words))
    if _across(sizes) <= width or len(sizes) <= words:
        return [list(range(len(sizes)))]
    dealt: list[list[int]] = []
    for place in range(words, len(sizes)):
        if not dealt or _across([sizes[n] for n in (*always, *dealt[-1], place)]) > width:
            dealt.append([])
        dealt[-1].append(place)
    return [[*always, *places] for places in dealt]


def _wrapped(head: str, size: int) -> list[str]:
    """Break the lines of a head at spaces, dots and underscores, so that each fits."""
    lines: list[str] = []
    for line in head.split("\n"):
        if cell_len(line) <= size:
            lines.append(line)
            continue
        lines.append("")
        for piece in filter(None, _PIECE.findall(line)):
            if lines[-1] and cell_len(lines[-1]) + cell_len(piece.rstrip()) > size:
                lines.append("")
            lines[-1] += piece
    return [line.rstrip() for line in lines]
