"""The forms in which market operators, exchanges and gridstatus export electricity prices.

Column names are those of the operators' own files: CAISO OASIS `PRC_LMP` and `PRC_INTVL_LMP`, PJM Data Miner 2, NYISO
LBMP archives, ERCOT `NP4-190-CD` and `NP6-905-CD` with their yearly files, both generations of the ENTSO-E
Transparency Platform, gridstatus and gridstatus.io.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tokenflow_sim.importing.columns import find_column, find_measures, folded
from tokenflow_sim.importing.faults import Faults
from tokenflow_sim.importing.stamps import DAY_FIRST, MONTH_FIRST, find_form, localized, read_times
from tokenflow_sim.importing.text_table import TextTable
from tokenflow_sim.numeric import Bools, Ints
from tokenflow_sim.scenario.time_axis import HOUR, Instants

CENTRAL, EASTERN, PACIFIC = "America/Chicago", "America/New_York", "America/Los_Angeles"
_MTU_ZONES = {
    "utc": "UTC", "cet/cest": "Europe/Brussels", "cet": "Europe/Brussels", "eet/eest": "Europe/Athens",
    "eet": "Europe/Athens", "wet/west": "Europe/Lisbon", "wet": "Europe/Lisbon", "brussels time": "Europe/Brussels",
}  # fmt: skip


@dataclass(frozen=True)
class Export:
    """A form of price files.

    Parameters
    ----------
    title : str
        What messages call it.
    time, place, value : tuple of str
        Names that its columns of times, places and prices may have, the preferred first, without the unit in brackets.
        A file that has a `time` and a `value` is of this form.
    unit : str
        Unit of its prices; empty where the file itself must tell.
    zone : str or None
        Zone of times without an offset.
    forms : tuple of str
        How its times are written, where not in ISO 8601.
    keep : callable, optional
        Chooses rows: returns which are kept, and what is left out in words, or None where all are.
    times : callable, optional
        Reads its times where that takes more than one column.
    sub_hourly_end : bool
        Whether the stamp of intervals shorter than an hour is their end.
    signed : bool
        Whether its numbers may be negative, as prices are.
    wide : bool
        Whether a file may have a column for each node, and no rows by node.
    """

    title: str
    time: tuple[str, ...]
    place: tuple[str, ...]
    value: tuple[str, ...]
    unit: str = ""
    zone: str | None = None
    forms: tuple[str, ...] = (*MONTH_FIRST, *DAY_FIRST)
    keep: Callable[[TextTable], tuple[Bools, str] | None] | None = None
    times: Callable[[TextTable, str, Ints, Faults], Instants | None] | None = None
    sub_hourly_end: bool = False
    signed: bool = True
    wide: bool = False


def _caiso_rows(text: TextTable) -> tuple[Bools, str] | None:
    """Keep the price itself where the file has its parts (energy, congestion, losses, greenhouse gas) beside."""
    column = find_column(text.columns, ("LMP_TYPE", "XML_DATA_ITEM"))
    if column is None:
        return None
    kinds = text.frame[column].str.upper()
    whole = kinds.isin(["LMP", "LMP_PRC"]).to_numpy(dtype=bool)
    parts = sorted(set(kinds[~whole]))
    return (whole, f"parts of the price in {column}: {', '.join(parts)}") if whole.any() and parts else None


def _caiso_times(text: TextTable, column: str, groups: Ints, faults: Faults) -> Instants | None:
    """Read GMT; of a file without it, the operating day and its hour, which counts from 1 to 23, 24 or 25."""
    if folded(column) != folded("OPR_DT"):
        return read_times(text, column, faults, zone="UTC", groups=groups)
    days = read_times(text, column, faults, zone=PACIFIC, groups=groups)
    name = find_column(text.columns, ("OPR_HR",))
    if name is None:
        faults.add("has days (OPR_DT) and no hours (OPR_HR)", file=text.file)
        return None
    hours = text.numbers(name, faults)
    for row in np.flatnonzero(~((hours >= 1) & (hours <= 25) & (hours == np.floor(hours)))):
        text.note(
            faults, int(row), name, f"must be an hour from 1 to 25; found {text.frame[name].iloc[row]!r:.60}"
        )
    return None if faults or days is None else days + (hours.astype(np.int64) - 1) * HOUR


def _pjm_rows(text: TextTable) -> tuple[Bools, str] | None:
    """Keep the current version of each price."""
    column = find_column(text.columns, ("row_is_current",))
    if column is None:
        return None
    current = ~text.frame[column].str.lower().isin(["false", "0", "no"]).to_numpy(dtype=bool)
    return None if current.all() else (current, f"versions that {column} calls out of date")


def _ercot_rows(text: TextTable) -> tuple[Bools, str] | None:
    """Keep the price by which load zones are settled, of those that come weighted by energy beside."""
    column = find_column(text.columns, ("Settlement Point Type",))
    if column is None:
        return None
    kept = ~text.frame[column].str.upper().str.endswith("EW").to_numpy(dtype=bool)
    return None if kept.all() else (kept, f"prices of load zones weighted by energy ({column} ends in EW)")


def _ercot_times(text: TextTable, column: str, groups: Ints, faults: Faults) -> Instants | None:
    """Read the delivery day, the hour that ends (1 to 24), the quarter of it, and whether the hour is repeated."""
    before = len(faults)
    form = find_form(text, column, None, MONTH_FIRST, faults)
    days = pd.to_datetime(text.frame[column], format=form or "ISO8601", errors="coerce")
    for row in np.flatnonzero(days.isna().to_numpy()):
        text.note(
            faults,
            int(row),
            column,
            f"must be a day such as 01/31/2025; found {text.frame[column].iloc[row]!r:.60}",
        )
    name = find_column(text.columns, ("Hour Ending", "Delivery Hour"))
    if name is None:
        faults.add("has days and no hours (Hour Ending or Delivery Hour)", file=text.file)
        return None
    hours = pd.to_numeric(
        text.frame[name].str.replace(r":00(:00)?$", "", regex=True), errors="coerce"
    ).to_numpy()
    for row in np.flatnonzero(~((hours >= 1) & (hours <= 24) & (hours == np.floor(hours)))):
        text.note(
            faults, int(row), name, f"must be an hour from 1 to 24; found {text.frame[name].iloc[row]!r:.60}"
        )
    quarter = find_column(text.columns, ("Delivery Interval",))
    quarters = text.numbers(quarter, faults) if quarter else np.ones(len(text))
    for row in np.flatnonzero(~np.isin(quarters, (1, 2, 3, 4))):
        text.note(
            faults,
            int(row),
            quarter or "",
            f"must be a quarter of an hour from 1 to 4; found {quarters[row]:g}",
        )
    if len(faults) > before:
        return None
    minutes = (hours - 1) * 60 + (quarters - 1) * 15
    naive = pd.DatetimeIndex(days + pd.to_timedelta(minutes, unit="min"))
    flag = find_column(text.columns, ("Repeated Hour Flag", "DSTFlag", "DST Flag"))
    if flag is None:
        stamped = TextTable(text.file, text.frame.assign(**{column: naive}), text.lines)
        return read_times(stamped, column, faults, zone=CENTRAL, groups=groups)
    later = text.frame[flag].str.upper().isin(["Y", "TRUE", "1"]).to_numpy(dtype=bool)
    return localized(text, column, naive, later, CENTRAL, faults)


def _entsoe_rows(text: TextTable) -> tuple[Bools, str] | None:
    """Keep the coupled auction (sequence 1), of zones that have an auction of an exchange beside."""
    column = find_column(text.columns, ("Sequence",))
    if column is None:
        return None
    sequences = text.frame[column].str.lower().str.replace("sequence", "", regex=False).str.strip()
    others = sorted(set(text.frame[column][sequences != "1"]))
    if not others or not (sequences == "1").any():
        return None
    kept = (sequences == "1").to_numpy(dtype=bool)
    areas = find_column(text.columns, ("Area",))
    if areas is not None:  # areas with one auction have no number for it
        kept = kept | ~text.frame[areas].isin(text.frame[areas][kept]).to_numpy(dtype=bool)
    return None if kept.all() else (kept, f"auctions beside sequence 1: {', '.join(others)}")


def _entsoe_times(text: TextTable, column: str, groups: Ints, faults: Faults) -> Instants | None:
    """Read the begin of the market time unit, in the zone that the column's name tells."""
    label = column.partition("(")[2].rstrip(")").strip().lower()
    zone = _MTU_ZONES.get(label)
    if zone is None:
        known = ", ".join(sorted(_MTU_ZONES))
        faults.add(f"its name has no zone that is known ({known})", file=text.file, column=column)
        return None
    begins = text.frame[column].str.split(" - ", n=1, regex=False).str[0].str.strip()
    flags = begins.str.extract(r"\(([A-Z]{3,4})\)\s*$")[0]
    plain = begins.str.replace(r"\s*\([A-Z]{3,4}\)\s*$", "", regex=True)
    bare = TextTable(text.file, text.frame.assign(**{column: plain}), text.lines)
    before = len(faults)
    form = find_form(bare, column, None, DAY_FIRST, faults)
    if len(faults) > before:
        return None
    if flags.notna().any():
        read = pd.to_datetime(plain, format=form or "ISO8601", errors="coerce")
        if read.notna().all():
            # Only hours that come twice need it; where a row has no mark, its time comes once.
            later = flags.isin(["CET", "EET", "WET"]).to_numpy(dtype=bool)
            return localized(text, column, pd.DatetimeIndex(read), later, zone, faults)
    return read_times(bare, column, faults, zone=zone, form=form, groups=groups)


