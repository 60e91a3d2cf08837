"""Offers whose price rises, in a run: cleared as lines, played by strategies, and held to the rules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tokenflow_sim as tf
from tests.market.small import array
from tests.test_affine_in_runs import on_a_line
from tokenflow_sim.results.single import results_of
from tokenflow_sim.strategies.composed import ByWorkload, Chain
from tokenflow_sim.strategies.elastic import PriceElastic
from tokenflow_sim.strategies.linear_supply import LinearSupply
from tokenflow_sim.strategies.supply_function import SupplyFunction
from tokenflow_sim.study import measures
from tokenflow_sim.testing import strategy_contract
from tokenflow_sim.variables import RESULTS, SLOPES

PROVIDER = "ashburn_dc"
_DUOPOLY = """
format: 1
name: duopoly
periods: 1
market: {bandwidth: none, must_serve: false}
demand: {scale: 1}
workloads:
  chat: {base_demand: 36000000, payload: 0.5, value: 9}
nodes:
  east: {latitude: 39, longitude: -77, power_mw: 100000, electricity_price: 0.08, demand_weight: 1}
hardware:
  new: {throughput: {chat: 5000}, energy: {chat: 1}, running_cost: 10}
  old: {throughput: {chat: 2000}, energy: {chat: 3}, running_cost: 5}
providers:
  one: {assets: [{node: east, hardware: new, power_mw: 20000}, {node: east, hardware: old, power_mw: 20000}]}
  two: {assets: [{node: east, hardware: old, power_mw: 40000}]}
regions:
  users: {nodes: [east], strategy: {name: price_elastic, form: affine, elasticity: -0.5, reference_price: 3.0}}
