"""A PyPSA network -> the tables of a scenario's grid, and the names of what has no counterpart there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from tokenflow_sim.numeric import Bools, Floats
from tokenflow_sim.scenario.pypsa_network import quiet
from tokenflow_sim.scenario.series import PeriodSeries
from tokenflow_sim.scenario.series import listed as shown
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
        edges = _edges(network)
        loads, generators = _loads(network), _active(network.generators)
        tables: dict[str, Any] = {
            "buses": _buses(network),
            "lines": _lines(network, rate),
            "generators": _generators(network, generators, rate),
        }
        series = {
            "load": loads,
            "availability": network.get_switchable_as_dense("Generator", "p_max_pu"),
            "must_run": network.get_switchable_as_dense("Generator", "p_min_pu").clip(lower=0.0),
            "cost": network.get_switchable_as_dense("Generator", "marginal_cost") * rate,
        }
    fixed = {"load": "load_mw", "availability": "availability", "must_run": "must_run", "cost": "cost"}
    for name, frame in series.items():
        holder = tables["buses" if name == "load" else "generators"]
        frame = frame[[column for column in frame.columns if column in holder]]
        values = frame.to_numpy(dtype=float)
        varies = (values != values[:1]).any(axis=0) if len(values) else np.zeros(0, bool)
        for column in np.flatnonzero(~varies):
            holder[str(frame.columns[column])][fixed[name]] = float(values[0, column])
        if varies.any():
            names = [str(column) for column in frame.columns[varies]]
            tables[name] = PeriodSeries(names, values[:, varies], edges, source)
    return tables


def _active(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the components that are not switched off."""
    return frame[frame["active"].astype(bool)] if "active" in frame else frame


def _edges(network: Any) -> Instants | None:
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
    there = _active(network.loads)
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


def _limit(value: float) -> float | None:
    return None if value >= NO_VALUE else value


def _lines(network: Any, rate: float) -> dict[str, dict[str, Any]]:
    """Return lines, transformers and links; where a name is taken, what it is stands before it."""
    found: dict[str, dict[str, Any]] = {}

    def add(what: str, name: object, row: dict[str, Any]) -> None:
        found[f"{what} {name}" if str(name) in found else str(name)] = row

    carriers = network.sub_networks["carrier"]
    for what, frame in (("line", network.lines), ("transformer", network.transformers)):
        for name, row in _active(frame).iterrows():
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
    for name, row in _active(network.links).iterrows():
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
                "efficiency": float(row["efficiency"]),
                "cost": float(row["marginal_cost"]) * rate,
            },
        )
    return found


def _generators(network: Any, frame: pd.DataFrame, rate: float) -> dict[str, dict[str, Any]]:
    carriers = network.carriers
    emitted = carriers["co2_emissions"] if "co2_emissions" in carriers else pd.Series(dtype=float)
    is_known = bool(len(emitted)) and bool((emitted > 0).any())
    found = {}
    for name, row in frame.iterrows():
        made: dict[str, Any] = {
            "bus": str(row["bus"]),
            "capacity_mw": min(float(row["p_nom"]), 1e12),
            "carrier": str(row["carrier"]),
        }
        if is_known:
            made["co2"] = float(emitted.get(row["carrier"], 0.0)) / float(row["efficiency"])
        found[str(name)] = made
    return found


def unlike(network: Any) -> dict[str, str]:
    """Return what of a network has no counterpart in a scenario's grid: how much of it, by the name in `ignore`."""
    found: dict[str, str] = {}
    for name, text in _unlike(network):
        found[name] = f"{found[name]}, {text}" if name in found else text
    return found


