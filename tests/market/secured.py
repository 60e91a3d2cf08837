"""Small random markets, and their programs on scipy with room for further columns and rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import optimize

from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.market import Market

linprog: Any = optimize.linprog
NODES, ARCS, CLASSES = 3, 4, 2
HOME = np.array([0, 0, 1, 1, 2])
LAYOUT = Layout(
    nodes=pd.Index(["n0", "n1", "n2"], name="node"),
    workloads=pd.Index(["chat", "code"], name="workload"),
    assets=pd.Index([f"a{number}" for number in range(len(HOME))], name="asset"),
    arcs=pd.Index(["n0->n1", "n1->n0", "n1->n2", "n2->n1"], name="arc"),
    asset_node=HOME,
    provider=tuple(f"p{number}" for number in range(len(HOME))),
    origin=np.array([0, 1, 1, 2]),
    destination=np.array([1, 0, 2, 1]),
    owner=("net",) * ARCS,
    link_unit="GB/s",
)


def random_market(seed: int, *, power: bool = False, must: bool = False, load: float = 0.55) -> Market:
    """Return a market that asks for about a share `load` of its capacity."""
    rng = np.random.default_rng(seed)
    shape = (len(HOME), CLASSES, 1)
    capacity = rng.uniform(1, 4, shape)
    use = np.ones(shape[:2]) * np.array([1.0, 2.0])
    demand = rng.uniform(0.5, 1.5, (NODES, CLASSES, 1))
    demand *= load * capacity.sum() / demand.sum() / (2.5 if power else 1.0)
    arrays = Arrays(
        offer_price=rng.uniform(1, 9, shape),
        capacity=capacity,
        demand=demand,
        value=np.full(demand.shape, np.inf if must else 60.0)
        + (0 if must else rng.uniform(0, 20, demand.shape)),
        route_cost=rng.uniform(0.1, 1, (ARCS, CLASSES)),
        link_use=np.ones((ARCS, CLASSES)) * np.array([1.0, 1.5]),
        allowed=np.ones((ARCS, CLASSES), dtype=np.bool_),
        link_capacity=rng.uniform(1, 3, ARCS),
        link_curvature=np.zeros(ARCS),
        power_use=use if power else None,
        power_limit=capacity[:, 0, 0].copy() if power else None,
    )
    return Market.from_arrays(LAYOUT, arrays)


@dataclass
class Extensive:
    """A program by rows, `columns` of which are those of the market: dispatch, flow and unserved."""

    market: Market
    demand: Any = None

    def __post_init__(self) -> None:
        arrays = self.market.arrays
        self.demand = arrays.demand[:, :, 0] if self.demand is None else self.demand
        value = np.where(np.isinf(arrays.value[:, :, 0]), 0.0, arrays.value[:, :, 0])
        self.cost = [*arrays.offer_price.ravel(), *arrays.route_cost.ravel(), *value.ravel()]
        shed = np.where(np.isinf(arrays.value[:, :, 0]), 0.0, arrays.demand[:, :, 0])
        self.upper = [*arrays.capacity.ravel(), *[np.inf] * (ARCS * CLASSES), *shed.ravel()]
        self.equal: list[tuple[dict[int, float], float]] = []
        self.most: list[tuple[dict[int, float], float]] = []
        for n in range(NODES):
            for k in range(CLASSES):
                self.equal.append((self.delivered(n, k) | {self.y(n, k): 1.0}, self.demand[n, k]))
        self.limits(0, np.ones(len(HOME)), np.ones(ARCS))

    def x(self, s: int, k: int, start: int = 0) -> int:
        return start + s * CLASSES + k

    def f(self, arc: int, k: int, start: int = 0) -> int:
        return start + len(HOME) * CLASSES + arc * CLASSES + k

    def y(self, n: int, k: int) -> int:
        return len(HOME) * CLASSES + ARCS * CLASSES + n * CLASSES + k

    def delivered(self, n: int, k: int, start: int = 0, sign: float = 1.0) -> dict[int, float]:
        """What reaches a node, in columns of dispatch and flow that begin at `start`."""
        row = {self.x(s, k, start): sign for s in range(len(HOME)) if HOME[s] == n}
        for arc in range(ARCS):
            if LAYOUT.origin[arc] == n:
                row[self.f(arc, k, start)] = sign
            if LAYOUT.destination[arc] == n:
                row[self.f(arc, k, start)] = -sign
        return row

    def limits(self, start: int, assets: Any, arcs: Any) -> None:
        """Add the rows of links and power for columns that begin at `start`, with shares of them left."""
        a = self.market.arrays
        for arc in range(ARCS):
            row = {self.f(arc, k, start): a.link_use[arc, k] for k in range(CLASSES)}
            self.most.append((row, a.link_capacity[arc] * arcs[arc]))
        if a.power_use is not None and a.power_limit is not None:
            for s in range(len(HOME)):
                row = {self.x(s, k, start): a.power_use[s, k] for k in range(CLASSES)}
                self.most.append((row, a.power_limit[s] * assets[s]))

    def solve(self) -> Any:
        def matrix(rows: list[tuple[dict[int, float], float]]) -> Any:
            found = np.zeros((len(rows), len(self.cost)))
            for number, (row, _) in enumerate(rows):
                for column, value in row.items():
                    found[number, column] += value
            return found

        return linprog(
            self.cost,
            matrix(self.most),
            [right for _, right in self.most],
            matrix(self.equal),
            [right for _, right in self.equal],
            list(zip([0.0] * len(self.cost), self.upper, strict=True)),
            method="highs",
            options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
        )
