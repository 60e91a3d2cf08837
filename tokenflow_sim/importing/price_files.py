"""Files of electricity prices -> a series of the scenario format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from tokenflow_sim.errors import unknown_name
from tokenflow_sim.importing.faults import Faults, refuse
from tokenflow_sim.importing.imported import Imported, Summary
from tokenflow_sim.importing.names import Nodes, listed
from tokenflow_sim.importing.price_exports import EXPORTS, GENERIC, detect
from tokenflow_sim.importing.series_lines import Fill, series_lines
from tokenflow_sim.importing.series_rows import Choices, Paths, Read, read_files
from tokenflow_sim.importing.time_series import Collected, collect
from tokenflow_sim.scenario.units import ELECTRICITY_PRICE

SUBJECT = "the import of prices"
FORMATS = (*EXPORTS, "generic")


def prices(
    path: Paths,
    *,
    format: str | None = None,
    map: Nodes = None,
    time: str | None = None,
    time_format: str | None = None,
    time_zone: str | None = None,
    stamp: Literal["begin", "end"] | None = None,
    place: str | None = None,
    value: str | None = None,
    unit: str | None = None,
    rate: float | None = None,
    where: Mapping[str, str] | None = None,
    decimal: Literal[".", ","] | None = None,
    fill: Fill = None,
) -> Imported:
    """Read electricity prices as market operators, exchanges and gridstatus export them.

    Parameters
    ----------
    path : path, or several of them
        CSV files, also zipped; several are put together: months of one node, or a file for each node.
    format : str, optional
        ``caiso``, ``pjm``, ``nyiso``, ``ercot``, ``entsoe``, ``gridstatus`` or ``generic``; found by the columns if
        left out.
    map : mapping or iterable of str, optional
        Nodes by name in the file, or the names to keep; all, if left out. Of a file with one series and no name of its
        own, the node.
    time, place, value : str, optional
        Columns of times, of nodes (of a file with rows by node) and of prices; found by their usual names if left out.
    time_format : str, optional
        How times are written, as `datetime.strptime` takes it; ISO 8601 or the export's own form if left out.
    time_zone : str, optional
        Zone of times without an offset; known of the operators' exports.
    stamp : {"begin", "end"}, optional
        Whether a time is the begin or the end of its interval; begin, or what the export does, if left out.
    unit : str, optional
        Unit of the file, e.g. ``$/MWh``, ``EUR/MWh``; known of exports, or told by the header.
    rate : float, optional
        Dollars per unit of the file's currency, to convert it. If left out, the series stays in its currency.
    where : mapping, optional
        Rows to keep, by the value that a column must have.
    decimal : {".", ","}, optional
        Decimal mark; found if left out.
    fill : {"hold", "interpolate"} or float, optional
        What the scenario puts where the file has no price, a number in the unit of the files; a gap within a run is
        a fault if left out.

    Returns
    -------
    Imported
        `table` has an index ``time`` (UTC, begin of each interval) and a column of prices per kWh for each node.

    Raises
    ------
    DataError
        If the files have faults; all are listed, each with its row and column.
    """
    faults = Faults(SUBJECT)
    if format is not None and format not in FORMATS:
        faults.add(unknown_name("price format", format, FORMATS))
    faults.check()
    choices = Choices(time, time_format, time_zone, stamp, place, value, unit, where, decimal, map)
    read = read_files(
        path,
        SUBJECT,
        choices,
        ELECTRICITY_PRICE,
        lambda text: EXPORTS.get(format or detect(text), GENERIC),
        faults,
    )
    return _imported(read, collect(read.parts, map, faults), rate, fill)


def _imported(read: Read, collected: Collected, rate: float | None, fill: Fill) -> Imported:
    """Convert to the scenario's unit, and say what was read and assumed."""
    unit, title = read.unit, read.title
    notes, dropped = [*read.notes], [*read.dropped, *collected.notes]
    factor = ELECTRICITY_PRICE.factor(unit, 1.0)
    currency = "$" if unit.startswith(("$", "US")) else unit[:3]
    scale = factor * (1.0 if rate is None else rate)
    table = collected.table * scale
    values = table.to_numpy()
    known_values = values[np.isfinite(values)]
    if not known_values.size:
        raise refuse(SUBJECT, f"{title} has no price at all")
    own = "$" if rate is not None else currency
    if rate is not None:
        notes.append(f"one {currency} is {rate:g} $, as given, at all times")
    stays = currency != "$" and rate is None
    notes.append(f"times are in UTC, the begin of each interval; prices per kWh, from {unit}")
    below = int((known_values < 0).sum())
    mean = float(known_values.mean())
    size = f"mean {mean:.4g}, least {known_values.min():.4g}, greatest {known_values.max():.4g} {own}/kWh" + (
        f"; {below} below zero" if below else ""
    )
    doubt = ELECTRICITY_PRICE.doubt(collected.table.to_numpy() * factor, unit)
    entries = {
        "rows read": str(read.count),
        "nodes": listed(list(table.columns)),
        **collected.entries,
        "unit": f"{unit}, written in {own}/kWh",
        "prices": size,
        "check": doubt,
        "dropped": dropped,
        "assumed": notes,
    }
    lines = series_lines(
        ("electricity", "series"),
        f"Electricity prices of {title}.",
        unit=f"{own}/kWh",
        rate="a scenario's money is $; here one of it stands for one " + currency if stays else None,
        fill=fill if fill is None or isinstance(fill, str) else fill * scale,
        collected=collected,
        notes=[*notes, *(f"left out: {text}" for text in dropped)],
    )
    return Imported("prices", {"prices.csv": table}, lines, Summary(f"prices of {title}", entries))
