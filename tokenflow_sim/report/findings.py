"""What a reader of a run should know unasked: what is wrong, incomplete or out of the ordinary."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import xarray as xr

from tokenflow_sim.market.certificate import CERTIFIED
from tokenflow_sim.numerals import counted, share, significant
from tokenflow_sim.report.blocks import Note
from tokenflow_sim.results.dates import named
from tokenflow_sim.results.parties import residual_of
from tokenflow_sim.results.reading import NOISE
from tokenflow_sim.results.totals import Totals

_MOST_NAMED = 6
_GRAVITY = ("problem", "caution", "note")


def findings(totals: Totals, scenario: Any, fault: str = "") -> list[Note]:
    """Return every finding, the gravest first.

    Parameters
    ----------
    totals : Totals
        The run.
    scenario : Scenario or None
        The scenario that was played, where the results hold it.
    fault : str
        Why it cannot be read, where that is so.
    """
    found = [
        *_accounts(totals),
        *_incomplete(totals, scenario, fault),
        *_service(totals),
        *_power(totals),
        *_links(totals),
    ]
    return sorted(found, key=lambda note: _GRAVITY.index(note.level))


def _accounts(totals: Totals) -> Iterator[Note]:
    worst = totals.worst
    if worst is not None and worst.value > CERTIFIED:
        yield Note(
            "problem",
            f"A clearing is not certified: the largest optimality residual is {significant(worst.value, 2)},"
            f" {named(totals.ds, worst.period)}; at most {CERTIFIED:g} is taken for optimal.",
        )
    residual = residual_of(totals)
    if residual is not None:
        paid = abs(totals.total("payment"))
        if abs(residual) > NOISE * max(paid, 1.0):
            yield Note("problem", f"Money in is not money out: {significant(residual, 2)} $ are left over.")


def _incomplete(totals: Totals, scenario: Any, fault: str) -> Iterator[Note]:
    for name, lost in totals.undefined.items():
        size = totals.ds[name].size
        yield Note(
            "problem", f"{lost:,} of {size:,} numbers of {name} are missing; sums here leave them out."
        )
    if fault:
        yield Note(
            "caution",
            f"The scenario in these results cannot be read; what needs it is left out: {fault}",
        )
    if scenario is not None and totals.periods < scenario.periods:
        yield Note(
            "caution",
            f"Only {counted(totals.periods, 'period')} of the scenario's {scenario.periods:,} are here.",
        )
    if totals.missing:
        names = ", ".join(totals.missing)
        yield Note(
            "caution",
            f"Not recorded, and what needs it is left out: {names}.",
        )


def _service(totals: Totals) -> Iterator[Note]:
    short = totals.counts.get("short")
    if short is not None and bool(short.any()):
        lost, asked = totals.total("unserved"), totals.total("demand")
        yield Note(
            "caution",
            f"Demand was not served in full in {_periods(totals, 'short')}: {significant(lost * totals.amount)} Mtok"
            f" went unserved, {share(lost, asked)} of demand. Most often: {_most(short, totals.periods)}.",
        )
    high = totals.counts.get("at_value")
    if high is not None and bool(high.any()):
        yield Note(
            "caution",
            f"Prices reached the value of lost service in {_periods(totals, 'at_value')}."
            f" Most often: {_most(high, totals.periods)}.",
        )


def _power(totals: Totals) -> Iterator[Note]:
    pivotal = totals.counts.get("pivotal")
    if pivotal is not None and bool(pivotal.any()):
        yield Note(
            "note",
            f"A provider was pivotal in {_periods(totals, 'pivotal')}: without it the others could not serve demand,"
            f" by the residual supply index {totals.variant} (all nodes as one, links left out)."
            f" Most often: {_most(pivotal, totals.periods)}.",
        )


def _links(totals: Totals) -> Iterator[Note]:
    full = totals.counts.get("full")
    if full is not None and bool(full.any()):
        yield Note(
            "note",
            f"{counted(int((full > 0).sum()), 'link')} of {full.size:,} ran full in some period."
            f" Most often: {_most(full, totals.periods)}.",
        )


def _periods(totals: Totals, what: str) -> str:
    return f"{totals.affected[what]:,} of {counted(totals.periods, 'period')}"


def _most(counts: xr.DataArray, periods: int) -> str:
    """Name the places with the largest counts, e.g. ``dallas, chat (in 12 periods)``."""
    flat = counts.stack(place=counts.dims)
    order = (-flat).argsort(kind="stable").to_numpy()[:_MOST_NAMED]
    found = []
    for place in order:
        number = int(flat[place])
        if not number:
            break
        label = flat["place"].to_numpy()[place]
        name = ", ".join(map(str, label)) if isinstance(label, tuple) else str(label)
        found.append(f"{name} ({'always' if number == periods else f'in {number:,}'})")
    return "; ".join(found)
