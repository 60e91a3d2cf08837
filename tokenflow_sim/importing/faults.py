"""Faults of a file of another tool, gathered, each with file, row and column."""

from __future__ import annotations

from pathlib import Path

from tokenflow_sim.errors import DataError, Fault

_MOST = 20


class Faults:
    """The faults of the files of one import.

    Parameters
    ----------
    subject : str
        What is imported, e.g. ``prices``; the error's message begins with it.
    """

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self._found: list[Fault] = []
        self._more = 0

    def __bool__(self) -> bool:
        """Say whether any fault was found."""
        return bool(self._found)

    def __len__(self) -> int:
        """Return how many faults were found."""
        return len(self._found) + self._more

    def add(
        self, message: str, *, file: str | Path = "", line: int | None = None, column: str | None = None
    ) -> None:
        """Note a fault.

        Parameters
        ----------
        message : str
            What was found, and what to do.
        file : str or Path
            The file it stands in.
        line : int, optional
            The line of the file, from 1 on.
        column : str, optional
            Name of the column.
        """
        if len(self._found) == _MOST:
            self._more += 1
            return
        where = f"{file}:{line}" if line is not None else str(file)
        self._found.append(Fault(message, f"column {column!r}" if column is not None else "", where))

    def check(self) -> None:
        """Raise what was found, if anything.

        Raises
        ------
        DataError
            With all faults, up to twenty; the others are counted.
        """
        if self._found:
            raise self.error()

    def error(self) -> DataError:
        """Return the error that reports what was found."""
        rest = [Fault(f"and {self._more} more faults")] if self._more else []
        return DataError([*self._found, *rest], self.subject)


def refuse(
    subject: str, message: str, *, file: str | Path = "", line: int | None = None, column: str | None = None
) -> DataError:
    """Return the error of one fault, to be raised where nothing can be read beyond it."""
    faults = Faults(subject)
    faults.add(message, file=file, line=line, column=column)
    return faults.error()
