"""Carbon in a run, by hand: caps and their rent, prices, budgets, and who pays whom."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.scenario.test_carbon import CLEAN, DIRTY, TEXT
from tokenflow_sim.study import measures

PRICES = "period,north,south\n0,10,10\n1,100,100\n"
CAP = 0.0027 * 3600  # t in a period of an hour: half of 0.3 Mtok/s at each site


def run(changes: dict[str, Any], periods: int = 1) -> xr.Dataset:
    scenario = tf.Scenario.from_yaml(TEXT).override({"periods": periods, **changes})
    model = tf.TokenMarket(scenario, rng=1)
    model.run()
    return model.results()


def whole(ds: xr.Dataset) -> None:
    """Money in is money out, the parts of prices add up, and shares of welfare too."""
    paid_out = (
        ds["revenue"].sum()
        + ds["link_income"].sum()
        + (ds["limit_income"].sum() if "limit_income" in ds else 0)
    )
    assert float(ds["payment"].sum()) == pytest.approx(float(paid_out), rel=1e-9)
    parts = sum(ds[name] for name in ds.data_vars if str(name).startswith("price_"))
    assert np.allclose(parts, ds["price"], rtol=1e-12)
    assert np.allclose(measures.welfare_split(ds)["welfare"], ds["welfare"], rtol=1e-9)


def test_a_cap_at_two_sites_by_hand() -> None:
    ds = run({"carbon.cap": CAP})
    # North costs 1.5 and emits five times what south does, which costs 1.8 and 0.06 to reach:
    # 1.5 + 0.015 r = 1.86 + 0.003 r.
    assert ds["carbon_rent"].values == pytest.approx(np.array([[30.0]]), rel=1e-9)
    assert ds["dispatch"].values.ravel() == pytest.approx([0.15, 0.15], rel=1e-9)
    assert ds["price"].values.ravel()[:2] == pytest.approx([1.95, 1.89], rel=1e-9)
    assert ds["emissions"].sum() == pytest.approx(CAP, rel=1e-9)
    assert ds["limit_income"].values == pytest.approx(np.array([[30 * CAP]]), rel=1e-9)
    assert ds["payee"].values.tolist() == ["state"]
    assert ds["price_limits"].values.ravel()[:2] == pytest.approx([30 * DIRTY, 30 * CLEAN], rel=1e-9)
    assert ds["carbon_rent"].attrs["units"] == "$/t"
    whole(ds)
    # Offsets bound the rent.
    offset = run({"carbon.cap": {"all": {"tonnes": CAP, "offset_price": 12}}})
    assert offset["carbon_rent"].values == pytest.approx(np.array([[12.0]]), rel=1e-9)
    assert offset["dispatch"].values.ravel() == pytest.approx([0.3, 0.0], abs=1e-12)
    assert float(offset["welfare"].sum()) == pytest.approx(-(0.3 * 1.5 + (0.3 * DIRTY - 0.0027) * 12) * 3600)
    whole(offset)


def test_a_price_of_the_caps_rent_gives_the_same_dispatch() -> None:
    curved = {"market.congestion_curvature": 0.4}
    capped = run(curved | {"carbon.cap": CAP})
    rent = float(capped["carbon_rent"].sum())
    priced = run(curved | {"carbon.price": rent})
    assert rent == pytest.approx((0.36 + 0.4 * 0.15) / (DIRTY - CLEAN), rel=1e-7)
    for name in ("dispatch", "flow", "price", "welfare", "emissions"):
        assert np.allclose(priced[name], capped[name], rtol=1e-6), name
    # The state has the same of it, as a charge or for permits.
    assert float(priced["carbon_payment"].sum()) == pytest.approx(rent * CAP, rel=1e-6)
    assert float(capped["limit_income"].sum()) == pytest.approx(rent * CAP, rel=1e-6)
    assert np.allclose(priced["price_carbon"].values.ravel()[:2], rent * np.array([DIRTY, CLEAN]), rtol=1e-6)
    assert np.allclose(priced["price_markup"], 0.0, atol=1e-12)
    assert np.allclose(
        measures.welfare_split(priced)["state_surplus"], priced["carbon_payment"].sum(["asset", "workload"])
    )
    whole(priced)


def test_a_budget_by_each_rule() -> None:
    budget = {"tonnes": 4 * CAP}
    even = run({"carbon.budget": budget}, 4)
    assert even["carbon_zone"].values.tolist() == ["budget"]
    assert np.allclose(even["carbon_rent"], 30.0)
    assert float(even["emissions"].sum()) == pytest.approx(4 * CAP, rel=1e-9)
    # What a quiet period leaves is shared by those after it.
    series = "period,node,chat\n" + "".join(f"{t},north,{d}\n" for t, d in enumerate((0.05, 0.3, 0.3, 0.3)))
    quiet = run({"carbon.budget": budget, "demand.series": series, "nodes.north.demand_weight": 0}, 4)
    emitted = quiet["emissions"].sum(["asset", "workload"]).values
    left = 4 * CAP - 0.05 * DIRTY * 3600
    assert emitted == pytest.approx([0.05 * DIRTY * 3600, left / 3, left / 3, left / 3], rel=1e-9)
    adaptive = run({"carbon.budget": {**budget, "rule": "adaptive_price", "gain": 60.0}}, 4)
    # At no price all is served in the north: 0.3 x 0.015 is 5/3 of the share, and the price rises by 60 x 2/3.
    prices = adaptive["emission_price"].sel(node="north").values
    assert prices[:2] == pytest.approx([0.0, 40.0])
    spent = adaptive["emissions"].sum(["asset", "workload"]).values
    assert spent[:2] == pytest.approx([0.3 * DIRTY * 3600, 0.3 * CLEAN * 3600])
    assert prices[2] == pytest.approx(max(0.0, 40 + 60 * (spent[1] / CAP - 1)))
    assert np.allclose(measures.offer_markup(adaptive), 0.0, atol=1e-12)
    for ds in (even, quiet, adaptive):
        whole(ds)


def test_how_near_an_adaptive_price_comes_to_its_budget() -> None:
    """By hand: one more $/t saves 0.012^2 / 0.4 x 3600 = 1.296 t, so that gains below 15 settle, at 35 $/t."""
    periods, start = 40, 30.0
    budget = {"tonnes": periods * CAP, "rule": "adaptive_price", "start_price": start}
    for gain, settles in ((7.5, True), (12.0, True), (18.0, False)):
        changes = {"market.congestion_curvature": 0.4, "carbon.budget": budget | {"gain": gain}}
        ds = run(changes, periods)
        prices = ds["emission_price"].sel(node="north").values
        spent = ds["emissions"].sum(["asset", "workload"]).values
        last = prices[-1] + gain * (spent[-1] / CAP - 1)
        assert (prices[-10:] == pytest.approx(35.0, abs=0.01)) == settles, gain
        # No price falls to zero here, so that the bound is met with equality.
        assert spent.sum() == pytest.approx(periods * CAP * (1 + (last - start) / (gain * periods)), rel=1e-9)
        if settles:
            assert spent.sum() <= periods * CAP * 1.017


def test_marginal_emissions_are_recorded_by_choice() -> None:
    ds = run({"carbon.marginal": True, "nodes.south.demand_weight": 0.1, "carbon.prices": PRICES}, 2)
    found = ds["marginal_emissions"].sel(workload="chat").transpose("period", "node").values[:, :2]
    # At 10 $/t the north serves its own; at 100 $/t the south does.
    assert np.allclose(found, [[DIRTY, CLEAN], [CLEAN, CLEAN]], rtol=1e-9)
    assert ds["marginal_emissions"].attrs["units"] == "t/Mtok"
    assert "marginal_emissions" not in run({"carbon.price": 1})
    with pytest.raises(tf.ScenarioError, match="needs a linear market"):
        run({"carbon.marginal": True, "market.congestion_curvature": 1})


def test_a_run_with_a_budget_goes_on_where_it_stood() -> None:
    for rule in ("even", "adaptive_price"):
        scenario = tf.Scenario.from_yaml(TEXT).override({"carbon.budget": {"tonnes": 3 * CAP, "rule": rule}})
        first, second = (tf.TokenMarket(scenario, rng=1) for _ in range(2))
        first.step()
        first.step()
        second.set_state(first.get_state())
        first.run()
        second.run()
        later = second.results()
        assert np.array_equal(first.results()["emissions"].sel(period=later["period"]), later["emissions"])
