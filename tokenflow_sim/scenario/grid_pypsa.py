"""A PyPSA network -> the tables of a scenario's grid, and the names of what has no counterpart there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tokenflow_sim.scenario.pypsa_network import quiet
from tokenflow_sim.scenario.series import PeriodSeries
from tokenflow_sim.scenario.time_axis import HOUR, Instants, make_steps

NO_VALUE = 1e9
"""A capacity beyond this, in MW, stands for one without a limit."""


def grid_of(network: Any, rate: float, source: str) -> dict[str, Any]:
    """Return the tables of a grid.

    Parameters
    ----------
    network : pypsa.Network
        The network, which is changed in memory.
    rate : float
        Dollars per unit of the network's currency.
    source : str
        What messages call its file.

    Returns
    -------
    dict
        `buses`, `lines`, `generators` and series, as `Grid` takes them.

    Raises
    ------
    ValueError
        If snapshots are of several investment periods, or no ascending times.

    Notes
    -----
    A line, or a transformer, follows voltage angles by the reactance per unit that PyPSA works out (`x_pu_eff`; of a
    sub-network of direct current, `r_pu_eff`), and carries `s_nom` times `s_max_pu`. A link is free within `p_min_pu`
    and `p_max_pu` times `p_nom`, and loses what its efficiency says. A generator's emissions are its carrier's per
    its efficiency. Capacities that may be extended count as they are.
    """
    with quiet():
        network.determine_network_topology()
        network.calculate_dependent_values()
        edges = edges_of(network)
        loads, generators = _loads(network), active(network.generators)
        generators = generators[generators["sign"].astype(float) > 0]
        tables: dict[str, Any] = {
            "buses": _buses(network),
            "lines": _lines(network, rate),
            "generators": _generators(network, generators, rate),
        }
        series = {
            "load": loads,
            "availability": network.get_switchable_as_dense("Generator", "p_max_pu"),
            "must_run": network.get_switchable_as_dense("Generator", "p_min_pu").clip(lower=0.0),
            "cost": network.get_switchable_as_dense("Generator", "marginal_cost")
            * rate
            / _sign(network.generators),
        }
    fixed = {"load": "load_mw", "availability": "availability", "must_run": "must_run", "cost": "cost"}
    for name, frame in series.items():
        holder = tables["buses" if name == "load" else "generators"]
        frame = frame[[column for column in frame.columns if column in holder]]
        values = frame.to_numpy(dtype=float)
        varies = (values != values[:1]).any(axis=0) if len(values) else np.zeros(0, bool)
        if name == "availability":
            # What has a series can be curtailed, as in PyPSA's statistics, even in a network of one snapshot.
            varies |= frame.columns.isin(network.generators_t["p_max_pu"].columns)
        for column in np.flatnonzero(~varies):
            holder[str(frame.columns[column])][fixed[name]] = float(values[0, column])
        if varies.any():
            names = [str(column) for column in frame.columns[varies]]
            tables[name] = PeriodSeries(names, values[:, varies], edges, source)
    return tables


def active(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the components that are not switched off."""
    return frame[frame["active"].astype(bool)] if "active" in frame else frame


def edges_of(network: Any) -> Instants | None:
    """Return when snapshots begin, and when the last one ends; None where they are no dates.

    Raises
    ------
    ValueError
        If they are of several investment periods, or no ascending times.
    """
    index = network.snapshots
    if isinstance(index, pd.MultiIndex):
        raise ValueError("has investment periods: export one of them (n.set_snapshots)")
    if not isinstance(index, pd.DatetimeIndex):
        return None
    stamps = index.tz_localize("UTC") if index.tz is None else index.tz_convert("UTC")
    times = stamps.as_unit("ns").asi8
    if len(times) == 1:
        hours = float(network.snapshot_weightings["generators"].iloc[0])
        return np.array([times[0], times[0] + round(hours * HOUR)], dtype=np.int64)
    return make_steps(times, False).edges


