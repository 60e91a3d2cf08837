"""Files of repeated play that is not finished: a group of sessions each, whole or not at all."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from tokenflow_sim.disk import remove, write_whole

_DAMAGED = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile)


class GroupFile:
    """Where a group of sessions is kept.

    Parameters
    ----------
    folder : str
        The folder of the whole play.
    position : int
        The group's number.

    Notes
    -----
    Archives of arrays carry checksums, by which damage is found: what is damaged counts as not there, and is played
    again.
    """

    def __init__(self, folder: str, position: int) -> None:
        self._done = Path(folder) / f"group-{position:04}.npz"
        self._part = Path(folder) / f"group-{position:04}.unfinished.npz"

    def finished(self) -> dict[str, Any] | None:
        """Return what became of the group; None where it is not finished."""
        return _read(self._done)

    def unfinished(self) -> dict[str, Any] | None:
        """Return where the group stood when it was last written down; None where nothing is there."""
        return _read(self._part)

    def write(self, arrays: dict[str, Any]) -> None:
        """Write down where the group stands."""
        write_whole(self._part, _packed(arrays))

    def finish(self, arrays: dict[str, Any]) -> None:
        """Write down what became of the group."""
        write_whole(self._done, _packed(arrays))
        remove(self._part)


def _packed(arrays: dict[str, Any]) -> bytes:
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


def _read(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as found:
            return {name: found[name] for name in found.files}
    except _DAMAGED:
        return None
