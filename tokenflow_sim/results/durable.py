"""Small files that appear whole or not at all, and last once they are there."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path

from tokenflow_sim.disk import remove, writing
from tokenflow_sim.results.files import temporary_name


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under another name, see that it is on the disk, and give it its name.

    Raises
    ------
    ResultError
        If it cannot be written; what was there before stays.
    """
    temporary = temporary_name(path)
    with kept(path):
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            remove(temporary)
            raise


def kept(path: Path) -> AbstractContextManager[None]:
    """Turn an error of the file system into one that says that nothing finished is lost, and what to do.

    Raises
    ------
    ResultError
        In its place.
    """
    return writing(path, keeps=True)
