"""What all participants of the market have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import mesa
import numpy as np

from tokenflow_sim.agents.streams import stream
from tokenflow_sim.errors import StrategyError
from tokenflow_sim.strategies.base import BaseStrategy, Floats, History, Ints, Kind
from tokenflow_sim.strategies.registry import BASES

if TYPE_CHECKING:
    from tokenflow_sim.agents.outcome import Outcome
    from tokenflow_sim.market import Layout, Market
    from tokenflow_sim.scenario.compiled import State

Rows = slice | Ints

# What a strategy may raise; one that exits would end every run of a study.
_ANYTHING = (Exception, SystemExit)


@dataclass(frozen=True, slots=True)
class Horizon:
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
    """

    layout: Layout
    periods: int
    hours: float
    seed: int
    transfer: Floats
    reference_price: Callable[[], Floats]


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
    horizon : Horizon
        What it knows of the run.
    """

    kind: ClassVar[Kind]
    submission: ClassVar[type]

    def __init__(
        self, model: mesa.Model, name: str, strategy: S, rows: Sequence[int] | Ints, horizon: Horizon
    ) -> None:
        super().__init__(model)
        self.name = name
        self.strategy: S = strategy
        self.rows = as_rows(rows)
        self.shape = (len(rows), len(horizon.layout.workloads))
        self.periods, self.hours = horizon.periods, horizon.hours
        self.workloads = tuple(map(str, horizon.layout.workloads))
        # The agent's own rows of a read-only array; a copy where they are not consecutive.
        self.own: Callable[[Floats], Floats] = (
            itemgetter(self.rows) if isinstance(self.rows, slice) else partial(_take, self.rows)
        )
        # The last market as submitted, where it is published; the clearing house sets it before `learn`.
        self.published: Market | None = None
        self._stream = stream(horizon.seed, self.kind, name)
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
        last: Outcome | None,
        history: History,
        last_market: Market | None,
    ) -> V:
        """Return what the strategy sees: of everything exogenous and of the last outcome, its own rows only."""

    @abstractmethod
    def decide(self, view: V) -> T:
        """Ask the strategy for a submission."""

    @abstractmethod
    def receipt(self, outcome: Outcome, history: History) -> R:
        """Return what the strategy learns from a cleared period, and from `published`, its market."""

    def submit(
        self,
        period: int,
        state: State,
        last: Outcome | None,
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
        last : Outcome or None
            The last period's outcome; None in the first.
        history : History
            What the market has published.
        last_market : Market or None
            The last period's market, where the market publishes it.

        Raises
        ------
        StrategyError
            If the strategy returns something else.
        """
        view = self.view(period, state, last, history, last_market)
        try:
            # What overflows is not finite, which the book tells with its place.
            with np.errstate(over="ignore"):
                made = self.decide(view)
        except _ANYTHING as error:
            self.fail(period, error)
        if not isinstance(made, self.submission):
            self.wrong_type(period, made, self.submission)
        return made

    def learn(self, outcome: Outcome, history: History) -> None:
        """Give the strategy the receipt of a cleared period to learn from."""
        receipt = self.receipt(outcome, history)
        try:
            self.strategy.learn(receipt)  # type: ignore[attr-defined]  # each kind's base has it, with its receipt
        except _ANYTHING as error:
            self.fail(outcome.period, error)

    def get_state(self) -> dict[str, Any]:
        """Return all that the agent remembers: of its strategy and its stream."""
        return {"strategy": self.strategy.get_state(), "rng": self._stream.bit_generator.state}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go back to what `get_state` returned."""
        self.strategy.set_state(state["strategy"])
        self._stream.bit_generator.state = state["rng"]

    def told(self, period: int) -> str:
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
            raise StrategyError(f"{self.told(period)}: {error}") from error
        if isinstance(error, SystemExit):
            raise StrategyError(
                f"{self.told(period)}: asked Python to exit; raise an error instead"
            ) from error
        error.add_note(f"in {self.told(period)}")
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
            f"{self.told(period)}: must return {article} {needed.__name__}; found {found!r:.80}"
        )


def _take(rows: Ints, array: Floats) -> Floats:
    taken = array.take(rows, axis=0)
    taken.flags.writeable = False
    return taken


def as_rows(positions: Sequence[int] | Ints) -> Rows:
    """Return positions as a slice where they are consecutive, since slices are views and cost nothing."""
    array = np.asarray(positions, dtype=np.int64)
    if len(array) and (np.diff(array) == 1).all():
        return slice(int(array[0]), int(array[-1]) + 1)
    return array
