"""The tables that ``tokenflow run`` prints."""

from __future__ import annotations

import numpy as np
import xarray as xr

from tokenflow_sim.cli.console import counted, money, say, share, show_table, significant
from tokenflow_sim.results import dates, parties
from tokenflow_sim.results.emissions import emission_totals
from tokenflow_sim.results.parties import NEEDED, has_payees, largest, residual_of
from tokenflow_sim.results.totals import Totals

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
    totals = Totals(results, names=NEEDED)
    seed, length = results.attrs["seed"], f"{counted(totals.periods, 'period')} of {totals.hours:g} h"
    say(f"{name}: {length}, seed {seed}, run in {duration(seconds)}")
    say()
    _show_classes(totals)
    _show_providers(totals)
    _show_settlement(totals)
    _show_emissions(results, totals)
    _show_power(totals)
    welfare = money([totals.total("welfare")])[0]
    say(f"welfare: {welfare} $ (value of service, where it is finite, less true cost)")
    worst, when = (np.nan, 0) if totals.worst is None else (totals.worst.value, totals.worst.period)
    say(f"certificate: largest optimality residual {significant(worst, 2)} ({dates.named(results, when)})")
    if hint := results.attrs.get("hint"):
        say(str(hint))
    say()


def _show_classes(totals: Totals) -> None:
    rows = [
        (
            str(name),
            significant(row.mean_price),
            significant(row.peak_price),
            "-"
            if row.peak_node is None
            else f"{row.peak_node}, {dates.cell(totals.ds, int(row.peak_period))}",
            significant(row.demand),
            significant(row.unserved),
            share(row.unserved, row.demand),
        )
        for name, row in parties.classes(totals).iterrows()
    ]
    heads = [
        "class", "mean price\n$/Mtok", "peak price\n$/Mtok", f"at node,\n{dates.when_head(totals.ds)}", "demand\nMtok",
        "unserved\nMtok", "unserved\nshare",
    ]  # fmt: skip
    show_table("Prices (means by what was served) and service", heads, rows)


def _show_providers(totals: Totals) -> None:
    every = parties.providers(totals)
    total, table = every.sum(min_count=1), largest(every, "revenue", "providers", _MOST_ROWS)
    columns = [money([*table[name], total[name]]) for name in ("revenue", "cost", "profit")]
    shares = [share(part, total["revenue"]) for part in [*table["revenue"], total["revenue"]]]
    rows = zip([*map(str, table.index), "all"], *columns, shares, strict=True)
    heads = ["provider", "revenue\n$", "true cost\n$", "profit\n$", "share of\nrevenue"]
    show_table("Providers", heads, rows, total=True)


def _show_settlement(totals: Totals) -> None:
    income = parties.owners(totals)[["income"]]
    owners = largest(income, "income", "network owners", _MOST_ROWS)["income"]
    paid = totals.total("payment")
    amounts = {"demand pays": paid, "compute providers receive": totals.total("revenue")}
    amounts |= {f"network owner {name} receives": amount for name, amount in owners.items()}
    if has_payees(totals):
        amounts["payees of limits receive"] = totals.total("limit_income")
    if totals.has("operator_budget"):
        amounts["the operator keeps"] = totals.total("operator_budget")
    residual = residual_of(totals)
    shares = [share(amount, paid) for amount in amounts.values()]
    last = ("residual (in less out)", significant(np.nan if residual is None else residual, 2), "")
    rows = [*zip(amounts, money(amounts.values()), shares, strict=True), last]
    show_table("Settlement", ["", "$", "share"], rows, total=True)
    for sentence in parties.beside_the_market(totals):
        say(sentence)


def _show_emissions(results: xr.Dataset, totals: Totals) -> None:
    """Print what was emitted by class, and what it cost, where emissions were recorded."""
    found = emission_totals(results)
    if found is None:
        return
    tonnes, served = found.by_asset.sum("asset").to_numpy(), found.served.sum("node").to_numpy()
    names = [*results["workload"].to_numpy().astype(str), "all"]
    emitted, sold = np.append(tonnes, tonnes.sum()), np.append(served, served.sum())
    rows = [
        (str(name), significant(t), significant(t / s if s > 0 else np.nan), share(t, found.total))
        for name, t, s in zip(names, emitted, sold, strict=True)
    ]
    show_table("Emissions", ["class", "emissions\nt", "of a Mtok\nt", "share"], rows, total=True)
    if totals.has("carbon_payment"):
        paid = money([totals.total("carbon_payment")])[0]
        say(f"carbon: providers pay {paid} $ to the state, out of what they receive")


def _show_power(totals: Totals) -> None:
    """Print who pays and is paid for power, where there is a grid."""
    found = parties.power(totals)
    if found is None:
        return
    load, bought, made, carried = found.values()
    paid = load + bought
    rows = [*zip(found, money(found.values()), [share(one, paid) for one in found.values()], strict=True)]
    rows.append(("residual (in less out)", significant(paid - made - carried, 2), ""))
    show_table("Power", ["", "$", "share"], rows, total=True)


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
