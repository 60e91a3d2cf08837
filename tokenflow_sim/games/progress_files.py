"""Files of repeated play that is not finished: a group of sessions each, whole or not at all."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from tokenflow_sim.disk import remove, write_whole

_CHECKSUM = 4  # bytes


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
    Files end in a checksum of their own, since those of an archive do not cover its list of contents: what is damaged
    counts as not there, and is played again.
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
    packed = content.getvalue()
    return packed + crc32(packed).to_bytes(_CHECKSUM, "big")


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = path.read_bytes()
    except OSError:
        return None
    packed, checksum = content[:-_CHECKSUM], content[-_CHECKSUM:]
    if crc32(packed).to_bytes(_CHECKSUM, "big") != checksum or not packed:
        return None
    with np.load(io.BytesIO(packed), allow_pickle=False) as found:
        return {name: found[name] for name in found.files}
