"""A scenario's losses by position, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from tokenflow_sim.errors import unknown_name
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.losses import Security
from tokenflow_sim.numeric import Bools, Floats
from tokenflow_sim.scenario.formulations import NetworkArrays
from tokenflow_sim.scenario.places import Found
from tokenflow_sim.scenario.schema import ScenarioFields


def losses_of(
    scenario: ScenarioFields, layout: Layout, power: Floats, network: NetworkArrays
) -> Security | None:
    """Return the losses that schedules have to survive; None where there are none.

    Parameters
    ----------
    scenario : ScenarioFields
        The scenario.
    layout : Layout
        Its labels.
    power : ndarray
        Nominal power of each asset in MW, dims (asset,).
    network : NetworkArrays
        The arcs.
    """
    rule = scenario.security
    if rule is None:
        return None
    assets, arcs = len(layout.assets), len(layout.arcs)
    found: list[tuple[str, Bools, Bools]] = []

    def add(label: str, lost_assets: Bools, lost_arcs: Bools) -> None:
        found.append((label, lost_assets, lost_arcs))

    no_assets, no_arcs = np.zeros(assets, dtype=np.bool_), np.zeros(arcs, dtype=np.bool_)
    for number, label in enumerate(map(str, layout.assets)):
        named = power[number] >= rule.least_mw if rule.assets is None else label in rule.assets
        if named:
            add(label, np.arange(assets) == number, no_arcs)
    for site in rule.sites:
        add(f"site {site}", layout.nodes[layout.asset_node] == site, no_arcs)
    ends = [frozenset(pair) for pair in zip(layout.origin.tolist(), layout.destination.tolist(), strict=True)]
    done: set[frozenset[int]] = set()
    # Without limits on links there is none to lose.
    numbers = range(arcs) if scenario.rules.bandwidth != "none" else range(0)
    for number in numbers:
        label = str(layout.arcs[number])
        large = _gigabytes(scenario, network)[number] >= rule.least_capacity
        if not (large if rule.links is None else label in rule.links) or (
            rule.both_ways and ends[number] in done
        ):
            continue
        done.add(ends[number])
        lost = [n == number or (rule.both_ways and ends[n] == ends[number]) for n in range(arcs)]
        add(label, no_assets, np.array(lost, dtype=np.bool_))
    return Security(
        labels=tuple(label for label, _, _ in found),
        assets=np.array([one for _, one, _ in found], dtype=np.bool_).reshape(len(found), assets),
        arcs=np.array([one for _, _, one in found], dtype=np.bool_).reshape(len(found), arcs),
        response=rule.response,
    )


def _gigabytes(scenario: ScenarioFields, network: NetworkArrays) -> Floats:
    """Return the capacity of every arc in GB/s."""
    if network.link_unit == "GB/s":
        return network.link_capacity
    payload = [workload.payload for workload in scenario.workloads.values() if workload.payload > 0]
    return network.link_capacity * min(payload, default=1.0)


def find_security_faults(
    scenario: ScenarioFields, assets: Collection[str], arcs: Collection[str]
) -> list[Found]:
    """Find losses of what does not exist.

    Parameters
    ----------
    scenario : ScenarioFields
        The scenario.
    assets, arcs : collection of str
        Labels that exist.
    """
    rule = scenario.security
    if rule is None:
        return []
    known = {"assets": ("asset", assets), "links": ("arc", arcs), "sites": ("node", list(scenario.nodes))}
    faults: list[Found] = []
    if scenario.rules.latency_rule == "path" or scenario.residency:
        faults.append(
            (("security",), "is not cleared with rules for whole paths (latency_rule: path, residency)")
        )
    for field, (what, names) in known.items():
        for name in getattr(rule, field) or ():
            if name not in names:
                faults.append((("security", field), unknown_name(what, name, list(names))))
    homes = {asset.node for provider in scenario.providers.values() for asset in provider.assets}
    faults += [
        (("security", "sites"), f"node {site!r} has no asset, which could be lost")
        for site in rule.sites
        if site in scenario.nodes and site not in homes
    ]
    return faults
