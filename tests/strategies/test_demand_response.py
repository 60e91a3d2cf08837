"""Demand that responds to prices: hand-worked curves, users who leave and return, and what it does to a market."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy.integrate import quad

from tests.strategies.toys import demand_view, scarce_node
from tokenflow_sim.errors import ScenarioError, StrategyError
from tokenflow_sim.model import TokenMarket
from tokenflow_sim.scenario import Scenario
from tokenflow_sim.strategies.churn import Churn
from tokenflow_sim.strategies.elastic import YEAR, Growth, PriceElastic, SteppedDemand, curve
from tokenflow_sim.strategies.registry import make

FORMS = ("constant", "linear")


def steps_of(strategy: PriceElastic, demand: float = 1.0, value: float = 100.0) -> tuple[Any, Any]:
    bid = strategy.bid(demand_view([[demand]], value=[[value]]))
    return bid.quantity[0, 0], bid.value[0, 0]


def wanted(strategy: PriceElastic, price: float) -> float:
    quantity, value = steps_of(strategy)
    return float(quantity[value >= price].sum())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("elasticity", [-0.2, -0.5, -1.0, -2.5])
def test_the_elasticity_is_that_of_the_finite_difference_at_the_reference_price(
    form: Any, elasticity: float
) -> None:
    strategy = PriceElastic(elasticity, reference_price=4.0, form=form, most=1.5, steps=4001)
    up, down = wanted(strategy, 4.0 * 1.05), wanted(strategy, 4.0 / 1.05)
    if form == "constant":
        assert math.log(up / down) / math.log(1.05**2) == pytest.approx(elasticity, rel=0.02)
    else:
        assert (up - down) / (1.05 - 1 / 1.05) == pytest.approx(elasticity, rel=0.02)
    assert wanted(strategy, 4.0) == pytest.approx(1.0, abs=1e-3)


def test_linear_steps_are_those_worked_by_hand() -> None:
    # q = 2 - p / 4: choke price 8, two wanted at zero; two steps of 1/2 above the reference quantity of one, at the
    # mid prices 7 and 5, and one below it at 2.
    quantity, value = steps_of(PriceElastic(-1.0, reference_price=4.0, form="linear", most=9, steps=4))
    assert quantity == pytest.approx([0, 1 / 2, 1 / 2, 1])
    assert value[1:] == pytest.approx([7, 5, 2])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("elasticity", "most", "steps"),
    [(-0.5, 1.5, 8), (-0.1, 3.0, 3), (-4.0, 1.01, 9), (-1.0, 1.0, 5), (-0.3, 1.5, 2)],
)
def test_an_edge_of_the_steps_lies_at_the_reference_quantity(
    form: Any, elasticity: float, most: float, steps: int
) -> None:
    strategy = PriceElastic(elasticity, reference_price=4.0, form=form, most=most, steps=steps)
    quantity, value = steps_of(strategy, demand=3.0)
    assert np.abs(quantity.cumsum() - 3.0).min() < 1e-12
    assert (np.diff(value) <= 0).all()
    assert quantity.min() >= 0
    # At the reference price exactly what the scenario says is wanted: the step before is worth more, the next less.
    assert float(quantity[value >= 4.0].sum()) == pytest.approx(3.0, abs=1e-12)
    full = 3.0 * (most if form == "constant" else min(most, 1 - elasticity)) if steps > 2 else 3.0
    assert quantity.sum() == pytest.approx(full)


def test_what_no_price_deters_is_bid_at_the_value_of_lost_service() -> None:
    # constant elasticity -1/2, ceiling 4 x 2 $: half of demand stays at any price
    quantity, value = steps_of(PriceElastic(-0.5, reference_price=2.0, ceiling=4.0, steps=3), value=math.inf)
    assert (quantity[0], value[0]) == (0.5, math.inf)
    assert quantity.sum() == pytest.approx(1.5)
    assert value[1:].max() <= 8.0


@pytest.mark.parametrize("elasticity", [-0.3, -1.0 + 1e-13, -1.0, -4.0])
def test_steps_have_the_area_of_the_curve(elasticity: float) -> None:
    quantity, worth = curve(np.array([[elasticity]]), np.array([[6.0]]), 1.4, 7, "constant")
    area, _ = quad(lambda q: q ** (1 / elasticity), quantity[0, 0], 1.4)
    assert float((quantity[:, 1:] * worth).sum()) == pytest.approx(area, rel=1e-9)


def test_demand_beyond_its_value_is_never_bid_dearer_than_that() -> None:
    quantity, value = steps_of(PriceElastic(-0.5, reference_price=4.0), value=3.0)
    assert value.max() == 3.0
    assert quantity[0] == pytest.approx((3 / 4) ** -0.5)


def test_a_class_left_out_does_not_respond() -> None:
    strategy = PriceElastic({"b": -0.5}, reference_price=1.0)
    bid = strategy.bid(demand_view([[1.0, 2.0]], workloads=("a", "b")))
    assert list(bid.quantity[0, 0]) == [1.0] + 7 * [0.0]
    assert bid.quantity[0, 1].sum() == pytest.approx(3.0)


def test_stepped_demand_bids_its_schedule() -> None:
    strategy = SteppedDemand({"b": [(0.5, None), (0.3, 1.2), (0.4, 0.0)]})
    bid = strategy.bid(demand_view([[1.0, 2.0]], value=[[9.0, 9.0]], workloads=("a", "b")))
    assert bid.quantity[0].tolist() == [[1.0, 0.0, 0.0], [1.0, 0.6, 0.8]]
    assert bid.value[0, 1].tolist() == [9.0, 1.2, 0.0]


@pytest.mark.parametrize(
    "strategy", [PriceElastic({"chatt": -1.0}, 1.0), SteppedDemand({"chatt": [(1.0, 2.0)]})]
)
def test_a_class_that_there_is_not_is_told(strategy: Any) -> None:
    with pytest.raises(StrategyError, match=r"unknown workload 'chatt'; .* mean 'chat'"):
        strategy.bid(demand_view([[1.0]], workloads=("chat",)))


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (
            {"name": "price_elastic", "elasticity": 0.5},
            "elasticity must be a finite number of at most 0; found 0.5",
        ),
        ({"name": "price_elastic", "elasticity": {"chat": 1}}, "elasticity['chat'] must be"),
        ({"name": "price_elastic", "most": 0.5}, "most must be a finite number of at least 1; found 0.5"),
        ({"name": "price_elastic", "steps": 1}, "steps must be at least 2"),
        ({"name": "price_elastic", "form": "cubic"}, "'constant', 'linear' or 'affine'"),
        ({"name": "stepped_demand", "schedule": [[0.5, -1]]}, "a price must be finite and not negative"),
        ({"name": "stepped_demand", "schedule": []}, "schedule has no steps"),
        ({"name": "growth", "rate": -1}, "rate must be"),
        ({"name": "growth", "form": "logistic", "limit": 0.5}, "limit must be"),
        ({"name": "churn", "adoption": 1}, "adoption must lie between 0 and 1"),
        ({"name": "churn", "least": 2, "most": 1}, "most must be a finite number of at least 2"),
        ({"name": "churn", "memory": -1}, "memory must be"),
    ],
)
def test_parameters_out_of_range_are_told(spec: dict[str, Any], told: str) -> None:
    with pytest.raises(StrategyError, match=re.escape(told)):
        make("region", spec)


def test_growth_compounds_and_logistic_growth_tends_to_its_limit() -> None:
    def factor(years: float, **given: Any) -> float:
        view = demand_view([[2.0]], period=round(years * YEAR))
        return float(Growth(**given).bid(view).quantity[0, 0]) / 2

    assert factor(0, rate=0.5) == 1.0
    assert factor(2, rate=0.5) == pytest.approx(2.25)
    assert factor(1, rate={"chat": -0.2}) == pytest.approx(0.8)
    logistic = {"rate": 0.5, "form": "logistic", "limit": 4.0}
    assert factor(0, **logistic) == pytest.approx(1.0)
    assert factor(1, **logistic) == pytest.approx(4 / (1 + 3 / 1.5))
    assert factor(60, **logistic) == pytest.approx(4.0, rel=1e-6)


@pytest.mark.parametrize(("form", "expected"), [("exponential", math.exp(-0.8)), ("logit", None)])
def test_users_go_to_their_long_run_number_by_half_lives(form: Any, expected: float | None) -> None:
    churn = Churn(-0.8, reference_price=2.0, form=form, adoption=0.4, memory=0, adjustment=10.0, least=0.0)
    if expected is None:
        slope = 0.8 / 0.6
        expected = 1 / (1 + 1.5 * math.exp(slope)) / 0.4
    numbers = [
        float(churn.bid(demand_view([[1.0]], last_price=np.array([[4.0]]))).quantity[0, 0])
        for _ in range(400)
    ]
    assert numbers[9] == pytest.approx(0.5 * (1 + expected))
    assert numbers[-1] == pytest.approx(expected)


@pytest.mark.parametrize("form", ["exponential", "logit"])
def test_the_long_run_elasticity_is_the_one_given(form: Any) -> None:
    churn = Churn(-0.7, reference_price=1.0, form=form, adoption=0.3)
    up, down = (float(churn.long_run(np.array([[r]]), np.array([-0.7]))[0, 0]) for r in (1.001, 0.999))
    assert (up - down) / 0.002 == pytest.approx(-0.7, rel=1e-4)
    assert float(churn.long_run(np.array([[1.0]]), np.array([-0.7]))[0, 0]) == pytest.approx(1.0)


def test_users_stay_within_their_bounds() -> None:
    churn = Churn(-50.0, reference_price=1.0, memory=0, adjustment=0, least=0.3, most=1.2)
    for price, number in ((9.0, 0.3), (0.0, 1.2), (1e6, 0.3)):
        bid = churn.bid(demand_view([[1.0]], last_price=np.array([[price]])))
        assert bid.quantity[0, 0] == pytest.approx(number)


def run(scenario: Scenario, strategy: Any, periods: int) -> xr.Dataset:
    model = TokenMarket(scenario, rng=1, periods=periods, strategies={"regions": strategy})
    model.run()
    return model.results()


def test_churn_settles_where_users_fill_the_cheap_capacity() -> None:
    # Demand 1.5 against cheap capacity of 1 at 1 $, the rest at 3 $: with a reference of 2 $, users leave while
    # it costs 3 and come while it costs 1, so that in equilibrium two thirds of them fill the cheap fleet.
    scenario = scarce_node(demand=1.5, cheap=(1.0, 1.0), dear=(3.0, 5.0))
    churn = Churn(-1.0, reference_price=2.0, memory=6.0, adjustment=24.0)
    results = run(scenario, churn, 400)
    late = results.isel(period=slice(-100, None))
    assert float(late.demand.mean()) == pytest.approx(1.0, rel=0.03)
    # there the smoothed price is the one at which two thirds stay: exp(-(s / 2 - 1)) = 2 / 3
    assert float(late.price.mean()) == pytest.approx(2 * (1 + math.log(1.5)), rel=0.06)


@pytest.mark.parametrize("form", FORMS)
def test_elastic_demand_lowers_the_peak_price(form: Any) -> None:
    scenario = scarce_node(demand=1.5, cheap=(1.0, 1.0), dear=(3.0, 0.2), hourly=[0.4, 1.0])
    fixed = run(scenario, "inelastic", 4)
    elastic = run(scenario, PriceElastic(-0.5, reference_price=1.0, form=form), 4)
    assert fixed.price.values[:, 0, 0] == pytest.approx([1.0, 10.0, 1.0, 10.0])
    assert float(elastic.price.max()) < 5.0
    assert float(elastic.welfare.sum()) > 0


def test_faults_of_a_regions_strategy_are_told_with_their_place() -> None:
    with pytest.raises(ScenarioError, match=r"regions.a.strategy.elastcity: .*did you mean 'elasticity'"):
        TokenMarket(
            scarce_node(),
            overrides={"regions.a.strategy": "{name: price_elastic, elastcity: -1}"},
        )
