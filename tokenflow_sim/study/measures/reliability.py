"""Reliability indices of a run: how much, how often and how likely demand of a class is not served."""

from __future__ import annotations

import numpy as np
import xarray as xr

from tokenflow_sim.numeric import SECONDS_PER_HOUR
from tokenflow_sim.results.reading import NOISE, Background, collapse, need_periods
from tokenflow_sim.scenario import Scenario


def reliability(ds: xr.Dataset, scenario: Scenario | None = None) -> xr.Dataset:
    """Return the reliability indices of a run by workload class.

    Parameters
    ----------
    ds : Dataset
        Results of a run.
    scenario : Scenario, optional
        The scenario that made them, where it is at hand.

    Returns
    -------
    Dataset
        Dims (workload,): `eue`, unserved demand of the run in Mtok; `lole`, hours of the run in which some demand
        of the class was not served somewhere; `lolp`, the share of hours in which that is so; `neue`, unserved demand
        as a share of demand, zero where there is none. NaN where something is missing.

    Raises
    ------
    ResultError
        If the results lack something.

    Notes
    -----
    One run is one draw of outages and noise. The indices of the same name in power systems are expectations: means
    over runs with many seeds, whose confidence intervals `compare` gives (`eue_rate` and `lolp` of
    `variables.MEASURES`). Unserved demand below 1e-9 of demand is the rounding of a solver.

    References
    ----------
    Billinton and Allan (1996), Reliability Evaluation of Power Systems, 2nd edition, chapter 2; NERC (2018),
    Probabilistic Adequacy and Measures.
    """
    ds = need_periods(ds, ("demand", "unserved"), "reliability")
    hours = Background.of(ds, "reliability", scenario).hours
    asked, unserved = (collapse(ds, name).sum("node", skipna=False) for name in ("demand", "unserved"))
    lost = unserved.where(~(unserved <= NOISE * asked), 0.0)
    amount = lost.sum("period", skipna=False)
    all_of_it = asked.sum("period", skipna=False)
    short = (lost > 0).where(lost.notnull()).astype(float).mean("period", skipna=False)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (amount / all_of_it).where(all_of_it != 0, 0.0)
    found = {
        "eue": (amount * hours * SECONDS_PER_HOUR, "Mtok", "unserved demand"),
        "lole": (short * hours * ds.sizes["period"], "h", "hours with a loss of load"),
        "lolp": (short, "1", "loss-of-load probability"),
        "neue": (share, "1", "share of demand not served"),
    }
    return xr.Dataset(
        {
            name: array.assign_attrs({"units": unit, "long_name": meaning})
            for name, (array, unit, meaning) in found.items()
        }
    )
