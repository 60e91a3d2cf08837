"""Real files of other tools, where they lie beside the checkout; elsewhere a test makes a stand-in of that form."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tokenflow_sim.errors import DataError

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "real"


def real(name: str, folder: Path, stand_in: str) -> Path:
    """Return a real file, or write and return a stand-in of the same form.

    Parameters
    ----------
    name : str
        Its name among the real files.
    folder : Path
        Where a stand-in may be written.
    stand_in : str
        The text of the stand-in.
    """
    path = FOLDER / name
    if path.exists():
        return path
    made = folder / name
    made.write_text(stand_in, encoding="utf-8")
    return made


def held(name: str) -> Path:
    """Return a real file; where it is not beside the checkout, the test is skipped by its name."""
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"{name} is not beside this checkout")
    return path


def garbled(text: str, folder: Path, count: int, seed: int) -> Iterator[Path]:
    """Write a text again and again, with some bytes changed and the end cut off."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        data = bytearray(text.encode())
        for _ in range(rng.integers(1, 6)):
            data[rng.integers(len(data))] = rng.integers(256)
        path = folder / f"garbled{number}.csv"
        path.write_bytes(bytes(data[: rng.integers(len(data) + 1)]))
        yield path


def refused(read: Callable[[Path], object], path: Path) -> bool:
    """Say whether a file is refused; an error other than that of data, or one that names no file, is raised."""
    try:
        read(path)
    except DataError as error:
        if path.name not in str(error):
            raise AssertionError(f"no file is named: {error}") from error
        return True
    return False
