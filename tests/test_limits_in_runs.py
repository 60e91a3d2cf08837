"""Site limits and limits of a user over several periods of a simulation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.limits_given import OPEN, Cap, Zones, run
from tests.study.tiny import TEXT
from tokenflow_sim.errors import InputError, MarketError, ResultError
from tokenflow_sim.testing import limit_contract


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the file of a market of two nodes; two periods show what four do, at half the time."""
    monkeypatch.setattr(limit_contract, "_PERIODS", 2)
    path = tmp_path / "tiny.yaml"
    path.write_text(TEXT)
    return str(path)


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
        ([{"limit": "tests.limits_given:Cap", "mots": 3}], "runs no code unless you allow it"),
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
        ("tests.limits_given:Nix", "unknown limit 'Nix'"),
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
