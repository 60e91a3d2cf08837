"""How much memory a year takes, and how its file opens: ``python -m benchmarks.memory``.

A year of hours of us20_oligopoly_v1 is streamed to a file, and a week beside it, each in a process of its own, whose
peak memory is read when it ends. Then the year's file is opened, and one variable of one node is read from it.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import tokenflow_sim as tf
from benchmarks.page import Table, versions, write_section

SCENARIO, WEEK, YEAR = "us20_oligopoly_v1", 168, 8760


def peak() -> float:
    """Return the largest memory that this process has had so far, in MiB."""
    scale = 1024**2 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale


def run(path: Path, periods: int) -> None:
    """Play some periods, streamed to a file."""
    tf.TokenMarket(SCENARIO, rng=1, periods=periods, out=path, force=True).run()


def import_only(path: Path, periods: int) -> None:
    """Do nothing: what Python and its packages take by themselves."""


def open_only(path: Path, periods: int) -> None:
    """Open a file."""
    assert tf.load_results(path).sizes["period"] == periods


def read_one(path: Path, periods: int) -> None:
    """Open a file, and read one variable of one node."""
    prices = tf.load_results(path).price.isel(node=0).load()
    assert prices.sizes["period"] == periods


JOBS: dict[str, Callable[[Path, int], None]] = {
    job.__name__: job for job in (run, import_only, open_only, read_one)
}


def measured(job: str, path: Path, periods: int) -> dict[str, float]:
    """Do a job in a process of its own; return its seconds and its peak memory in MiB."""
    command = [sys.executable, "-m", "benchmarks.memory", "--job", job, "--periods", str(periods), str(path)]
    told = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    found: dict[str, float] = json.loads(told.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure everything, and write the section of the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "path", nargs="?", type=Path, help="where the year's file goes, a temporary one by default"
    )
    parser.add_argument("--periods", type=int, default=YEAR, help="how long the year is")
    parser.add_argument("--job", choices=JOBS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.job:
        _ = tf.load_results  # what is imported on first use is imported before the clock starts
        start = perf_counter()
        JOBS[given.job](given.path, given.periods)
        print(json.dumps({"seconds": perf_counter() - start, "peak": peak()}))
        return
    with tempfile.TemporaryDirectory() as folder:
        year = given.path or Path(folder) / "year.nc"
        week = Path(folder) / "week.nc"
        rows = {
            "import alone": measured("import_only", week, WEEK),
            f"a week ({WEEK} periods), streamed": measured("run", week, WEEK),
            f"a year ({given.periods} periods), streamed": measured("run", year, given.periods),
            "opening the year's file": measured("open_only", year, given.periods),
            "opening it and reading the prices of one node": measured("read_one", year, given.periods),
        }
        size = year.stat().st_size / 1024**2
    table = Table()
    for name, found in rows.items():
        table.set(name, "peak memory, MiB", f"{found['peak']:.0f}")
        table.set(name, "seconds", f"{found['seconds']:.2f}")
    text = f"{table.text()}\n\nThe year's file has {size:.0f} MiB. {versions()}"
    write_section("memory", text)
    print(text)


if __name__ == "__main__":
    main()
