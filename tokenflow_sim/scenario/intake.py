"""What is taken in of a scenario: plain data, the faults found so far, and where each entry came from."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unicodedata import normalize

from tokenflow_sim.errors import Fault, ScenarioError
from tokenflow_sim.scenario.places import Found, Loc, path_of

MAX_BYTES = 256 * 2**20
MAX_FAULTS = 200


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
    anywhere : bool
        Whether paths may leave the folder: those that a user gives on the command line or in Python.
    packed : mapping of str to str
        Series that stand apart from the text, by dotted path, as `packed.pack` makes them.
    """

    subject: str
    file: str = ""
    folder: Path | None = None
    anywhere: bool = False
    packed: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Intake:
    """Plain data, the faults found so far, and the file and line of every entry.

    Tables that were given but could not be read are in `dropped`, so that nobody calls them missing; those that
    lack some rows for a fault are in `torn`, so that nobody calls names in those rows unknown. Where the names in
    such rows can be read all the same, they are in `named`, by section. Tables with a column that no field has are in
    `misnamed`: what seems missing in them may stand in that column.
    """

    source: Source
    data: Any = None
    faults: list[Fault] = field(default_factory=list)
    origins: dict[Loc, str] = field(default_factory=dict)
    dropped: set[Loc] = field(default_factory=set)
    torn: set[Loc] = field(default_factory=set)
    misnamed: set[Loc] = field(default_factory=set)
    named: dict[str, set[str]] = field(default_factory=dict)

    def at(self, loc: Loc) -> str:
        """Return ``file:line`` of the entry at a place, or of the closest that holds it."""
        for length in range(len(loc), -1, -1):
            if loc[:length] in self.origins:
                return self.origins[loc[:length]]
        return self.source.file

    def report(self, found: list[Found]) -> None:
        """Note faults by their place."""
        self.faults += [Fault(message, path_of(loc), self.at(loc)) for loc, message in found]

    def fail(self) -> ScenarioError:
        """Return the error that reports all faults once, in the order they were found."""
        faults = list(dict.fromkeys(self.faults))
        if len(faults) > MAX_FAULTS:
            faults[MAX_FAULTS:] = [
                Fault(f"and {len(faults) - MAX_FAULTS} more faults, once these are mended")
            ]
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
