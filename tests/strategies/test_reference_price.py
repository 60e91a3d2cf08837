"""The reference price of demand: the scenario's own, whoever plays; and what that makes of welfare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.strategies.toys import demand_view, scarce_node
from tests.study.games import small
from tokenflow_sim.scenario import Scenario
from tokenflow_sim.scenario.expectation import reference_periods, reference_price
from tokenflow_sim.strategies.churn import Churn
from tokenflow_sim.study import measures

MARKUPS = (0.0, 0.1, 0.5, 2.0, 9.0)


_CLEARERS: dict[Any, Any] = {}
"""One for each structure of a market: building it takes longer than these runs."""


def run(scenario: Any, markup: float = 0.0, regions: Any = "price_elastic", **given: Any) -> xr.Dataset:
    strategies = {"providers": {"name": "fixed_markup", "markup": markup}, "regions": regions}
    model = tf.TokenMarket(scenario, **{"rng": 1, "strategies": strategies, **given})
    house = model.clearing_house
    house.clearer = _CLEARERS.get(house.layout)
    model.run()
    _CLEARERS[house.layout] = house.clearer
    return model.results()


def daily() -> Scenario:
    """Return one node with a cheap fleet for the night and a dear one for the day, without noise."""
    hourly = [0.5 if hour < 12 else 1.5 for hour in range(24)]
    return scarce_node(cheap=(1.0, 1.0), dear=(3.0, 3.0), hourly=hourly).override({"periods": 336})


def test_it_is_what_users_would_pay_were_everybody_truthful() -> None:
    scenario = small().override({"demand.hourly": {"chat": [0.5] * 8 + [1.0] * 8 + [2.0] * 8}})
    hours = [7 * number for number in range(24)]  # each hour of the day once
    assert list(reference_periods(scenario.compiled)) == hours
    markets = [scenario.market(hour) for hour in hours]
    clearer = tf.Clearer(markets[0])
    price = np.stack([clearer.clear(market).price.values for market in markets])
    demand = np.stack([market.demand.values for market in markets]).reshape(price.shape)
    expected = (price * demand).sum(axis=0) / demand.sum(axis=0)
    np.testing.assert_allclose(reference_price(scenario.compiled), expected, rtol=1e-12)
    assert len(np.unique(np.round(price[:, :, 0], 6))) > 2  # prices do move


def test_by_hand() -> None:
    # Half a Mtok/s at 1 $ by night, one and a half at 3 $ by day.
    assert reference_price(daily().compiled)[0, 0] == pytest.approx((0.5 * 1 + 1.5 * 3) / 2)
    idle = daily().override({"demand.scale": 0})
    assert reference_price(idle.compiled)[0, 0] == pytest.approx(1.0)  # the plain mean where nobody asks


@pytest.mark.parametrize(("hours", "periods"), [(1.0, 24), (24.0, 7), (0.25, 24), (720.0, 1)])
def test_it_takes_a_week_in_at_most_twenty_four_clearings(hours: float, periods: int) -> None:
    found = reference_periods(daily().override({"hours": hours}).compiled)
    assert len(found) == periods
    assert found[-1] * hours < 168


def test_it_is_the_same_whatever_is_played_with_whatever_seed_for_however_long(tmp_path: Path) -> None:
    first = run(small(), 0.0)
    for markup, given in ((3.0, {}), (0.0, {"rng": 7}), (0.5, {"periods": 2})):
        other = run(small(), markup, **given)
        np.testing.assert_array_equal(first.reference_price, other.reference_price)
    np.testing.assert_array_equal(measures.truthful(run(small(), 3.0)).reference_price, first.reference_price)
    assert first.reference_price.dims == ("node", "workload")
    assert first.reference_price.attrs["units"] == "$/Mtok"
    run(small(), out=tmp_path / "run.nc")
    with tf.load_results(tmp_path / "run.nc") as kept:
        xr.testing.assert_identical(kept.reference_price, first.reference_price)
        assert "reference_price" in kept.coords


@pytest.mark.parametrize(
    ("regions", "is_asked"),
    [
        ("inelastic", False),
        ("churn", True),
        ({"name": "price_elastic", "reference_price": 1.0}, False),
        ({"name": "chain", "strategies": ["growth", "churn"]}, True),
        ({"name": "by_workload", "classes": {"chat": "price_elastic"}}, True),
    ],
)
def test_results_have_it_where_it_is_asked_for(regions: Any, is_asked: bool) -> None:
    assert ("reference_price" in run(small(), regions=regions, periods=1).coords) == is_asked


def test_a_view_without_a_scenario_has_none() -> None:
    assert np.isnan(demand_view([[1.0, 2.0]], workloads=("a", "b")).reference_price).all()


def test_where_expected_demand_cannot_be_served_that_is_told() -> None:
    tight = scarce_node(demand=3.0).override({"market.must_serve": True})
    with pytest.raises(
        tf.ScenarioError, match=r"(?s)no truthful market .* in period 0.*give .* `reference_price`"
    ):
        run(tight, periods=1)
    given = {"name": "price_elastic", "reference_price": 2.0, "elasticity": -2.0}
    assert float(run(tight, regions=given, periods=1).price[0, 0, 0]) == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("form", "elasticity", "must_serve"),
    [("constant", -0.2, False), ("constant", -1.0, True), ("linear", -3.0, False), ("linear", -0.5, True)],
)
def test_a_markup_never_raises_welfare(form: str, must_serve: bool, elasticity: float) -> None:
    regions = {"name": "price_elastic", "elasticity": elasticity, "form": form}
    scenario = small(**{"market.must_serve": must_serve, "demand.scale": 0.6})
    welfare = [run(scenario, markup, regions).welfare.values for markup in MARKUPS]
    # Period by period, not only over the run: with W welfare and C true cost, W - m C is at its greatest at mark-up m.
    falls = np.diff(welfare, axis=0)
    assert (falls <= 1e-7 * np.abs(welfare[0])).all()
    assert falls.sum() < 0
    # A mark-up of one alone may not beat the truthful market either.
    alone = {"providers": "marginal_cost", "ada": {"name": "fixed_markup", "markup": 1.0}, "regions": regions}
    lone = run(scenario, strategies=alone).welfare.values
    assert (lone <= welfare[0] + 1e-7 * np.abs(welfare[0])).all()


def test_a_markup_of_nine_hundred_per_cent_lowers_welfare() -> None:
    without, with_it = (
        float(run("us5", markup, overrides={"market.must_serve": False}, periods=3).welfare.sum())
        for markup in (0.0, 9.0)
    )
    assert with_it < 0.8 * without


def test_truthful_users_want_what_the_scenario_says() -> None:
    scenario = scarce_node(demand=1.5, dear=(3.0, 5.0))  # one price at all hours
    ds = run(scenario, periods=3)
    np.testing.assert_allclose((ds.demand - ds.unserved).sum("step"), 1.5)


def test_nobody_leaves_or_comes_over_a_cycle_that_nobody_changed() -> None:
    churn = {"name": "churn", "memory": 168.0, "adjustment": 48.0, "elasticity": -2.0}
    expected = daily()
    users = {
        markup: run(expected, markup, churn).demand.values[:, 0, 0]
        / np.array([expected.compiled.state(hour).demand[0, 0] for hour in range(336)])
        for markup in (0.0, 0.5)
    }
    assert users[0.0][168:].mean() == pytest.approx(1.0, abs=0.03)
    assert users[0.5][-1] < 0.7


def test_churn_loses_welfare_to_a_markup_where_service_has_a_value() -> None:
    churn = {"name": "churn", "memory": 12.0, "adjustment": 12.0, "elasticity": -1.0}
    welfare = [float(run(daily(), markup, churn, periods=72).welfare.sum()) for markup in (0.0, 0.1, 0.5)]
    assert (np.diff(welfare) < 0).all()
    # Where it must be served it has none: who leaves then spares cost, and welfare rises. It is not to be compared.
    serve = daily().override({"market.must_serve": True})
    sparing = [float(run(serve, markup, churn, periods=72).welfare.sum()) for markup in (0.0, 0.5)]
    assert sparing[1] > sparing[0]


def test_users_remember_prices_by_what_they_asked_for() -> None:
    # From 3 $ on one Mtok/s, 1 $ at one and 3.5 $ at two, each hour half of what is remembered: 2 $ for one, then
    # (2 + 7) / 2 for (1 + 2) / 2, which is 3 $ again, where by hours it would be 2.75 $.
    churn = Churn(-1.0, reference_price=3.0, memory=1.0, adjustment=0.0)
    churn.bid(demand_view([[1.0]]))
    early = churn.bid(demand_view([[2.0]], last_price=np.array([[1.0]])))
    assert early.quantity[0, 0] == pytest.approx(2 * np.exp(1 / 3))
    late = churn.bid(demand_view([[2.0]], last_price=np.array([[3.5]])))
    assert late.quantity[0, 0] == pytest.approx(2.0)
