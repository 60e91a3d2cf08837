"""Intervals against scipy, and what they do with failed and with equal runs."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import tokenflow_sim as tf
from tokenflow_sim.study.statistics import interval, paired


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


def test_faults_are_told() -> None:
    with pytest.raises(tf.InputError, match=r"(?s)between 0 and 1; found 2.*unknown method 'z'"):
        interval([1.0, 2.0], 2.0, "z")  # type: ignore[arg-type]
