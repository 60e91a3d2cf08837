"""Who paid whom: amounts by demand region, compute provider and network owner, as tables."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tokenflow_sim.numerals import counted, money, share
from tokenflow_sim.results.totals import Totals
from tokenflow_sim.scenario import Scenario

Frame = pd.DataFrame
NEEDED = (
    "price", "demand", "unserved", "payment", "revenue", "cost", "profit", "owner_income", "limit_income", "welfare",
    "carbon_payment",
    "operator_budget", "contract_payment", "contract_income", "mitigated", "failed_test",
    "certificate", "load_payment", "power_cost", "generator_income", "line_income",
)  # fmt: skip
"""What the key figures of a run are read from."""
NO_REGION = "(no region)"


def classes(totals: Totals) -> Frame:
    """Return prices and service of each class.

    Returns
    -------
    DataFrame
        A row a workload: `mean_price` (over nodes and periods, weighted by what was served; NaN where nothing was) and
        `peak_price` [$/Mtok], `peak_node` and `peak_period` where and when that was (None where there is no price),
        `demand` and `unserved` [Mtok] where they were recorded.
    """
    labels = totals.ds["workload"].to_numpy().astype(str)
    peaks = [totals.peaks.get(str(name)) for name in labels]
    table = pd.DataFrame(
        {
            "mean_price": totals.mean_price.reindex(labels),
            "peak_price": [np.nan if peak is None else peak.value for peak in peaks],
            "peak_node": [None if peak is None else peak.node for peak in peaks],
            "peak_period": [None if peak is None else peak.period for peak in peaks],
        },
        index=pd.Index(labels, name="workload"),
    )
    for name in ("demand", "unserved"):
        if totals.has(name):
            table[name] = totals.by(name, "workload") * totals.amount
    return table


def regions(totals: Totals, scenario: Scenario | None) -> Frame:
    """Return `demand` and `unserved` [Mtok] and `payment` [$] of each demand region.

    Nodes are the regions of an unknown scenario; nodes without a region and without demand are left out.
    """
    table = pd.DataFrame(
        {
            "demand": totals.by("demand", "node") * totals.amount,
            "unserved": totals.by("unserved", "node") * totals.amount,
            "payment": totals.by("payment", "node"),
        }
    )
    if scenario is None:
        return table
    compiled = scenario.compiled
    nodes = np.array(list(scenario.nodes))
    home = {str(node): name for name in compiled.regions for node in nodes[compiled.region_nodes[name]]}
    by_region = table.index.map(lambda node: home.get(str(node), NO_REGION))
    table = table.groupby(by_region, sort=False).sum(min_count=1)
    return table[~((table.index == NO_REGION) & (table["demand"] == 0))]


def providers(totals: Totals) -> Frame:
    """Return `sold` [Mtok] where it was recorded, and `revenue`, true `cost` and `profit` [$] of each provider.

    Those without an asset are in it, with nothing.
    """
    amounts = {"sold": "dispatch"} if totals.has("dispatch") else {}
    amounts |= {"revenue": "revenue", "cost": "cost"}
    table = pd.DataFrame({what: totals.by(name, "asset", "asset_provider") for what, name in amounts.items()})
    if "sold" in table:
        table["sold"] *= totals.amount
    if "provider" in totals.ds.coords:
        order = totals.ds["provider"].to_numpy().astype(str)
        table = table.reindex(pd.Index(order, name="provider"), fill_value=0.0)
    table["profit"] = (
        totals.by("profit", "provider") if totals.has("profit") else table["revenue"] - table["cost"]
    )
    return table


def owners(totals: Totals, scenario: Scenario | None = None) -> Frame:
    """Return the `income` [$] of each network owner.

    Beside it what it `carried` [Mtok], where flows were recorded, and the true `cost` of transport and `profit` [$],
    where the scenario says what that is.
    """
    table = totals.by("owner_income", "owner").to_frame("income")
    if not totals.has("flow") or "arc_owner" not in totals.ds.coords:
        return table
    carried = totals.by("flow", "arc", "arc_owner")  # none without links
    table.insert(0, "carried", carried.reindex(table.index, fill_value=0.0) * totals.amount)
    cost = _transport(totals, scenario)
    if cost is not None:
        table["cost"] = cost.reindex(table.index, fill_value=0.0)
        table["profit"] = table["income"] - table["cost"]
    return table


def beside_the_market(totals: Totals) -> list[str]:
    """Return a line on forward contracts and one on mitigation, as far as the run has them."""
    found = []
    if totals.has("contract_payment"):
        count, paid = int(totals.ds.sizes["contract"]), totals.total("contract_payment")
        who = "sellers pay buyers" if paid >= 0 else "buyers pay sellers"
        line = f"{counted(count, 'forward contract')}: {who} {money([abs(paid)])[0]} $"
        if totals.has("contract_income"):
            got = totals.total("contract_income")
            line += f", providers {'receive' if got >= 0 else 'pay'} {money([abs(got)])[0]} $"
        found.append(line)
    if totals.has("mitigated", "failed_test"):
        replaced, failed = (
            share(float(totals.sums[name].mean()) / totals.periods, 1.0)
            for name in ("mitigated", "failed_test")
        )
        found.append(f"mitigation: {replaced} of offers replaced, {failed} failed the pivotal-supplier test")
    return found


def residual_of(totals: Totals) -> float | None:
    """Return money in less money out in $; None where one of the sides was not recorded."""
    if not totals.has("payment", "revenue", "owner_income"):
        return None
    received = [totals.total("revenue")]
    received += [totals.total("owner_income")] if totals.ds.sizes["owner"] else []
    received += [totals.total(name) for name in ("limit_income", "operator_budget") if totals.has(name)]
    return totals.total("payment") - sum(received)


def power(totals: Totals) -> dict[str, float] | None:
    """Return who pays and is paid how much for power in $: local load and assets, generators and the grid operator.

    None without a grid, or where one of the four was not recorded.
    """
    names = {
        "local load pays": "load_payment",
        "compute providers pay": "power_cost",
        "generators receive": "generator_income",
        "the grid operator receives": "line_income",
    }
    if not totals.has(*names.values()):
        return None
    return {text: totals.total(name) for text, name in names.items()}


def has_payees(totals: Totals) -> bool:
    """Return whether somebody is paid for a limit of the market, beside the owners of links and assets."""
    if not totals.has("limit_income"):
        return False
    payees = totals.ds.coords.get("payee")
    return payees is None or bool((payees.to_numpy().astype(str) != "").any())


def largest(table: Frame, by: str, what: str, most: int) -> Frame:
    """Keep the rows that matter where there are too many to read, and add up the others.

    Parameters
    ----------
    table : DataFrame
        Rows of amounts.
    by : str
        The column that says what matters.
    what : str
        What the rows are, in the plural.
    most : int
        How many rows can be read.

    Returns
    -------
    DataFrame
        The table as it is, or its largest rows and one called e.g. ``84 other providers``.
    """
    if len(table) <= most:
        return table
    kept = table.nlargest(most - 1, by)
    rest = table.drop(kept.index)
    return pd.concat([kept, rest.sum(min_count=1).to_frame(f"{len(rest)} other {what}").T])


def _transport(totals: Totals, scenario: Scenario | None) -> pd.Series[float] | None:
    """Return the true cost of transport by owner in $; None where the scenario is unknown or another."""
    if scenario is None:
        return None
    route_cost = scenario.compiled.network.route_cost
    flow = totals.sums["flow"].transpose("arc", "workload").to_numpy()
    if route_cost.shape != flow.shape:
        return None
    # a forbidden link has no flow, and its cost may be infinite
    spent = np.where(flow == 0, 0.0, flow * np.where(flow == 0, 0.0, route_cost)).sum(axis=1)
    owner = totals.ds["arc_owner"].to_numpy().astype(str)
    return pd.Series(spent * totals.amount, index=owner).groupby(level=0).sum(min_count=1)
