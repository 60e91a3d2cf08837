"""Who paid whom: the statement of a run, by demand region, compute provider and network owner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from tokenflow_sim.numerals import money, share, significant
from tokenflow_sim.numeric import SECONDS_PER_HOUR
from tokenflow_sim.report.blocks import Table
from tokenflow_sim.report.totals import Totals

MOST_ROWS = 40
"""How many parties a table names; the rest is added up."""

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
    cells = [
        [name, text, share(amount, paid)]
        for (name, amount), text in zip(rows, money([amount for _, amount in rows]), strict=True)
    ]
    whole = len(rows) == 3
    residual = residual_of(totals)
    if residual is not None:
        cells.append(["Residual: money in less money out", significant(residual, 2), share(residual, paid)])
    return Table("Money in and money out", ["", "$", "share"], cells, total=whole)


def residual_of(totals: Totals) -> float | None:
    """Return money in less money out in $; None where one of the sides was not recorded."""
    if not totals.has("payment", "revenue", "owner_income"):
        return None
    return totals.total("payment") - totals.total("revenue") - totals.total("owner_income")


def regions(totals: Totals, scenario: Any) -> Table | None:
    """Return what each demand region asked for, got and paid; its nodes are the regions of an unknown scenario."""
    if not totals.has("payment", "demand", "unserved"):
        return None
    table = pd.DataFrame(
        {
            "demand": totals.by("demand", "node") * totals.amount,
            "unserved": totals.by("unserved", "node") * totals.amount,
            "payment": totals.by("payment", "node"),
        }
    )
    what = "node"
    if scenario is not None:
        compiled, what = scenario.compiled, "demand region"
        nodes = np.array(list(scenario.nodes))
        home = {str(node): name for name in compiled.regions for node in nodes[compiled.region_nodes[name]]}
        table = table.groupby(
            table.index.map(lambda node: home.get(str(node), "(no region)")), sort=False
        ).sum(min_count=1)
        silent = (table.index == "(no region)") & (table["demand"] == 0)
        table = table[~silent]
    table, whole = _largest(table, "payment", f"{what}s"), table.sum(min_count=1)
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
    table = pd.DataFrame(
        {
            "sold": totals.by("dispatch", "asset", "asset_provider") * totals.amount,
            "revenue": totals.by("revenue", "asset", "asset_provider"),
            "cost": totals.by("cost", "asset", "asset_provider"),
        }
    )
    table["profit"] = table["revenue"] - table["cost"]
    table, whole = _largest(table, "revenue", "providers"), table.sum(min_count=1)
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


def owners(totals: Totals, scenario: Any) -> Table | None:
    """Return what each network owner carried, earned, spent and kept."""
    if (
        not totals.has("flow", "owner_income")
        or "arc_owner" not in totals.ds.coords
        or not totals.ds.sizes["arc"]
    ):
        return None
    income = totals.by("owner_income", "owner")
    carried = totals.by("flow", "arc", "arc_owner").reindex(
        income.index, fill_value=0.0
    )  # none without links
    table = pd.DataFrame({"carried": carried * totals.amount, "income": income})
    cost = _transport(totals, scenario)
    if cost is not None:
        table["cost"] = cost.reindex(table.index, fill_value=0.0)
        table["profit"] = table["income"] - table["cost"]
    table, whole = _largest(table, "income", "network owners"), table.sum(min_count=1)
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


def _transport(totals: Totals, scenario: Any) -> pd.Series[float] | None:
    """Return the true cost of transport by owner in $; None where the scenario is unknown or another."""
    if scenario is None:
        return None
    route_cost = scenario.compiled.wiring.route_cost
    flow = totals.sums["flow"].transpose("arc", "workload").to_numpy()
    if route_cost.shape != flow.shape:
        return None
    # a forbidden link has no flow, and its cost may be infinite
    spent = np.where(flow == 0, 0.0, flow * np.where(flow == 0, 0.0, route_cost)).sum(axis=1)
    spent *= totals.hours * SECONDS_PER_HOUR
    owner = totals.ds["arc_owner"].to_numpy().astype(str)
    return pd.Series(spent, index=owner).groupby(level=0).sum(min_count=1)


def _largest(table: Frame, by: str, what: str) -> Frame:
    """Keep the rows that matter where there are too many to read, and add up the others."""
    if len(table) <= MOST_ROWS:
        return table
    kept = table.nlargest(MOST_ROWS - 1, by)
    rest = table.drop(kept.index)
    return pd.concat([kept, rest.sum(min_count=1).to_frame(f"{len(rest)} other {what}").T])


def _with_total(table: Frame, whole: pd.Series[float]) -> Frame:
    return pd.concat([table, whole.to_frame("all").T])


def _each(values: pd.Series[float]) -> list[str]:
    return [significant(float(value)) for value in values]


def _rows(columns: Sequence[Any]) -> list[list[str]]:
    return [[str(cell) for cell in row] for row in zip(*columns, strict=True)]
