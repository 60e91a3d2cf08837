"""What the schema cannot say of a grid: that names exist, lines have what they need, no island lacks supply."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Set

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tokenflow_sim.errors import unknown_name
from tokenflow_sim.market.grid_faults import find_grid_faults as find_numbers_faults
from tokenflow_sim.numeric import Floats, Ints
from tokenflow_sim.scenario.grid import Grid, Line
from tokenflow_sim.scenario.grid_arrays import bus_of_nodes, make_grid
from tokenflow_sim.scenario.places import IS_NEEDED, Found, Loc
from tokenflow_sim.scenario.schema import ScenarioFields
from tokenflow_sim.scenario.series import listed as shown

Names = Callable[[str], Mapping[str, None]]
"""Returns the names of a section, those of entries that were refused among them."""
PLACEHOLDER = "nothing"


def find_grid_faults(
    scenario: ScenarioFields, names: Names, also: Mapping[str, Set[str]], dropped: Set[str]
) -> list[Found]:
    """Find every fault of a grid that needs more than one entry to see.

    Parameters
    ----------
    scenario : ScenarioFields
        What the schema accepts.
    names : callable
        Returns the names of a section, those of entries that were refused among them.
    also : mapping
        Names of refused entries by section: nothing more is said of these.
    dropped : set of str
        Dotted paths of tables that could not be read: what would follow from them is not reported.
    """
    grid = scenario.grid
    if grid is None:
        return []
    lost = [section for section in ("buses", "generators") if not {*names(section)} - {""}]
    if lost:
        return [(("grid", section), IS_NEEDED) for section in lost if f"grid.{section}" not in dropped]
    found = [*_lines(grid), *_series(grid)]
    if "grid.buses" not in dropped:
        found = [*_names(grid, names), *found, *_nodes(scenario, grid, names)]
    refused = {(section, name) for section in ("lines", "generators") for name in also.get(section, ())}
    found = [(loc, text) for loc, text in found if len(loc) != 3 or loc[1:3] not in refused]
    whole = not found and not any(path.split(".")[0] == "grid" for path in dropped)
    if not whole:
        return found
    return [*_islands(scenario, grid)] or [*_shares(scenario, grid)] or _numbers(scenario, grid)


def _names(grid: Grid, names: Names) -> Iterator[Found]:
    buses = names("buses")
    places: list[tuple[Loc, str]] = []
    for name, line in grid.lines.items():
        places += [
            (("grid", "lines", name, "from"), line.from_bus),
            (("grid", "lines", name, "to"), line.to_bus),
        ]
    places += [(("grid", "generators", name, "bus"), made.bus) for name, made in grid.generators.items()]
    places += [(("grid", "links", node), bus) for node, bus in grid.links.items()]
    for loc, bus in places:
        if bus not in buses:
            yield loc, unknown_name("bus", bus, list(buses))


def _lines(grid: Grid) -> Iterator[Found]:
    for name, line in grid.lines.items():
        place: Loc = ("grid", "lines", name)
        if line.from_bus == line.to_bus:
            yield place, f"leads from {line.from_bus} to itself"
        given = [field for field in ("reactance", "susceptance") if getattr(line, field) is not None]
        if len(given) > 1:
            yield place, "has both reactance and susceptance; give one of them"
        is_dc = grid.kind_of(line) == "dc"
        if is_dc and not given:
            yield (
                place,
                "needs a `reactance` or `susceptance`, since its flow follows voltage angles (kind: dc)",
            )
        special = [
            field for field, usual in (("efficiency", 1.0), ("cost", 0.0)) if getattr(line, field) != usual
        ]
        if is_dc and special:
            yield (*place, special[0]), "is for lines of kind `transport`, whose flow is chosen"
        elif special and _back(line) != 0:
            yield (*place, special[0]), "is for lines that carry power one way: give `back_limit_mw: 0`"


def _back(line: Line) -> float | None:
    return line.limit_mw if line.back_limit_mw is None else line.back_limit_mw


def _series(grid: Grid) -> Iterator[Found]:
    buses = () if grid.load is None else grid.load.names
    yield from _twice(
        "buses", "load_mw", {b for b in buses if b in grid.buses and grid.buses[b].load_mw}, "load"
    )
    for field, usual in (("availability", 1.0), ("must_run", 0.0), ("cost", 0.0)):
        series = getattr(grid, field)
        if series is None:
            continue
        there = [name for name in series.names if name in grid.generators]
        both = {name for name in there if getattr(grid.generators[name], field) != usual}
        yield from _twice("generators", field, both, field)
        if field == "cost":
            stepped = [name for name in there if grid.generators[name].steps]
            for name in stepped:
                yield (
                    ("grid", "generators", name, "steps"),
                    "are given here and in grid.cost; leave one of them out",
                )
        elif (series.values > 1).any():
            most = float(np.nanmax(series.values))
            yield ("grid", field), f"holds shares of capacity above 1, such as {most:g}"


def _twice(section: str, field: str, names: Iterable[str], series: str) -> Iterator[Found]:
    for name in sorted(names):
        yield ("grid", section, name, field), f"is given here and in grid.{series}; leave one of them out"


def _nodes(scenario: ScenarioFields, grid: Grid, names: Names) -> Iterator[Found]:
    """Yield nodes with assets that are on no bus."""
    nodes, buses = names("nodes"), names("buses")
    for node in grid.links:
        if node not in nodes:
            yield ("grid", "links", node), unknown_name("node", node, list(nodes))
    at = bus_of_nodes(scenario, grid)
    sites = dict.fromkeys(asset.node for item in scenario.providers.values() for asset in item.assets)
    astray = [
        node
        for node in sites
        if node in scenario.nodes and node not in at and node not in grid.links and node not in buses
    ]
    if astray and PLACEHOLDER not in astray:
        places = {name: scenario.nodes[name] for name in astray}
        what = "the grid's buses have no latitude and longitude" if grid.nearest else "`nearest` is not set"
        if grid.nearest and any(None in (place.latitude, place.longitude) for place in places.values()):
            what = "they lack latitude and longitude"
        yield (
            ("grid", "links"),
            f"gives no bus to {shown(astray)}, where assets stand, no bus has their name, and {what}: name"
            f" their buses, e.g. {astray[0]}: {next(iter(grid.buses), 'BUS')}",
        )


def islands(grid: Grid) -> Ints:
    """Return the number of the island that each bus is in: what its lines join."""
    position = {name: number for number, name in enumerate(grid.buses)}
    ends = [
        (position[line.from_bus], position[line.to_bus])
        for line in grid.lines.values()
        if line.limit_mw != 0 or line.back_limit_mw not in (None, 0)
    ]
    start, end = np.array(ends, dtype=np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(ends)), (start, end)), shape=(len(position), len(position)))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def _islands(scenario: ScenarioFields, grid: Grid) -> Iterator[Found]:
    """Yield islands whose generators cannot feed their local load in some period, or that have none to feed assets."""
    island = islands(grid)
    names = list(grid.buses)
    position = {name: number for number, name in enumerate(names)}
    count = int(island.max()) + 1
    supply, load = np.zeros((1, count)), np.zeros((1, count))
    for name, made in grid.generators.items():
        share = _over(scenario, grid, "availability", name, made.availability)
        supply = _added(supply, int(island[position[made.bus]]), made.capacity * share)
    for name, bus in grid.buses.items():
        load = _added(load, int(island[position[name]]), _over(scenario, grid, "load", name, bus.load_mw))
    at = bus_of_nodes(scenario, grid)
    sites = {asset.node for item in scenario.providers.values() for asset in item.assets} & set(at)
    for number in range(count):
        members = [name for name, of in zip(names, island, strict=True) if of == number]
        homes = sorted(node for node in sites if island[position[at[node]]] == number)
        have, need = np.broadcast_arrays(supply[:, number], load[:, number])
        short = need > have * (1 + 1e-9)
        what = "the grid" if count == 1 else f"the island of bus {shown(members)}"
        if short.any():
            period = int(np.argmax(need - have))
            when = f" in period {period}" if len(need) > 1 else ""
            yield (
                ("grid", "generators"),
                f"{what} has {have[period]:.6g} MW of supply for {need[period]:.6g} MW of local load{when}",
            )
        elif homes and not (have > 0).any():
            yield (
                ("grid", "generators"),
                f"{what} has no supply, and the assets at {shown(homes)} draw power there",
            )


def _shares(scenario: ScenarioFields, grid: Grid) -> Iterator[Found]:
    """Yield generators that must run more in some period than they can."""
    for name, made in grid.generators.items():
        least, most = (
            _over(scenario, grid, field, name, getattr(made, field)) for field in ("must_run", "availability")
        )
        least, most = np.broadcast_arrays(least, most)
        if (least > most).any():
            period = int(np.argmax(least - most))
            when = f" in period {period}" if len(least) > 1 else ""
            yield (
                ("grid", "generators", name, "must_run"),
                f"is {least[period]:g} of the capacity{when}, of which only {most[period]:g} is available",
            )


def _numbers(scenario: ScenarioFields, grid: Grid) -> list[Found]:
    """Return what no program of a grid can take, such as lines without a limit beside those of direct current."""
    return [
        (("grid",), f"{fault.place} {fault.message}".strip())
        for fault in find_numbers_faults(make_grid(scenario, grid))
    ]


def _over(scenario: ScenarioFields, grid: Grid, field: str, name: str, fixed: float) -> Floats:
    """Return a number over the run's periods, dims (period,), or (1,) where it does not change."""
    series = getattr(grid, field)
    if (
        series is None
        or name not in series.names
        or any(series.faults(scenario.start, scenario.hours, scenario.periods))
    ):
        return np.array([fixed])
    values = series.over(scenario.start, scenario.hours, scenario.periods)[: scenario.periods]
    found: Floats = values[:, series.names.index(name)]
    return found


def _added(sums: Floats, place: int, values: Floats) -> Floats:
    if len(values) > len(sums):
        sums = np.repeat(sums, len(values), axis=0)
    sums[:, place] += values
    return sums
