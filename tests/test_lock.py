"""One writer at a time, and nothing that a dead one leaves behind stands in the way."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import tokenflow_sim as tf
from tokenflow_sim.ledger import files
from tokenflow_sim.ledger.lock import Lock, is_alive

HOLD = """
import sys, time
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from tokenflow_sim.ledger.lock import Lock
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
    with Lock(target) as lock:
        assert json.loads(lock.path.read_text())["pid"] == os.getpid()


def test_a_holder_on_another_machine_is_believed(target: Path) -> None:
    path = target.with_name(".run.nc.lock")
    path.write_text(json.dumps({"pid": 1, "host": "elsewhere", "since": "yesterday"}))
    with pytest.raises(
        tf.ResultError, match=r"process 1 on elsewhere, since yesterday.* remove .*\.run\.nc\.lock"
    ):
        Lock(target)
    path.write_text("{half")
    Lock(target).release()


def test_a_place_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    with pytest.raises(tf.ResultError, match="cannot be locked"):
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
