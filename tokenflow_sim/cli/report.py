"""The tables that ``tokenflow run`` prints."""

from __future__ import annotations

import pandas as pd
import xarray as xr

from tokenflow_sim.cli.console import counted, money, say, share, show_table, significant
from tokenflow_sim.cli.summary import KeyFigures, key_figures

_MOST_ROWS = 20


def show_summary(results: xr.Dataset, name: str, seconds: float) -> None:
    """Print the key figures of a run as tables that fit 80 columns.

    Parameters
    ----------
    results : Dataset
        What the run recorded; it may be lazy.
    name : str
        Name of the scenario.
    seconds : float
        How long the run took.
    """
    hours, periods = float(results.attrs["hours"]), results.sizes["period"]
    figures = key_figures(results, hours)
    seed, length = results.attrs["seed"], f"{counted(periods, 'period')} of {hours:g} h"
    say(f"{name}: {length}, seed {seed}, run in {duration(seconds)}")
    say()
    _show_classes(figures)
    _show_providers(figures)
    _show_settlement(figures)
    say(f"welfare: {money([figures.welfare])[0]} $ (value of service, where it is finite, less true cost)")
    say(
        f"certificate: largest optimality residual {significant(figures.certificate, 2)}"
        f" (period {figures.certificate_period})"
    )
    if hint := results.attrs.get("hint"):
        say(str(hint))
    say()


def _show_classes(figures: KeyFigures) -> None:
    rows = [
        (
            str(name),
            significant(row.mean_price),
            significant(row.peak_price),
            "-" if pd.isna(row.peak_price) else f"{row.peak_node}, {row.peak_period}",
            significant(row.demand),
            significant(row.unserved),
            share(row.unserved, row.demand),
        )
        for name, row in figures.classes.iterrows()
    ]
    heads = [
        "class", "mean price\n$/Mtok", "peak price\n$/Mtok", "at node,\nperiod", "demand\nMtok",
        "unserved\nMtok", "unserved\nshare",
    ]  # fmt: skip
    show_table("Prices (means by what was served) and service", heads, rows)


def _show_providers(figures: KeyFigures) -> None:
    total = figures.providers.sum(min_count=1)
    table = largest(figures.providers, "revenue", "providers")
    columns = [money([*table[name], total[name]]) for name in ("revenue", "cost", "profit")]
    shares = [share(part, total["revenue"]) for part in [*table["revenue"], total["revenue"]]]
    rows = zip([*map(str, table.index), "all"], *columns, shares, strict=True)
    heads = ["provider", "revenue\n$", "true cost\n$", "profit\n$", "share of\nrevenue"]
    show_table("Providers", heads, rows, total=True)


def _show_settlement(figures: KeyFigures) -> None:
    owners = largest(figures.owners.to_frame("income"), "income", "network owners")["income"]
    parties = [
        "demand pays",
        "compute providers receive",
        *(f"network owner {name} receives" for name in owners.index),
    ]
    amounts = [figures.payment, figures.revenue, *owners]
    shares = [share(amount, figures.payment) for amount in amounts]
    residual = significant(figures.residual, 2)
    rows = [*zip(parties, money(amounts), shares, strict=True), ("residual (in less out)", residual, "")]
    show_table("Settlement", ["", "$", "share"], rows, total=True)


def largest(table: pd.DataFrame, by: str, what: str) -> pd.DataFrame:
    """Keep the rows that matter where there are too many to read, and add up the others.

    Parameters
    ----------
    table : DataFrame
        Rows of amounts.
    by : str
        The column that says what matters.
    what : str
        What the rows are, in the plural.

    Returns
    -------
    DataFrame
        The table as it is, or its largest rows and one called e.g. ``84 other providers``.
    """
    if len(table) <= _MOST_ROWS:
        return table
    kept = table.nlargest(_MOST_ROWS - 1, by)
    rest = table.drop(kept.index)
    return pd.concat([kept, rest.sum(min_count=1).to_frame(f"{len(rest)} other {what}").T])


def duration(seconds: float) -> str:
    """Write a length of time, e.g. ``0.8 s``, ``14 s``, ``3 min 5 s``, ``2 h 4 min``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
