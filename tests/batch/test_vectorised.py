"""Markets stepped as arrays bring what each brings alone, to the bit, whatever strategy plays."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

import tokenflow_sim as tf
from tests.batch.markets import check_alone, plain_market
from tokenflow_sim.batch.fits import _OF_STATE, _RULES, _SECTIONS, reasons
from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.beside import _ROWS
from tokenflow_sim.scenario import State

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


@pytest.mark.parametrize("name", PROVIDERS)
def test_providers(name: str) -> None:
    scenario = plain_market(nodes=2, noise=0.3)
    strategies: dict[str, Any] = {"providers": {"name": name, **PROVIDERS[name]}}
    batch = tf.Batch(scenario, seeds=SEEDS, periods=9, strategies=strategies)
    assert batch.unvectorised == ()
    check_alone(batch, scenario, strategies=strategies)


@pytest.mark.parametrize(
    ("who", "more", "parameters"),
    [
        ("providers", {}, {"markups": _LADDER}),
        # Nine mark-ups of two rivals: start values are the mean over combinations that are drawn.
        ("a", {}, {"markups": [number / 10 for number in range(9)], "by": "class"}),
        ("providers", {"market.publish_offers": False}, {"markups": _LADDER, "context": "scarcity"}),
    ],
)
def test_q_learning_that_remembers_what_all_asked(
    who: str, more: dict[str, Any], parameters: dict[str, Any]
) -> None:
    scenario = plain_market(noise=0.2, providers=3 if who == "a" else 2, **more)
    spec = {"name": "q_learning", "preset": "calvano", "decay": 0.02, **parameters}
    strategies: dict[str, Any] = {who: spec}
    batch = tf.Batch(scenario, seeds=SEEDS[:2], periods=20, strategies=strategies)
    assert batch.unvectorised == ()
    check_alone(batch, scenario, first=1, strategies=strategies)


@pytest.mark.parametrize(
    ("scenario", "more", "strategies", "reason"),
    [
        ("us5", {"nodes.chicago.grid_mw": 500}, {}, "limits: the market has site_limit"),
        ("us20_grid", {}, {}, "grid: power is cleared with or after the tokens"),
        ("eu_residency", {}, {}, "paths: rules hold from origin to server"),
        ("us5", {"market.pricing": "pay_as_bid"}, {}, "market.pricing: pay_as_bid settles one market at a time"),
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
        "limits", "activities", "routing", "expanded", "security", "pricing", "offer_slope", "value_slope"
    } == set(_ROWS)  # fmt: skip


def test_networks_and_shared_power_are_cleared_one_by_one_and_all_else_as_arrays() -> None:
    for scenario, periods in (("us5", 2), ("us20_oligopoly", 2)):
        batch = tf.Batch(
            scenario,
            seeds=(1, 2),
            periods=periods,
            strategies={"providers": "ucb1", "owners": "congestion_tariff"},
        )
        assert batch.unvectorised == ()
        check_alone(
            batch, tf.load_scenario(scenario), strategies={"providers": "ucb1", "owners": "congestion_tariff"}
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
