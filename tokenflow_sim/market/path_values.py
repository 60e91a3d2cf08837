"""From the numbers of an expanded market back to those of the market that it was made from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.expansion import Expansion
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.market import Market
from tokenflow_sim.market.path_pool import NO_ARC, PathFlows, Paths
from tokenflow_sim.market.values import Values, total_cost
from tokenflow_sim.numeric import Floats, Ints


def values_on_paths(expansion: Expansion, market: Market, paths: Paths, values: Values, kept: Ints) -> Values:
    """Return a market's numbers from those of its expansion.

    Parameters
    ----------
    expansion : Expansion
        Its structure.
    market : Market
        The market.
    paths : Paths
        The paths of the expanded market.
    values : Values
        The expanded market's numbers.
    kept : ndarray of int
        Positions of the paths to name: those in use, and those that would be used first where nothing is asked for.
    """
    cells, arrays = expansion.cells, market.arrays
    shape = arrays.route_cost.shape
    flow = flow_by_arc(expansion, shape, paths, values.flow[:, 0])
    dispatch = values.dispatch.reshape(arrays.capacity.shape)
    unserved = values.unserved[cells.home, 0]
    volume = values.flow[expansion.arc.size :, 0]
    outcome = replace(
        values,
        price=values.price[cells.home, 0],
        paid=values.price[cells.server, 0],
        dispatch=dispatch,
        flow=flow,
        unserved=unserved,
        scarcity_rent=values.scarcity_rent.reshape(arrays.capacity.shape),
        along=PathFlows(
            paths.taken(kept), volume[kept], values.price[:, 0], values.flow[: expansion.arc.size, 0]
        ),
    )
    # The same to rounding as the expanded market's, whose sums depend on how many paths are known.
    cost = total_cost(arrays, dispatch, flow, unserved, values.supplied, values.done)
    return replace(outcome, cost=cost)


def flow_by_arc(expansion: Expansion, shape: tuple[int, ...], paths: Paths, flow: Floats) -> Floats:
    """Return the flow on every arc of the market, dims (arc, workload): its own, then that of all paths."""
    found = np.zeros(shape)
    own = expansion.arc != NO_ARC
    np.add.at(found, (expansion.arc[own], expansion.arc_class[own]), flow[: own.size][own])
    volume = flow[own.size :]
    for arc in paths.arcs.T:
        there = arc != NO_ARC
        np.add.at(found, (arc[there], paths.workload[there]), volume[there])
    return found


def expanded_clearing(layout: Layout, arrays: Arrays, values: Values) -> tuple[Expansion, Market, Values]:
    """Return the expanded market of a clearing, with the paths that the clearing names alone, and its numbers.

    Parameters
    ----------
    layout, arrays
        The market.
    values : Values
        Its clearing.
    """
    assert values.along is not None
    market = Market.from_arrays(layout, arrays, check=False)
    expansion, paths = Expansion(market), values.along.paths
    alone = expansion.market(market, paths, expansion.layout_with(paths), np.zeros(len(paths)))
    return expansion, alone, expanded_values(expansion, values)


def expanded_values(expansion: Expansion, values: Values) -> Values:
    """Return the numbers of the expanded market with a clearing's paths alone: `values_on_paths` backwards.

    Parameters
    ----------
    expansion : Expansion
        The structure.
    values : Values
        A market's numbers.
    """
    along = values.along
    assert along is not None
    unserved = np.zeros((expansion.cells.count, 1, values.unserved.shape[2]))
    unserved[expansion.cells.home, 0] = values.unserved
    blocks = values.dispatch.shape[2]
    return replace(
        values,
        price=along.cell_price[:, None],
        dispatch=values.dispatch.reshape(-1, 1, blocks),
        scarcity_rent=values.scarcity_rent.reshape(-1, 1, blocks),
        unserved=unserved,
        flow=np.concatenate([along.arc_flow, along.volume])[:, None],
        paid=None,
        along=None,
    )
