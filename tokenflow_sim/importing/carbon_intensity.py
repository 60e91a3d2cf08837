"""Files of the carbon intensity of electricity -> a series of the scenario format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import numpy as np

from tokenflow_sim.importing.faults import Faults, refuse
from tokenflow_sim.importing.imported import Imported, Summary
from tokenflow_sim.importing.names import Nodes, listed
from tokenflow_sim.importing.price_exports import GENERIC
from tokenflow_sim.importing.series_lines import Fill, series_lines
from tokenflow_sim.importing.series_rows import Choices, Paths, read_files
from tokenflow_sim.importing.time_series import collect
from tokenflow_sim.scenario.units import CARBON_INTENSITY

SUBJECT = "the import of carbon intensities"
PLACE = ("carbon", "series")
"""Section and field of a scenario that takes the series."""
_UNIT = "g/kWh"
_EXPORT = replace(
    GENERIC,
    title="carbon intensity over time",
    unit=_UNIT,
    signed=False,
    place=("zone name", "zone id", "zone", "node", "region", "location", "country"),
    value=(
        "carbon intensity", "carbon_intensity", "carbon intensity gCO2eq/kWh", "carbon intensity gCO\u2082eq/kWh",
        "avg_ci", "ci", "co2_intensity", "co2 intensity", "emission_factor", "emissions intensity", "moer", "aoer",
        "intensity", "value",
    ),
)  # fmt: skip


def carbon(
    path: Paths,
    *,
    map: Nodes = None,
    time: str | None = None,
    time_format: str | None = None,
    time_zone: str | None = None,
    stamp: Literal["begin", "end"] | None = None,
    place: str | None = None,
    value: str | None = None,
    unit: str | None = None,
    where: Mapping[str, str] | None = None,
    decimal: Literal[".", ","] | None = None,
    fill: Fill = None,
) -> Imported:
    """Read carbon intensities over time: one series, a column for each node, or rows by node.

    Parameters
    ----------
    path : path, or several of them
        CSV files, e.g. of Electricity Maps; several are put together.
    map : mapping or iterable of str, optional
        Nodes by name in the file, or the names to keep; all, if left out. Of a file with one series and no name of its
        own, the node.
    time, place, value : str, optional
        Columns of times, of nodes and of intensities; found by their usual names if left out.
    time_format : str, optional
        How times are written, as `datetime.strptime` takes it; ISO 8601 if left out.
    time_zone : str, optional
        Zone of times without an offset.
    stamp : {"begin", "end"}, optional
        Whether a time is the begin or the end of its interval; begin if left out.
    unit : str, optional
        Unit of the file, e.g. ``g/kWh``, ``kg/MWh``, ``lb/MWh``; what the header says, or g/kWh, if left out.
    where : mapping, optional
        Rows to keep, by the value that a column must have.
    decimal : {".", ","}, optional
        Decimal mark; found if left out.
    fill : {"hold", "interpolate"} or float, optional
        What the scenario puts where the file has no number, a number in the unit of the files; a gap within a run is
        a fault if left out.

    Returns
    -------
    Imported
        `table` has an index ``time`` (UTC, begin of each interval) and a column of g/kWh for each node.

    Raises
    ------
    DataError
        If the files have faults; all are listed, each with its row and column.
    """
    faults = Faults(SUBJECT)
    choices = Choices(time, time_format, time_zone, stamp, place, value, unit, where, decimal, map)
    read = read_files(path, SUBJECT, choices, CARBON_INTENSITY, lambda _: _EXPORT, faults)
    collected = collect(read.parts, map, faults)
    scale = CARBON_INTENSITY.factor(read.unit) / CARBON_INTENSITY.factor(_UNIT)
    table = collected.table * scale
    values = table.to_numpy()
    found = values[np.isfinite(values)]
    if not found.size:
        raise refuse(SUBJECT, f"{read.title} has no number at all")
    converted = f"; g/kWh, from {read.unit}" if read.unit != _UNIT else ""
    notes = [*read.notes, f"times are in UTC, the begin of each interval{converted}"]
    if unit is None and read.unit == _UNIT:
        notes.append(
            f"the unit is {_UNIT}, as such files have it where they say nothing else; or give unit (--unit)"
        )
    dropped = [*read.dropped, *collected.notes]
    entries = {
        "rows read": str(read.count),
        "nodes": listed(list(table.columns)),
        **collected.entries,
        "unit": f"{read.unit}, written in {_UNIT}",
        "intensity": f"mean {found.mean():.4g}, least {found.min():.4g}, greatest {found.max():.4g} {_UNIT}",
        "check": CARBON_INTENSITY.doubt(
            collected.table.to_numpy() * CARBON_INTENSITY.factor(read.unit), read.unit
        ),
        "dropped": dropped,
        "assumed": notes,
    }
    lines = series_lines(
        PLACE,
        f"Carbon intensity of electricity, {read.title}.",
        unit=_UNIT,
        fill=fill if fill is None or isinstance(fill, str) else fill * scale,
        collected=collected,
        notes=[*notes, *(f"left out: {text}" for text in dropped)],
    )
    return Imported(
        "carbon", {"carbon.csv": table}, lines, Summary(f"carbon intensity of {read.title}", entries)
    )
