"""Markets with rules for whole paths, cleared: by hand, and against programs over all paths by scipy."""

import pickle

import numpy as np
import pandas as pd
import pytest

import tokenflow_sim as tf
from tests.market.test_routing import chain
from tests.oracle.effort import FACTOR
from tests.oracle.grids import with_grid
from tests.oracle.markets import Numbers
from tests.oracle.path_oracle import clear_or_none, least_cost, least_cost_by_origin, random_market
from tokenflow_sim.errors import MarketError
from tokenflow_sim.market import Market, Routing
from tokenflow_sim.market.blas import one_thread
from tokenflow_sim.market.certificate import certify
from tokenflow_sim.market.labelled import _agree, _built
from tokenflow_sim.market.limits import SharedCapacity, Term, site_limit
from tokenflow_sim.market.path_values import expanded_clearing
from tokenflow_sim.market.program import Program

VALUES = ("price", "paid", "dispatch", "flow", "unserved", "scarcity_rent", "cost")


def same_bits(one, other):
    mine, theirs = one.values, other.values
    return (
        all(np.array_equal(getattr(mine, name), getattr(theirs, name)) for name in VALUES)
        and all(np.array_equal(mine.rents[name], theirs.rents[name]) for name in theirs.rents)
        and np.array_equal(mine.along.paths.arcs, theirs.along.paths.arcs)
        and np.array_equal(mine.along.volume, theirs.along.volume)
    )


def test_two_fast_hops_do_not_make_a_fast_path():
    clearing = tf.clear(chain())
    # Under 12 ms `a` reaches `b` alone, which may itself use `c`. Batch has no limit: two hops at 1 from `c` at 10.
    assert clearing.price.sel(workload="chat").to_series().to_dict() == {"a": 21.0, "b": 11.0, "c": 10.0}
    assert clearing.price.sel(workload="batch").to_series().to_dict() == {"a": 12.0, "b": 11.0, "c": 10.0}
    assert clearing.service_price.sel(workload="chat").to_series().to_dict() == {
        "a": 21.0,
        "b": 20.0,
        "c": 10.0,
    }
    paths = clearing.paths
    assert paths[["origin", "server", "arcs", "latency", "cost"]].values.tolist() == [
        ["a", "b", ("ab",), 8.0, 1.0],
        ["b", "c", ("bc",), 8.0, 1.0],
        ["c", "c", (), 0.0, 0.0],
    ]
    at_home = tf.clear(chain(routing={"latency": 8.0, "limit": {"chat": 7.0}}))
    assert at_home.price.sel(workload="chat").values.tolist() == [30.0, 20.0, 10.0]
    exact = tf.clear(chain(routing={"latency": 8.0, "limit": {"chat": 16.0}}))
    assert exact.price.sel(workload="chat").values.tolist() == [12.0, 11.0, 10.0]
    slow = tf.clear(
        chain(routing={"latency": 8.0, "limit": {"chat": 16.0}, "processing": {"a": 0, "b": 0, "c": 1}})
    )
    assert slow.price.sel(workload="chat").values.tolist() == [21.0, 11.0, 10.0]


def test_rules_that_bind_nobody_change_nothing():
    plain, ruled = chain(routing=None), chain(routing={"latency": 8.0})
    assert np.array_equal(tf.clear(plain).price, tf.clear(ruled).price)
    assert tf.clear(ruled).paths.empty


