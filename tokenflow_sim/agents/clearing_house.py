"""The clearing house: asks for submissions, clears and settles them, and publishes what the market publishes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import mesa
import numpy as np

from tokenflow_sim.agents.contract_result import settle_contracts
from tokenflow_sim.agents.crew import Crew, crews_of
from tokenflow_sim.agents.known_periods import KnownPeriods
from tokenflow_sim.agents.mitigation import Mitigator
from tokenflow_sim.agents.order_book import OrderBook
from tokenflow_sim.agents.ownership import ownership_of
from tokenflow_sim.agents.participant import RunInfo
from tokenflow_sim.agents.participants import ComputeProvider, DemandRegion, NetworkOwner
from tokenflow_sim.agents.period_result import PeriodResult
from tokenflow_sim.agents.published_history import PublishedHistory
from tokenflow_sim.errors import Fault, InfeasibleError, InputError, StrategyError, unknown_name
from tokenflow_sim.market import Clearer, Clearing, Market
from tokenflow_sim.market.engine import Engine
from tokenflow_sim.market.grid_rows import GENERATION
from tokenflow_sim.market.marginal import by_node, marginal_intensity, marginal_rows
from tokenflow_sim.numeric import SECONDS_PER_HOUR, Floats, frozen
from tokenflow_sim.scenario.direction import direction_hint
from tokenflow_sim.scenario.state import State
from tokenflow_sim.strategies.base import History, View
from tokenflow_sim.strategies.demand import DemandView
from tokenflow_sim.strategies.network import NetworkView


def add_hints(error: InfeasibleError, market: Market, state: State) -> None:
    """Add to an error what may be wrong with a market that cannot be cleared."""
    if hint := direction_hint(market):
        error.add_note(f"  {hint}")
    if error.shortfall and state.grid is not None and state.grid.is_joint:
        error.add_note(
            "  Power is cleared with the tokens (grid.clearing: joint), so that it may be what is short there:"
            " generators and lines with more capacity help then."
        )


def _parties(agents: Mapping[str, list[Any]]) -> dict[str, tuple[list[Crew], list[Any]]]:
    """Return the agents of each kind that act together, and those that are asked alone."""
    return {kind: crews_of(own) for kind, own in agents.items()}


WEEK = 168
"""How many periods of published history agents see, unless the model is given another number."""


class ClearingHouse(mesa.Agent):
    """The clearing house.

    Its rule is the paper's: least cost as offered, a price a node and class that is the cost of one more unit
    there, everybody paid or charged at the price.

    Parameters
    ----------
    model : mesa.Model
        The model it lives in.
    run : RunInfo
        Labels, number and length of periods.
    providers, owners, regions : sequence
        The market's participants.
    length : int
        How many periods of history it publishes.
    clearer : Clearer, optional
        One to clear with; made for the first market if left out.
    publish_offers : bool
        Whether it publishes each market as submitted once it is cleared.
    """

    def __init__(
        self,
        model: mesa.Model,
        run: RunInfo,
        providers: list[ComputeProvider],
        owners: list[NetworkOwner],
        regions: list[DemandRegion],
        length: int = WEEK,
        clearer: Clearer | None = None,
        publish_offers: bool = True,
    ) -> None:
        super().__init__(model)
        self.layout, self.hours = run.layout, run.hours
        self.providers, self.owners, self.regions = providers, owners, regions
        self.clearing: Clearing | None = None
        self.result: PeriodResult | None = None
        self.clearer = clearer
        self._publishes = publish_offers
        self._market: Market | None = None
        self._second: Engine | None = None
        self._by_kind: dict[str, list[Any]] = {"provider": providers, "owner": owners, "region": regions}
        self._parties = _parties(self._by_kind)
        # Contracts and mitigation look at the period itself.
        self._may_come_again = run.contracts is None and run.mitigation is None
        self._known = KnownPeriods()
        self._again: tuple[Clearing, PeriodResult] | None = None
        self._ownership = ownership_of(
            self.layout, tuple(agent.name for agent in providers), tuple(agent.name for agent in owners)
        )
        self._contracts = run.contracts
        self._provider_names = tuple(agent.name for agent in providers)
        self._mitigator = None if run.mitigation is None else Mitigator(run.mitigation, self.layout)
        sizes = self.layout.sizes
        self._published = PublishedHistory(sizes["node"], sizes["workload"], max(1, min(length, run.periods)))

    @property
    def history(self) -> History:
        """What it has published."""
        return self._published.history

    @property
    def last_market(self) -> Market | None:
        """The last market as submitted, where it is published; None before the first clearing."""
        return self._market if self._publishes else None

    @property
    def bus_price(self) -> Floats | None:
        """Bus prices of the last period in $/MWh, dims (bus,); None before it, and without a grid."""
        power = None if self.result is None else self.result.power
        return None if power is None else power.bus_price

    def view(self, name: str, period: int, state: State) -> View | NetworkView | DemandView:
        """Return what the provider, owner or region of a name will see in a period.

        Raises
        ------
        InputError
            If nobody has that name.
        """
        agents = {agent.name: agent for agents in self._by_kind.values() for agent in agents}
        if name not in agents:
            unknown = unknown_name("provider, owner or region", name, list(agents))
            raise InputError([Fault(unknown, "name")], "agents")
        seen: View | NetworkView | DemandView = agents[name].look_ahead(
            period, state, self.result, self.history, self.last_market
        )
        return seen

    def collect(self, period: int, state: State) -> OrderBook:
        """Ask everybody for a submission, and check what comes.

        Raises
        ------
        StrategyError
            If one is not what the market can take.
        """
        book = self.ask(period, state)
        self._again = self._known.find(state, book) if self._may_come_again else None
        if self._again is None:  # what is known was found good
            book.check(self._by_kind, period)
        return book

    def ask(self, period: int, state: State) -> OrderBook:
        """Ask everybody for a submission; the order does not matter.

        Raises
        ------
        StrategyError
            If one is no submission, or has another shape than it must.
        """
        book = OrderBook(self.layout, state)
        history = self.history
        seen = period, state, self.result, history, self.last_market
        adders: dict[str, Callable[[Any, Any, int], None]] = {
            "provider": book.add_offer, "owner": book.add_tender, "region": book.add_bid,
        }  # fmt: skip
        # What overflows is not finite, which the order book reports with its place.
        with np.errstate(over="ignore"):
            for kind, add in adders.items():
                crews, alone = self._parties[kind]
                for crew in crews:
                    if not crew.is_whole:
                        crews, alone = self._parties[kind] = crews_of(self._by_kind[kind])
                        break
                for crew in crews:
                    made = crew.submit(period, state, history)
                    if made is not None:
                        with suppress(StrategyError):  # told below, of the agent whose fault it is
                            add(crew, made, period)
                            continue
                    for agent in crew.members:
                        add(agent, agent.submit(*seen), period)
                for agent in alone:
                    add(agent, agent.submit(*seen), period)
        return book

    def clear(self, period: int, state: State, book: OrderBook) -> PeriodResult:
        """Clear and settle one period, and publish its prices.

        Raises
        ------
        InfeasibleError
            If demand that must be served cannot be.
        CertificateError
            If the clearing cannot be certified.
        """
        if self._again is not None:
            self.clearing, before = self._again
            return self._publish(before.again(period, state), self.clearing.market)
        # The order book has checked what the agents submitted; the rest comes from the scenario, checked on loading.
        market = Market.from_arrays(self.layout, book.arrays(), self.hours, check=False)
        mitigated: dict[str, Floats] = {}
        if self._mitigator is None:
            self.clearing = self._cleared(market, state)
        else:
            clear = partial(self._cleared, state=state)
            costs = state.true_cost, state.link_capacity
            self.clearing, mitigated = self._mitigator.clear(market, *costs, clear)
            market = self.clearing.market
        result = PeriodResult(period, state, book.worth, self.clearing, self._ownership)
        result.beside |= mitigated
        if self._contracts is not None:
            result.beside |= settle_contracts(self._contracts, result, self._provider_names)
        if state.asks_marginal:
            self._add_marginal(market, result, state)
        if self._may_come_again:
            self._known.keep(book, self.clearing, result)
        return self._publish(result, market)

    def _publish(self, result: PeriodResult, market: Market) -> PeriodResult:
        """Publish what is public of a cleared period."""
        self._published.append(result.values.price, result.bid, result.unserved)
        self.result, self._market = result, market
        return result

    def _cleared(self, market: Market, state: State) -> Clearing:
        """Clear a market; where it cannot be, add to the error what may be behind it."""
        if self.clearer is None:
            self.clearer = Clearer(market)
        try:
            return self.clearer.clear(market)
        except InfeasibleError as error:
            add_hints(error, market, state)
            raise

    def _add_marginal(self, market: Market, result: PeriodResult, state: State) -> None:
        """Add what one more unit demanded would emit, by a second engine so that the first stays hot."""
        if self._second is None or not self._second.turn_to(market):
            self._second = Engine(market)
        program, rate, power, done = self._second.program, state.emission_rate, result.power, None
        by_generators = state.grid is not None and state.grid.arrays.asks_marginal
        if by_generators and state.grid is not None:
            done = {GENERATION: state.grid.grid.co2 / SECONDS_PER_HOUR}
        rows = marginal_rows(self._second, market, result.values, rate, done)
        if by_generators and power is not None:
            result.power = replace(power, marginal_intensity=frozen(marginal_intensity(program, rows)))
        result.marginal_emissions = frozen(by_node(program, rows))

    def send_receipts(self, result: PeriodResult) -> None:
        """Give everybody who learns the own receipt; all see their own results and the prices next period."""
        # Asked in each period, since a strategy may have been put in the place of another one.
        learners = [agent for agents in self._by_kind.values() for agent in agents if agent.learns]
        if learners:
            history, market = self.history, self.last_market
            for agent in learners:
                agent.published = market
                agent.learn(result, history)

    def waiting(self, names: Sequence[str]) -> dict[str, Floats]:
        """Return what waits and what was lost waiting in all regions, once the receipts are sent.

        Parameters
        ----------
        names : sequence of str
            Which of `variables.BACKLOG`.

        Returns
        -------
        dict of ndarray
            By name, in Mtok, dims (node, workload); zero where no strategy lets work wait.
        """
        sizes = self.layout.sizes
        found = {name: np.zeros((sizes["node"], sizes["workload"])) for name in names}
        for region in self.regions:
            for name, array in found.items():
                own = getattr(region.strategy, name)
                if own is not None:
                    array[region.rows] = own
        return found

    def __getstate__(self) -> dict[str, Any]:
        """Leave the solver's model out of pickles and copies: it is made again, and results do not depend on it."""
        return {**vars(self), "clearer": None, "_second": None, "_known": KnownPeriods(), "_again": None}

    def get_state(self) -> dict[str, Any]:
        """Return what it remembers: the last result and what it has published (clearing needs no memory)."""
        return {"result": copy.deepcopy(self.result), "published": self._published.get_state()}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go back to what `get_state` returned."""
        self.result = copy.deepcopy(state["result"])
        self._market = None
        if self.result is not None:
            self.result.freeze()
            # The result holds the market's numbers, and the layout its labels.
            self._market = Market.from_arrays(self.layout, self.result.arrays, self.hours, check=False)
        self._published.set_state(state["published"])
