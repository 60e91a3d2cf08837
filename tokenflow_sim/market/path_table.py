"""The paths that demand takes, as a table."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tokenflow_sim.market.market import Market
from tokenflow_sim.market.path_pool import NO_ARC
from tokenflow_sim.market.values import Values

COLUMNS = ("origin", "workload", "server", "arcs", "volume", "latency", "cost", "charge")


def paths_in_use(market: Market, values: Values) -> pd.DataFrame:
    """Return the paths along which something flows.

    Parameters
    ----------
    market : Market
        The market.
    values : Values
        Its clearing.

    Returns
    -------
    DataFrame
        A row for each, with `COLUMNS`: labels of origin, class, server and arcs, volume in Mtok/s, latency in ms with
        what the server adds, and in $/Mtok route costs and what links and other limits charge.
    """
    along, layout, arrays = values.along, market.layout, market.arrays
    routing = arrays.routing
    if along is None or routing is None:
        return pd.DataFrame({name: [] for name in COLUMNS})
    used = along.volume > 0
    paths = along.paths.taken(used)
    charges = {"flow": np.zeros(arrays.route_cost.shape)}
    for limit in arrays.every_limit:
        limit.add_charges(values.rents[limit.rent], charges)
    processing = routing.processing_by_class(len(layout.nodes))[paths.server, paths.workload]
    arcs = layout.arcs.to_numpy()
    return pd.DataFrame(
        {
            "origin": layout.nodes.to_numpy()[paths.origin],
            "workload": layout.workloads.to_numpy()[paths.workload],
            "server": layout.nodes.to_numpy()[paths.server],
            "arcs": [tuple(arcs[row[row != NO_ARC]]) for row in paths.arcs],
            "volume": along.volume[used],
            "latency": paths.summed(routing.latency_by_class()) + processing,
            "cost": paths.summed(arrays.route_cost),
            "charge": paths.summed(charges["flow"]),
        },
        columns=list(COLUMNS),
    )
