"""Who causes which emissions: by where service was made, and by where it was asked for, traced along flows.

A node's requests are served by its own assets and by what it sends on. What reaches a node is taken to be served
alike, whoever asked: proportional sharing, as in the tracing of electricity. So the emissions of service are given
back, arc by arc, to the nodes whose demand it was; they add up to all emissions.

References
----------
J. Bialek, "Tracing the flow of electricity", IEE Proceedings: Generation, Transmission and Distribution 143(4), 1996.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from tokenflow_sim.numeric import SECONDS_PER_HOUR, Floats, Ints
from tokenflow_sim.results.reading import collapse, hours_of, need_periods, stretches, sum_at

NEEDS = ("emissions", "dispatch", "flow", "demand", "unserved")
"""What attribution to origins reads."""
# Relative to all that passes through a node: what is less is the rounding of a solver.
_NOTHING = 1e-12


def traced(made: Floats, emitted: Floats, flow: Floats, origin: Ints, destination: Ints) -> Floats:
    """Return what a unit of service asked for at each node emits, wherever it is served.

    Parameters
    ----------
    made, emitted : ndarray
        Service made at each node, and what that emits, dims (period, node, workload).
    flow : ndarray
        Dims (period, arc, workload).
    origin, destination : ndarray of int
        Ends of arcs, dims (arc,).

    Returns
    -------
    ndarray
        Dims (period, node, workload); zero where nothing passes through a node.

    Notes
    -----
    With e_i what a unit at node i emits, T_i all that is made there or sent on, and f_ij what it sends to j,
    ``e_i T_i = E_i + sum_j f_ij e_j``: one linear system for each period and class.
    """
    periods, nodes, classes = made.shape
    sent = np.zeros((periods, classes, nodes, nodes))
    for arc, (start, end) in enumerate(zip(origin, destination, strict=True)):
        sent[:, :, start, end] += flow[:, arc, :]
    through = made.transpose(0, 2, 1) + sent.sum(axis=3)
    idle = through <= _NOTHING * through.sum(axis=2, keepdims=True)
    system = -np.where(idle[..., None], 0.0, sent)
    place = np.arange(nodes)
    system[:, :, place, place] += np.where(idle, 1.0, through)
    right = np.where(idle, 0.0, emitted.transpose(0, 2, 1))
    found: Floats = np.linalg.solve(system, right[..., None])[..., 0]
    return found.transpose(0, 2, 1)


@dataclass(frozen=True, eq=False)
class EmissionTotals:
    """Emissions of a run in tonnes.

    Parameters
    ----------
    by_asset, by_site, by_origin : DataArray
        Dims (asset, workload) and twice (node, workload): by the asset and the node that served, and by the node that
        asked.
    served : DataArray
        Service in Mtok by the node that asked, dims (node, workload).
    """

    by_asset: xr.DataArray
    by_site: xr.DataArray
    by_origin: xr.DataArray
    served: xr.DataArray

    @property
    def total(self) -> float:
        """All emissions in tonnes."""
        return float(self.by_asset.sum())


def attribution(ds: xr.Dataset) -> xr.Dataset:
    """Return emissions by the node that served and by the node that asked, period by period.

    Parameters
    ----------
    ds : Dataset
        Results of a run, in memory.

    Returns
    -------
    Dataset
        `by_site` and `by_origin` in t/period and `intensity`, what a Mtok asked for emits, in t/Mtok; dims (period,
        node, workload).

    Raises
    ------
    ResultError
        If the results lack something.
    """
    ds = need_periods(ds, (*NEEDS, "asset_node", "origin", "destination"), "emissions")
    place = {str(node): number for number, node in enumerate(ds["node"].values.astype(str))}

    def places(name: str) -> Ints:
        return np.array([place[str(label)] for label in ds[name].values.astype(str)], dtype=np.int64)

    seconds = (hours_of(ds) or 1.0) * SECONDS_PER_HOUR
    by_asset = ("period", "asset", "workload")
    emitted = ds["emissions"].transpose(*by_asset).values
    dispatch = collapse(ds, "dispatch").transpose(*by_asset).values * seconds
    flow = ds["flow"].transpose("period", "arc", "workload").values * seconds
    nodes = len(place)
    by_site, made = (sum_at(values, places("asset_node"), nodes) for values in (emitted, dispatch))
    intensity = traced(made, by_site, flow, places("origin"), places("destination"))
    served = (collapse(ds, "demand") - collapse(ds, "unserved")).transpose("period", "node", "workload")
    coords = {dim: ds[dim].values for dim in ("period", "node", "workload")}
    found = {
        "by_site": (by_site, "t/period", "emissions of service made at the node"),
        "by_origin": (
            intensity * served.values * seconds,
            "t/period",
            "emissions of service asked for at the node",
        ),
        "intensity": (intensity, "t/Mtok", "emissions of a Mtok asked for at the node"),
    }
    return xr.Dataset(
        {
            name: (tuple(coords), values, {"units": unit, "long_name": text})
            for name, (values, unit, text) in found.items()
        },
        coords,
    )


def emission_totals(ds: xr.Dataset) -> EmissionTotals | None:
    """Return the emissions of a whole run, read some periods at a time; None where they were not recorded."""
    if any(name not in ds.data_vars for name in NEEDS) or not ds.sizes["period"]:
        return None
    seconds = (hours_of(ds) or 1.0) * SECONDS_PER_HOUR
    sums: list[xr.DataArray] = []
    for part in stretches(ds, NEEDS):
        found = attribution(part)
        served = (collapse(part, "demand") - collapse(part, "unserved")) * seconds
        new = [part["emissions"], found["by_site"], found["by_origin"], served]
        added = [one.sum("period") for one in new]
        sums = added if not sums else [one + other for one, other in zip(sums, added, strict=True)]
    return EmissionTotals(*sums)
