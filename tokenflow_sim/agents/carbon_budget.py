"""A budget of emissions in a run: what is spent, and the cap or the price of the next period that follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from tokenflow_sim.agents.period_result import PeriodResult
from tokenflow_sim.market.carbon import CARBON
from tokenflow_sim.numeric import SECONDS_PER_HOUR, Floats, frozen
from tokenflow_sim.scenario import Compiled, State


class BudgetKeeper:
    """Keeps the account of a budget over a run; of a scenario without one it changes nothing.

    Parameters
    ----------
    compiled : Compiled
        The scenario as arrays.

    Attributes
    ----------
    spent : float
        Tonnes emitted so far that count.
    price : float
        Price of emissions in $/t that the rule asks beside the scenario's; zero for rules that make caps.
    """

    def __init__(self, compiled: Compiled) -> None:
        self._carbon, self._plan = compiled.carbon, compiled.carbon_plan
        self._seconds = compiled.hours * SECONDS_PER_HOUR
        self.spent = 0.0
        self.price = 0.0
        if self._plan is not None and not self._carbon.makes_caps:
            self.price = self._plan.budget.start_price
            counts = self._carbon.assets_at(self._plan.budget.nodes)
            self._nodes: Floats = np.zeros(len(compiled.layout.nodes))
            self._nodes[compiled.layout.asset_node[counts]] = 1.0

    def state(self, state: State) -> State:
        """Return a period's state with the cap, or the price, that the spending so far leads to."""
        if self._plan is None:
            return state
        if not self._carbon.makes_caps:
            return self._priced(state)
        share = self._plan.share(state.period, self.spent) / self._seconds
        limits = list(state.limits)
        place = next(number for number, limit in enumerate(limits) if limit.name == CARBON)
        capacity = limits[place].capacity.copy()
        capacity[-1] = share
        capacity.flags.writeable = False
        limits[place] = replace(limits[place], capacity=capacity)
        return replace(state, limits=tuple(limits))

    def _priced(self, state: State) -> State:
        """Add the rule's price to the scenario's, at the nodes that count."""
        if self._carbon.is_of_generators:
            assert state.grid is not None
            grid = state.grid.charged(self.price)
            known = state.carbon_price if state.carbon_price is not None else np.zeros(self._nodes.size)
            return replace(
                state, grid=grid, activities=grid.activities, carbon_price=frozen(known + self.price)
            )
        rate, price, paid = state.emission_rate, state.carbon_price, state.carbon_cost
        if rate is None or price is None or paid is None:
            raise AssertionError("a price of emissions is kept only where intensities are known")
        own = self.price * self._nodes
        more = own[self._carbon.asset_node][:, None] * rate
        found = price + own, paid + more, state.true_cost + more
        for array in found:
            array.flags.writeable = False
        return replace(state, carbon_price=found[0], carbon_cost=found[1], true_cost=found[2])

    def learn(self, result: PeriodResult) -> None:
        """Count what a period emitted."""
        if self._plan is None or result.emissions is None:
            return
        by_generators = None if result.power is None else result.power.generator_emissions
        if by_generators is not None and self._carbon.is_of_generators:
            emitted = float(by_generators.sum())
        else:
            emitted = self._carbon.used(result.emissions)
        self.spent += emitted
        if not self._carbon.makes_caps:
            self.price = self._plan.next_price(self.price, emitted)

    def get_state(self) -> dict[str, Any]:
        """Return where the account stands."""
        return {"spent": self.spent, "price": self.price}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go back to what `get_state` returned."""
        self.spent, self.price = float(state["spent"]), float(state["price"])
