"""Activities and equalities in one program with service: by hand, and random grids against the second program."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tokenflow_sim as tf
from tests.oracle.effort import effort, tell
from tests.oracle.grids import with_grid
from tests.oracle.linprog_oracle import solve
from tests.oracle.markets import FORMULATIONS, KINDS, Numbers, runs
from tokenflow_sim.market.activity import Activity
from tokenflow_sim.market.blas import one_thread
from tokenflow_sim.market.engine import Engine
from tokenflow_sim.market.limits import SharedCapacity, Term
from tokenflow_sim.market.market import Market
from tokenflow_sim.market.prices import decompose
from tokenflow_sim.market.settlement import settle
from tokenflow_sim.market.values import values_of

ENERGY = 2.0  # MWs per Mtok
PLAIN = tf.Market(
    offer_price=pd.DataFrame({"chat": [2.0, 2.0]}, index=["a", "b"]),
    capacity=pd.DataFrame({"chat": [50.0, 50.0]}, index=["a", "b"]),
    asset_node={"a": "north", "b": "south"},
    demand=pd.DataFrame({"chat": [20.0, 30.0]}, index=["north", "south"]),
    route_cost=pd.DataFrame({"chat": [9.0, 9.0]}, index=["ns", "sn"]),
    link_capacity=pd.Series({"ns": 100.0, "sn": 100.0}),
    origin={"ns": "north", "sn": "south"},
    destination={"ns": "south", "sn": "north"},
)


def two_buses(north: float, south: float, line: float = 60.0) -> Market:
    """Cheap power in the north, dear power in the south, and a line between them."""
    generation = Activity(
        name="generation",
        dim="generator",
        labels=("gas", "coal"),
        unit="MW",
        payee="generators",
        price=np.array([[20.0], [60.0]]) / 3600,
        most=np.array([[400.0], [300.0]]),
    )
    flow = Activity(
        name="line_flow",
        dim="line",
        labels=("line",),
        unit="MW",
        payee="grid",
        price=np.zeros((1, 1)),
        most=np.array([[line]]),
        least=np.array([[-line]]),
    )
    balance = SharedCapacity(
        name="bus_balance",
        rent="bus_price",
        dim="bus",
        labels=("N", "S"),
        equality=True,
        part="energy",
        capacity=-np.array([north, south]),
        payee="load",
        unit="MW",
        rent_unit="$/MWs",
        terms=(
            Term("dispatch", np.full((2, 1), ENERGY), np.array([0, 1])),
            Term("generation", np.array([-1.0, -1.0]), np.array([0, 1])),
            Term("line_flow", np.array([1.0]), np.array([0])),
            Term("line_flow", np.array([-1.0]), np.array([1])),
        ),
    )
    arrays = PLAIN.arrays.with_(limits=(balance,), activities=(generation, flow))
    return Market.from_arrays(PLAIN.layout, arrays)


def test_a_full_line_sets_token_prices_apart_by_energy_times_the_bus_prices_difference() -> None:
    market = two_buses(80.0, 200.0)
    clearing = tf.clear(market)
    bus = clearing.limit_rents["bus_price"].to_numpy()
    np.testing.assert_allclose(bus * 3600, [20.0, 60.0], rtol=1e-12)
    np.testing.assert_allclose(clearing.price.to_numpy().ravel(), 2.0 + ENERGY * bus, rtol=1e-12)
    assert clearing.activities["generation"].to_dict()["data"] == pytest.approx([180.0, 200.0])
    assert clearing.activities["line_flow"].item() == 60.0
    assert clearing.to_dataset()["generation"].attrs["units"] == "MW"
    assert clearing.total_cost == pytest.approx(2.0 * 50 * 3600 + 180 * 20 + 200 * 60)
    parts = decompose(market, clearing)
    np.testing.assert_allclose(parts["energy"], clearing.price, rtol=1e-12)  # power is energy
    assert float(np.abs(parts["limits"]).max()) == 0.0
    bounds = clearing.price_bounds()
    np.testing.assert_allclose(bounds["bus_price_lower"], bus, rtol=1e-12)
    np.testing.assert_allclose(bounds["bus_price_upper"], bus, rtol=1e-12)
    assert not clearing.ties().sizes["provider"]


def test_money_in_is_money_out() -> None:
    settlement = settle(two_buses(80.0, 200.0), tf.clear(two_buses(80.0, 200.0)))
    # Local load pays for 80 MW at 20 and for 200 at 60, the line earns 40 on each of 60 MW.
    assert settlement.limit_income.item() == pytest.approx(-(80 * 20 + 200 * 60))
    assert settlement.activity_income["generation"].to_numpy() == pytest.approx([180 * 20, 200 * 60])
    assert settlement.activity_income["line_flow"].item() == pytest.approx(60 * 40)
    assert settlement.activity_income["line_flow"].attrs["payee"] == "grid"
    assert float(settlement.revenue.sum()) == pytest.approx(2.0 * 50 * 3600)
    assert abs(settlement.residual) < 1e-6


def test_what_power_is_lacking_is_named_by_bus() -> None:
    with pytest.raises(tf.InfeasibleError, match=r"bus_balance: 140 MW short, at S \(140\)") as caught:
        tf.clear(two_buses(80.0, 500.0))
    assert caught.value.shortfall == {}
    assert caught.value.limits == {("bus_balance", "S"): pytest.approx(140.0)}
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
    # 300 MW come in, and all service together takes no more than 100, wherever it is done.
    with pytest.raises(tf.InfeasibleError, match="bus_balance: 200 MW too much"):
        tf.clear(two_buses(-300.0, 0.0))


def test_the_bus_price_where_power_is_used_up_is_that_of_one_unit_less() -> None:
    # All of both generators runs; the line has room, so that both buses have the price of the dearer one.
    clearing = tf.clear(two_buses(340.0, 260.0))
    np.testing.assert_allclose(clearing.limit_rents["bus_price"] * 3600, [60.0, 60.0], rtol=1e-12)
    assert np.isinf(clearing.price_bounds()["bus_price_upper"]).all()


def test_a_market_with_a_grid_crosses_processes_and_stays_frozen() -> None:
    market = pickle.loads(pickle.dumps(two_buses(80.0, 200.0)))
    assert market.same_as(two_buses(80.0, 200.0))
    assert not market.same_as(two_buses(80.0, 200.0, line=50.0))
    with pytest.raises(ValueError, match="read-only"):
        market.arrays.activities[0].most[0, 0] = 1.0
    assert "generation 380 MW" in tf.clear(market)._repr_html_()


@pytest.mark.parametrize("name", ["transfer_aware", "shared_power_shedding", "everything"])
def test_random_markets_with_grids(name: str) -> None:
    @effort(1)
    @given(
        runs(FORMULATIONS[name], 2), st.integers(0, 2**32 - 1), st.sampled_from(KINDS), st.booleans(),
        st.sampled_from([1.0, 1e-3, 1e3]),
    )  # fmt: skip
    def run(periods: list[Market], seed: int, kind: str, safe: bool, scale: float) -> None:
        numbers, clearer = Numbers(kind, seed), None
        for plain in periods:
            market = with_grid(plain, numbers, np.random.default_rng(seed), safe=safe, scale=scale)
            tell(market)
            clearer = clearer or tf.Clearer(market)
            try:
                clearing = clearer.clear(market)
            except tf.InfeasibleError:
                assert solve(market) is None
                continue
            check(market, clearing)
            check_derivatives(market, clearing)
            check_history(market, clearing)

    run()


def check(market: Market, clearing: tf.Clearing) -> None:
    """The same cost as the second program's, certified, and money and parts that add up."""
    best, values = solve(market), clearing.values
    assert best is not None
    rel = 2e-9 if market.is_quadratic else 1e-9
    assert values.cost == pytest.approx(best.cost, rel=rel, abs=rel)
    assert clearing.certificate.worst < 1e-7
    for one in market.arrays.activities:
        assert (values.done[one.name] >= one.lowest).all()
        assert (values.done[one.name] <= one.most).all()
    settlement = settle(market, clearing)
    paid = float(np.abs(settlement.payment).sum() + np.abs(settlement.limit_income).sum())
    assert abs(settlement.residual) <= 1e-9 * max(1.0, paid)
    parts = decompose(market, clearing)
    total = sum(part.to_numpy() for part in parts.data_vars.values())
    np.testing.assert_allclose(total, values.price, atol=1e-9 * max(1.0, float(np.abs(values.price).max())))


