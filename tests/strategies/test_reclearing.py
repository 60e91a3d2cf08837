"""Clearing published markets again: what a strategy would have earned, and the levels it tries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import tokenflow_sim as tf
from tests.market.test_routing import chain
from tests.strategies.oligopoly import oligopoly, play
from tokenflow_sim.errors import StrategyError
from tokenflow_sim.numeric import Floats
from tokenflow_sim.strategies.best_response import BestResponse
from tokenflow_sim.strategies.cournot import Cournot
from tokenflow_sim.strategies.fictitious_play import FictitiousPlay, average
from tokenflow_sim.strategies.levels import best_prices, critical_gaps, paid_prices, thin
from tokenflow_sim.strategies.markups import FixedMarkup
from tokenflow_sim.strategies.price_forecast import PriceForecast
from tokenflow_sim.strategies.reclearing import Rehearsal, groups
from tokenflow_sim.strategies.supply_function import SupplyFunction, moves_of

TWO_SITES = """
format: 1
name: two_sites
periods: 4
market: {bandwidth: physical, must_serve: false, shared_power: true}
demand: {scale: 1, hourly: {chat: [1, 2, 3, 2, 1, 2, 3, 2, 1, 2, 3, 2, 1, 2, 3, 2, 1, 2, 3, 2, 1, 2, 3, 2]}}
workloads:
  chat: {base_demand: 2000000, payload: 0.5, value: 10}
  image: {base_demand: 100000, payload: 10, value: 500}
nodes:
  east: {electricity_price: 0.08, demand_weight: 1}
  west: {electricity_price: 0.18, demand_weight: 1.5}
network: {arcs: {east->west: {origin: east, destination: west, capacity: 0.5, tariff: 0.01}}}
owners: {cable: {owns: rest}}
hardware: {new: {throughput: {chat: 5000, image: 200}, energy: {chat: 1, image: 500}, running_cost: 10}}
providers:
  atlas: {assets: [{node: east, hardware: new, power_mw: 300}, {node: west, hardware: new, power_mw: 500}]}
  rival: {assets: [{node: east, hardware: new, power_mw: 400}, {node: west, hardware: new, power_mw: 300}]}
