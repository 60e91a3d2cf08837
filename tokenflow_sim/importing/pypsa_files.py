"""PyPSA's networks, read and written by PyPSA itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from tokenflow_sim.disk import writing
from tokenflow_sim.importing.faults import refuse
from tokenflow_sim.scenario.pypsa_network import open_network, quiet

SUBJECT = "the PyPSA network"


def read_network(path: Path) -> Any:
    """Read a network: a folder of CSV files, or NetCDF.

    Raises
    ------
    DataError
        If it is neither, or PyPSA refuses it.
    ResultError
        If PyPSA is not installed.
    """
    if not path.exists():
        raise refuse(SUBJECT, "is not there", file=path)
    try:
        return open_network(path)
    except ValueError as error:
        raise refuse(SUBJECT, str(error), file=path) from error


def write_network(network: Any, path: Path) -> None:
    """Write a network: NetCDF where the name ends in ``.nc``, a folder of CSV files otherwise.

    Raises
    ------
    ResultError
        If it cannot be written.
    """
    with writing(path), quiet():
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".nc":
            network.export_to_netcdf(path)
        else:
            network.export_to_csv_folder(path)


def steps_of(index: pd.Index, path: Path) -> tuple[pd.Timestamp | None, float]:
    """Return when the first snapshot begins, in UTC, and the hours from one to the next.

    Returns
    -------
    Timestamp or None
        None where snapshots are no dates.
    float
        Length of a period in hours.

    Raises
    ------
    DataError
        If snapshots are of several investment periods, or not evenly spaced.
    """
    if isinstance(index, pd.MultiIndex):
        message = "has investment periods: export one of them (n.set_snapshots) and import that"
        raise refuse(SUBJECT, message, file=path)
    if not isinstance(index, pd.DatetimeIndex):
        return None, 1.0
    stamps = index.tz_localize("UTC") if index.tz is None else index.tz_convert("UTC")
    if len(stamps) == 1:
        return stamps[0], 1.0
    gaps = stamps[1:] - stamps[:-1]
    odd = gaps != gaps[0]
    if odd.any() or gaps[0] <= pd.Timedelta(0):
        at = stamps[1:][odd][0] if odd.any() else stamps[1]
        raise refuse(SUBJECT, f"has snapshots that are not evenly spaced, at {at:%Y-%m-%d %H:%M}", file=path)
    return stamps[0], gaps[0] / pd.Timedelta(hours=1)
