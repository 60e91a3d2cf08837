"""Latencies that follow the loads: what the last periods' loads make of the limits of the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tokenflow_sim.agents.period_result import PeriodResult
from tokenflow_sim.scenario import State
from tokenflow_sim.scenario.path_rules import PathRules


class Queues:
    """The delay at links and sites that counts in latency limits.

    A period's limits count the latencies that the loads of the periods before had: a moving average, in which the last
    period has the scenario's `delay.weight`. Where demand and costs stay as they are, a run so looks for the fixed
    point at which loads and the latencies that they make agree. A weight below one damps it: loads that jump back and
    forth between two paths move latencies by ever the same, bounded, steps.

    Parameters
    ----------
    rules : PathRules
        The scenario's rules.
    """

    def __init__(self, rules: PathRules) -> None:
        self._rules = rules
        self.links, self.sites = rules.at_no_load

    def apply(self, state: State) -> State:
        """Return a period's state with the latencies that hold in it."""
        routing, allowed = self._rules.at_latency(self.links, self.sites)
        return replace(state, routing=routing, allowed=allowed)

    def observe(self, state: State, result: PeriodResult) -> None:
        """Take in the loads of a period."""
        links, sites = self._rules.at_loads(
            state.capacity, state.power_limit, state.link_capacity, result.dispatch, result.values.flow
        )
        weight = self._rules.weight
        self.links = self.links + weight * (links - self.links)
        self.sites = self.sites + weight * (sites - self.sites)

    def get_state(self) -> dict[str, Any]:
        """Return the latencies."""
        return {"links": self.links.copy(), "sites": self.sites.copy()}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go back to what `get_state` returned."""
        self.links, self.sites = state["links"].copy(), state["sites"].copy()
