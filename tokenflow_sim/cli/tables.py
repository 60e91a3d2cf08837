"""How a table fits a terminal: text is wrapped, columns go into blocks one under the other, numbers stay whole."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

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