def check_derivatives(market: Market, clearing: tf.Clearing) -> None:
    """Every dual of an equation lies between the left- and the right-hand derivative of the second program's cost."""
    best, values = solve(market), clearing.values
    assert best is not None
    if market.is_quadratic:
        return
    equal = [limit for limit in market.arrays.limits if limit.equality]
    duals = np.concatenate([values.price.ravel(), *(values.rents[limit.rent] for limit in equal)])
    nodal = values.price.size
    sizes: list[Any] = [np.ones(nodal), *(np.full(one.size, _size(one)) for one in equal)]
    step = 1e-6 * np.concatenate(sizes)
    for row, dual in enumerate(duals):
        for sign in (1.0, -1.0):
            more = np.zeros(duals.size)
            more[row] = (
                sign * step[row] if row < nodal else -sign * step[row]
            )  # one more taken is one less there
            moved = solve(market, more)
            if moved is None:
                continue
            slope = (moved.cost - best.cost) / (sign * step[row])
            noise = 3e-9 * max(1.0, abs(best.cost)) / step[row]
            noise += 1e-4 * max(1.0, float(np.abs(values.price).max()), abs(slope))
            assert sign * (dual - slope) <= noise


def _size(limit: SharedCapacity) -> float:
    return 1.0 if limit.law else max(float(np.abs(limit.capacity).max()), 1e-3)


def check_history(market: Market, clearing: tf.Clearing) -> None:
    """The same bits cold, and where flows and link limits are brought in on demand."""
    cold = tf.clear(market).values
    found = [cold]
    if not market.is_quadratic:
        with one_thread():
            engine = Engine(market, lazy=True)
            found.append(values_of(engine.program, market.arrays, engine.solve(market.arrays)))
    values = clearing.values
    for other in found:
        assert np.array_equal(other.price, values.price)
        assert np.array_equal(other.dispatch, values.dispatch)
        assert all(np.array_equal(other.rents[name], values.rents[name]) for name in values.rents)
        assert all(np.array_equal(other.done[name], values.done[name]) for name in values.done)
