"""The key figures of a run, read from its results a stretch of periods at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from tokenflow_sim.numeric import SECONDS_PER_HOUR, Floats

_STRETCH = 256  # periods: bounds the memory that the figures of a long run take
_ROUNDING = 1e-9  # share of what was asked for up to which what is served is the rounding of a solver
_SUMS = {
    "demand": "workload",
    "unserved": "workload",
    "revenue": "asset",
    "cost": "asset",
    "profit": "provider",
    "owner_income": "owner",
}
"""What is summed over all but one dim."""


@dataclass(frozen=True)
class KeyFigures:
    """What a person wants to know of a run first.

    Parameters
    ----------
    classes : DataFrame
        A row a workload: `mean_price` (over nodes and periods, weighted by what was served; NaN where nothing was) and
        `peak_price` [$/Mtok], `peak_node` and `peak_period` where and when that was, `demand` and `unserved` [Mtok].
    providers : DataFrame
        A row a provider: `revenue`, `cost` (true) and `profit` [$].
    owners : Series
        Income of each network owner [$].
    payment, revenue : float
        What demand paid and what the providers' assets were paid [$].
    welfare : float
        Value of service less true cost [$].
    certificate : float
        The largest optimality residual of any period.
    certificate_period : int
        The period that had it.
    """

    classes: pd.DataFrame
    providers: pd.DataFrame
    owners: pd.Series[float]
    payment: float
    revenue: float
    welfare: float
    certificate: float
    certificate_period: int

    @property
    def residual(self) -> float:
        """Money in less money out [$]."""
        return self.payment - self.revenue - float(self.owners.sum(min_count=min(1, len(self.owners))))


def key_figures(results: xr.Dataset, hours: float) -> KeyFigures:
    """Sum up a run.

    Parameters
    ----------
    results : Dataset
        What a run recorded, dims as in `variables.RESULTS`; it may be lazy.
    hours : float
        Length of a period [h].

    Returns
    -------
    KeyFigures
        The sums over all periods.
    """
    workloads, nodes, owners = (_names(results, dim) for dim in ("workload", "node", "owner"))
    owner_of = [str(name) for name in results["asset_provider"].to_numpy()]
    periods = results["period"].to_numpy()
    prices = _Prices(len(workloads))
    flows: dict[str, Any] = dict.fromkeys(("payment", "welfare", *_SUMS), np.nan)
    worst, worst_period = -np.inf, 0
    for start, part in _stretches(results):
        price, asked, lost = (_by_node(part[name]) for name in ("price", "demand", "unserved"))
        prices.add(start, price, asked, lost)
        for name in flows:
            kept = [dim for dim in part[name].dims if dim == _SUMS.get(name)]
            others = [dim for dim in part[name].dims if dim not in kept]
            flows[name] = _added(flows[name], part[name].sum(others, min_count=1).to_numpy())
        residuals = np.nan_to_num(part["certificate"].to_numpy(), nan=-np.inf)
        if residuals.max() > worst:
            worst, worst_period = float(residuals.max()), int(periods[start + residuals.argmax()])

    amount = hours * SECONDS_PER_HOUR  # Mtok in a period, per Mtok/s
    classes = pd.DataFrame(
        {
            "mean_price": prices.mean(),
            "peak_price": prices.peak,
            "peak_node": [nodes[n] for n in prices.spot[:, 1]],
            "peak_period": periods[prices.spot[:, 0]],
            "demand": flows["demand"] * amount,
            "unserved": flows["unserved"] * amount,
        },
        index=pd.Index(workloads, name="workload"),
    )
    by_asset = pd.DataFrame({"revenue": flows["revenue"], "cost": flows["cost"]})
    profit = pd.Series(flows["profit"], index=_names(results, "provider"))
    providers = (
        by_asset.groupby(owner_of)
        .sum(min_count=1)
        .reindex(profit.index, fill_value=0.0)
        .assign(profit=profit)
    )
    return KeyFigures(
        classes=classes,
        providers=providers.rename_axis("provider"),
        owners=pd.Series(flows["owner_income"], index=pd.Index(owners, name="owner")),
        payment=float(flows["payment"]),
        revenue=float(pd.Series(flows["revenue"]).sum(min_count=1)),
        welfare=float(flows["welfare"]),
        certificate=worst if np.isfinite(worst) else np.nan,
        certificate_period=worst_period,
    )


class _Prices:
    """Mean and peak of the prices that were added, by class."""

    def __init__(self, classes: int) -> None:
        self.peak = np.full(classes, np.nan)
        self.spot = np.zeros((classes, 2), dtype=np.int64)  # position of period and node
        self._paid, self._served, self._asked = (np.zeros(classes) for _ in range(3))

    def add(self, start: int, price: Floats, asked: Floats, unserved: Floats) -> None:
        known = ~np.isnan(price)
        served = asked - unserved
        self._paid += np.where(served == 0, 0.0, price * served).sum(axis=(0, 1))
        self._served += served.sum(axis=(0, 1))
        self._asked += asked.sum(axis=(0, 1))
        heights = np.where(known, price, -np.inf)
        for k in range(price.shape[2]):
            period, node = np.unravel_index(np.argmax(heights[:, :, k]), price.shape[:2])
            top = heights[period, node, k]
            if known[period, node, k] and not top <= self.peak[k]:
                self.peak[k] = top
                self.spot[k] = start + period, node

    def mean(self) -> Floats:
        is_served = self._served > _ROUNDING * self._asked
        return np.where(is_served, self._paid / np.where(is_served, self._served, 1.0), np.nan)


def _by_node(array: xr.DataArray) -> Floats:
    """Return an array over period, node and workload, summed over steps of demand."""
    if "step" in array.dims:
        array = array.sum("step", skipna=False)
    return array.transpose("period", "node", "workload").to_numpy()


def _added(before: Any, more: Any) -> Any:
    """Add sums, of which those that are missing are left out; none where both are."""
    return np.where(np.isnan(before), more, np.where(np.isnan(more), before, before + more))


def _names(results: xr.Dataset, dim: str) -> list[str]:
    return [str(name) for name in results.indexes[dim]]


def _stretches(results: xr.Dataset) -> Iterator[tuple[int, xr.Dataset]]:
    for start in range(0, results.sizes["period"], _STRETCH):
        yield start, results.isel(period=slice(start, start + _STRETCH))
