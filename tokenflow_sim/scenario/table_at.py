"""The table at one place of a scenario's data: text, a file, rows or an object -> what the schema takes."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

from tokenflow_sim.errors import Fault, unknown_name
from tokenflow_sim.scenario import tables
from tokenflow_sim.scenario.intake import Intake, read_bytes
from tokenflow_sim.scenario.places import Loc, fields_at, path_of
from tokenflow_sim.scenario.schema import ScenarioFields
from tokenflow_sim.scenario.series import listed
from tokenflow_sim.scenario.sheet import is_table, records

_FAULTS_PER_TABLE = 20


class TableAt:
    """The table at one place of the data."""

    def __init__(self, intake: Intake, parent: dict[Any, Any], loc: Loc) -> None:
        self.intake = intake
        self.parent = parent
        self.loc = loc
        self.file = ""
        self.reported = 0

    @property
    def given(self) -> Any:
        """What the data has at the place."""
        return self.parent.get(self.loc[-1])

    def is_given(self) -> bool:
        """Whether the entry is a table, and not what the schema takes as it is."""
        return isinstance(self.given, (str, list)) or is_table(self.given)

    def put(self, value: Any) -> None:
        """Put what was read in the table's place; nothing where it had faults."""
        if value is None:
            del self.parent[self.loc[-1]]
            self.intake.dropped.add(self.loc)
        else:
            self.parent[self.loc[-1]] = value

    def where(self, line: int | None) -> str:
        """Return the file, with a line."""
        if not self.file:
            return self.intake.at(self.loc)
        return f"{self.file}:{line}" if line else self.file

    def note(self, place: str, message: str, line: int | None) -> None:
        """Tell of a fault; of many of one table, the first ones."""
        self.reported += 1
        if self.reported == _FAULTS_PER_TABLE:
            message, place = "and more faults like these, once they are mended", ""
        elif self.reported > _FAULTS_PER_TABLE:
            return
        self.intake.faults.append(Fault(message, path_of(self.loc) + place, self.where(line)))

    def table(self, key: str | None = None) -> tables.Table | None:
        """Return the table if the entry is one: CSV text, a path, a list of rows, or an object such as a DataFrame.

        Parameters
        ----------
        key : str, optional
            What an index without a name stands for.
        """
        given = self.given
        if isinstance(given, list):
            return tables.from_records(given, self.note)
        if is_table(given):
            try:
                return tables.from_records(records(given, key), self.note)
            except ValueError as error:
                self.note("", str(error), None)
                return None
        if not isinstance(given, str):
            return None
        if "\n" in given:
            table = self.parse(given)
            if table is not None:
                table.lines, table.top = [], None  # lines of a text within a text would mislead
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
        if self.reported:
            self.intake.torn.add(self.loc)
        return table

    def name_of(self, given: str) -> str:
        """Return what messages call a file."""
        return str(Path(self.intake.source.file).parent / given)

    def path_of(self, given: str) -> Path:
        """Return the path of a file: of the scenario's folder, and of none outside it unless the user gives it.

        Raises
        ------
        ValueError
            If it is none.
        """
        folder = self.intake.source.folder
        if folder is None:
            raise ValueError(f"names a file, {given!r:.80}, where text alone has no folder; give its text")
        what = f"file {given!r:.200}"
        try:
            path = (folder / given).resolve()
            inside = path.is_relative_to(folder.resolve())
        except (OSError, ValueError, RuntimeError):
            raise ValueError(f"{what} is no path of a file") from None
        if not inside and not self.intake.source.anywhere:
            raise ValueError(f"{what} leaves the scenario's folder, which a table may not")
        if not path.exists():
            ends = {".csv", Path(given).suffix}
            there = sorted(file.name for file in islice(folder.iterdir(), 1000) if file.suffix in ends)
            raise ValueError(f"{what} does not exist; tables there: {listed(there) or 'none'}")
        return path

    def text_of(self, given: str) -> str:
        """Read a text file."""
        return read_bytes(self.path_of(given), f"file {given!r:.200}")

    def origin(self, key: str | int, line: int | None) -> None:
        """Remember where an entry stands."""
        if self.file and line:
            self.intake.origins[(*self.loc, key)] = f"{self.file}:{line}"

    def columns(self, table: tables.Table, entry: Loc, key: str) -> None:
        """Refuse columns that no field has, once for all rows, and take them out."""
        fields = fields_at(ScenarioFields, entry)
        unknown = [column for column in table.header if column != key and column not in fields]
        if not unknown:
            return
        for column in unknown:
            options = ([key] if key else []) + fields
            self.note("", unknown_name("column", column, options, limit=30), table.top)
        self.intake.misnamed.add(self.loc)
        kept = [number for number, column in enumerate(table.header) if column not in unknown]
        table.header = [table.header[number] for number in kept]
        table.rows = [[cells[number] for number in kept] for cells in table.rows]
        table.torn = [[cells[number] for number in kept if number < len(cells)] for cells in table.torn]

    def keyed(self, key: str) -> None:
        """Read a table with a name a row into a mapping."""
        if not self.is_given():
            return
        table = self.table(key)
        if table is None or key not in table.header:
            if table is not None:
                self.note("", f"needs a column {key!r}; it has {', '.join(table.header)}", None)
            self.put(None)
            return
        self.columns(table, (*self.loc, ""), key)
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
                self.intake.torn.add(self.loc)
                self.note("", f"has a row without a {key}", line)
                continue
            record = {k: v for k, v in zip(table.header, cells, strict=True) if k != key and v != ""}
            if name in found:
                if record != found[name]:  # one of the two names may be misspelt
                    self.intake.torn.add(self.loc)
                self.note(f".{name}", _twice(first[name]), line)
            else:
                found[name] = record
                first[name] = line
                self.origin(name, line)
        self.put(found or None)

    def arcs(self) -> None:
        """Read a table of arcs into a mapping by label, origin->destination where it gives none."""
        if not self.is_given():
            return
        table = self.table("arc")
        if table is not None:
            self.columns(table, (*self.loc, ""), "arc")
            if self.loc in self.intake.misnamed and not {"origin", "destination"} <= set(table.header):
                self.put(None)  # which arcs there are is unknown
                return
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
        if not isinstance(self.given, str) and not is_table(self.given):
            return
        table = self.table()
        if table is None:
            self.put(None)
            return
        self.columns(table, (*self.loc, 0), "")
        records = [
            {k: v for k, v in zip(table.header, cells, strict=True) if v != ""} for cells in table.rows
        ]
        for row in range(len(records)):
            self.origin(row, table.line(row))
        self.put(records)

    def profile(self, key: str) -> None:
        """Read a table by hour of the day or by weekday."""
        if self.is_given():
            table = self.table(key)
            self.put(None if table is None else tables.read_profile(table, key, self.note))


def _twice(line: int | None) -> str:
    return "is given twice" + (f", first on line {line}" if line else "")
