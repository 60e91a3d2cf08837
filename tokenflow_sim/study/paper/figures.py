"""The data behind the paper's figures."""

from __future__ import annotations

import numpy as np
import xarray as xr

from tokenflow_sim.study.paper.cases import TIGHT_LATENCY, TRANSFER_AWARE, Case, Cases
from tokenflow_sim.variables import Variable

SWEEP = np.arange(1.0, 46.0)
"""The demand scales of Figure 3."""

_PROCESSING = Variable("processing", ("node", "workload"), "Mtok/s", "processing at the node")
_UTILISATION = Variable("utilisation", ("node", "workload"), "1", "share of capacity in use")
_PLACES = (
    Variable("latitude", ("node",), "degrees_north", "latitude"),
    Variable("longitude", ("node",), "degrees_east", "longitude"),
    Variable("power_mw", ("node",), "MW", "power of the site"),
    Variable("electricity_price", ("node",), "$/kWh", "electricity price"),
)


def dispatch_map(cases: Cases) -> xr.Dataset:
    """Return what the maps of Figures 1 and 2 draw.

    Parameters
    ----------
    cases : Cases
        The scenario's markets.

    Returns
    -------
    Dataset
        `processing`, `utilisation` (zero where there is no capacity) and `price` (node, workload), `flow`
        (arc, workload), `link_use_share` (arc,) and, along node, `latitude`, `longitude`, `power_mw` and
        `electricity_price`.
    """
    case = cases.case()
    layout, arrays = case.market.layout, case.market.arrays
    processing = np.zeros((len(layout.nodes), len(layout.workloads)))
    capacity = np.zeros_like(processing)
    np.add.at(processing, layout.asset_node, case.clearing.values.dispatch.sum(axis=2))
    np.add.at(capacity, layout.asset_node, arrays.capacity.sum(axis=2))
    share = np.divide(processing, capacity, out=np.zeros_like(capacity), where=capacity > 0)
    nodes = cases.scenario.nodes.values()
    places = {
        item.name: (item.dims, [getattr(node, item.name) for node in nodes], item.attrs()) for item in _PLACES
    }
    return xr.Dataset(
        {
            "processing": layout.label(_PROCESSING, processing),
            "utilisation": layout.label(_UTILISATION, share),
            "price": case.clearing.price,
            "flow": case.clearing.flow,
            "link_use_share": case.link_use_share,
        }
    ).assign(places)


def bottlenecks(cases: Cases) -> xr.Dataset:
    """Return what Figure 4 draws: link utilisation under the transfer-aware program, chat prices around tight latency.

    Parameters
    ----------
    cases : Cases
        The five-node markets.

    Returns
    -------
    Dataset
        `link_use_share` (arc,), `chat_price_before` and `chat_price_after` (node,).
    """

    def chat(case: Case, when: str) -> xr.DataArray:
        price = case.clearing.price.sel(workload="chat", drop=True)
        return price.assign_attrs(long_name=f"price of chat {when} tight latency limits")

    return xr.Dataset(
        {
            "link_use_share": cases.case(TRANSFER_AWARE).link_use_share,
            "chat_price_before": chat(cases.case(), "before"),
            "chat_price_after": chat(cases.case(TIGHT_LATENCY), "under"),
        }
    )
