"""The numbers of one period of a scenario, as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tokenflow_sim.market.activity import Activity
from tokenflow_sim.market.delivery import Delivery
from tokenflow_sim.market.limits import SharedCapacity
from tokenflow_sim.market.losses import Security
from tokenflow_sim.market.pricing import Pricing
from tokenflow_sim.market.routing import Routing
from tokenflow_sim.numeric import Floats
from tokenflow_sim.scenario.grid_arrays import GridState


@dataclass(slots=True)  # not frozen, which would take longer than all else that a state costs
class State:
    """The numbers of one period, as read-only arrays: true costs, what exists, and expected demand. Never changed.

    Parameters
    ----------
    period : int
        The period.
    true_cost, capacity : ndarray
        In $/Mtok and Mtok/s, dims (asset, workload). Where a grid is cleared with the tokens, what service costs
        beside the power that it draws; where it is cleared after them, with that power at its expected price.
    running_cost : ndarray
        What of the true cost is neither electricity nor emissions, in $/Mtok, dims (asset, workload).
    power_use, power_limit : ndarray or None
        In MW per Mtok/s, dims (asset, workload), and MW, dims (asset,); None where power is not shared.
    demand, value : ndarray
        In Mtok/s and $/Mtok (infinite: must serve), dims (node, workload).
    route_cost, link_use, allowed : ndarray
        In $/Mtok, GB/Mtok or 1, and bool, dims (arc, workload).
    link_capacity, link_curvature : ndarray
        Dims (arc,).
    electricity_price : ndarray
        In $/kWh, dims (node,).
        Where a grid is cleared with the tokens nobody knows them before: NaN.
    limits : tuple of SharedCapacity
        Limits beyond those of links and of an asset's power.
    emission_rate : ndarray or None
        What a unit of service emits in t/Mtok, dims (asset, workload); None where no carbon intensity is known.
    carbon_price : ndarray or None
        Price of emissions in $/t, dims (node,); None where there is none.
    carbon_cost : ndarray or None
        What of the true cost is paid for emissions, in $/Mtok, dims (asset, workload); None without a price.
    security : Security or None
        Losses that the schedule has to survive; None where there are none.
    asks_marginal : bool
        Whether marginal emissions are to be recorded.
    routing : Routing or None
        What holds along whole paths; None where nothing does.
    delivery : Delivery or None
        What is recorded of latencies and residency; None where nothing is.
    availability : tuple of ndarray or None
        Shares of the capacity of assets and of arcs that outages leave, dims (asset,) and (arc,); None in a scenario
        without outages.
    activities : tuple of Activity
        What is done beside service and flow: generation and flows of a grid that is cleared with the tokens.
    grid : GridState or None
        The power grid; None without one.
    pricing : Pricing or None
        By which rule the market is settled; None at its prices.
    """

    period: int
    true_cost: Floats
    running_cost: Floats
    capacity: Floats
    power_use: Floats | None
    power_limit: Floats | None
    demand: Floats
    value: Floats
    route_cost: Floats
    link_use: Floats
    allowed: NDArray[np.bool_]
    link_capacity: Floats
    link_curvature: Floats
    electricity_price: Floats
    limits: tuple[SharedCapacity, ...] = ()
    emission_rate: Floats | None = None
    carbon_price: Floats | None = None
    carbon_cost: Floats | None = None
    asks_marginal: bool = False
    routing: Routing | None = None
    delivery: Delivery | None = None
    security: Security | None = None
    availability: tuple[Floats, Floats] | None = None
    activities: tuple[Activity, ...] = ()
    grid: GridState | None = None
    pricing: Pricing | None = None
