"""Which fields of a scenario are series: what each measures, and what its columns name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from tokenflow_sim.scenario.schema import ScenarioFields
from tokenflow_sim.scenario.series import Series
from tokenflow_sim.scenario.units import (
    CARBON_INTENSITY,
    CARBON_PRICE,
    ELECTRICITY_PRICE,
    GENERATION_COST,
    LOCAL_LOAD,
    POWER,
    SHARE,
    TOKEN_RATE,
    UnitFamily,
)

Section = Literal["nodes", "workloads", "buses", "generators"]


@dataclass(frozen=True)
class SeriesKind:
    """A field of the format that is a series.

    Parameters
    ----------
    family : UnitFamily
        What it measures.
    columns : {'nodes', 'workloads', 'buses', 'generators'}
        The section, of the scenario or of its grid, that its columns name.
    by_node : bool
        Whether it has a number for each node and column (a `NodeSeries`), not for each column alone.
    """

    family: UnitFamily
    columns: Section
    by_node: bool = False


KINDS: dict[tuple[str, str], SeriesKind] = {
    ("electricity", "series"): SeriesKind(ELECTRICITY_PRICE, "nodes"),
    ("demand", "series"): SeriesKind(TOKEN_RATE, "workloads", by_node=True),
    ("power", "series"): SeriesKind(POWER, "nodes"),
    ("carbon", "series"): SeriesKind(CARBON_INTENSITY, "nodes"),
    ("carbon", "prices"): SeriesKind(CARBON_PRICE, "nodes"),
    ("grid", "load"): SeriesKind(LOCAL_LOAD, "buses"),
    ("grid", "availability"): SeriesKind(SHARE, "generators"),
    ("grid", "must_run"): SeriesKind(SHARE, "generators"),
    ("grid", "cost"): SeriesKind(GENERATION_COST, "generators"),
}
"""Every series by its place: reading, checks, overrides and pages go by this table."""


def section_of(scenario: ScenarioFields, section: str) -> Iterable[str]:
    """Return the names in a section of a scenario, or of its grid."""
    holder = scenario.grid if section in ("buses", "generators", "lines") else scenario
    names: Iterable[str] = () if holder is None else getattr(holder, section)
    return names


def token_columns(scenario: ScenarioFields) -> dict[str, tuple[str, float]]:
    """Return class and weight of the columns of demand in input and output tokens, by the name of the column."""
    found = {}
    for name, workload in scenario.workloads.items():
        for kind in ("input", "output") if workload.tokens is not None else ():
            column = f"{name}.{kind}"
            if column not in scenario.workloads:
                found[column] = name, float(getattr(workload.tokens, kind))
    return found


def series_of(scenario: ScenarioFields) -> Iterator[tuple[tuple[str, str], SeriesKind, Series]]:
    """Yield place, kind and content of the series that a scenario has."""
    for loc, kind in KINDS.items():
        series = getattr(getattr(scenario, loc[0]), loc[1], None)  # of a grid, which may be none
        if series is not None:
            yield loc, kind, series
