"""Estimates from repeated runs: means and paired differences, with intervals that say how sure they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from tokenflow_sim.errors import Fault, InputError, known
from tokenflow_sim.numeric import Floats

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
        faults.append(Fault(known("method", method, METHODS), "method"))
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
