"""Rules of providers in small markets, against what theory says of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

import tokenflow_sim as tf
from tokenflow_sim.strategies.capacity_withholding import CapacityWithholding, keep_cheapest
from tokenflow_sim.strategies.markups import AdaptiveMarkup, Undercutting
from tokenflow_sim.strategies.pivotal_markup import PivotalMarkup, residual_supply_index

# One site and one class. Cost is 0.36 $/Mtok: 0.1 kWh at 0.1 $ and 1 MW-hour for 3600 Mtok at 1260 $. A MW serves
# 1 Mtok/s, so powers read as capacities. All 8 Mtok/s asked for are worth 5 $/Mtok.
SCENARIO = """
format: 1
name: one site
periods: 60
market: {bandwidth: none, must_serve: false}
demand: {scale: 1}
workloads: {chat: {base_demand: 8000000, payload: 0, value: 5}}
nodes: {here: {latitude: 40, longitude: -75, power_mw: 100, electricity_price: 0.1, demand_weight: 1}}
hardware:
  new: {throughput: {chat: 1000000}, energy: {chat: 0.1}, running_cost: 1260}
providers:
  one: {assets: [{node: here, hardware: new, power_mw: 10}]}
  two: {assets: [{node: here, hardware: new, power_mw: 10}]}
