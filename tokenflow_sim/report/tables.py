"""Tables of a run: who paid whom, prices, service and links."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from tokenflow_sim.numerals import money, share, significant
from tokenflow_sim.report.blocks import Table
from tokenflow_sim.results import dates, parties
from tokenflow_sim.results.parties import has_payees, largest, residual_of
from tokenflow_sim.results.totals import Totals
from tokenflow_sim.scenario import Scenario

MOST_ROWS = 40
"""How many parties a table names; the rest is added up."""
_MOST_LINKS = 20

Frame = pd.DataFrame


def statement(totals: Totals) -> Table | None:
    """Return money in, money out and the residual, which is zero but for rounding; None without payments."""
    if not totals.has("payment"):
        return None
    paid = totals.total("payment")
    rows: list[tuple[str, float]] = [("Demand pays", paid)]
    if totals.has("revenue"):
        rows.append(("Compute providers receive", totals.total("revenue")))
    if totals.has("owner_income"):
        rows.append(("Network owners receive", totals.total("owner_income")))
    whole = len(rows) == 3
    if has_payees(totals):
        rows.append(("Payees of limits receive", totals.total("limit_income")))
    if totals.has("operator_budget"):
        rows.append(("The operator keeps", totals.total("operator_budget")))
    cells = [
        [name, text, share(amount, paid)]
        for (name, amount), text in zip(rows, money([amount for _, amount in rows]), strict=True)
    ]
    residual = residual_of(totals)
    if residual is not None:
        cells.append(["Residual: money in less money out", significant(residual, 2), share(residual, paid)])
    told = [f"{one[:1].upper()}{one[1:]}." for one in parties.beside_the_market(totals)]
    return Table("Money in and money out", ["", "$", "share"], cells, total=whole, note=" ".join(told))


def power(totals: Totals) -> Table | None:
    """Return who pays and is paid for power; None without a grid."""
    found = parties.power(totals)
    if found is None:
        return None
    load, bought, made, carried = found.values()
    paid = load + bought
    cells = [
        [name[:1].upper() + name[1:], text, share(amount, paid)]
        for (name, amount), text in zip(found.items(), money(found.values()), strict=True)
    ]
    residual = paid - made - carried
    cells.append(["Residual: money in less money out", significant(residual, 2), share(residual, paid)])
    return Table("Power", ["", "$", "share"], cells, total=True)


def generators(totals: Totals) -> Table | None:
    """Return what each generator made, earned and spent; None without a grid."""
    if not totals.has("generation", "generator_income", "generation_cost"):
        return None
    table = pd.DataFrame(
        {
            "generation": totals.by("generation", "generator") * totals.hours,
            "income": totals.by("generator_income", "generator"),
            "cost": totals.by("generation_cost", "generator"),
        }
    )
    table["profit"] = table["income"] - table["cost"]
    table, whole = largest(table, "generation", "generators", MOST_ROWS), table.sum(min_count=1)
    rows = _with_total(table, whole)
    cells = [
        rows.index,
        _each(rows["generation"]),
        *(money(rows[name]) for name in ("income", "cost", "profit")),
        [share(part, whole["generation"]) for part in rows["generation"]],
    ]
    heads = ["generator", "power\nMWh", "income\n$", "cost\n$", "profit\n$", "share of\npower"]
    return Table("Generators", heads, _rows(cells), total=True)


def regions(totals: Totals, scenario: Scenario | None) -> Table | None:
    """Return what each demand region asked for, got and paid; its nodes are the regions of an unknown scenario."""
    if not totals.has("payment", "demand", "unserved"):
        return None
    what = "node" if scenario is None else "demand region"
    table = parties.regions(totals, scenario)
    table, whole = largest(table, "payment", f"{what}s", MOST_ROWS), table.sum(min_count=1)
    rows = _with_total(table, whole)
    served = rows["demand"] - rows["unserved"]
    cells = [
        rows.index,
        _each(rows["demand"]),
        _each(served),
        [share(lost, asked) for lost, asked in zip(rows["unserved"], rows["demand"], strict=True)],
        money(rows["payment"]),
        _each(rows["payment"] / served.where(served > 0)),
        [share(part, whole["payment"]) for part in rows["payment"]],
    ]
    heads = [
        what,
        "demand\nMtok",
        "served\nMtok",
        "unserved",
        "pays\n$",
        "mean price\n$/Mtok",
        "share of\npayments",
    ]
    return Table(
        "Demand", heads, _rows(cells), total=True, note="The mean price is what was paid for a Mtok served."
    )


def providers(totals: Totals) -> Table | None:
    """Return what each provider sold, earned, spent and kept."""
    if not totals.has("dispatch", "revenue", "cost") or "asset_provider" not in totals.ds.coords:
        return None
    table = parties.providers(totals)
    table, whole = largest(table, "revenue", "providers", MOST_ROWS), table.sum(min_count=1)
    rows = _with_total(table, whole)
    cells = [
        rows.index,
        _each(rows["sold"]),
        *(money(rows[name]) for name in ("revenue", "cost", "profit")),
        [share(kept, taken) for kept, taken in zip(rows["profit"], rows["revenue"], strict=True)],
        [share(part, whole["revenue"]) for part in rows["revenue"]],
    ]
    heads = [
        "provider",
        "sold\nMtok",
        "revenue\n$",
        "true cost\n$",
        "profit\n$",
        "profit in\nrevenue",
        "share of\nrevenue",
    ]
    note = "Profit is revenue less true cost, whatever was offered; fixed costs are not part of it."
    return Table("Compute providers", heads, _rows(cells), total=True, note=note)


def owners(totals: Totals, scenario: Scenario | None) -> Table | None:
    """Return what each network owner carried, earned, spent and kept."""
    if (
        not totals.has("flow", "owner_income")
        or "arc_owner" not in totals.ds.coords
        or not totals.ds.sizes["arc"]
    ):
        return None
    table = parties.owners(totals, scenario)
    table, whole = largest(table, "income", "network owners", MOST_ROWS), table.sum(min_count=1)
    rows = _with_total(table, whole)
    amounts = [name for name in ("income", "cost", "profit") if name in rows]
    cells = [
        rows.index,
        _each(rows["carried"]),
        *(money(rows[name]) for name in amounts),
        [share(part, whole["income"]) for part in rows["income"]],
    ]
    units = {"income": "revenue\n$", "cost": "route cost\n$", "profit": "profit\n$"}
    heads = ["network owner", "carried\nMtok", *(units[name] for name in amounts), "share of\nrevenue"]
    note = "What crosses several links counts on each. The route cost is the scenario's: the true cost of transport."
    return Table("Network owners", heads, _rows(cells), total=True, note=note)


def classes(totals: Totals) -> Table | None:
    """Return prices and service of each workload class; None without prices."""
    if not totals.has("price"):
        return None
    table = parties.classes(totals)
    heads = ["class", "peak price\n$/Mtok", f"at node,\n{dates.when_head(totals.ds)}"]
    where = [
        "-" if node is None else f"{node}, {dates.cell(totals.ds, int(period))}"
        for node, period in zip(table["peak_node"], table["peak_period"], strict=True)
    ]
    columns: list[list[str]] = [list(table.index), _each(table["peak_price"]), where]
    note = ""
    if {"demand", "unserved"} <= set(table):
        heads[1:1] = ["mean price\n$/Mtok"]
        columns[1:1] = [_each(table["mean_price"])]
        note = (
            "The mean price is over nodes and periods, weighted by what was served: what was paid for a Mtok."
        )
        heads += ["demand\nMtok", "unserved\nMtok", "unserved\nshare"]
        columns += [
            _each(table["demand"]),
            _each(table["unserved"]),
            [share(lost, asked) for lost, asked in zip(table["unserved"], table["demand"], strict=True)],
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


def _with_total(table: Frame, whole: pd.Series[float]) -> Frame:
    return pd.concat([table, whole.to_frame("all").T])


def _each(values: pd.Series[float]) -> list[str]:
    return [significant(float(value)) for value in values]


def _rows(columns: Sequence[Any]) -> list[list[str]]:
    return [[str(cell) for cell in row] for row in zip(*columns, strict=True)]
