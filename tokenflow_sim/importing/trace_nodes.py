"""Demand of a trace, split over nodes: by shares, or by weights and what hour it is where."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from tokenflow_sim.errors import unknown_name
from tokenflow_sim.importing.faults import Faults, refuse
from tokenflow_sim.numeric import SECONDS_PER_HOUR, Floats
from tokenflow_sim.scenario.clock import MONDAY
from tokenflow_sim.scenario.profile import Profile
from tokenflow_sim.scenario.zone import offset_hours

WEIGHTS = ("population", "demand_weight", "weight")
"""Columns of a table of nodes that may hold their weight; the first that is there counts."""


@dataclass(frozen=True)
class Places:
    """Nodes with their weights and time zones.

    Parameters
    ----------
    names : tuple of str
        The nodes.
    weights : ndarray
        Their weights, dims (node,); they add up to one.
    zones : tuple of str
        Their time zones.
    source : str
        Where the weights are from, in words.
    """

    names: tuple[str, ...]
    weights: Floats
    zones: tuple[str, ...]
    source: str


def by_shares(shares: Mapping[str, float]) -> Places:
    """Return nodes with given shares.

    Raises
    ------
    DataError
        If a share is negative or no number, or all are zero.
    """
    faults = Faults("the split over nodes")
    for node, share in shares.items():
        if not (math.isfinite(share) and share >= 0):
            faults.add(f"the share of {node} must be zero or more; found {share:g}")
    faults.check()
    total = math.fsum(shares.values())
    if not total > 0:
        raise refuse("the split over nodes", "needs a share above zero")
    weights = np.array(list(shares.values())) / total
    said = "shares as given" if abs(total - 1) <= 1e-9 else f"shares as given, divided by their sum {total:g}"
    return Places(tuple(shares), weights, ("UTC",) * len(shares), said)


def read_places(path: Path) -> Places:
    """Read a table of nodes: `node`, a weight (`population` or `demand_weight`), and perhaps `time_zone`.

    Raises
    ------
    DataError
        With file, row and column, if the table has faults.
    """
    faults = Faults("the table of nodes")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [(number, row) for number, row in enumerate(csv.DictReader(file), start=2)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise refuse("the table of nodes", f"cannot be read: {error}", file=path) from None
    columns = list(rows[0][1]) if rows else []
    column = next((name for name in WEIGHTS if name in columns), None)
    if "node" not in columns or column is None:
        missing = "node" if "node" not in columns else " or ".join(WEIGHTS[:2])
        what = f"has no column {missing}; known columns: {', '.join(map(str, columns)) or 'none'}"
        raise refuse("the table of nodes", what, file=path, line=1)
    names: list[str] = []
    weights: list[float] = []
    zones: list[str] = []
    for line, row in rows:
        name, zone = (row["node"] or "").strip(), (row.get("time_zone") or "").strip() or "UTC"
        try:
            weight = float(row[column] or 0)
        except ValueError:
            weight = math.nan
        if not (math.isfinite(weight) and weight >= 0):
            faults.add(f"must be zero or more; found {row[column]!r}", file=path, line=line, column=column)
        try:
            offset_hours(zone, MONDAY)
        except ValueError as error:
            faults.add(str(error), file=path, line=line, column="time_zone")
        if not name or name in names:
            faults.add(f"repeats {name!r}" if name else "is empty", file=path, line=line, column="node")
        names.append(name)
        weights.append(weight)
        zones.append(zone)
    faults.check()
    total = math.fsum(weights)
    if not total > 0:
        raise refuse("the table of nodes", "needs a weight above zero", file=path, column=column)
    return Places(tuple(names), np.array(weights) / total, tuple(zones), f"{column} of {path.name}")


def read_profiles(path: Path, classes: list[str]) -> dict[str, tuple[float, ...]]:
    """Read factors by local hour: a column `hour` from 0 to 23, and one a class, or one called `factor` for all.

    Raises
    ------
    DataError
        With file, row and column, if the table has faults.
    """
    faults = Faults("the profile")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise refuse("the profile", f"cannot be read: {error}", file=path) from None
    columns = [name for name in (rows[0] if rows else {}) if name != "hour"]
    if not rows or "hour" not in rows[0]:
        raise refuse("the profile", "has no column hour", file=path, line=1)
    for column in columns:
        if column not in [*classes, "factor"]:
            faults.add(unknown_name("class", column, [*classes, "factor"]), file=path, line=1, column=column)
    if [row["hour"] for row in rows] != [str(hour) for hour in range(24)]:
        faults.add("must have the hours 0 to 23 in order, a row each", file=path, column="hour")
    factors: dict[str, list[float]] = {column: [] for column in columns}
    for line, row in enumerate(rows, start=2):
        for column in columns:
            try:
                value = float(row[column] or "")
            except ValueError:
                value = math.nan
            if not (math.isfinite(value) and value > 0):
                faults.add(f"must be above zero; found {row[column]!r}", file=path, line=line, column=column)
            factors[column].append(value)
    faults.check()
    for_all = factors.get("factor", [1.0] * 24)
    return {name: tuple(factors.get(name, for_all)) for name in classes}


def split(
    rates: Floats,
    places: Places,
    profiles: list[tuple[float, ...]] | None,
    start: datetime | None,
    since: float,
    hours: float,
) -> Floats:
    """Split rates over nodes, so that those of a period add up to the trace's.

    Parameters
    ----------
    rates : ndarray
        Mtok/s, dims (period, class).
    places : Places
        The nodes.
    profiles : list of tuple, or None
        24 factors by local hour, one tuple a class; None where the hour does not matter.
    start : datetime or None
        When period 0 begins; where unknown, time zero of the trace is a Monday's midnight in January, UTC.
    since : float
        Hours from the trace's time zero to period 0.
    hours : float
        Length of a period.

    Returns
    -------
    ndarray
        Mtok/s, dims (period, node, class).

    Notes
    -----
    The share of node n in period t is ``w_n p(h_n(t)) / sum_m w_m p(h_m(t))``: its weight times the factor of the hour
    that its clock shows, over the sum of all nodes. A factor is the mean over the period; clocks are those at
    its begin.
    """
    if profiles is None:
        return np.asarray(rates[:, None, :] * places.weights[:, None])
    first = start or MONDAY + timedelta(hours=since)
    zones = list(dict.fromkeys(places.zones))
    at = [first + timedelta(hours=period * hours) for period in range(len(rates))]
    offsets = np.array([[offset_hours(zone, moment) for zone in zones] for moment in at])
    monday = first.weekday() * 24 + first.hour + first.minute / 60 + first.second / SECONDS_PER_HOUR
    local = monday + offsets + np.arange(len(rates))[:, None] * hours
    zone_of = [zones.index(zone) for zone in places.zones]
    result = np.empty((len(rates), len(places.names), rates.shape[1]))
    for number, profile in enumerate(profiles):
        factor = Profile(profile, (1.0,) * 7).mean(local, hours)[:, zone_of] * places.weights
        result[:, :, number] = rates[:, number, None] * factor / factor.sum(axis=1, keepdims=True)
    return result
