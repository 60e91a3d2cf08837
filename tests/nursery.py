"""A process that has imported everything and becomes the command `tokenflow` again and again.

Starting Python and importing what the commands need takes longer than what most of them do. Each command here is a
process of its own all the same: with its own folder, environment, output and exit status, and it can be killed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

NURSERY = """
import importlib, json, os, pkgutil, signal, sys, threading, time
import tokenflow_sim.cli
from tokenflow_sim.cli import main
import dask.array, dask.distributed, jinja2, matplotlib.figure, netCDF4, SALib, xarray, zarr
import tokenflow_sim.strategies, tokenflow_sim.plot, tokenflow_sim.plot.gallery, tokenflow_sim.report
for room in ("cli", "strategies", "study", "results", "scenario", "importing", "market", "plot.gallery", "report"):
    package = importlib.import_module(f"tokenflow_sim.{room}")
    for module in pkgutil.iter_modules(package.__path__, f"tokenflow_sim.{room}."):
        importlib.import_module(module.name)
assert threading.active_count() == 1, "what has threads must not be forked"
for line in sys.stdin:
    words, folder, out, err, environment, kill_after = json.loads(line)
    child = os.fork()
    if not child:
        status = 99
        try:
            os.chdir(folder)
            os.environ.update(environment)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            for number, path in ((1, out), (2, err)):
                os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
            sys.argv = ["tokenflow", *words]
            try:
                main()
                status = 0
            except SystemExit as left:
                status = left.code if isinstance(left.code, int) else int(left.code is not None)
            except BaseException:
                import traceback
                traceback.print_exc()
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(status)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it printed."""

    status: int
    out: str
    err: str


class Nursery:
    """Commands as processes that start at once."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self.process, self.folder = process, folder

    def run(
        self,
        words: Sequence[str],
        folder: Path,
        environment: Mapping[str, str] | None = None,
        kill_after: float | None = None,
    ) -> Done:
        """Run a command in a folder to its end, or kill it after so many seconds."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        out, err = self.folder / "out.txt", self.folder / "err.txt"
        asked = [list(words), str(folder), str(out), str(err), dict(environment or {}), kill_after]
        print(json.dumps(asked), file=self.process.stdin, flush=True)
        status = int(self.process.stdout.readline())
        return Done(status, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8"))


@contextmanager
def open_nursery() -> Iterator[Nursery]:
    """Start the process that becomes the commands."""
    env = os.environ | {"MPLBACKEND": "Agg"}
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            [sys.executable, "-c", NURSERY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
        ) as process,
    ):
        yield Nursery(process, Path(folder))
        assert process.stdin is not None
        process.stdin.close()
        process.wait(timeout=60)
