"""What all participants of the market have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import Any, ClassVar, NoReturn

import mesa
import numpy as np

from tokenflow_sim.agents.period_result import PeriodResult
from tokenflow_sim.agents.streams import stream
from tokenflow_sim.errors import StrategyError
from tokenflow_sim.market import Layout, Market
from tokenflow_sim.numeric import Floats, Ints, frozen
from tokenflow_sim.scenario.contract_rules import Contracts
from tokenflow_sim.scenario.mitigation import Mitigation
from tokenflow_sim.scenario.state import State
from tokenflow_sim.strategies.base import BaseStrategy, History, Kind, View
from tokenflow_sim.strategies.demand import DemandView
from tokenflow_sim.strategies.network import NetworkView
from tokenflow_sim.strategies.registry import BASES

Rows = slice | Ints
AnyView = View | NetworkView | DemandView

ANYTHING = (Exception, SystemExit)
"""What a strategy may raise; one that exits would end every run of a study."""


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What every participant knows of the run.

    Parameters
    ----------
    layout : Layout
        Labels and incidence of the market.
    periods : int
        Number of periods.
    hours : float
        Length of a period.
    seed : int
        The run's seed, from which everybody's stream of random numbers comes.
    transfer : ndarray
        Data moved by one unit of service in GB/Mtok, as tariffs count it, dims (arc, workload).
    reference_price : callable
        Works out the scenario's reference price in $/Mtok, dims (node, workload): for demand regions.
    contracts : Contracts or None
        Forward contracts; None without any.
    mitigation : Mitigation or None
        Rules against market power, which the clearing house applies; None without any.
    """

    layout: Layout
    periods: int
    hours: float
    seed: int
    transfer: Floats
    reference_price: Callable[[], Floats]
    contracts: Contracts | None = None
    mitigation: Mitigation | None = None

    def stream(self, kind: Kind, name: str) -> np.random.Generator:
        """Return the stream of random numbers of a participant."""
        return stream(self.seed, kind, name)


