"""What contracts and mitigation do to games, tournaments and comparisons: by hand, and against runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tokenflow_sim as tf
from tests.strategies.oligopoly import oligopoly
from tokenflow_sim.errors import MarketError
from tokenflow_sim.scenario import Scenario
from tokenflow_sim.study.measures.earnings import earnings

CONTRACTS: dict[str, Any] = {
    "hedge": {"seller": "one", "buyer": "region:here", "node": "here", "workload": "chat"}
    | {"quantity": [2, 1, 0], "price": 5},
    "swap": {"seller": "two", "buyer": "one", "node": "here", "workload": "chat", "quantity": 1, "price": 7}
    | {"first": 1},
}
ACTIONS = {"one": [0.0, 9.0], "two": [1.0, 14.0], "regions.here": [0.0, 0.5]}


def duopoly(**changes: Any) -> Scenario:
    """Return two firms of cost 1 and capacity 3 that serve 5 Mtok/s, worth 20."""
    firms = {"one": (1.0, 3.0, "here"), "two": (1.0, 3.0, "here")}
    return oligopoly(firms, demand=5.0, value=20.0, periods=3).override({"hours": 0.5, **changes})


@pytest.mark.parametrize(
    ("scenario", "changes", "player"),
    [("eu_residency", {}, "continental"), ("us20_grid", {"carbon.price": 50.0}, "ember")],
)
def test_welfare_of_games_is_that_of_runs_where_emissions_are_paid_for(
    scenario: str, changes: dict[str, Any], player: str
) -> None:
    quiet = {f"demand.noise.volatility.{name}": 0.0 for name in ("chat", "image", "code", "batch")}
    settings = tf.load_scenario(scenario, changes | (quiet if scenario == "us20_grid" else {}))
    truthful = {"providers": "marginal_cost", "regions": "inelastic"}
    model = tf.TokenMarket(settings, rng=0, periods=1, strategies=truthful, record=["welfare"])
    model.run()
    game = tf.game(settings, actions={player: [0.0]})
    assert game.dataset.welfare.item() == pytest.approx(model.results().welfare.item(), rel=1e-9)


def test_payoffs_of_games_have_what_contracts_bring() -> None:
    bare, hedged = duopoly(), duopoly(contracts=CONTRACTS)
    for period, sold in ((0, (2, 0)), (1, (1, 1))):
        plain = tf.game(bare, actions=ACTIONS, period=period).dataset
        found = tf.game(hedged, actions=ACTIONS, period=period).dataset
        price = plain["price"].squeeze(["node", "workload"]).values
        hedge, swap = (5 - price) * sold[0] * 3600, (7 - price) * sold[1] * 3600
        gained = found["payoff"] - plain["payoff"]
        brought = {"one": hedge - swap, "two": swap, "regions.here": -hedge}
        for name, expected in brought.items():
            np.testing.assert_allclose(gained.sel(provider=name), expected, atol=1e-9)
        np.testing.assert_array_equal(found["welfare"], plain["welfare"])
        assert found.attrs["digest"] != plain.attrs["digest"]
        assert found["price"].equals(plain["price"])
    strategies = {
        "one": {"name": "fixed_markup", "markup": 9.0},
        "two": {"name": "fixed_markup", "markup": 1.0},
    }
    model = tf.TokenMarket(hedged, rng=0, strategies=strategies)
    model.run()
    run = earnings(model.results()).isel(period=1).values / 0.5
    own = found["payoff"].sel(provider=["one", "two"])
    np.testing.assert_allclose(own.isel({dim: 0 for dim in own.dims[1:3]}).values[1], run, rtol=1e-12)


def test_who_has_sold_everything_forward_has_no_reason_to_raise_the_price() -> None:
    """Either firm is pivotal, and asks for 20 unless it has sold 3 forward: a price of 1 is the only equilibrium."""
    sold = {"node": "here", "workload": "chat", "quantity": 3, "price": 2}
    hedged = duopoly(contracts={name: sold | {"seller": name} for name in ("one", "two")})
    options: dict[str, Any] = {"points": 5, "levels": 0, "start": 0.0}
    free = tf.equilibrium(duopoly(), **options)
    assert float(free.dataset["price"].squeeze()) == pytest.approx(20.0)
    found = tf.equilibrium(hedged, **options)
    assert found.converged
    assert float(found.dataset["price"].squeeze()) == pytest.approx(1.0)
    # The contract alone: (2 - 1) x 3; the market brings nothing.
    assert found.dataset["profit"].values == pytest.approx([3 * 3600] * 2)


@pytest.mark.parametrize(
    ("rules", "price"),
    [
        ({"offer_cap": 6.0}, [[2.0, 6.0], [6.0, 6.0]]),
        ({"pivotal_suppliers": 1, "adder": 0.5}, [[1.5, 1.5], [1.5, 1.5]]),
        ({"price_cap": 12.0}, [[2.0, 12.0], [10.0, 12.0]]),
    ],
)
def test_games_are_cleared_under_mitigation(rules: dict[str, Any], price: list[list[float]]) -> None:
    actions = {name: ACTIONS[name] for name in ("one", "two")}
    changes = {"market.mitigation": rules, "market.must_serve": True}
    found = tf.game(duopoly(**changes), actions=actions).dataset
    assert found["price"].squeeze(["node", "workload"]).values == pytest.approx(np.array(price))
    model = tf.TokenMarket(
        duopoly(**changes), rng=0, periods=1,
        strategies={"one": {"name": "fixed_markup", "markup": 9.0}, "two": {"name": "fixed_markup", "markup": 14.0}},
    )  # fmt: skip
    model.run()
    ds = model.results().isel(period=0)
    np.testing.assert_allclose(found["payoff"].values[1, 1], ds["profit"] / 0.5, rtol=1e-12)
    assert float(found["welfare"].values[1, 1]) == pytest.approx(float(ds["welfare"]) / 0.5)


def test_tournaments_and_comparisons_count_contracts() -> None:
    hedged = duopoly(contracts=CONTRACTS, periods=2)
    choices = ["marginal_cost", {"name": "fixed_markup", "markup": 0.5}]
    found = tf.tournament(hedged, choices, seeds=1).dataset["payoff"]
    compared = tf.compare(hedged, choices, provider="one", seeds=1).dataset["profit_rate"]
    model = tf.TokenMarket(hedged, rng=0, strategies={"providers": "marginal_cost"})
    model.run()
    mean = earnings(model.results()).mean("period").values / 0.5
    assert (model.results()["profit"].values == 0).all()
    assert (mean != 0).all()
    np.testing.assert_allclose(found[0, 0, 0], mean, rtol=1e-12)
    np.testing.assert_allclose(compared[0, 0], mean, rtol=1e-12)


def test_a_price_cap_is_refused_where_bids_fall_along_a_line() -> None:
    base = oligopoly({"one": (1.0, 9.0, "here")}, demand=5.0, periods=1)
    affine = {"name": "price_elastic", "form": "affine", "elasticity": -1, "reference_price": 5}
    for cap, refused in ((6.0, True), (1e9, False)):
        changes = {"market.mitigation": {"price_cap": cap}, "market.must_serve": False}
        model = tf.TokenMarket(base.override(changes), rng=1, strategies={"regions": affine})
        if refused:
            with pytest.raises(
                MarketError, match=r"price_cap: has no meaning for affine bids .* 'chat' at 'here'"
            ):
                model.run()
        else:
            model.run()


def test_a_price_cap_with_each_pricing_rule() -> None:
    """Demand of 5 meets 2 at cost 1 and 2 at cost 7, and a cap of 6 below the value of 100."""
    firms = {"cheap": (1.0, 2.0, "here"), "dear": (7.0, 2.0, "here"), "fair": (4.0, 1.0, "here")}
    base = oligopoly(firms, demand=5.0, periods=1).override({"market.mitigation": {"price_cap": 6.0}})
    # Of 3 that are served, cheap asks for 2 at 1 and fair for 1 at 4; 2 are lost at the cap.
    paid = {
        "lmp": [12.0, 0.0, 6.0],
        "pay_as_bid": [2.0, 0.0, 4.0],
        "vcg": [12.0, 0.0, 6.0],  # without either, its service is lost at 6, dear costing 7
        "k_double_auction": [2 * (1 + 6) / 2, 0.0, (4 + 6) / 2],
    }
    for rule, expected in paid.items():
        for must in (True, False):
            model = tf.TokenMarket(base.override({"market.pricing": rule, "market.must_serve": must}), rng=1)
            model.run()
            ds = model.results().isel(period=0)
            assert (ds["revenue"].squeeze("workload") / 3600).values == pytest.approx(expected), rule
            assert float(ds["unserved"].sum()) == pytest.approx(2.0)
            budget = float(ds["operator_budget"]) if rule != "lmp" else 0.0
            assert float(ds["payment"].sum()) == pytest.approx(float(ds["revenue"].sum()) + budget)
            assert float(ds["payment"].sum()) <= 6.0 * 3 * 3600 + 1e-6