"""


class Recorder(tf.Strategy):
    """Offer as another strategy does, and keep what was seen and what was earned."""

    def __init__(self, other: tf.Strategy) -> None:
        self.other, self.blocks = other, other.blocks
        self.views: list[tf.View] = []
        self.profits: list[float] = []

    def offer(self, view: tf.View) -> tf.Offer:
        self.views.append(replace(view, rng=np.random.default_rng(1)))
        return self.other.offer(view)

    def learn(self, receipt: tf.Receipt) -> None:
        self.profits.append(float(receipt.profit.sum()))


def recorded(other: tf.Strategy | None = None, overrides: dict[str, Any] | None = None) -> Recorder:
    """Return what atlas saw in a run of the two sites."""
    model = tf.TokenMarket(
        tf.Scenario.from_yaml(TWO_SITES),
        rng=1,
        overrides=overrides,
        strategies={"atlas": Recorder(other or FixedMarkup(0.5))},
    )
    model.run()
    strategy = model.providers["atlas"].strategy
    assert isinstance(strategy, Recorder)
    return strategy


@pytest.mark.parametrize("other", [FixedMarkup(0.5), SupplyFunction(blocks=3, slope=2.0)])
def test_the_same_offer_again_earns_what_it_earned(other: tf.Strategy) -> None:
    seen = recorded(other)
    for period in (1, 2, 3):
        view = seen.views[period]
        assert view.last_market is not None
        rehearsal = Rehearsal(view, [view.last_market])
        arrays = view.last_market.arrays
        price, quantity = arrays.offer_price[rehearsal.rows], arrays.capacity[rehearsal.rows]
        assert rehearsal.trial(price, quantity).profit == pytest.approx(seen.profits[period - 1], rel=1e-12)
        assert rehearsal.clears == 1


def test_another_offer_earns_what_a_run_with_it_earns() -> None:
    view, other = recorded(FixedMarkup(0.5)).views[3], recorded(FixedMarkup(2.0))
    assert view.last_market is not None
    trial = Rehearsal(view, [view.last_market]).trial(3 * view.cost, view.capacity)
    assert trial.profit == pytest.approx(other.profits[2], rel=1e-12)


def test_several_markets_count_alike() -> None:
    seen = recorded()
    markets = [view.last_market for view in seen.views[1:] if view.last_market is not None]
    trial = Rehearsal(seen.views[3], markets).trial(1.5 * seen.views[3].cost, seen.views[3].capacity)
    assert trial.profit == pytest.approx(np.mean(seen.profits[:3]), rel=1e-12)
    assert len(trial.clearings) == 3


def test_what_cannot_be_cleared_earns_minus_infinity() -> None:
    view = recorded(overrides={"market.must_serve": True, "demand.scale": 0.3}).views[1]
    assert view.last_market is not None
    assert Rehearsal(view, [view.last_market]).trial(view.cost, view.capacity).profit >= 0
    crowded = view.last_market.arrays.demand * 1000
    market = tf.Market.from_arrays(
        view.last_market.layout, view.last_market.arrays.with_(demand=crowded), 1.0, check=False
    )
    assert Rehearsal(view, [market]).trial(view.cost, view.capacity).profit == -np.inf


def test_a_market_without_ones_own_assets_is_told() -> None:
    view = recorded().views[1]
    with pytest.raises(StrategyError, match="lacks the agent's own assets nowhere/at/all"):
        Rehearsal(replace(view, assets=("nowhere/at/all", *view.assets[1:])), [view.last_market])  # type: ignore[list-item]


@pytest.mark.parametrize(("by", "count"), [("workload", 2), ("node", 4), ("asset", 4)])
def test_groups_cover_every_asset_and_class_once(by: Any, count: int) -> None:
    view = recorded().views[0]
    found = groups(view, by)
    cells = sorted((int(row), workload) for rows, workload in found for row in rows)
    assert len(found) == count
    assert cells == [(0, 0), (0, 1), (1, 0), (1, 1)]
    idle = replace(view, capacity=np.array([[0.0, 1.0], [0.0, 1.0]]))
    assert all(workload == 1 for _, workload in groups(idle, by))


def test_critical_gaps_are_rivals_and_values_beside_the_local_price() -> None:
    view = recorded().views[1]
    market, price = view.last_market, view.history.price[-1]
    assert market is not None
    gaps = critical_gaps(market, price, price, np.array([0, 1]), 0)
    rivals = market.arrays.offer_price[2:, 0, 0] - price[:, 0]
    np.testing.assert_allclose(gaps, np.unique([*rivals, *(10.0 - price[:, 0])]))


def test_where_demand_takes_paths_a_rival_is_beside_what_assets_are_paid() -> None:
    market = chain()
    price = tf.clear(market).price.values
    paid = paid_prices(market, price)
    # `b` is served by `c` at 10 + 1; its own asset serves `a` alone, and is paid 20.
    np.testing.assert_allclose(paid[:, 0], [21.0, 20.0, 10.0])
    gaps = critical_gaps(market, price, paid, np.array([0]), 0)
    np.testing.assert_allclose(gaps, [0.0])  # both rivals are paid what they ask
    assert paid_prices(chain(routing=None), price) is price


@pytest.mark.parametrize("count", [1, 2, 5, 9, 50])
def test_thinning_keeps_the_nearest_and_the_ends(count: int) -> None:
    gaps = np.linspace(-3.0, 20.0, 47)
    kept = thin(gaps, count)
    assert len(kept) == min(count, 47)
    assert set(kept) <= set(gaps)
    if count >= 5:
        assert np.abs(kept).min() == np.abs(gaps).min()
        assert kept[-1] == 20.0


def test_a_search_never_ends_below_where_it_began_and_finds_what_a_fine_grid_finds() -> None:
    view = recorded().views[3]
    assert view.last_market is not None
    rehearsal = Rehearsal(view, [view.last_market])
    reply = best_prices(rehearsal, view.history.price[-1:], by="asset", candidates=12, sweeps=2, under=1e-6)
    assert reply.profit == pytest.approx(rehearsal.trial(reply.price, reply.quantity).profit)
    markups = np.linspace(0, 12, 60)
    grid = [rehearsal.trial((1 + m) * view.cost, view.capacity).profit for m in markups]
    assert reply.profit >= max(grid) * (1 - 1e-5)


def test_average_markets_weigh_prices_by_quantity() -> None:
    views = recorded().views
    one, other = views[1].last_market, views[2].last_market
    assert one is not None
    assert other is not None
    half = other.arrays.with_(
        capacity=other.arrays.capacity * np.array([0.0, 1.0, 1.0, 1.0])[:, None, None],
        offer_price=other.arrays.offer_price * 3,
    )
    mean = average([one, tf.Market.from_arrays(other.layout, half, other.hours, check=False)]).arrays
    # What was not on offer in one of the two has the other's price, and half of its quantity.
    np.testing.assert_allclose(mean.offer_price[0], one.arrays.offer_price[0])
    np.testing.assert_allclose(mean.capacity[0], one.arrays.capacity[0] / 2)
    np.testing.assert_allclose(mean.offer_price[1:], 2 * one.arrays.offer_price[1:])
    np.testing.assert_allclose(mean.demand, (one.arrays.demand + other.arrays.demand) / 2)
    assert average([one]) is one


@pytest.mark.parametrize(
    "strategy",
    [BestResponse(markup=0.4), FictitiousPlay(markup=0.4), Cournot(start=0.7), SupplyFunction(2, slope=0.4)],
)
def test_secret_offers_leave_the_first_offer(strategy: tf.Strategy) -> None:
    views = recorded(strategy, {"market.publish_offers": False}).views
    offers = [strategy.offer(view) for view in views]
    for view, offer in zip(views, offers, strict=True):
        np.testing.assert_allclose(
            offer.price / (view.cost[:, :, None] if offer.price.ndim == 3 else view.cost),
            offers[0].price / (view.cost[:, :, None] if offer.price.ndim == 3 else view.cost),
        )
        np.testing.assert_array_equal(offer.quantity, offers[0].quantity)


def test_a_best_reply_withholds_where_shares_are_tried_and_demand_is_elastic_in_steps() -> None:
    # One seller, two buyers' steps: 3 Mtok/s worth 10 and 3 more worth 4. Cost 3: nine tenths of the profit is in the
    # first step, which a price finds; two units offered at cost are never better here, and are not chosen.
    firms = {"only": (3.0, 6.0, "here")}
    demand = tf.strategies.registry.make(
        "region", {"name": "stepped_demand", "schedule": [[0.5, 10], [0.5, 4]]}
    )
    results = play(
        oligopoly(firms, demand=6.0, periods=3),
        {"regions": demand, "only": BestResponse(shares=[0.25, 0.5])},
    )
    # 3 x (10 - 3) = 21 beats 6 x (4 - 3): half of the capacity at cost earns the value itself, as scarcity.
    assert float(results.profit[-1, 0]) == pytest.approx(3600 * 21.0)
    assert float(results.offer_quantity.values[-1].sum()) == pytest.approx(3.0)


@pytest.mark.parametrize(("season", "smoothing"), [(3, 0.5), (1, 1.0)])
def test_forecasts_of_a_periodic_price_become_exact(season: int, smoothing: float) -> None:
    strategy = PriceForecast(
        season=season, smoothing=smoothing, seasonal_smoothing=0.5, quantile=0.5, under=0.0
    )
    seen = [[5.0, 8.0, 6.0][period % 3] if season == 3 else 7.0 for period in range(90)]
    offered = offers_on(strategy, seen)
    np.testing.assert_allclose(offered[-6:], seen[-6:], atol=0.05)


def test_a_low_quantile_lies_under_the_price_as_often_as_it_says() -> None:
    prices = 10 + np.random.default_rng(3).normal(size=600)
    offered = offers_on(
        PriceForecast(season=1, smoothing=0.05, quantile=0.2, under=0.0, errors=200), list(prices)
    )
    assert np.mean(prices[200:] < offered[200:]) == pytest.approx(0.2, abs=0.06)


def test_forecasts_never_offer_under_cost() -> None:
    offered = offers_on(PriceForecast(season=2), [0.1, 0.2, 0.1, 0.2])
    np.testing.assert_array_equal(offered, 1.0)


def offers_on(strategy: PriceForecast, prices: Sequence[float]) -> Floats:
    """Return what a strategy offers before each of some prices, at a cost of 1 $/Mtok."""
    view = recorded().views[0]
    view = replace(view, cost=np.ones((2, 2)))
    offered = []
    for period in range(len(prices)):
        last = None if period == 0 else np.full((2, 2), prices[period - 1])
        offered.append(strategy.offer(replace(view, period=period, last_price=last)).price[0, 0])
    return np.array(offered)


def test_lines_stay_at_or_above_cost_and_never_fall() -> None:
    assert moves_of(np.array([1.0, 0.0]), 0.1) == [(1.1, 0.0), (1.0, 0.1)]
    assert moves_of(np.array([1.05, 0.02]), 0.1)[:2] == [(1.0, 0.02), (1.05, 0.0)]


@pytest.mark.parametrize(
    ("cls", "given", "told"),
    [
        (BestResponse, {"by": "planet"}, "by must be"),
        (BestResponse, {"candidates": 1}, "candidates must be at least 2"),
        (BestResponse, {"sweeps": 0}, "sweeps must be at least 1"),
        (BestResponse, {"under": 0.0}, "under must lie between 0 and 1"),
        (BestResponse, {"shares": [1.5]}, "shares must lie between 0 and 1"),
        (BestResponse, {"markup": -0.1}, "markup must be finite and not negative"),
        (BestResponse, {"inertia": 1.0}, "inertia must be at least 0 and less than 1"),
        (FictitiousPlay, {"memory": 0}, "memory must be at least 1, or None"),
        (FictitiousPlay, {"belief": "hope"}, "belief must be"),
        (FictitiousPlay, {"profiles": 0}, "profiles must be at least 1"),
        (Cournot, {"rivals": "all"}, "rivals must be"),
        (Cournot, {"by": "planet"}, "by must be"),
        (Cournot, {"candidates": 1}, "candidates must be at least 2"),
        (Cournot, {"refine": -1}, "refine must not be negative"),
        (Cournot, {"adjustment": 0.0}, "adjustment must be above 0"),
        (Cournot, {"start": 1.1}, "start must lie between 0 and 1"),
        (SupplyFunction, {"blocks": 0}, "blocks must be at least 1"),
        (SupplyFunction, {"step": 1.0}, "step must lie between 0 and 1"),
        (SupplyFunction, {"intercept": 0.9}, "intercept must be finite and at least 1"),
        (SupplyFunction, {"slope": -1.0}, "slope must be finite and not negative"),
        (PriceForecast, {"season": 0}, "season must be at least 1"),
        (PriceForecast, {"errors": 0}, "errors must be at least 1"),
        (PriceForecast, {"quantile": 1.2}, "quantile must lie between 0 and 1"),
        (PriceForecast, {"under": 1.0}, "under must be at least 0 and less than 1"),
    ],
)
def test_parameters_out_of_range_are_told(cls: Any, given: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        cls(**given)
