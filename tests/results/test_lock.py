"""One writer at a time, and nothing that a dead one leaves behind stands in the way."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import tokenflow_sim as tf
from tokenflow_sim.results import files, lock
from tokenflow_sim.results.lock import Lock, is_alive

HOLD = """
import sys, time
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from tokenflow_sim.results.lock import Lock
with Lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "run.nc"


def test_a_lock_is_held_once_and_leaves_nothing(target: Path) -> None:
    with Lock(target):
        with pytest.raises(
            tf.ResultError, match=rf"run.nc: is being written by process {os.getpid()} on .*, since 2"
        ):
            Lock(target)
        assert len(list(target.parent.iterdir())) == 1
    assert list(target.parent.iterdir()) == []
    with Lock(target):
        pass


def test_another_process_is_refused_and_a_killed_one_holds_nothing(target: Path) -> None:
    root = str(Path(tf.__file__).parents[1])
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(target), root], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(tf.ResultError, match=f"is being written by process {process.pid}"):
            Lock(target)
    finally:
        process.kill()
        process.communicate()
    assert not is_alive(process.pid)
    with Lock(target) as held:
        assert json.loads(held.path.read_text())["pid"] == os.getpid()


def test_a_holder_on_another_machine_is_believed(target: Path) -> None:
    path = target.with_name(".run.nc.lock")
    path.write_text(json.dumps({"pid": 1, "host": "elsewhere", "since": "yesterday"}))
    with pytest.raises(
        tf.ResultError, match=r"process 1 on elsewhere, since yesterday.* remove .*\.run\.nc\.lock"
    ):
        Lock(target)
    path.write_text("{half")
    Lock(target).release()


class _Windows:
    """Stands for kernel32: process 1 is over, 2 is running, 3 belongs to somebody else, others are not there."""

    def __init__(self) -> None:
        self.open: list[int] = []
        self.OpenProcess, self.WaitForSingleObject, self.CloseHandle = self._open, self._wait, self._close

    class _Function:
        argtypes: object = None
        restype: object = None

        def __init__(self, do: Callable[..., int]) -> None:
            self.do = do

        def __call__(self, *given: int) -> int:
            return self.do(*given)

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, self._Function(value) if callable(value) else value)

    def _open(self, access: int, inherit: int, pid: int) -> int:
        assert (access, inherit) == (0x100000, 0)
        handle = {1: 0x1_0000_0001, 2: 0x1_0000_0002}.get(pid, 0)
        self.open += [handle] if handle else []
        self.error = 0 if handle else 5 if pid == 3 else 87
        return handle

    def _wait(self, handle: int, milliseconds: int) -> int:
        assert milliseconds == 0
        return 0x102 if handle == 0x1_0000_0002 else 0

    def _close(self, handle: int) -> int:
        self.open.remove(handle)
        return 1


def test_windows_is_asked_by_a_handle_which_is_closed_again() -> None:
    # Constants and return values are those of the documentation of OpenProcess and WaitForSingleObject.
    system = _Windows()
    alive = {pid: lock._is_alive_on_windows(pid, system, lambda: system.error) for pid in (1, 2, 3, 4)}
    assert alive == {1: False, 2: True, 3: True, 4: False}
    assert system.open == []


def test_a_place_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    with pytest.raises(tf.ResultError, match=r"run.nc: cannot be written, since its folder does not exist"):
        Lock(tmp_path / "no" / "run.nc")


def test_what_a_killed_process_left_is_removed_and_nothing_else(target: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    host = socket.gethostname()
    names = {
        f".run.nc.{host}-{dead.pid}-0123abcd.part": False,
        f".run.nc.{host}-{os.getpid()}-0123abcd.part": True,
        f".run.nc.elsewhere-{dead.pid}-0123abcd.part": True,
        f".other.nc.{host}-{dead.pid}-0123abcd.part": True,
        ".run.nc.0123abcd.part": True,
        ".run.nc.notes.part": True,
    }
    for name in names:
        (target.parent / name).touch()
    files.remove_stale(target)
    assert {name: (target.parent / name).exists() for name in names} == names
