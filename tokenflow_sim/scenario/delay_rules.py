"""Delay as rows of limits, or as latencies that follow the loads; and what is wrong with a scenario's delay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tokenflow_sim.errors import unknown_name
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.limits import NOBODY, SharedCapacity, Supply, Term
from tokenflow_sim.numeric import SECONDS_PER_HOUR, Floats
from tokenflow_sim.scenario.delay import Queue
from tokenflow_sim.scenario.places import Found, Loc
from tokenflow_sim.scenario.schema import ScenarioFields
from tokenflow_sim.variables import LIMITS

PAYEE = "delay"
"""Who is paid the rents of delay: nobody that takes part. What delay costs users is theirs; the rest is a toll."""


def find_delay_faults(scenario: ScenarioFields, workloads: Sequence[str]) -> list[Found]:
    """Find values of delay that are missing, unused, or of unknown classes, and limits that delay cannot count in."""
    delay = scenario.delay
    found: list[Found] = []
    if delay is None:
        return []
    parts: list[tuple[str, Queue | None]] = [("links", delay.links), ("sites", delay.sites)]
    for name, queue in parts:
        if queue is None:
            continue
        place: Loc = ("delay", name, "value")
        if delay.counts == "limit":
            if queue.value is not None:
                found.append((place, "has no use where delay counts in the limit; leave it out"))
            continue
        if queue.value is None:
            found.append((place, "is needed, since delay counts as a cost"))
        elif isinstance(queue.value, Mapping):
            found += [
                (place, unknown_name("workload", one, list(workloads)))
                for one in queue.value
                if one not in workloads
            ]
            if name == "links":
                found.append((place, "must be one number: all classes queue together at a link"))
            elif scenario.rules.shared_power:
                found.append((place, "must be one number, in $/MWh: classes that share power queue together"))
    if delay.links is not None and scenario.rules.bandwidth == "none":
        found.append((("delay", "links"), "has no meaning where bandwidth is none"))
    if delay.counts == "limit":
        if scenario.rules.latency_rule == "none" or scenario.rules.bandwidth == "none":
            found.append(
                (
                    ("delay", "counts"),
                    "is `limit`, but the market has no latency limits (market.latency_rule)",
                )
            )
        elif scenario.rules.latency_rule == "arc" and delay.sites is not None:
            message = (
                "count in the limit of a path, and not in that of an arc; set market.latency_rule to path"
            )
            found.append((("delay", "sites"), message))
    return found


class DelayRows:
    """Delay as a cost: a row for each link and each queue at a site, without any free capacity.

    Parameters
    ----------
    scenario : ScenarioFields
        A scenario whose delay counts as a cost.
    layout : Layout
        The market's labels.
    power_use : ndarray
        In MW per Mtok/s, dims (asset, workload).
    """

    def __init__(self, scenario: ScenarioFields, layout: Layout, power_use: Floats) -> None:
        assert scenario.delay is not None
        self._delay, self._layout = scenario.delay, layout
        self._shared = scenario.rules.shared_power
        self._power_use = power_use
        nodes = np.unique(layout.asset_node)
        place = np.full(layout.sizes["node"], NOBODY, dtype=np.int64)
        place[nodes] = np.arange(nodes.size)
        self._member = place[layout.asset_node]
        names, classes = [str(layout.nodes[node]) for node in nodes], [str(name) for name in layout.workloads]
        self._sites = nodes.size
        self._labels: tuple[object, ...] = tuple(
            names if self._shared else [f"{node}/{name}" for name in classes for node in names]
        )
        value = None if self._delay.sites is None else self._delay.sites.value
        if isinstance(value, Mapping):
            self._value = np.array([value.get(name, 0.0) for name in classes])
        else:
            self._value = np.full(len(classes), 0.0 if value is None else value)

    def at(
        self, capacity: Floats, power_limit: Floats | None, link_use: Floats, link_capacity: Floats
    ) -> tuple[SharedCapacity, ...]:
        """Return the rows of a period.

        Parameters
        ----------
        capacity : ndarray
            What exists in Mtok/s, dims (asset, workload).
        power_limit : ndarray or None
            In MW, dims (asset,), where power is shared.
        link_use, link_capacity : ndarray
            Dims (arc, workload) and (arc,).
        """
        found, delay = [], self._delay
        if delay.links is not None:
            value = np.full(len(link_capacity), float(delay.links.value or 0.0))  # type: ignore[arg-type]
            supply = delay.links.curve.supply(link_capacity, value, delay.steps)
            terms: tuple[Term, ...] = (Term("flow", link_use),)
            found.append(_row("link_delay", "arc", terms, supply, (), self._layout))
        if delay.sites is not None:
            if self._shared and power_limit is not None:
                room = np.bincount(self._member, power_limit, self._sites)
                value = np.full(self._sites, self._value[0] / SECONDS_PER_HOUR)
                terms = (Term("dispatch", self._power_use, self._member),)
            else:
                by_class = [np.bincount(self._member, each, self._sites) for each in capacity.T]
                room = np.concatenate(by_class)
                value = np.repeat(self._value, self._sites)
                only = np.eye(capacity.shape[1])
                terms = tuple(
                    Term("dispatch", np.tile(only[k], (len(capacity), 1)), self._member + k * self._sites)
                    for k in range(capacity.shape[1])
                )
            supply = delay.sites.curve.supply(room, value, delay.steps)
            found.append(_row("site_delay", "queue", terms, supply, self._labels, self._layout))
        for limit in found:
            limit.freeze()
        return tuple(found)


def _row(
    name: str,
    dim: str,
    terms: tuple[Term, ...],
    supply: Supply,
    labels: tuple[object, ...],
    layout: Layout,
) -> SharedCapacity:
    row = LIMITS[f"{name}_rent"]
    return SharedCapacity(
        name=name,
        rent=row.name,
        dim=dim,
        capacity=np.zeros(len(supply.price)),
        terms=terms,
        supply=supply,
        labels=labels,
        payee=PAYEE,
        rent_unit=row.unit_for(layout.link_unit),
        meaning=row.long_name,
    )


def latency_at(
    scenario: ScenarioFields,
    layout: Layout,
    power_use: Floats,
    state: tuple[Floats, Floats | None, Floats, Floats],
    dispatch: Floats,
    flow: Floats,
) -> tuple[Floats, Floats]:
    """Return what load adds to latencies: at links in ms, dims (arc,), and at nodes, dims (node, workload).

    Parameters
    ----------
    scenario, layout, power_use
        As in `DelayRows`.
    state : tuple of ndarray
        Capacity (asset, workload), power limit (asset,) or None, link use (arc, workload), link capacity (arc,).
    dispatch, flow : ndarray
        The loads in Mtok/s, dims (asset, workload) and (arc, workload).
    """
    delay = scenario.delay
    if delay is None:
        return np.zeros(len(layout.arcs)), np.zeros((len(layout.nodes), len(layout.workloads)))
    capacity, power_limit, link_use, link_capacity = state
    nodes, classes = layout.sizes["node"], layout.sizes["workload"]
    links, sites = np.zeros(len(link_capacity)), np.zeros((nodes, classes))
    if delay.links is not None:
        load = (link_use * flow).sum(axis=1)
        share = np.divide(load, link_capacity, out=np.zeros_like(load), where=link_capacity > 0)
        links = delay.links.curve.at(share)
    if delay.sites is not None:
        if power_limit is not None:
            used = np.bincount(layout.asset_node, (power_use * dispatch).sum(axis=1), nodes)
            room = np.bincount(layout.asset_node, power_limit, nodes)
            used, room = np.tile(used[:, None], classes), np.tile(room[:, None], classes)
        else:
            used, room = np.zeros((nodes, classes)), np.zeros((nodes, classes))
            np.add.at(used, layout.asset_node, dispatch)
            np.add.at(room, layout.asset_node, capacity)
        share = np.divide(used, room, out=np.zeros_like(used), where=room > 0)
        sites = delay.sites.curve.at(share)
    return links, sites
