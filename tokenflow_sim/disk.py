"""The one place where errors of disks become messages, and files are written whole, under hidden names first."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import socket
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from hashlib import sha256
from pathlib import Path

from tokenflow_sim.errors import ResultError

LONGEST = 255
"""Bytes that the name of a file may have on nearly every file system."""
_ENDINGS = 110
"""Bytes that the longest ending of a hidden file takes: machine, process, a number."""
_HOST = 64
"""Characters of a machine's name that are used, which is all that POSIX machines have."""
_LITTLE = 1 << 20
"""With fewer bytes free, a library's error without a reason is taken for a full disk."""

_ELSEWHERE = "write it elsewhere"
_REASONS = {
    errno.ENOSPC: ("the disk is full", "free some space"),
    errno.EDQUOT: ("the disk quota is used up", "free some space"),
    errno.EFBIG: ("it is larger than this file system or your limits allow", _ELSEWHERE),
    errno.EROFS: ("its file system is read-only", f"{_ELSEWHERE}, or make that writable"),
    errno.EACCES: ("you may not write there", f"{_ELSEWHERE}, or have the rights changed"),
    errno.EPERM: ("you may not write there", f"{_ELSEWHERE}, or have the rights changed"),
    errno.ENOENT: ("its folder does not exist", "make it first"),
    errno.ENOTDIR: ("what should be its folder is a file", "name another place"),
    errno.EEXIST: ("a file stands where a folder is needed", "name another place"),
    errno.EISDIR: ("it is a folder", "name a file"),
    errno.ENAMETOOLONG: (f"its name is too long (most disks take {LONGEST} bytes)", "give a shorter one"),
}


@contextmanager
def writing(path: str | Path, *, keeps: bool = False) -> Iterator[None]:
    """Turn errors of the file system and of the libraries that write to it into one that says what to do.

    Parameters
    ----------
    path : str or Path
        What is written, as the user knows it.
    keeps : bool
        Whether what was finished before stays, so that one can resume.

    Raises
    ------
    ResultError
        In place of OSError, and of the RuntimeError that the NetCDF library raises; names the path, the reason and the
        remedy.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        raise explained(path, error, keeps=keeps) from error


def explained(path: str | Path, error: Exception, *, keeps: bool = False) -> ResultError:
    """Return the error that says why something cannot be written, and what to do."""
    number = _number(Path(path), error)
    why, remedy = _REASONS.get(number, ("", "see what is wrong with that place, or write elsewhere"))
    detail = (error.strerror if isinstance(error, OSError) else None) or str(error)
    text = f"{path}: cannot be written{f', since {why}' if why else ''} ({detail}); "
    if keeps:
        return ResultError(f"{text}what was finished before is kept: {remedy} and resume (--resume)")
    return ResultError(text + (f"{remedy}, or {_ELSEWHERE}" if number in _FULL else remedy))


_FULL = {errno.ENOSPC, errno.EDQUOT}


def _number(path: Path, error: Exception) -> int:
    """Return an error's number, that behind it where a library hides it."""
    number = (error.errno if isinstance(error, OSError) else None) or 0
    folder = next((parent for parent in (path, *path.absolute().parents) if _is_there(parent)), Path("/"))
    with contextlib.suppress(OSError, AttributeError):  # AttributeError: Windows has no statvfs
        if number in {errno.EACCES, 0} and os.statvfs(folder).f_flag & os.ST_RDONLY:
            return errno.EROFS
    if number <= 0:  # the NetCDF library counts its own errors down from -1
        with contextlib.suppress(OSError):
            return errno.ENOSPC if shutil.disk_usage(folder).free < _LITTLE else 0
    return number


def _is_there(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # e.g. a name that is too long
        return False


def hidden(path: Path, ending: str) -> Path:
    """Return the hidden file or folder of a name beside an output: ``.run.nc.lock`` for ``run.nc``.

    Where the name is so long that its hidden names would be too long for the file system, they hold its beginning and
    a digest of it.

    Parameters
    ----------
    path : Path
        The output.
    ending : str
        What follows its name, dot included.
    """
    return path.with_name(f".{hidden_stem(path)}{ending}")


def hidden_stem(path: Path) -> str:
    """Return the part of an output's name that its hidden files share."""
    name = os.fsencode(path.name)
    if len(name) <= LONGEST - _ENDINGS:
        return path.name
    digest = sha256(name).hexdigest()[:12]
    start = name[: LONGEST - _ENDINGS - len(digest) - 1].decode(errors="ignore")
    return f"{start}~{digest}"


def machine() -> str:
    """Return this machine's name, as hidden names hold it."""
    return socket.gethostname()[:_HOST]


def temporary_name(path: Path, ending: str = "") -> Path:
    """Return an unused name beside a file, on the same file system, so that renaming is one step.

    It says whose it is, so that what a killed process leaves behind can be distinguished from what a live one is
    writing.
    """
    owner = f"{machine()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    return hidden(path, f".{owner}.part{ending}")


def is_begun(path: Path) -> bool:
    """Say whether a path is what a process had begun to write, a process that may have been killed: ours or Zarr's."""
    return path.name.startswith(".") and path.suffix in {".part", ".partial"}


def remove(path: Path) -> None:
    """Remove a file if it is there and can be removed; who cleans up has another error to report."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes, *, keeps: bool = True) -> None:
    """Write a file under another name, see that it is on the disk, and give it its name.

    Parameters
    ----------
    path : Path
        The file.
    content : bytes
        What it is to hold.
    keeps : bool
        Whether it belongs to work that can be resumed, for the message.

    Raises
    ------
    ResultError
        If it cannot be written; what was there before stays.
    """
    temporary = temporary_name(path)
    with writing(path, keeps=keeps):
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            remove(temporary)
            raise


def resumable_errors(path: Path) -> AbstractContextManager[None]:
    """Turn an error of the file system into one that says that nothing finished is lost, and what to do.

    Raises
    ------
    ResultError
        In its place.
    """
    return writing(path, keeps=True)