def test_settlement_adds_up_when_origins_and_servers_have_prices_of_their_own():
    servers = {"batch": {"a": ["b"]}}
    rules = {"latency": 8.0, "limit": {"chat": 12.0}, "servers": servers}
    market = chain(routing=rules, link_capacity=pd.Series({"ab": 1.5, "bc": 1.0}))
    clearing = tf.clear(market)
    settlement = tf.settle(market, clearing)
    assert abs(settlement.residual) < 1e-6
    # Both links are full: `b` pays its own cost, and at `a` a unit of chat that makes way for batch is made for 30.
    assert clearing.price.sel(workload="batch").to_series().to_dict() == {"a": 30.0, "b": 20.0, "c": 10.0}
    # Nobody may have batch served at `a`, so that it is worth nothing there.
    assert clearing.service_price.sel(workload="batch").to_series().to_dict() == {
        "a": 0.0,
        "b": 20.0,
        "c": 10.0,
    }
    assert clearing.congestion_rent.values.tolist() == [9.0, 9.0]
    assert settlement.link_income.sum("workload").values / 3600 == pytest.approx([1.5 * 10, 1.0 * 10])
    parts = tf.decompose(market, clearing)
    assert np.allclose(sum(parts[name] for name in parts.data_vars), clearing.price, rtol=0, atol=1e-12)
    assert parts["routing"].sel(node="a", workload="batch").item() == 1.0
    assert float(parts["congestion"].max()) > 0


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("must_serve", [False, True])
def test_the_cost_and_its_derivative_are_those_of_all_simple_paths(tied, must_serve):
    for seed in range(3 * FACTOR):
        market = random_market(seed, tied=tied, must_serve=must_serve)
        clearing, expected = clear_or_none(market), least_cost(market)
        assert (clearing is None) == (expected is None)
        if clearing is None or expected is None:
            continue
        assert clearing.values.cost == pytest.approx(expected, rel=1e-9, abs=1e-9)
        assert abs(tf.settle(market, clearing).residual) < 1e-6
        step = 1e-6
        more = least_cost(market, np.full(clearing.values.price.shape, step))
        if more is not None:
            slope = (more - expected) / step
            assert clearing.values.price.sum() == pytest.approx(slope, rel=1e-5, abs=1e-3)


def test_scarce_service_that_must_be_had_is_priced_or_refused_as_over_all_paths():
    for seed in range(4 * FACTOR):
        base = random_market(seed, tied=seed % 2 == 0, must_serve=True, nodes=4)
        capacity = base.arrays.capacity * (0.5, 0.8, 0.0, 1.0)[seed % 4]
        if seed % 4 == 2:  # each node can just serve itself
            capacity[:4] = base.arrays.demand
        arrays = base.arrays.with_(capacity=capacity, power_limit=base.arrays.power_limit + 5.0)
        market = Market.from_arrays(base.layout, arrays)
        clearing, expected = clear_or_none(market), least_cost(market)
        assert (clearing is None) == (expected is None)
        if clearing is None or expected is None:
            continue
        assert clearing.values.cost == pytest.approx(expected, rel=1e-9, abs=1e-9)
        step = np.zeros(clearing.values.price.shape)
        step[seed % 4, 0] = 1e-4
        price = clearing.values.price[seed % 4, 0]
        more, less = least_cost(market, step), least_cost(market, -step)
        assert more is None or (more - expected) / 1e-4 >= price - 1e-4
        assert (
            less is None
            or base.arrays.demand[seed % 4, 0, 0] == 0
            or (expected - less) / 1e-4 <= price + 1e-4
        )


def test_residency_is_the_program_of_one_flow_for_each_origin():
    for seed in range(3 * FACTOR):
        base = random_market(seed, tied=seed % 2 == 1)
        rules = base.arrays.routing
        free = Routing(latency=rules.latency, limit=np.full(2, np.inf), servers=rules.servers)
        market = base.replace(routing=free)
        expected = least_cost_by_origin(market)
        assert tf.clear(market).values.cost == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_numbers_do_not_depend_on_which_paths_are_known():
    for seed in range(2 * FACTOR):
        for tied in (False, True):
            market = random_market(seed, tied=tied)
            clearer = tf.Clearer(market)
            for factor in (1.3, 0.5, 0.9):
                other = market.replace(
                    demand=market.demand * factor, offer_price=market.offer_price * (2 - factor)
                )
                clearer.clear(other)
            alone = tf.clear(market)
            assert same_bits(clearer.clear(market), alone)
            assert same_bits(pickle.loads(pickle.dumps(alone)), alone)
            known = clearer._paths._known
            clearer.clear(market.replace(demand=market.demand * 1.0001))
            assert clearer._paths._known.engine is known.engine  # a period's numbers build nothing anew


def test_service_that_nobody_can_take_is_worth_nothing_even_where_offers_are_below_zero():
    for seed in (0, 4):
        base = random_market(seed, tied=True)
        market = Market.from_arrays(base.layout, base.arrays.with_(offer_price=base.arrays.offer_price - 5.0))
        clearing = tf.clear(market)
        assert clearing.values.cost == pytest.approx(least_cost(market), rel=1e-9)
        least = float(market.arrays.offer_price.min())
        assert min(clearing.values.price.min(), clearing.values.service_price.min()) >= least - 1e-9


