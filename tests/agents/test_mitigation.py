"""Market-power mitigation by hand: caps, and the three-pivotal-supplier test with networks and classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.strategies.oligopoly import oligopoly
from tokenflow_sim.market.pivotal import ResidualSupply
from tokenflow_sim.scenario import Scenario

HIGH = {"providers": {"name": "fixed_markup", "markup": 4.0}}


def run(scenario: Scenario, rules: dict[str, Any], **given: Any) -> xr.Dataset:
    model = tf.TokenMarket(
        scenario, rng=1, periods=given.pop("periods", 1), overrides={"market.mitigation": rules},
        strategies=given.pop("strategies", HIGH), **given,
    )  # fmt: skip
    model.run()
    return model.results().isel(workload=0)


def test_the_joint_index_is_the_sum_of_all_but_the_tested_and_the_largest_others() -> None:
    supply = np.array([4.0, 3.0, 2.0, 1.0, 0.5])
    # With three: of firm 4 the rest less 4 and 3; the largest three lack each other.
    expected = {1: supply.sum() - supply, 3: [1.5, 1.5, 1.5, 2.5, 3.0]}
    for suppliers, rest in expected.items():
        assert ResidualSupply(supply, np.float64(2.0), -1).jointly(suppliers) == pytest.approx(
            np.array(rest) / 2
        )
    by_class = ResidualSupply(np.stack([supply, supply[::-1]], axis=1), np.array([2.0, 0.0]), -2)
    assert by_class.jointly(3)[:, 0] == pytest.approx(np.array(expected[3]) / 2)
    assert np.isinf(by_class.jointly(3)[:, 1]).all()
    assert by_class.jointly(1)[:, :1] == pytest.approx(by_class.index[:, :1])
    assert ResidualSupply(supply[:2], np.float64(1.0), -1).jointly(3).tolist() == [0.0, 0.0]


def test_offers_above_the_cap_are_set_to_it_or_to_a_higher_true_cost() -> None:
    scenario = oligopoly({"cheap": (1.0, 2.0, "here"), "dear": (7.0, 9.0, "here")}, demand=4.0)
    ds = run(scenario, {"offer_cap": 3.0})
    assert ds["submitted_price"].values.tolist() == [[5.0, 35.0]]
    assert ds["offer_price"].values.tolist() == [[3.0, 7.0]]
    assert ds["mitigated"].values.tolist() == [[1.0, 1.0]]
    assert ds["failed_test"].values.tolist() == [[0.0, 0.0]]
    assert float(ds["price"].squeeze()) == pytest.approx(7.0)
    # By class: another class has no cap.
    assert run(scenario, {"offer_cap": {"chat": 40.0}})["mitigated"].values.tolist() == [[0.0, 0.0]]


def test_service_is_lost_at_the_price_cap_also_where_it_must_be_served() -> None:
    scenario = oligopoly({"cheap": (1.0, 2.0, "here"), "dear": (7.0, 9.0, "here")}, demand=4.0)
    for must in (True, False):
        ds = run(scenario.override({"market.must_serve": must}), {"price_cap": 6.0})
        assert float(ds["price"].squeeze()) == pytest.approx(6.0)
        assert float(ds["unserved"].sum()) == pytest.approx(2.0)
        # Welfare counts what service is truly worth, 100.
        assert float(ds["welfare"].squeeze()) == pytest.approx((0 if must else 100 * 2 * 3600) - 2 * 3600)


# Offers of 3, 2, 2 and 1.5 and a demand of 1: with three taken out, 1.5 are left where the smallest is not tested.
FLEET = {"a": (1.0, 3.0, "here"), "b": (1.0, 2.0, "here"), "c": (1.0, 2.0, "here"), "d": (1.0, 1.5, "here")}


@pytest.mark.parametrize(
    ("demand", "suppliers", "fails"),
    [
        (1.4, 3, [0, 0, 0, 0]),
        (1.5, 3, [1, 1, 1, 0]),  # an index of 1 fails, as in PJM
        (1.6, 3, [1, 1, 1, 0]),  # of d the two largest others leave c's 2
        (2.1, 3, [1, 1, 1, 1]),
        (5.4, 1, [0, 0, 0, 0]),
        (5.5, 1, [1, 0, 0, 0]),
        (5.6, 1, [1, 0, 0, 0]),
    ],
)
def test_those_who_fail_offer_at_their_reference_levels(
    demand: float, suppliers: int, fails: list[int]
) -> None:
    ds = run(oligopoly(FLEET, demand=demand), {"pivotal_suppliers": suppliers, "adder": 0.25})
    assert ds["failed_test"].values.tolist() == [fails]
    assert ds["mitigated"].values.tolist() == [fails]
    assert ds["offer_price"].values.tolist() == [[1.25 if fail else 5.0 for fail in fails]]
    sold = sum(size for (_, size, _), fail in zip(FLEET.values(), fails, strict=True) if fail)
    assert float(ds["price"].squeeze()) == pytest.approx(1.25 if sold >= demand else 5.0)


def test_offers_below_the_reference_level_stay_and_the_published_market_is_what_was_cleared() -> None:
    scenario = oligopoly(FLEET, demand=3.0, periods=2)
    rules = {"pivotal_suppliers": 3}
    low = run(
        scenario, rules, strategies={"a": {"name": "fixed_markup", "markup": 0.05}, "b": HIGH["providers"]}
    )
    assert low["offer_price"].values == pytest.approx(np.array([[1.05, 1.1, 1.0, 1.0]]))
    assert low["mitigated"].values.tolist() == [[0, 1, 0, 0]]
    assert low["failed_test"].values.tolist() == [[1, 1, 1, 1]]
    model = tf.TokenMarket(scenario, rng=1, overrides={"market.mitigation": rules}, strategies=HIGH)
    model.step()
    market = model.view("a").last_market
    assert market is not None
    assert market.arrays.offer_price.ravel() == pytest.approx([1.1] * 4)
    whole = tf.TokenMarket(scenario, rng=1, overrides={"market.mitigation": rules}, strategies=HIGH)
    whole.run()
    model.run()
    assert model.results().equals(whole.results())


def test_a_full_link_makes_a_market_of_its_own() -> None:
    firms = {f"{name}{node}": (1.0, 4.0, node) for name in "abcd" for node in ("west",)} | {
        "local": (1.0, 4.0, "east")
    }
    wide = oligopoly(firms, nodes=("west", "east"), link=100.0, demand=3.0)
    # One market: 20 offered, 12 taken out, 8 left for a demand of 6.
    assert run(wide, {"pivotal_suppliers": 3})["failed_test"].values.sum() == 0
    thin = oligopoly(firms, nodes=("west", "east"), link=1.0, demand=2.9)
    cheap = {
        "local": {"name": "fixed_markup", "markup": 8.0},
        "providers": {"name": "fixed_markup", "markup": 4.0},
    }
    ds = run(thin, {"pivotal_suppliers": 3}, strategies=cheap)
    # In the east the link brings in 1 of 2.9, and nobody else has the rest; in the west 4 are left for 3.9.
    assert ds["failed_test"].sel(asset=ds["asset_provider"] == "local").values.tolist() == [[1.0]]
    assert ds["failed_test"].values.sum() == 1 + 0
    assert float(ds["offer_price"].sel(asset=ds["asset_provider"] == "local").squeeze()) == pytest.approx(1.1)
    # A rule that has nothing to replace changes nothing.
    plain = tf.TokenMarket(wide, rng=1, periods=1, strategies=HIGH)
    plain.run()
    same = run(wide, {"pivotal_suppliers": 3})
    assert same[list(plain.results())].equals(plain.results().isel(workload=0))