def _loads(network: Any) -> pd.DataFrame:
    """Return what loads draw at each bus in MW, dims (snapshot, bus)."""
    there = active(network.loads)
    drawn = network.get_switchable_as_dense("Load", "p_set")[there.index]
    if "sign" in there:
        drawn = drawn * -there["sign"]
    by_bus = drawn.T.groupby(there["bus"]).sum().T
    frame: pd.DataFrame = by_bus.reindex(columns=[bus for bus in network.buses.index if bus in by_bus])
    return frame


def _buses(network: Any) -> dict[str, dict[str, Any]]:
    """Return the buses with coordinates where these are on Earth; PyPSA has 0, 0 where nobody gave any."""
    found = {}
    for name, row in network.buses.iterrows():
        east, north = float(row["x"]), float(row["y"])
        is_place = abs(north) <= 90 and abs(east) <= 180 and (north != 0 or east != 0)
        found[str(name)] = {"latitude": north, "longitude": east} if is_place else {}
    return found


def has_odd_losses(links: pd.DataFrame) -> pd.Series[bool]:
    """Return which links lose or cost something both ways, or gain."""
    odd = (links["p_min_pu"] < 0) & ((links["efficiency"] != 1) | (links["marginal_cost"] != 0))
    return odd | (links["efficiency"] > 1) | (links["efficiency"] <= 0) | (links["marginal_cost"] < 0)


def _limit(value: float) -> float | None:
    return None if value >= NO_VALUE else value


def _lines(network: Any, rate: float) -> dict[str, dict[str, Any]]:
    """Return lines, transformers and links; where a name is taken, what it is stands before it."""
    found: dict[str, dict[str, Any]] = {}

    def add(what: str, name: object, row: dict[str, Any]) -> None:
        found[f"{what} {name}" if str(name) in found else str(name)] = row

    carriers = network.sub_networks["carrier"]
    for what, frame in (("line", network.lines), ("transformer", network.transformers)):
        for name, row in active(frame).iterrows():
            direct = carriers.get(row["sub_network"], "AC") == "DC"
            add(
                what,
                name,
                {
                    "from": str(row["bus0"]),
                    "to": str(row["bus1"]),
                    "kind": "dc",
                    "limit_mw": _limit(float(row["s_nom"] * row["s_max_pu"])),
                    "reactance": float(row["r_pu_eff" if direct else "x_pu_eff"]),
                },
            )
    links = active(network.links)
    is_odd = has_odd_losses(links).to_dict()  # refused, unless `losses` are left out
    for name, row in links.iterrows():
        most, least = (float(row["p_nom"] * row[side]) for side in ("p_max_pu", "p_min_pu"))
        add(
            "link",
            name,
            {
                "from": str(row["bus0"]),
                "to": str(row["bus1"]),
                "kind": "transport",
                "limit_mw": _limit(most),
                "back_limit_mw": _limit(-min(least, 0.0)),
                "efficiency": 1.0 if is_odd[name] else float(row["efficiency"]),
                "cost": 0.0 if is_odd[name] else float(row["marginal_cost"]) * rate,
            },
        )
    return found


def _sign(frame: pd.DataFrame) -> pd.Series[float]:
    """Return what a unit of generators' own power is at the bus: load that is shed may count in kW (`sign` of 0.001).

    Generators of other signs are named, or left out.
    """
    return frame["sign"].astype(float)


def _generators(network: Any, frame: pd.DataFrame, rate: float) -> dict[str, dict[str, Any]]:
    carriers = network.carriers
    emitted = carriers["co2_emissions"] if "co2_emissions" in carriers else pd.Series(dtype=float)
    is_known = bool(len(emitted)) and bool((emitted > 0).any())
    found, sign = {}, _sign(frame).to_dict()
    for name, row in frame.iterrows():
        made: dict[str, Any] = {
            "bus": str(row["bus"]),
            "capacity_mw": min(float(row["p_nom"]) * sign[name], 1e12),
            "carrier": str(row["carrier"]),
        }
        if is_known:
            made["co2"] = float(emitted.get(row["carrier"], 0.0)) / float(row["efficiency"]) / sign[name]
        found[str(name)] = made
    return found
