"""Site limits and limits of a user over several periods of a simulation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.study.tiny import TEXT
from tokenflow_sim.errors import InputError, MarketError, ResultError, ScenarioError
from tokenflow_sim.scenario import Scenario
from tokenflow_sim.study.checkpoint import run_resumable
from tokenflow_sim.testing import limit_contract

OPEN = {"market.must_serve": False}


class Cap(tf.Limit):
    """Power of all sites together, another one in every second period."""

    rent, rent_unit, unit = "cap_price", "$/s per MW", "MW"

    def __init__(self, most: float = 100.0, payee: str | None = None) -> None:
        self.most = most
        self.payee = payee  # type: ignore[misc]

    def use(self, view: tf.LimitView) -> xr.DataArray:
        assert view.power_use is not None
        return view.power_use

    def capacity(self, view: tf.LimitView) -> float:
        return self.most * (1 + view.period % 2)


class Zones(Cap):
    """Power by zone, the second of which holds two sites, with more of it for sale."""

    dim, rent = "zone", "zone_rent"

    def use(self, view: tf.LimitView) -> xr.DataArray:
        zone = xr.DataArray(["a", "b"], dims="zone", coords={"zone": ["a", "b"]})
        of = xr.where(view.assets["node"].to_xarray() == "dallas", "a", "b")
        assert view.power_use is not None
        return view.power_use * (of == zone)

    def supply(self, view: tf.LimitView) -> tuple[xr.DataArray, xr.DataArray]:
        return xr.DataArray([0.01, 0.02], dims="tranche"), xr.DataArray([1.0, np.inf], dims="tranche")


class Unnamed(Cap):
    """Its dual is called after its name in the scenario."""

    rent = ""


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the file of a market of two nodes; two periods show what four do, at half the time."""
    monkeypatch.setattr(limit_contract, "_PERIODS", 2)
    path = tmp_path / "tiny.yaml"
    path.write_text(TEXT)
    return str(path)


def run(
    periods: int = 2, limits: Any = (), overrides_too: dict[str, Any] | None = None, **overrides: Any
) -> xr.Dataset:
    overrides = OPEN | overrides | (overrides_too or {})
    allow = overrides_too is not None
    model = tf.TokenMarket(
        "us5", rng=1, periods=periods, overrides=overrides, limits=limits, allow_code=allow
    )
    model.run()
    return model.results()


def check(results: xr.Dataset) -> None:
    parts = sum(results[name] for name in results if str(name).startswith("price_"))
    xr.testing.assert_allclose(parts, results.price, rtol=1e-9, atol=1e-9)
    earned = results.revenue.sum() + results.link_income.sum() + results.limit_income.sum()
    assert float(earned) == pytest.approx(float(results.payment.sum()), rel=1e-9)
    assert float(results.certificate.max()) <= 1e-7


def test_a_site_limit_is_met_priced_and_settled() -> None:
    free = run()
    use = tf.load_scenario("us5").compiled.power_use
    drawn = (free.dispatch[0] * use).sum("workload").groupby("asset_node").sum()
    assert "site_rent" not in free
    results = run(**{"nodes.dallas.grid_mw": 0.5 * float(drawn.sel(asset_node="dallas"))})
    check(results)
    now = (results.dispatch * use).sum("workload").groupby("asset_node").sum()
    np.testing.assert_allclose(now.sel(asset_node="dallas"), 0.5 * float(drawn.sel(asset_node="dallas")))
    assert (results.site_rent.sel(node="dallas") > 0).all()
    assert (results.site_rent.drop_sel(node="dallas") == 0).all()
    assert results.site_rent.attrs["units"] == "$/s per MW"
    # The rent stays with the assets: nobody else is paid.
    assert float(results.limit_income.sum()) == 0.0
    assert results.limit.values.tolist() == ["site_limit"]


def test_a_limit_of_ones_own_is_asked_for_its_capacity_in_every_period() -> None:
    results = run(limits=[Cap(2.0)])
    check(results)
    use = tf.load_scenario("us5").compiled.power_use
    np.testing.assert_allclose((results.dispatch * use).sum(["asset", "workload"]), [2.0, 4.0])
    assert results.cap_price.dims == ("period",)
    assert (results.cap_price > 0).all()
    assert (results.price_limits > 0).any()


