"""Pricing rules that are not defined for what else a scenario has."""

from __future__ import annotations

from tokenflow_sim.scenario.places import Found, Loc
from tokenflow_sim.scenario.schema import ScenarioFields

_PLACE: Loc = ("market", "pricing")


def find_pricing_faults(scenario: ScenarioFields) -> list[Found]:
    """Find what the market's pricing rule cannot settle, one line a rule.

    Parameters
    ----------
    scenario : ScenarioFields
        The scenario.
    """
    rules = scenario.rules
    if rules.pricing == "vcg" and scenario.security is not None:
        return [(_PLACE, "vcg is not defined with `security`: leave one of the two out")]
    if rules.pricing != "k_double_auction":
        return []
    found: list[Found] = []
    if len(scenario.nodes) > 1 and rules.bandwidth != "none":
        found.append(
            (
                _PLACE,
                f"k_double_auction takes one node or a pool; found {len(scenario.nodes)} nodes with"
                f" market.bandwidth {rules.bandwidth}: have one node, or market.bandwidth none",
            )
        )
    beside = {
        "market.shared_power": rules.shared_power,
        "market.latency_rule path": rules.latency_rule == "path",
        "security": scenario.security is not None,
        "reserve": bool(scenario.reserve),
        "grid": scenario.grid is not None,
        "residency": bool(scenario.residency),
        "delay": scenario.delay is not None,
        "limits": bool(scenario.limits),
        "nodes.*.grid_mw": any(node.grid_mw is not None for node in scenario.nodes.values()),
        "carbon.cap": bool(scenario.carbon.cap),
        "carbon.budget": scenario.carbon.budget is not None
        and scenario.carbon.budget.rule != "adaptive_price",
    }
    if named := [name for name, there in beside.items() if there]:
        found.append((_PLACE, f"k_double_auction has no price for {', '.join(named)}: leave that out"))
    return found
