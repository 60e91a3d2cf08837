"""The rules of a scenario that hold along whole paths: its latency limits, and where classes may be processed."""

from __future__ import annotations

import numpy as np

from tokenflow_sim.market.routing import Routing
from tokenflow_sim.numeric import Floats
from tokenflow_sim.scenario.residency_rules import server_mask
from tokenflow_sim.scenario.schema import ScenarioFields


def make_routing(scenario: ScenarioFields, latency: Floats) -> Routing | None:
    """Return what holds along whole paths; None where the scenario asks for nothing of the kind.

    Parameters
    ----------
    scenario : ScenarioFields
        The scenario.
    latency : ndarray
        Latency of every arc in ms, dims (arc,); NaN where unknown, which the checks refuse where a limit is finite.
    """
    rules = scenario.rules
    by_path = rules.latency_rule == "path" and rules.bandwidth != "none"
    servers = server_mask(scenario)
    if not by_path and servers is None:
        return None
    limits = [item.latency_limit if by_path else None for item in scenario.workloads.values()]
    return Routing(
        latency=np.nan_to_num(latency),
        limit=np.array([np.inf if limit is None else limit for limit in limits]),
        servers=servers,
    )
