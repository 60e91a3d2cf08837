"""Site limits and limits of one's own over several periods of a simulation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

import tokenflow_sim as tf
from tokenflow_sim.errors import InputError, MarketError, ResultError

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


def run(periods: int = 2, limits: Any = (), **overrides: Any) -> xr.Dataset:
    model = tf.TokenMarket("us5", rng=1, periods=periods, overrides=OPEN | overrides, limits=limits)
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


def test_the_contract_test_passes_what_keeps_to_it_and_lists_what_does_not() -> None:
    tf.testing.check_limit(Cap, most=2.0)
    tf.testing.check_limit(Zones(0.5))

    class Wrong(Cap):
        """Negative."""

        def capacity(self, view: tf.LimitView) -> float:
            return -1.0

    with pytest.raises(AssertionError, match="pickled"):
        tf.testing.check_limit(Wrong)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (["cap"], "must be a limit's class as module:Class; found 'cap'"),
        (["mod:Cap"], "runs only where you allow it"),
        ([3], "must be a tf.Limit"),
        ([tf.Limit], "lacks the method capacity, use"),
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


def test_results_say_that_limits_have_to_be_given_again() -> None:
    results = run(limits=[Cap(2.0)])
    with pytest.raises(ResultError, match="give them again as `limits`"):
        tf.TokenMarket.from_results(results)
    again = tf.TokenMarket.from_results(results, limits=[Cap(2.0)])
    again.run()
    xr.testing.assert_equal(again.results().price, results.price)


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
