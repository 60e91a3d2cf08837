"""Tables of emissions: by class, by provider, and by where service was asked for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from tokenflow_sim.numerals import money, share, significant
from tokenflow_sim.report.blocks import Table
from tokenflow_sim.results.emissions import EmissionTotals, emission_totals
from tokenflow_sim.results.parties import NO_REGION, largest
from tokenflow_sim.results.totals import Totals
from tokenflow_sim.scenario import Scenario

_MOST_ROWS = 40


def emission_tables(totals: Totals, scenario: Scenario | None) -> Iterator[Table]:
    """Yield the tables of a run's emissions; none where they were not recorded."""
    found = emission_totals(totals.ds)
    if found is None:
        return
    labels = totals.ds["workload"].to_numpy().astype(str)
    tonnes = pd.Series(found.by_asset.sum("asset").to_numpy(), index=labels)
    served = pd.Series(found.served.sum("node").to_numpy(), index=labels)
    yield _table("Emissions by class", "class", tonnes, served, "of what was served")
    if "asset_provider" in totals.ds.coords:
        owners = totals.ds["asset_provider"].to_numpy().astype(str)
        by_asset = pd.Series(found.by_asset.sum("workload").to_numpy(), index=owners)
        by_provider = by_asset.groupby(level=0, sort=False).sum()
        paid = None
        if totals.has("carbon_payment"):
            paid = totals.by("carbon_payment", "asset", "asset_provider").reindex(by_provider.index)
        yield _providers(by_provider, paid)
    yield _origins(found, scenario)


def _origins(found: EmissionTotals, scenario: Scenario | None) -> Table:
    """Return emissions by demand region, or by node where the scenario is unknown."""
    nodes = found.by_origin["node"].to_numpy().astype(str)
    what, names = "node", dict(zip(nodes, nodes, strict=True))
    if scenario is not None and list(scenario.nodes) == nodes.tolist():
        compiled = scenario.compiled
        what = "demand region"
        names = dict.fromkeys(nodes, NO_REGION)
        names |= {
            nodes[place]: region for region in compiled.regions for place in compiled.region_nodes[region]
        }
    homes = [names[node] for node in nodes]
    tonnes, served = (
        pd.Series(array.sum("workload").to_numpy(), index=homes).groupby(level=0, sort=False).sum()
        for array in (found.by_origin, found.served)
    )
    kept = served > 0
    note = "Emissions of service wherever it was made, traced along the flows to where it was asked for."
    return _table(f"Emissions by {what}", what, tonnes[kept], served[kept], "", note)


def _table(
    caption: str, what: str, tonnes: pd.Series[float], served: pd.Series[float], of: str, note: str = ""
) -> Table:
    table = pd.DataFrame({"tonnes": tonnes, "served": served})
    whole = table.sum()
    rows = pd.concat([largest(table, "tonnes", f"{what}s", _MOST_ROWS), whole.to_frame("all").T])
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = rows["tonnes"] / rows["served"].where(rows["served"] > 0)
    cells = [
        [str(name), significant(t), significant(m), share(t, whole["tonnes"])]
        for name, t, m in zip(rows.index, rows["tonnes"], mean, strict=True)
    ]
    heads = [what, "emissions\nt", "of a Mtok\nt", "share"]
    return Table(caption, heads, cells, total=True, note=note)


def _providers(tonnes: pd.Series[float], paid: pd.Series[float] | None) -> Table:
    table = pd.DataFrame({"tonnes": tonnes} | ({} if paid is None else {"paid": paid}))
    whole = table.sum()
    rows = pd.concat([largest(table, "tonnes", "providers", _MOST_ROWS), whole.to_frame("all").T])
    cells = [
        [str(name), significant(t), share(t, whole["tonnes"])]
        for name, t in zip(rows.index, rows["tonnes"], strict=True)
    ]
    heads = ["provider", "emissions\nt", "share"]
    if paid is not None:
        heads.append("paid to\nthe state $")
        cells = [[*row, text] for row, text in zip(cells, money(rows["paid"]), strict=True)]
    return Table("Emissions by provider", heads, cells, total=True)
