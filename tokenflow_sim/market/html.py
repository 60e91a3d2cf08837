"""Short tables for notebooks, as HTML without styles or scripts of their own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

MOST_ROWS = 12
"""Rows of a table that are shown."""


def table(
    title: str,
    head: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    count: int | None = None,
    note: str = "",
) -> str:
    """Return a table as HTML; all text is escaped.

    Parameters
    ----------
    title : str
        What stands above it.
    head : sequence of str
        Names of the columns.
    rows : iterable of sequences
        The cells; the first of a row is its name.
    count : int, optional
        How many rows there are, where not all are given.
    note : str
        What stands below it.
    """
    cells = [[escape(str(cell)) for cell in row] for row in rows]
    body = "".join(
        f'<tr><th style="text-align:left">{row[0]}</th>'
        + "".join(f'<td style="text-align:right">{cell}</td>' for cell in row[1:])
        + "</tr>"
        for row in cells
    )
    names = "".join(
        f'<th style="text-align:{"right" if i else "left"}">{escape(n)}</th>' for i, n in enumerate(head)
    )
    left_out = (count or 0) - len(cells)
    foot = [*([f"... and {left_out} more"] if left_out > 0 else []), *([note] if note else [])]
    below = "".join(f"<div>{escape(line)}</div>" for line in foot)
    return (
        f"<div><div><b>{escape(title)}</b></div><table><thead><tr>{names}</tr></thead>"
        f"<tbody>{body}</tbody></table>{below}</div>"
    )
