"""The ranking of a tournament, and how sure it is."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy import stats

from tokenflow_sim.errors import ResultError
from tokenflow_sim.numeric import Floats
from tokenflow_sim.study.common import common_of, comparable
from tokenflow_sim.study.statistics import ROUNDING, holm, interval

_RESAMPLES = 2000


def ranking(dataset: xr.Dataset) -> pd.DataFrame:
    """Rank the strategies of a tournament's Dataset (also one from a file).

    Parameters
    ----------
    dataset : Dataset
        A tournament's.

    Returns
    -------
    DataFrame
        Index `strategy`, the best first. `score`: mean payoff in $/h over rivals, providers and seeds; `advantage`,
        `lower`, `upper`: score less the mean score of all strategies, with its interval over seeds, paired; `p_value`
        of Student's t against an advantage of zero, and `p_value_holm`, adjusted for all strategies (Holm, 1979);
        `rank`, and `rank_lower`, `rank_upper`: the ranks within which it lies at that confidence when seeds are
        resampled; `stable`: whether no strategy earns more against it than itself does, on the mean: a symmetric
        equilibrium among these strategies.

    Raises
    ------
    ResultError
        If it is not the Dataset of a tournament, or no strategy finished its runs under any seed; it has the first
        cause.

    Notes
    -----
    A seed counts whole or not at all: strategies are compared on the same random numbers. Where no seed has all its
    runs, strategies are left out until one has, those that failed most often first.
    """
    if "payoff" not in dataset or "rival" not in dataset.dims:
        raise ResultError(
            "this is not the dataset of a tournament: tf.tournament(...).dataset, or a file of it"
        )
    confidence = float(dataset.attrs["confidence"])
    common = common_of(dataset)
    if common is None or not common.kept.any():
        raise ResultError(
            f"no strategy finished all its runs under any seed, so that none can be ranked{_first_cause(dataset)}"
        )
    kept = np.flatnonzero(common.kept.values)
    ranked = common.select(dataset).isel(strategy=kept, rival=kept)
    payoff = ranked["payoff"].transpose("seed", "strategy", "rival", "provider")
    scores = payoff.mean(["rival", "provider"]).values
    names = [str(name) for name in ranked["strategy"].values]
    advantage = scores - scores.mean(axis=1, keepdims=True)
    found = interval(np.where(np.abs(advantage) <= ROUNDING * np.abs(scores), 0.0, advantage), confidence)
    lowest, highest = _rank_interval(scores, confidence)
    mean = payoff.mean(["seed", "provider"]).values
    best = mean.max(axis=0)
    table = pd.DataFrame(
        {
            "score": scores.mean(axis=0),
            "advantage": found.mean,
            "lower": found.lower,
            "upper": found.upper,
            "p_value": found.p_value,
            "p_value_holm": holm(found.p_value),
            "rank": _ranks(scores.mean(axis=0)).astype(int),
            "rank_lower": lowest,
            "rank_upper": highest,
            "stable": np.diag(mean) >= best - ROUNDING * np.abs(best),
        },
        index=pd.Index(names, name="strategy"),
    )
    return table.sort_values(["rank"], kind="stable")


def mean_payoff(dataset: xr.Dataset) -> xr.DataArray:
    """Return the mean payoff in $/h over the seeds that count and providers, dims (strategy, rival)."""
    payoff = comparable(dataset)[0]["payoff"]
    return payoff.mean(["seed", "provider"]).assign_attrs(payoff.attrs)


def _first_cause(dataset: xr.Dataset) -> str:
    failures = json.loads(dataset.attrs.get("failures", "[]"))
    return f"; the first failed run: {failures[0][1]}: {failures[0][2]}" if failures else ""


def _ranks(scores: Floats) -> Floats:
    """Return ranks along the last axis, 1 for the highest; equals share the better rank."""
    ranks: Floats = stats.rankdata(-scores, method="min", axis=-1)
    return ranks


def _rank_interval(scores: Floats, confidence: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return between which ranks each strategy lies when seeds are drawn again with replacement."""
    draws = np.random.default_rng(0).integers(len(scores), size=(_RESAMPLES, len(scores)))
    ranks = _ranks(scores[draws].mean(axis=1))
    tail = (1 - confidence) / 2
    low = np.quantile(ranks, tail, axis=0, method="lower")
    high = np.quantile(ranks, 1 - tail, axis=0, method="higher")
    return low.astype(np.int64), high.astype(np.int64)
