"""Carbon where a grid's generators emit: price, caps, budgets and marginal emissions, by hand and by differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tokenflow_sim as tf
from tests.test_grid_in_runs import TWO_BUSES, played, residuals
from tokenflow_sim.study import measures

# The west draws 45 MW of wind; 76 MW of the east's 136 are gas at 45 $/MWh and 0.4 t/MWh.
EMITTED = 0.4 * 76
CLEAN = {"grid.generators.water": {"bus": "east", "capacity_mw": 100, "cost": 100, "co2": 0}}


@pytest.fixture(scope="module")
def two() -> tf.Scenario:
    return tf.Scenario.from_yaml(TWO_BUSES).override({"network.arcs": {}, **CLEAN})


def adds_up(ds: Any) -> None:
    assert residuals(ds)[1] < 1e-9
    split = measures.welfare_split(ds)
    assert np.allclose(split["welfare"], ds["welfare"], rtol=1e-9)
    parts = sum(ds[name] for name in ds.data_vars if str(name).startswith("price_"))
    assert np.allclose(parts, ds["price"], rtol=1e-9)


def test_generators_pay_a_price_to_the_state_and_bus_prices_contain_it(two: tf.Scenario) -> None:
    free = played(two)
    for clearing in ("joint", "sequential"):
        ds = played(two, overrides={"carbon.price": 50, "grid.clearing": clearing})
        assert ds.bus_price.values == pytest.approx(np.array([[5.0, 65.0]] * 2), abs=1e-9)
        assert ds.generator_carbon_payment.sel(generator="gas").values == pytest.approx([50 * EMITTED] * 2)
        assert ds.generator_emissions.sum("generator").values == pytest.approx([EMITTED] * 2)
        assert ds.emission_price.values == pytest.approx(np.full((2, 2), 50.0))
        assert ds.generation_cost.sel(generator="gas").values == pytest.approx([76 * 65] * 2)
        # Nothing but money moves: the state has what generators pay.
        assert np.allclose(ds.welfare, free.welfare, rtol=1e-12)
        assert np.allclose(measures.welfare_split(ds)["state_surplus"], 50 * EMITTED)
        adds_up(ds)
    assert "generator_carbon_payment" not in free
    assert "carbon_payment" not in ds


def test_a_cap_on_generators_by_hand(two: tf.Scenario) -> None:
    cap = {"carbon.cap": {"all": {"tonnes": 20}, "loose": {"tonnes": 1e3}}}
    ds = played(two, overrides=cap | {"carbon.marginal": True})
    # 50 MW of gas are left: water makes the rest, and a permit is worth what it costs more, over 0.4 t.
    assert ds.carbon_rent.values == pytest.approx(np.array([[55 / 0.4, 0.0]] * 2), abs=1e-9)
    assert ds.bus_price.values[0] == pytest.approx([5.0, 100.0], abs=1e-9)
    assert ds.generation.values[0] == pytest.approx([105, 50, 26], abs=1e-9)
    assert ds.limit_income.sum("limit").values == pytest.approx([55 / 0.4 * 20] * 2)
    assert ds.generator_carbon_payment.sel(generator="gas").values == pytest.approx([55 / 0.4 * 20] * 2)
    assert np.allclose(measures.welfare_split(ds)["limit_surplus"], 55 / 0.4 * 20)
    assert np.allclose(ds.marginal_intensity, 0.0, atol=1e-9)
    adds_up(ds)
    with pytest.raises(tf.CarbonCapError, match=r"'all' allows 20 t, and at least 30\.4 t are emitted"):
        played(two, overrides=cap | {"grid.generators.water.capacity_mw": 0})
    budget: dict[str, Any] = {"tonnes": 40, "rule": "even"}
    for rule in ("even", "forecast"):
        spent = played(two, overrides={"carbon.budget": budget | {"rule": rule}})
        assert spent.carbon_rent.values == pytest.approx(np.full((2, 1), 55 / 0.4), abs=1e-9)
    adaptive = played(two, overrides={"carbon.budget": budget | {"rule": "adaptive_price", "gain": 100}})
    assert adaptive.emission_price.values[:, 0] == pytest.approx([0, 100 * (EMITTED / 20 - 1)])
    assert adaptive.bus_price.values[1, 1] == pytest.approx(45 + 0.4 * 52)
    adds_up(adaptive)


def test_one_more_token_and_one_more_megawatt_hour() -> None:
    two = tf.Scenario.from_yaml(TWO_BUSES).override({"periods": 1, "carbon.marginal": True, **CLEAN})
    rng, seen = np.random.default_rng(5), set()
    for _ in range(6):
        load, wind, limit = rng.uniform(50, 150), rng.uniform(60, 200), rng.uniform(10, 90)
        base: dict[str, Any] = {
            "grid.buses.east.load_mw": load,
            "grid.generators.wind.capacity_mw": wind,
            "grid.generators.coal": {"bus": "west", "capacity_mw": 300, "cost": 50, "co2": 0.9},
            "grid.lines.tie.limit_mw": limit,
        }
        ds = played(two, overrides=base)
        emitted = float(ds.generator_emissions.sum())
        step, found = 1e-3, []
        for changes, one in (
            ({"nodes.a.demand_weight": 1 + step}, ds.marginal_emissions[0, 0, 0] * 3600),
            ({"nodes.b.demand_weight": 1 + step}, ds.marginal_emissions[0, 1, 0] * 3600),
            ({"grid.buses.west.load_mw": step}, ds.marginal_intensity[0, 0] / 1000),
            ({"grid.buses.east.load_mw": load + step}, ds.marginal_intensity[0, 1] / 1000),
        ):
            more = float(played(two, overrides=base | changes).generator_emissions.sum())
            assert (more - emitted) / step == pytest.approx(float(one), abs=1e-6), changes
            found.append(round(float(one), 3))
        seen.add(tuple(found))
    assert len(seen) > 1


def test_intensities_that_are_given_hold_and_nothing_counts_twice(two: tf.Scenario) -> None:
    given = {"nodes.a.carbon_intensity": 100, "nodes.b.carbon_intensity": 300}
    ds = played(two, overrides=given | {"carbon.price": 20})
    assert ds.emissions.values[0, :, 0] == pytest.approx([45 * 0.1, 36 * 0.3])
    assert ds.carbon_payment.values[0, :, 0] == pytest.approx([20 * 4.5, 20 * 10.8])
    assert ds.bus_price.values[0] == pytest.approx([5.0, 45.0])  # generators pay nothing
    assert "generator_carbon_payment" not in ds


def test_what_has_no_meaning_is_refused_at_once(two: tf.Scenario) -> None:
    changes: dict[str, Any] = {
        "grid.clearing": "sequential",
        "carbon.prices": "period,a\n0,1\n1,1\n",
        "carbon.cap": {"west": {"tonnes": 5, "nodes": ["a"]}},
        "carbon.budget": {"tonnes": 5},
        "carbon.marginal": True,
    }
    with pytest.raises(tf.ScenarioError) as refused:
        two.override(changes)
    told = str(refused.value)
    assert "has 5 faults" in told
    for line in (
        "carbon.prices: are by node, and the grid's generators emit",
        "carbon.cap.west.nodes: names places, and the grid's generators emit",
        "carbon.cap: needs `grid.clearing: joint`",
        "carbon.budget: needs `grid.clearing: joint`",
        "carbon.marginal: needs `grid.clearing: joint`",
    ):
        assert line in told
    with pytest.raises(tf.ScenarioError, match="or all generators of the grid a `co2`"):
        two.override({"grid.generators.water.co2": None, "carbon.price": 5})
