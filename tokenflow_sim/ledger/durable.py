"""Small files that appear whole or not at all, and last once they are there."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tokenflow_sim.errors import ResultError
from tokenflow_sim.ledger.files import remove, temporary_name

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


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
            with contextlib.suppress(OSError):
                remove(temporary)
            raise


@contextmanager
def kept(path: Path) -> Iterator[None]:
    """Turn an error of the file system into one that says that nothing finished is lost, and what to do.

    Raises
    ------
    ResultError
        In its place.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise ResultError(
                f"{path}: the disk is full ({error.strerror}); what was finished before is kept: free some space and"
                " resume (--resume)"
            ) from error
        raise ResultError(
            f"{path}: cannot be written ({error.strerror or error}); what was finished before is kept: mend that and"
            " resume (--resume)"
        ) from error
