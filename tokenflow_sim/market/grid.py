"""A power grid beside a market of tokens: buses, lines, generators and loads of one period, as plain arrays.

Power flow is the DC approximation on lines of kind ``dc`` (the sum of flow over susceptance round every cycle is
zero; Stott, Jardim and Alsac 2009, written by cycles as in Hoersch, Ronellenfitsch, Witthaut and Brown 2018), and free
on lines of kind ``transport`` (HVDC links, and whole grids of the transport model). `grid_rows.bind_grid` makes rows
and columns of a market of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from tokenflow_sim.market.grid_cycles import components, cycle_basis
from tokenflow_sim.numeric import Bools, Floats, Ints, frozen

LineKind = Literal["dc", "transport"]
NO_BUS = -1
"""Where a node stands that has no connection to the grid."""


@dataclass(frozen=True, eq=False, init=False)  # arrays have no single truth value to compare or hash by
class Grid:
    """The grid of one period.

    Labels, ends of lines, their kinds, susceptances and efficiencies, and where generators and nodes stand are its
    structure: a market's program is made once for each. All other numbers may be new in every period (`with_`). Arrays
    are copied, and read-only. `grid_faults.find_grid_faults` lists what no grid can have; `bind_grid` refuses such.

    Parameters
    ----------
    buses : sequence of str
        Labels of the buses.
    load : array
        Load at each bus beside what assets draw, in MW, dims (bus,); negative for what is fed in, come what may.
    lines : sequence of str
        Labels of the lines. Several may join the same two buses.
    from_bus, to_bus : array of int
        Position in `buses` of each line's ends, dims (line,). A flow is positive from `from_bus` to `to_bus`.
    limit : array
        Most that a line carries, in MW at its `from_bus`, dims (line,); may be infinite.
    least : array, optional
        Least that a line carries, likewise: minus the limit by default, and zero for a line with losses. Zero is for a
        line of one direction, a positive number for a flow that must be.
    kind : sequence of {'dc', 'transport'}, optional
        Whether the flow of each line follows from susceptances, or is free within its limits; ``dc`` by default.
    susceptance : array, optional
        Of the ``dc`` lines, dims (line,), in MW per radian or any other unit, as only ratios matter; 1 by default.
        Where direct current flows, the conductance takes its place. Those of ``transport`` lines are not read.
    efficiency : array, optional
        Share of the power that enters a line at `from_bus` and leaves it at `to_bus`, dims (line,); 1 by default. Only
        ``transport`` lines of one direction may have losses.
    line_cost : array, optional
        Cost of carrying a MWh, in either direction, in $/MWh, dims (line,); zero by default.
    generators : sequence of str
        Labels of the generators.
    generator_bus : array of int
        Position in `buses` of each generator's bus, dims (generator,).
    price : array
        What each generator asks for each tranche, in $/MWh, dims (generator, tranche) or (generator,); may be
        negative.
    available : array
        How much of each tranche can run in this period, in MW, likewise; finite.
    minimum : array, optional
        Least that each generator runs at, in MW, dims (generator,); zero by default. Its cheapest tranches run first.
    co2 : array, optional
        Emissions in t/MWh, dims (generator,); zero by default.
    node_bus : array of int, optional
        Position in `buses` of the bus at which each node of a market stands, dims (node,); `NO_BUS` for a node without
        a connection, where no asset may draw power.

    Notes
    -----
    Load that may be shed at a value is a generator at its bus, of that price and that much.

    A line that is out is one that is absent (`without_lines`): with a limit of zero, a ``dc`` line would still hold
    the angles at its ends together.

    Examples
    --------
    >>> grid = Grid(
    ...     buses=["west", "east"], load=[0.0, 100.0],
    ...     lines=["tie"], from_bus=[0], to_bus=[1], limit=[60.0],
    ...     generators=["wind", "gas"], generator_bus=[0, 1], price=[5.0, 40.0], available=[200.0, 200.0],
    ... )
    >>> grid
    <Grid: 2 buses, 1 lines, 2 generators; load 100 MW, available 400 MW>
    """  # fmt: skip

    buses: tuple[str, ...]
    load: Floats
    lines: tuple[str, ...]
    from_bus: Ints
    to_bus: Ints
    limit: Floats
    least: Floats
    kind: tuple[LineKind, ...]
    susceptance: Floats
    efficiency: Floats
    line_cost: Floats
    generators: tuple[str, ...]
    generator_bus: Ints
    price: Floats
    available: Floats
    minimum: Floats
    co2: Floats
    node_bus: Ints

    def __init__(
        self,
        *,
        buses: Sequence[str],
        load: ArrayLike,
        lines: Sequence[str] = (),
        from_bus: ArrayLike = (),
        to_bus: ArrayLike = (),
        limit: ArrayLike = (),
        least: ArrayLike | None = None,
        kind: Sequence[LineKind] | None = None,
        susceptance: ArrayLike | None = None,
        efficiency: ArrayLike | None = None,
        line_cost: ArrayLike | None = None,
        generators: Sequence[str] = (),
        generator_bus: ArrayLike = (),
        price: ArrayLike = (),
        available: ArrayLike = (),
        minimum: ArrayLike | None = None,
        co2: ArrayLike | None = None,
        node_bus: ArrayLike = (),
    ) -> None:
        there, made = len(lines), len(generators)
        most = _floats(limit)
        kept = _floats(np.ones(there) if efficiency is None else efficiency)
        if least is None:
            # Shapes that do not fit are reported by `find_grid_faults`, not by numpy.
            one_way = (kept < 1) if most.shape == kept.shape else np.zeros(most.shape, bool)
            least = np.where(one_way, 0.0, -most)
        numbers: dict[str, Any] = {
            "load": _floats(load),
            "from_bus": _ints(from_bus),
            "to_bus": _ints(to_bus),
            "limit": most,
            "least": _floats(least),
            "susceptance": _floats(np.ones(there) if susceptance is None else susceptance),
            "efficiency": kept,
            "line_cost": _floats(np.zeros(there) if line_cost is None else line_cost),
            "generator_bus": _ints(generator_bus),
            "price": _tranches(price),
            "available": _tranches(available),
            "minimum": _floats(np.zeros(made) if minimum is None else minimum),
            "co2": _floats(np.zeros(made) if co2 is None else co2),
            "node_bus": _ints(node_bus),
        }
        texts = {"buses": tuple(buses), "lines": tuple(lines), "generators": tuple(generators)}
        texts["kind"] = ("dc",) * there if kind is None else tuple(kind)
        for name, value in (texts | numbers).items():
            object.__setattr__(self, name, value)

    def with_(self, **changes: Any) -> Self:
        """Return a grid with some fields exchanged; what follows from the structure alone is made once.

        Parameters
        ----------
        **changes
            As in the constructor. Where `limit` changes and `least` does not, lines that carried the limit both ways
            still do.
        """
        if "limit" in changes and "least" not in changes:
            new, both = _floats(changes["limit"]), self.least == -self.limit
            changes["least"] = np.where(both, -new, self.least) if new.shape == both.shape else None
        given = {one.name: getattr(self, one.name) for one in fields(self)}
        other = type(self)(**(given | changes))
        if not changes.keys() & _SHAPES_CYCLES and "cycles" in self.__dict__:
            other.__dict__["cycles"] = self.cycles
        return other

    def without_lines(self, lines: Iterable[str]) -> Self:
        """Return the grid without some lines, as after an outage; its structure is another.

        Raises
        ------
        KeyError
            If it has no line of such a name.
        """
        out = set(lines)
        if unknown := out - set(self.lines):
            raise KeyError(f"no lines {sorted(unknown)}; known lines: {', '.join(self.lines[:12])}")
        stay = [at for at, name in enumerate(self.lines) if name not in out]
        arrays = ("from_bus", "to_bus", "limit", "least", "susceptance", "efficiency", "line_cost")
        return self.with_(
            lines=[self.lines[at] for at in stay],
            kind=[self.kind[at] for at in stay],
            **{name: getattr(self, name)[stay] for name in arrays},
        )

    @cached_property
    def is_dc(self) -> Bools:
        """Which lines carry what susceptances say, dims (line,)."""
        return np.array([kind == "dc" for kind in self.kind], dtype=bool)

    @cached_property
    def cycles(self) -> Floats:
        """Short independent cycles of the ``dc`` lines: 1 along a line, -1 against it, dims (cycle, line)."""
        there = np.flatnonzero(self.is_dc)
        found = cycle_basis(len(self.buses), self.from_bus[there], self.to_bus[there])
        cycles = np.zeros((len(found), len(self.lines)))
        cycles[:, there] = found
        cycles.setflags(write=False)
        return cycles

    @cached_property
    def island(self) -> Ints:
        """Which island each bus is part of, joined by all lines that may carry anything, dims (bus,)."""
        carries = (self.limit > 0) | (self.least < 0)
        return components(len(self.buses), self.from_bus[carries], self.to_bus[carries])

    def __getstate__(self) -> dict[str, Any]:
        """Pickle what it was made of."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore it as it was made: unpickled arrays are writable."""
        self.__init__(**state)  # type: ignore[misc]

    def __repr__(self) -> str:
        """Summarise the grid in one line."""
        return (
            f"<Grid: {len(self.buses)} buses, {len(self.lines)} lines, {len(self.generators)} generators; "
            f"load {self.load.sum():.4g} MW, available {self.available.sum():.4g} MW>"
        )


_SHAPES_CYCLES = {"buses", "lines", "from_bus", "to_bus", "kind"}


def _floats(values: ArrayLike) -> Floats:
    return frozen(np.array(values, dtype=np.float64))


def _ints(values: ArrayLike) -> Ints:
    return frozen(np.array(values, dtype=np.int64))


def _tranches(values: ArrayLike) -> Floats:
    """Return numbers by generator and tranche; one tranche each where they have one dim."""
    array = _floats(values)
    return array[:, None] if array.ndim == 1 else array
