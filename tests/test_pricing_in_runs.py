"""Pricing rules in runs: the clearing stays, money follows the rule, everywhere that it is read."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import xarray as xr
import yaml

import tokenflow_sim as tf
from tokenflow_sim.cli.summary import show_summary
from tokenflow_sim.errors import InfeasibleError, ScenarioError
from tokenflow_sim.market.pricing import Pricing
from tokenflow_sim.report.tables import statement
from tokenflow_sim.results.single import results_of
from tokenflow_sim.results.totals import Totals
from tokenflow_sim.strategies.rewards import truthful_profit
from tokenflow_sim.study import measures

PERIODS = 4
OTHERS = ("pay_as_bid", "vcg")


def model_of(rule: str, **more: Any) -> tf.TokenMarket:
    changes = {"market.pricing": rule, "market.must_serve": False, "demand.scale": 30}
    return tf.TokenMarket(
        "us5", rng=1, periods=PERIODS, overrides=changes, strategies={"providers": "fixed_markup"}, **more
    )


@pytest.fixture(scope="module")
def runs() -> dict[str, xr.Dataset]:
    found = {}
    for rule in ("lmp", *OTHERS):
        model = model_of(rule)
        model.run()
        found[rule] = model.results()
        paid = found[rule].payment.sum("node").isel(workload=0)
        frame = model.datacollector.get_model_vars_dataframe()
        served = (found[rule].demand - found[rule].unserved).sum("node").isel(workload=0) * 3600
        np.testing.assert_allclose(frame["mean_price_chat"], paid / served)
    return found


def test_the_clearing_is_that_of_prices(runs: dict[str, xr.Dataset]) -> None:
    lmp = runs["lmp"]
    assert "operator_budget" not in lmp
    for rule in OTHERS:
        ds = runs[rule]
        for name in ("price", "dispatch", "flow", "unserved", "welfare", "total_cost", "cost"):
            np.testing.assert_array_equal(ds[name], lmp[name], err_msg=name)
    asked = (lmp.offer_price * lmp.dispatch * 3600).transpose(*lmp.revenue.dims)
    np.testing.assert_allclose(runs["pay_as_bid"].revenue, asked)
    assert (runs["vcg"].revenue.sum("workload") >= asked.sum("workload") - 1e-6).all()
    assert (runs["vcg"].payment == lmp.payment).all()


def test_money_in_is_money_out_with_the_operator(
    runs: dict[str, xr.Dataset], capsys: pytest.CaptureFixture[str]
) -> None:
    for rule in OTHERS:
        ds = runs[rule]
        own = ds.revenue - ds.cost
        np.testing.assert_allclose(
            own.sum("workload").groupby("asset_provider").sum().values.sum(), ds.profit.sum()
        )
        assert float(abs(measures.revenue_adequacy(ds).residual).max()) < 1e-6
        split = measures.welfare_split(ds)
        np.testing.assert_allclose(split.welfare, ds.welfare)
        np.testing.assert_array_equal(split.operator_surplus, ds.operator_budget)
        mean = ds.payment.sum(["period", "node"]) / ((ds.demand - ds.unserved).sum(["period", "node"]) * 3600)
        np.testing.assert_allclose(measures.mean_price(ds), mean)
        totals = Totals(ds)
        np.testing.assert_allclose(totals.mean_price, mean)
        found = statement(totals)
        assert found is not None
        assert [row[0] for row in found.rows][-2:] == [
            "The operator keeps",
            "Residual: money in less money out",
        ]
        assert float(str(found.rows[-1][1])) < 1e-6
        show_summary(ds, "us5", 1.0)
        assert "the operator keeps" in capsys.readouterr().out
    assert float(abs(runs["pay_as_bid"].operator_budget).max()) == 0.0
    assert float(runs["vcg"].operator_budget.sum()) < 0


def test_a_run_goes_on_and_records_what_payments_need(runs: dict[str, xr.Dataset]) -> None:
    model, other = model_of("vcg", record=("payment",)), model_of("vcg")
    model.step()
    model.step()
    other.set_state(pickle.loads(pickle.dumps(model.get_state())))
    other.run()
    rest = other.results()
    np.testing.assert_array_equal(rest.operator_budget, runs["vcg"].operator_budget[2:])
    assert set(model.results().data_vars) == {"payment", "operator_budget"}
    assert other.providers["dallas_dc"].profit == float(runs["vcg"].profit[-1].sel(provider="dallas_dc"))
    again = tf.TokenMarket.from_results(runs["vcg"])
    assert again.settings.rules.pricing == "vcg"


def test_a_clearing_as_results_has_the_budget() -> None:
    market = tf.load_scenario("us5").override({"market.pricing": "vcg", "market.must_serve": False}).market()
    clearing = tf.clear(market)
    found = tf.settle(market, clearing)
    assert found.budget < 0
    assert results_of(clearing).operator_budget.item() == found.budget
    assert tf.settle(market, clearing, pricing="lmp").budget == 0.0


def test_learners_count_what_truth_would_have_been_paid() -> None:
    """Nothing above cost where bids are paid; by VCG the saving of one's presence, whoever else there is."""
    market = tf.load_scenario("us5").override({"market.must_serve": False}).market()
    rows = np.flatnonzero(np.array(market.layout.provider) == "dallas_dc")
    cost, capacity = market.arrays.offer_price[rows, :, 0], market.arrays.capacity[rows, :, 0]
    profit = {}
    for rule in (None, *OTHERS):
        pricing = None if rule is None else Pricing(rule=rule)  # type: ignore[arg-type]
        ruled = tf.Market.from_arrays(market.layout, market.arrays.with_(pricing=pricing), market.hours)
        found = truthful_profit(ruled, rows, cost, capacity)
        assert found is not None
        profit[rule] = float(found.sum())
    assert abs(profit["pay_as_bid"]) < 1e-6
    gone = market.arrays.capacity.copy()
    gone[rows] = 0.0
    without = tf.clear(tf.Market.from_arrays(market.layout, market.arrays.with_(capacity=gone), market.hours))
    saved = without.total_cost - tf.clear(market).total_cost
    assert profit["vcg"] == pytest.approx(float(saved))
    assert profit["vcg"] > profit[None] > 0


