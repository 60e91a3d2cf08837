"""Intervals against scipy, and what they do with failed and with equal runs."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import tokenflow_sim as tf
from tokenflow_sim.study.statistics import holm, interval, paired


def runs(values: np.ndarray) -> xr.DataArray:
    coords = {"strategy": ["a", "b"], "seed": range(values.shape[1])}
    return xr.DataArray(values, dims=("strategy", "seed"), coords=coords)


def test_paired_differences_are_those_of_the_paired_t_test() -> None:
    rng = np.random.default_rng(3)
    common = rng.normal(0, 10, 12)
    values = np.array([common, common + rng.normal(0.5, 1, 12)])
    found = paired(runs(values), "strategy", "a", confidence=0.9).sel(strategy="b")
    told = stats.ttest_rel(values[1], values[0])
    low, high = told.confidence_interval(0.9)
    assert [float(found[name]) for name in ("lower", "upper", "p_value")] == pytest.approx(
        [low, high, told.pvalue]
    )
    assert float(found.upper - found.lower) < 0.3 * (
        stats.ttest_ind(*values).confidence_interval(0.9).high * 2
    )


def test_the_interval_covers_the_mean_as_often_as_it_says() -> None:
    values = np.random.default_rng(5).normal(2.0, 3.0, (8, 4000))
    found = interval(values, 0.9)
    covered = ((found.lower <= 2.0) & (found.upper >= 2.0)).mean()
    assert covered == pytest.approx(0.9, abs=0.015)


def test_failed_runs_are_left_out_pair_by_pair() -> None:
    values = np.array([[1.0, 2.0, np.nan, 4.0], [2.0, np.nan, 3.0, 6.0]])
    found = paired(runs(values), "strategy", "a").sel(strategy="b")
    assert float(found.pairs) == 2
    assert float(found["mean"]) == 1.5
    single = paired(runs(values[:, :1]), "strategy", "a").sel(strategy="b")
    assert float(single["mean"]) == 1.0
    assert np.isnan([single.lower, single.upper, single.p_value]).all()


def test_rounding_is_no_difference_and_an_equal_one_is_sure() -> None:
    values = np.array([[0.1 + 0.2, 1e9], [0.3, 1e9 + 1e-7]])
    same = paired(runs(values), "strategy", "a").sel(strategy="b")
    assert [float(same[name]) for name in ("mean", "lower", "upper", "p_value")] == [0.0, 0.0, 0.0, 1.0]
    sure = paired(runs(np.array([[1.0, 2.0], [2.0, 3.0]])), "strategy", "a").sel(strategy="b")
    assert [float(sure[name]) for name in ("mean", "lower", "upper", "p_value")] == [1.0, 1.0, 1.0, 0.0]


def test_bootstrap_is_near_student_for_normal_numbers_and_repeats() -> None:
    values = np.random.default_rng(1).normal(1.0, 1.0, (30, 2))
    one, other = (interval(values, method="bootstrap") for _ in range(2))
    np.testing.assert_array_equal(one.lower, other.lower)
    np.testing.assert_allclose(one.lower, interval(values).lower, atol=0.06)
    assert (one.lower != interval(values).lower).all()


def test_holms_correction_by_hand() -> None:
    # Sorted 0.005, 0.01, 0.03, 0.04, times 4, 3, 2 and 1: 0.02, 0.03, 0.06, 0.04, the last not below the one before.
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.5, 0.6]), [1.0, 1.0])
    assert holm([0.04]) == 0.04
    # A test that could not be made does not count; columns are families of their own.
    found = holm(np.array([[0.01, 0.3], [np.nan, 0.2], [0.04, 0.1]]))
    np.testing.assert_allclose(found, [[0.02, 0.4], [np.nan, 0.4], [0.04, 0.3]])


def test_holm_keeps_the_chance_of_any_false_finding() -> None:
    rng = np.random.default_rng(4)
    independent = rng.random((5, 20000))
    assert (holm(independent).min(axis=0) <= 0.05).mean() == pytest.approx(1 - (1 - 0.01) ** 5, abs=0.005)
    assert (independent.min(axis=0) <= 0.05).mean() > 0.2


def test_paired_differences_are_adjusted_for_all_but_the_baseline() -> None:
    values = np.random.default_rng(7).normal(0, 1, (3, 9)) + np.array([[0.0], [0.9], [1.4]])
    array = xr.DataArray(values, {"strategy": ["a", "b", "c"]}, ("strategy", "seed"))
    found = paired(array, "strategy", "b")
    others = found.sel(strategy=["a", "c"])
    np.testing.assert_allclose(others["p_value_holm"], holm(others["p_value"]))
    assert float(found["p_value_holm"].sel(strategy="b")) == 1.0


def test_faults_are_told() -> None:
    with pytest.raises(tf.InputError, match=r"(?s)between 0 and 1; found 2.*unknown method 'z'"):
        interval([1.0, 2.0], 2.0, "z")  # type: ignore[arg-type]
