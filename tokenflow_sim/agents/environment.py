"""The market's environment: what happens whatever the agents do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import partial
from typing import Any

import xarray as xr

from tokenflow_sim.agents.carbon_budget import BudgetKeeper
from tokenflow_sim.agents.period_result import PeriodResult
from tokenflow_sim.agents.queues import Queues
from tokenflow_sim.agents.streams import stream
from tokenflow_sim.market.bound_limit import bind_limits
from tokenflow_sim.market.limits import SharedCapacity
from tokenflow_sim.market.own_limit import Limit, LimitView
from tokenflow_sim.market.reserve import RESERVE, ReserveRows
from tokenflow_sim.market.security import published
from tokenflow_sim.numeric import Floats
from tokenflow_sim.scenario import Compiled, State
from tokenflow_sim.scenario.noise import DemandNoise
from tokenflow_sim.scenario.outage_history import OutageHistory
from tokenflow_sim.variables import MARKET


def after_outages(state: State, assets: Floats, arcs: Floats, reserve: ReserveRows | None) -> State:
    """Return a state with shares of assets and arcs left, dims (asset,) and (arc,), and the reserve of the rest."""
    limit, before = state.power_limit, state.availability
    assert before is not None  # a scenario with outages has them in every state
    found = replace(
        state,
        capacity=state.capacity * assets[:, None],
        power_limit=None if limit is None else limit * assets,
        link_capacity=state.link_capacity * arcs,
        availability=(before[0] * assets, before[1] * arcs),
    )
    for array in (found.capacity, found.power_limit, found.link_capacity, *(found.availability or ())):
        if array is not None:
            array.setflags(write=False)
    if reserve is None:
        return found
    held = reserve.at(found.capacity, found.power_limit)
    return replace(found, limits=tuple(held if one.name == RESERVE else one for one in found.limits))


class Environment:
    """Exogenous states of a run: the scenario's, with the seed's noise on demand.

    Parameters
    ----------
    compiled : Compiled
        The scenario as arrays.
    seed : int
        The run's seed. Noise has streams of its own, one common and one a node, and so has all that fails, so that
        both are the same whatever the agents draw.
    limits : sequence of Limit
        Limits of a user.

    Raises
    ------
    MarketError
        If one of the limits has faults.
    """

    def __init__(self, compiled: Compiled, seed: int, limits: Sequence[Limit] = ()) -> None:
        self._compiled = compiled
        self._layout = compiled.layout
        self._rules = compiled.path_rules
        self._queues = Queues(self._rules) if self._rules.follows_load else None
        self._limits = bind_limits(limits, self._view(0, None)) if limits else ()
        self._budget = BudgetKeeper(compiled)
        self._noise = compiled.demand_noise()
        self._is_noisy = compiled.scenario.demand.noise is not None
        self._common = stream(seed, "demand", "")
        self._own = [stream(seed, "demand", str(node)) for node in compiled.layout.nodes]
        self._left: tuple[Floats, Floats, Floats] | None = None
        self._outages: OutageHistory | None = None
        # The next period's state where somebody has looked ahead, and the noise before it; what was drawn for it.
        self._drawn: tuple[State, DemandNoise] | None = None
        self._shocks: tuple[float, Floats] | None = None
        if compiled.components:
            sizes = len(self._layout.assets), len(self._layout.arcs)
            draw = partial(stream, seed, "outage")
            self._outages = OutageHistory(compiled.components, compiled.hours, *sizes, draw)

    def state(self, period: int, bus_price: Floats | None = None) -> State:
        """Return the state of the next period; each period is asked for once, in order.

        Parameters
        ----------
        period : int
            The period.
        bus_price : ndarray, optional
            Bus prices of the period before in $/MWh, dims (bus,), where there is a grid.
        """
        state = self._made(period, bus_price) if self._drawn is None else self._drawn[0]
        self._drawn = self._shocks = None
        return state

    def _made(self, period: int, bus_price: Floats | None) -> State:
        """Make the state of the next period; nothing but the noise moves on."""
        state = self._compiled.state(period, bus_price)
        if self._outages is not None:
            state = self._after_outages(state, *self._outages.shares(period))
        if self._queues is not None:
            state = self._queues.apply(state)
        if self._limits:
            state = replace(state, limits=(*state.limits, *self._own_limits(period, state)))
        state = self._budget.state(state)
        if self._outages is not None and state.limits:
            left = state.capacity, state.power_limit, state.link_capacity
            state = replace(state, limits=self._rules.follows_outages(state.limits, *left))
        if not self._is_noisy:
            return state
        if self._shocks is None:
            self._shocks = self._noise.draw(self._common, self._own)
        demand = state.demand * self._noise.advance(*self._shocks)
        demand.flags.writeable = False
        return replace(state, demand=demand)

    def foresee(self, period: int, bus_price: Floats | None = None) -> State:
        """Return what `state` will return next, which goes on from there; parameters as there."""
        if self._drawn is None:
            before = copy(self._noise)  # steps replace its arrays, and change none
            self._drawn = self._made(period, bus_price), before
        return self._drawn[0]

    def _after_outages(self, state: State, assets: Floats, arcs: Floats) -> State:
        """Take outages off a state; while nothing changes, arrays of links are the same objects, as without them."""
        found = after_outages(state, assets, arcs, self._compiled.reserve)
        last = self._left
        if last is not None and last[0] is arcs and last[1] is state.link_capacity:
            return replace(found, link_capacity=last[2])
        self._left = arcs, state.link_capacity, found.link_capacity
        return found

    def learn(self, state: State, result: PeriodResult) -> None:
        """Take notice of a cleared period, in which a budget may have been spent; latencies may follow the loads."""
        self._budget.learn(result)
        if self._queues is not None:
            self._queues.observe(state, result)

    def limits(self, period: int = 0) -> tuple[SharedCapacity, ...]:
        """Return all further limits of the market, with the numbers of a period."""
        state = self._compiled.state(period)
        found = (*state.limits, *self._own_limits(period, state))
        if state.security is None:
            return found
        sizes = self._layout.sizes
        return (*found, published(state.security, (sizes["asset"], sizes["workload"]), {}))

    def _own_limits(self, period: int, state: State) -> tuple[SharedCapacity, ...]:
        if not self._limits:
            return ()
        view = self._view(period, state)
        return tuple(limit.at(view) for limit in self._limits)

    def _view(self, period: int, state: State | None) -> LimitView:
        """Return what a limit may look at in a period, and of the first one where none is given yet."""
        compiled = self._compiled
        now = compiled.state(period) if state is None else state
        is_known = now.grid is None or not now.grid.is_joint
        price = (
            xr.DataArray(now.electricity_price, {"node": self._layout.nodes}, ("node",)) if is_known else None
        )
        return LimitView(
            period=period,
            hours=compiled.hours,
            layout=self._layout,
            power_use=self._layout.label(MARKET["power_use"], compiled.power_use),
            electricity_price=price,
        )

    def get_state(self) -> dict[str, Any]:
        """Return where the noise stands, what is drawn ahead, and latencies that follow the loads."""
        noise = self._noise if self._drawn is None else self._drawn[1]
        return {
            "noise": noise.state(),
            "shocks": self._shocks,
            "common": self._common.bit_generator.state,
            "own": [generator.bit_generator.state for generator in self._own],
            "budget": self._budget.get_state(),
            "queues": None if self._queues is None else self._queues.get_state(),
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go back to what `get_state` returned."""
        self._drawn, self._shocks = None, state.get("shocks")
        self._noise.restore(state["noise"])
        self._budget.set_state(state["budget"])
        self._common.bit_generator.state = state["common"]
        for generator, saved in zip(self._own, state["own"], strict=True):
            generator.bit_generator.state = saved
        if self._queues is not None:
            self._queues.set_state(state["queues"])
