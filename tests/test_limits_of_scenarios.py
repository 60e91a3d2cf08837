"""Limits that stand in a scenario: kept as text, told of with other faults, and played by studies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.limits_given import OPEN, Cap, run
from tokenflow_sim.errors import InputError, ScenarioError
from tokenflow_sim.scenario import Scenario
from tokenflow_sim.study.checkpoint import run_resumable

HERE = "tests.limits_given:Cap"
CAPPED = OPEN | {"limits": {"cap": {"limit": HERE, "most": 2.0}}}


def capped(periods: int = 2) -> Scenario:
    return tf.load_scenario("us5").override(CAPPED | {"periods": periods})


def test_a_limit_of_a_scenario_clears_as_one_that_is_given() -> None:
    model = tf.TokenMarket(capped(), rng=1, allow_code=True)
    model.run()
    results, given = model.results(), run(limits=[Cap(2.0)])
    xr.testing.assert_equal(results.drop_attrs(), given.drop_attrs())
    again = tf.TokenMarket.from_results(results, allow_code=True)
    again.run()
    xr.testing.assert_identical(again.results(), results)


def test_a_scenario_keeps_its_limits_as_text() -> None:
    scenario = capped()
    assert tf.Scenario.from_yaml(scenario.to_yaml()) == scenario
    assert scenario.override({"limits.cap.most": "7"}).limits["cap"].parameters == {"most": 7}
    # Another class has other parameters.
    other = scenario.override({"limits.cap.limit": "elsewhere:Other", "limits.cap.price": 3})
    assert other.limits["cap"].as_dict() == {"limit": "elsewhere:Other", "price": 3}
    assert scenario.override({"limits.cap": HERE}).limits["cap"].parameters == {}


def test_one_class_may_stand_in_a_scenario_twice() -> None:
    class_ = "tests.limits_given:Unnamed"
    limits = {"East side": {"limit": class_, "most": 2.0}, "west": {"limit": class_, "most": 50.0}}
    results = run(overrides_too={"limits": limits})
    assert results.limit.values.tolist() == ["east_side", "west"]
    assert float(results.east_side_rent.min()) > 0 == float(results.west_rent.max())


def test_all_faults_of_limits_and_strategies_of_a_scenario_are_told_at_once() -> None:
    limits = {
        "a": {"limit": HERE, "mots": 3},
        "b": {"limit": HERE, "most": "many"},
        "c": {"limit": "tests.limits_given:Nix"},
        "d": {"limit": "nowhere:Cap"},
    }
    with pytest.raises(ScenarioError) as caught:
        run(overrides_too={"limits": limits, "providers.dallas_dc.strategy": "nix"})
    places = [fault.place for fault in caught.value.faults]
    assert places == [
        "limits.a.mots", "limits.b.most", "limits.c.limit", "limits.d.limit", "providers.dallas_dc.strategy.name",
    ]  # fmt: skip
    with pytest.raises(ScenarioError, match="is no limit's class: write module:Class"):
        tf.load_scenario("us5").override({"limits": {"cap": "cap"}})


def test_studies_play_with_the_limits_of_a_scenario(tmp_path: Path) -> None:
    scenario, store = capped(), tmp_path / "swept.zarr"
    kept = {"periods": 2, "allow_code": True}
    swept = tf.sweep(scenario, {"limits.cap.most": [1.0, 2.0]}, record=["cap_price"], out=store, **kept)
    np.testing.assert_array_equal(
        swept.dataset.cap_price.values[1, 0], run(limits=[Cap(2.0)]).cap_price.values
    )
    resumed = tf.sweep(
        scenario, {"limits.cap.most": [1.0, 2.0]}, record=["cap_price"], out=store, resume=True, **kept
    )
    xr.testing.assert_equal(resumed.dataset.cap_price.load(), swept.dataset.cap_price.load())
    free = tf.compare("us5", ["marginal_cost", "fixed_markup"], seeds=2, periods=2, overrides=OPEN)
    compared = tf.compare(
        scenario, ["marginal_cost", "fixed_markup"], seeds=2, baseline="fixed_markup", **kept
    )
    ranked = tf.tournament(scenario, ["marginal_cost", "fixed_markup"], seeds=2, **kept)
    assert compared.baseline == "fixed_markup"
    assert (compared.dataset.welfare_rate < free.dataset.welfare_rate).all()
    assert np.isfinite(ranked.payoff).all()
    varied = {"limits.cap.most": "uniform(1,3)", "demand.scale": "uniform(1,2)"}
    found = tf.sensitivity(scenario, varied, kind="morris", samples=2, outputs=["welfare_rate"], **kept)
    assert (found.table.set_index("parameter").mu_star["limits.cap.most"] > 0).all()
    with pytest.raises(InputError, match="runs no code unless you allow it"):
        tf.sweep(scenario, {"demand.scale": [1.0]}, periods=2)


def test_an_equilibrium_is_looked_for_within_the_limits_of_a_scenario() -> None:
    options = {"by": "provider", "points": 5, "levels": 0, "random": 0}
    found = tf.equilibrium(capped(), ["dallas_dc"], allow_code=True, **options)
    state = tf.TokenMarket(capped(1), rng=1, allow_code=True)
    state.run()
    truthful = float(state.results().profit.sel(provider="dallas_dc")[0])
    assert float(found.dataset.truthful_profit.sel(provider="dallas_dc")) == pytest.approx(truthful)


def test_a_run_with_a_limit_goes_on_from_a_checkpoint(tmp_path: Path) -> None:
    class Stop(Exception):
        """As a power cut."""

    def stop(done: int, _: int) -> None:
        if done == 2:
            raise Stop

    def model() -> tf.TokenMarket:
        return tf.TokenMarket(capped(4), rng=1, allow_code=True)

    out = tmp_path / "run.nc"
    with pytest.raises(Stop):
        run_resumable(model(), out, every=1, progress=stop)
    whole = model()
    whole.run()
    resumed = run_resumable(model(), out, every=1, resume=True)
    xr.testing.assert_equal(resumed.load(), whole.results())
