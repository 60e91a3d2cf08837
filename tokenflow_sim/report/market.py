"""Prices, service and links of a run, in tables."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tokenflow_sim.numerals import share, significant
from tokenflow_sim.report.blocks import Table
from tokenflow_sim.report.parties import MOST_ROWS
from tokenflow_sim.report.totals import Totals

_MOST_LINKS = 20
_ROUNDING = 1e-9  # share of what was asked for up to which what is served is the rounding of a solver


def classes(totals: Totals) -> Table | None:
    """Return prices and service of each workload class; None without prices."""
    if not totals.has("price"):
        return None
    names = totals.ds["workload"].to_numpy().astype(str)
    heads = ["class", "peak price\n$/Mtok", "at node,\nperiod"]
    columns: list[list[str]] = [list(names), [], []]
    for name in names:
        peak = totals.peaks.get(name)
        columns[1].append("-" if peak is None else significant(peak.value))
        columns[2].append("-" if peak is None else f"{peak.node}, {peak.period}")
    note = ""
    if totals.has("payment", "demand", "unserved"):
        demand = totals.by("demand", "workload") * totals.amount
        unserved = totals.by("unserved", "workload") * totals.amount
        served, paid = demand - unserved, totals.by("payment", "workload")
        heads[1:1] = ["mean price\n$/Mtok"]
        # Sums pass over what is missing, means must not.
        whole = not totals.undefined.keys() & {"price", "payment", "demand", "unserved"}
        mean = {n: paid[n] / served[n] for n in names if whole and served[n] > _ROUNDING * demand[n]}
        columns[1:1] = [[significant(mean[n]) if n in mean else "-" for n in names]]
        note = (
            "The mean price is over nodes and periods, weighted by what was served: what was paid for a Mtok."
        )
        heads += ["demand\nMtok", "unserved\nMtok", "unserved\nshare"]
        columns += [
            [significant(demand[n]) for n in names],
            [significant(unserved[n]) for n in names],
            [share(unserved[n], demand[n]) for n in names],
        ]
    return Table("Prices and service by class", heads, list(zip(*columns, strict=True)), note=note)


def node_prices(totals: Totals) -> Table | None:
    """Return the mean price of each class at each node; None without prices."""
    if not totals.has("price"):
        return None
    price = (totals.sums["price"] / totals.known["price"]).transpose("node", "workload").to_pandas()
    note = "Means over periods."
    if len(price) > MOST_ROWS:
        weight = totals.by("demand", "node") if totals.has("demand") else pd.Series(0.0, index=price.index)
        kept = weight.nlargest(MOST_ROWS).index
        note += f" The {len(kept)} nodes with most demand of {len(price)}."
        price = price.loc[kept]
    rows = [
        [str(node), *(significant(float(value)) for value in row)]
        for node, row in zip(price.index, price.to_numpy(), strict=True)
    ]
    heads = ["node", *(f"{name}\n$/Mtok" for name in price.columns)]
    return Table("Prices by node", heads, rows, note=note)


def links(totals: Totals) -> Table | None:
    """Return the links that were full longest or earned most; None where there are no links or nothing of them."""
    if not totals.has("link_use_share", "link_income") or not totals.ds.sizes["arc"]:
        return None
    use = totals.mean("link_use_share", "arc")
    full, income = totals.counts["full"].to_numpy(), totals.by("link_income", "arc")
    owner = totals.ds["arc_owner"].to_numpy().astype(str) if "arc_owner" in totals.ds.coords else None
    order = np.lexsort((-income.to_numpy(), -full))[:_MOST_LINKS]
    rows = [
        [
            str(use.index[place]),
            *([owner[place]] if owner is not None else []),
            share(float(use.iloc[place]), 1.0),
            f"{int(full[place]):,}",
            significant(float(income.iloc[place])),
        ]
        for place in order
    ]
    heads = ["link", *(["owner"] if owner is not None else []), "mean use", "periods\nfull", "income\n$"]
    count = totals.ds.sizes["arc"]
    note = f"{int((full > 0).sum()):,} of {count:,} links were full in some period."
    if count > _MOST_LINKS:
        note += f" Shown are {_MOST_LINKS}, those full longest first."
    return Table("Links", heads, rows, words=2 if owner is not None else 1, note=note)
