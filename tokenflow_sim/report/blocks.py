"""What a report is made of: sections of tables, facts, notes, drawings, prose and code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

Level = Literal["problem", "caution", "note"]


@dataclass(frozen=True)
class Table:
    """A table.

    Parameters
    ----------
    caption : str
        What it shows.
    heads : sequence of str
        One head a column; a line break parts the name from its unit.
    rows : sequence of sequence of str
        The cells, formatted.
    words : int
        How many of the first columns hold words; the others hold numbers and are set right.
    total : bool
        Whether the last row is a total, and is ruled off.
    note : str
        What a reader must know of the numbers.
    """

    kind: ClassVar[str] = "table"
    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1
    total: bool = False
    note: str = ""


@dataclass(frozen=True)
class Facts:
    """Names and what is true of them, side by side.

    Parameters
    ----------
    items : sequence of (str, str)
        Name and value.
    large : bool
        Whether these are the figures that a reader looks for first.
    """

    kind: ClassVar[str] = "facts"
    items: Sequence[tuple[str, str]]
    large: bool = False


@dataclass(frozen=True)
class Note:
    """One thing that a reader should know.

    Parameters
    ----------
    level : {'problem', 'caution', 'note'}
        How grave it is: the numbers cannot be trusted, they say something unusual, or neither.
    text : str
        What it is.
    """

    level: Level
    text: str


@dataclass(frozen=True)
class Notes:
    """A list of notes, the gravest first."""

    kind: ClassVar[str] = "notes"
    items: Sequence[Note]


@dataclass(frozen=True)
class Drawing:
    """A figure, held in the page itself.

    Parameters
    ----------
    source : str
        Data address of the image.
    caption : str
        What it shows.
    name : str
        Name of the function that drew it.
    width : float
        Its width in print, in inches.
    """

    kind: ClassVar[str] = "drawing"
    source: str
    caption: str
    name: str
    width: float


@dataclass(frozen=True)
class Prose:
    """A paragraph."""

    kind: ClassVar[str] = "prose"
    text: str


@dataclass(frozen=True)
class Code:
    """Text of a program or a file.

    Parameters
    ----------
    text : str
        The text.
    summary : str
        Where given, the text is folded away under it.
    file : str
        Where given, a link saves the text under this name.
    """

    kind: ClassVar[str] = "code"
    text: str
    summary: str = ""
    file: str = ""


Block = Table | Facts | Notes | Drawing | Prose | Code


@dataclass(frozen=True)
class Section:
    """A part of the page under a heading."""

    key: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Page:
    """A report.

    Parameters
    ----------
    title, subtitle : str
        What it is about.
    sections : sequence of Section
        Its parts; those without blocks are left out.
    """

    title: str
    subtitle: str
    sections: Sequence[Section] = field(default_factory=tuple)
