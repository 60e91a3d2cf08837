"""The series at one place of a scenario's data: a path, a mapping, text, rows or an object -> a `Series`."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tokenflow_sim.scenario import sheet as sheets
from tokenflow_sim.scenario.packed import unpack
from tokenflow_sim.scenario.places import faults_of, path_of
from tokenflow_sim.scenario.series import Series
from tokenflow_sim.scenario.series_file import SeriesFile
from tokenflow_sim.scenario.series_kinds import SeriesKind
from tokenflow_sim.scenario.series_reading import read_series
from tokenflow_sim.scenario.table_at import TableAt

_PACKAGE = str(Path(__file__).resolve().parent.parent)


class SeriesAt(TableAt):
    """The series at one place of the data."""

    def series(self, kind: SeriesKind) -> None:
        """Read a series, whatever way it is given.

        Parameters
        ----------
        kind : SeriesKind
            What the field takes.
        """
        given = self.given
        if not isinstance(given, (str, list, Mapping)) and not sheets.is_table(given):
            return  # pydantic takes a series, and reports what is wrong with anything else
        if isinstance(given, Mapping) and set(given) == {"packed"}:
            self.put(self.unpacked(str(given["packed"])))
            return
        spec = self.spec(given)
        sheet = None if spec is None else self.sheet(spec)
        if spec is None or sheet is None:
            self.put(None)
            return
        found = read_series(sheet, spec, kind, self.file, self.note)
        self.put(found)
        if found is not None:
            self.doubt(found, kind, spec, sheet)

    def unpacked(self, digest: str) -> Series | None:
        """Return a series whose numbers stand apart from the text."""
        numbers = self.intake.source.packed.get(path_of(self.loc))
        if numbers is None:
            self.note(
                "",
                "stands apart from this text, in the results that it comes from; load the scenario from them:"
                " tf.Scenario.from_results(tf.load_results(...))",
                None,
            )
            return None
        try:
            found = unpack(numbers)
            if found.digest() != digest:
                raise ValueError("the numbers of a series are not those of this text")
        except ValueError as error:
            self.note("", str(error), None)
            return None
        return found

    def spec(self, given: Any) -> SeriesFile | None:
        """Return how the series is read; None where the mapping has faults."""
        if not isinstance(given, Mapping):
            return SeriesFile(file=given)
        try:
            return SeriesFile.model_validate(given)
        except ValidationError as error:
            self.intake.report([((*self.loc, *loc), text) for loc, text in faults_of(error, SeriesFile)])
            return None

    def sheet(self, spec: SeriesFile) -> sheets.Sheet | None:
        """Return the table that a series is in."""
        given = spec.file
        keys = [
            key
            for key in (spec.time, spec.node, spec.workload, "period", "time", "end", "node", "workload")
            if key
        ]
        keys += list(spec.where or ())
        try:
            if sheets.is_table(given):
                return sheets.from_object(given)
            if isinstance(given, list):
                return sheets.from_rows(given, self.note)
            if not isinstance(given, str):
                raise ValueError(f"`file` must be a path, CSV text or a table; found {type(given).__name__}")
            if "\n" in given:
                return self.of_text(given, keys, lines=False)
            self.file = self.name_of(given)
            form = spec.format or sheets.FORMATS.get(Path(given).suffix.lower(), "csv")
            if form == "csv":
                return self.of_text(self.text_of(given), keys)
            return sheets.from_file(self.path_of(given), form, spec.value)
        except ValueError as error:
            self.file = self.file if "does not exist" not in str(error) else ""
            self.note("", str(error), None)
            return None

    def of_text(self, text: str, keys: list[str], *, lines: bool = True) -> sheets.Sheet | None:
        """Read CSV text; lines of a text within a text would mislead."""
        sheet = sheets.from_text(text, self.note, keys)
        if sheet is not None and not lines:
            sheet.lines = None
        if self.reported:  # rows that were lost are reported; what follows from them is not
            return None
        return sheet

    def doubt(self, series: Series, kind: SeriesKind, spec: SeriesFile, sheet: sheets.Sheet) -> None:
        """Warn where the unit is probably another."""
        why = kind.family.doubt(series.values, spec.unit or sheet.units)
        if why:
            where = f"{self.file}: " if self.file else ""
            text = f"{where}{path_of(self.loc)}: {why}"
            warnings.warn(text, UserWarning, skip_file_prefixes=(_PACKAGE,))
