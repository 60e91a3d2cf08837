"""Clearing a grid alone, with the load that a token market left it: the second step of a sequential clearing.

It is a market without tokens, of one node and one class that nobody asks for, and is cleared by the same engine: the
same price rule and the same certificate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from tokenflow_sim.errors import Fault, MarketError
from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.certificate import Certificate
from tokenflow_sim.market.clearer import Clearer
from tokenflow_sim.market.clearing import Clearing
from tokenflow_sim.market.grid import NO_BUS, Grid
from tokenflow_sim.market.grid_outcome import GridOutcome, grid_outcome
from tokenflow_sim.market.grid_rows import bind_grid
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.market import Market
from tokenflow_sim.numeric import Floats


@dataclass(frozen=True, eq=False)
class GridClearing:
    """The outcome of a grid that was cleared alone.

    Parameters
    ----------
    outcome : GridOutcome
        Prices, generation, flows and money; the draw is in `drawn`.
    clearing : Clearing
        The clearing of the market without tokens that it is of.
    """

    outcome: GridOutcome
    clearing: Clearing

    @property
    def certificate(self) -> Certificate:
        """Its residuals."""
        return self.clearing.certificate


class GridClearer:
    """Clears grids of one structure, one after another.

    Parameters
    ----------
    grid : Grid
        Any grid of the structure.

    Raises
    ------
    MarketError
        If it has faults.
    """

    def __init__(self, grid: Grid) -> None:
        alone = grid.with_(node_bus=[NO_BUS])
        self._layout = _without_tokens()
        self._bound = bind_grid(alone, self._layout, np.zeros((0, 1)))
        self._clearer = Clearer(self._market(alone))

    def clear(self, grid: Grid, draw: ArrayLike | None = None) -> GridClearing:
        """Clear a grid.

        Parameters
        ----------
        grid : Grid
            The grid of a period, of the same structure.
        draw : array, optional
            What assets draw at each bus, in MW, dims (bus,).

        Raises
        ------
        MarketError
            If the draw does not fit the buses.
        InfeasibleError
            If the load cannot be supplied.
        """
        drawn: Floats = np.zeros(len(grid.buses)) if draw is None else np.asarray(draw, dtype=float)
        if drawn.shape != (len(grid.buses),) or not np.isfinite(drawn).all():
            fault = Fault(f"must be {len(grid.buses)} finite numbers (MW), one for each bus", "draw")
            raise MarketError([fault], "argument")
        loaded = grid.with_(load=grid.load + drawn, node_bus=[NO_BUS])
        clearing = self._clearer.clear(self._market(loaded))
        outcome = grid_outcome(self._bound, loaded, clearing.values)
        return GridClearing(_drawn(outcome, grid, drawn), clearing)

    def _market(self, grid: Grid) -> Market:
        limits, activities = self._bound.at(grid, np.zeros((0, 1, 1)))
        arrays = Arrays(
            offer_price=np.zeros((0, 1, 1)),
            capacity=np.zeros((0, 1, 1)),
            demand=np.zeros((1, 1, 1)),
            value=np.full((1, 1, 1), np.inf),
            route_cost=np.zeros((0, 1)),
            link_use=np.zeros((0, 1)),
            allowed=np.zeros((0, 1), bool),
            link_capacity=np.zeros(0),
            link_curvature=np.zeros(0),
            limits=limits,
            activities=activities,
        )
        return Market.from_arrays(self._layout, arrays)


def clear_grid(grid: Grid, draw: ArrayLike | None = None) -> GridClearing:
    """Clear a grid alone.

    Parameters
    ----------
    grid : Grid
        The grid of a period.
    draw : array, optional
        What assets draw at each bus beside its load, in MW, dims (bus,).

    Returns
    -------
    GridClearing
        Certified, like every clearing.

    Raises
    ------
    MarketError
        If the grid has faults, or the draw does not fit its buses.
    InfeasibleError
        If the load cannot be supplied.

    Examples
    --------
    >>> from tokenflow_sim.market.grid import Grid
    >>> grid = Grid(
    ...     buses=["west", "east"], load=[0.0, 100.0],
    ...     lines=["tie"], from_bus=[0], to_bus=[1], limit=[60.0],
    ...     generators=["wind", "gas"], generator_bus=[0, 1], price=[5.0, 40.0], available=[200.0, 200.0],
    ... )
    >>> outcome = clear_grid(grid, draw=[20.0, 0.0]).outcome
    >>> outcome.bus_price.round(6).tolist(), outcome.generation.round(6).tolist(), outcome.line_rent.round(6).tolist()
    ([5.0, 40.0], [80.0, 40.0], [35.0])
    """  # fmt: skip
    return GridClearer(grid).clear(grid, draw)


def _without_tokens() -> Layout:
    return Layout(
        nodes=pd.Index(["grid"], name="node"),
        workloads=pd.Index(["none"], name="workload"),
        assets=pd.Index([], name="asset", dtype=object),
        arcs=pd.Index([], name="arc", dtype=object),
        asset_node=np.zeros(0, dtype=np.int64),
        provider=(),
        origin=np.zeros(0, dtype=np.int64),
        destination=np.zeros(0, dtype=np.int64),
        owner=(),
    )


def _drawn(outcome: GridOutcome, grid: Grid, drawn: Floats) -> GridOutcome:
    """Return the outcome with load and draw told apart, which the program took together."""
    given = {name: getattr(outcome, name) for name in outcome.__dataclass_fields__}
    price = outcome.bus_price
    given |= {"drawn": drawn, "load_payment": price * grid.load, "drawn_payment": price * drawn}
    return GridOutcome(**given)