EXPORTS: Mapping[str, Export] = {
    "caiso": Export(
        "CAISO OASIS",
        ("INTERVALSTARTTIME_GMT", "INTERVAL_START_GMT", "OPR_DT"),
        ("NODE_ID", "NODE", "PNODE_RESMRID", "NODE_ID_XML"), ("MW", "VALUE", "PRC", "LMP_PRC"),
        "$/MWh", keep=_caiso_rows, times=_caiso_times,
    ),
    "pjm": Export(
        "PJM Data Miner",
        ("datetime_beginning_utc", "datetime_beginning_ept"), ("pnode_name", "pnode_id", "zone"),
        ("total_lmp_da", "total_lmp_rt", "total_lmp", "rt_lmp", "da_lmp", "lmp"),
        "$/MWh", forms=MONTH_FIRST, keep=_pjm_rows,
    ),
    "nyiso": Export(
        "NYISO",
        ("Time Stamp",), ("Name", "PTID"), ("LBMP",), "$/MWh", EASTERN, MONTH_FIRST,
        sub_hourly_end=True,
    ),
    "ercot": Export(
        "ERCOT",
        ("Delivery Date",), ("Settlement Point", "Settlement Point Name", "Bus Name"),
        ("Settlement Point Price", "LMP"), "$/MWh", CENTRAL, keep=_ercot_rows, times=_ercot_times,
    ),
    "entsoe": Export(
        "ENTSO-E Transparency Platform",
        tuple(f"MTU ({zone})" for zone in _MTU_ZONES), ("Area", "Bidding Zone"), ("Day-ahead Price",),
        "", keep=_entsoe_rows, times=_entsoe_times,
    ),
    "gridstatus": Export(
        "gridstatus",
        ("interval_start_utc", "Interval Start", "interval_start_local"),
        ("Location", "settlement_point", "location_id"), ("LMP", "SPP", "price"), "$/MWh",
    ),
}  # fmt: skip
"""Forms of operators, in the order in which they are looked for."""

GENERIC = Export(
    "generic",
    (
        "time", "timestamp", "datetime", "datetime (utc)", "date", "date time", "utc", "utc_timestamp",
        "timestamp_utc",
        "time_utc", "datetime_utc", "hour", "start", "begin", "period_start", "delivery start", "start date",
    ),
    ("node", "location", "zone", "area", "region", "bidding zone", "site", "name", "hub", "pnode", "country"),
    (
        "price", "lmp", "day_ahead_price", "da_price", "rt_price", "spot_price", "value", "price_eur_mwh",
        "price_usd_mwh", "electricity_price",
    ),
    "",
    wide=True,
)  # fmt: skip
"""A file of nobody's form: times and prices, by node in columns or in rows."""


def detect(text: TextTable) -> str:
    """Return the name of a file's form, ``generic`` where it is no operator's."""
    for name, export in EXPORTS.items():
        if find_column(text.columns, export.time) and find_measures(text.columns, export.value):
            return name
    return "generic"