"""


class Silent(tf.Strategy):
    """Offer along lines without saying so."""

    def offer(self, view: tf.View) -> tf.Offer:
        return tf.Offer(view.cost, view.capacity, slope=np.ones_like(view.cost))


def run(strategy: Any, **changes: Any) -> tf.TokenMarket:
    spec = {"providers": {PROVIDER: {"strategy": strategy}}} if isinstance(strategy, dict) else {}
    scenario = on_a_line(**changes)
    if spec:
        scenario = scenario.override({f"providers.{PROVIDER}.strategy": strategy})
    model = tf.TokenMarket(
        scenario, rng=1, strategies=None if spec else {PROVIDER: strategy}, periods=scenario.periods
    )
    model.run()
    return model


def test_a_line_is_supplied_at_the_price() -> None:
    slope, start = {"chat": 3e4, "code": 1e4}, {"chat": 0.9}
    line = {"name": "linear_supply", "slope": slope, "intercept": start}
    model = run(line)
    results, market = model.results(), model.clearing_house.last_market
    assert market is not None
    own = market.layout.assets.get_loc("ashburn")
    sold = results["dispatch"].sel(asset="ashburn").to_numpy()[-1]
    price = results["price"].sel(node="ashburn").to_numpy()[-1]
    room, most = market.arrays.capacity[own, :, 0] - sold, market.arrays.capacity[own, :, 0]
    assert market.arrays.offer_slope is not None
    first = market.arrays.offer_price[own, :, 0]
    for k, label in enumerate(market.layout.workloads):
        if label not in slope:
            assert market.arrays.offer_slope[own, k, 0] == 0
            continue
        if label in start:
            assert first[k] == start[label]
        if sold[k] > 0 and room[k] > 1e-6 * most[k]:
            assert sold[k] == pytest.approx(slope[label] * (price[k] - first[k]), rel=1e-9)
        # What was asked for the next unit is read off the results alone.
        asked = (results["offer_price"] + results["offer_slope"] * results["dispatch"]).to_numpy()[-1, own, k]
        if sold[k] > 0 and room[k] > 1e-6 * most[k]:
            assert asked == pytest.approx(price[k], rel=1e-9)
    np.testing.assert_array_equal(results["offer_slope"][-1], market.arrays.offer_slope[:, :, 0])
    np.testing.assert_array_equal(results["value_slope"][-1], market.arrays.value_slope[:, :, 0])
    assert results["value_slope"].attrs["units"] == "$/Mtok per Mtok/s"
    assert (results["certificate"] < 1e-9).all()
    names = ("energy", "running", "markup", "scarcity", "routing", "congestion")
    parts = sum(results[f"price_{name}"].to_numpy() for name in names)
    np.testing.assert_allclose(parts, results["price"].to_numpy(), rtol=1e-9)
    # A batch gives each seed the same bits.
    scenario = on_a_line().override({f"providers.{PROVIDER}.strategy": line})
    batch = tf.Batch(scenario, seeds=[1, 2])
    assert not batch.unvectorised
    batch.run()
    assert set(batch.results().data_vars) == set(results.data_vars)
    for name in results.data_vars:
        np.testing.assert_array_equal(batch.results()[name].sel(seed=1), results[name], err_msg=str(name))


def test_an_equilibrium_in_lines_is_played_to_its_price_and_quantities() -> None:
    """Costs that rise along lines: what was found on the market of the period, its slopes and intercepts play."""
    scenario = tf.Scenario.from_yaml(_DUOPOLY)
    truthful = tf.TokenMarket(scenario, rng=1)
    truthful.run()
    market = truthful.clearing_house.last_market
    assert market is not None
    by = {"asset": market.layout.assets, "workload": market.layout.workloads}
    rising = market.replace(
        offer_price=array([[0.6], [0.6], [0.9]], **by), offer_slope=array([[0.02], [0.1], [0.06]], **by)
    )
    found = tf.supply_function_equilibrium(rising)
    assert found.attrs["converged"]
    lines = {
        firm: LinearSupply(
            slope={"chat": found["supply_slope"].sel(provider=firm, workload="chat").item()},
            intercept={"chat": found["supply_intercept"].sel(provider=firm, workload="chat").item()},
        )
        for firm in ("one", "two")
    }
    model = tf.TokenMarket(scenario, rng=1, strategies=lines)
    model.run()
    results = model.results().isel(period=0)
    price = results["price"].item()
    assert price == pytest.approx(found["price"].item(), rel=1e-9)
    assert price > tf.clear(rising).price.item() * 1.1
    sold = results["dispatch"].groupby("asset_provider").sum().to_numpy().ravel()
    np.testing.assert_allclose(sold, found["sales"].to_numpy().ravel(), rtol=1e-9)
    np.testing.assert_allclose(results["demand"].item(), found["consumption"].item(), rtol=1e-9)
    # The provider's line is the sum of its assets' lines.
    steepness = (1 / results["offer_slope"]).groupby("asset_provider").sum().to_numpy().ravel()
    np.testing.assert_allclose(steepness, found["supply_slope"].to_numpy().ravel(), rtol=1e-12)


def test_a_learned_line_is_a_line_and_gains() -> None:
    cost = run({"name": "marginal_cost"}, periods=6)
    learned = run({"name": "supply_function", "form": "affine", "slope": 0.1}, periods=6)
    market = learned.clearing_house.last_market
    assert market is not None
    assert market.arrays.offer_slope is not None
    own = market.layout.assets.get_loc("ashburn")
    assert (market.arrays.offer_slope[own] > 0).any()
    gain = [model.results()["profit"].sel(provider=PROVIDER).to_numpy()[-1] for model in (learned, cost)]
    assert gain[0] > gain[1]


def test_an_impossible_slope_is_the_strategys_fault() -> None:
    class Falling(tf.Strategy):
        def offer(self, view: tf.View) -> tf.Offer:
            return tf.Offer(view.cost, view.capacity, slope=-np.ones_like(view.cost))

    class Short(tf.Strategy):
        def offer(self, view: tf.View) -> tf.Offer:
            return tf.Offer(view.cost, view.capacity, slope=np.ones(1))

    for strategy, told in ((Falling(), "slope must be finite and not negative"), (Short(), "all alike")):
        with pytest.raises(tf.StrategyError, match=told):
            run(strategy)
    assert "slope=" in repr(tf.Offer([[1.0]], [[1.0]], slope=[[0.5]]))


@pytest.mark.parametrize(("rules", "told"), [({"offer_cap": 2.0}, "no line"), ({"pivotal_suppliers": 3}, "")])
def test_mitigation_caps_no_line_and_sets_one_to_cost(rules: dict[str, float], told: str) -> None:
    steep = LinearSupply(slope=1.0)
    if told:
        with pytest.raises(tf.MarketError, match=told):
            run(steep, **{"market.mitigation": rules})
        return
    model = run(steep, **{"market.mitigation": rules})
    market, failed = model.clearing_house.last_market, model.results()["failed_test"].to_numpy()[-1]
    assert market is not None
    assert market.arrays.offer_slope is not None
    assert failed.any()
    assert (market.arrays.offer_slope[failed > 0] == 0).all()
    assert (model.results()["mitigated"].to_numpy()[-1][failed > 0] > 0).any()


def test_what_no_line_has_is_refused() -> None:
    with pytest.raises(ValueError, match="slope must be a finite number"):
        LinearSupply(slope=0.0)
    with pytest.raises(ValueError, match="form must be steps or affine"):
        SupplyFunction(form="curved")  # type: ignore[arg-type]


def test_slopes_are_recorded_where_a_strategy_has_them_and_nowhere_else() -> None:
    class Seen(LinearSupply):
        receipt: tf.Receipt | None = None

        def learn(self, receipt: tf.Receipt) -> None:
            self.receipt = receipt

    class Asked(PriceElastic):
        receipt: Any = None

        def learn(self, receipt: Any) -> None:
            self.receipt = receipt

    line = Asked(elasticity=-0.5, reference_price=1.0, form="affine")
    plain, dallas = tf.load_scenario("us5").override({"periods": 1}), {"regions.dallas": line}
    scenario = plain.override({"regions": {name: {"nodes": [name]} for name in plain.market().layout.nodes}})
    model = tf.TokenMarket(scenario, rng=1, strategies={PROVIDER: Seen(slope=3e4), **dallas})
    model.run()
    results = model.results()
    assert list(results.data_vars) == [*RESULTS, *SLOPES]
    strategy = model.providers[PROVIDER].strategy
    assert isinstance(strategy, Seen)
    assert strategy.receipt is not None
    assert strategy.receipt.offer_slope is not None
    np.testing.assert_array_equal(
        strategy.receipt.offer_slope, results["offer_slope"].sel(asset=["ashburn"])[0]
    )
    assert (strategy.receipt.offer_slope > 0).any()
    asked = model.regions["dallas"].strategy
    assert isinstance(asked, Asked)
    np.testing.assert_array_equal(asked.receipt.bid_slope, results["value_slope"].sel(node=["dallas"])[0])
    assert (results["offer_slope"].sel(asset="dallas") == 0).all()
    alone = results_of(model.clearing)
    for name in SLOPES:
        np.testing.assert_array_equal(alone[name][0], results[name][0])

    # A mark-up of offers counts the line: the mean price of all that is offered.
    own = results.sel(asset="ashburn").isel(period=0)
    mean = own["offer_price"] + 0.5 * own["offer_slope"] * own["offer_quantity"]
    cost = model.clearing_house.result.true_cost[results.indexes["asset"].get_loc("ashburn")]
    expected = (((mean - cost) * own["offer_quantity"]).sum() / (cost * own["offer_quantity"]).sum()).item()
    found = measures.offer_markup(results).sel(provider=PROVIDER).item()
    assert found == pytest.approx(expected, rel=1e-12)

    # Asked for by name, they are there in any run; the slope of an offer goes with its price.
    zero = tf.TokenMarket(plain, rng=1, record=["offer_slope"])
    zero.run()
    assert (zero.results()["offer_slope"] == 0).all()
    few = tf.TokenMarket(scenario, rng=1, strategies={PROVIDER: LinearSupply()}, record=["offer_price"])
    few.run()
    assert list(few.results().data_vars) == ["offer_price", "offer_slope"]


def test_strategies_say_that_they_have_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    line: Any = {"name": "price_elastic", "form": "affine"}
    assert [Chain(["growth", line]).bids_slopes, Chain([line, "deferrable"]).bids_slopes] == [True, False]
    assert ByWorkload({"chat": line, "code": "inelastic"}).bids_slopes
    assert not ByWorkload({"chat": "price_elastic"}).bids_slopes
    assert not SupplyFunction().offers_slopes

    monkeypatch.setattr(strategy_contract, "_PERIODS", 2)
    with pytest.raises(AssertionError, match="say so in `offers_slopes`"):
        tf.testing.check_strategy(Silent)