def test_a_payee_is_paid_the_rent_on_all_that_is_used() -> None:
    kept, paid = run(limits=[Cap(2.0)]), run(limits=[Cap(2.0, payee="grid")])
    check(paid)
    xr.testing.assert_equal(kept.price, paid.price)
    due = paid.cap_price * np.array([2.0, 4.0]) * 3600
    np.testing.assert_allclose(paid.limit_income.sel(limit="cap"), due)
    assert float(kept.profit.sum() - paid.profit.sum()) == pytest.approx(float(due.sum()))
    assert paid.payee.values.tolist() == ["grid"]


def test_what_can_be_bought_costs_its_step_and_counts_in_welfare() -> None:
    results = run(limits=[Zones(0.5)])
    check(results)
    assert results.zone_rent.dims == ("period", "zone")
    assert results.zone.values.tolist() == ["a", "b"]
    use = tf.load_scenario("us5").compiled.power_use
    drawn = (results.dispatch * use).sum("workload")
    in_a = results.asset_node == "dallas"
    by_zone = np.stack([drawn.where(in_a).sum("asset"), drawn.where(~in_a).sum("asset")], axis=1)
    free = np.array([[0.5], [1.0]])
    bought = np.maximum(by_zone - free, 0.0)
    expected = np.where(bought > 1.0, 0.02, np.where(bought > 0.0, 0.01, np.nan))
    known = ~np.isnan(expected)
    np.testing.assert_allclose(results.zone_rent.values[known], expected[known])
    cost = (0.01 * np.minimum(bought, 1.0) + 0.02 * np.maximum(bought - 1.0, 0.0)).sum(axis=1) * 3600
    value = results.service_value.sum(["node", "workload"]) - results.cost.sum(["asset", "workload"])
    transport = results.service_value.sum() * 0  # us5's routes are free here but for their own cost
    route = tf.load_scenario("us5").override(OPEN).market().arrays.route_cost
    transport = (results.flow * route).sum(["arc", "workload"]) * 3600
    np.testing.assert_allclose(results.welfare, value - transport - cost, rtol=1e-9)


