"""The data behind the paper's figures."""

from __future__ import annotations

import numpy as np
import xarray as xr

from tokenflow_sim.study.paper.cases import OVERHEAD, TIGHT_LATENCY, Case, Cases

SWEEP = np.arange(1.0, 46.0)


def dispatch_map(cases: Cases) -> xr.Dataset:
    """Return what the maps of Figures 1 and 2 draw.

    Returns
    -------
    Dataset
        `processing` and `utilisation` (node, workload), `flow` (arc, workload), `link_use_share` (arc,) and, along
        node, `latitude`, `longitude`, `power_mw` and `electricity_price`.
    """
    case = cases.case()
    layout = case.market.layout
    at = xr.DataArray(layout.nodes[layout.asset_node], dims="asset", name="node")
    processing = case.clearing.dispatch.groupby(at.rename("node")).sum().reindex(node=layout.nodes)
    capacity = case.market["capacity"].groupby(at.rename("node")).sum().reindex(node=layout.nodes)
    nodes = cases.scenario.nodes
    along = {
        "latitude": ("degrees_north", [node.latitude for node in nodes.values()]),
        "longitude": ("degrees_east", [node.longitude for node in nodes.values()]),
        "power_mw": ("MW", [node.power_mw for node in nodes.values()]),
        "electricity_price": ("$/kWh", [node.electricity_price for node in nodes.values()]),
    }
    data = {
        "processing": processing.assign_attrs(units="Mtok/s", long_name="processing"),
        "utilisation": (processing / capacity).assign_attrs(units="1", long_name="share of capacity in use"),
        "flow": case.clearing.flow,
        "link_use_share": case.saturated,
        "price": case.clearing.price,
    }
    return xr.Dataset(data).assign(
        {
            name: ("node", values, {"units": unit, "long_name": name.replace("_", " ")})
            for name, (unit, values) in along.items()
        }
    )


def bottlenecks(cases: Cases) -> xr.Dataset:
    """Return what Figure 4 draws: link utilisation under the transfer-aware program, chat prices around tight latency.

    Returns
    -------
    Dataset
        `link_use_share` (arc,), `chat_price_before` and `chat_price_after` (node,).
    """
    overhead = {f"workloads.{name}.overhead": factor for name, factor in OVERHEAD.items()}
    aware = cases.case({"market.bandwidth": "physical"} | overhead)

    def chat(case: Case) -> xr.DataArray:
        return case.clearing.price.sel(workload="chat", drop=True)

    return xr.Dataset(
        {
            "link_use_share": aware.saturated,
            "chat_price_before": chat(cases.case()),
            "chat_price_after": chat(cases.case(TIGHT_LATENCY)),
        }
    )
