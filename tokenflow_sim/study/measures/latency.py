"""Latency that was delivered: its mean by origin and class, and the share of service that took longer than a bound."""

from __future__ import annotations

import numpy as np
import xarray as xr

from tokenflow_sim.errors import ResultError
from tokenflow_sim.market.tracing import trace
from tokenflow_sim.numeric import Floats
from tokenflow_sim.results.reading import Background, collapse, need_periods
from tokenflow_sim.scenario import Scenario

_TRACED = ("dispatch", "flow", "asset_node", "demand", "unserved")


def delivered_latency(ds: xr.Dataset, scenario: Scenario | None = None) -> xr.DataArray:
    """Return the mean latency of what was served in a run, by origin.

    Parameters
    ----------
    ds : Dataset
        Results of a run.
    scenario : Scenario, optional
        The scenario that made them, where it is at hand.

    Returns
    -------
    DataArray
        In ms, dims (node, workload); NaN where nothing was served.

    Raises
    ------
    ResultError
        If the results lack something, or an arc in use has no latency.

    Notes
    -----
    Where the run recorded `delivered_latency`, its mean over periods, weighted by what was served. Otherwise the flows
    are traced: at each node all work of a class is mixed, and what is served there or leaves by an arc is taken in
    proportion (Bialek 1996). The mean over all origins does not depend on that convention.
    """
    if "delivered_latency" in ds.variables:
        ds = need_periods(ds, ("delivered_latency", "demand", "unserved"), "delivered_latency")
        served, mean = _served(ds), ds["delivered_latency"].transpose("period", "node", "workload").values
        waited = served * mean
    else:
        served, waited, _ = _traced(
            ds, np.full(ds.sizes.get("workload", 1), np.inf), scenario, "delivered_latency"
        )
    total, asked = waited.sum(axis=0), served.sum(axis=0)
    found = np.divide(total, asked, out=np.full(total.shape, np.nan), where=asked > 0)
    return _labelled(ds, found, "delivered_latency", "ms", "mean latency of what was served")


def share_beyond(ds: xr.Dataset, ms: float | None = None, scenario: Scenario | None = None) -> xr.DataArray:
    """Return the share of what was served in a run that took longer than so many ms, from origin to server.

    Parameters
    ----------
    ds : Dataset
        Results of a run.
    ms : float, optional
        The bound; by default each class's own latency limit, and of a class without one nothing is beyond it.
    scenario : Scenario, optional
        The scenario that made them, where it is at hand.

    Returns
    -------
    DataArray
        From 0 to 1, dims (node, workload); NaN where nothing was served.

    Raises
    ------
    ResultError
        If the results lack something, or they hold what was delivered within other bounds only.

    Notes
    -----
    As `delivered_latency`. Under the rule by arc, class limits hold for each arc, so that work which travels several
    may be beyond its limit in the end.
    """
    if ms is not None and not ms >= 0:
        raise ResultError(f"share_beyond needs a number of ms from zero on; found {ms!r}")
    if "delivered_within" in ds.variables:
        ds = need_periods(ds, ("delivered_within", "bound", "demand", "unserved"), "share_beyond")
        bounds = ds["bound"].values
        limits = _limits(ds, scenario) if ms is None else np.full(ds.sizes["workload"], float(ms))
        unknown = sorted({limit for limit in limits.tolist() if np.isfinite(limit) and limit not in bounds})
        if unknown:
            raise ResultError(
                f"these results do not hold what was delivered within {unknown[0]:g} ms; they hold it for"
                f" {', '.join(f'{bound:g}' for bound in bounds)}: take one of these, or run again with"
                f" market.latency_bounds: [{unknown[0]:g}]"
            )
        served = _served(ds)
        within = ds["delivered_within"].transpose("period", "node", "workload", "bound").values
        beyond = np.zeros(served.shape)
        for k, limit in enumerate(limits.tolist()):
            if np.isfinite(limit):
                beyond[:, :, k] = served[:, :, k] - within[:, :, k, int(np.flatnonzero(bounds == limit)[0])]
    else:
        limits = _limits(ds, scenario) if ms is None else np.full(ds.sizes.get("workload", 1), float(ms))
        served, _, beyond = _traced(ds, limits, scenario, "share_beyond")
    total, asked = beyond.sum(axis=0), served.sum(axis=0)
    found = np.divide(total, asked, out=np.full(total.shape, np.nan), where=asked > 0)
    # What sums leave of nothing is nothing.
    found = np.where(np.abs(found) < 1e-9, 0.0, np.clip(found, 0.0, 1.0))
    what = "the limit of the class" if ms is None else f"{ms:g} ms"
    return _labelled(ds, found, "share_beyond", "1", f"share of what was served that took longer than {what}")


def _served(ds: xr.Dataset) -> Floats:
    """Return what was served in Mtok/s, dims (period, node, workload)."""
    served = collapse(ds, "demand") - collapse(ds, "unserved")
    found: Floats = np.maximum(served.transpose("period", "node", "workload").values, 0.0)
    return found


def _limits(ds: xr.Dataset, scenario: Scenario | None) -> Floats:
    """Return the latency limit of each class in ms; infinite where it has none."""
    background = Background.of(ds, "share_beyond", scenario)
    classes = background.compiled.scenario.workloads
    limits = [classes[str(name)].latency_limit for name in ds["workload"].values]
    return np.array([np.inf if limit is None else limit for limit in limits])


def _traced(
    ds: xr.Dataset, limits: Floats, scenario: Scenario | None, reader: str
) -> tuple[Floats, Floats, Floats]:
    """Return what was served, that times its latency, and what of it is beyond its limit, dims (period, ...)."""
    ds = need_periods(ds, _TRACED, reader)
    background = Background.of(ds, reader, scenario)
    compiled = background.compiled
    layout, latency = compiled.layout, compiled.latency
    dispatched = collapse(ds, "dispatch").transpose("period", "asset", "workload").values
    flows = ds["flow"].transpose("period", "arc", "workload").values
    blind = np.isnan(latency) & (flows > 0).any(axis=(0, 2))
    if blind.any():
        raise ResultError(
            f"{reader} needs the latency of every arc in use; {layout.arcs[int(blind.argmax())]} has none"
        )
    by_class = np.broadcast_to(np.nan_to_num(latency)[:, None], flows.shape[1:])
    shape = len(flows), len(layout.nodes), flows.shape[2]
    served, waited, beyond = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for period, flow in enumerate(flows):
        processed = np.zeros(shape[1:])
        np.add.at(processed, layout.asset_node, dispatched[period])
        trips = trace(layout.origin, layout.destination, flow, processed, by_class)
        where = trips.origin, trips.workload
        np.add.at(served[period], where, trips.volume)
        np.add.at(waited[period], where, trips.volume * trips.latency)
        late = trips.latency > limits[trips.workload] * (1 + 1e-9)
        np.add.at(beyond[period], where, np.where(late, trips.volume, 0.0))
    return served, waited, beyond


def _labelled(ds: xr.Dataset, values: Floats, name: str, unit: str, meaning: str) -> xr.DataArray:
    dims = ("node", "workload")
    coords = {dim: ds[dim].values for dim in dims}
    return xr.DataArray(values, coords, dims, name, {"units": unit, "long_name": meaning})
