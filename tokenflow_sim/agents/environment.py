"""The market's environment: what happens whatever the agents do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tokenflow_sim.agents.streams import stream
from tokenflow_sim.scenario import Compiled, State


class Environment:
    """Exogenous states of a run: the scenario's, with the seed's noise on demand.

    Parameters
    ----------
    compiled : Compiled
        The scenario as arrays.
    seed : int
        The run's seed. Noise has streams of its own, one common and one a node, so that it is the same whatever
        the agents draw.
    """

    def __init__(self, compiled: Compiled, seed: int) -> None:
        self._compiled = compiled
        self._noise = compiled.demand_noise()
        self._is_noisy = compiled.scenario.demand.noise is not None
        self._common = stream(seed, "demand", "")
        self._own = [stream(seed, "demand", str(node)) for node in compiled.layout.nodes]

    def state(self, period: int) -> State:
        """Return the state of the next period; each period is asked for once, in order."""
        state = self._compiled.state(period)
        if not self._is_noisy:
            return state
        demand = state.demand * self._noise.step(self._common, self._own)
        demand.flags.writeable = False
        return replace(state, demand=demand)

    def get_state(self) -> dict[str, Any]:
        """Return where the noise stands."""
        return {
            "noise": self._noise.state(),
            "common": self._common.bit_generator.state,
            "own": [generator.bit_generator.state for generator in self._own],
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go back to what `get_state` returned."""
        self._noise.restore(state["noise"])
        self._common.bit_generator.state = state["common"]
        for generator, saved in zip(self._own, state["own"], strict=True):
            generator.bit_generator.state = saved
