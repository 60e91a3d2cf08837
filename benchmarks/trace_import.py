"""What importing ten million requests takes: ``python -m benchmarks.trace_import``.

A week of requests of random sizes is written in the form of Azure LLM inference 2024, and imported, each in a process
of its own, whose peak memory is read when it ends. So is a tenth of it: memory does not grow with rows.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
import pandas as pd

from benchmarks.memory import peak
from benchmarks.page import Table, versions, write_section

ROWS = 10_000_000
WEEK = 7 * 86_400 * 1_000_000  # microseconds
CHUNK = 1_000_000


def write_trace(path: Path, rows: int) -> None:
    """Write a trace in order of arrival."""
    rng = np.random.default_rng(1)
    path.write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n")
    at = np.sort(rng.integers(0, WEEK, rows))
    for first in range(0, rows, CHUNK):
        part = at[first : first + CHUNK]
        moment = (np.datetime64("2024-05-10T00:00:00", "us") + part.astype("timedelta64[us]")).astype(str)
        text = pd.Series(moment).str.replace("T", " ") + "+00:00"
        sizes = rng.integers(1, 4000, len(part)), rng.integers(1, 800, len(part))
        pd.DataFrame({0: text, 1: sizes[0], 2: sizes[1]}).to_csv(path, mode="a", header=False, index=False)


def import_trace(path: Path) -> None:
    """Import a trace, and print seconds and memory."""
    from tokenflow_sim.importing import trace

    before = peak()
    begin, busy = perf_counter(), process_time()
    trace(path, weights={"input": 0.2, "output": 1.0})
    print(
        json.dumps(
            {
                "seconds": perf_counter() - begin,
                "busy": process_time() - busy,
                "peak": peak(),
                "before": before,
            }
        )
    )


def measured(path: Path, rows: int) -> dict[str, float]:
    """Write a trace, and import it, each in a process of its own: a child's peak begins with that of its parent."""
    command = [sys.executable, "-m", "benchmarks.trace_import", "--job", str(path)]
    subprocess.run([*command, "--rows", str(rows), "--write"], check=True, cwd=Path(__file__).parents[1])
    said = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    found: dict[str, float] = json.loads(said.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure, and write the section of the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of the trace")
    parser.add_argument("--job", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--write", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.job:
        if given.write:
            write_trace(given.job, given.rows)
        else:
            import_trace(given.job)
        return
    table = Table()
    with tempfile.TemporaryDirectory() as folder:
        for rows in (given.rows // 10, given.rows):
            path = Path(folder) / "trace.csv"
            found = measured(path, rows)
            size = path.stat().st_size / 1e6
            name = f"{rows:,} rows, {size:.0f} MB"
            table.set(name, "seconds", f"{found['seconds']:.1f}")
            table.set(name, "processor time, s", f"{found['busy']:.1f}")
            table.set(name, "peak memory, MiB", f"{found['peak']:.0f}")
            table.set(name, "of it before reading", f"{found['before']:.0f}")
    text = f"{table.text()}\n\n{versions()}"
    write_section("trace import", text)
    print(text)


if __name__ == "__main__":
    main()
