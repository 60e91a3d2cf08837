"""The carbon intensity of power at each bus: emissions of the generators that run, traced along flows."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array, csc_array
from scipy.sparse.linalg import spsolve

from tokenflow_sim.market.grid import Grid
from tokenflow_sim.numeric import Floats

_NOTHING = 1e-9
"""MW below which nothing passes a bus."""


def bus_intensity(grid: Grid, generation: Floats, line_flow: Floats) -> Floats:
    """Return the average carbon intensity of the power taken at each bus.

    Parameters
    ----------
    grid : Grid
        The grid of the period.
    generation : ndarray
        In MW, dims (generator,).
    line_flow : ndarray
        In MW at its `from_bus`, dims (line,).

    Returns
    -------
    ndarray
        In g/kWh (kg/MWh), dims (bus,); NaN where no power enters.

    Notes
    -----
    What leaves a bus is of the mix that enters it (proportional sharing; J. Bialek, "Tracing the flow of electricity",
    IEE Proceedings 143(4), 1996): with g_i generation of emissions e_i, and s_l sent along line l,

        intensity_b (sum_i g_i + sum_{l into b} eta_l s_l) = sum_i e_i g_i + sum_{l into b} intensity_from(l) s_l.

    Local load below zero feeds in without emissions. Weighted by what is taken, intensities add up to all emissions.
    """
    buses = len(grid.buses)
    ahead = line_flow >= 0
    start = np.where(ahead, grid.from_bus, grid.to_bus)
    end = np.where(ahead, grid.to_bus, grid.from_bus)
    sent = np.abs(line_flow)
    # Against its direction a line has no losses (only lines of one direction may have any).
    arrived = np.where(ahead, grid.efficiency, 1.0) * sent
    entered = np.bincount(end, arrived, buses) + np.maximum(-grid.load, 0.0)
    entered += np.bincount(grid.generator_bus, np.maximum(generation, 0.0), buses)
    emitted = np.bincount(grid.generator_bus, grid.co2 * np.maximum(generation, 0.0), buses) * 1000.0
    dry = entered <= _NOTHING
    there = np.arange(buses)
    diagonal = coo_array((np.where(dry, 1.0, entered), (there, there)), (buses, buses))
    upstream = coo_array((np.where(dry[end], 0.0, sent), (end, start)), (buses, buses))
    found: Floats = np.atleast_1d(spsolve(csc_array(diagonal - upstream), np.where(dry, 0.0, emitted)))
    return np.where(dry, np.nan, found)