class Participant[S: BaseStrategy, V, T, R](mesa.Agent):
    """An agent that submits to the market through its strategy.

    A kind of participant says what its strategies see (V), submit (T) and learn from (R).

    Parameters
    ----------
    model : mesa.Model
        The model it lives in.
    name : str
        Its name.
    strategy : BaseStrategy
        What it does; belongs to this agent alone from here on.
    rows : sequence of int
        Positions of what it owns: assets, arcs or nodes.
    run : RunInfo
        What it knows of the run.
    """

    kind: ClassVar[Kind]
    submission: ClassVar[type]

    def __init__(
        self, model: mesa.Model, name: str, strategy: S, rows: Sequence[int] | Ints, run: RunInfo
    ) -> None:
        super().__init__(model)
        self.name = name
        self.rows = as_rows(rows)
        self.shape = (len(rows), len(run.layout.workloads))
        self.periods, self.hours = run.periods, run.hours
        self.workloads = tuple(map(str, run.layout.workloads))
        # The agent's own rows of a read-only array; a copy where they are not consecutive.
        self.take_rows: Callable[[Floats], Floats] = (
            itemgetter(self.rows) if isinstance(self.rows, slice) else partial(_take, self.rows)
        )
        # The last market as submitted, where it is published; the clearing house sets it before `learn`.
        self.published: Market | None = None
        # The view that `look_ahead` made of the next period, with the state that it is of.
        self._ahead: tuple[State, V] | None = None
        self._stream = run.stream(self.kind, name)
        self.holding = None if run.contracts is None else run.contracts.held_by((self.kind, name))
        self.strategy = strategy

    @property
    def strategy(self) -> S:
        """What it does; another one takes over from the next period on."""
        return self._strategy

    @strategy.setter
    def strategy(self, strategy: S) -> None:
        self._strategy = strategy
        # Who does not learn gets no receipt: making one is a good part of what an agent costs.
        self.learns: bool = (
            type(strategy).learn is not BASES[self.kind].learn  # type: ignore[attr-defined]
            or type(self).learn is not Participant.learn
        )

    @property
    def rng(self) -> np.random.Generator:
        """The agent's own stream of random numbers (Mesa's would be the model's, shared by all)."""
        return self._stream

    @abstractmethod
    def view(
        self,
        period: int,
        state: State,
        last: PeriodResult | None,
        history: History,
        last_market: Market | None,
    ) -> V:
        """Return what the strategy sees: of everything exogenous and of the last period, its own rows only."""

    def look_ahead(
        self,
        period: int,
        state: State,
        last: PeriodResult | None,
        history: History,
        last_market: Market | None,
    ) -> V:
        """Return what the strategy will see in the next period; parameters as of `submit`, which uses it too."""
        if self._ahead is None or self._ahead[0] is not state:
            self._ahead = state, self.view(period, state, last, history, last_market)
        return self._ahead[1]

    def show_common(self, view: AnyView, period: int, history: History, last_market: Market | None) -> None:
        """Set the fields that views of all kinds have.

        They are set one by one, since the ``__init__`` of a view takes four times as long for all of its fields.
        """
        view.name, view.period, view.periods, view.hours = self.name, period, self.periods, self.hours
        view.workloads, view.history, view.rng = self.workloads, history, self._stream
        view.last_market = last_market
        view.contracts = None if self.holding is None else self.holding.at(period)

    def contract_income(self, result: PeriodResult) -> Floats | None:
        """Return what the agent's forward contracts brought in $, dims (node, workload); None where it has none."""
        if self.holding is None:
            return None
        return frozen(self.holding.at(result.period).income(result.values.price))

    @abstractmethod
    def decide(self, view: V) -> T:
        """Ask the strategy for a submission."""

    @abstractmethod
    def receipt(self, result: PeriodResult, history: History) -> R:
        """Return what the strategy learns from a cleared period, and from `published`, its market."""

    def last_total(self, field: str) -> float:
        """Return the sum of the agent's rows of a field of the last period, zero before the first."""
        result = self.model.clearing_house.result
        return 0.0 if result is None else float(self.take_rows(getattr(result, field)).sum())

    def submit(
        self,
        period: int,
        state: State,
        last: PeriodResult | None,
        history: History,
        last_market: Market | None = None,
    ) -> T:
        """Make the submission of one period.

        Parameters
        ----------
        period : int
            The period.
        state : State
            Everything exogenous, demand with its noise.
        last : PeriodResult or None
            What the last period brought; None in the first.
        history : History
            What the market has published.
        last_market : Market or None
            The last period's market, where the market publishes it.

        Raises
        ------
        StrategyError
            If the strategy returns something else.
        """
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead[0] is state:
            view = ahead[1]
        else:
            view = self.view(period, state, last, history, last_market)
        try:
            made = self.decide(view)
        except ANYTHING as error:
            self.fail(period, error)
        if not isinstance(made, self.submission):
            self.wrong_type(period, made, self.submission)
        return made

    def learn(self, result: PeriodResult, history: History) -> None:
        """Give the strategy the receipt of a cleared period to learn from."""
        receipt = self.receipt(result, history)
        try:
            self.strategy.learn(receipt)  # type: ignore[attr-defined]  # each kind's base has it, with its receipt
        except ANYTHING as error:
            self.fail(result.period, error)

    def get_state(self) -> dict[str, Any]:
        """Return all that the agent remembers: of its strategy and its stream."""
        return {"strategy": self.strategy.get_state(), "rng": self._stream.bit_generator.state}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go back to what `get_state` returned."""
        self._ahead = None
        self.strategy.set_state(state["strategy"])
        self._stream.bit_generator.state = state["rng"]

    def describe(self, period: int) -> str:
        """Return whose strategy it was and when, for messages."""
        return f"{self.kind} {self.name!r}, period {period}, strategy {self.strategy!r}"

    def fail(self, period: int, error: Exception | SystemExit) -> NoReturn:
        """Say in whose strategy and when something went wrong, and raise it.

        Raises
        ------
        StrategyError
            If that is what went wrong, or the strategy asked Python to exit.
        Exception
            Whatever else the strategy raised, with a note.
        """
        if isinstance(error, StrategyError):
            raise StrategyError(f"{self.describe(period)}: {error}") from error
        if isinstance(error, SystemExit):
            raise StrategyError(
                f"{self.describe(period)}: asked Python to exit; raise an error instead"
            ) from error
        error.add_note(f"in {self.describe(period)}")
        raise error

    def wrong_type(self, period: int, found: object, needed: type) -> NoReturn:
        """Say that the strategy returned something else than it must.

        Raises
        ------
        StrategyError
            Always.
        """
        article = "an" if needed.__name__[0] in "AEIOU" else "a"
        raise StrategyError(
            f"{self.describe(period)}: must return {article} {needed.__name__}; found {found!r:.80}"
        )


def _take(rows: Ints, array: Floats) -> Floats:
    return frozen(array.take(rows, axis=0))


def as_rows(positions: Sequence[int] | Ints) -> Rows:
    """Return positions as a slice where they are consecutive, since slices are views and cost nothing."""
    array = np.asarray(positions, dtype=np.int64)
    if not len(array):
        return slice(0, 0)
    if (np.diff(array) == 1).all():
        return slice(int(array[0]), int(array[-1]) + 1)
    return array
