"""``kill -9`` at any moment: the same command with ``--resume`` ends in the same files, byte for byte."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.study.tiny import TEXT

# Imports once what takes seconds, then becomes the command again and again in processes of their own.
NURSERY = """
import importlib, json, os, pkgutil, signal, sys, threading, time
import dask.array, dask.distributed, netCDF4, xarray, zarr
import tokenflow_sim.cli.summary, tokenflow_sim.scenario.export, tokenflow_sim.scenario.override
import tokenflow_sim.strategies, tokenflow_sim.study.checkpoint, tokenflow_sim.study.compare
import tokenflow_sim.study.store, tokenflow_sim.study.sweep
from tokenflow_sim.cli import main
for module in pkgutil.iter_modules(tokenflow_sim.strategies.__path__, "tokenflow_sim.strategies."):
    importlib.import_module(module.name)
assert threading.active_count() == 1, "what has threads must not be forked"
for line in sys.stdin:
    words, folder, kill_after = json.loads(line)
    child = os.fork()
    if not child:
        os.chdir(folder)
        os.dup2(os.open("output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
        os.dup2(1, 2)
        sys.argv = ["tokenflow", *words]
        try:
            main()
        except SystemExit as left:
            os._exit(left.code or 0)
        finally:
            os._exit(99)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
COMMANDS = {
    "run": "run tiny.yaml --periods 60 --checkpoint 6 --seed 4 --out out.nc",
    "sweep": "sweep tiny.yaml --vary demand.scale=1,2,3,9 --seeds 3 --out out.zarr",
    "compare": "compare tiny.yaml --strategies marginal_cost,fixed_markup --seeds 5 --workers 1 --out out.nc",
}
KILLS = 2


class Nursery:
    """Commands as processes that start at once."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def play(self, words: list[str], folder: Path, kill_after: float | None = None) -> int:
        """Run a command to its end or kill it after so many seconds; return its exit status."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps([words, str(folder), kill_after]), file=self.process.stdin, flush=True)
        return int(self.process.stdout.readline())


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    """Start the process that becomes the commands."""
    with subprocess.Popen(
        [sys.executable, "-c", NURSERY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Nursery(process)
        assert process.stdin is not None
        process.stdin.close()
        process.wait(timeout=60)


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file in a folder but what the command printed."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "output.txt"
    }


@pytest.mark.long
@pytest.mark.parametrize("command", COMMANDS)
def test_what_was_killed_at_any_moments_ends_in_the_same_bytes(
    command: str, nursery: Nursery, tmp_path: Path
) -> None:
    words = [*COMMANDS[command].split(), "--resume"]
    folders = [tmp_path / "whole", tmp_path / "killed"]
    for folder in folders:
        folder.mkdir()
        (folder / "tiny.yaml").write_text(TEXT)
    whole, killed = folders
    began = time.monotonic()
    assert nursery.play(words, whole) == 0, (whole / "output.txt").read_text()
    took = time.monotonic() - began
    moments = [took * random.random() for _ in range(KILLS)]
    ends = [nursery.play(words, killed, moment) for moment in moments]
    assert nursery.play(words, killed) == 0, (killed / "output.txt").read_text()
    expected, found = contents(whole), contents(killed)
    assert sorted(found) == sorted(expected), "nothing is left beside it"
    assert [name for name in expected if found[name] != expected[name]] == [], (moments, ends)
