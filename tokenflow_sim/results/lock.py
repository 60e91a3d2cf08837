"""One writer at a time: a lock beside an output, which a dead process does not hold."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from tokenflow_sim.disk import explained, hidden, remove
from tokenflow_sim.errors import ResultError

try:
    import fcntl
except ImportError:  # not POSIX: the file's own existence, and whether its process is alive, must do
    fcntl = None  # type: ignore[assignment]


class Lock:
    """Holds an output for this process.

    Parameters
    ----------
    target : Path
        The output, a file or a folder; the lock is a hidden file beside it.

    Raises
    ------
    ResultError
        If another process holds it.

    Notes
    -----
    The operating system lets go of the lock when its process ends, however that ends, so that nobody has to clean
    up after ``kill -9``. On file systems that know no locks, and where the holder is another machine, what the
    file says (process and machine) decides.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = hidden(target, ".lock")
        self._file = self._take()

    def _take(self) -> int:
        while True:
            try:
                file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
            except OSError as error:
                raise explained(self.target, error) from error
            try:
                self._hold(file)
                # Whoever held it before removes the file on leaving; then this one is a file without a name.
                if self._is_named(file):
                    self._refuse_foreign(file)
                    break
            except BaseException:
                os.close(file)
                raise
            os.close(file)
        try:
            os.ftruncate(file, 0)
            os.lseek(file, 0, os.SEEK_SET)
            os.write(file, json.dumps(_self()).encode())
        except OSError as error:  # a full disk takes an empty file, but nothing in it
            remove(self.path)
            os.close(file)
            raise explained(self.target, error) from error
        return file

    def _hold(self, file: int) -> None:
        if fcntl is None:  # pragma: no cover - not POSIX
            holder = _read(file)
            if holder and holder.get("host") == socket.gethostname() and is_alive(int(holder["pid"])):
                raise self._busy(holder)
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise self._busy(_read(file)) from None
        except OSError:  # a file system without locks
            holder = _read(file)
            if holder and holder.get("host") == socket.gethostname() and is_alive(int(holder["pid"])):
                raise self._busy(holder) from None

    def _is_named(self, file: int) -> bool:
        with contextlib.suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(file), os.stat(self.path))
        return False

    def _refuse_foreign(self, file: int) -> None:
        """Refuse where another machine holds it: whether its process is alive cannot be seen from here."""
        holder = _read(file)
        if holder and holder.get("host") != socket.gethostname():
            raise self._busy(holder)

    def _busy(self, holder: dict[str, Any]) -> ResultError:
        if not holder:
            return ResultError(f"{self.target}: another process is writing it; choose another name")
        who = f"process {holder.get('pid')} on {holder.get('host')}, since {holder.get('since')}"
        text = f"{self.target}: is being written by {who}; wait for it, or choose another name"
        if holder.get("host") != socket.gethostname():
            text += f" (if that process is gone, remove {self.path})"
        return ResultError(text)

    def release(self) -> None:
        """Let go."""
        if self._file >= 0:
            if fcntl is None:  # pragma: no cover - Windows removes no file that is open
                os.close(self._file)
                remove(self.path)
            else:  # while it is held, so that nobody takes a lock whose name is about to go
                remove(self.path)
                os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        """Return the lock."""
        return self

    def __exit__(self, *error: object) -> None:
        """Let go."""
        self.release()


def is_alive(pid: int) -> bool:
    """Say whether a process of this machine is there."""
    if sys.platform == "win32":  # pragma: no cover - there, signal 0 is Ctrl-C, and would be sent
        import ctypes

        return _is_alive_on_windows(
            pid, ctypes.WinDLL("kernel32", use_last_error=True), ctypes.get_last_error
        )
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is there, and somebody else's
        return True
    return True


_SYNCHRONIZE, _STILL_RUNNING, _DENIED = 0x100000, 0x102, 5  # the last two: WAIT_TIMEOUT, ERROR_ACCESS_DENIED


def _is_alive_on_windows(pid: int, kernel32: Any, last_error: Callable[[], int]) -> bool:
    """Ask Windows for a process, as its documentation says: a handle of one that has ended is signalled.

    Parameters
    ----------
    pid : int
        The process.
    kernel32 : object
        The library of that name.
    last_error : callable
        Returns the number of its last error.
    """
    from ctypes import c_int, c_ulong, c_void_p

    kernel32.OpenProcess.argtypes = (c_ulong, c_int, c_ulong)
    kernel32.OpenProcess.restype = c_void_p  # else a handle would be cut to 32 bits
    kernel32.WaitForSingleObject.argtypes, kernel32.WaitForSingleObject.restype = (c_void_p, c_ulong), c_ulong
    kernel32.CloseHandle.argtypes = (c_void_p,)
    handle = kernel32.OpenProcess(_SYNCHRONIZE, 0, pid)
    if not handle:
        return last_error() == _DENIED  # it is there, and somebody else's
    try:
        return bool(kernel32.WaitForSingleObject(handle, 0) == _STILL_RUNNING)
    finally:
        kernel32.CloseHandle(handle)


def _self() -> dict[str, Any]:
    since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return {"pid": os.getpid(), "host": socket.gethostname(), "since": since}


def _read(file: int) -> dict[str, Any]:
    try:
        os.lseek(file, 0, os.SEEK_SET)
        found = json.loads(os.read(file, 4096) or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
