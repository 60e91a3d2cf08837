"""What the runner of studies costs: parallel efficiency, its own share of the time, and its memory.

    uv run python -m benchmarks.runner [--runs 64] [--periods 168] [--sweep-runs 1000] [--only efficiency memory]

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

EFFICIENCY, OVERHEAD, MEMORY = 0.85, 0.05, 1 << 30
"""The figures to reach: share of ideal on two processes, share of the runs' time, bytes."""


def efficiency(runs: int, periods: int) -> dict[str, float]:
    """Time so many runs of us20_oligopoly in this process and on two, each kept in a store.

    The runner's overhead is what of the time in this process is not spent in the runs.
    """
    from tokenflow_sim.study.sweep import sweep

    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for workers in (1, 2):
            out = Path(folder) / f"{workers}.zarr"
            began = time.perf_counter()
            done = sweep(
                "us20_oligopoly",
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
    from tokenflow_sim.study.sweep import load_sweep, sweep

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


def main() -> int:
    """Measure, print, and return 1 if a figure is missed."""
    parser = argparse.ArgumentParser(description="Measure the runner of studies.")
    parser.add_argument("--runs", type=int, default=64)
    parser.add_argument("--periods", type=int, default=168)
    parser.add_argument("--sweep-runs", type=int, default=1000)
    parser.add_argument(
        "--only", nargs="+", choices=["efficiency", "memory"], default=["efficiency", "memory"]
    )
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        what, *numbers = given.measure
        found = (efficiency if what == "efficiency" else memory)(*map(int, numbers))
        print(json.dumps(found))
        return 0
    missed = 0
    if "efficiency" in given.only:
        found = _apart("efficiency", given.runs, given.periods)
        print(f"{given.runs} runs of us20_oligopoly, {given.periods} periods each")
        print(f"  in this process   {found['wall_1']:8.1f} s, {found['wall_1'] / given.runs:.2f} s a run")
        print(f"  on two processes  {found['wall_2']:8.1f} s")
        print(
            f"  efficiency        {100 * found['efficiency']:8.1f} % of ideal (to reach: {100 * EFFICIENCY:.0f} %)"
        )
        print(
            f"  runner's overhead {100 * found['overhead']:8.1f} % (to reach: below {100 * OVERHEAD:.0f} %)"
        )
        missed += found["efficiency"] < EFFICIENCY or found["overhead"] > OVERHEAD
    if "memory" in given.only:
        found = _apart("memory", given.sweep_runs)
        print(f"sweep of {found['runs']:.0f} day-long runs of us5, written as Zarr")
        print(
            f"  peak memory of the parent {found['peak'] / 2**20:6.0f} MiB (to reach: below {MEMORY / 2**20:.0f} MiB)"
        )
        print(
            f"  with a summary of prices  {found['peak_with_summary'] / 2**20:6.0f} MiB, {found['summary']:.1f} s"
        )
        print(f"  a figure over all runs    {found['figure']:6.2f} s to read")
        missed += found["peak"] > MEMORY
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
