"""Hypothesis strategies: random valid markets of every formulation, and runs of them on one layout.

Must-serve demand is made from a random feasible dispatch, so that every market has an optimum; often that
dispatch fills an asset or a link to the last unit, which is where prices are not unique. `kind` is the sort of
numbers people type: `continuous` (generic, prices mostly unique), `integer`, or `fives` (multiples of five; ties
and degenerate prices nearly everywhere).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.market import Market

KINDS = ("continuous", "integer", "fives")


@dataclass(frozen=True)
class Formulation:
    """Which parts of the program a market has."""

    network: str = "physical"  # physical, token_equivalent, pool (free and without limits), or none
    partial: bool = False  # some demand has a finite value of lost service
    latency: bool = False  # some classes may not use some arcs
    curvature: bool = False
    slopes: bool = False  # offers rise and values fall
    adder: bool = False  # the same addition to all offers of a class
    power: bool = False
    blocks: int = 1
    steps: int = 1


FORMULATIONS = {
    "token_equivalent": Formulation("token_equivalent"),
    "transfer_aware": Formulation("physical"),
    "partial_service": Formulation("token_equivalent", partial=True),
    "latency_rule": Formulation("physical", latency=True),
    "economic_dispatch": Formulation("none"),
    "economic_dispatch_pool": Formulation("pool"),
    "economic_dispatch_shedding": Formulation("none", partial=True, blocks=2, steps=2),
    "congestion_qp": Formulation("physical", curvature=True),
    "opex_adder": Formulation("token_equivalent", adder=True, blocks=2),
    "shared_power": Formulation("token_equivalent", power=True),
    "shared_power_shedding": Formulation("physical", power=True, partial=True, steps=2),
    "blocks_and_steps": Formulation("physical", partial=True, blocks=3, steps=2),
    "smooth": Formulation(
        "physical", partial=True, slopes=True, power=True, curvature=True, blocks=2, steps=2
    ),
    "everything": Formulation(
        "physical", partial=True, latency=True, curvature=True, adder=True, power=True, blocks=2, steps=2
    ),
}
LINEAR = {name: form for name, form in FORMULATIONS.items() if not (form.curvature or form.slopes)}


class Numbers:
    """Arrays of random non-negative numbers of one kind, among them zeros, from a seed.

    Hypothesis draws the sizes and the seed, so that what fails shrinks in size; the numbers come from numpy, since
    drawn one by one they would be mostly alike.
    """

    def __init__(self, kind: str, seed: int) -> None:
        self.kind = kind
        self.rng = np.random.default_rng(seed)
        self.unit = {"continuous": 1.0, "integer": 1.0, "fives": 5.0}[kind]
        self.below_zero = seed % 10 < 3  # whether some offers are below zero

    def array(self, shape: tuple[int, ...], least: int, most: int) -> Any:
        """Numbers from `least` to `most` (in units of one, or of five)."""
        if self.kind != "continuous":
            return self.rng.integers(least, most, shape, endpoint=True).astype(float) * self.unit
        values = self.rng.uniform(max(least, 0.05), most, shape)
        return np.where(self.rng.random(shape) < 0.1, float(least), values)

    def flags(self, shape: tuple[int, ...], share: float) -> Any:
        return self.rng.random(shape) < share

    def part(self, quantity: Any) -> Any:
        """A part of each quantity: none, all, or something between (whole units where numbers are whole)."""
        share = self.rng.choice([0.0, 0.5, 1.0, 1.0], quantity.shape)
        if self.kind == "continuous":
            share = np.where(share == 0.5, self.rng.random(quantity.shape), share)
            return quantity * share
        return np.floor(quantity * share / self.unit) * self.unit


SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def layouts(draw: st.DrawFn, form: Formulation, tiny: bool = True) -> Layout:
    """Labels and incidence: several assets and providers at a node, nodes without any, parallel arcs.

    Hypothesis tries the smallest case first; unless `tiny` are wanted, that one is large enough to tell something.
    """
    networked = form.network != "none"
    nodes = draw(st.integers((2 if networked else 1) if tiny else 3, 5))
    workloads = draw(st.integers(1 if tiny else 2, 3))
    assets = draw(st.integers(1 if tiny else 4, nodes + 3))
    arcs = draw(st.integers(1 if tiny else 5, 2 * nodes + 2)) if networked else 0
    rng = np.random.default_rng(draw(SEEDS))
    origin = rng.integers(0, nodes, arcs)
    destination = (origin + rng.integers(1, max(nodes, 2), arcs)) % nodes
    return Layout(
        nodes=_index("node", nodes),
        workloads=_index("workload", workloads),
        assets=_index("asset", assets),
        arcs=_index("arc", arcs),
        asset_node=rng.integers(0, nodes, assets),
        provider=tuple(f"provider{i % 2}" for i in range(assets)),
        origin=origin,
        destination=destination,
        owner=tuple(f"owner{i % 2}" for i in range(arcs)),
        blocks=_index("block", form.blocks) if form.blocks > 1 else None,
        steps=_index("step", form.steps) if form.steps > 1 else None,
        link_unit="GB/s" if form.network == "physical" else "Mtok/s",
    )


@dataclass(frozen=True)
class Structure:
    """What the markets of one run have in common: labels, incidence and coefficients."""

    form: Formulation
    kind: str
    layout: Layout
    link_use: Any
    power_use: Any


@st.composite
def structures(draw: st.DrawFn, form: Formulation, kind: str | None = None, tiny: bool = True) -> Structure:
    """Labels, incidence and coefficients."""
    layout = draw(layouts(form, tiny))
    kind = kind or draw(st.sampled_from(KINDS))
    numbers = Numbers(kind, draw(SEEDS))
    S, A, K = (layout.sizes[dim] for dim in ("asset", "arc", "workload"))
    physical = form.network == "physical"
    link_use = np.tile(numbers.array((K,), 1, 3) / numbers.unit, (A, 1)) if physical else np.ones((A, K))
    power_use = numbers.array((S, K), 1, 3) / numbers.unit if form.power else None
    return Structure(form, kind, layout, link_use, power_use)


@st.composite
def numbers_for(draw: st.DrawFn, structure: Structure) -> Market:
    """One market of a structure."""
    numbers = Numbers(structure.kind, draw(SEEDS))
    return make_market(structure, numbers, hours=draw(st.sampled_from([1.0, 0.25])))


def make_market(structure: Structure, numbers: Numbers, hours: float) -> Market:
    """Fill a structure with numbers."""
    form, layout = structure.form, structure.layout
    link_use, power_use = structure.link_use, structure.power_use
    N, K, S, A, B, T = (layout.sizes[dim] for dim in ("node", "workload", "asset", "arc", "block", "step"))
    offer_price = numbers.array((S, K, B), 0, 9) + 1.0
    if form.adder:
        offer_price = offer_price + numbers.array((K,), 1, 4)[None, :, None]
    if numbers.below_zero:
        offer_price = offer_price - numbers.array((K,), 0, 9)[None, :, None]
    capacity = numbers.array((S, K, B), 0, 6)
    allowed = ~numbers.flags((A, K), 0.3) if form.latency else np.ones((A, K), dtype=bool)
    plan = numbers.part(capacity)
    power_limit = None
    if power_use is not None:
        power_limit = (power_use[:, :, None] * plan).sum(axis=(1, 2)) + numbers.array((S,), 0, 2)
    demand, load = _planned_demand(structure, numbers, plan, allowed)
    spare = numbers.array((A,), 0, 2)
    steps = np.zeros((N, K, T))
    steps[:, :, 0] = demand
    value = np.full((N, K, T), np.inf)
    if form.partial:
        extra = numbers.array((N, K, T), 0, 4)
        wanted = numbers.array((N, K, T), 0, 19) + 1.0
        # Must-serve demand stays as planned; all other demand is extra, beyond what may be possible.
        shed = numbers.flags((N, K, T), 0.5)
        shed[:, :, 1:] = True
        steps, value = np.where(shed, steps + extra, steps), np.where(shed, wanted, value)
    offer_slope = value_slope = None
    if form.slopes:
        offer_slope = numbers.array((S, K, B), 0, 3) / numbers.unit
        fall = numbers.array((N, K, T), 0, 3) / numbers.unit
        worth = np.where(np.isfinite(value), value, 0.0)
        value_slope = np.minimum(fall, worth / np.where(steps > 0, steps, 1.0))
    pool = form.network == "pool"
    endless = np.ones(A, dtype=bool) if pool else numbers.flags((A,), 0.2)
    arrays = Arrays(
        offer_price=offer_price,
        capacity=capacity,
        demand=steps,
        value=value,
        route_cost=np.zeros((A, K)) if pool else numbers.array((A, K), 0, 2),
        link_use=link_use,
        allowed=allowed,
        link_capacity=np.where(endless, np.inf, load + spare),
        link_curvature=numbers.array((A,), 0, 2) / numbers.unit if form.curvature else np.zeros(A),
        power_use=power_use,
        power_limit=power_limit,
        offer_slope=offer_slope,
        value_slope=value_slope,
    )
    return Market.from_arrays(layout, arrays, hours)


def _planned_demand(structure: Structure, numbers: Numbers, plan: Any, allowed: Any) -> tuple[Any, Any]:
    """Demand that a dispatch plan serves, some of it through links, and the load that this puts on them."""
    layout = structure.layout
    demand = np.zeros((layout.sizes["node"], layout.sizes["workload"]))
    np.add.at(demand, layout.asset_node, plan.sum(axis=2))
    load = np.zeros(layout.sizes["arc"])
    for arc in range(load.size):
        source, sink = layout.origin[arc], layout.destination[arc]
        moved = np.where(allowed[arc], numbers.part(demand[sink]), 0.0)
        demand[sink] -= moved
        demand[source] += moved
        load[arc] = (structure.link_use[arc] * moved).sum()
    return demand, load


@st.composite
def markets(draw: st.DrawFn, form: Formulation, kind: str | None = None, tiny: bool = True) -> Market:
    """One random market of a formulation."""
    return draw(numbers_for(draw(structures(form, kind, tiny))))


@st.composite
def runs(
    draw: st.DrawFn, form: Formulation, length: int, kind: str | None = None, tiny: bool = True
) -> list[Market]:
    """Several markets of one structure, as the periods of a run are."""
    structure = draw(structures(form, kind, tiny))
    return [draw(numbers_for(structure)) for _ in range(length)]


def _index(name: str, size: int) -> pd.Index[Any]:
    return pd.Index([f"{name}{i}" for i in range(size)], name=name)
