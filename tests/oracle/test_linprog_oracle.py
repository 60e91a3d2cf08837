"""The oracle itself, on what can be known without it: the paper's results and small markets done by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given

from tests.oracle import optimality
from tests.oracle.effort import effort
from tests.oracle.linprog_oracle import Optimum, least_shortfall, solve
from tests.oracle.markets import FORMULATIONS, LINEAR, markets
from tests.oracle.paper_markets import OPEX_ADDER, OVERHEAD, paper_market
from tests.oracle.price_face import PriceFace
from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.market import Market

CHAT, IMAGE, CODE, BATCH = range(4)
ASHBURN, DALLAS, SILICON_VALLEY, CHICAGO, SEATTLE = range(5)


def solved(market: Market) -> Optimum:
    optimum = solve(market)
    assert optimum is not None
    return optimum


def full_links(market: Market, optimum: Optimum) -> list[str]:
    load = (optimum.flow * market.arrays.link_use).sum(axis=1)
    return [str(arc) for arc in market.layout.arcs[load >= market.arrays.link_capacity * (1 - 1e-9)]]


def test_the_papers_five_node_baseline() -> None:
    market = paper_market(5)
    optimum = solved(market)
    demand = market.arrays.demand[:, :, 0]
    assert demand.sum() == pytest.approx(16.2925)
    assert 3600 * optimum.cost == pytest.approx(123_635.32, abs=0.005)
    assert 3600 * (optimum.price * demand).sum() == pytest.approx(139_446.09, abs=0.005)
    assert 3600 * (optimum.price[:, :, None] * optimum.dispatch).sum() == pytest.approx(137_612.52, abs=0.005)
    assert optimum.price.mean(axis=0)[:2] == pytest.approx([0.0748, 41.8948], abs=5e-5)
    assert full_links(market, optimum) == ["silicon_valley>seattle"]
    assert (optimum.scarcity_rent > 0.01).sum() == 4


@pytest.mark.parametrize(
    ("node", "workload", "price", "energy"),
    [
        (ASHBURN, CHAT, 0.078, 0.078),
        (DALLAS, CHAT, 0.078, 0.072),
        (DALLAS, IMAGE, 41.50, 36.00),
        (SEATTLE, IMAGE, 41.474, 26.00),
        (SEATTLE, BATCH, 0.694, 0.520),
    ],
)
def test_the_papers_table_3(node: int, workload: int, price: float, energy: float) -> None:
    market = paper_market(5)
    optimum = solved(market)
    assert optimum.price[node, workload] == pytest.approx(price, abs=1e-9)
    assert market.arrays.offer_price[node, workload, 0] == pytest.approx(energy, abs=1e-9)
    assert optimum.scarcity_rent[node, workload, 0] == pytest.approx(price - energy, abs=1e-9)


@pytest.mark.parametrize(
    ("changes", "cost", "chat", "image", "links"),
    [
        ({"opex_adder": OPEX_ADDER}, 163_140.36, 0.31856, 47.9887, 1),
        ({"latency_limit": {"chat": 15.0, "code": 20.0}}, 123_989.98, 0.0916, 41.8754, 1),
        ({"overhead": np.ones(4)}, 126_675.20, 0.0748, 39.2000, 3),
        ({"overhead": OVERHEAD}, 127_006.98, 0.0770, 38.8953, 4),
    ],
)
def test_the_papers_variants(changes: Any, cost: float, chat: float, image: float, links: int) -> None:
    market = paper_market(5, **changes)
    optimum = solved(market)
    assert 3600 * optimum.cost == pytest.approx(cost, abs=0.005)
    assert optimum.price.mean(axis=0)[:2] == pytest.approx([chat, image], abs=5e-5)
    assert len(full_links(market, optimum)) == links


def test_the_papers_tight_latency_raises_silicon_valleys_chat_price() -> None:
    before = solved(paper_market(5)).price[SILICON_VALLEY, CHAT]
    after = solved(paper_market(5, latency_limit={"chat": 15.0, "code": 20.0})).price[SILICON_VALLEY, CHAT]
    assert (before, after) == pytest.approx((0.083, 0.180), abs=1e-9)


def test_the_papers_image_price_at_scale_40_is_an_interval() -> None:
    market = paper_market(5, 40.0)
    optimum = solved(market)
    face = PriceFace(market, optimum.dispatch, optimum.flow, optimum.unserved)
    assert face.interval(DALLAS, IMAGE) == pytest.approx((89.0, 90.0), abs=1e-6)
    lowest = -face.derivative(-np.eye(4)[IMAGE] * np.ones((5, 1))) / 5
    highest = face.derivative(np.eye(4)[IMAGE] * np.ones((5, 1))) / 5
    assert (lowest, highest) == pytest.approx((89.1948, 89.3948), abs=1e-6)


def test_the_papers_markets_become_infeasible_where_it_says() -> None:
    assert solve(paper_market(5, 45.0)) is not None
    assert solve(paper_market(5, 46.0)) is None
    assert least_shortfall(paper_market(5, 46.0)) == pytest.approx(0.007)
    assert solve(paper_market(20, 40.0)) is None


def test_the_papers_twenty_nodes() -> None:
    market = paper_market(20)
    optimum = solved(market)
    assert market.arrays.demand.sum() == pytest.approx(43.89)
    assert 3600 * optimum.cost == pytest.approx(353_699.55, abs=0.005)
    assert (optimum.scarcity_rent > 0.01).sum() == 28


def one_link(curvature: float) -> Market:
    """Demand of 10 at node 0 over a curved link to an asset at 1, or from its own at 4."""
    layout = Layout(
        nodes=pd.Index(["here", "there"]), workloads=pd.Index(["k"]), assets=pd.Index(["dear", "cheap"]),
        arcs=pd.Index(["link"]), asset_node=np.array([0, 1]), provider=("a", "b"),
        origin=np.array([0]), destination=np.array([1]), owner=("o",),
    )  # fmt: skip
    arrays = Arrays(
        offer_price=np.array([[[4.0]], [[1.0]]]), capacity=np.full((2, 1, 1), 20.0),
        demand=np.array([[[10.0]], [[0.0]]]), value=np.full((2, 1, 1), np.inf),
        route_cost=np.array([[1.0]]), link_use=np.array([[1.0]]), allowed=np.array([[True]]),
        link_capacity=np.array([np.inf]), link_curvature=np.array([curvature]),
    )  # fmt: skip
    return Market.from_arrays(layout, arrays)


def test_a_curved_link_carries_until_its_charge_meets_the_price_difference() -> None:
    # 4 = 1 + 1 + kappa * load, so load = 2 / kappa; cost = 40 - 2 load + kappa load^2 / 2 = 40 - 2 / kappa.
    optimum = solved(one_link(0.5))
    assert optimum.cost == pytest.approx(36.0, abs=1e-7)
    assert optimum.flow[0, 0] == pytest.approx(4.0, abs=1e-4)
    assert optimum.price[:, 0] == pytest.approx([4.0, 1.0], abs=1e-4)
    assert optimum.congestion_rent[0] == pytest.approx(2.0, abs=1e-4)


@pytest.mark.parametrize("name", FORMULATIONS)
def test_the_oracles_own_optima_satisfy_the_optimality_conditions(name: str) -> None:
    close = 1e-4 if FORMULATIONS[name].curvature else 1e-9

    @effort(6)
    @given(markets(FORMULATIONS[name]))
    def run(market: Market) -> None:
        optimum = solved(market)
        assert optimality.cost(market, optimum) == pytest.approx(optimum.cost, rel=1e-12)
        assert optimality.primal_violation(market, optimum) <= 1e-9
        assert optimality.dual_violation(market, optimum) <= close
        assert optimality.complementarity_violation(market, optimum) <= close

    run()


@pytest.mark.parametrize("name", LINEAR)
def test_the_oracles_own_prices_lie_on_its_face_of_prices(name: str) -> None:
    @effort(3)
    @given(markets(FORMULATIONS[name]))
    def run(market: Market) -> None:
        optimum = solved(market)
        face = PriceFace(market, optimum.dispatch, optimum.flow, optimum.unserved)
        for node, workload in np.ndindex(*optimum.price.shape):
            lowest, highest = face.interval(node, workload)
            assert lowest - 1e-7 <= optimum.price[node, workload] <= highest + 1e-7

    run()
