"""Delimited text as other tools write it: any common encoding and separator, each cell with its row and column."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tokenflow_sim.errors import DataError
from tokenflow_sim.importing.faults import Faults, refuse
from tokenflow_sim.numeric import Floats

_SEPARATORS = ",;\t|"
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_BINARY = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\x89HDF": "an HDF5 or NetCDF file",
    b"CDF": "a NetCDF file",
    b"PAR1": "a Parquet file",
    b"%PDF": "a PDF",
    b"\xd0\xcf\x11\xe0": "an Excel workbook",
}
_MISSING = {"", "-", "--", "n/e", "n/a", "na", "nan", "null", "none", "#n/a"}
"""How exports write that there is no number (ENTSO-E: `-`, `n/e` for not expected)."""
_TOPOLOGY, _TRACE = "`tokenflow import topology`", "`tokenflow import trace`"
_MARKUP = (
    (re.compile(r"\s*\{[^\n]*\}[ \t\r]*\n\s*\{"), ("JSON Lines", _TRACE)),
    (re.compile(r"\s*\{\s*[\"}]|\s*\[\s*[\[{\"\]]"), ("JSON", _TOPOLOGY)),
    (re.compile(r"\s*<[?!A-Za-z]"), ("XML", _TOPOLOGY)),
    (
        re.compile(r"\s*(?:(?:#|Creator|Version|comment)[^\n]*\n\s*)*graph\s*\[", re.IGNORECASE),
        ("GML", _TOPOLOGY),
    ),
    (re.compile(r"\s*\?SNDlib"), ("a file of SNDlib", _TOPOLOGY)),
)
"""How files of other forms begin, what they are, and what reads them."""
_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+")
_GROUPED = re.compile(r"[-+]?\d{1,3}(,\d{3})+(\.\d+)?")


@dataclass(frozen=True, eq=False)
class TextTable:
    """The cells of a file as text, blanks around them cut.

    Parameters
    ----------
    file : str
        The file, as messages name it.
    frame : DataFrame
        One column of text per column of the file.
    lines : ndarray
        Line of the file of each row, from 1 on.
    notes : tuple of str
        What was assumed to read it, e.g. its encoding.
    """

    file: str
    frame: pd.DataFrame
    lines: NDArray[np.int64]
    notes: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self.frame.columns)

    @property
    def stem(self) -> str:
        """Name of the file without its ending."""
        return Path(self.file).stem

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.frame)

    def take(self, rows: NDArray[np.bool_]) -> TextTable:
        """Return some of the rows."""
        kept = self.frame[rows].reset_index(drop=True)
        return TextTable(self.file, kept, self.lines[rows], self.notes)

    def note(self, faults: Faults, row: int, column: str, message: str) -> None:
        """Note a fault of a cell."""
        faults.add(message, file=self.file, line=int(self.lines[row]), column=column)

    def numbers(self, column: str, faults: Faults, decimal: str | None = None) -> Floats:
        """Return a column as numbers, NaN where it has none; what is no number is noted.

        Parameters
        ----------
        column : str
            Name of the column.
        faults : Faults
            Takes what is wrong.
        decimal : {".", ","}, optional
            What parts whole numbers from decimals. If left out, a point; or a comma, where no number has a point and
            some comma cannot part thousands.
        """
        cells = self.frame[column].to_numpy(dtype=object)
        filled = np.array([cell.lower() not in _MISSING for cell in cells])
        values = np.full(len(cells), np.nan)
        try:
            found = cells[filled].astype(np.float64)  # Python's own conversion, which is exact
            if np.isfinite(found).all():
                values[filled] = found
                return values
        except ValueError:
            pass
        comma = decimal == "," or (decimal is None and _has_decimal_commas(cells[filled]))
        rows = np.flatnonzero(filled)
        wrong: list[tuple[int, str]] = []
        for row in rows.tolist():
            text = cells[row]
            if comma:
                text = text.replace(".", "").replace(",", ".")
            elif _GROUPED.fullmatch(text) and ("." in text or decimal == "."):
                text = text.replace(",", "")
            value = _number(text)
            if value is None:
                doubt = "; say what its comma means by `decimal`" if _GROUPED.fullmatch(cells[row]) else ""
                wrong.append((row, f"found {cells[row]!r:.60}{doubt}"))
            else:
                values[row] = value
        if len(wrong) == len(rows) > 1:  # another column than it was taken for, which is one fault
            first, found_there = wrong[0]
            self.note(faults, first, column, f"holds no numbers in any of {len(rows)} rows; {found_there}")
            return values
        for row, found_there in wrong:
            self.note(faults, row, column, f"must be a number; {found_there}")
        return values


def _has_decimal_commas(cells: NDArray[np.object_]) -> bool:
    commas = [cell for cell in cells if "," in cell]
    pointed = any("." in cell for cell in cells)
    return not pointed and any(_DECIMAL_COMMA.fullmatch(c) and not _GROUPED.fullmatch(c) for c in commas)


def _number(text: str) -> float | None:
    try:
        value = float(text) if "_" not in text else np.nan
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def read_table(path: str | Path, subject: str) -> TextTable:
    """Read a file of delimited text; of a zip archive or a gzip file, the text within.

    Parameters
    ----------
    path : str or Path
        The file.
    subject : str
        What it holds, for messages, e.g. ``prices``.

    Raises
    ------
    DataError
        If it cannot be read, is no text, has no rows, or a row has more cells than the header.
    """
    file = Path(path).name
    text, notes = _decoded(_bytes(Path(path), subject), file, subject)
    _refuse_markup(text, file, subject)
    separator, text, skipped = _separator(text)
    rows = _cells(text, separator, skipped, file, subject)
    if rows and len(rows[0][1]) == 1 and any(mark in rows[0][1][0] for mark in ',;"'):
        # Some exports quote each line as a whole, with the quotes within doubled.
        inner = "\n".join(cells[0] if cells else "" for _, cells in rows)
        rows = _cells(inner, _separator(inner)[0], skipped, file, subject)
    if not rows:
        raise refuse(subject, "is empty", file=file)
    (first, header), *body = rows
    names = [name.strip().strip('"').strip() for name in header]
    faults = Faults(subject)
    for name in sorted({name for name in names if name and names.count(name) > 1}):
        faults.add("this column comes twice; rename one", file=file, line=first, column=name)
    while (
        names and not names[-1] and all(len(cells) < len(names) or not cells[-1].strip() for _, cells in body)
    ):
        names.pop()  # a separator at the end of every line
        body = [(line, cells[: len(names)]) for line, cells in body]
    named = [name or f"column {number + 1}" for number, name in enumerate(names)]
    for line, cells in body:
        if len(cells) != len(named):
            what = f"has {len(cells)} cells, where the header has {len(named)} columns"
            faults.add(
                f"{what}; is the file cut short?" if len(cells) < len(named) else what, file=file, line=line
            )
    faults.check()
    if not body:
        raise refuse(subject, f"has a header ({', '.join(named)[:100]}) and no rows", file=file)
    columns = zip(*(cells for _, cells in body), strict=True)
    frame = pd.DataFrame(
        {
            name: pd.Series([cell.strip() for cell in column], dtype=object)
            for name, column in zip(named, columns, strict=True)
        }
    )
    return TextTable(file, frame, np.array([line for line, _ in body], dtype=np.int64), notes)


def _bytes(path: Path, subject: str) -> bytes:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise refuse(subject, "there is no such file", file=path) from None
    except OSError as error:
        raise refuse(subject, f"cannot be read: {error.strerror or error}", file=path) from None
    try:
        if data[:2] == b"\x1f\x8b":
            return gzip.decompress(data)
        if data[:4] == b"PK\x03\x04":
            return _unzipped(data, path, subject)
    except (OSError, EOFError, zipfile.BadZipFile) as error:
        raise refuse(subject, f"is a damaged archive ({error})", file=path) from None
    return data


def _unzipped(data: bytes, path: Path, subject: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = [name for name in archive.namelist() if name.lower().endswith((".csv", ".txt"))]
        if len(names) != 1:
            what = "an Excel workbook" if "[Content_Types].xml" in archive.namelist() else "an archive"
            remedy = "save its sheet as CSV" if "Excel" in what else "unpack it and give its files"
            count = f" of {len(names)} files of text" if "Excel" not in what else ""
            raise refuse(subject, f"is {what}{count}: {remedy}", file=path)
        return archive.read(names[0])


def _decoded(data: bytes, file: str, subject: str) -> tuple[str, tuple[str, ...]]:
    for start, what in _BINARY.items():
        if data.startswith(start):
            raise refuse(subject, f"is {what}, and no delimited text: save it as CSV", file=file)
    marked = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    if marked is None and b"\0" in data[:4096]:
        raise refuse(subject, "is no text: save it as CSV", file=file)
    try:
        return data.decode(marked or "utf-8"), ()
    except UnicodeDecodeError as error:
        if marked is not None:
            raise refuse(subject, f"is no {marked} text (byte {error.start})", file=file) from None
    return data.decode("latin-1"), (f"{file} is no UTF-8; it was read as latin-1",)


def _refuse_markup(text: str, file: str, subject: str) -> None:
    """Refuse, in one fault, text of another form than a table: each of its lines would be a fault of its own.

    Raises
    ------
    DataError
        If it is JSON, XML, GML or SNDlib's own form.
    """
    found = next((kind for pattern, kind in _MARKUP if pattern.match(text)), None)
    if found is not None:
        kind, reader = found
        raise refuse(
            subject, f"is {kind}, not a table; see {reader} for files of that form", file=file, line=1
        )


def _separator(text: str) -> tuple[str, str, int]:
    """Return the separator, the text without a line that states it, and how many lines were cut."""
    skipped = 0
    stated = re.match(r'"?sep=(.)"?\r?\n', text)
    if stated:
        return stated[1], text[stated.end() :], 1
    head = next((line for line in text.splitlines() if line.strip()), "")
    bare = re.sub(r'"[^"]*"', "", head)
    return max(_SEPARATORS, key=bare.count), text, skipped


def _cells(text: str, separator: str, skipped: int, file: str, subject: str) -> list[tuple[int, list[str]]]:
    """Return the cells of each line that is not blank, with its number."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows = []
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((line + skipped, cells))
            line = reader.line_num + 1
    except csv.Error as error:
        raise refuse(
            subject, f"cannot be split into cells ({error})", file=file, line=line + skipped
        ) from None
    return rows


__all__ = ["DataError", "TextTable", "read_table"]
