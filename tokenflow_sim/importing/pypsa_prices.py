"""A solved PyPSA network -> nodes with electricity prices by period."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tokenflow_sim.errors import unknown_name
from tokenflow_sim.importing.faults import Faults, refuse
from tokenflow_sim.importing.imported import TABLE, Imported, Summary, comment
from tokenflow_sim.importing.names import is_name, map_names, renamed
from tokenflow_sim.importing.pypsa_files import SUBJECT, read_network, steps_of
from tokenflow_sim.numerals import counted
from tokenflow_sim.scenario.pypsa_network import quiet

KWH_PER_MWH = 1000.0


def pypsa(
    network: str | Path,
    *,
    buses: Iterable[str] | None = None,
    map: Mapping[str, str] | None = None,
    rate: float = 1.0,
    solve: bool = False,
) -> Imported:
    """Make nodes and electricity prices of the buses and marginal prices of a PyPSA network.

    Parameters
    ----------
    network : path
        A folder of CSV files or NetCDF, of a network that was solved.
    buses : iterable of str, optional
        Take only these buses.
    map : mapping, optional
        Names of nodes by bus.
    rate : float
        Dollars per unit of the network's currency.
    solve : bool
        Solve a network that has no prices, by `n.optimize()` with HiGHS, on a copy in memory.

    Returns
    -------
    Imported
        With the tables ``prices.csv`` (period, and $/kWh of each node) and ``nodes.csv``.

    Raises
    ------
    DataError
        If the network cannot be read, or has no prices and may not be solved.
    ResultError
        If PyPSA is not installed.

    Notes
    -----
    PyPSA's `marginal_price` is in currency/MWh, and may be negative.
    """
    path = Path(network)
    faults = Faults(SUBJECT)
    if not (math.isfinite(rate) and rate > 0):
        faults.add(f"must be above zero; found {rate:g}", file="rate")
    for name in (map or {}).values():
        if not is_name(name):
            faults.add(f"no scenario takes {name!r} for a name")
    faults.check()
    found = read_network(path)
    start, hours = steps_of(found.snapshots, path)
    prices = _prices(found, path, solve)
    wanted = list(prices.columns) if buses is None else list(dict.fromkeys(buses))
    for bus in wanted:
        if bus not in found.buses.index:
            faults.add(unknown_name("bus", bus, list(found.buses.index)), file=path)
    faults.check()
    table = prices.reindex(columns=wanted) * rate / KWH_PER_MWH
    whole = [bus for bus in wanted if np.isfinite(table[bus]).all()]
    if not whole:
        raise refuse(SUBJECT, "has no bus with a price at every snapshot", file=path)
    names = map_names(whole, map)
    repeated = sorted({name for name in names.values() if list(names.values()).count(name) > 1})
    if repeated:
        raise refuse(
            SUBJECT, f"would call several buses {', '.join(repeated)}: map each to a name of its own"
        )
    table = (
        table[whole].rename(columns=names).reset_index(drop=True).rename_axis(index="period", columns=None)
    )
    nodes, placeless = _nodes(found, names)
    assumed = [
        f"prices are in $/MWh x {rate:g}"
        if rate != 1
        else "prices are in $/MWh ; rate (--rate) converts others"
    ]
    if solve:
        assumed.append("the network had no prices and was solved by HiGHS, as n.optimize() does")
    if start is None:
        assumed.append("snapshots are no dates: each is a period of 1 h")
    elif found.snapshots.tz is None:
        assumed.append("snapshots are in UTC")
    if changed := renamed(names):
        assumed.append(f"names of nodes: {changed}")
    lost = [bus for bus in wanted if bus not in whole]
    mean, least, most = (
        float(value) for value in (table.to_numpy().mean(), table.to_numpy().min(), table.to_numpy().max())
    )
    negative = int((table.to_numpy() < 0).sum())
    when = f"{start:%Y-%m-%d %H:%M} UTC" if start is not None else "period 0"
    summary = Summary(
        f"electricity prices of {counted(len(whole), 'bus') if len(whole) == 1 else f'{len(whole)} buses'} from"
        f" {path.name} (PyPSA)",
        {
            "rows read": f"{counted(len(table), 'snapshot')} of {len(found.buses)} buses",
            "span": f"from {when}, {counted(len(table), 'period')} of {hours:g} h",
            "unit": f"$/kWh; mean {mean:.4g}, {least:.4g} to {most:.4g}"
            + (f", {negative} below zero" if negative else ""),
            "dropped": f"{len(lost)} without prices: {', '.join(lost[:8])}" if lost else "",
            "no coordinates": ", ".join(placeless[:8]) if placeless else "",
            "assumed": assumed,
        },
    )
    lines = [
        comment(f"Buses and marginal prices of {path.name} (PyPSA)."),
        *(comment(note) for note in assumed),
        *([f'start: "{start:%Y-%m-%d %H:%M:%S}" # UTC'] if start is not None else []),
        f"hours: {hours!r}",
        f"periods: {len(table)}",
        "nodes: nodes.csv",
        "electricity:",
        f"  series: {TABLE} # $/kWh by period and node",
        "",
    ]
    return Imported("prices", {"prices.csv": table, "nodes.csv": nodes}, "\n".join(lines), summary)


def _prices(network: Any, path: Path, solve: bool) -> pd.DataFrame:
    """Return marginal prices by snapshot and bus, in currency/MWh."""
    prices: pd.DataFrame = network.buses_t.marginal_price
    if len(prices.columns):
        return prices
    if not solve:
        message = (
            "has no marginal prices, since it was not solved: solve it (n.optimize()) and export it again, or let it"
            " be solved here by solve (--solve)"
        )
        raise refuse(SUBJECT, message, file=path, column="marginal_price")
    with quiet():
        try:
            status, condition = network.optimize(
                solver_name="highs", io_api="direct", progress=False, output_flag=False
            )
        except Exception as error:  # whatever PyPSA finds wrong with its own network
            message = f"cannot be solved: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
            raise refuse(SUBJECT, message, file=path) from error
    if status != "ok":
        raise refuse(SUBJECT, f"cannot be solved: HiGHS says {condition}", file=path)
    solved: pd.DataFrame = network.buses_t.marginal_price
    return solved


def _nodes(network: Any, names: Mapping[str, str]) -> tuple[pd.DataFrame, list[str]]:
    """Return the nodes, and those whose coordinates are none on Earth; PyPSA has 0, 0 where nobody gave any."""
    buses = network.buses.loc[list(names)]
    east, north = buses["x"].to_numpy(dtype=float), buses["y"].to_numpy(dtype=float)
    sound = (abs(north) <= 90) & (abs(east) <= 180) & ((north != 0) | (east != 0))
    frame = pd.DataFrame(
        {
            "node": list(names.values()),
            "latitude": np.where(sound, north, np.nan),
            "longitude": np.where(sound, east, np.nan),
        }
    )
    return frame, frame.loc[~sound, "node"].tolist()
