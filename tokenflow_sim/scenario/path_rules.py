"""What a period has of a scenario's rules for whole paths, and of delay that grows with load."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np

from tokenflow_sim.market.delivery import Added, Delivery, HeldOrigins
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.limits import SharedCapacity
from tokenflow_sim.market.routing import Routing
from tokenflow_sim.numeric import Bools, Floats
from tokenflow_sim.scenario.delay_rules import DelayRows, latency_at
from tokenflow_sim.scenario.formulations import NetworkArrays
from tokenflow_sim.scenario.residency_rules import rules_of, server_mask
from tokenflow_sim.scenario.schema import ScenarioFields

BOUNDS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
"""Latencies in ms for which results say how much is delivered within, beside the limits of the classes."""


class PathRules:
    """Latency limits along whole paths, residency and delay of one scenario.

    Parameters
    ----------
    scenario : ScenarioFields
        The scenario.
    layout : Layout
        Its labels.
    network : NetworkArrays
        Its network.
    power_use : ndarray
        In MW per Mtok/s, dims (asset, workload).

    Attributes
    ----------
    routing : Routing or None
        What holds along whole paths, at no load; None where nothing does.
    allowed : ndarray of bool
        Which class may use which arc at no load, dims (arc, workload).
    delivery : Delivery or None
        What a run records of latencies and residency; None without any of it, or of delay.
    follows_load : bool
        Whether latencies at the loads of a period count in the limits of the next.
    weight : float
        Weight of the last period's loads in them.
    """

    def __init__(
        self, scenario: ScenarioFields, layout: Layout, network: NetworkArrays, power_use: Floats
    ) -> None:
        self._scenario, self._layout, self._power_use = scenario, layout, power_use
        self._network, delay = network, scenario.delay
        self.follows_load = delay is not None and delay.counts == "limit"
        self.weight = 1.0 if delay is None else delay.weight
        self._rows = (
            DelayRows(scenario, layout, power_use) if delay is not None and delay.counts == "cost" else None
        )
        self.routing: Routing | None = None
        self.allowed: Bools = network.allowed
        self.routing = self._bare()
        if self.follows_load:
            links, sites = self.at_no_load
            self.routing, self.allowed = self.at_latency(links, sites)
        self.delivery: Delivery | None = None
        if self.routing is not None or delay is not None:
            self.delivery = _delivery(scenario, network, None if delay is None else self.at_loads)

    def _bare(self) -> Routing | None:
        """Return what holds along paths without any delay by load."""
        rules, servers = self._scenario.rules, server_mask(self._scenario)
        by_path = rules.latency_rule == "path" and rules.bandwidth != "none"
        if not by_path and servers is None:
            return None
        limits = [item.latency_limit if by_path else None for item in self._scenario.workloads.values()]
        # Where no limit is finite, arcs may have no latency that is known.
        return Routing(
            latency=np.nan_to_num(self._network.latency),
            limit=np.array([np.inf if limit is None else limit for limit in limits]),
            servers=servers,
        )

    @cached_property
    def at_no_load(self) -> tuple[Floats, Floats]:
        """What delay adds at no load in ms, dims (arc,) and (node, workload)."""
        sizes = self._layout.sizes
        nothing = np.zeros((sizes["asset"], sizes["workload"]))
        links, sites = self.at_loads(
            nothing, None, self._network.link_capacity, nothing, np.zeros(self.allowed.shape)
        )
        links.flags.writeable = sites.flags.writeable = False
        return links, sites

    def at_loads(
        self, capacity: Floats, power_limit: Floats | None, links: Floats, dispatch: Floats, flow: Floats
    ) -> tuple[Floats, Floats]:
        """Return what delay adds at some loads in ms, dims (arc,) and (node, workload); see `latency_at`."""
        state = capacity, power_limit, self._network.link_use, links
        return latency_at(self._scenario, self._layout, self._power_use, state, dispatch, flow)

    def at_latency(self, links: Floats, sites: Floats) -> tuple[Routing | None, Bools]:
        """Return rules for paths and allowed arcs where delay adds so much, dims (arc,) and (node, workload)."""
        routing, latency = self._bare(), np.nan_to_num(self._network.latency) + links
        limits = np.array(
            [
                np.inf if item.latency_limit is None else item.latency_limit
                for item in self._scenario.workloads.values()
            ]
        )
        # No path can be faster than one of its arcs.
        allowed = self._network.allowed & ((latency[:, None] <= limits * (1 + 1e-12)) | np.isinf(limits))
        allowed.setflags(write=False)
        return None if routing is None else replace(routing, latency=latency, processing=sites), allowed

    def follows_outages(
        self,
        limits: tuple[SharedCapacity, ...],
        capacity: Floats,
        power_limit: Floats | None,
        link_capacity: Floats,
    ) -> tuple[SharedCapacity, ...]:
        """Return limits with the rows of delay made again for what outages leave, as in `delays`."""
        anew = {limit.name: limit for limit in self.delays(capacity, power_limit, link_capacity)}
        return tuple(anew.get(limit.name, limit) for limit in limits)

    def delays(
        self, capacity: Floats, power_limit: Floats | None, link_capacity: Floats
    ) -> tuple[SharedCapacity, ...]:
        """Return the rows of delay as a cost in a period; none where it is none.

        Parameters
        ----------
        capacity, power_limit, link_capacity : ndarray
            What exists, as in `State`.
        """
        if self._rows is None:
            return ()
        return self._rows.at(capacity, power_limit, self._network.link_use, link_capacity)


def _delivery(scenario: ScenarioFields, network: NetworkArrays, added: Added | None) -> Delivery:
    """Return what a run records of latencies and residency."""
    limits = [item.latency_limit for item in scenario.workloads.values() if item.latency_limit is not None]
    spot = {name: number for number, name in enumerate(scenario.nodes)}
    classes = {name: number for number, name in enumerate(scenario.workloads)}
    bounds = np.array(sorted({*BOUNDS, *limits, *scenario.rules.latency_bounds}))
    bounds.setflags(write=False)
    rules = tuple(
        HeldOrigins(rule.label, classes[rule.workload], np.array([spot[node] for node in rule.origins]))
        for rule in rules_of(scenario)
    )
    return Delivery(bounds, rules, np.nan_to_num(network.latency), added)
