"""Demand regions: those of the scenario, or one for each node with demand."""

from __future__ import annotations

from tokenflow_sim.scenario.schema import ScenarioFields


def homes_of(scenario: ScenarioFields) -> dict[str, tuple[str, ...]]:
    """Return the nodes of each demand region; without regions in the scenario, each node with demand is one."""
    homes = {name: region.nodes for name, region in scenario.regions.items()}
    if homes:
        return homes
    series = scenario.demand.series
    return {
        name: (name,)
        for name, node in scenario.nodes.items()
        if (node.demand_weight > 0 if series is None else name in series.nodes)
    }
