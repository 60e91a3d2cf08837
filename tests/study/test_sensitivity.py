"""Sensitivity: indices of functions whose indices are known, and of a market whose economics is."""

from __future__ import annotations

import numpy as np
import pytest

import tokenflow_sim as tf
from tests.study.tiny import tiny
from tokenflow_sim.study.sensitivity import _analyse, _sample, sensitivity

VARY = {"demand.scale": "uniform(1, 1.5)", "market.opex_adder": "uniform(0, 20)"}


def test_sobol_finds_the_indices_of_a_function_where_they_are_known() -> None:
    # y = a + 2 b + c (a - 1/2): by hand, the variance is (1 + 4) / 12 + cov terms of a c; checked in closed form
    unit = _sample("sobol", 3, 1024, 5)
    a, b, c = unit.T
    outcome = {"y": 4 * a + 2 * b, "interaction": (a - 0.5) * (c - 0.5), "constant": np.full(len(a), 3.0)}
    found = _analyse("sobol", unit, outcome, 1024, 0.95, 1)
    np.testing.assert_allclose(found["first_order"][:, 0], [16 / 20, 4 / 20, 0], atol=0.02)
    np.testing.assert_allclose(found["total"][:, 0], [16 / 20, 4 / 20, 0], atol=0.02)
    np.testing.assert_allclose(found["first_order"][:, 1], [0, 0, 0], atol=0.05)
    np.testing.assert_allclose(found["total"][:, 1], [1, 0, 1], atol=0.06)
    assert np.isnan(found["total"][:, 2]).all()
    assert (found["total_conf"][:2, 0] > 0).all()


def test_morris_finds_the_slopes_of_a_linear_function() -> None:
    unit = _sample("morris", 2, 6, 5)
    found = _analyse("morris", unit, {"y": 3 * unit[:, 0] - unit[:, 1]}, 6, 0.95, 1)
    np.testing.assert_allclose(found["mu_star"][:, 0], [3, 1])
    np.testing.assert_allclose(found["mu"][:, 0], [3, -1])
    np.testing.assert_allclose(found["sigma"][:, 0], 0, atol=1e-12)


def test_a_price_at_the_margin_depends_on_cost_alone() -> None:
    # With capacity to spare everywhere and one technology, price is cost: demand has no part in it.
    found = sensitivity(
        tiny(), VARY, kind="morris", samples=3, periods=1, outputs=["mean_price", "welfare_rate"]
    )
    assert found.dataset.sizes == {"parameter": 2, "output": 2}
    price = found.dataset.sel(output="mean_price[chat]")
    assert float(price["mu_star"].sel(parameter="demand.scale")) == pytest.approx(0, abs=1e-9)
    # $20 per MW-hour more, spread over 0.1 Mtok/s a MW
    assert float(price["mu_star"].sel(parameter="market.opex_adder")) == pytest.approx(20 / 360, rel=1e-6)
    assert found.table["parameter"].tolist()[0] == "market.opex_adder"
    assert found.sweep.dataset.sizes["point"] == 9
    assert "morris" in repr(found)


def test_samples_with_holes_are_refused() -> None:
    wide = {**VARY, "demand.scale": "uniform(1, 40)"}
    with pytest.raises(
        tf.ResultError, match=r"runs of the sample failed.*must_serve=false(.|\n)*again: tokenflow run"
    ):
        sensitivity(tiny(), wide, samples=2, periods=1)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(tf.InputError) as caught:
        sensitivity(
            tiny(), {"demand.scale": [1, 2]}, samples=3, outputs=["mean_prize"], confidence=2, seeds=0
        )
    text = str(caught.value)
    for told in ("needs a distribution", "two paths or more", "power of two", "did you mean 'mean_price'",
                 "between 0 and 1", "from 1 on"):  # fmt: skip
        assert told in text
    with pytest.raises(tf.InputError, match="known kinds: sobol, morris"):
        sensitivity(tiny(), VARY, kind="moris")  # type: ignore[arg-type]
