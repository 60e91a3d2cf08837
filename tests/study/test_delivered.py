"""Relevant markets, local residual supply and delivered-price concentration, against numbers worked by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.study.games import small
from tokenflow_sim.scenario import Scenario
from tokenflow_sim.study import measures

COST = {"one": 1.01, "two": 1.03, "three": 1.0, "four": 1.04, "five": 2.0}
FLEET = {"one": ("a", 3), "two": ("a", 10), "three": ("b", 10), "four": ("b", 30), "five": ("c", 8)}
WAYS = {"a->b": 1.0, "b->a": 1.0, "b->c": 2.0, "c->b": 2.0}


def line(
    demand: dict[str, float] | None = None, ways: dict[str, float] | None = None, **market: Any
) -> Scenario:
    """Return three places in a line; requests of `a` go to `b` over a link of 1 Mtok/s until it is full.

    One Mtok is one GB and one MW an hour makes 3,600 of them; transport costs 0.01 $/Mtok on each link.
    """
    asked = demand or {"a": 5.0, "b": 3.0}
    return Scenario.model_validate(
        {
            "format": 1,
            "name": "line",
            "periods": 1,
            "market": {"must_serve": False, "bandwidth": "physical", "latency_rule": "none", **market},
            "workloads": {"chat": {"base_demand": 1e6, "payload": 1, "overhead": 1, "value": 10}},
            "nodes": {
                name: {"demand_weight": asked.get(name, 0.0), "electricity_price": 1.0} for name in "abc"
            },
            "network": {
                "arcs": {
                    label: {"origin": label[0], "destination": label[-1], "capacity": size, "tariff": 0.01}
                    for label, size in (ways or WAYS).items()
                }
            },
            "hardware": {
                name: {"throughput": {"chat": 1e6}, "energy": {"chat": cost}} for name, cost in COST.items()
            },
            "providers": {
                name: {"assets": [{"node": node, "hardware": name, "power_mw": size}]}
                for name, (node, size) in FLEET.items()
            },
            "owners": {"net": {"owns": "rest"}},
        }
    )


def play(scenario: Scenario) -> xr.Dataset:
    model = tf.TokenMarket(scenario, rng=1)
    model.run()
    return model.results()


@pytest.fixture(scope="module")
def ds() -> xr.Dataset:
    return play(line())


def test_the_case_is_the_one_that_was_worked_by_hand(ds: xr.Dataset) -> None:
    # `a` asks for 5: one Mtok/s goes to `b`, and the link is full; 3 and 1 are served at home.
    np.testing.assert_allclose(ds.dispatch[0, :, 0], [3, 1, 4, 0, 0], atol=1e-9)
    np.testing.assert_allclose(ds.price[0, :, 0], [1.03, 1.0, 1.01])
    np.testing.assert_allclose(ds.flow[0, :, 0], [1, 0, 0, 0], atol=1e-9)
    assert float(ds.congestion_rent[0, 0]) == pytest.approx(0.02)


def test_a_full_link_parts_markets_whatever_its_opposite_carries(ds: xr.Dataset) -> None:
    # Shares 3/4 and 1/4 at `a`: 5625 + 625 points; as one market with the 4 of `b` it would be 4,062.5.
    assert measures.relevant_markets(ds)[0, :, 0].values.tolist() == [0, 1, 1]
    np.testing.assert_allclose(measures.hhi(ds)[0, :, 0], [6250.0, 10_000.0, 10_000.0])
    # A link is as full where that costs nothing.
    free = ds.assign(congestion_rent=ds.congestion_rent * 0)
    np.testing.assert_allclose(measures.hhi(free)[0, :, 0], [6250.0, 10_000.0, 10_000.0])


def test_links_with_room_join(ds: xr.Dataset) -> None:
    wide = play(line(ways=WAYS | {"a->b": 20.0}))
    assert (measures.relevant_markets(wide) == 0).all()
    np.testing.assert_allclose(measures.hhi(wide)[0, :, 0], 1e4 * (0.0**2 + 8**2) / 8**2)
    # Of parallel links one with room is enough, and a link without an opposite is judged alone.
    beside = play(line(ways=WAYS | {"a:2>b": 20.0}))
    assert (measures.relevant_markets(beside)[0, :2, 0] == 0).all()
    alone = play(line(ways={"a->b": 20.0, "b->c": 2.0}))
    assert measures.relevant_markets(alone)[0, :, 0].values.tolist() == [0, 0, 2]  # `c` is dear on its own
    full = play(line(ways={"a->b": 1.0, "b->c": 2.0}))
    assert measures.relevant_markets(full, within=np.inf)[0, :, 0].values.tolist() == [0, 1, 1]


def test_a_link_that_is_out_joins_nothing() -> None:
    out = [{"arc": arc, "first": 0, "last": 0, "available": 0.0} for arc in ("a->b", "b->a")]
    cut = play(line(demand={"a": 2.0, "b": 3.0}).override({"outages": out}))
    assert measures.relevant_markets(cut, within=np.inf)[0, :, 0].values.tolist() == [0, 1, 1]


def test_a_charge_that_rises_with_load_parts_by_price_alone() -> None:
    curved = play(line(ways=WAYS | {"a->b": 20.0}, congestion_curvature=1e-4))
    assert (curved.congestion_rent[0, 0] > 0).all()
    assert (measures.relevant_markets(curved) == 0).all()


def test_the_local_residual_supply_index_counts_imports_up_to_the_link(ds: xr.Dataset) -> None:
    index = measures.local_residual_supply_index(ds).sel(workload="chat")[0]
    # at `a`, 5 asked for: 3 and 10 at home, and 1 over the link of the 48 elsewhere
    expected = {"one": (10 + 1) / 5, "two": (3 + 1) / 5, "three": (13 + 1) / 5, "five": (13 + 1) / 5}
    for name, value in expected.items():
        assert float(index.sel(provider=name, node="a")) == pytest.approx(value)
    # at `b`, 3 asked for: 10 and 30 at home, 1 from `a` and 2 from `c`
    assert float(index.sel(provider="three", node="b")) == pytest.approx((30 + 3) / 3)
    assert float(index.sel(provider="one", node="b")) == pytest.approx((40 + 3) / 3)
    assert np.isinf(index.sel(node="c")).all()
    # The index of the whole says 10 of two's neighbours' 61 would do: a link makes it pivotal at `a`.
    assert float(measures.residual_supply_index(ds).sel(provider="two")[0, 0]) == pytest.approx(51 / 8)
    assert bool(measures.pivotal(ds).sel(provider="two")[0, 0])


def test_imports_are_no_more_than_what_others_have() -> None:
    pool = play(line(bandwidth="none"))
    index = measures.local_residual_supply_index(pool).sel(workload="chat", node="a")[0]
    assert float(index.sel(provider="four")) == pytest.approx((13 + 10 + 8) / 5)
    whole = measures.residual_supply_index(pool).sel(workload="chat")[0]
    np.testing.assert_allclose(index * 5, whole * 8)


def test_shared_power_and_shared_links_count_once() -> None:
    model = tf.TokenMarket(small(**{"market.shared_power": True, "demand.scale": 2}), rng=1)
    model.run()
    both = model.results()
    index = measures.local_residual_supply_index(both)
    ada = both.asset.values[(both.asset_provider == "ada") & (both.asset_node == "north")][0]
    # North without bob: what batch leaves of ada's six megawatts at 4 MW per Mtok/s of chat, and what batch leaves of
    # the link to the middle at 0.5 GB/Mtok.
    power = (6 - 2.5 * both.dispatch.sel(asset=ada, workload="batch")).clip(min=0) / 4
    overhead = float(model.settings.compiled.network.link_use[0, 0])
    batch = float(model.settings.compiled.network.link_use[0, 1])
    room = (2 - batch * both.flow[:, 0].sel(workload="batch")) / overhead
    cyd, ada_south = (
        (5 - 2.5 * both.dispatch.sel(workload="batch")[:, place]).clip(min=0) / 4
        for place, _ in [
            (int(np.flatnonzero((both.asset_provider == name) & (both.asset_node == "south"))[0]), name)
            for name in ("cyd", "ada")
        ]
    )
    expected = power + np.minimum(room, cyd + ada_south)
    asked = both.demand.sel(node="north", workload="chat")
    found = index.sel(provider="bob", node="north", workload="chat")
    np.testing.assert_allclose(found * asked, expected, atol=1e-9)


def test_delivered_price_shares_are_prorated_by_the_link(ds: xr.Dataset) -> None:
    index = measures.delivered_price_hhi(ds).sel(workload="chat")[0]
    # Up to 1.0815 $ at `a`: 3 and 10 at home, and the 10 and 30 of `b` at 1.01 and 1.05 on a link of 1.
    at_a = (3**2 + 10**2 + 0.25**2 + 0.75**2) / 14**2
    # Up to 1.05 $ at `b`: 10 and 30, and the 3 and 10 of `a` at 1.02 and 1.04 on a link of 1.
    at_b = (10**2 + 30**2 + (3 / 13) ** 2 + (10 / 13) ** 2) / 41**2
    # Up to 1.0605 $ at `c`: what is at `b` (four's at 1.05), 1 of it from `a` (two's at 1.05), on a link of 2.
    at_c = (10**2 + 30**2 + (3 / 13) ** 2 + (10 / 13) ** 2) / 41**2
    np.testing.assert_allclose(index, np.array([at_a, at_b, at_c]) * 1e4, rtol=1e-9)
    # At a price that all can meet: the 8 of `c` are cut to 2 on the way to `b`, and those with 40 more to 1.
    wide = measures.delivered_price_hhi(ds, within=2.0).sel(workload="chat", node="a")[0]
    assert float(wide) == pytest.approx(1e4 * (3**2 + 10**2 + (10**2 + 30**2 + 2**2) / 42**2) / 14**2)
    with pytest.raises(tf.ResultError, match="within must be"):
        measures.delivered_price_hhi(ds, within=-0.1)


def test_without_limits_all_who_are_cheap_enough_count() -> None:
    pool = play(line(bandwidth="none"))  # links that cost nothing
    # All are served at 1 $ by three; up to 1.05 $ everybody but five would do.
    index = measures.delivered_price_hhi(pool)
    np.testing.assert_allclose(index, 1e4 * (3**2 + 10**2 + 10**2 + 30**2) / 53**2)


def test_nobody_cheap_enough_is_no_market() -> None:
    ds = play(line())
    cheap = ds.assign(price=ds.price * 0.5)
    assert measures.delivered_price_hhi(cheap).isnull().all()
