"""What rules for whole paths cost a period beside rules for arcs, on the same moving markets.

    uv run python -m benchmarks.paths [--periods 48] [--write]

Both clear in turn within each period, in one process; what counts is the processor's time, medians over periods. The
first clearing, which finds the paths, is listed apart.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import process_time

import numpy as np

import tokenflow_sim as tf
from benchmarks.networks import moving
from benchmarks.page import Table, versions, write_section
from tokenflow_sim.market import Market, Routing
from tokenflow_sim.scenario.synthetic import write_synthetic

RATIO, SECONDS = 3.0, 1.0
"""The figures to reach: path rule over arc rule in us20_oligopoly, and a period of 100 nodes."""


def pairs(base: Market, routing: Routing, periods: int) -> Iterator[tuple[Market, Market]]:
    """Yield the same moving market under rules for arcs and under rules for whole paths."""
    everywhere = np.ones(base.arrays.allowed.shape, dtype=np.bool_)
    for market in moving(base, periods):
        ruled = market.arrays.with_(routing=routing, allowed=everywhere)
        yield market, Market.from_arrays(market.layout, ruled, market.hours)


def measure(base: Market, routing: Routing, periods: int) -> dict[str, float]:
    """Time both rules, in seconds of the processor."""
    arcs, paths = tf.Clearer(base), None
    seconds: dict[str, list[float]] = {"arcs": [], "paths": []}
    first, largest = 0.0, 0
    for by_arc, by_path in pairs(base, routing, periods + 1):
        if paths is None:
            began = process_time()
            paths = tf.Clearer(by_path)
            paths.clear(by_path)
            first = process_time() - began
            arcs.clear(by_arc)
            continue
        for name, clearer, market in (("arcs", arcs, by_arc), ("paths", paths, by_path)):
            began = process_time()
            clearing = clearer.clear(market)
            seconds[name].append(process_time() - began)
        largest = max(largest, len(clearing.paths))
    return {
        "arcs": float(np.median(seconds["arcs"])),
        "paths": float(np.median(seconds["paths"])),
        "slowest": float(np.max(seconds["paths"])),
        "first": first,
        "used": float(largest),
    }


def zones(base: Market, latency: np.ndarray) -> Routing:
    """Let chat be served by the half of the nodes that its origin is in, and nothing else be bound."""
    nodes, classes = base.layout.sizes["node"], base.layout.sizes["workload"]
    servers = np.ones((nodes, classes, nodes), dtype=np.bool_)
    half = np.arange(nodes) < nodes // 2
    servers[:, 0] = half[:, None] == half[None, :]
    return Routing(latency=latency, limit=np.full(classes, np.inf), servers=servers)


def measured(periods: int, folder: Path) -> Iterator[tuple[str, dict[str, float], dict[str, float]]]:
    """Measure us20_oligopoly and a synthetic network of 100 nodes; yield name, numbers, and goals."""
    oligopoly = tf.load_scenario("us20_oligopoly").compiled
    large = tf.load_scenario(write_synthetic(folder / "n100", nodes=100, arcs=2000, seed=1)).compiled
    for size, compiled, count in (
        ("us20_oligopoly", oligopoly, periods),
        ("100 nodes, 2 000 arcs", large, 8),
    ):
        base, latency = compiled.market(12), np.asarray(compiled.latency)
        limits = [one.latency_limit for one in compiled.scenario.workloads.values()]
        limit = np.array([np.inf if one is None else one for one in limits])
        goal = {"over arcs": RATIO} if compiled is oligopoly else {"paths": SECONDS}
        yield f"{size}, latency", measure(base, Routing(latency=latency, limit=limit), count), goal
        yield f"{size}, residency", measure(base, zones(base, latency), count), goal


def main() -> None:
    """Measure, print, and perhaps write the table into the benchmarks' page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--periods", type=int, default=48)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    table = Table({"path rule over arc rule": {}, "path rule, ms a period": {}})
    with tempfile.TemporaryDirectory() as folder:
        for name, found, goal in measured(given.periods, Path(folder)):
            table.set("arc rule, ms a period", name, f"{1e3 * found['arcs']:.3g}")
            table.set("path rule, ms a period", name, f"{1e3 * found['paths']:.3g}")
            for row, value, most in (
                ("path rule over arc rule", found["paths"] / found["arcs"], goal.get("over arcs")),
                ("path rule, s a period", found["paths"], goal.get("paths")),
            ):
                if most is not None:
                    text = f"{value:.2f} (≤ {most:g})"
                    table.set(row, name, text if value <= most else f"**{text}**")
            table.set("the slowest period, ms", name, f"{1e3 * found['slowest']:.3g}")
            table.set("the first clearing, ms", name, f"{1e3 * found['first']:.3g}")
            table.set("paths in use", name, f"{found['used']:.0f}")
    text = f"{table.text()}\n\n{versions()}"
    print(text)
    if given.write:
        write_section("paths", text)


if __name__ == "__main__":
    main()
