"""Markets stepped as arrays bring what each brings alone, to the bit, whatever strategy plays."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

import tokenflow_sim as tf
from tests.batch.markets import check_alone, plain_market
from tokenflow_sim.batch.fits import _OF_STATE, _RULES, _SECTIONS, reasons
from tokenflow_sim.batch.stacked import StackedMarkets
from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.beside import _ROWS, LayoutBeside
from tokenflow_sim.scenario import State
from tokenflow_sim.strategies import rewards
from tokenflow_sim.strategies.elastic import PriceElastic
from tokenflow_sim.strategies.reclearing import values_again

SEEDS = (0, 11, 2**40)
_LADDER = [0.0, 0.2, 0.5, 1.0]
PROVIDERS: dict[str, dict[str, Any]] = {
    "marginal_cost": {},
    "fixed_markup": {"markup": 0.3},
    "undercutting": {},
    "adaptive_markup": {"by": "class", "hold": 2},
    "roth_erev": {"markups": _LADDER, "cooling": 0.5, "by": "asset", "baseline": "none"},
    "epsilon_greedy": {"markups": _LADDER, "by": "offer", "context": "hour"},
    "ucb1": {"markups": _LADDER, "context": "scarcity"},
    "exp3": {"markups": _LADDER, "shares": [1.0, 0.6], "by": "class"},
    "q_learning": {"markups": _LADDER, "by": "asset", "context": "both"},
}
BY_ENGINE = ("roth_erev", "q_learning")


@pytest.mark.parametrize("name", PROVIDERS)
def test_providers(name: str) -> None:
    # One node, cleared by merit order; networks are below, and nodes that trade with `BY_ENGINE`.
    nodes = 2 if name in BY_ENGINE else 1
    scenario = plain_market(nodes=nodes, noise=0.3, providers=2)
    strategies: dict[str, Any] = {"providers": {"name": name, **PROVIDERS[name]}}
    batch = tf.Batch(scenario, seeds=SEEDS, periods=9, strategies=strategies)
    assert batch.unvectorised == ()
    check_alone(batch, scenario, strategies=strategies)
    markets = batch._markets
    assert isinstance(markets, StackedMarkets)
    assert markets.sorted == (0 if nodes == 2 else len(SEEDS) * 9)


@pytest.mark.parametrize(
    "spec",
    [{"name": "roth_erev", "by": "class"}, {"name": "exp3", "context": "hour"}, {"name": "q_learning"}],
    ids=lambda spec: spec["name"],
)
def test_nobody_learns_from_a_market_whose_truthful_one_cannot_be_cleared(
    spec: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario, refused = plain_market(noise=0.4), []
    expected = scenario.compiled.state(0).demand.sum()

    def fails(demand: Any) -> bool:
        refused.append(bool(demand.sum() > expected))
        return refused[-1]

    def some(market: tf.Market) -> Any:
        found = values_again(market)
        assert found is not None
        if not isinstance(market.layout, LayoutBeside):
            return None if fails(market.arrays.demand) else found
        each = market.arrays.demand.reshape(market.layout.many, -1)
        for number, demand in enumerate(each):
            if fails(demand):
                for array in (found.price, found.dispatch):
                    array.flags.writeable = True
                    array.reshape(market.layout.many, -1)[number] = np.nan
        return found

    monkeypatch.setattr(rewards, "values_again", some)
    strategies: dict[str, Any] = {"providers": {"baseline": "truthful", "markups": _LADDER, **spec}}
    batch = tf.Batch(scenario, seeds=SEEDS, periods=12, strategies=strategies)
    assert batch.unvectorised == ()
    check_alone(batch, scenario, strategies=strategies)
    assert 0.1 < np.mean(refused) < 0.9


@pytest.mark.parametrize(
    ("who", "more", "parameters"),
    [
        ("providers", {}, {"markups": _LADDER}),
        # Five mark-ups of three rivals: start values are the mean over combinations that are drawn.
        ("a", {}, {"markups": [0.0, 0.2, 0.4, 0.6, 0.8], "by": "class"}),
        ("providers", {"market.publish_offers": False}, {"markups": _LADDER, "context": "scarcity"}),
    ],
)
def test_q_learning_that_remembers_what_all_asked(
    who: str, more: dict[str, Any], parameters: dict[str, Any]
) -> None:
    scenario = plain_market(noise=0.2, providers=4 if who == "a" else 2, **more)
    spec = {"name": "q_learning", "preset": "calvano", "decay": 0.02, **parameters}
    strategies: dict[str, Any] = {who: spec}
    batch = tf.Batch(scenario, seeds=SEEDS[:2], periods=12, strategies=strategies)
    assert batch.unvectorised == ()
    check_alone(batch, scenario, first=1, strategies=strategies)


@pytest.mark.parametrize(
    ("scenario", "more", "strategies", "reason"),
    [
        ("us5", {"nodes.chicago.grid_mw": 500}, {}, "limits: the market has site_limit"),
        ("us20_grid", {}, {}, "grid: power is cleared with or after the tokens"),
        ("eu_residency", {}, {}, "paths: rules hold from origin to server"),
        (
            "us5", {}, {"dallas_dc": "best_response", "seattle_dc": "best_response"},
            "providers: BestResponse of dallas_dc, seattle_dc decides for one market at a time",
        ),
    ],
)  # fmt: skip
def test_what_is_stepped_one_by_one_says_why(
    scenario: str, more: dict[str, Any], strategies: dict[str, Any], reason: str
) -> None:
    model = tf.TokenMarket(scenario, rng=0, overrides=more, strategies=strategies)
    assert reason in reasons(model)


def test_every_field_of_states_and_scenarios_is_known() -> None:
    known = {field.name for field in fields(State)}
    assert known == _OF_STATE, "step the new field as arrays, or give it a reason in batch/fits.py"
    assert set(tf.Scenario.model_fields) == _SECTIONS, "the same for a new section"
    rules = type(tf.load_scenario("us5").rules)
    assert set(rules.model_fields) == _RULES, "the same for a new rule of the market"
    assert {field.name for field in fields(Arrays)} - {
        "limits", "activities", "routing", "expanded", "security", "pricing",
    } == set(_ROWS)  # fmt: skip


def test_networks_and_shared_power_are_cleared_one_by_one_and_all_else_as_arrays() -> None:
    for scenario, periods in (("us5", 2), ("us20_oligopoly", 1)):
        batch = tf.Batch(
            scenario,
            seeds=(1, 2),
            periods=periods,
            strategies={"providers": "ucb1", "owners": "congestion_tariff"},
        )
        assert batch.unvectorised == ()
        check_alone(
            batch,
            tf.load_scenario(scenario),
            first=1,
            strategies={"providers": "ucb1", "owners": "congestion_tariff"},
        )


def test_random_outages_and_elastic_demand() -> None:
    scenario = tf.load_scenario("us5").override(
        {
            "outage_processes": {"sites": {"hardware": "fleet", "mttf_hours": 10, "mttr_hours": 4}},
            "market.must_serve": False,
            "periods": 6,
        }
    )
    batch = tf.Batch(scenario, seeds=(1, 2), strategies={"regions": "price_elastic"})
    assert batch.unvectorised == ()
    check_alone(batch, scenario, strategies={"regions": "price_elastic"})


def test_demand_along_lines_and_a_line_that_would_fall_below_nothing() -> None:
    for nodes in (1, 2):
        scenario = plain_market(nodes=nodes, noise=0.3)
        # One region of two bids a line; the market's structure is that of a quadratic program all the same.
        strategies: dict[str, Any] = {
            "north": {"name": "price_elastic", "form": "affine", "reference_price": 3.0},
            "providers": "roth_erev",
        }
        batch = tf.Batch(scenario, seeds=SEEDS[:2], periods=3, strategies=strategies)
        assert batch.unvectorised == ()
        check_alone(batch, scenario, strategies=strategies)

    class Falling(PriceElastic):
        def bid(self, view: tf.DemandView) -> tf.Bid:
            made = super().bid(view)
            return tf.Bid(made.quantity * 1.5, made.value, slope=made.slope)

    batch = tf.Batch(plain_market(), seeds=(3, 4), strategies={"north": Falling(-0.5, 3.0, "affine")})
    assert batch.unvectorised == ("regions: Falling of north decides for one market at a time",)
    with pytest.raises(tf.StrategyError, match="no more than value / value_slope"):
        batch.step()
