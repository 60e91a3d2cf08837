"""Which seeds count where runs failed: by hand, and against trying all sets of candidates."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import xarray as xr

from tokenflow_sim.study.common import common_of, common_seeds, comparable, rankable, seeds_text


def test_means_are_over_the_seeds_that_all_finished() -> None:
    finished = np.array([[1, 1, 1, 1], [1, 0, 1, 1], [1, 1, 1, 0]], dtype=bool)
    kept, seeds = common_seeds(finished)
    assert kept.all()
    assert seeds.tolist() == [True, False, True, False]


def test_who_finished_nothing_is_left_out_even_a_baseline() -> None:
    finished = np.array([[0, 0, 0], [1, 1, 0], [1, 1, 1]], dtype=bool)
    for first in (None, 0):
        kept, seeds = common_seeds(finished, first)
        assert kept.tolist() == [False, True, True]
        assert seeds.tolist() == [True, True, False]
    kept, seeds = common_seeds(np.zeros((2, 3), dtype=bool))
    assert not kept.any()
    assert not seeds.any()


def test_of_candidates_without_a_common_seed_the_baseline_stays() -> None:
    finished = np.array([[0, 1, 1], [1, 0, 0]], dtype=bool)
    assert common_seeds(finished)[0].tolist() == [True, False]
    assert common_seeds(finished, 1)[0].tolist() == [False, True]


def test_the_candidates_kept_have_a_common_seed_and_no_further_one_shares_it() -> None:
    rng = np.random.default_rng(2)
    for _ in range(200):
        finished = rng.random((4, 5)) < 0.5
        kept, seeds = common_seeds(finished)
        assert np.array_equal(seeds, finished[kept].all(axis=0) & kept.any())
        assert seeds.any() == finished.any()
        if not kept.all() and kept.any():  # the next in order would leave no seed
            best = finished[~kept].sum(axis=1).argmax()
            assert not (seeds & finished[~kept][best]).any()


def test_one_strategy_that_always_fails_leaves_the_others_to_be_ranked() -> None:
    finished = np.ones((3, 3, 2), dtype=bool)
    finished[1] = finished[:, 1] = False
    kept, seeds = rankable(finished)
    assert kept.tolist() == [True, False, True]
    assert seeds.all()
    assert not rankable(np.zeros((3, 3, 2), dtype=bool))[0].any()


def test_strategies_that_are_ranked_met_each_other_under_every_seed_that_counts() -> None:
    rng = np.random.default_rng(3)
    for _ in range(100):
        finished = rng.random((4, 4, 3)) < 0.8
        kept, seeds = rankable(finished)
        part = finished[np.ix_(kept, kept)]
        assert np.array_equal(seeds, part.all(axis=(0, 1)) & kept.any())
        whole = [
            group
            for size in range(1, 5)
            for group in combinations(range(4), size)
            if finished[np.ix_(group, group)].all(axis=(0, 1)).any()
        ]
        if (0, 1, 2, 3) in whole:
            assert kept.all()


def comparison(values: np.ndarray) -> xr.Dataset:
    coords = {"strategy": ["a", "b", "c"], "seed": [3, 5, 7]}
    welfare = (("strategy", "seed"), values, {"units": "$/h"})
    return xr.Dataset({"welfare_rate": welfare}, coords, {"baseline": "a"})


def test_a_dataset_says_what_counts() -> None:
    values = np.arange(9.0).reshape(3, 3)
    whole = comparison(values)
    assert comparable(whole) == (whole, "")
    assert seeds_text(whole) == "3 seeds"
    values[1, 1] = np.nan
    holed, told = comparable(comparison(values))
    assert told == "means are over 2 of 3 seeds, which all of them finished"
    assert holed["welfare_rate"].mean("seed").values.tolist() == [1.0, 4.0, 7.0]
    assert holed["seed"].values.tolist() == [3, 7]
    assert seeds_text(comparison(values)) == "2 of 3 seeds"
    values[2] = np.nan
    found = common_of(comparison(values))
    assert found is not None
    assert found.note == "left out: c; means are over 2 of 3 seeds, which all others finished"
    assert found.runs.values.sum() == 4
    rest = found.select(comparison(values))["welfare_rate"]
    assert rest.mean("seed").values[:2].tolist() == [1.0, 4.0]
    assert rest.attrs == {"units": "$/h"}
    assert np.isnan(rest.sel(strategy="c")).all()
    assert comparable(comparison(values * np.nan))[1] == "no run was finished, so that there are no means"


@pytest.mark.parametrize("ds", [xr.Dataset(), xr.Dataset({"x": ("seed", [1.0, np.nan])})])
def test_datasets_of_other_kinds_are_left_as_they_are(ds: xr.Dataset) -> None:
    assert common_of(ds) is None
    assert comparable(ds) == (ds, "")
