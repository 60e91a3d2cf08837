"""Where the table of a game is kept: in memory, or in a folder, stretch by stretch, so that nothing is lost."""

from __future__ import annotations

import io
import json
import warnings
from pathlib import Path
from typing import Any, Protocol, Self
from zlib import crc32

import numpy as np

from tokenflow_sim.disk import write_whole
from tokenflow_sim.errors import ResultError
from tokenflow_sim.numeric import Floats
from tokenflow_sim.results.lock import Lock
from tokenflow_sim.results.plan import running_versions
from tokenflow_sim.study.store import begin_folder, remove_parts, resolve_links

_FORMAT = "tokenflow_sim game 1"
_CHECKSUM = 4  # bytes


class Rows(Protocol):
    """Keeps the rows of profiles.

    Attributes
    ----------
    rows : ndarray
        Dims (profile, column).
    """

    rows: Floats

    def has(self, position: int) -> bool:
        """Say whether a stretch is there already."""

    def keep(self, position: int, first: int, rows: Floats, *, for_good: bool) -> None:
        """Keep the rows of a stretch, whose first profile has the number `first`."""


class MemoryRows:
    """Keeps rows for as long as the process lives."""

    def __init__(self, count: int, width: int) -> None:
        self.rows: Floats = np.full((count, width), np.nan)

    def has(self, position: int) -> bool:
        """Say that nothing is there before it was cleared."""
        return False

    def keep(self, position: int, first: int, rows: Floats, *, for_good: bool) -> None:
        """Keep the rows of a stretch."""
        self.rows[first : first + len(rows)] = rows


class FolderRows:
    """Keeps rows in a folder, a file a stretch; every file appears whole or not at all, with a checksum.

    Parameters
    ----------
    path : str or Path
        The folder; made if it is not there. One of the same game is resumed.
    digest : str
        What identifies the game.
    count, width, stretch : int
        Profiles, numbers of each, and profiles of a stretch.
    described : dict
        Players and actions, for the message where the folder holds another game.
    """

    def __init__(
        self, path: str | Path, digest: str, count: int, width: int, stretch: int, described: dict[str, Any]
    ) -> None:
        self.path = resolve_links(path)
        self._head = {"format": _FORMAT, "versions": running_versions(), "game": digest, **described}
        self._stretch = stretch
        self.rows: Floats = np.full((count, width), np.nan)
        self._kept: set[int] = set()
        self._lock: Lock | None = None

    def __enter__(self) -> Self:
        """Hold the folder for this process, and read what it has."""
        self._lock = Lock(self.path)
        try:
            self._open()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        """Let go of the folder."""
        if self._lock is not None:
            self._lock.release()

    def has(self, position: int) -> bool:
        """Say whether a stretch is there already."""
        return position in self._kept

    def keep(self, position: int, first: int, rows: Floats, *, for_good: bool) -> None:
        """Keep the rows of a stretch; what is not for good is in memory alone, and tried again next time."""
        self.rows[first : first + len(rows)] = rows
        if for_good:
            content = io.BytesIO()
            np.save(content, rows)
            packed = content.getvalue()
            write_whole(self._file(position), packed + crc32(packed).to_bytes(_CHECKSUM, "big"))
            self._kept.add(position)

    def _file(self, position: int) -> Path:
        return self.path / f"{position:06}.npy"

    def _open(self) -> None:
        file = self.path / "game.json"
        if file.exists():
            self._compare(file)
        else:
            begin_folder(self.path, "game")
            write_whole(file, json.dumps(self._head).encode())
        remove_parts(self.path)
        damaged = []
        for position, first in enumerate(range(0, len(self.rows), self._stretch)):
            if self._file(position).exists():
                rows = self._read(position, min(self._stretch, len(self.rows) - first))
                if rows is None:
                    damaged.append(position)
                else:
                    self.rows[first : first + len(rows)] = rows
                    self._kept.add(position)
        if damaged:
            what = "a stretch" if len(damaged) == 1 else f"{len(damaged)} stretches"
            text = f"{self.path}: {what} of profiles is damaged, and cleared again"
            warnings.warn(text, UserWarning, stacklevel=4)

    def _read(self, position: int, count: int) -> Floats | None:
        """Return the rows of a stretch; None where they are not what was written."""
        try:
            content = self._file(position).read_bytes()
            packed, checksum = content[:-_CHECKSUM], content[-_CHECKSUM:]
            if crc32(packed).to_bytes(_CHECKSUM, "big") != checksum:
                return None
            rows: Floats = np.load(io.BytesIO(packed), allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        return rows if rows.shape == (count, self.rows.shape[1]) else None

    def _compare(self, file: Path) -> None:
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ResultError(
                f"{file}: cannot be read ({error}); remove {self.path}, or choose another name"
            ) from None
        if not isinstance(found, dict) or found.get("format") != _FORMAT:
            raise ResultError(f"{file}: describes no game; remove {self.path}, or choose another name")
        if found.get("versions") != self._head["versions"]:
            raise ResultError(
                f"{self.path}: was begun with other versions, so that its payoffs would not fit together; install"
                f" those, or choose another name.\n  then: {found.get('versions')}\n  now:  {self._head['versions']}"
            )
        if found != self._head:
            differing = [
                name for name in ("play", "players", "actions") if found.get(name) != self._head[name]
            ]
            what = " and ".join(differing) + " differ" if differing else "its market differs in some numbers"
            raise ResultError(
                f"{self.path}: holds the payoffs of another game: {what}; choose another name, or remove it"
            )
