"""The report of one run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import xarray as xr

from tokenflow_sim.market.certificate import CERTIFIED
from tokenflow_sim.numerals import compact, counted, share, significant
from tokenflow_sim.report import tables
from tokenflow_sim.report.blocks import Block, Facts, Note, Notes, Page, Prose, Section, Table
from tokenflow_sim.report.drawings import drawings
from tokenflow_sim.report.emissions import emission_tables
from tokenflow_sim.report.findings import findings
from tokenflow_sim.report.provenance import subtitle, what_was_run
from tokenflow_sim.results.dates import named
from tokenflow_sim.results.reading import read_scenario
from tokenflow_sim.results.totals import Totals

_AMOUNTS = {"payment": "demand pays", "profit": "providers' profit", "owner_income": "network income"}


def run_page(ds: xr.Dataset, file: str) -> Page:
    """Make the report of a run.

    Parameters
    ----------
    ds : Dataset
        What the run recorded; may be lazy, and may lack variables.
    file : str
        What the file is called.
    """
    scenario, fault = read_scenario(ds)
    totals = Totals(ds, scenario)
    notes = findings(totals, scenario, fault) or [Note("note", "Nothing out of the ordinary was found.")]
    name = scenario.name if scenario else str(ds.attrs.get("title", file))
    return Page(
        title=name,
        subtitle=f"Simulation run, {subtitle(ds)}",
        sections=(
            Section("summary", "Summary", [Facts(_key_figures(totals), large=True), Notes(notes)]),
            Section(
                "prices", "Prices and service", _tables(tables.classes(totals), tables.node_prices(totals))
            ),
            Section("settlement", "Settlement", list(_settlement(totals, scenario))),
            Section("links", "Links", _tables(tables.links(totals))),
            *_emissions(totals, scenario),
            Section("figures", "Figures", list(drawings(ds))),
            Section("certificates", "Certificates", list(_certificates(totals))),
            Section("run", "What was run", list(what_was_run(ds, scenario, file))),
        ),
    )


def _emissions(totals: Totals, scenario: Any) -> list[Section]:
    """Return the section on emissions, where they were recorded."""
    found: list[Block] = list(emission_tables(totals, scenario))
    return [Section("emissions", "Emissions", found)] if found else []


def _tables(*found: Table | None) -> list[Block]:
    return [table for table in found if table is not None]


def _key_figures(totals: Totals) -> Sequence[tuple[str, str]]:
    items = []
    if totals.has("demand", "unserved"):
        asked, lost = totals.total("demand"), totals.total("unserved")
        items += [
            ("demand served", compact((asked - lost) * totals.amount * 1e6, "tok")),
            ("demand unserved", share(lost, asked)),
        ]
    for name, label in _AMOUNTS.items():
        if totals.has(name):
            items.append((label, compact(totals.total(name), "$")))
    if totals.has("welfare"):
        what = "welfare" if totals.value else "welfare (less true cost)"
        items.append((what, compact(totals.total("welfare"), "$")))
    if totals.worst is not None:
        items.append(("worst certificate", significant(totals.worst.value, 2)))
    return items


def _settlement(totals: Totals, scenario: Any) -> Iterator[Block]:
    statement = tables.statement(totals)
    if statement is not None:
        length = f"{counted(totals.periods, 'period')} of {totals.hours:g} h"
        yield Prose(f"All amounts are sums over the run ({length}).")
    yield from _tables(
        statement,
        tables.regions(totals, scenario),
        tables.providers(totals),
        tables.owners(totals, scenario),
        tables.power(totals),
        tables.generators(totals),
    )


def _certificates(totals: Totals) -> Iterator[Block]:
    if totals.worst is None:
        return
    residuals = totals.ds["certificate"]
    good = int((residuals <= CERTIFIED).sum())
    yield Prose(
        "Every clearing is checked against the conditions of an optimum: feasible, dual feasible, complementary, and"
        f" without a gap. The largest relative residual of a clearing counts; up to {CERTIFIED:g} it is certified."
    )
    yield Facts(
        [
            ("Clearings certified", f"{good:,} of {residuals.size:,}"),
            (
                "Worst residual",
                f"{significant(totals.worst.value, 2)}, {named(totals.ds, totals.worst.period)}",
            ),
            ("Median residual", significant(float(residuals.median()), 2)),
        ]
    )
