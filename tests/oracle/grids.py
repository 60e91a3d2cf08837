"""Random power grids under random markets, as rows and columns: free flows around cycles, local load, must-run.

The incidence and the coefficients come from a generator of their own, so that all periods of a run have one structure.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.oracle.markets import Numbers
from tokenflow_sim.market.activity import Activity
from tokenflow_sim.market.limits import NOBODY, SharedCapacity, Term
from tokenflow_sim.market.market import Market


def cycles_of(buses: int, start: Any, end: Any) -> list[dict[int, float]]:
    """Return a cycle for each line that closes one, by a tree grown line by line: {line: +1 or -1}."""
    path: list[dict[int, dict[int, float]]] = [{bus: {}} for bus in range(buses)]  # to each bus of a tree
    found = []
    for line, (one, other) in enumerate(zip(start, end, strict=True)):
        tree = path[one]
        if other in tree:
            cycle = {line: 1.0}
            for bus, sign in ((one, 1.0), (other, -1.0)):
                for step, way in tree[bus].items():
                    cycle[step] = cycle.get(step, 0.0) + sign * way
            found.append({step: way for step, way in cycle.items() if way})
            continue
        joined = {bus: dict(steps) for bus, steps in tree.items()}
        there = path[other]
        for bus, steps in there.items():
            # From the root of the first tree to `one`, over the line, then to the bus within the second tree.
            way = {**joined[one]}
            way[line] = 1.0
            for step, sign in there[other].items():
                way[step] = way.get(step, 0.0) - sign
            for step, sign in steps.items():
                way[step] = way.get(step, 0.0) + sign
            joined[bus] = {step: sign for step, sign in way.items() if sign}
        for bus in joined:
            path[bus] = joined
    return found


def with_grid(
    market: Market, numbers: Numbers, structure: np.random.Generator, *, safe: bool = True, scale: float = 1.0
) -> Market:
    """Put a grid under a market.

    Parameters
    ----------
    market : Market
        The market; its limits are kept.
    numbers : Numbers
        What this period's numbers are drawn from.
    structure : Generator
        What incidence and coefficients are drawn from: in one state for all periods of a run.
    safe : bool
        Whether every bus can buy whatever it lacks, and whatever has to run can be got rid of.
    scale : float
        By how much power is larger than service.
    """
    layout = market.layout
    S, N, K = (layout.sizes[dim] for dim in ("asset", "node", "workload"))
    buses = int(structure.integers(1, 6))
    lines = int(structure.integers(0, 8)) if buses > 1 else 0
    start = structure.integers(0, buses, lines)
    end = (start + structure.integers(1, max(buses, 2), lines)) % buses
    at_bus = structure.integers(0, buses, N)[layout.asset_node]
    generators = int(structure.integers(1, 6))
    at = structure.integers(0, buses, generators)
    reactance = structure.integers(1, 4, lines).astype(float)
    use = structure.integers(1, 4, (S, K)) * scale
    tranches = int(structure.integers(1, 3))

    load = numbers.array((buses,), 0, 5) * scale
    step = 0.5 if numbers.kind == "continuous" else 1.0
    generation = Activity(
        name="generation",
        dim="generator",
        labels=tuple(f"g{i}" for i in range(generators)),
        price=numbers.array((generators, tranches), -1 if numbers.below_zero else 0, 6) / scale,
        most=numbers.array((generators, tranches), 0, 9) * scale,
        unit="MW",
    )
    limit = numbers.array((lines, 1), 0, 6) * scale
    line_flow = Activity(
        name="line_flow",
        dim="line",
        labels=tuple(range(lines)),
        price=np.zeros((lines, 1)),
        most=limit,
        least=-limit,
        payee="grid",
        unit="MW",
    )
    # Bought at a price beyond all others, with a part that has to be taken, and got rid of at another.
    spare = Activity(
        name="spare",
        dim="bus",
        labels=tuple(range(buses)),
        price=np.stack([np.full(buses, 40.0), np.full(buses, -step)], axis=1) / scale,
        most=np.stack([np.full(buses, np.inf), np.zeros(buses)], axis=1),
        least=np.stack([np.zeros(buses), -numbers.array((buses,), 0, 3) * scale], axis=1),
        unit="MW",
    )
    one = np.ones
    power_terms = [
        Term("dispatch", use, at_bus),
        Term("generation", -one(generators), at),
        *([Term("line_flow", one(lines), start), Term("line_flow", -one(lines), end)] if lines else []),
        *([Term("spare", -one(buses))] if safe else []),
    ]
    balance = SharedCapacity(
        name="bus_balance",
        rent="bus_price",
        dim="bus",
        labels=tuple(range(buses)),
        capacity=-load,
        terms=tuple(power_terms),
        equality=True,
        payee="load",
        part="energy",
        unit="MW",
    )
    limits = [balance]
    if cycles := cycles_of(buses, start, end):
        limits.append(
            SharedCapacity(
                name="voltage",
                rent="voltage_rent",
                dim="cycle",
                labels=tuple(range(len(cycles))),
                capacity=np.zeros(len(cycles)),
                terms=tuple(around(cycles, reactance)),
                equality=True,
                law=True,
            )
        )
    # What goes unserved counts, at some nodes, among what a region may leave so, beside what is burnt there.
    region = structure.integers(-1, 2, N)
    quota = SharedCapacity(
        name="quota",
        rent="quota_rent",
        dim="",
        capacity=numbers.array((1,), 20, 60) * (1.0 if safe else 0.5),
        terms=(
            Term("unserved", structure.integers(0, 3, (N, K)).astype(float), np.where(region < 1, NOBODY, 0)),
            Term("generation", structure.integers(0, 3, generators) / scale / 4, np.zeros(generators, int)),
        ),
        payee="regulator",
    )
    # A reserve: what stands ready is no less than is required. Its capacity is below zero.
    ready = SharedCapacity(
        name="reserve",
        rent="reserve_rent",
        dim="zone",
        labels=("all",),
        capacity=-np.minimum(numbers.array((1,), 0, 4) * scale, 0.5 * generation.most.sum()),
        terms=(
            Term("headroom", -one(generators), np.zeros(generators, int)),
            Term("dispatch", -use / 8, np.zeros(S, int)),
        ),
        payee="reserve",
    )
    headroom = Activity(
        name="headroom",
        dim="generator",
        labels=generation.labels,
        price=np.zeros((generators, 1)),
        most=generation.most.sum(axis=1, keepdims=True),
        unit="MW",
    )
    room = SharedCapacity(
        name="room",
        rent="room_rent",
        dim="generator",
        labels=generation.labels,
        capacity=generation.most.sum(axis=1),
        terms=(Term("generation", one(generators)), Term("headroom", one(generators))),
    )
    return Market.from_arrays(
        layout,
        market.arrays.with_(
            limits=(*market.arrays.limits, *limits, quota, ready, room),
            activities=(generation, *([line_flow] if lines else []), *([spare] if safe else []), headroom),
        ),
        market.hours,
    )


def around(cycles: list[dict[int, float]], reactance: Any) -> list[Term]:
    """Return the terms of cycles: as many as there are cycles that one line lies on."""
    left = [(cycle, line, way) for cycle, steps in enumerate(cycles) for line, way in steps.items()]
    terms = []
    while left:
        member, use = np.full(reactance.size, NOBODY), np.zeros(reactance.size)
        later = []
        for cycle, line, way in left:
            if member[line] == NOBODY:
                member[line], use[line] = cycle, way * reactance[line]
            else:
                later.append((cycle, line, way))
        terms.append(Term("line_flow", use, member))
        left = later
    return terms