def test_the_contract_test_passes_what_keeps_to_it_and_lists_what_does_not(small: str) -> None:
    tf.testing.check_limit(Cap, scenario=small, most=2.0)
    tf.testing.check_limit(Zones(0.5), scenario=small)

    class Wrong(Cap):
        """Negative."""

        def capacity(self, view: tf.LimitView) -> float:
            return -1.0

    with pytest.raises(AssertionError, match="pickled"):
        tf.testing.check_limit(Wrong, scenario=small)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (["cap"], "must be a limit's class as module:Class; found 'cap'"),
        (["mod:Cap"], "runs no code unless you allow it"),
        ([3], "must be a tf.Limit"),
        ([tf.Limit], "lacks the method capacity, use"),
        ([{"limit": "tests.test_limits_in_runs:Cap", "mots": 3}], "runs no code unless you allow it"),
    ],
)
def test_what_is_no_limit_is_refused(limits: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        run(limits=limits)


def test_all_faults_of_a_limit_are_listed() -> None:
    class Lost(Cap):
        """Uses what is not there."""

        def use(self, view: tf.LimitView) -> xr.DataArray:
            return xr.DataArray([[1.0]], {"asset": ["nowhere"], "workload": ["chess"]}, ("asset", "workload"))

    with pytest.raises(MarketError) as caught:
        run(limits=[Lost()])
    assert "unknown asset 'nowhere'" in str(caught.value)
    assert "unknown workload 'chess'" in str(caught.value)
    with pytest.raises(MarketError, match="two limits have a dual of this name, 'cap_price'"):
        run(limits=[Cap(), Cap()])


def test_results_make_a_limit_again_where_code_is_allowed() -> None:
    results = run(limits=[Cap(2.0)])
    with pytest.raises(InputError, match="runs no code unless you allow it"):
        tf.TokenMarket.from_results(results)
    for again in (
        tf.TokenMarket.from_results(results, allow_code=True),
        tf.TokenMarket.from_results(results, limits=[Cap(2.0)]),
    ):
        again.run()
        xr.testing.assert_equal(again.results().price, results.price)


def test_results_say_that_a_limit_without_a_name_has_to_be_given_again() -> None:
    class Local(Cap):
        """Nobody can import it."""

    results = run(limits=[Local(2.0)])
    with pytest.raises(ResultError, match="give them again as `limits`"):
        tf.TokenMarket.from_results(results)
    again = tf.TokenMarket.from_results(results, limits=[Local(2.0)])
    again.run()
    xr.testing.assert_equal(again.results().price, results.price)


HERE = "tests.test_limits_in_runs:Cap"
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
    class_ = "tests.test_limits_in_runs:Unnamed"
    limits = {"East side": {"limit": class_, "most": 2.0}, "west": {"limit": class_, "most": 50.0}}
    results = run(overrides_too={"limits": limits})
    assert results.limit.values.tolist() == ["east_side", "west"]
    assert float(results.east_side_rent.min()) > 0 == float(results.west_rent.max())


def test_all_faults_of_limits_and_strategies_of_a_scenario_are_told_at_once() -> None:
    limits = {
        "a": {"limit": HERE, "mots": 3},
        "b": {"limit": HERE, "most": "many"},
        "c": {"limit": "tests.test_limits_in_runs:Nix"},
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


class Negative(Cap):
    """There is less than nothing."""

    def capacity(self, view: tf.LimitView) -> float:
        return -1.0


class Forgetful(Cap):
    def use(self, view: tf.LimitView) -> xr.DataArray:
        return super().use(view)


Forgetful.__doc__ = None


class Restless(Cap):
    """Has another capacity whenever it is asked."""

    asked = 0

    def capacity(self, view: tf.LimitView) -> float:
        Restless.asked += 1
        return 1.0 + 0.1 * Restless.asked


class Needy(Cap):
    """Cannot be made without being told."""

    def __init__(self, most: float) -> None:
        super().__init__(most)


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        (Negative, "must be numbers from zero on; found -1"),
        (Forgetful, "it has no docstring"),
        (Restless, "differs between two runs of one seed"),
        (Needy, "it cannot be made and pickled"),
        ("tests.test_limits_in_runs:Nix", "unknown limit 'Nix'"),
    ],
)
def test_the_contract_test_says_what_a_limit_does_not_keep_to(limit: Any, said: str, small: str) -> None:
    with pytest.raises(AssertionError, match=said):
        tf.testing.check_limit(limit, scenario=small)


@pytest.mark.parametrize(
    "rent", ["price", "dispatch", "price_x", "welfare", "period", "site_rent", "limit_income"]
)
def test_a_dual_hides_no_result(rent: str) -> None:
    class Hiding(Cap):
        """Takes a name that results have."""

    Hiding.rent = rent
    with pytest.raises(MarketError, match=f"'{rent}' is a name that results have already"):
        run(limits=[Hiding()])


@pytest.mark.parametrize("dim", ["arc", "workload", "price"])
def test_a_dim_that_use_does_not_have_is_refused(dim: str) -> None:
    class Elsewhere(Cap):
        """By something that assets do not have."""

    Elsewhere.dim = dim
    with pytest.raises(MarketError, match="dim"):
        run(limits=[Elsewhere()])


def test_an_error_of_a_limit_names_it_and_the_period() -> None:
    class Late(Cap):
        """Fails in the second period."""

        def capacity(self, view: tf.LimitView) -> float:
            return 5.0 / (1 - view.period)

    with pytest.raises(MarketError, match=r"limit 'Late'.*\n.*capacity raised ZeroDivisionError.*period 1"):
        run(limits=[Late()])


def test_measures_count_what_payees_get() -> None:
    from tokenflow_sim.study import measures

    results = run(limits=[Cap(2.0, payee="grid")])
    split = measures.welfare_split(results)
    xr.testing.assert_allclose(split.welfare.drop_attrs(), results.welfare.drop_attrs(), rtol=1e-9)
    np.testing.assert_allclose(split.limit_surplus, results.limit_income.sum("limit"), rtol=1e-9)
    residual = measures.revenue_adequacy(results).residual
    assert float(abs(residual).max()) <= 1e-9 * float(results.payment.sum())