def _unlike(network: Any) -> Iterator[tuple[str, str]]:
    for name in ("storage_units", "stores", "global_constraints", "shunt_impedances", "processes"):
        frame = getattr(network, name, None)
        if frame is not None and len(frame):
            yield name, shown(frame.index)
    generators, links = _active(network.generators), _active(network.links)
    branches = [("lines", network.lines), ("transformers", network.transformers)]
    for what, frame in (("generators", generators), ("links", links)):
        yield from _which("committable", what, frame, "committable", lambda column: column.astype(bool))
        for column in ("ramp_limit_up", "ramp_limit_down"):
            yield from _which("ramp_limits", what, frame, column, lambda one: one.notna() & (one < 1))
            yield from _series("ramp_limits", what, network, column)
        yield from _which("extendable", what, frame, "p_nom_extendable", lambda column: column.astype(bool))
        yield from _which("quadratic_costs", what, frame, "marginal_cost_quadratic", lambda one: one != 0)
        yield from _series("quadratic_costs", what, network, "marginal_cost_quadratic")
        yield from _which("fixed_operation", what, frame, "p_set", lambda one: one.notna() & (one != 0))
        yield from _series("fixed_operation", what, network, "p_set")
    for what, frame in branches:
        yield from _which("extendable", what, frame, "s_nom_extendable", lambda column: column.astype(bool))
        yield from _series("line_series", what, network, "s_max_pu")
    for column in ("p_max_pu", "p_min_pu", "efficiency", "marginal_cost"):
        yield from _series("line_series", "links", network, column)
    yield from _which("energy_limits", "generators", generators, "e_sum_min", lambda one: one > -np.inf)
    yield from _which("energy_limits", "generators", generators, "e_sum_max", lambda one: one < np.inf)
    yield from _which("signs", "generators", generators, "sign", lambda one: one != 1)
    lowest = network.get_switchable_as_dense("Generator", "p_min_pu").min()
    if (lowest < 0).any():
        yield "negative_minimum", f"p_min_pu of generators {shown(lowest.index[lowest < 0])}"
    yield from _odd_links(links)
    hours = _hours(network)
    weights = network.snapshot_weightings["objective"].to_numpy(dtype=float)
    if hours is not None and not np.allclose(weights, hours):
        yield "weightings", "snapshots that count for another time than lies between them"


def _odd_links(links: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """Yield links that lose power both ways, must carry some, or have several outputs."""
    if not len(links):
        return
    back = links["p_min_pu"] < 0
    odd = back & ((links["efficiency"] != 1) | (links["marginal_cost"] != 0))
    odd |= (links["efficiency"] > 1) | (links["efficiency"] <= 0) | (links["marginal_cost"] < 0)
    if odd.any():
        yield "losses", f"losses or costs both ways, or gains, of links {shown(links.index[odd])}"
    must = links["p_min_pu"] > 0
    if must.any():
        yield "negative_minimum", f"p_min_pu above zero of links {shown(links.index[must])}"
    for column in links.columns:
        more = str(column).removeprefix("bus")
        if str(column).startswith("bus") and more.isdecimal() and int(more) > 1:
            some = links[column].astype(str).str.strip().isin(["", "nan", "None"])
            if not some.all():
                yield "outputs", f"{column} of links {shown(links.index[~some])}"


def _which(
    name: str, what: str, frame: pd.DataFrame, column: str, test: Callable[[pd.Series[Any]], pd.Series[bool]]
) -> Iterator[tuple[str, str]]:
    """Yield the components whose number in a column passes a test."""
    if column not in frame or not len(frame):
        return
    hit: Bools = test(frame[column]).to_numpy(dtype=bool)
    if hit.any():
        yield name, f"{column} of {what} {shown(frame.index[hit])}"


def _series(name: str, what: str, network: Any, column: str) -> Iterator[tuple[str, str]]:
    """Yield the components that have a series of an attribute."""
    frame = getattr(network, f"{what}_t").get(column)
    if frame is not None and frame.notna().any(axis=None):
        yield name, f"series {column} of {what} {shown(frame.columns)}"


def _hours(network: Any) -> Floats | None:
    edges = None if isinstance(network.snapshots, pd.MultiIndex) else _edges(network)
    return None if edges is None else np.diff(edges) / HOUR
