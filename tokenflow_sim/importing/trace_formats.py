"""The forms of request traces: which column holds what, and how a file's form is recognised."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tokenflow_sim.errors import DataError, unknown_name
from tokenflow_sim.importing.faults import refuse
from tokenflow_sim.numeric import SECONDS_PER_HOUR

STAMP = "stamp"
"""The unit of times that are dates."""
SECONDS: dict[str, float] = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "min": 60.0, "h": SECONDS_PER_HOUR}
"""Seconds of each unit in which a trace may count its time."""


@dataclass(frozen=True)
class TraceFormat:
    """Where a trace keeps what.

    Parameters
    ----------
    name : str
        Its name on the command line.
    title : str
        Its name in words.
    time, input, output : str
        Columns of the arrival and of the input and output tokens of a request.
    unit : str
        Unit of the time: ``stamp`` where it is a date, else a key of `SECONDS`.
    model : str
        Column of the model; empty where there is none.
    failed : bool
        Whether a request without output tokens is one that failed, and is dropped.
    lines : bool
        Whether the file has a JSON object a line, rather than a CSV row.
    delimiter : str
        What parts the cells of a CSV row.
    """

    name: str
    title: str
    time: str
    input: str
    output: str
    unit: str
    model: str = ""
    failed: bool = False
    lines: bool = False
    delimiter: str = ","

    @property
    def numbers(self) -> tuple[str, str]:
        """The columns of tokens."""
        return self.input, self.output


# Sources: github.com/Azure/AzurePublicDataset (AzureLLMInferenceDataset2023.md and ...2024.md),
# github.com/HPMLL/BurstGPT, github.com/kvcache-ai/Mooncake, github.com/microsoft/vidur.
FORMATS: dict[str, TraceFormat] = {
    item.name: item
    for item in (
        TraceFormat(
            "azure",
            "Azure LLM inference 2023 and 2024",
            "TIMESTAMP",
            "ContextTokens",
            "GeneratedTokens",
            STAMP,
        ),
        TraceFormat(
            "burstgpt",
            "BurstGPT",
            "Timestamp",
            "Request tokens",
            "Response tokens",
            "s",
            "Model",
            failed=True,
        ),
        TraceFormat("mooncake", "Mooncake", "timestamp", "input_length", "output_length", "ms", lines=True),
        TraceFormat("vidur", "Vidur/Splitwise", "arrived_at", "num_prefill_tokens", "num_decode_tokens", "s"),
    )
}
SERVEGEN = "servegen"
"""Rate tables of clients, which are no requests: :mod:`tokenflow_sim.importing.trace_rates` reads them."""
GENERIC = "generic"
ROLES = ("time", "input", "output", "model")


def open_text(path: Path) -> IO[str]:
    """Open a trace as text, compressed by gzip or not."""
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def first_lines(path: Path, count: int = 2) -> list[str]:
    """Return the first lines of a file that are not empty.

    Raises
    ------
    DataError
        If the file cannot be read, is no text, or is empty.
    """
    try:
        with open_text(path) as file:
            found: list[str] = []
            while len(found) < count and (line := file.readline(1 << 20)):
                if line.strip():
                    found.append(line.rstrip("\r\n"))
    except UnicodeDecodeError:
        raise refuse("the trace", "is no text (UTF-8)", file=path) from None
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise refuse("the trace", f"cannot be read: {reason}", file=path) from None
    if not found:
        raise refuse("the trace", "is empty", file=path)
    return found


def header_of(path: Path, form: TraceFormat) -> list[str]:
    """Return the columns of a trace of a known format."""
    (head, *_) = first_lines(path, 1)
    return _keys(path, head) if form.lines else next(csv.reader([head], delimiter=form.delimiter))


def recognise(
    path: Path, name: str | None, columns: Mapping[str, str] | None, unit: str | None
) -> TraceFormat | None:
    """Return the format of a trace; None where it is a ServeGen rate table.

    Parameters
    ----------
    path : Path
        The file.
    name : str or None
        The format's name, ``servegen`` and ``generic`` among them; found from the file's header if left out.
    columns : mapping or None
        Columns by role (time, input, output, model) of a file of no known format.
    unit : str or None
        Unit of the time, in place of the format's.

    Raises
    ------
    DataError
        If the format is unknown, or columns are missing.
    """
    if name is not None and name not in {*FORMATS, SERVEGEN, GENERIC}:
        raise refuse("the trace", unknown_name("format", name, [*FORMATS, SERVEGEN, GENERIC]))
    if unit is not None and unit not in {*SECONDS, STAMP}:
        raise refuse("the trace", unknown_name("time unit", unit, [*SECONDS, STAMP]))
    if name == SERVEGEN:
        return None
    head, *rest = first_lines(path)
    lines = head.lstrip().startswith("{")
    delimiter = "," if lines else max(",;\t", key=head.count)
    header = _keys(path, head) if lines else next(csv.reader([head], delimiter=delimiter))
    header = [cell.strip() for cell in header]
    if columns or name == GENERIC:
        return _generic(path, header, columns or {}, unit, lines, delimiter, rest)
    if name is None:
        if not lines and len(header) == 6 and all(_is_number(cell) for cell in header[:2]):
            return None
        fitting = [item for item in FORMATS.values() if item.lines == lines and _missing(item, header) == []]
        if not fitting:
            forms = "; ".join(
                f"{item.name} has {item.time}, {item.input}, {item.output}" for item in FORMATS.values()
            )
            raise refuse(
                "the trace",
                f"is of no known format, with columns {', '.join(header)} ({forms}); name its columns by"
                " columns (--columns time=...,input=...,output=...)",
                file=path,
                line=1,
            )
        found = fitting[0]
    else:
        found = FORMATS[name]
        missing = _missing(found, header)
        if missing or found.lines != lines:
            what = ", ".join(missing) if missing else f"{'JSON' if found.lines else 'CSV'} lines"
            raise refuse(
                "the trace",
                f"has no {what}, as {found.title} has; known columns: {', '.join(header)}",
                file=path,
                line=1,
            )
    model = found.model if found.model in header else ""
    return TraceFormat(
        found.name, found.title, found.time, found.input, found.output, unit or found.unit, model, found.failed,
        lines, delimiter,
    )  # fmt: skip


def _keys(path: Path, line: str) -> list[str]:
    try:
        return list(json.loads(line))
    except ValueError as error:
        raise refuse("the trace", f"is no JSON: {error}", file=path, line=1) from None


def _missing(item: TraceFormat, header: Sequence[str]) -> list[str]:
    return [column for column in (item.time, *item.numbers) if column not in header]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _generic(
    path: Path,
    header: list[str],
    columns: Mapping[str, str],
    unit: str | None,
    lines: bool,
    delimiter: str,
    rest: Sequence[str],
) -> TraceFormat:
    """Return the format that a mapping of columns describes."""
    faults = [unknown_name("role", role, ROLES) for role in columns if role not in ROLES]
    faults += [f"columns (--columns) names no {role}" for role in ROLES[:3] if role not in columns]
    faults += [unknown_name("column", column, header) for column in columns.values() if column not in header]
    if faults:
        error: DataError = refuse("the trace", "; ".join(faults), file=path, line=1)
        raise error
    if unit is None:
        # Numbers are seconds unless the user says otherwise; anything else is a date.
        cells = [*(next(csv.reader(rest[:1], delimiter=delimiter)) if rest and not lines else [])]
        first = dict(zip(header, cells, strict=False)).get(columns["time"], "")
        unit = "s" if lines or _is_number(first) else STAMP
    return TraceFormat(
        GENERIC, "columns as named", columns["time"], columns["input"], columns["output"], unit,
        columns.get("model", ""), False, lines, delimiter,
    )  # fmt: skip
