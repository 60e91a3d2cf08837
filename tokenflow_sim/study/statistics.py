"""Statistics of many runs: intervals, ranks, and descriptions that do not need all of them in memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from tokenflow_sim.errors import Fault, InputError, ResultError, unknown_name
from tokenflow_sim.numeric import Floats
from tokenflow_sim.study.common import common_of, comparable

Method = Literal["student", "bootstrap"]
METHODS: tuple[str, ...] = ("student", "bootstrap")
RESAMPLES = 9999
ROUNDING = 1e-12
"""Share of two numbers up to which their difference is the rounding of sums: it must not become significant."""
ESTIMATES = ("mean", "lower", "upper", "p_value", "pairs")


@dataclass(frozen=True, slots=True)
class Interval:
    """Means with their confidence intervals.

    Parameters
    ----------
    mean, lower, upper : ndarray
        The mean and the ends of its interval; NaN where there are too few numbers.
    p_value : ndarray
        Two-sided p-value of Student's t against a mean of zero.
    pairs : ndarray
        How many numbers each mean rests on.
    """

    mean: Floats
    lower: Floats
    upper: Floats
    p_value: Floats
    pairs: Floats


def interval(values: ArrayLike, confidence: float = 0.95, method: Method = "student") -> Interval:
    """Estimate means along the first axis; NaNs are runs that failed and are left out.

    Parameters
    ----------
    values : array_like
        Numbers, dims (repetition, ...). For a paired comparison these are the differences.
    confidence : float
        Probability with which the interval covers the true mean, between 0 and 1.
    method : {'student', 'bootstrap'}
        Student's t, exact for normal differences and good for their means from about ten pairs on; or the
        bias-corrected and accelerated bootstrap with 9,999 resamples, which assumes no distribution but needs
        more pairs.

    Returns
    -------
    Interval
        One number gives a mean without an interval. Numbers that are all equal give one of length zero: under
        common random numbers that is a finding (the two runs agree), no fault.

    Raises
    ------
    InputError
        If the confidence or the method is none.

    References
    ----------
    A. M. Law, "Simulation Modeling and Analysis", 5th ed., 2015, section 10.2 (paired t intervals under common
    random numbers); B. Efron, "Better Bootstrap Confidence Intervals", JASA 82, 1987.
    """
    faults = []
    if not 0 < confidence < 1:
        faults.append(Fault(f"must lie between 0 and 1; found {confidence!r}", "confidence"))
    if method not in METHODS:
        faults.append(Fault(unknown_name("method", method, METHODS), "method"))
    if faults:
        raise InputError(faults, "estimate")
    numbers = np.asarray(values, dtype=float)
    there = ~np.isnan(numbers)
    pairs = there.sum(axis=0)
    total = np.where(there, numbers, 0.0).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / pairs
        spread = np.where(there, (numbers - mean) ** 2, 0.0).sum(axis=0) / (pairs - 1)
        error = np.sqrt(spread / pairs)
        # Equal numbers differ from their mean by its last bits.
        error = np.where(error <= ROUNDING * np.abs(mean), 0.0, error)
        half = stats.t.ppf(0.5 + confidence / 2, np.maximum(pairs - 1, 1)) * error
        t = np.where(error > 0, np.abs(mean) / error, np.where(mean != 0, np.inf, 0.0))
    enough = pairs >= 2
    half = np.where(enough, half, np.nan)
    p_value = np.where(enough, 2 * stats.t.sf(t, np.maximum(pairs - 1, 1)), np.nan)
    lower, upper = mean - half, mean + half
    if method == "bootstrap":
        lower, upper = _bootstrap(numbers, there, error, confidence, lower, upper)
    return Interval(mean, lower, upper, p_value, pairs.astype(float))


def _bootstrap(
    numbers: Floats, there: NDArray[np.bool_], error: Floats, confidence: float, lower: Floats, upper: Floats
) -> tuple[Floats, Floats]:
    lower, upper = np.array(lower), np.array(upper)
    for place in np.ndindex(numbers.shape[1:]):
        chosen = numbers[(slice(None), *place)][there[(slice(None), *place)]]
        if len(chosen) < 2 or error[place] == 0:
            continue
        # A generator of its own, so that one table is the same however many others are made.
        found = stats.bootstrap(
            (chosen,), np.mean, confidence_level=confidence, n_resamples=RESAMPLES, method="BCa",
            rng=np.random.default_rng(0),
        ).confidence_interval  # fmt: skip
        lower[place], upper[place] = found.low, found.high
    return lower, upper


def holm(p_values: ArrayLike) -> Floats:
    """Adjust the p-values of several tests, so that they bound the chance of any false finding among them.

    Parameters
    ----------
    p_values : array_like
        Dims (test, ...); each column is a family of its own. NaNs are tests that could not be made, and do not count.

    Returns
    -------
    ndarray
        The adjusted p-values: of the smallest of m m times it, of the next m - 1 times it, and so on, none below an
        earlier one and none above 1. They hold whatever the tests have in common.

    References
    ----------
    S. Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of Statistics 6, 1979.
    """
    given = np.asarray(p_values, dtype=float)
    order = np.argsort(given, axis=0, kind="stable")  # NaNs come last
    ordered = np.take_along_axis(given, order, axis=0)
    count = (~np.isnan(given)).sum(axis=0)
    steps = count - np.arange(len(given)).reshape(-1, *(1,) * (given.ndim - 1))
    raised = np.minimum(np.maximum.accumulate(ordered * np.maximum(steps, 1), axis=0), 1.0)
    adjusted = np.empty_like(given)
    np.put_along_axis(adjusted, order, raised, axis=0)
    return np.where(np.isnan(given), np.nan, adjusted)


def paired(
    runs: xr.DataArray,
    along: str,
    baseline: str,
    *,
    over: str = "seed",
    confidence: float = 0.95,
    method: Method = "student",
) -> xr.Dataset:
    """Estimate how much each variant differs from a baseline that met the same random numbers.

    Parameters
    ----------
    runs : DataArray
        One number a run, with the dims `along` and `over`, and others.
    along : str
        The dim of the variants.
    baseline : str
        The variant to compare with.
    over : str
        The dim of repetitions that are paired.
    confidence, method
        As `interval` takes them.

    Returns
    -------
    Dataset
        `mean`, `lower`, `upper`, `p_value`, `pairs` with the dims of `runs` but `over`; the baseline differs from
        itself by zero. `p_value_holm` is the p-value adjusted by `holm` for all variants that are compared with it.
    """
    ordered = runs.transpose(over, along, ...)
    base = ordered.sel({along: baseline})
    difference = ordered - base
    rounding = np.abs(difference) <= ROUNDING * np.maximum(np.abs(ordered), np.abs(base))
    found = interval(difference.where(~rounding, 0.0).where(difference.notnull()).values, confidence, method)
    estimates = {name: getattr(found, name) for name in ESTIMATES}
    is_other = np.array([label != baseline for label in ordered[along].values.tolist()])
    estimates["p_value_holm"] = found.p_value.copy()
    estimates["p_value_holm"][is_other] = holm(found.p_value[is_other])
    dims = [dim for dim in ordered.dims if dim != over]
    coords = {name: array for name, array in ordered.coords.items() if over not in array.dims}
    return xr.Dataset({name: (dims, values, runs.attrs) for name, values in estimates.items()}, coords)


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


Array = np.ndarray[Any, Any]
MOMENTS = ("mean", "std", "count")


def described(array: xr.DataArray, over: Sequence[str], quantiles: Sequence[float]) -> xr.DataArray:
    """Return mean, standard deviation, count and quantiles along some dims, NaNs left out.

    Parameters
    ----------
    array : DataArray
        The numbers; where they are lazy, so is the answer, and they are read a piece of the other dims at a time.
    over : sequence of str
        The dims to summarise over; with none, the array is returned as it is.
    quantiles : sequence of float
        Which quantiles; linear between order statistics (type 7 of Hyndman and Fan, 1996).

    Returns
    -------
    DataArray
        With a last dim ``statistic``: mean, std (of a sample: one less in the denominator), count, q5, q50, ...
    """
    if not over:
        return array
    if array.chunks is not None:
        array = array.chunk(dict.fromkeys(over, -1))  # a quantile needs all the numbers that it is of
    names = [*MOMENTS, *(f"q{100 * q:g}" for q in quantiles)]
    found: xr.DataArray = xr.apply_ufunc(
        _describe,
        array,
        kwargs={"dims": len(over), "quantiles": tuple(quantiles)},
        input_core_dims=[list(over)],
        output_core_dims=[["statistic"]],
        dask="parallelized",
        output_dtypes=[float],
        dask_gufunc_kwargs={"output_sizes": {"statistic": len(names)}},
    )
    return found.assign_coords(statistic=names).assign_attrs(array.attrs)


def _describe(values: Array, dims: int, quantiles: tuple[float, ...]) -> Array:
    """Describe the numbers along the last so many dims."""
    rows = np.sort(values.reshape(*values.shape[: values.ndim - dims], -1), axis=-1)  # NaNs come last
    there = ~np.isnan(rows)
    count = there.sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(there, rows, 0.0).sum(axis=-1) / count
        squares = np.where(there, (rows - mean[..., None]) ** 2, 0.0).sum(axis=-1)
        std = np.sqrt(squares / np.where(count > 1, count - 1, np.nan))
    parts = [mean, std, count.astype(float)]
    for q in quantiles:
        place = q * np.maximum(count - 1, 0)
        low = np.floor(place).astype(int)
        high = np.minimum(low + 1, np.maximum(count - 1, 0))
        below, above = (np.take_along_axis(rows, at[..., None], axis=-1)[..., 0] for at in (low, high))
        parts.append(below + (place - low) * (above - below))
    return np.stack(parts, axis=-1)
