"""What the page shows of a run, as plain numbers that travel to the browser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.dates import AutoDateLocator, date2num
from numpy.typing import NDArray

from tokenflow_sim.numerals import compact, share, significant
from tokenflow_sim.numeric import SECONDS_PER_HOUR, Floats
from tokenflow_sim.plot.style import INK, PALETTES, colours
from tokenflow_sim.plot.time import date_words
from tokenflow_sim.results.reading import FULL, NOISE, hours_of
from tokenflow_sim.scenario import Scenario
from tokenflow_sim.scenario.times import local
from tokenflow_sim.scenario.zone import zone_of
from tokenflow_sim.study.measures import mean_price
from tokenflow_sim.variables import ALL_PRICE_PARTS

Line = dict[str, Any]

MOST_POINTS = 400
_MOST_LINES = 8
_GREY = "#A6A6A6"


@dataclass(frozen=True)
class Curves:
    """A chart: lines over periods."""

    title: str
    unit: str
    periods: list[float]
    lines: list[Line]
    log: bool = False
    note: str = ""


def _periods(ds: xr.Dataset) -> tuple[NDArray[np.intp], list[float]]:
    """Return which periods to draw: all, or evenly spaced ones with the last among them."""
    count = ds.sizes["period"]
    stride = -(-count // MOST_POINTS)
    chosen = np.arange(count - 1, -1, -stride)[::-1]
    return chosen, [float(period) for period in ds["period"].to_numpy()[chosen]]


def date_ticks(scenario: Scenario, end: int) -> list[dict[str, Any]]:
    """Return where a chart of a run of `end` periods has ticks, in periods, and their dates; none without dates."""
    times = scenario.times
    if times is None or end < 2:
        return []
    zone = zone_of(times.zone)
    first, last = (local(moment, times.zone) for moment in times.at([0, end - 1]))
    locator = AutoDateLocator(tz=zone, minticks=3, maxticks=7)  # type: ignore[no-untyped-call]
    found = locator.tick_values(first, last)  # type: ignore[no-untyped-call]
    words = date_words(locator, zone).format_ticks(found)  # type: ignore[no-untyped-call]
    begin = float(date2num(first))  # type: ignore[no-untyped-call]
    at = [(float(tick) - begin) * 24.0 / times.hours for tick in found]
    return [{"at": one, "text": text} for one, text in zip(at, words, strict=True) if 0 <= one <= end]


def _line(name: str, values: Floats, colour: str, width: float = 1.6) -> Line:
    return {"name": name, "values": [_number(value) for value in values], "color": colour, "width": width}


def _number(value: float) -> float | None:
    return float(f"{value:.6g}") if np.isfinite(value) else None


def prices(ds: xr.Dataset, node: str | None) -> Curves:
    """Return prices by class: at a node, or the mean over nodes, weighted by what was served."""
    chosen, periods = _periods(ds)
    part = ds.isel(period=chosen)
    array = mean_price(part, ("node",)) if node is None else part["price"].sel(node=node)
    names = [str(name) for name in ds["workload"].to_numpy()]
    colour = colours(names, "workload")
    table = array.transpose("workload", "period").to_numpy()
    lines = [_line(name, row, colour[name]) for name, row in zip(names, table, strict=True)]
    where = "mean over nodes" if node is None else node
    # Classes differ by orders of magnitude; a logarithm needs numbers above zero.
    return Curves(f"Prices, {where}", "$/Mtok", periods, lines, log=not (table <= 0).any())


def settlement(ds: xr.Dataset) -> Curves:
    """Return what demand pays and who receives it."""
    chosen, periods = _periods(ds)
    part, rate = ds.isel(period=chosen), 1.0 / (hours_of(ds) or 1.0)
    paid = part["payment"].sum(["node", "workload"], min_count=1).to_numpy() * rate
    firms = part["revenue"].sum(["asset", "workload"], min_count=1).to_numpy() * rate
    owners = part["owner_income"].sum("owner", min_count=1).to_numpy() * rate
    lines = [
        _line("demand pays", paid, INK, 2.4),
        _line("providers receive", firms, PALETTES["provider"][2]),
        _line("networks receive", owners, PALETTES["workload"][1]),
    ]
    return Curves("Settlement", "$/h", periods, lines)


def profits(ds: xr.Dataset) -> Curves:
    """Return the profits of the largest providers."""
    chosen, periods = _periods(ds)
    names = [str(name) for name in ds["provider"].to_numpy()]
    colour = colours(names, "provider")
    table = ds["profit"].isel(period=chosen).transpose("provider", "period").to_numpy()
    table = table / (hours_of(ds) or 1.0)
    order = np.argsort(-np.abs(table).sum(axis=1), kind="stable")[:_MOST_LINES]
    lines = [_line(names[place], table[place], colour[names[place]]) for place in sorted(order)]
    note = f"The {_MOST_LINES} largest of {len(names)}." if len(names) > _MOST_LINES else ""
    return Curves("Profits of providers", "$/h", periods, lines, note=note)


def congestion(ds: xr.Dataset) -> Curves:
    """Return the use of the links that were used most."""
    chosen, periods = _periods(ds)
    use = ds["link_use_share"].transpose("arc", "period").to_numpy()
    names = [str(name) for name in ds["arc"].to_numpy()]
    rent = ds["congestion_rent"].sum("period").to_numpy()
    order = np.lexsort((-rent, -use.mean(axis=1) if use.size else np.zeros(0)))[:5]
    lines = [
        _line(names[place], 100 * use[place][chosen], colour)
        for place, colour in zip(order, PALETTES["workload"], strict=False)
    ]
    full = int((use >= FULL).any(axis=1).sum())
    return Curves(
        "Use of the busiest links",
        "% of capacity",
        periods,
        lines,
        note=f"{full} of {len(names)} links were full in some period.",
    )


def unserved(ds: xr.Dataset) -> Curves:
    """Return the share of demand that was not served, by class."""
    chosen, periods = _periods(ds)
    part = ds.isel(period=chosen)
    names = [str(name) for name in ds["workload"].to_numpy()]
    colour = colours(names, "workload")
    asked, lost = (
        part[name]
        .sum([dim for dim in part[name].dims if dim not in ("period", "workload")], min_count=1)
        .transpose("workload", "period")
        .to_numpy()
        for name in ("demand", "unserved")
    )
    percent = 100 * np.divide(lost, asked, out=np.where(np.isnan(asked), asked, 0.0), where=asked > 0)
    lines = [_line(name, row, colour[name]) for name, row in zip(names, percent, strict=True)]
    return Curves("Demand not served", "% of demand", periods, lines)


def key_figures(ds: xr.Dataset) -> dict[str, tuple[str, float]]:
    """Return sums over the run so far: text and number by name."""
    amount = (hours_of(ds) or 1.0) * SECONDS_PER_HOUR
    asked, lost = float(ds["demand"].sum(min_count=1)), float(ds["unserved"].sum(min_count=1))
    sums = {
        "Demand pays": float(ds["payment"].sum(min_count=1)),
        "Providers' profit": float(ds["profit"].sum(min_count=1)),
        "Network income": float(ds["owner_income"].sum(min_count=1)),
        "Welfare": float(ds["welfare"].sum(min_count=1)),
    }
    served = (asked - lost) * amount * 1e6
    figures = {"Served": (compact(served, "tok"), served), "Unserved": (share(lost, asked), lost * amount)}
    return figures | {name: (compact(value, "$"), value) for name, value in sums.items()}


def compared(first: xr.Dataset, second: xr.Dataset) -> list[list[str]]:
    """Return rows of figure, first, second and difference, for two variants over the periods both have played."""
    count = min(first.sizes["period"], second.sizes["period"])
    one, two = (ds.isel(period=slice(count)) for ds in (first, second))
    rows = []
    left, right = key_figures(one), key_figures(two)
    for name in left:
        unit = "tok" if name == "Served" else "$"
        gap = "" if name == "Unserved" else compact(right[name][1] - left[name][1], unit)
        rows.append([name, left[name][0], right[name][0], gap])
    names = [str(name) for name in one["workload"].to_numpy() if name in two["workload"].to_numpy()]
    for name in names:
        mean, other = (float(mean_price(ds).sel(workload=name)) for ds in (one, two))
        rows.append(
            [f"Mean price, {name} [$/Mtok]", significant(mean), significant(other), significant(other - mean)]
        )
    return rows


def decomposition(ds: xr.Dataset, node: str, period: int) -> list[dict[str, Any]]:
    """Return the parts of each class's price at a node in a period, with demand and what went unserved."""
    here = ds.isel(period=period).sel(node=node)
    rows = []
    for name in ds["workload"].to_numpy():
        one = here.sel(workload=name)
        asked, lost = float(one["demand"].sum(min_count=1)), float(one["unserved"].sum(min_count=1))
        colour = dict(zip(ALL_PRICE_PARTS, PALETTES["part"], strict=True))
        names = [part for part in ALL_PRICE_PARTS if f"price_{part}" in one]
        parts = [float(one[f"price_{part}"]) for part in names]
        total = sum(abs(part) for part in parts) or 1.0
        rows.append(
            {
                "name": str(name),
                "price": significant(float(one["price"])),
                "demand": significant(asked),
                "unserved": share(lost, asked),
                "short": lost > NOISE * asked,
                "parts": [
                    {
                        "name": part,
                        "text": significant(value),
                        "width": 100 * abs(value) / total,
                        "color": colour[part],
                    }
                    for part, value in zip(names, parts, strict=True)
                ],
            }
        )
    return rows


def bounds(charts: Sequence[Curves]) -> tuple[float, float] | None:
    """Return the least and largest number of charts that shall have one scale; None without numbers."""
    values = [
        value for curves in charts for line in curves.lines for value in line["values"] if value is not None
    ]
    return (min(values), max(values)) if values else None
