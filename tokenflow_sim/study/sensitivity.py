"""Which of a scenario's values its results depend on most: Sobol's indices and Morris' elementary effects."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack, cast

import numpy as np
import pandas as pd
import xarray as xr

from tokenflow_sim.errors import Fault, InputError, ResultError, unknown_name
from tokenflow_sim.numeric import Floats
from tokenflow_sim.scenario import Scenario
from tokenflow_sim.study.arguments import seeds_of
from tokenflow_sim.study.design import Design
from tokenflow_sim.study.messages import listed, safe_repr, warn
from tokenflow_sim.study.sampling import Distribution, Values, read_values
from tokenflow_sim.study.sweep import Options, play_design
from tokenflow_sim.study.swept import Sweep
from tokenflow_sim.variables import MEASURES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Kind = Literal["sobol", "morris"]
KINDS: tuple[str, ...] = ("sobol", "morris")
OUTPUTS = ("mean_price", "unserved_share", "welfare_rate")
LEVELS = 4
RESAMPLES = 1000
_COLUMNS = {
    "sobol": {"first_order": "S1", "first_order_conf": "S1_conf", "total": "ST", "total_conf": "ST_conf"},
    "morris": {"mu_star": "mu_star", "mu_star_conf": "mu_star_conf", "mu": "mu", "sigma": "sigma"},
}
_MEANING = {
    "first_order": "share of the variance due to the value alone",
    "first_order_conf": "half-width of its interval",
    "total": "share of the variance due to the value, alone or with others",
    "total_conf": "half-width of its interval",
    "mu_star": "mean size of the elementary effects",
    "mu_star_conf": "half-width of its interval",
    "mu": "mean of the elementary effects",
    "sigma": "standard deviation of the elementary effects",
}


@dataclass(frozen=True)
class Sensitivity:
    """How much results depend on each of several values.

    Parameters
    ----------
    dataset : Dataset
        By ``parameter`` (the dotted path) and ``output`` (a measure, with whose it is). Sobol: `first_order` and
        `total`, shares of the output's variance. Morris: `mu_star`, `mu` and `sigma` of the elementary effects, in the
        output's unit per whole range of the value. `..._conf` are half-widths of confidence intervals, by bootstrap.
        NaN for an output that did not vary.
    sweep : Sweep
        The runs.
    """

    dataset: xr.Dataset
    sweep: Sweep

    @property
    def kind(self) -> str:
        """``sobol`` or ``morris``."""
        return str(self.dataset.attrs["kind"])

    @property
    def table(self) -> pd.DataFrame:
        """One row an output and a path, the most important first."""
        frame = self.dataset.to_dataframe().reset_index()
        first = "total" if self.kind == "sobol" else "mu_star"
        frame = frame[["output", "parameter", *_COLUMNS[self.kind]]]
        order = {name: number for number, name in enumerate(self.dataset["output"].values)}
        return frame.sort_values(
            ["output", first], ascending=[True, False], ignore_index=True,
            key=lambda column: column.map(order) if column.name == "output" else column,
        )  # fmt: skip

    def plot(self, **options: Any) -> Figure:
        """Draw the indices with their intervals.

        Parameters
        ----------
        **options
            As `tokenflow_sim.plot.sensitivity` takes them.
        """
        # A study stands below the figures, and must load without them.
        plot = importlib.import_module("tokenflow_sim.plot")
        return cast("Figure", plot.sensitivity(self.dataset, **options))

    @safe_repr
    def __repr__(self) -> str:
        """Summarise the study in one line."""
        paths = ", ".join(map(str, self.dataset["parameter"].values))
        return f"<Sensitivity: {self.kind} of {paths}; {self.dataset.attrs['points']} points>"


def sensitivity(
    scenario: str | Path | Scenario,
    vary: Mapping[str, Values],
    *,
    kind: Kind = "sobol",
    samples: int = 64,
    outputs: Iterable[str] = OUTPUTS,
    confidence: float = 0.95,
    seeds: int | Sequence[int] = 1,
    sample_seed: int = 0,
    periods: int | None = None,
    overrides: Mapping[str, Any] | None = None,
    **options: Unpack[Options],
) -> Sensitivity:
    """Measure how much the results of a scenario depend on each of several of its values.

    Parameters
    ----------
    scenario : str, Path or Scenario
        What is played.
    vary : mapping
        A distribution for each of two or more dotted paths, e.g. ``"uniform(20, 40)"``.
    kind : {'sobol', 'morris'}
        Sobol's variance-based indices, from ``samples * (paths + 2)`` points; or Morris' elementary effects, a
        screening from ``samples * (paths + 1)`` points.
    samples : int
        Base samples, a power of two for Sobol; or trajectories.
    outputs : iterable of str
        The measures to explain, of those in `variables.MEASURES`.
    confidence : float
        Probability with which the intervals cover.
    seeds : int or sequence of int
        Seeds that each point is played with; outputs are means over them.
    sample_seed : int
        Seed of the sample and of the bootstrap.
    periods, overrides
        As `sweep` takes them.
    **options
        The other arguments of `sweep`: ``strategies``, ``workers``, ``client``, ``out``, ``resume``, ``force``,
        ``allow_code``, ``progress``.

    Returns
    -------
    Sensitivity

    Raises
    ------
    InputError
        With all faults of the arguments.
    ScenarioError
        With all faults of all points, before any run.
    ResultError
        If runs failed, so that the sample has holes: the indices would be wrong.

    References
    ----------
    A. Saltelli et al., "Variance based sensitivity analysis of model output", Computer Physics Communications 181,
    2010; M. D. Morris, "Factorial sampling plans for preliminary computational experiments", Technometrics 33, 1991;
    T. Iwanaga, W. Usher, J. Herman, "Toward SALib 2.0", Socio-Environmental Systems Modelling 4, 2022.
    """
    faults: list[Fault] = []
    names = _outputs(outputs, faults)
    drawn = _distributions(vary, faults)
    numbers = seeds_of(seeds, faults)
    faults += _misfits(kind, samples, confidence)
    if faults:
        raise InputError(faults, "the sensitivity study")
    unit = _sample(kind, len(drawn), samples, sample_seed)
    columns = [distribution.at(unit[:, number]) for number, distribution in enumerate(drawn.values())]
    points = [dict(zip(drawn, row, strict=True)) for row in zip(*columns, strict=True)]
    about = {"sample_seed": sample_seed, "distributions": str({path: str(d) for path, d in drawn.items()})}
    runs = play_design(
        Design({}, points, numbers, kind), scenario, periods, overrides, (), about, warns=False, **options
    )
    _refuse_holes(runs)
    outcome = _flat(runs.dataset, names)
    _warn_undefined(outcome)
    found = _analyse(kind, unit, outcome, samples, confidence, sample_seed)
    labels = {"parameter": list(drawn), "output": list(outcome)}
    dataset = xr.Dataset(
        {
            name: (("parameter", "output"), values, {"long_name": _MEANING[name], "units": "1"})
            for name, values in found.items()
        },
        labels,
        {
            **runs.dataset.attrs,
            "kind": kind,
            "confidence": confidence,
            "points": len(points),
            "samples": samples,
        },
    )
    if kind == "morris":
        for name in dataset:
            dataset[name].attrs["units"] = "the output's per whole range"
    return Sensitivity(dataset, runs)


def _outputs(outputs: Iterable[str], faults: list[Fault]) -> list[str]:
    names = [outputs] if isinstance(outputs, str) else list(outputs)
    faults += [
        Fault(unknown_name("measure", name, list(MEASURES)), "outputs")
        for name in names
        if name not in MEASURES
    ]
    if not names:
        faults.append(Fault("name at least one measure", "outputs"))
    return names


def _distributions(vary: Mapping[str, Values], faults: list[Fault]) -> dict[str, Distribution]:
    drawn: dict[str, Distribution] = {}
    for path, values in vary.items():
        try:
            found = read_values(values)
        except InputError as error:
            faults += [Fault(fault.message, path) for fault in error.faults]
            continue
        if isinstance(found, Distribution):
            drawn[path] = found
        else:
            faults.append(Fault(f"needs a distribution, e.g. uniform(1, 3); found {values!r:.60}", path))
    if len(vary) < 2:
        faults.append(Fault(f"needs two paths or more to distinguish them; found {len(vary)}", "vary"))
    return drawn


def _misfits(kind: str, samples: int, confidence: float) -> list[Fault]:
    faults = []
    if kind not in KINDS:
        faults.append(Fault(unknown_name("kind", kind, KINDS), "kind"))
    elif kind == "sobol" and (samples < 2 or samples & (samples - 1)):
        faults.append(Fault(f"sobol: give a power of two, e.g. 64; found {samples}", "samples"))
    elif samples < 2:
        faults.append(Fault(f"morris: give two trajectories or more; found {samples}", "samples"))
    if not 0 < confidence < 1:
        faults.append(Fault(f"lies between 0 and 1; found {confidence}", "confidence"))
    return faults


def _salib(part: str, kind: str) -> Any:
    try:
        return importlib.import_module(f"SALib.{part}.{kind}")
    except ImportError as error:
        raise ResultError(
            f'sensitivity indices need SALib ({error}); install it: pip install "tokenflow-sim[study]"'
        ) from error


def _problem(size: int) -> dict[str, Any]:
    return {"num_vars": size, "names": [str(number) for number in range(size)], "bounds": [[0.0, 1.0]] * size}


def _sample(kind: str, size: int, samples: int, seed: int) -> Floats:
    """Return points of the unit cube, dims (point, parameter)."""
    sampler = _salib("sample", kind)
    if kind == "sobol":
        points = sampler.sample(_problem(size), samples, calc_second_order=False, seed=seed)
    else:
        points = sampler.sample(_problem(size), samples, num_levels=LEVELS, seed=seed)
    return np.asarray(points, dtype=float)


def _analyse(
    kind: str, unit: Floats, outcome: Mapping[str, Floats], samples: int, confidence: float, seed: int
) -> dict[str, Floats]:
    analyser, size = _salib("analyze", kind), unit.shape[1]
    found = {name: np.full((size, len(outcome)), np.nan) for name in _COLUMNS[kind]}
    for number, values in enumerate(outcome.values()):
        if np.isnan(values).any() or np.ptp(values) <= 1e-12 * np.abs(values).max(initial=0.0):
            continue  # nothing varies, or it is not defined everywhere: there is nothing to share out
        with warnings.catch_warnings():
            # SALib divides by the variance of bootstrap samples, which can be zero in a small one.
            warnings.simplefilter("ignore", RuntimeWarning)
            given = {"num_resamples": RESAMPLES, "conf_level": confidence, "seed": seed}
            if kind == "sobol":
                indices = analyser.analyze(_problem(size), values, calc_second_order=False, **given)
            else:
                indices = analyser.analyze(_problem(size), unit, values, num_levels=LEVELS, **given)
        for name, key in _COLUMNS[kind].items():
            found[name][:, number] = np.asarray(indices[key], dtype=float)
    return found


def _refuse_holes(runs: Sweep) -> None:
    """Refuse samples with holes.

    Raises
    ------
    ResultError
        If runs failed.
    """
    if runs.failures:
        raise ResultError(
            f"{len(runs.failures)} runs of the sample failed, and indices of what is left would be wrong; let demand"
            " go unserved at a value (market.must_serve=false), or narrow the distributions. The first:\n"
            f"  {runs.failures[0]}"
        )


def _warn_undefined(outcome: Mapping[str, Floats]) -> None:
    """Warn of outputs that some points do not have: their indices are NaN."""
    lacking = {name: int(np.isnan(values).sum()) for name, values in outcome.items()}
    names = [f"{name} at {lost} of {len(outcome[name])} points" for name, lost in lacking.items() if lost]
    if names:
        warn(
            f"outputs without indices (NaN), since they are not defined everywhere: {listed(names)}. A provider that"
            " is not in the market of a point, or sells nothing there, has no mark-up",
            UserWarning,
        )


def _flat(dataset: xr.Dataset, names: Sequence[str]) -> dict[str, Floats]:
    """Return the outputs of all points, means over seeds, by label."""
    flat: dict[str, Floats] = {}
    for name in names:
        array = dataset[name].mean("seed").transpose("point", ...)
        own = [str(dim) for dim in array.dims if dim != "point"]
        if not own:
            flat[name] = np.asarray(array.values, dtype=float)
            continue
        for label in dataset[own[0]].values:
            flat[f"{name}[{label}]"] = np.asarray(array.sel({own[0]: label}).values, dtype=float)
    return flat
