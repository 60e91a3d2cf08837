"""What a power grid costs a clearing, and what PyPSA takes for the same program.

    uv run python -m benchmarks.grid [--periods 30] [--rebuilds 3] [--write]

Markets of 20 and 100 nodes are cleared without a grid, with grids of 30 and 118 buses (41 and 186 lines, as the IEEE's
test systems have, with numbers drawn at random), and the grids alone; in PyPSA the joint program is built and solved
again each period. All take turns within each period, in one process; what counts is the processor's time.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import numpy as np

import tokenflow_sim as tf
from benchmarks.networks import NETWORKS, moving
from benchmarks.page import Table, versions, write_section
from tests.oracle import power
from tokenflow_sim.market import Market
from tokenflow_sim.market.grid import Grid
from tokenflow_sim.market.grid_clearing import GridClearer
from tokenflow_sim.market.grid_outcome import grid_outcome
from tokenflow_sim.market.grid_rows import bind_grid

SIZES = ("20 nodes, 278 arcs", "100 nodes, 2 000 arcs")
GRIDS = {30: 41, 118: 186}
# MW per Mtok/s, of a large model.
POWER_USE = 3.0


def draw_grid(buses: int, lines: int, nodes: int, drawn: float, seed: int = 1) -> Grid:
    """Return a meshed grid whose load is four times what the market draws, with some lines that are narrow.

    Parameters
    ----------
    buses, lines, nodes : int
        Its size, and how many nodes of the market stand at its buses.
    drawn : float
        What the market draws without a grid, in MW.
    """
    rng = np.random.default_rng(seed)
    place = rng.random((buses, 2))
    apart = np.linalg.norm(place[:, None] - place, axis=2)
    # Each bus is joined to the nearest one before it; then the shortest of all other pairs.
    ends = [(int(np.argmin(apart[bus, :bus])), bus) for bus in range(1, buses)]
    pairs = [(one, other) for other in range(buses) for one in range(other)]
    others = sorted(set(pairs) - set(ends), key=lambda pair: float(apart[pair]))
    ends += others[: lines - len(ends)]
    load = rng.dirichlet(np.ones(buses)) * 4 * drawn
    plants = rng.permutation(buses)[: max(buses // 3, 6)]
    price = np.sort(rng.uniform(5, 80, (len(plants), 2)), axis=1)
    available = rng.dirichlet(np.ones(2 * len(plants))).reshape(-1, 2) * 8 * drawn
    at = np.concatenate([plants, np.arange(buses)])
    shed = np.column_stack([rng.uniform(1000, 1100, buses), np.full(buses, 2000.0)])
    return Grid(
        buses=[f"bus{i}" for i in range(buses)], load=load, lines=[f"line{i}" for i in range(lines)],
        from_bus=[one for one, _ in ends], to_bus=[other for _, other in ends],
        limit=rng.uniform(0.1, 1.0, lines) * drawn, susceptance=[1 / apart[pair] for pair in ends],
        generators=[f"plant{i}" for i in range(len(at))], generator_bus=at, price=np.vstack([price, shed]),
        available=np.vstack([available, np.column_stack([load + drawn, np.zeros(buses)])]),
        node_bus=rng.integers(0, buses, nodes),
    )  # fmt: skip


def moving_grid(grid: Grid, periods: int) -> Iterator[Grid]:
    """Yield grids in which loads and what is available move by up to 2 %."""
    rng = np.random.default_rng(2)
    for _ in range(periods):
        load = grid.load * rng.uniform(0.98, 1.02, grid.load.shape)
        yield grid.with_(load=load, available=grid.available * rng.uniform(0.98, 1.02, grid.available.shape))


def by_pypsa(grid: Grid, market: Market, use: Any) -> float:
    """Return the cost of the joint program in $/h, built and solved by PyPSA."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = power.network_of(grid)
        power.add_tokens(network, grid, market, use)
        power.optimize_network(network)
    return float(network.objective)


def measure(name: str, buses: int, periods: int, rebuilds: int) -> dict[str, float]:
    """Return milliseconds of every contender, medians over periods; the costs of the first periods must agree."""
    with tempfile.TemporaryDirectory() as folder:
        base = NETWORKS[name].scenario(Path(folder)).market(12)
    layout = base.layout
    use = np.full((len(layout.assets), len(layout.workloads)), POWER_USE)
    plain = tf.Clearer(base)
    drawn = float((use * plain.clear(base).values.dispatch.sum(axis=2)).sum())
    grid = draw_grid(buses, GRIDS[buses], len(layout.nodes), drawn)
    bound = bind_grid(grid, layout, use)

    def joined(market: Market, now: Grid) -> Market:
        limits, activities = bound.at(now, market.arrays.capacity)
        both = market.arrays.with_(limits=limits, activities=activities)
        return Market.from_arrays(layout, both, market.hours, check=False)

    joint, alone = tf.Clearer(joined(base, grid)), GridClearer(grid)
    taken: dict[str, list[float]] = {}
    periods_of = zip(moving(base, periods + 1), moving_grid(grid, periods + 1), strict=True)
    for number, (market, now) in enumerate(periods_of):
        clock = process_time()

        def lap(what: str, number: int = number) -> None:
            nonlocal clock
            if number:  # the first builds the models
                taken.setdefault(what, []).append(1e3 * (process_time() - clock))
            clock = process_time()

        plain.clear(market)
        lap("without")
        clearing = joint.clear(joined(market, now))
        outcome = grid_outcome(bound, now, clearing.values)
        lap("with")
        alone.clear(now, 0.98 * outcome.drawn)  # off the kink at which work itself sets the price
        lap("alone")
        if number <= rebuilds:
            cost = by_pypsa(now, market, use)
            lap("pypsa")
            if abs(cost - clearing.total_cost) > 1e-6 * abs(cost):
                raise ValueError(f"PyPSA finds {cost} $/h, the market {clearing.total_cost}")
    return {what: median(times) for what, times in taken.items()}


def main() -> None:
    """Measure, print the table, and write its section of the page where asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--periods", type=int, default=30)
    parser.add_argument("--rebuilds", type=int, default=3)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    table = Table()
    for name in SIZES:
        for buses in GRIDS:
            column = f"{name.split(',')[0]}, {buses} buses"
            found = measure(name, buses, given.periods, given.rebuilds)
            table.set("without a grid, ms a clearing", column, f"{found['without']:.3g}")
            table.set("with it, ms a clearing", column, f"{found['with']:.3g}")
            table.ratio("with over without", column, found["with"] / found["without"])
            table.ratio("the grid alone over without", column, found["alone"] / found["without"])
            table.ratio("PyPSA rebuilt over with", column, found["pypsa"] / found["with"])
            print(table.text(), flush=True)
    if given.write:
        write_section("grid", f"{table.text()}\n\n{versions()}")


if __name__ == "__main__":
    main()
