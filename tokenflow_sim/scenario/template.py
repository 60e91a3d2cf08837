"""A new scenario's files: the template, and writing them into a folder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from tokenflow_sim.disk import writing
from tokenflow_sim.errors import Fault, ScenarioError


def write_files(folder: str | Path, files: Mapping[str, str], *, force: bool = False) -> Path:
    """Write a scenario's files.

    Parameters
    ----------
    folder : str or Path
        Where to write them; made if it does not exist.
    files : mapping
        Text by file name, ``scenario.yaml`` among them.
    force : bool
        Write even where the folder has files already; those of the same names are replaced.

    Returns
    -------
    Path
        The scenario file.

    Raises
    ------
    ScenarioError
        If the folder has files and `force` is false.
    ResultError
        If it cannot be written to.
    """
    target = Path(folder)
    with writing(target):
        target.mkdir(parents=True, exist_ok=True)
        if any(target.iterdir()) and not force:
            fault = Fault(
                "this folder has files already; choose another, or write into it with --force",
                "",
                str(folder),
            )
            raise ScenarioError([fault], "a new scenario")
        for file, text in files.items():
            (target / file).write_text(text, encoding="utf-8")
    return target / "scenario.yaml"


_SCENARIO = """\
# A small market to start from: change it, then run `tokenflow validate` on this folder.
# Every field, with its unit and default, is in docs/reference/scenarios.md.
format: 1
name: {name}
description: Two providers serve three regions
periods: 168 # a week of hours
hours: 1.0 # length of a period
start: 2026-01-05 00:00 # UTC; a Monday

market:
  bandwidth: physical # links in GB/s; or token_equivalent, or none (no network)
  latency_rule: arc # a class may not use an arc slower than its latency limit
  must_serve: false # demand may go unserved, at the `value` of its class
  shared_power: true # the classes of an asset share its power

# Demand = scale x demand_weight of the node x base_demand of the class x the factors below, by the node's local
# time. `--set demand.scale=5` on the command line changes one value of any run.
demand:
  scale: 4
  hourly: demand_hourly.csv # 24 factors by class; leave it out for flat demand
  weekly: # 7 factors by class, Monday to Sunday
    chat: [1.05, 1.05, 1.05, 1.05, 1.0, 0.9, 0.9]
  noise: {{ volatility: {{ chat: 0.05, batch: 0.1 }}, persistence: 0.8, common: 0.5 }}

workloads:
  chat: # people who wait for an answer
    base_demand: 50000 # tok/s at weight 1 and scale 1
    payload: 0.5 # GB/Mtok
    latency_limit: 15 # ms; leave it out for none
    value: 10 # $/Mtok, what a lost token costs
  batch: # work that can wait and travel
    base_demand: 10000
    payload: 10
    value: 25

nodes: nodes.csv

network:
  max_distance: 2000 # km; nodes no further apart are joined, both ways
  capacity: 1.25 # GB/s (10 Gbps)
  # One row changes an arc that the rule makes, or adds one:
  arcs:
    - {{ origin: coast, destination: plains, capacity: 2.5 }}

electricity:
  hourly: electricity_hourly.csv # 24 factors by node on its electricity_price, by local hour

hardware:
  new:
    throughput: {{ chat: 5000, batch: 1000 }} # tok/s per MW
    energy: {{ chat: 1, batch: 10 }} # kWh/Mtok
    running_cost: 20 # $ per MW and hour of full use, beside electricity
  old:
    throughput: {{ chat: 2500, batch: 600 }}
    energy: {{ chat: 2, batch: 17 }}
    running_cost: 8

# Each asset has its power in MW, or its share of the node's power_mw.
providers:
  alpha:
    strategy: marginal_cost
    assets:
      - {{ node: coast, hardware: new, share: 0.6 }}
      - {{ node: plains, hardware: old, share: 1.0 }}
  beta:
    strategy: {{ name: fixed_markup, markup: 0.1 }}
    assets:
      - {{ node: coast, hardware: old, share: 0.4 }}
      - {{ node: lakes, hardware: new, power_mw: 90 }}

owners:
  fibre: {{ owns: rest, tariff: 0.01 }} # $/GB, on all arcs

# Without regions, each node with demand is one.
regions:
  east: {{ nodes: [coast] }}
  inland: {{ nodes: [plains, lakes] }}

# Spans of periods in which something is available only in part:
outages:
  - {{ first: 60, last: 71, node: lakes, available: 0.5 }}
"""
_NODES = """\
node,latitude,longitude,power_mw,electricity_price,demand_weight,time_zone
coast,40.7,-74.2,150,0.11,1.5,America/New_York
plains,41.6,-93.6,120,0.06,0.5,America/Chicago
lakes,41.9,-87.6,100,0.08,1.0,America/Chicago
"""
_CHAT = (
    *(0.5, 0.4, 0.35, 0.3, 0.3, 0.4, 0.6, 0.8, 1.1, 1.3, 1.4, 1.4),
    *(1.35, 1.4, 1.45, 1.45, 1.4, 1.3, 1.2, 1.2, 1.25, 1.2, 0.95, 0.7),
)
_BATCH = (*[1.3] * 6, *[0.9] * 12, *[1.0] * 4, *[1.2] * 2)
_COAST = (*[0.8] * 6, *[1.0] * 10, *[1.4] * 5, *[0.9] * 3)
_LAKES = (*[0.85] * 7, *[1.05] * 9, *[1.25] * 5, *[0.95] * 3)


def _by_hour(first: tuple[float, ...], second: tuple[float, ...]) -> str:
    return "".join(f"{hour},{one},{two}\n" for hour, (one, two) in enumerate(zip(first, second, strict=True)))


_DEMAND = "hour,chat,batch\n" + _by_hour(_CHAT, _BATCH)
_ELECTRICITY = "# plains is not in this table, so its price is flat\nhour,coast,lakes\n" + _by_hour(
    _COAST, _LAKES
)
_UNFIT = re.compile(r"[^\w\-]+")


def write_template(folder: str | Path, force: bool = False) -> Path:
    """Write a small, valid, commented scenario.

    Parameters
    ----------
    folder : str or Path
        Where to write it; made if it does not exist. The scenario takes its name.
    force : bool
        Write even where the folder has files already; those of the same names are replaced.

    Returns
    -------
    Path
        The scenario file.

    Raises
    ------
    ScenarioError
        If the folder has files and `force` is false, or cannot be written to.
    """
    target = Path(folder)
    name = _UNFIT.sub("_", target.resolve().name).strip("_-")[:64] or "my_market"
    files = {
        "scenario.yaml": _SCENARIO.format(name=f'"{name}"' if name[0].isdigit() else name),
        "nodes.csv": _NODES,
        "demand_hourly.csv": _DEMAND,
        "electricity_hourly.csv": _ELECTRICITY,
    }
    return write_files(target, files, force=force)
