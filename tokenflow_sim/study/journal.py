"""A file to which one line is added for each thing done; a line that was cut short never was."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from zlib import crc32

from tokenflow_sim.disk import resumable_errors

_CHECK = "line_crc32"
"""The checksum of all else in a line."""


def _is_entry(line: object) -> bool:
    """Say whether a line states how a run ended."""
    if not isinstance(line, dict) or not isinstance(line.get("position"), int):
        return False
    return {"status", "measures"} <= line.keys() or {"status", "kind", "message", "trace"} <= line.keys()


def _checksum(line: dict[str, Any]) -> int:
    return crc32(json.dumps(line).encode())


class Journal:
    """A journal of JSON lines.

    Parameters
    ----------
    path : Path
        The file.

    Notes
    -----
    A line counts once it ends in a line break and its checksum fits; one that is damaged is passed over, and hides
    itself alone. What follows the last line break, left by a process that was killed or a disk that was full, is cut
    off before anything is added.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[dict[str, Any]]:
        """Return all lines that count."""
        return self._scan()[0]

    def _scan(self) -> tuple[list[dict[str, Any]], int]:
        """Return all lines that count, and where the last line ends."""
        lines: list[dict[str, Any]] = []
        end = 0
        if not self.path.exists():
            return lines, end
        with self.path.open("rb") as file:
            for raw in file:
                if not raw.endswith(b"\n"):
                    break
                end += len(raw)
                try:
                    line = json.loads(raw)
                except ValueError:  # also what is not UTF-8
                    continue
                if _is_entry(line) and line.pop(_CHECK, None) == _checksum(line):
                    lines.append(line)
        return lines, end

    def mend(self) -> list[dict[str, Any]]:
        """Cut off a line that was not finished, and return those that count.

        Raises
        ------
        ResultError
            If the file cannot be written.
        """
        lines, end = self._scan()
        if self.path.exists() and self.path.stat().st_size > end:
            with resumable_errors(self.path):
                os.truncate(self.path, end)
        return lines

    def add(self, line: dict[str, Any]) -> None:
        """Add a line, and see that it is on the disk.

        Raises
        ------
        ResultError
            If it cannot be written; then it does not count.
        """
        packed = json.dumps({**line, _CHECK: _checksum(line)}).encode() + b"\n"
        with resumable_errors(self.path), self.path.open("ab") as file:
            start = file.tell()
            try:
                file.write(packed)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                file.close()
                os.truncate(self.path, start)
                raise
