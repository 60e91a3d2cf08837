"""The power that a market's assets draw -> loads of a PyPSA network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from tokenflow_sim.errors import unknown_name
from tokenflow_sim.importing.faults import Faults, refuse
from tokenflow_sim.importing.pypsa_files import SUBJECT, steps_of
from tokenflow_sim.numeric import SECONDS_PER_HOUR
from tokenflow_sim.results import load_results
from tokenflow_sim.results.reading import read_scenario
from tokenflow_sim.scenario import Scenario
from tokenflow_sim.scenario.extra import load_extra
from tokenflow_sim.scenario.pypsa_network import quiet

KW_PER_MW = 1000.0
CARRIER = "computing"
"""Carrier of the loads."""


def power_drawn(results: xr.Dataset | str | Path) -> pd.DataFrame:
    """Return the electrical power that assets draw in MW, by period and node.

    Parameters
    ----------
    results : Dataset or path
        The results of a run, or their file.

    Returns
    -------
    DataFrame
        Index: begin of each period (UTC, without a zone, as PyPSA has it) where the scenario has a start, else its
        number; columns: the nodes where assets stand.

    Notes
    -----
    Of an asset: ``sum_k x_k e_k * 3600 / 1000``, with its service x in Mtok/s and the energy e of its hardware in
    kWh/Mtok, times the PUE of its site where that has one.
    """
    ds = load_results(results) if isinstance(results, (str, Path)) else results
    scenario = _scenario(ds)
    hardware_of = dict(zip(scenario.compiled.layout.assets, scenario.compiled.asset_hardware, strict=True))
    assets, workloads = ds["asset"].to_numpy().tolist(), ds["workload"].to_numpy().tolist()
    nodes = ds["asset_node"].to_numpy().astype(str)
    energy = np.array(
        [
            [
                scenario.hardware[hardware_of[asset]].energy.get(name, 0.0) * _pue(scenario, node)
                for name in workloads
            ]
            for asset, node in zip(assets, nodes, strict=True)
        ]
    )
    served = ds["dispatch"]
    served = served.sum([dim for dim in served.dims if dim not in ("period", "asset", "workload")])
    by_asset = np.einsum("pak,ak->pa", served.transpose("period", "asset", "workload").to_numpy(), energy)
    frame = pd.DataFrame(by_asset * (SECONDS_PER_HOUR / KW_PER_MW), columns=nodes)
    frame = frame.T.groupby(level=0, sort=False).sum().T
    if scenario.start is not None:
        begin = pd.Timestamp(scenario.start).tz_convert("UTC").tz_localize(None)
        periods = ds["period"].to_numpy()
        frame.index = pd.DatetimeIndex(
            [begin + pd.Timedelta(hours=float(n) * scenario.hours) for n in periods]
        )
    return frame.rename_axis(index="snapshot", columns="node")


def _scenario(ds: xr.Dataset) -> Scenario:
    """Return the scenario that results carry: it says what energy a unit of service takes."""
    scenario, why = read_scenario(ds)
    if scenario is None:
        raise refuse("the run", f"has no scenario that says what power its assets draw: {why}")
    return scenario


def _pue(scenario: Scenario, node: str) -> float:
    """Return the power usage effectiveness of a site; one where it has none."""
    found = scenario.nodes[node].pue
    return 1.0 if found is None else found


def pypsa_load(
    results: xr.Dataset | str | Path,
    network: Any = None,
    *,
    map: Mapping[str, str] | None = None,
    suffix: str = " computing",
) -> Any:
    """Return a PyPSA network with the power that a market draws as `Load` components.

    Parameters
    ----------
    results : Dataset or path
        The results of a run, or their file.
    network : pypsa.Network, optional
        The network that gets the loads, changed in place; a new one with a bus for each node if left out.
    map : mapping, optional
        Bus by node, where their names differ.
    suffix : str
        What follows the node in the name of its load.

    Returns
    -------
    pypsa.Network
        With a load at each node where assets stand, its `p_set` in MW.

    Raises
    ------
    DataError
        If a node has no bus, or snapshots are not the periods.
    ResultError
        If PyPSA is not installed.
    """
    power = power_drawn(results)
    with quiet():
        pypsa = load_extra("pypsa", "a PyPSA network")
        if network is None:
            return _add(_bare(pypsa, power, results), power, {}, suffix)
    faults = Faults(SUBJECT)
    bus_of = {node: (map or {}).get(node, node) for node in power.columns}
    for node in map or {}:
        if node not in bus_of:
            faults.add(unknown_name("node", node, list(bus_of)))
    for node, bus in bus_of.items():
        if bus not in network.buses.index:
            unknown = unknown_name("bus", bus, list(network.buses.index))
            faults.add(f"node {node!r}: {unknown}; name its bus by map (--map {node}=BUS)")
    faults.check()
    steps_of(network.snapshots, Path(network.name or "network"))
    if not isinstance(power.index, pd.DatetimeIndex):
        # Periods without dates are those of the snapshots, in order.
        if len(power) != len(network.snapshots):
            what = f"has {len(network.snapshots)} snapshots, the run {len(power)} periods without dates"
            raise refuse(SUBJECT, f"{what}: they must be as many")
        power.index = network.snapshots
    missing = network.snapshots.difference(power.index)
    if len(missing):
        took = f"the run has {power.index[0]} to {power.index[-1]}, by its scenario's `start`"
        raise refuse(
            SUBJECT,
            f"has {len(missing)} snapshots that are no period of the run, from {missing[0]} on ({took})",
        )
    return _add(network, power.loc[network.snapshots], bus_of, suffix)


def _bare(pypsa: Any, power: pd.DataFrame, results: xr.Dataset | str | Path) -> Any:
    """Return a network of buses at the nodes, and nothing else."""
    ds = load_results(results) if isinstance(results, (str, Path)) else results
    scenario = _scenario(ds)
    network = pypsa.Network(name=scenario.name)
    network.set_snapshots(power.index)
    places = [scenario.nodes[node] for node in power.columns]
    network.add(
        "Bus", list(power.columns), x=[place.longitude or 0.0 for place in places],
        y=[place.latitude or 0.0 for place in places],
    )  # fmt: skip
    return network


def _add(network: Any, power: pd.DataFrame, bus_of: Mapping[str, str], suffix: str) -> Any:
    names = [f"{node}{suffix}" for node in power.columns]
    taken = [name for name in names if name in network.loads.index]
    if taken:
        raise refuse(SUBJECT, f"has loads called {', '.join(taken[:4])} already")
    with quiet():
        if CARRIER not in network.carriers.index:
            network.add("Carrier", CARRIER)
        series = power.set_axis(names, axis=1)
        buses = [bus_of.get(node, node) for node in power.columns]
        network.add("Load", names, bus=buses, carrier=CARRIER, p_set=series)
    return network
