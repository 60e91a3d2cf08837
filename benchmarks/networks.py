"""The four networks that the benchmarks clear, and their moving numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import tokenflow_sim as tf
from tokenflow_sim.market import Arrays, Market
from tokenflow_sim.scenario import Scenario
from tokenflow_sim.scenario.synthetic import write_synthetic


@dataclass(frozen=True)
class Network:
    """A network to clear.

    Parameters
    ----------
    nodes, arcs : int
        Its size; arcs None means a bundled scenario's.
    periods : int
        Periods that are timed.
    rebuilds : int
        Periods that the slow contenders are timed for.
    """

    nodes: int
    arcs: int | None
    periods: int
    rebuilds: int

    def scenario(self, folder: Path) -> Scenario:
        """Load the paper's scenario of that size, or write a synthetic one and load it."""
        if self.arcs is None:
            scenario = tf.load_scenario(f"us{self.nodes}")
            # Moving numbers would make must-serve markets near their capacity infeasible.
            return scenario.override({"market.must_serve": False})
        path = write_synthetic(folder / f"n{self.nodes}", nodes=self.nodes, arcs=self.arcs, seed=1)
        return tf.load_scenario(path)


NETWORKS = {
    "5 nodes": Network(5, None, 200, 5),
    "20 nodes, 278 arcs": Network(20, None, 100, 5),
    "100 nodes, 2 000 arcs": Network(100, 2000, 30, 3),
    "1 000 nodes, 20 000 arcs": Network(1000, 20000, 3, 1),
}


def moving(market: Market, periods: int) -> Iterator[Market]:
    """Yield markets in which every cost, bound and demand is moved by up to 2 %, each period anew."""
    rng = np.random.default_rng(1)
    base = market.arrays

    def near(values: np.ndarray) -> np.ndarray:
        return values * rng.uniform(0.98, 1.02, values.shape)

    for _ in range(periods):
        arrays: Arrays = base.with_(
            offer_price=near(base.offer_price),
            capacity=near(base.capacity),
            demand=near(base.demand),
            route_cost=near(base.route_cost),
            link_capacity=near(base.link_capacity),
        )
        yield Market.from_arrays(market.layout, arrays, market.hours, check=False)
