"""What every importer returns: tables, the YAML that uses them, and a summary; and how they are written."""

from __future__ import annotations

import json
import os
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from tokenflow_sim.disk import writing
from tokenflow_sim.errors import ResultError

TABLE = "{table}"
"""Stands in YAML lines for the file of the main table, which the user may name."""
SUFFIXES = (".csv", ".parquet")
_OTHER_FILES = {
    ".yaml",
    ".yml",
    ".txt",
    ".json",
    ".nc",
    ".xlsx",
    ".xls",
    ".zip",
    ".gz",
    ".tsv",
    ".gml",
    ".graphml",
    ".xml",
    ".jsonl",
}
_WIDTH = 100
_PLAIN = re.compile(r"[^\W\d][\w./()-]*( [\w./()-]+)*")
_WORDS = {"yes", "no", "on", "off", "y", "n", "true", "false", "null"}  # YAML 1.1 takes them for values


@dataclass(frozen=True)
class Summary:
    """What an importer took from its files, as it is printed.

    Parameters
    ----------
    title : str
        What was read, e.g. ``prices of 4 nodes from 4 files (CAISO OASIS)``.
    entries : mapping
        One or several texts by heading, e.g. ``{"rows read": "2780", "gaps": ["3 hours from ..."]}``. The headings of
        all importers are ``format``, ``rows read``, ``span``, ``step``, ``gaps``, ``unit``, ``dropped``, ``assumed``;
        one of no text is left out.
    """

    title: str
    entries: Mapping[str, str | Sequence[str]] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return a title and a line for each text, headings set in a column."""
        rows = [
            (heading if number == 0 else "", text)
            for heading, texts in self.entries.items()
            for number, text in enumerate([texts] if isinstance(texts, str) else texts)
            if text
        ]
        width = max((len(heading) for heading, _ in rows), default=0)
        return "\n".join([self.title, *(f"  {heading:<{width}}  {text}" for heading, text in rows)])


@dataclass(frozen=True, eq=False)
class Imported:
    """What an importer made of files of another tool.

    Parameters
    ----------
    name : str
        What it is, and the name of its files unless the user gives another, e.g. ``prices``.
    tables : mapping
        Tables by file name, e.g. ``{"prices.csv": frame}``; the first is the main one. An index with a name is
        written as a column, one without is not.
    lines : str
        YAML that uses the tables, with a comment for everything that was assumed. ``{table}`` stands for the file of
        the main table.
    summary : Summary
        What was read, dropped and assumed.
    whole : bool
        Whether the YAML is a whole scenario, written as ``scenario.yaml``, rather than a part of one.
    """

    name: str
    tables: Mapping[str, pd.DataFrame]
    lines: str
    summary: Summary
    whole: bool = False

    @property
    def table(self) -> pd.DataFrame:
        """The main table."""
        return next(iter(self.tables.values()))

    @property
    def yaml(self) -> str:
        """The lines of a scenario that use the tables, named as they are in a folder."""
        return self.yaml_for(next(iter(self.tables)))

    def yaml_for(self, file: str) -> str:
        """Return the lines of a scenario for a main table of another name."""
        return self.lines.replace(TABLE, quoted(file))

    def targets(self, target: str | Path) -> list[Path]:
        """Return the files that :meth:`write` makes: tables in their order, then the YAML."""
        path = Path(target)
        if path.suffix.lower() in _OTHER_FILES and not path.is_dir():
            table = f", or a file that ends in {' or '.join(SUFFIXES)}"
            rest = table if len(self.tables) == 1 and not self.whole else ""
            raise ResultError(
                f"{path} ends in {path.suffix}, as a file of another form does; name a folder{rest}"
            )
        if path.suffix not in SUFFIXES:
            ending = "scenario.yaml" if self.whole else f"{self.name}.yaml"
            return [*(path / file for file in self.tables), path / ending]
        if len(self.tables) > 1 or self.whole:
            files = ", ".join(path.name for path in self.targets(path.parent))
            raise ResultError(f"{path}: {self.name} are several files ({files}); name a folder for them")
        return [path, path.with_suffix(".yaml")]

    def write(self, target: str | Path, *, force: bool = False) -> list[Path]:
        """Write the tables, and beside them the YAML lines that use them.

        Parameters
        ----------
        target : str or Path
            A folder, made if it does not exist; or, where there is one table, its file: ``.csv`` or ``.parquet``.
        force : bool
            Replace files that exist.

        Returns
        -------
        list of Path
            The files that were written.

        Raises
        ------
        ResultError
            If a file exists and `force` is false, or cannot be written.
        """
        paths = self.targets(target)
        folder = paths[-1].parent
        refuse_existing(paths, force=force)
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            # Beside the output, so that the move is one step of the file system: files appear whole or not at all.
            with TemporaryDirectory(dir=folder, prefix=".import") as hidden:
                drafts = [Path(hidden) / path.name for path in paths]
                for draft, frame in zip(drafts, self.tables.values(), strict=False):
                    write_table(frame, draft)
                drafts[-1].write_text(self.yaml_for(paths[0].name), encoding="utf-8")
                for draft, path in zip(drafts, paths, strict=True):
                    os.replace(draft, path)
        return paths


def refuse_existing(paths: Iterable[Path], *, force: bool) -> None:
    """Refuse to overwrite.

    Raises
    ------
    ResultError
        If one of the paths exists and `force` is false, or if one is a folder.
    """
    existing = [path for path in paths if path.exists()]
    for path in existing:
        if path.is_dir():
            raise ResultError(f"{path} is a folder: give the name of a file")
    if existing and not force:
        names = ", ".join(map(str, existing))
        verb = "exists" if len(existing) == 1 else "exist"
        raise ResultError(f"{names} {verb} already: choose another name, or replace with force (--force)")


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV, numbers exact, or as Parquet, by the ending of its name.

    Raises
    ------
    ResultError
        If it is to be Parquet and pyarrow is not installed.
    """
    named = frame.index.name is not None
    if path.suffix == ".parquet":
        try:
            (frame if named else frame.reset_index(drop=True)).to_parquet(path)
        except ImportError as error:
            raise ResultError('Parquet needs pyarrow: pip install "tokenflow-sim[data]"') from error
    else:
        frame.to_csv(path, index=named, lineterminator="\n", encoding="utf-8")


def quoted(text: str) -> str:
    """Return a text as a YAML scalar of one line, in quotes unless it is surely read as the same text without."""
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    return text if plain else json.dumps(text, ensure_ascii=False)


def comment(text: str, indent: int = 0) -> str:
    """Return a text as YAML comment lines of at most 100 characters."""
    lead = " " * indent + "# "
    return textwrap.fill(" ".join(text.split()), _WIDTH, initial_indent=lead, subsequent_indent=lead)
