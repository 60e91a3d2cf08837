"""Periods a second of small markets, on one core, beside another version of the package.

    uv run python -m benchmarks.small_markets [CHECKOUT] [--blocks 20] [--write]

Two learners (Q-learning over fifteen prices) at one node, and us5: whole periods of a run, with one variable recorded
and with all, and clearings alone of the same kind of markets. CHECKOUT is a folder with the other version. Each
version runs in a process of its own with BLAS on one thread, and the two take turns in blocks, so that a machine that
slows down slows both; what counts is the processor's time, the median of the blocks.
"""

from __future__ import annotations

import argparse
import inspect
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import numpy as np

import tokenflow_sim as tf
from benchmarks.page import Table, versions, write_section
from tokenflow_sim.market import Market
from tokenflow_sim.scenario import Scenario

ROOT = Path(__file__).parents[1]
# Periods, or clearings, in a block. Runs of learners are long: most of their periods have come before.
BLOCK = {"one node": 4000, "us5": 800, "us20": 40, "us20_oligopoly": 12}
PLAYED = ("one node", "us5")
LEAN, WHOLE = "periods a second, one variable recorded", "periods a second, all recorded"
ROWS = {"lean": LEAN, "whole": WHOLE, "clearings": "a clearing, microseconds"}
TARGETS = {LEAN: {"one node": 8000, "us5": 2000}}
LARGER = (LEAN,)


def duopoly(periods: int) -> Scenario:
    """Return a market of one node and one class, where two firms learn what to ask for."""
    data: dict[str, Any] = {
        "format": 1,
        "name": "duopoly",
        "periods": periods,
        "market": {"must_serve": False, "bandwidth": "none"},
        "workloads": {"chat": {"base_demand": 5e6, "payload": 1, "value": 10}},
        "nodes": {"here": {"demand_weight": 1, "electricity_price": 1.0}},
        "hardware": {"fleet": {"throughput": {"chat": 1e6}, "energy": {"chat": 1}, "running_cost": 0}},
        "providers": {
            name: {
                "strategy": {"name": "q_learning", "markups": np.linspace(0.0, 2.0, 15).tolist()},
                "assets": [{"node": "here", "hardware": "fleet", "power_mw": 4}],
            }
            for name in ("one", "other")
        },
    }
    return Scenario.model_validate(data)


def scenario_of(name: str, periods: int) -> Scenario:
    """Return one of the markets."""
    if name == "one node":
        return duopoly(periods)
    return tf.load_scenario(name).override({"periods": periods})


def markets(name: str) -> Iterator[Market]:
    """Yield markets to clear without end: offers of learners at one node, else the periods of the scenario."""
    if name == "one node":
        base, rng = duopoly(1).market(), np.random.default_rng(1)
        while True:
            price = 1.0 + rng.integers(0, 15, base.arrays.offer_price.shape) / 7.0
            arrays = base.arrays.with_(offer_price=price)
            yield Market.from_arrays(base.layout, arrays, base.hours, check=False)
    scenario = tf.load_scenario(name)
    bases = [scenario.market(period) for period in range(min(96, scenario.periods))]
    while True:
        for base in bases:
            yield Market.from_arrays(base.layout, base.arrays.with_(), base.hours, check=False)


def work(what: str, name: str) -> None:
    """Do a block each time a line comes in, and answer with the microseconds of one period, or clearing."""
    block = blocks_of(what, name)
    block()
    print("ready", flush=True)
    for _ in sys.stdin:
        print(block(), flush=True)


def blocks_of(what: str, name: str) -> Callable[[], float]:
    """Return what does one block, and says how many microseconds of the processor each part of it took."""
    size = BLOCK[name]
    if what != "clearings":
        # What is not recorded is not worked out. Versions that always collect all scalars do so here too.
        kept: dict[str, Any] = {"record": ["price"], "collect": ()} if what == "lean" else {}
        known = inspect.signature(tf.TokenMarket).parameters
        kept = {key: value for key, value in kept.items() if key in known}

        def play() -> float:
            model = tf.TokenMarket(scenario_of(name, size), rng=1, **kept)
            began = process_time()
            model.run()
            return 1e6 * (process_time() - began) / size

        return play
    found = markets(name)
    clearer = tf.Clearer(next(found))

    def clear() -> float:
        some = [next(found) for _ in range(size)]
        began = process_time()
        for market in some:
            clearer.clear(market)
        return 1e6 * (process_time() - began) / size

    return clear


def measured(roots: list[Path], what: str, name: str, blocks: int) -> list[list[float]]:
    """Return the microseconds of every block, of each version."""
    workers = []
    try:
        for root in roots:
            command = [sys.executable, str(ROOT / "benchmarks" / "small_markets.py"), "--work", what, name]
            environment = os.environ | {
                "PYTHONPATH": f"{root}{os.pathsep}{ROOT}",
                "OPENBLAS_NUM_THREADS": "1",
            }
            workers.append(
                subprocess.Popen(
                    command,
                    cwd=root,
                    env=environment,
                    text=True,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            )
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        found: list[list[float]] = [[] for _ in workers]
        for number in range(len(workers) * blocks):
            worker = workers[number % len(workers)]
            assert worker.stdin is not None
            assert worker.stdout is not None
            worker.stdin.write("\n")
            worker.stdin.flush()
            found[number % len(workers)].append(float(worker.stdout.readline()))
        return found
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


def main() -> None:
    """Measure, print the table, and write its section of the page where asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkout", type=Path, nargs="?")
    parser.add_argument("--blocks", type=int, default=20)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        work(*given.work)
        return
    roots = [ROOT] if given.checkout is None else [ROOT, given.checkout.resolve()]
    table = Table(TARGETS, LARGER)
    for what, label in ROWS.items():
        for name in BLOCK if what == "clearings" else PLAYED:
            mine, *other = measured(roots, what, name, given.blocks)
            own, *before = (
                median(found) if what == "clearings" else 1e6 / median(found) for found in (mine, *other)
            )
            if what == "lean":
                table.ratio(label, name, own)
            else:
                table.set(label, name, f"{own:.0f}")
            if other:
                table.set(f"{label}, before", name, f"{before[0]:.0f}")
                ratio = median(after / earlier for after, earlier in zip(mine, other[0], strict=True))
                table.set(f"{label}: time after over before", name, f"{ratio:.3f}")
            print(table.text(), flush=True)
    if given.write:
        write_section("small markets", f"{table.text()}\n\n{versions()}")


if __name__ == "__main__":
    main()