"""
COST, VALUE = 0.36, 5.0


def play(strategies: dict[str, Any], one: float = 10, two: float = 10, **overrides: Any) -> xr.Dataset:
    powers = {"providers.one.assets[0].power_mw": one, "providers.two.assets[0].power_mw": two}
    text = SCENARIO
    if two == 0:  # a monopoly
        powers.popitem()
        text = text.partition("  two:")[0]
    scenario = tf.Scenario.from_yaml(text)
    model = tf.TokenMarket(scenario, rng=1, strategies=strategies, overrides=powers | overrides)
    model.run()
    return model.results()


def price(ds: xr.Dataset) -> Any:
    return ds.price.squeeze().values


def test_the_small_market_is_as_described() -> None:
    ds = play({}, periods=1)
    assert price(ds) == pytest.approx(COST)
    assert float(ds.profit.sum()) == pytest.approx(0.0, abs=1e-9)


def test_undercutting_with_capacity_to_spare_ends_at_marginal_cost() -> None:
    # Bertrand: each could serve all 8 alone
    ds = play({"providers": Undercutting(step=0.05, start=1.0)})
    assert price(ds)[0] == pytest.approx(2 * COST)
    assert np.all(np.diff(price(ds)) <= 1e-12)
    assert price(ds)[-20:] == pytest.approx(COST)
    assert ds.profit[-20:].values == pytest.approx(0.0, abs=1e-9)


def test_undercutting_where_all_capacity_is_needed_stays_high() -> None:
    # 3 + 4 serve 7 of 8: demand sets the price, and no offer under it matters
    ds = play({"providers": Undercutting(step=0.05)}, 3, 4)
    assert price(ds) == pytest.approx(VALUE)
    assert float(ds.offer_price[-1, 0].max()) == pytest.approx(0.95 * VALUE)


def test_a_pivotal_monopolist_ends_at_the_value_of_lost_service() -> None:
    ds = play({"one": PivotalMarkup(step=0.02, highest=100)}, 10, 0, periods=160)
    last = ds.isel(period=slice(-20, None))
    # within a step under it, so that nothing is lost
    assert np.all((price(last) > 0.98 * VALUE) & (price(last) < VALUE))
    assert last.unserved.values == pytest.approx(0.0, abs=1e-9)


def test_it_does_so_where_offers_are_not_published() -> None:
    change = {"market.publish_offers": False}
    ds = play({"one": PivotalMarkup(step=0.05, highest=100)}, 10, 0, periods=80, **change)
    assert np.all((price(ds)[-20:] > 0.95 * VALUE) & (price(ds)[-20:] < VALUE))


def test_a_provider_that_nobody_needs_offers_at_cost() -> None:
    # rivals have 10 for 8: an index of 1.25
    ds = play({"one": PivotalMarkup()}, 5, 10, periods=10)
    assert ds.offer_price.sel(asset="one/here/new").values == pytest.approx(COST)


def test_a_provider_that_is_nearly_needed_marks_up_by_the_index() -> None:
    ds = play({"one": PivotalMarkup(slope=2.0)}, 5, 8.8, periods=3)  # an index of 1.1
    assert ds.offer_price.sel(asset="one/here/new").values[-1, 0] == pytest.approx(COST * (1 + 2.0 * 0.1))


def test_the_residual_supply_index_by_hand() -> None:
    market = tf.Scenario.from_yaml(SCENARIO).market()
    assert residual_supply_index(market, "one") == pytest.approx(10 / 8)
    assert residual_supply_index(market, "somebody else") == pytest.approx(20 / 8)
    nothing = market.from_arrays(market.layout, market.arrays.with_(demand=0 * market.arrays.demand), 1.0)
    assert residual_supply_index(nothing, "one").tolist() == [np.inf]


def test_the_residual_supply_index_where_classes_share_power() -> None:
    scenario = tf.Scenario.from_yaml(SCENARIO).override(
        {
            "market.shared_power": True,
            "workloads.code": {"base_demand": 2000000, "payload": 0, "value": 9},
            "hardware.new.throughput.code": 500000,
            "hardware.new.energy.code": 0.2,
        }
    )
    # 8 Mtok/s at 1 MW each and 2 at 2 MW each need 12 MW, of which rivals have 10
    assert residual_supply_index(scenario.market(), "one") == pytest.approx([10 / 12] * 2)


def test_an_adaptive_mark_up_climbs_to_the_monopoly_price() -> None:
    # What 8 Mtok/s would pay falls in steps from 4 to 0.5: the best price by enumeration
    worth, share = np.linspace(4.0, 0.5, 36), 1 / 36
    profit = (worth - COST) * 8 * share * np.arange(1, 37)
    best = worth[profit.argmax()]
    region = {"name": "stepped_demand", "schedule": [[share, float(value)] for value in worth]}
    strategy = AdaptiveMarkup(markup=0.1, step=0.06, highest=20)
    ds = play({"one": strategy, "here": region}, 10, 0, periods=150)
    asked = ds.offer_price.sel(asset="one/here/new").squeeze().values
    assert asked[0] == pytest.approx(1.1 * COST)
    late = asked[-80:]
    assert late.mean() == pytest.approx(best, rel=0.1)
    earned = ds.profit.sel(provider="one").values[-80:] / 3600
    assert earned.mean() > 0.93 * profit.max()


def test_an_adaptive_mark_up_turns_at_its_ends() -> None:
    strategy = AdaptiveMarkup(markup=0.5, step=0.5, highest=1.0)
    ds = play({"one": strategy}, 5, 0, periods=40)  # all capacity is sold whatever it asks for
    markup = ds.offer_price.sel(asset="one/here/new").squeeze().values / COST - 1
    assert markup.min() >= -1e-12
    assert markup.max() == pytest.approx(1.0)


def test_an_adaptive_mark_up_is_held_for_as_long_as_told() -> None:
    ds = play({"one": AdaptiveMarkup(hold=6)}, 5, 0, periods=24)
    asked = ds.offer_price.sel(asset="one/here/new").squeeze().values.reshape(4, 6)
    assert np.all(asked == asked[:, :1])
    assert len(np.unique(asked)) == 4


def test_withholding_raises_the_price_where_capacity_is_just_enough() -> None:
    # 6 + 2.5 for 8. Offered whole, the price is at cost; with a tenth kept back, 7.9 set it at the value.
    truthful = play({}, 6, 2.5, periods=2)
    held = play({"one": CapacityWithholding(0.1)}, 6, 2.5, periods=2)
    assert price(truthful) == pytest.approx(COST)
    assert price(held) == pytest.approx(VALUE)
    assert held.profit.sel(provider="one").values == pytest.approx(5.4 * (VALUE - COST) * 3600)


def test_withholding_waits_for_a_price() -> None:
    calm = play({"one": CapacityWithholding(0.5, above=2.0)}, 6, 2.5, periods=3)
    assert calm.offer_quantity.sel(asset="one/here/new").values == pytest.approx(6.0)
    tight = play({"one": CapacityWithholding(0.5, above=2.0)}, 3, 4, periods=3)
    assert tight.offer_quantity.sel(asset="one/here/new").squeeze().values == pytest.approx([3.0, 1.5, 1.5])


def test_the_dearest_capacity_is_kept_back_first() -> None:
    cost = np.array([[3.0, 1.0], [1.0, 2.0], [2.0, 3.0]])
    capacity = np.array([[4.0, 4.0], [4.0, 4.0], [4.0, 2.0]])
    # 6 of 12 of the first class are left, 5 of 10 of the second
    assert keep_cheapest(cost, capacity, 0.5).tolist() == [[0.0, 4.0], [4.0, 1.0], [2.0, 0.0]]


@pytest.mark.parametrize(
    ("cls", "given", "told"),
    [
        (AdaptiveMarkup, {"step": 0.0}, "step must be above 0 and below 1"),
        (
            AdaptiveMarkup,
            {"markup": 3.0, "highest": 2.0},
            "markup must be .* at most 2",
        ),
        (AdaptiveMarkup, {"hold": 0}, "hold must be at least 1"),
        (CapacityWithholding, {"share": 1.2}, "share must be"),
        (PivotalMarkup, {"step": 1.0}, "step must be above 0 and below 1"),
        (Undercutting, {"step": 1.0}, "step must be below 1"),
        (Undercutting, {"floor": float("nan")}, "floor must be a finite number"),
    ],
)
def test_parameters_out_of_range_are_told(cls: Any, given: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        cls(**given)
