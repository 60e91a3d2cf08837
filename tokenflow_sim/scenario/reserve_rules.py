"""A scenario's reserve as requirements of a market, and what is wrong with it."""

from __future__ import annotations

import numpy as np

from tokenflow_sim.errors import unknown_name
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.reserve import Requirement, ReserveRows
from tokenflow_sim.numeric import SECONDS_PER_HOUR, Floats
from tokenflow_sim.scenario.links import Links
from tokenflow_sim.scenario.places import Found
from tokenflow_sim.scenario.residency_rules import server_mask
from tokenflow_sim.scenario.schema import ScenarioFields
from tokenflow_sim.scenario.zones import ALL, groups_of


def reserve_rows(scenario: ScenarioFields, layout: Layout, power_use: Floats) -> ReserveRows | None:
    """Return the rows of a scenario's reserve; None where it has none.

    Parameters
    ----------
    scenario : ScenarioFields
        The scenario.
    layout : Layout
        Its labels.
    power_use : ndarray
        Power drawn in MW per Mtok/s, dims (asset, workload); zero where an asset does not serve a class.
    """
    if not scenario.reserve:
        return None
    groups, shared = groups_of(scenario), scenario.rules.shared_power
    names = np.array(list(scenario.nodes)), np.array(list(scenario.workloads))
    found = [
        Requirement(
            name=name,
            margin=one.margin,
            nodes=np.isin(names[0], groups[one.zone or ALL]),
            workloads=np.isin(names[1], one.workloads)
            if one.workloads
            else np.ones(len(names[1]), dtype=np.bool_),
            # $/MWh is $/h per MW.
            price=one.price / SECONDS_PER_HOUR if one.price is not None and shared else one.price,
        )
        for name, one in scenario.reserve.items()
    ]
    return ReserveRows(layout, found, power_use, shared)


def find_zone_reserve_faults(scenario: ScenarioFields, links: Links) -> list[Found]:
    """Find reserve of zones that cannot be counted, since service takes whole paths.

    Requests that enter a zone by an arc are others', and their service does not count as the zone's: beside rules for
    whole paths a way in circles could then be the cheapest (`market.path_limits`).

    Parameters
    ----------
    scenario : ScenarioFields
        A scenario whose names were checked.
    links : Links
        Its arcs.
    """
    rules, servers = scenario.rules, server_mask(scenario)
    by_path = rules.latency_rule == "path" and rules.bandwidth != "none"
    limited = by_path and any(item.latency_limit is not None for item in scenario.workloads.values())
    if rules.shared_power or not (limited or (servers is not None and not servers.all())):
        return []
    groups, names = groups_of(scenario), np.array(list(scenario.nodes))
    found: list[Found] = []
    for name, one in scenario.reserve.items():
        inside = np.isin(names, groups.get(one.zone or ALL, ()))
        if (~inside[links.origin] & inside[links.destination]).any():
            text = (
                f"the reserve of {one.zone} is not defined beside rules for whole paths (latency_rule: path,"
                " residency), since arcs lead into it: leave `zone` out, or those rules"
            )
            found.append((("reserve", name, "zone"), text))
    return found


def find_reserve_faults(scenario: ScenarioFields) -> list[Found]:
    """Find reserve of zones or classes that do not exist, or that no asset could hold.

    Parameters
    ----------
    scenario : ScenarioFields
        The scenario.
    """
    faults: list[Found] = []
    groups = groups_of(scenario)
    for name, one in scenario.reserve.items():
        place = ("reserve", name)
        wrong = [other for other in one.workloads if other not in scenario.workloads]
        faults += [
            ((*place, "workloads"), unknown_name("workload", other, list(scenario.workloads)))
            for other in wrong
        ]
        zone = one.zone or ALL
        if zone not in groups:
            faults.append(((*place, "zone"), unknown_name("zone", zone, list(groups))))
            continue
        classes = set(one.workloads or scenario.workloads)
        if wrong or any(
            asset.node in groups[zone] and classes & {k for k, rate in hardware.rates.items() if rate > 0}
            for provider in scenario.providers.values()
            for asset in provider.assets
            if (hardware := scenario.hardware.get(asset.hardware)) is not None
        ):
            continue
        faults.append(
            (place, f"no asset in {zone} serves {', '.join(sorted(classes))}; nobody could hold it")
        )
    return faults
