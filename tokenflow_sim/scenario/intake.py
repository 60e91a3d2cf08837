"""A scenario's files or text -> plain data with every table read in, and where each entry came from."""

from __future__ import annotations

import stat
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any
from unicodedata import normalize

from tokenflow_sim.errors import Fault, ScenarioError
from tokenflow_sim.scenario import tables, yaml_text
from tokenflow_sim.scenario.places import Found, Loc, path_of
from tokenflow_sim.scenario.series import listed

MAX_BYTES = 256 * 2**20
MAX_TOLD = 200
_TOLD_PER_TABLE = 20


@dataclass
class Source:
    """Where a scenario comes from.

    Parameters
    ----------
    subject : str
        What messages call it.
    file : str
        Its YAML file; empty for text alone.
    folder : Path or None
        The folder that table paths refer to; None for text alone.
    """

    subject: str
    file: str = ""
    folder: Path | None = None


@dataclass
class Intake:
    """Plain data, the faults found so far, and the file and line of every entry.

    Tables that were given but could not be read are in `dropped`, so that nobody calls them missing; those that
    lack some rows for a fault are in `torn`, so that nobody calls names in those rows unknown. Where the names in
    such rows can be read all the same, they are in `named`, by section.
    """

    source: Source
    data: Any = None
    faults: list[Fault] = field(default_factory=list)
    origins: dict[Loc, str] = field(default_factory=dict)
    dropped: set[Loc] = field(default_factory=set)
    torn: set[Loc] = field(default_factory=set)
    named: dict[str, set[str]] = field(default_factory=dict)

    def at(self, loc: Loc) -> str:
        """Return ``file:line`` of the entry at a place, or of the closest that holds it."""
        for length in range(len(loc), -1, -1):
            if loc[:length] in self.origins:
                return self.origins[loc[:length]]
        return self.source.file

    def tell(self, found: list[Found]) -> None:
        """Note faults by their place."""
        self.faults += [Fault(message, path_of(loc), self.at(loc)) for loc, message in found]

    def fail(self) -> ScenarioError:
        """Return the error that tells all faults once, in the order they were found."""
        faults = list(dict.fromkeys(self.faults))
        if len(faults) > MAX_TOLD:
            faults[MAX_TOLD:] = [Fault(f"and {len(faults) - MAX_TOLD} more faults, once these are mended")]
        return ScenarioError(faults, self.source.subject)


