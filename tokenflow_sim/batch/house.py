"""The clearing house of markets beside each other, and what a period brings in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import mesa
import numpy as np

from tokenflow_sim.agents import ComputeProvider, DemandRegion, NetworkOwner, RunInfo
from tokenflow_sim.agents.clearing_house import ClearingHouse, add_hints
from tokenflow_sim.agents.contract_result import settle_contracts
from tokenflow_sim.agents.mitigation import Mitigator
from tokenflow_sim.agents.order_book import OrderBook
from tokenflow_sim.agents.ownership import Ownership
from tokenflow_sim.agents.period_result import PeriodResult
from tokenflow_sim.errors import InfeasibleError, MarketError, StrategyError
from tokenflow_sim.market import Clearing, Market
from tokenflow_sim.market.beside import ClearerBeside, LayoutBeside
from tokenflow_sim.market.pricing_rules import check_rule
from tokenflow_sim.numeric import Floats, Ints
from tokenflow_sim.scenario.state import State


class PeriodBeside(PeriodResult):
    """What a period brought in many markets: where a market has one number, here it is an array, dims (market,)."""

    def __init__(
        self, period: int, state: State, worth: Floats, clearing: Clearing, ownership: Ownership, many: int
    ) -> None:
        super().__init__(period, state, worth, clearing, ownership)
        self.many = many

    def total(self, amounts: Floats) -> Any:
        """Return the sum of amounts over each market."""
        # Each market's numbers follow each other, so that they are added in the order of one market alone.
        return amounts.reshape(self.many, -1).sum(axis=1)


class HouseBeside(ClearingHouse):
    """Clears markets that stand beside each other, each as if it were alone.

    Parameters
    ----------
    model : mesa.Model
        The model it lives in.
    run : RunInfo
        Labels of all markets, number and length of periods.
    providers, owners, regions : sequence
        The agents: one for those of one name in all markets.
    length : int
        How many periods of history it publishes.
    publish_offers : bool
        Whether it publishes each market as submitted once it is cleared.
    seeds : sequence of int
        The markets' seeds.
    alone : mapping
        The agents of one market by kind, whose rows are those of one.
    """

    def __init__(
        self,
        model: mesa.Model,
        run: RunInfo,
        providers: list[ComputeProvider],
        owners: list[NetworkOwner],
        regions: list[DemandRegion],
        length: int,
        publish_offers: bool,
        seeds: Sequence[int],
        alone: Mapping[str, list[Any]],
    ) -> None:
        super().__init__(model, run, providers, owners, regions, length, None, publish_offers)
        assert isinstance(run.layout, LayoutBeside)
        self._one, self._seeds, self._alone = run.layout.one, tuple(seeds), alone
        self._each = ClearerBeside(run.layout)
        own, many = self._ownership, len(self._seeds)
        self._ownership = Ownership(
            _shifted(own.provider_of, own.providers, many), _shifted(own.owner_of, own.owners, many),
            own.providers * many, own.owners * many,
        )  # fmt: skip
        self.sorted = 0
        self._rules = run.mitigation

    def collect(self, period: int, state: State) -> OrderBook:
        """Ask everybody for submissions.

        Raises
        ------
        StrategyError
            If one is not what its market can take, with a note that names the seed.
        """
        book = self.ask(period, state)
        try:
            book.check(self._by_kind, period)
        except StrategyError:
            self._raise_alone(book, period)
            raise
        return book

    def _raise_alone(self, book: OrderBook, period: int) -> None:
        """Raise the error of the first market whose submissions are at fault, as it would be there alone."""
        many = len(self._seeds)
        for number, seed in enumerate(self._seeds):
            own = {
                name: array.reshape(many, -1, *array.shape[1:])[number]
                for name in ("capacity", "link_capacity")
                for array in [getattr(book.state, name)]
            }
            one = OrderBook(self._one, replace(book.state, **own))
            for name in ("price", "quantity", "demand", "route_cost", "link_capacity", "value"):
                target, whole = getattr(one, name), getattr(book, name)
                target[:] = whole.reshape(many, -1, *whole.shape[1:])[number]
            for name in ("offer_slope", "value_slope"):
                if (whole := getattr(book, name)) is not None:
                    setattr(one, name, whole.reshape(many, -1, *whole.shape[1:])[number])
            if book.worth is not book.value:
                one.worth = book.worth.reshape(many, -1, *book.worth.shape[1:])[number]
            try:
                one.check(self._alone, period)
            except StrategyError as error:
                error.add_note(_note(seed))
                raise error from None

    def clear(self, period: int, state: State, book: OrderBook) -> PeriodResult:
        """Clear and settle one period of every market, and publish its prices.

        Raises
        ------
        InfeasibleError, CertificateError, MarketError
            If a market cannot be cleared or settled, with a note that names the seed.
        """
        market = Market.from_arrays(self.layout, book.arrays(), self.hours, check=False)
        many, mitigated = len(self._seeds), dict[str, Floats]()
        try:
            if self._mitigator is None:
                clearing = self._cleared(market, state)
            else:
                costs, clear = (state.true_cost, state.link_capacity), partial(self._cleared, state=state)
                clearing, mitigated = self._mitigator.clear(market, *costs, clear)
            result = PeriodBeside(period, state, book.worth, clearing, self._ownership, many)
        except MarketError:
            self._raise_of_one(market, state)
            raise
        result.beside |= mitigated
        if self._contracts is not None:
            result.beside |= settle_contracts(self._contracts, result, self._provider_names, many)
        self._published.append(result.values.price, result.bid, result.unserved)
        self.result, self._market = result, clearing.market
        return result

    def _cleared(self, market: Market, state: State) -> Clearing:
        """Clear all markets."""
        found = self._each.clear(market, stop=True)
        for number, error in found.failed.items():
            if isinstance(error, InfeasibleError):
                add_hints(error, self._each.one(market, number), state)
            error.add_note(_note(self._seeds[number]))
            raise error
        self.sorted += int(found.sorted.sum())
        worst = SimpleNamespace(worst=found.worst)
        return cast(Clearing, SimpleNamespace(market=market, values=found.values, certificate=worst))

    def _raise_of_one(self, market: Market, state: State) -> None:
        """Raise the error of the first market that the rules of mitigation or pricing do not fit, as it is alone."""
        mitigator = None if self._rules is None else Mitigator(self._rules, self._one)
        costs = self.layout.by_market(state.true_cost)
        for number, seed in enumerate(self._seeds):
            one = self._each.one(market, number)
            try:
                arrays = one.arrays if mitigator is None else mitigator.capped(one.arrays, costs[number])
                check_rule(self._one, arrays.with_(pricing=market.arrays.pricing))
            except MarketError as error:
                error.add_note(_note(seed))
                raise error from None


def _shifted(places: Ints, count: int, many: int) -> Ints:
    found: Ints = (np.arange(many)[:, None] * count + places.reshape(many, -1)).ravel()
    return found


def _note(seed: int) -> str:
    return f"in the market of seed {seed}"
