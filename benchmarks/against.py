"""What a clearing costs beside another version of the package, and what further limits add to it.

    uv run python -m benchmarks.against CHECKOUT [--blocks 40] [--write]

CHECKOUT is a folder with the other version. Each version clears in a process of its own, and the two take turns in
blocks of clearings, so that a machine that slows down slows both; what counts is the processor's time. The table has
the median of the ratios of neighbouring blocks.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import process_time

import numpy as np

import tokenflow_sim as tf
from benchmarks.networks import NETWORKS, moving
from benchmarks.page import Table, versions, write_section
from tokenflow_sim.market import Arrays, Market

ROOT = Path(__file__).parents[1]
# Clearings in a block.
BLOCKS = {"5 nodes": 60, "20 nodes, 278 arcs": 20, "100 nodes, 2 000 arcs": 4, "1 000 nodes, 20 000 arcs": 1}
TARGETS = {
    "after over before": dict(zip(BLOCKS, (1.03, 1.03, 1.0, 1.0), strict=True)),
    "with a site limit over without": {"20 nodes, 278 arcs": 1.25},
    "with a supply curve over without": {"20 nodes, 278 arcs": 1.25},
}


def work(name: str) -> None:
    """Clear a block of markets each time a line comes in, and answer with the milliseconds of each."""
    with tempfile.TemporaryDirectory() as folder:
        base = NETWORKS[name].scenario(Path(folder)).market(12)
    clearer = tf.Clearer(base)
    markets = moving(base, 10**9)
    clearer.clear(next(markets))
    print("ready", flush=True)
    for _ in sys.stdin:
        print(*(timed(clearer, next(markets)) for _ in range(BLOCKS[name])), flush=True)


def timed(clearer: tf.Clearer, market: Market) -> float:
    """Return the milliseconds of this process's own work that a clearing takes."""
    start = process_time()
    clearer.clear(market)
    return 1e3 * (process_time() - start)


def beside(checkout: Path, name: str, blocks: int) -> tuple[float, float, float]:
    """Return milliseconds a clearing of the other version and of this one, and the ratio of the two."""
    workers = []
    try:
        for root in (checkout, ROOT):
            command = [sys.executable, str(ROOT / "benchmarks" / "against.py"), str(root), "--work", name]
            environment = os.environ | {"PYTHONPATH": str(root), "OPENBLAS_NUM_THREADS": "1"}
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
        found: list[float] = []
        for number in range(2 * blocks):
            worker = workers[number % 2]
            assert worker.stdin is not None
            assert worker.stdout is not None
            worker.stdin.write("\n")
            worker.stdin.flush()
            found.append(median(map(float, worker.stdout.readline().split())))
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    ratios = [
        later / earlier if number % 2 == 0 else earlier / later
        for number, (earlier, later) in enumerate(pairwise(found))
    ]
    return median(found[::2]), median(found[1::2]), median(ratios)


def limited(base: Market) -> dict[str, Market]:
    """Return a market without further limits, with a grid limit at each site, and with a supply curve at each."""
    from tokenflow_sim.market.limits import SharedCapacity, Supply, Term, site_limit

    plain = tf.clear(base).values.dispatch.sum(axis=2)
    use = np.full(plain.shape, 2.0)
    drawn = np.bincount(base.layout.asset_node, (use * plain).sum(axis=1), len(base.layout.nodes))
    site = site_limit(base.layout, use, np.maximum(0.98 * drawn, 1.0))
    steps = np.array([0.02, 0.05, 0.1])
    supply = Supply(np.broadcast_to(steps, (drawn.size, 3)).copy(), np.outer(drawn + 1.0, [0.3, 0.3, np.inf]))
    curve = SharedCapacity(
        name="curve",
        rent="curve_rent",
        dim="node",
        capacity=0.5 * drawn,
        terms=(Term("dispatch", use, base.layout.asset_node),),
        supply=supply,
        payee="grid",
    )
    return {
        "without": base,
        "site limit": with_limit(base, site),
        "supply curve": with_limit(base, curve),
    }


def with_limit(base: Market, limit: object) -> Market:
    """Return a market with one further limit."""
    arrays: Arrays = base.arrays.with_(limits=(limit,))
    return Market.from_arrays(base.layout, arrays, base.hours, check=False)


def limits(blocks: int) -> dict[str, float]:
    """Return what a clearing of us20 costs with further limits, over one without."""
    base = tf.load_scenario("us20").override({"market.must_serve": False}).market(12)
    kinds = limited(base)
    clearers = {kind: tf.Clearer(market) for kind, market in kinds.items()}
    periods = {kind: moving(market, 10**9) for kind, market in kinds.items()}
    taken: dict[str, list[float]] = {kind: [] for kind in kinds}
    for number in range(blocks * 20):
        for kind, clearer in clearers.items():
            milliseconds = timed(clearer, next(periods[kind]))
            if number:
                taken[kind].append(milliseconds)
    ratios = {
        kind: median(some / plain for some, plain in zip(taken[kind], taken["without"], strict=True))
        for kind in kinds
    }
    return {kind: ratio for kind, ratio in ratios.items() if kind != "without"}


def main() -> None:
    """Measure, print the table, and write its section of the page where asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--blocks", type=int, default=40)
    parser.add_argument("--only", choices=[*BLOCKS, "limits"])
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--work", choices=BLOCKS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        work(given.work)
        return
    table = Table(TARGETS)
    for name in BLOCKS:
        if given.only in (None, name):
            fewer = min(given.blocks, 6) if name.startswith("1 000") else given.blocks
            before, after, ratio = beside(given.checkout.resolve(), name, fewer)
            table.set("before, ms a clearing", name, f"{before:.3g}")
            table.set("after, ms a clearing", name, f"{after:.3g}")
            table.ratio("after over before", name, ratio)
            print(table.text(), flush=True)
    if given.only in (None, "limits"):
        for kind, ratio in limits(given.blocks).items():
            table.ratio(f"with a {kind} over without", "20 nodes, 278 arcs", ratio)
    print(table.text())
    if given.write:
        write_section("against", f"{table.text()}\n\n{versions()}")


if __name__ == "__main__":
    main()