def test_other_limits_and_growing_charges_hold_on_top():
    for seed in range(2 * FACTOR):
        base = random_market(seed, tied=seed % 2 == 0)
        arrays, layout = base.arrays, base.layout
        draw, arcs = np.random.default_rng(seed), len(layout.arcs)
        cable = SharedCapacity(
            name="cable",
            rent="cable_rent",
            dim="cable",
            labels=("north", "south"),
            capacity=np.array([2.0, 3.0]),
            terms=(Term("flow", np.ones((arcs, 2)), draw.integers(-1, 2, arcs)),),
            payee="owner",
        )
        site = site_limit(layout, arrays.power_use, draw.uniform(1, 6, len(layout.nodes)))
        curved = arrays.with_(limits=(site, cable), link_curvature=draw.uniform(0, 1, arcs))
        market = Market.from_arrays(layout, curved)
        clearing = tf.clear(market)
        assert clearing.certificate.worst < 1e-7
        assert abs(tf.settle(market, clearing).residual) < 1e-5
        parts = tf.decompose(market, clearing)
        assert np.allclose(sum(parts[name] for name in parts.data_vars), clearing.price, rtol=0, atol=1e-8)


def test_the_program_of_paths_is_that_of_its_labelled_market():
    market = random_market(3)
    _, alone, values = expanded_clearing(market.layout, market.arrays, tf.clear(market).values)
    assert certify(alone.layout, alone.arrays, values).worst < 1e-7
    program = Program(alone)
    assert _agree(_built(alone, program), program)


def test_what_cannot_be_reached_is_named_with_the_quickest_way():
    servers = {"chat": {"a": ["c"]}, "batch": {"c": ["a"]}}
    rules = {"latency": 8.0, "limit": {"chat": 12.0}, "servers": servers}
    with pytest.raises(tf.InfeasibleError) as caught:
        tf.clear(chain(routing=rules))
    text = "\n".join([str(caught.value), *caught.value.__notes__])
    assert (
        "chat from a: its limit is 12 ms, and the quickest way to a node that may serve it takes 16 ms"
        in text
    )
    assert "batch from c: no node that may serve it can be reached" in text
    assert set(caught.value.shortfall) == {("a", "chat"), ("c", "batch")}
    shed = tf.clear(chain(routing=rules, value=50.0))
    assert shed.unserved.sel(node="a", workload="chat").item() == 1.0
    assert shed.price.sel(node="a", workload="chat").item() == 50.0
    few = chain(routing={"latency": 8.0, "limit": {"chat": 7.0}})
    with pytest.raises(tf.InfeasibleError, match=r"chat: 2 Mtok/s short, at a \(1\), b \(1\)"):
        tf.clear(few.replace(capacity=few.capacity * np.array([0.0, 0.0, 1.0])[:, None]))


def test_what_paths_do_not_allow_is_refused():
    clearing = tf.clear(chain())
    for ask in (clearing.price_bounds, clearing.ties):
        with pytest.raises(MarketError, match="rules for whole paths"):
            ask()
    with pytest.raises(MarketError, match="whole paths"):
        tf.decompose(chain(), clearing, reference="a")
    with pytest.raises(MarketError, match="no labelled program"):
        tf.linopy_model(chain())
    gives = SharedCapacity(
        name="gives",
        rent="rent",
        dim="",
        capacity=np.ones(1),
        terms=(Term("flow", -np.ones((2, 2)), np.zeros(2, int)),),
    )
    market = chain()
    with pytest.raises(MarketError, match=r"gives: a flow that gives|gives.*whole paths"):
        tf.clear(Market.from_arrays(market.layout, market.arrays.with_(limits=(gives,))))


def test_prices_are_derivatives_beside_a_grid():
    checked = 0
    with one_thread():
        for seed in (3, 16, 21):
            plain = random_market(seed)
            market = with_grid(plain, Numbers("continuous", seed), np.random.default_rng(seed))
            clearing = tf.clear(market)
            demand, price = market.arrays.demand, clearing.values.price
            served = demand - clearing.values.unserved
            # Where a part of it is served, one more unit costs what the price says, in service, paths and power.
            for cell in zip(*np.nonzero((served > 0).any(axis=2)), strict=True):
                more = demand.copy()
                more[(*cell, 0)] += 1e-6
                changed = market.arrays.with_(demand=more)
                dearer = tf.clear(Market.from_arrays(market.layout, changed, market.hours))
                rise = (dearer.values.cost - clearing.values.cost) / 1e-6
                assert rise == pytest.approx(price[cell], abs=1e-4 * max(1.0, abs(rise)))
                checked += 1
    assert checked > 10
