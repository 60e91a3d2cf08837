"""What the runner of studies costs: parallel efficiency, its own share of the time, and its memory.

    uv run python -m benchmarks.runner [--runs 64] [--periods 168] [--sweep-runs 1000] [--only efficiency] [--write]

Each figure is measured in a process of its own, so that none finds another's caches. Nothing else should run on the
machine meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.page import Table, versions, write_section

EFFICIENCY, OVERHEAD, MEMORY = 0.85, 0.05, 1 << 30
"""The figures to reach: share of ideal on two processes, share of the runs' time, bytes."""

PARTS = ["efficiency", "memory"]
MEASURED, TO_REACH = "measured", "to reach"


def efficiency(runs: int, periods: int) -> dict[str, float]:
    """Time so many runs of us20_oligopoly_v1 in this process and on two, each kept in a store.

    The runner's overhead is what of the time in this process is not spent in the runs.
    """
    from tokenflow_sim.study.sweep import sweep

    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for workers in (1, 2):
            out = Path(folder) / f"{workers}.zarr"
            began = time.perf_counter()
            done = sweep(
                "us20_oligopoly_v1",
                {"demand.scale": [35.0]},
                seeds=runs,
                periods=periods,
                workers=workers,
                out=out,
            )
            found[f"wall_{workers}"] = time.perf_counter() - began
            found[f"played_{workers}"] = sum(done.seconds.values())
            assert not done.failures
    found["efficiency"] = found["wall_1"] / (2 * found["wall_2"])
    found["overhead"] = 1 - found["played_1"] / found["wall_1"]
    return found


def memory(runs: int) -> dict[str, float]:
    """Take the peak memory of the process that leads a sweep of so many day-long runs of us5, and reads from it.

    The figure, mean prices over all runs, is read from the store; so is a summary of the prices of all periods.
    """
    from tokenflow_sim.study.sweep import sweep
    from tokenflow_sim.study.swept import load_sweep

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "sweep.zarr"
        points = [10 + 30 * number / max(1, runs // 4 - 1) for number in range(max(1, runs // 4))]
        sweep("us5", {"demand.scale": points}, seeds=4, periods=24, workers=2, out=out)
        after_runs = _peak()
        began = time.perf_counter()
        mean = load_sweep(out).dataset["mean_price"].mean("seed").values
        figure = time.perf_counter() - began
        began = time.perf_counter()
        load_sweep(out).summary()["price"].compute()
        summary = time.perf_counter() - began
    return {"runs": float(mean.shape[0] * 4), "peak": after_runs, "peak_with_summary": _peak(), "figure": figure,
            "summary": summary}  # fmt: skip


def _peak() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak * (1 if sys.platform == "darwin" else 1024))


def _apart(what: str, *numbers: int) -> dict[str, float]:
    """Measure one thing in a process of its own, with one thread for linear algebra as workers have."""
    words = [sys.executable, "-m", "benchmarks.runner", "--measure", what, *map(str, numbers)]
    done = subprocess.run(
        words, check=True, text=True, stdout=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _efficiency_rows(table: Table, runs: int, periods: int) -> None:
    found = _apart("efficiency", runs, periods)
    name = f"{runs} runs of us20_oligopoly_v1, {periods} periods each"
    table.set(f"{name}: in this process", MEASURED, f"{found['wall_1']:.1f} s")
    table.set(f"{name}: on two processes", MEASURED, f"{found['wall_2']:.1f} s")
    _judged(table, "share of ideal on two processes", found["efficiency"], EFFICIENCY, "at least")
    _judged(table, "the runner's own share of the time", found["overhead"], OVERHEAD, "at most")


def _memory_rows(table: Table, runs: int) -> None:
    found = _apart("memory", runs)
    name = f"sweep of {found['runs']:.0f} day-long runs of us5"
    text = f"{found['peak'] / 2**20:.0f} MiB"
    table.set(f"{name}: peak memory of the parent", MEASURED, text)
    table.set(f"{name}: peak memory of the parent", TO_REACH, f"at most {MEMORY / 2**20:.0f} MiB")
    table.verdicts.append((found["peak"] <= MEMORY, f"peak memory of the parent: {text}"))
    summary = f"{found['peak_with_summary'] / 2**20:.0f} MiB, {found['summary']:.1f} s"
    table.set(f"{name}: a summary of all prices", MEASURED, summary)
    table.set(f"{name}: reading a figure over all runs", MEASURED, f"{found['figure']:.2f} s")


def _judged(table: Table, name: str, value: float, target: float, how: str) -> None:
    """Fill a row with a share, in bold type where it misses what is to be reached."""
    met = value >= target if how == "at least" else value <= target
    text = f"{100 * value:.1f} %"
    table.set(name, MEASURED, text if met else f"**{text}**")
    table.set(name, TO_REACH, f"{how} {100 * target:.0f} %")
    table.verdicts.append((met, f"{name}: {text} ({how} {100 * target:.0f} %)"))


def main() -> int:
    """Measure, print, and return 1 if a figure is missed."""
    parser = argparse.ArgumentParser(description="Measure the runner of studies.")
    parser.add_argument("--runs", type=int, default=64)
    parser.add_argument("--periods", type=int, default=168)
    parser.add_argument("--sweep-runs", type=int, default=1000)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument(
        "--write", action="store_true", help="write the section of docs/reference/benchmarks.md"
    )
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        what, *numbers = given.measure
        print(json.dumps((efficiency if what == "efficiency" else memory)(*map(int, numbers))))
        return 0
    table = Table()
    if "efficiency" in given.only:
        _efficiency_rows(table, given.runs, given.periods)
    if "memory" in given.only:
        _memory_rows(table, given.sweep_runs)
    text = f"{table.text()}\n\n{versions()}"
    print(text)
    if given.write:
        write_section("runner", text)
    for met, verdict in table.verdicts:
        if not met:
            print(f"missed: {verdict}", file=sys.stderr)
    return int(not all(met for met, _ in table.verdicts))


if __name__ == "__main__":
    sys.exit(main())
