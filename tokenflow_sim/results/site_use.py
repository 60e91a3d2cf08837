"""How much of their offers, or of their power, the assets of each node use."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tokenflow_sim.numeric import Floats
from tokenflow_sim.results.checked import Results
from tokenflow_sim.results.reading import AT_ONCE, grouped, scenario_of

ALL = "all"
"""Column of the power that all classes use together."""


@dataclass(frozen=True, eq=False)
class SiteUse:
    """Use of the nodes' assets over a run.

    Parameters
    ----------
    nodes : list of str
        Nodes with assets.
    columns : list of str
        The classes; also `ALL` where they share power.
    share : ndarray
        Share in use, dims (node, column); NaN where nothing was offered.
    processing : ndarray
        Mean dispatch in Mtok/s, dims (node, workload).
    of_power : bool
        Whether shares are of the assets' power, which classes share, or of the quantity offered.
    """

    nodes: list[str]
    columns: list[str]
    share: Floats
    processing: Floats
    of_power: bool

    @property
    def busiest(self) -> list[int]:
        """Positions of the nodes by falling use."""
        share = np.nan_to_num(self.share)
        rank = share[:, -1] if self.of_power else share.mean(axis=1)
        # Nodes that use all they have are alike, whatever the rounding of their sums; they keep their order.
        return [int(place) for place in np.argsort(-np.round(rank, 9), kind="stable")]


def site_use(results: Results) -> SiteUse:
    """Return the use of each node's assets.

    Where classes share an asset's power, its offers for one class can never all be used beside those for another, so
    that shares of power are more telling: sum_s h_sk x_sk / sum_s P_s, from the power use h and the nominal power P of
    the scenario. Without a scenario among the attributes, shares are of the quantity offered.
    """
    at = results.along("asset_node")
    nodes = list(dict.fromkeys(at))
    classes = results.names("workload", "dispatch")
    power = _power(results)
    periods = results["dispatch"].sizes["period"]
    shape = len(nodes), len(classes)
    output, offered, drawn = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for start in range(0, periods, AT_ONCE):
        part = slice(start, start + AT_ONCE)
        used, asked = (results[name][part].values.sum(axis=0) for name in ("dispatch", "offer_quantity"))
        power_drawn = np.zeros_like(used) if power is None else used * power[0]
        output += grouped(used, at, nodes, axis=0)
        offered += grouped(asked, at, nodes, axis=0)
        drawn += grouped(power_drawn, at, nodes, axis=0)
    if power is None:
        share = np.divide(output, offered, out=np.full_like(output, np.nan), where=offered > 0)
        return SiteUse(nodes, classes, share, output / periods, False)
    limit = grouped(power[1], at, nodes, axis=0)[:, None] * periods
    share = np.divide(drawn, limit, out=np.full_like(drawn, np.nan), where=limit > 0)
    share = np.column_stack([share, share.sum(axis=1)])
    return SiteUse(nodes, [*classes, ALL], share, output / periods, True)


def _power(results: Results) -> tuple[Floats, Floats] | None:
    """Return power use (asset, workload) and nominal power (asset,) of the scenario where classes share power."""
    scenario = scenario_of(results.ds)
    if scenario is None or not scenario.rules.shared_power:
        return None
    market = scenario.market()
    arrays, layout = market.arrays, market.layout
    if arrays.power_use is None or arrays.power_limit is None:
        return None
    asset = layout.assets.get_indexer(pd.Index(results.names("asset", "dispatch")))
    workload = layout.workloads.get_indexer(pd.Index(results.names("workload", "dispatch")))
    if (asset < 0).any() or (workload < 0).any() or not np.isfinite(arrays.power_limit).all():
        return None  # results of another market than the scenario's
    return arrays.power_use[np.ix_(asset, workload)], arrays.power_limit[asset]