def read_bytes(path: Path, what: str) -> str:
    """Read a text file of bounded size.

    Raises
    ------
    ValueError
        If it is no regular file, too large, unreadable or no UTF-8 text; the message says which.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"{what} is not a regular file")
        if status.st_size > MAX_BYTES:
            raise ValueError(
                f"{what} has {status.st_size / 2**20:.0f} MiB; at most {MAX_BYTES >> 20} are read"
            )
        return normalize("NFC", path.read_bytes().decode("utf-8-sig"))  # as editors of other systems write it
    except FileNotFoundError:
        raise ValueError(f"{what} does not exist") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{what} is no UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except OSError as error:
        raise ValueError(f"{what} cannot be read: {error.strerror or error}") from None


def from_text(text: str, source: Source) -> Intake:
    """Read YAML text and every table in it or beside it.

    Raises
    ------
    ScenarioError
        If the text is no YAML; faults of tables are noted in the intake instead.
    """
    try:
        document = yaml_text.read(normalize("NFC", text))
    except yaml_text.YamlFault as error:
        raise ScenarioError([yaml_text.as_fault(error, source.file)], source.subject) from None
    prefix = f"{source.file}:" if source.file else "line "
    intake = Intake(source, document.data)
    intake.origins = {loc: f"{prefix}{line}" for loc, line in document.lines.items()}
    intake.faults = [
        Fault(message, path_of(loc), f"{prefix}{line}") for loc, message, line in document.faults
    ]
    if not isinstance(intake.data, dict):
        found = "nothing" if intake.data is None else f"{intake.data!r:.60}"
        message = f"must be a mapping of a scenario's fields (format, name, nodes, ...); found {found}"
        raise ScenarioError([Fault(message, "", source.file)], source.subject)
    # A section left empty says as much as one left out.
    intake.data = {name: part for name, part in intake.data.items() if part is not None}
    read_tables(intake)
    return intake


def read_tables(intake: Intake) -> None:
    """Replace every table that is given as text, path or list of rows by what it holds."""
    data = intake.data
    for loc in [("nodes",), ("workloads",)]:
        _TableAt(intake, data, loc).keyed(loc[0][:-1])
    for name in ("network", "demand", "electricity"):
        if not isinstance(data.get(name), dict):
            continue
        part = data[name] = dict(data[name])  # an alias may share it
        if name == "network":
            _TableAt(intake, part, (name, "arcs")).arcs()
            continue
        keys = ("period", "node") if name == "demand" else ("period",)
        _TableAt(intake, part, (name, "hourly")).profile("hour")
        _TableAt(intake, part, (name, "weekly")).profile("day")
        _TableAt(intake, part, (name, "series")).series(keys)
    _TableAt(intake, data, ("outages",)).records()
    providers = data.get("providers")
    if isinstance(providers, dict):
        for name, provider in providers.items():
            if isinstance(provider, dict):
                providers[name] = dict(provider)
                _TableAt(intake, providers[name], ("providers", name, "assets")).records()


class _TableAt:
    """The table at one place of the data."""

    def __init__(self, intake: Intake, parent: dict[Any, Any], loc: Loc) -> None:
        self.intake = intake
        self.parent = parent
        self.loc = loc
        self.file = ""
        self.told = 0

    @property
    def given(self) -> Any:
        return self.parent.get(self.loc[-1])

    def put(self, value: Any) -> None:
        """Put what was read in the table's place; nothing where it had faults."""
        if value is None:
            del self.parent[self.loc[-1]]
            self.intake.dropped.add(self.loc)
        else:
            self.parent[self.loc[-1]] = value

    def where(self, line: int | None) -> str:
        if not self.file:
            return self.intake.at(self.loc)
        return f"{self.file}:{line}" if line else self.file

    def note(self, place: str, message: str, line: int | None) -> None:
        self.told += 1
        if self.told == _TOLD_PER_TABLE:
            message, place = "and more faults like these, once they are mended", ""
        elif self.told > _TOLD_PER_TABLE:
            return
        self.intake.faults.append(Fault(message, path_of(self.loc) + place, self.where(line)))

    def table(self, *, rows_too: bool = True) -> tables.Table | None:
        """Return the table if the entry is one: CSV text, a path, or (if so wished) a list of rows."""
        given = self.given
        if isinstance(given, list) and rows_too:
            return tables.from_records(given, self.note)
        if not isinstance(given, str):
            return None
        if "\n" in given:
            table = self.parse(given)
            if table is not None:
                table.lines = []  # lines of a text within a text would mislead
            return table
        try:
            text = self.text_of(given)
        except ValueError as error:
            self.note("", str(error), None)
            return None
        self.file = self.name_of(given)
        return self.parse(text)

    def parse(self, text: str) -> tables.Table | None:
        """Read CSV text, and remember whether rows were lost."""
        table = tables.read_csv(text, self.note)
        if self.told:
            self.intake.torn.add(self.loc)
        return table

    def name_of(self, given: str) -> str:
        return str(Path(self.intake.source.file).parent / given)

    def text_of(self, given: str) -> str:
        """Read a file of the scenario's folder, and none outside it."""
        folder = self.intake.source.folder
        if folder is None:
            raise ValueError(f"names a file, {given!r:.80}, where text alone has no folder; give its text")
        what = f"file {given!r:.200}"
        try:
            path = (folder / given).resolve()
            inside = path.is_relative_to(folder.resolve())
        except (OSError, ValueError, RuntimeError):
            raise ValueError(f"{what} is no path of a file") from None
        if not inside:
            raise ValueError(f"{what} leaves the scenario's folder, which a table may not")
        try:
            return read_bytes(path, what)
        except ValueError as error:
            tables_there = sorted(file.name for file in islice(folder.glob("*.csv"), 100))
            raise ValueError(f"{error}; tables there: {listed(tables_there) or 'none'}") from None

    def origin(self, key: str | int, line: int | None) -> None:
        if self.file and line:
            self.intake.origins[(*self.loc, key)] = f"{self.file}:{line}"

    def keyed(self, key: str) -> None:
        """Read a table with a name a row into a mapping."""
        if not isinstance(self.given, (str, list)):
            return
        table = self.table()
        if table is None or key not in table.header:
            if table is not None:
                self.note("", f"needs a column {key!r}; it has {', '.join(table.header)}", None)
            self.put(None)
            return
        found: dict[str, Any] = {}
        first: dict[str, int | None] = {}
        spot = table.header.index(key)
        names = {cells[spot] for cells in table.torn if spot < len(cells)} - {""}
        if names:
            self.intake.named.setdefault(str(self.loc[0]), set()).update(names)
            if all(spot < len(cells) and cells[spot] for cells in table.torn):
                self.intake.torn.discard(self.loc)
        for row, cells in enumerate(table.rows):
            name, line = str(cells[spot]), table.line(row)
            if not name:
                self.note("", f"has a row without a {key}", line)
            elif name in found:
                self.note(f".{name}", _twice(first[name]), line)
            else:
                found[name] = {k: v for k, v in zip(table.header, cells, strict=True) if k != key and v != ""}
                first[name] = line
                self.origin(name, line)
        self.put(found or None)

    def arcs(self) -> None:
        """Read a table of arcs into a mapping by label, origin->destination where it gives none."""
        if not isinstance(self.given, (str, list)):
            return
        table = self.table()
        found: dict[str, Any] = {}
        first: dict[str, int | None] = {}
        for row, cells in enumerate(table.rows if table else []):
            record = {k: v for k, v in zip(table.header, cells, strict=True) if v != ""} if table else {}
            line = table.line(row) if table else None
            label = str(record.pop("arc", f"{record.get('origin', '?')}->{record.get('destination', '?')}"))
            if label in found:
                hint = "; give parallel arcs names of their own in a column `arc`"
                self.note(f".{label}", _twice(first[label]) + hint, line)
            else:
                found[label] = record
                first[label] = line
                self.origin(label, line)
        self.put(found or None)

    def records(self) -> None:
        """Read a table into a list of mappings."""
        if not isinstance(self.given, str):
            return
        table = self.table()
        if table is None:
            self.put(None)
            return
        records = [
            {k: v for k, v in zip(table.header, cells, strict=True) if v != ""} for cells in table.rows
        ]
        for row in range(len(records)):
            self.origin(row, table.line(row))
        self.put(records)

    def profile(self, key: str) -> None:
        """Read a table by hour of the day or by weekday."""
        if isinstance(self.given, (str, list)):
            table = self.table()
            self.put(None if table is None else tables.read_profile(table, key, self.note))

    def series(self, keys: tuple[str, ...]) -> None:
        """Read a table by period."""
        if not isinstance(self.given, (str, list)):
            return  # pydantic takes a series, and tells what is wrong with anything else
        table = self.table()
        self.put(None if table is None else tables.read_series(table, keys, self.note))


def _twice(line: int | None) -> str:
    return "is given twice" + (f", first on line {line}" if line else "")
