"""What all participants of the market have in common."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import mesa
import numpy as np

from tokenflow_sim.agents.archive import frozen
from tokenflow_sim.agents.streams import stream
from tokenflow_sim.errors import StrategyError
from tokenflow_sim.strategies.base import BaseStrategy, Floats, Ints, Kind
from tokenflow_sim.strategies.registry import BASES

if TYPE_CHECKING:
    from tokenflow_sim.market import Layout

Rows = slice | Ints


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
    """

    layout: Layout
    periods: int
    hours: float
    seed: int
    transfer: Floats


class Participant[S: BaseStrategy](mesa.Agent):
    """An agent that submits to the market through its strategy.

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

    def __init__(
        self, model: mesa.Model, name: str, strategy: S, rows: Sequence[int] | Ints, horizon: Horizon
    ) -> None:
        super().__init__(model)
        self.name = name
        self.strategy: S = strategy
        self.rows = as_rows(rows)
        self.count = len(rows)
        self.periods, self.hours = horizon.periods, horizon.hours
        self.workloads = tuple(map(str, horizon.layout.workloads))
        self._stream = stream(horizon.seed, self.kind, name)
        # Who does not learn gets no receipt: making one is a good part of what an agent costs.
        self.learns: bool = type(strategy).learn is not BASES[self.kind].learn  # type: ignore[attr-defined]
        self.last: tuple[Floats | None, ...] = ()

    @property
    def rng(self) -> np.random.Generator:
        """The agent's own stream of random numbers (Mesa's would be the model's, shared by all)."""
        return self._stream

    def own(self, array: Floats) -> Floats:
        """Return the agent's own rows of an array, read-only."""
        return frozen(array[self.rows])

    def get_state(self) -> dict[str, Any]:
        """Return all that the agent remembers: of its strategy, its stream, and its last results."""
        return {
            "strategy": self.strategy.get_state(),
            "rng": self._stream.bit_generator.state,
            "last": copy.deepcopy(self.last),
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go back to what `get_state` returned."""
        self.strategy.set_state(state["strategy"])
        self._stream.bit_generator.state = state["rng"]
        self.last = tuple(None if array is None else frozen(np.asarray(array)) for array in state["last"])

    def fail(self, period: int, error: Exception) -> NoReturn:
        """Say in whose strategy and when something went wrong, and raise it.

        Raises
        ------
        StrategyError
            If that is what went wrong.
        Exception
            Whatever else the strategy raised, with a note.
        """
        place = f"{self.kind} {self.name!r}, period {period}, strategy {self.strategy!r}"
        if isinstance(error, StrategyError):
            raise StrategyError(f"{place}: {error}") from error
        error.add_note(f"in {place}")
        raise error

    def wrong_type(self, period: int, found: object, needed: type) -> NoReturn:
        """Say that the strategy returned something else than it must.

        Raises
        ------
        StrategyError
            Always.
        """
        self.fail(period, StrategyError(f"must return an {needed.__name__}; found {found!r:.80}"))


def as_rows(positions: Sequence[int] | Ints) -> Rows:
    """Return positions as a slice where they are consecutive, since slices are views and cost nothing."""
    array = np.asarray(positions, dtype=np.int64)
    if len(array) and (np.diff(array) == 1).all():
        return slice(int(array[0]), int(array[-1]) + 1)
    return array