@pytest.mark.parametrize("shared", [False, True])
def test_reserve_goes_with_the_provider_that_holds_it(shared: bool) -> None:
    """VCG pays for reserve what the same scenario without the provider costs more, and never less than the price."""
    changes = {"market.must_serve": False, "market.shared_power": shared, "demand.scale": 50}
    changes |= {"reserve": {"all": {"margin": 2.0, "price": 9.0 * (3600 if shared else 1)}}}
    whole = tf.load_scenario("us5").override(changes)
    model = tf.TokenMarket(whole.override({"market.pricing": "vcg"}), rng=1, periods=1)
    model.run()
    ds, cost = model.results().isel(period=0), {}
    assert float(ds.reserve_payment.isel(asset=0)) > 0
    for name in (None, "ashburn_dc", "dallas_dc"):
        text = yaml.safe_load(whole.to_yaml())
        text["providers"].pop(name, None)
        other = tf.TokenMarket(tf.Scenario.from_yaml(yaml.safe_dump(text)), rng=1, periods=1)
        other.run()
        cost[name] = float(other.results().total_cost.sum())
        if name is None:
            at_price = other.results().isel(period=0)
            continue
        rows = np.flatnonzero(ds.asset_provider.values == name)
        asked = float((ds.offer_price * ds.dispatch).isel(asset=rows).sum()) * 3600
        paid = float(ds.revenue.isel(asset=rows).sum())
        assert paid - asked == pytest.approx(cost[name] - cost[None], rel=1e-7)
        assert paid >= float(at_price.revenue.isel(asset=rows).sum()) - 1e-4
    assert (ds.reserve_payment <= ds.revenue.sum("workload") + 1e-6).all()
    assert float(measures.revenue_adequacy(model.results()).residual.max()) < 1e-4


def test_truth_is_dominant_in_the_game_of_vcg() -> None:
    scenario = tf.load_scenario("us5").override({"market.pricing": "vcg", "market.must_serve": False})
    game = tf.game(scenario, providers=["dallas_dc", "seattle_dc"], actions=[0.0, 0.5, 2.0], workers=1)
    payoff = game.dataset.payoff
    for number, player in enumerate(("dallas_dc", "seattle_dc")):
        own = payoff.sel(provider=player).values
        own = np.moveaxis(own, number, 0)
        assert (own[0] >= own - 1e-6 * np.abs(own).max()).all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"market.pricing": "k_double_auction"}, "one node or a pool; found 5 nodes with market.bandwidth"),
        (
            {"market.pricing": "k_double_auction", "market.bandwidth": "none", "market.shared_power": True},
            "no price for market.shared_power",
        ),
        ({"market.pricing": "vcg", "security": "n-1"}, "vcg is not defined with `security`"),
        ({"market.pricing": "lpm"}, "lmp"),
        ({"market.k": 2.0}, "market.k: must be at most 1"),
        ({"market.pivotal_value": -1.0}, "market.pivotal_value: must be at least 0"),
    ],
)
def test_what_a_rule_cannot_settle_is_reported_on_loading(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ScenarioError) as error:
        tf.load_scenario("us5").override(changes)
    assert words in str(error.value)
    assert len(error.value.faults) == 1


def test_a_pivotal_provider_ends_a_run_unless_demand_has_a_value() -> None:
    changes = {"market.pricing": "vcg"}
    with pytest.raises(InfeasibleError) as error:
        tf.TokenMarket("us5", rng=1, periods=1, overrides=changes).run()
    assert any("without provider" in note for note in error.value.__notes__)
    model = tf.TokenMarket("us5", rng=1, periods=1, overrides={**changes, "market.pivotal_value": 1000.0})
    model.run()
    assert float(model.results().operator_budget.sum()) < 0
