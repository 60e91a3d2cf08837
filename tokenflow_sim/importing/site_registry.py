"""Registries of data-centre sites -> nodes, and providers with an asset at each site."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tokenflow_sim.errors import unknown_name
from tokenflow_sim.importing.columns import chosen_column
from tokenflow_sim.importing.coordinates import degrees
from tokenflow_sim.importing.faults import Faults, refuse
from tokenflow_sim.importing.imported import TABLE, Imported, Summary, comment, quoted
from tokenflow_sim.importing.names import Nodes, name_nodes, scenario_name
from tokenflow_sim.importing.text_table import TextTable, read_table
from tokenflow_sim.numerals import counted
from tokenflow_sim.numeric import Floats

SUBJECT = "the import of sites"
COLUMNS: dict[str, tuple[str, ...]] = {
    "name": (
        "handle", "name", "site", "data center", "data centre", "datacenter", "facility", "title",
        "node", "campus",
    ),
    "latitude": ("latitude", "lat"),
    "longitude": ("longitude", "lon", "lng", "long"),
    "owner": ("owner", "operator", "provider", "company"),
    "power": (
        "current power (mw)", "power (mw)", "power mw", "mw", "capacity (mw)", "capacity mw", "it power (mw)",
        "current it power (mw)", "power",
    ),
    "h100": ("current h100 equivalents", "h100 equivalents", "h100e", "current h100e"),
    "time": ("date", "time", "month", "datetime", "timestamp"),
}  # fmt: skip
"""Usual names of each column, by the option that names another."""
_TAG = re.compile(r"\s*#(\w+)")
_NOBODY = "unknown owner"


@dataclass(frozen=True)
class _Site:
    node: str
    place: str
    latitude: float
    longitude: float
    owner: str
    tag: str
    power: float
    h100: float


def sites(
    path: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    map: Nodes = None,
    hardware: str = "fleet",
    watts_per_h100: float | None = None,
    electricity_price: float | None = None,
    pue: float | None = None,
) -> Imported:
    """Read a registry of sites.

    Parameters
    ----------
    path : str or Path
        A table with a row a site, or, where it has a column of dates, a row a site and date.
    columns : mapping, optional
        Column of the file for ``name``, ``latitude``, ``longitude``, ``owner``, ``power`` [MW], ``h100`` [H100
        equivalents] and ``time``; those left out are found by their usual names.
    map : mapping or iterable of str, optional
        Nodes by name in the file, or the names to keep; all, if left out.
    hardware : str
        Hardware type of every asset, which the scenario defines.
    watts_per_h100 : float, optional
        Power of one H100 equivalent in W, for sites of which the file has these but no MW.
    electricity_price : float, optional
        Electricity price of every site in $/kWh, which registries do not have.
    pue : float, optional
        Power usage effectiveness of every site. The MW of the file are then what a whole facility draws, of which its
        accelerators get the ``pue``-th part, unless its column says that they are of the IT equipment.

    Returns
    -------
    Imported
        `table` has the columns of the scenario's `nodes`; where the file has dates, ``power.csv`` is the power of each
        site over time [MW]. The YAML has the nodes and providers.

    Raises
    ------
    DataError
        If the file has faults; all are listed, each with its row and column.
    """
    faults = Faults(SUBJECT)
    text = read_table(path, SUBJECT)
    unknown = [name for name in columns or {} if name not in COLUMNS]
    for name in unknown:
        faults.add(unknown_name("column of sites", name, list(COLUMNS)))
    where = {
        name: chosen_column(
            text.columns, (columns or {}).get(name), names, f"columns (--column {name})", text.file, faults
        )
        for name, names in COLUMNS.items()
    }
    if where["name"] is None:
        listed = ", ".join(text.columns)
        faults.add(
            f"has no column of names; give columns (--column name=COLUMN); its columns: {listed}",
            file=text.file,
        )
    if where["power"] is None and where["h100"] is None:
        faults.add(
            "has neither MW nor H100 equivalents; give columns (--column power=COLUMN)", file=text.file
        )
    if pue is not None and not 1 <= pue < np.inf:
        faults.add(f"pue (--pue): must be a finite number from 1 on; found {pue:g}")
    faults.check()
    names, notes = name_nodes(text.frame[where["name"]], map, faults, text.file)
    kept = text.take(text.frame[where["name"]].isin(names).to_numpy(dtype=bool))
    assumed: list[str] = [*text.notes]
    power, h100 = _power(kept, where, watts_per_h100, faults, assumed)
    if pue is not None:
        power = _it_power(power, pue, where["power"], assumed)
    else:
        assumed.append(
            "power_mw is the MW of the file, all of it there for the accelerators and what they need"
        )
    last, over_time = _by_time(kept, where, power, names, faults)
    found = [_site(kept, where, row, names, power[row], h100[row], faults) for row in last]
    faults.check()
    owners = _owners(found, assumed)
    return _imported(text, found, owners, over_time, hardware, electricity_price, pue, notes, assumed)


def _power(
    text: TextTable,
    where: Mapping[str, str | None],
    watts_per_h100: float | None,
    faults: Faults,
    assumed: list[str],
) -> tuple[Floats, Floats]:
    """Return MW and H100 equivalents of each row; MW from these where the file has none."""
    empty = np.full(len(text), np.nan)
    read = {
        name: text.numbers(column, faults) if (column := where[name]) else empty for name in ("power", "h100")
    }
    for name, values in read.items():
        for row in np.flatnonzero(values < 0):
            text.note(faults, int(row), where[name] or "", f"must not be negative; found {values[row]:g}")
    power, h100 = read["power"].copy(), read["h100"]
    missing = np.isnan(power)
    if missing.any() and watts_per_h100 is not None:
        power[missing] = h100[missing] * watts_per_h100 / 1e6
        count = int((missing & np.isfinite(power)).sum())
        assumed.append(
            f"{count} sites without MW: {watts_per_h100:g} W for each of their H100 equivalents, as given"
        )
    for row in np.flatnonzero(np.isnan(power)):
        remedy = (
            "; give watts_per_h100 (--watts-per-h100) to make it from its H100 equivalents"
            if np.isfinite(h100[row])
            else ""
        )
        text.note(faults, int(row), where["power"] or where["h100"] or "", f"has no power in MW{remedy}")
    return power, h100


def _it_power(power: Floats, pue: float, column: str | None, assumed: list[str]) -> Floats:
    """Return the MW that accelerators get, which is what `power_mw` of a scenario means."""
    if column is not None and re.search(r"\bIT\b", column, re.IGNORECASE):
        assumed.append(f"power_mw is the MW of the column {column}; the PUE is {pue:g}, as given")
        return power
    assumed.append(
        f"power_mw is the MW of the file over the PUE of {pue:g}, as given: they are of the facility"
    )
    return power / pue


def _by_time(
    text: TextTable,
    where: Mapping[str, str | None],
    power: Floats,
    names: Mapping[str, str],
    faults: Faults,
) -> tuple[list[int], pd.DataFrame | None]:
    """Return the row of each site, its last; and the power over time where the file has dates."""
    name, time = where["name"], where["time"]
    assert name is not None
    places = text.frame[name]
    if time is None or not places.duplicated().any():
        for row in np.flatnonzero(places.duplicated().to_numpy()):
            first = int(text.lines[int(np.flatnonzero(places == places.iloc[row])[0])])
            text.note(faults, int(row), name, f"repeats site {places.iloc[row]!r}, first on line {first}")
        return list(range(len(text))), None
    stamps = pd.to_datetime(text.frame[time], format="ISO8601", utc=True, errors="coerce")
    for row in np.flatnonzero(stamps.isna().to_numpy()):
        message = f"must be a date such as 2026-01-31; found {text.frame[time].iloc[row]!r:.60}"
        text.note(faults, int(row), time, message)
    rows = pd.DataFrame(
        {"time": stamps, "node": places.map(names), "power": power, "row": np.arange(len(text))}
    )
    for row in np.flatnonzero(rows.duplicated(["time", "node"]).to_numpy()):
        text.note(faults, int(row), time, f"repeats {places.iloc[row]!r} at {text.frame[time].iloc[row]}")
    faults.check()
    wide = rows.pivot(index="time", columns="node", values="power").sort_index()
    wide = wide[
        list(dict.fromkeys(rows["node"]))
    ].ffill()  # a site keeps its power until the file says another
    wide.columns.name = None
    wide = wide.resample("D").last().ffill().fillna(0.0)  # days, since a series has steps of one length
    last = rows.sort_values("time", kind="stable").groupby("node", sort=False)["row"].last()
    return sorted(last.tolist()), wide


def _site(
    text: TextTable,
    where: Mapping[str, str | None],
    row: int,
    names: Mapping[str, str],
    power: float,
    h100: float,
    faults: Faults,
) -> _Site:
    """Return the site of a row."""
    cells = text.frame.iloc[row]

    def cell(name: str) -> str:
        column = where[name]
        return str(cells[column]) if column else ""

    def angle(axis: str) -> float:
        column = where[axis]
        if column is None or not cell(axis):
            return float("nan")
        try:
            return degrees(cell(axis), axis)
        except ValueError as error:
            text.note(faults, row, column, str(error))
            return float("nan")

    owner = cell("owner")
    tags = _TAG.findall(owner)
    return _Site(
        names[cell("name")], cell("name"), angle("latitude"), angle("longitude"), _TAG.sub("", owner).strip(),
        ", ".join(dict.fromkeys(tags)), float(power), float(h100),
    )  # fmt: skip


def _owners(found: list[_Site], assumed: list[str]) -> dict[str, list[_Site]]:
    """Return the sites of each provider, of those that have power."""
    owners: dict[str, list[_Site]] = {}
    for site in found:
        if site.power > 0:
            several = [part.strip() for part in re.split(r"[,;]", site.owner) if part.strip()]
            if len(several) > 1:
                assumed.append(f"{site.node} belongs to {several[0]}, the first of its owners ({site.owner})")
            owners.setdefault(scenario_name(several[0]) if several else _NOBODY, []).append(site)
    if _NOBODY in owners:
        assumed.append(f"{len(owners[_NOBODY])} sites without an owner belong to a provider {_NOBODY!r}")
    return owners


def _imported(
    text: TextTable,
    found: list[_Site],
    owners: dict[str, list[_Site]],
    over_time: pd.DataFrame | None,
    hardware: str,
    price: float | None,
    pue: float | None,
    notes: list[str],
    assumed: list[str],
) -> Imported:
    """Set nodes, providers and the comments on what was assumed."""
    total = float(sum(site.power for site in found))
    if not owners:
        raise refuse(SUBJECT, "no site has power, so that no provider has anything", file=text.file)
    table = pd.DataFrame(
        {
            "node": [site.node for site in found],
            "latitude": [site.latitude for site in found],
            "longitude": [site.longitude for site in found],
            "power_mw": [site.power for site in found],
        }
    )
    if pue is not None:
        table["pue"] = pue
    if price is not None:
        table["electricity_price"] = price
        assumed.append(f"every site pays {price:g} $/kWh, as given")
    else:
        assumed.append(
            "the file has no electricity price: give nodes an `electricity_price`, or a series of `electricity`"
        )
    lost = [site.node for site in found if np.isnan(site.latitude) or np.isnan(site.longitude)]
    if lost:
        assumed.append(f"{counted(len(lost), 'site')} without coordinates, on no map: {', '.join(lost[:8])}")
    idle = [site.node for site in found if site.power == 0]
    if idle:
        assumed.append(f"{counted(len(idle), 'site')} without power: nodes without an asset")
    equivalents = [site for site in found if site.power > 0 and np.isfinite(site.h100) and site.h100 > 0]
    if equivalents:
        watts = sum(site.power for site in equivalents) / sum(site.h100 for site in equivalents) * 1e6
        assumed.append(
            f"hardware {hardware!r} is one type for all sites, defined by the scenario; the file's sites with H100"
            f" equivalents draw {watts:.0f} W for each on average, and each asset's comment has its own"
        )
    else:
        assumed.append(f"hardware {hardware!r} is one type for all sites, defined by the scenario")
    lines = [comment(f"From {text.file}: {len(found)} sites, {total:g} MW.")]
    lines += [comment(line) for line in [*assumed, *(f"left out or renamed: {note}" for note in notes)]]
    lines += [f"nodes: {TABLE}", "providers:"]
    for owner, members in owners.items():
        lines += [f"  {quoted(owner)}:", "    assets:"]
        for site in members:
            remarks = [
                *([f"owner {site.tag}"] if site.tag else []),
                *(
                    [f"{site.h100:.6g} H100 equivalents, {site.power / site.h100 * 1e6:.0f} W each"]
                    if site.h100 > 0
                    else []
                ),
            ]
            asset = f"{{ node: {quoted(site.node)}, hardware: {quoted(hardware)}, share: 1 }}"
            lines.append(f"      - {asset}" + (f" # {'; '.join(remarks)}" if remarks else ""))
    tables = {"nodes.csv": table}
    if over_time is not None:
        held = "each site holds its power from a date of the file to the next, and has none before its first"
        assumed.append(f"power.csv is the power of each site by day: {held}")
        del table["power_mw"]  # the series has it
        lines += ["power:", comment(held, 2), "  series: { file: power.csv, time: time, unit: MW }"]
    entries: dict[str, str | list[str]] = {"format": "registry of sites", "rows read": str(len(text))}
    if over_time is not None:
        tables["power.csv"] = over_time
        entries["span"] = f"{over_time.index[0]:%Y-%m-%d} to {over_time.index[-1]:%Y-%m-%d}"
    entries |= {
        "sites": f"{len(found)}, {total:g} MW{'' if pue is None else ' of IT power'}, of {len(owners)} owners",
        "unit": "MW",
        "dropped": notes,
        "assumed": assumed,
    }
    return Imported("sites", tables, "\n".join(lines) + "\n", Summary(f"sites of {text.file}", entries))
