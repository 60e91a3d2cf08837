"""Exogenous states of markets beside each other: the scenario's, with each seed's noise and outages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import fields, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokenflow_sim.agents.environment import after_outages
from tokenflow_sim.agents.streams import stream
from tokenflow_sim.batch.streams import NormalsBeside
from tokenflow_sim.numeric import Floats
from tokenflow_sim.scenario import Compiled, State
from tokenflow_sim.scenario.noise import DemandNoise
from tokenflow_sim.scenario.outage_history import OutageHistory

_Array = NDArray[Any]


class EnvironmentBeside:
    """What happens in many markets whatever their agents do.

    Parameters
    ----------
    compiled : Compiled
        The scenario as arrays, without a grid, further limits, rules for whole paths and carbon budgets.
    seeds : sequence of int
        The markets' seeds.
    """

    def __init__(self, compiled: Compiled, seeds: Sequence[int]) -> None:
        self._compiled, self._many = compiled, len(seeds)
        # A state's arrays are mostly the same objects as before: what was made of those is kept.
        self._kept: dict[str, tuple[_Array, _Array]] = {}
        # As `Environment` has them: the next period's state and the noise before it, and what was drawn for it.
        self._drawn: tuple[State, DemandNoise] | None = None
        self._shocks: tuple[Floats, Floats] | None = None
        self._noise = compiled.demand_noise()
        self._common: NormalsBeside | None = None
        self._own: NormalsBeside | None = None
        if compiled.scenario.demand.noise is not None:
            nodes = [str(node) for node in compiled.layout.nodes]
            self._common = NormalsBeside([stream(seed, "demand", "") for seed in seeds])
            self._own = NormalsBeside([stream(seed, "demand", node) for seed in seeds for node in nodes])
        sizes = len(compiled.layout.assets), len(compiled.layout.arcs)
        self._outages = [
            OutageHistory(compiled.components, compiled.hours, *sizes, partial(stream, seed, "outage"))
            for seed in (seeds if compiled.components else ())
        ]

    def state(self, period: int) -> State:
        """Return the state of the next period, the rows of all markets after each other."""
        state = self._made(period) if self._drawn is None else self._drawn[0]
        self._drawn = self._shocks = None
        return state

    def _made(self, period: int) -> State:
        """Make the state of the next period; nothing but the noise moves on."""
        one = self._compiled.state(period)
        changes: dict[str, Any] = {}
        for field in fields(State):
            value = getattr(one, field.name)
            if isinstance(value, np.ndarray):
                changes[field.name] = self._beside(field.name, value)
        if one.availability is not None:
            changes["availability"] = tuple(
                self._beside(f"availability {number}", part) for number, part in enumerate(one.availability)
            )
        state = replace(one, **changes)
        if self._outages:
            shares = [history.shares(period) for history in self._outages]
            assets, arcs = (np.concatenate(parts) for parts in zip(*shares, strict=True))
            state = after_outages(state, assets, arcs, None)
        if self._common is None or self._own is None:
            return state
        if self._shocks is None:
            self._shocks = self._common.next()[:, None], self._own.next().reshape(self._many, -1)
        demand = state.demand * self._noise.advance(*self._shocks)
        demand.flags.writeable = False
        return replace(state, demand=demand)

    def foresee(self, period: int) -> State:
        """Return what `state` will return next, which goes on from there."""
        if self._drawn is None:
            before = copy(self._noise)  # steps replace its arrays, and change none
            self._drawn = self._made(period), before
        return self._drawn[0]

    def _beside(self, name: str, array: _Array) -> _Array:
        kept = self._kept.get(name)
        if kept is None or kept[0] is not array:
            whole = np.concatenate([array] * self._many)
            whole.flags.writeable = False
            kept = self._kept[name] = (array, whole)
        return kept[1]

    def get_state(self) -> dict[str, Any]:
        """Return where the noise stands and what is drawn ahead; outages follow from the period."""
        if self._common is None or self._own is None:
            return {}
        noise = (self._noise if self._drawn is None else self._drawn[1]).state()
        shocks = self._shocks and tuple(one.copy() for one in self._shocks)
        return {"noise": noise, "shocks": shocks, "common": self._common.states, "own": self._own.states}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go back to what `get_state` returned."""
        self._drawn = None
        if self._common is not None and self._own is not None:
            self._shocks = state.get("shocks")
            self._noise.restore(state["noise"])
            self._common.states, self._own.states = state["common"], state["own"]
