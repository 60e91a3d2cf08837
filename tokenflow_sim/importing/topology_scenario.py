"""A whole scenario on an imported network: the smallest market that says something about the network."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from tokenflow_sim.importing.imported import TABLE, comment, quoted

POWER_MW = 1.0
"""Power of all sites, in MW for each node of the network."""
HUBS = 3
"""One node of so many has a site: those with the most links."""
PRICE = 0.07
"""Electricity price at every node, in $/kWh."""
PROVIDERS = ("alpha", "beta", "gamma")
# Classes and hardware are those of us20_oligopoly (docs/reference/us20_oligopoly.md says where its numbers are from).
_MARKET = """\
market:
  bandwidth: physical
  latency_rule: {rule}
  must_serve: false # demand is worth its `value`; beyond that it goes unserved
  shared_power: true # one megawatt serves one class at a time

# At scale 1 all nodes together ask for {share:.0%} of what the power of all sites serves.
workloads:
  chat:
    base_demand: 300000 # tok/s
    payload: 0.5 # GB/Mtok
    latency_limit: 100 # ms, of one arc
    value: 4 # $/Mtok
  batch:
    base_demand: 480000
    payload: 1
    value: 1

demand: {{ scale: 1 }}

# throughput in tok/s per MW, energy in kWh/Mtok, running_cost in $ per MW-hour.
hardware:
  h100:
    throughput: {{ chat: 1066000, batch: 1599000 }}
    energy: {{ chat: 0.20846, batch: 0.13898 }}
    running_cost: 86
"""
_SHARE = (300_000 / 1_066_000 + 480_000 / 1_599_000) / POWER_MW


def market_of(
    name: str, file: str, nodes: pd.DataFrame, arcs: pd.DataFrame, known_delay: bool, notes: Sequence[str]
) -> tuple[str, dict[str, pd.DataFrame]]:
    """Return the YAML and the tables of a scenario on a network.

    Parameters
    ----------
    name : str
        Its name.
    file : str
        Where the network is from.
    nodes, arcs : DataFrame
        The tables of the network.
    known_delay : bool
        Whether every arc has a latency; without, no class has a limit.
    notes : sequence of str
        What was assumed of the network.
    """
    degree = nodes["node"].map(arcs["origin"].value_counts()).fillna(0)
    hubs = degree.sort_values(ascending=False, kind="stable").index[: math.ceil(len(nodes) / HUBS)]
    power = POWER_MW * len(nodes) / len(hubs)
    sites = nodes.assign(power_mw=np.nan, electricity_price=PRICE)
    sites.loc[hubs, "power_mw"] = power
    owners = PROVIDERS[: len(hubs)]
    assets = {
        f"assets_{owner}.csv": pd.DataFrame(
            {"node": nodes.loc[hubs[number :: len(owners)], "node"], "hardware": "h100", "power_mw": power}
        )
        for number, owner in enumerate(owners)
    }
    rule = "arc" if known_delay else "none # some arcs have no latency, so that limits are ignored"
    lines = [
        comment(f"A market on the network of {file}. Of the network is assumed:"),
        *(comment(f"- {note}") for note in notes),
        comment(
            f"Of the market: the {len(hubs)} nodes with the most links have sites of {power:g} MW at {PRICE:g} $/kWh,"
            f" dealt in turn to {len(owners)} providers, who offer at marginal cost; every node has the demand of its"
            " weight; classes and hardware are two of us20_oligopoly, without its profiles. Replace what you know"
            " better."
        ),
        "format: 1",
        f"name: {quoted(name) if not name[0].isdigit() else repr(name)}",
        "periods: 24",
        "hours: 1",
        "",
        _MARKET.format(rule=rule, share=_SHARE),
        f"nodes: {TABLE}",
        "network: { arcs: arcs.csv, tariff: 0.01 } # $/GB",
        "",
        "providers:",
        *(f"  {owner}: {{ strategy: marginal_cost, assets: assets_{owner}.csv }}" for owner in owners),
        "",
    ]
    return "\n".join(lines), {"nodes.csv": sites, "arcs.csv": arcs, **assets}
