"""What is wrong with outages: names that do not exist, targets that are none, ends before beginnings."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Protocol

from tokenflow_sim.errors import unknown_name
from tokenflow_sim.scenario.outage_process import ARC_FIELDS, ASSET_FIELDS, OutageProcess
from tokenflow_sim.scenario.places import Found, Loc
from tokenflow_sim.scenario.schema import ScenarioFields
from tokenflow_sim.scenario.supply import Outage

_SECTIONS = {"node": "nodes", "provider": "providers", "hardware": "hardware", "owner": "owners"}


class Refer(Protocol):
    """Checks that names exist in a section, and notes those that do not."""

    def __call__(self, loc: Loc, section: str, names: Iterable[str]) -> bool:
        """Return whether all exist."""
        ...


def find_outage_faults(
    scenario: ScenarioFields, assets: Collection[str] | None, refer: Refer
) -> Iterator[Found]:
    """Find what is wrong with outages, by table and at random times, arcs aside.

    Parameters
    ----------
    scenario : ScenarioFields
        The scenario.
    assets : collection of str or None
        Labels of the assets; None where some could not be read.
    refer : callable
        Checks names of other sections.
    """
    for number, outage in enumerate(scenario.outages):
        place: Loc = ("outages", number)
        yield from _names(place, outage, assets, refer)
        targets = [name for name in ASSET_FIELDS if getattr(outage, name) is not None]
        if outage.arc is None and not targets:
            yield place, "hits nothing: give an arc, or any of node, provider, hardware, asset"
        elif outage.arc is not None and targets:
            yield place, f"names an arc and a {targets[0]}; make them two outages"
        if outage.last < outage.first:
            yield (*place, "last"), f"is period {outage.last}, before first, {outage.first}"
    for name, process in scenario.outage_processes.items():
        place = ("outage_processes", name)
        yield from _names(place, process, assets, refer)
        arcs = [field for field in ARC_FIELDS if getattr(process, field) is not None]
        if not arcs and all(getattr(process, field) is None for field in ASSET_FIELDS):
            yield (
                place,
                "hits nothing: give an arc or an owner of arcs, or any of node, provider, hardware, asset",
            )
        if process.both_ways and not arcs:
            yield (*place, "both_ways"), "is about arcs; give an arc or an owner of arcs"


def _names(
    place: Loc, outage: Outage | OutageProcess, assets: Collection[str] | None, refer: Refer
) -> Iterator[Found]:
    for field, section in _SECTIONS.items():
        name = getattr(outage, field, None)
        if name is not None:
            refer((*place, field), section, [name])
    if outage.asset is not None and assets is not None and outage.asset not in assets:
        yield (*place, "asset"), unknown_name("asset", outage.asset, sorted(assets))


def find_arc_faults(scenario: ScenarioFields, arcs: Collection[str]) -> Iterator[Found]:
    """Find outages of arcs that do not exist.

    Parameters
    ----------
    scenario : ScenarioFields
        The scenario.
    arcs : collection of str
        Labels of the arcs.
    """
    places: list[tuple[Loc, Outage | OutageProcess]] = [
        *((("outages", number), outage) for number, outage in enumerate(scenario.outages)),
        *((("outage_processes", name), process) for name, process in scenario.outage_processes.items()),
    ]
    for place, outage in places:
        if outage.arc is not None and outage.arc not in arcs:
            yield (*place, "arc"), unknown_name("arc", outage.arc, list(arcs))
