"""What no grid can have, all of it at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tokenflow_sim.errors import Fault
from tokenflow_sim.market.grid import NO_BUS, Grid
from tokenflow_sim.market.grid_cycles import components
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.numeric import Bools, Floats

_BEYOND = 1e9
_LISTED = 5
_SUPPLY_TOLERANCE = 1e-9


def find_grid_faults(grid: Grid) -> list[Fault]:
    """Find everything in a grid that no grid can have.

    Parameters
    ----------
    grid : Grid
        The grid of one period.

    Returns
    -------
    list of Fault
        One for each kind of fault and field, which names the first culprits.
    """
    faults = [fault for name in ("buses", "lines", "generators") for fault in _label_faults(grid, name)]
    misshapen = _shape_faults(grid)
    faults += misshapen
    if misshapen:  # nothing more can be said of numbers that belong to nothing
        return faults
    found = [*_bus_faults(grid), *_number_faults(grid), *_line_faults(grid)]
    if not found:
        found = [*_generator_faults(grid), *_island_faults(grid), *_circulation_faults(grid)]
    return faults + found


def find_node_faults(grid: Grid, layout: Layout, power_use: Floats) -> list[Fault]:
    """Find nodes of a market that cannot be connected to a grid.

    Parameters
    ----------
    grid : Grid
        The grid.
    layout : Layout
        The market's labels.
    power_use : ndarray
        What service draws, in MW per Mtok/s, dims (asset, workload).
    """
    if grid.node_bus.shape != (len(layout.nodes),):
        return [
            Fault(
                f"has {grid.node_bus.size} buses where the market has {len(layout.nodes)} nodes", "node_bus"
            )
        ]
    draws = np.zeros(len(layout.nodes), bool)
    draws[layout.asset_node[(power_use != 0).any(axis=1)]] = True
    lost = np.flatnonzero(draws & (grid.node_bus == NO_BUS))
    if not len(lost):
        return []
    names = _listed([str(layout.nodes[node]) for node in lost.tolist()])
    return [Fault(f"no bus for {names}, where assets draw power; known buses: {_known(grid)}", "node_bus")]


def _label_faults(grid: Grid, name: str) -> list[Fault]:
    labels: tuple[str, ...] = getattr(grid, name)
    if name == "buses" and not labels:
        return [Fault("has no buses", name)]
    twice = (
        sorted({str(label) for label in labels if labels.count(label) > 1})
        if len(set(labels)) < len(labels)
        else []
    )
    return [Fault(f"has {_listed(twice)} more than once", name)] if twice else []


def _shape_faults(grid: Grid) -> list[Fault]:
    sizes = {"bus": len(grid.buses), "line": len(grid.lines), "generator": len(grid.generators)}
    along = dict.fromkeys(("load",), "bus")
    along |= dict.fromkeys(
        ("from_bus", "to_bus", "limit", "least", "susceptance", "efficiency", "line_cost"), "line"
    )
    along |= dict.fromkeys(("generator_bus", "minimum", "co2"), "generator")
    faults = [
        Fault(f"shape {array.shape} where ({sizes[dim]},) ({dim}) is needed", name)
        for name, dim in along.items()
        if (array := getattr(grid, name)).shape != (sizes[dim],)
    ]
    if len(grid.kind) != sizes["line"]:
        faults.append(Fault(f"{len(grid.kind)} kinds of {sizes['line']} lines", "kind"))
    steps = grid.price.shape[1] if grid.price.ndim == 2 else 1
    for name in ("price", "available"):
        shape, needed = getattr(grid, name).shape, (sizes["generator"], steps)
        if shape != needed:
            faults.append(Fault(f"shape {shape} where {needed} (generator, tranche) is needed", name))
    return faults


def _bus_faults(grid: Grid) -> list[Fault]:
    faults = []
    owners: dict[str, Sequence[Any]] = {
        "from_bus": grid.lines, "to_bus": grid.lines, "generator_bus": grid.generators,
        "node_bus": [f"node {at}" for at in range(len(grid.node_bus))],
    }  # fmt: skip
    for name, labels in owners.items():
        bus = getattr(grid, name)
        lowest = NO_BUS if name == "node_bus" else 0
        bad = (bus < lowest) | (bus >= len(grid.buses))
        if bad.any():
            found = _listed([f"{labels[at]} ({bus[at]})" for at in np.flatnonzero(bad).tolist()])
            faults.append(Fault(f"no bus at that position for {found}; there are {len(grid.buses)}", name))
    return faults


def _number_faults(grid: Grid) -> list[Fault]:
    by_bus, by_line, by_generator = grid.buses, grid.lines, grid.generators
    dc = grid.is_dc
    rules: tuple[tuple[str, Sequence[str], Bools, str], ...] = (
        ("load", by_bus, ~_finite(grid.load), "must be finite (MW)"),
        ("limit", by_line, ~(grid.limit >= 0), "must not be negative (MW)"),
        ("limit", by_line, (grid.limit >= _BEYOND) & (grid.limit < np.inf),
         f"must be below {_BEYOND:g} MW, or infinite"),
        ("least", by_line, ~(grid.least <= grid.limit) & (grid.limit >= 0), "must be a number up to the limit (MW)"),
        ("susceptance", by_line, dc & ~((grid.susceptance > 0) & (grid.susceptance < np.inf)),
         "must be positive and finite for a dc line"),
        ("efficiency", by_line, ~((grid.efficiency > 0) & (grid.efficiency <= 1)), "must be above 0 and at most 1"),
        ("line_cost", by_line, ~_finite(grid.line_cost), "must be finite ($/MWh)"),
        ("price", by_generator, ~_finite(grid.price).all(axis=1), "must be finite ($/MWh)"),
        ("available", by_generator, ~((grid.available >= 0) & _finite(grid.available)).all(axis=1),
         "must be finite and not negative (MW)"),
        ("minimum", by_generator, ~((grid.minimum >= 0) & _finite(grid.minimum)),
         "must be finite and not negative (MW)"),
        ("co2", by_generator, ~_finite(grid.co2), "must be finite (t/MWh)"),
    )  # fmt: skip
    faults = [
        Fault(f"{rule}; found {_culprits(labels, getattr(grid, name), bad)}", name)
        for name, labels, bad, rule in rules
        if bad.any()
    ]
    strange = [
        f"{kind!r} of {line}"
        for line, kind in zip(grid.lines, grid.kind, strict=True)
        if kind not in ("dc", "transport")
    ]
    if strange:
        faults.append(Fault(f"must be 'dc' or 'transport'; found {_listed(strange)}", "kind"))
    return faults


def _line_faults(grid: Grid) -> list[Fault]:
    """Find lines whose fields contradict each other."""
    faults = []
    loops = grid.from_bus == grid.to_bus
    lossy, both_ways = grid.efficiency < 1, grid.least < 0
    for name, bad, rule in (
        ("to_bus", loops, "must be another bus than from_bus"),
        ("efficiency", lossy & grid.is_dc, "must be 1 for a dc line; losses are those of transport lines"),
        ("efficiency", lossy & both_ways & ~grid.is_dc,
         "must be 1 for a line of both directions, which would gain on the way back what it loses on the way out;"
         " use one line for each direction"),
        ("line_cost", (grid.line_cost < 0) & both_ways, "must not be negative for a line of both directions"),
    ):  # fmt: skip
        if bad.any():
            where = grid.to_bus if name == "to_bus" else getattr(grid, name)
            faults.append(Fault(f"{rule}; found {_culprits(grid.lines, where, bad)}", name))
    return faults


def _generator_faults(grid: Grid) -> list[Fault]:
    available = grid.available.sum(axis=1)
    bad = grid.minimum > available * (1 + _SUPPLY_TOLERANCE)
    if not bad.any():
        return []
    found = _listed(
        [
            f"{grid.generators[at]} ({grid.minimum[at]:g} of {available[at]:g} MW)"
            for at in np.flatnonzero(bad).tolist()
        ]
    )
    return [Fault(f"must not exceed what is available; found {found}", "minimum")]


def _island_faults(grid: Grid) -> list[Fault]:
    """Find islands whose load cannot be supplied, or whose least generation has nowhere to go."""
    count = int(grid.island.max(initial=-1)) + 1
    load = np.bincount(grid.island, np.maximum(grid.load, 0.0), count)
    fed = np.bincount(grid.island, np.maximum(-grid.load, 0.0), count)
    where = grid.island[grid.generator_bus]
    supply = fed + np.bincount(where, grid.available.sum(axis=1), count)
    least = fed + np.bincount(where, grid.minimum, count)
    taken = np.zeros(count, bool)
    taken[grid.island[grid.node_bus[grid.node_bus != NO_BUS]]] = True
    # Lines with losses take up what would be too much; how much, only the program can say.
    lossy = grid.efficiency < 1
    taken[grid.island[grid.from_bus[lossy]]] = True
    faults = []
    for at in range(count):
        names = _listed([grid.buses[bus] for bus in np.flatnonzero(grid.island == at).tolist()])
        slack = _SUPPLY_TOLERANCE * max(load[at], supply[at], 1.0)
        if load[at] > 0 and supply[at] <= 0:
            faults.append(Fault(f"the island of {names} has a load of {load[at]:g} MW and no supply", "load"))
        elif load[at] > supply[at] + slack:
            faults.append(
                Fault(
                    f"the island of {names} has a load of {load[at]:g} MW and supply of {supply[at]:g} MW",
                    "load",
                )
            )
        elif least[at] > load[at] + slack and not taken[at]:
            faults.append(
                Fault(
                    f"the island of {names} has a load of {load[at]:g} MW, and {least[at]:g} MW must be generated"
                    " there",
                    "minimum",
                )
            )
    return faults


def _circulation_faults(grid: Grid) -> list[Fault]:
    """Find transport lines without a limit by which power could go round without end."""
    carries = (grid.limit > 0) | (grid.least < 0)
    bad = np.zeros(len(grid.lines), bool)
    with_dc = set(grid.island[grid.from_bus[grid.is_dc]].tolist())
    for line in np.flatnonzero(~grid.is_dc & (grid.limit == np.inf)).tolist():
        if int(grid.island[grid.from_bus[line]]) not in with_dc:
            continue
        others = carries.copy()
        others[line] = False
        part = components(len(grid.buses), grid.from_bus[others], grid.to_bus[others])
        bad[line] = part[grid.from_bus[line]] == part[grid.to_bus[line]]
    if not bad.any():
        return []
    rule = (
        "must be finite for a transport line whose ends dc lines join too: power could go round without end"
    )
    return [Fault(f"{rule}; found {_culprits(grid.lines, grid.limit, bad)}", "limit")]


def _finite(values: Floats) -> Bools:
    return np.isfinite(values) & (np.abs(values) < _BEYOND)


def _culprits(labels: Sequence[str], values: Any, bad: Bools) -> str:
    return _listed(
        [
            f"{', '.join(f'{value:g}' for value in np.atleast_1d(values[at]))} of {labels[at]}"
            for at in np.flatnonzero(bad).tolist()
        ]
    )


def _known(grid: Grid) -> str:
    return ", ".join(grid.buses[:12]) + (", ..." if len(grid.buses) > 12 else "")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(map(str, names[:_LISTED])) + more
