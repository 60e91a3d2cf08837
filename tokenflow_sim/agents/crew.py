"""Agents that act alike and look at nothing but the period's numbers: asked together, in one call.

Most agents of most markets are price takers: they submit what their costs, links or demand are. What twenty of them
submit is what one of them would who had all their rows, and it stays the same as long as these numbers do.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np

from tokenflow_sim.agents.participant import ANYTHING, Participant, Rows, as_rows
from tokenflow_sim.agents.participants import ComputeProvider, DemandRegion, NetworkOwner
from tokenflow_sim.numeric import Floats, frozen
from tokenflow_sim.scenario.state import State
from tokenflow_sim.strategies.base import BaseStrategy, History, Kind

_Member = Participant[Any, Any, Any, Any]


@dataclass(frozen=True, slots=True)
class _Side:
    """How one kind of agents meets the state.

    Parameters
    ----------
    agents : type
        Its class of agents, which see these numbers of a state, row by row: those of a user's own may see anything.
    numbers : callable
        Returns the numbers.
    names : tuple of str
        Their names in a view.
    submitted : callable
        Returns the arrays of a submission, each of which has the dims of the number beside it.
    """

    agents: type[_Member]
    numbers: Callable[[State], tuple[Floats, Floats]]
    names: tuple[str, str]
    submitted: Callable[[Any], tuple[Floats, Floats]]


_SIDES: dict[Kind, _Side] = {
    "provider": _Side(
        ComputeProvider, attrgetter("true_cost", "capacity"), ("cost", "capacity"), attrgetter("price", "quantity")
    ),
    "owner": _Side(
        NetworkOwner, attrgetter("route_cost", "link_capacity"), ("route_cost", "capacity"),
        attrgetter("route_cost", "capacity"),
    ),
    "region": _Side(
        DemandRegion, attrgetter("demand", "value"), ("demand", "value"), attrgetter("quantity", "value")
    ),
}  # fmt: skip


class Crew:
    """Agents of one kind with equal strategies that follow the state alone (`BaseStrategy.follows_state`).

    Parameters
    ----------
    members : sequence of Participant
        The agents.

    Attributes
    ----------
    rows : slice or ndarray of int
        Positions of all that they own.
    shape : tuple of int
        Of what they submit.
    strategy : BaseStrategy
        That of the first of them, which acts for all.
    """

    def __init__(self, members: Sequence[_Member]) -> None:
        first = members[0]
        self.members, self.strategy = tuple(members), first.strategy
        owned = np.sort(np.concatenate([np.arange(_beyond(agent.rows))[agent.rows] for agent in members]))
        self.rows: Rows = as_rows(owned)
        self.shape = (len(owned), *first.shape[1:])
        self._side = _SIDES[first.kind]
        self._pairs = tuple((agent, agent.strategy) for agent in members)
        # A copy, so that what changes inside a list or a mapping is noticed too.
        self._parameters = copy.deepcopy(vars(self.strategy))
        self._kept: tuple[Floats, Floats, Any] | None = None

    @property
    def is_whole(self) -> bool:
        """Whether its members still have the strategies, and these the parameters, that they were put together for."""
        parameters = self._parameters
        try:
            for agent, strategy in self._pairs:
                if agent.strategy is not strategy or strategy.__dict__ != parameters:
                    return False
        except Exception:  # one has become an array, for example, which is neither equal nor different
            return False
        return True

    def describe(self, period: int) -> str:
        """Return whose strategies these are and when, for messages of the order book."""
        names = ", ".join(agent.name for agent in self.members)
        return f"{self.members[0].kind}s {names}, period {period}, strategy {self.strategy!r}"

    def submit(self, period: int, state: State, history: History) -> Any:
        """Return what all of them submit in a period, or None where they have to be asked one by one."""
        side, kept = self._side, self._kept
        numbers = side.numbers(state)
        if kept is not None and kept[0] is numbers[0] and kept[1] is numbers[1]:
            return kept[2]
        agent = self.members[0]
        # The last period is left out of the view, since what of it nobody looks at is not worked out.
        view = agent.view(period, state, None, history, None)
        own = tuple(frozen(array[self.rows]) for array in numbers)
        for name, array in zip(side.names, own, strict=True):
            setattr(view, name, array)
        try:
            made = agent.decide(view)
        except ANYTHING:  # it comes again, with a name to it, when its agent is asked alone
            return None
        if not isinstance(made, agent.submission) or any(
            array.shape != needed.shape for array, needed in zip(side.submitted(made), own, strict=True)
        ):
            return None
        self._kept = *numbers, made
        return made


def crews_of(agents: Sequence[_Member]) -> tuple[list[Crew], list[_Member]]:
    """Return the agents of one kind that act together, and those that have to be asked alone."""
    alike: list[list[_Member]] = []
    alone: list[_Member] = []
    for agent in agents:
        strategy = agent.strategy
        # A class that derives from one which follows the state may do anything: it has to say so itself.
        follows = vars(type(strategy)).get("follows_state", False)
        is_plain = type(agent) is _SIDES[agent.kind].agents and agent.holding is None
        if not (follows and is_plain and _can_be_compared(strategy)):
            alone.append(agent)
            continue
        for crew in alike:
            other = crew[0].strategy
            if type(other) is type(strategy) and vars(other) == vars(strategy):
                crew.append(agent)
                break
        else:
            alike.append([agent])
    return [Crew(crew) for crew in alike], alone


def _can_be_compared(strategy: BaseStrategy) -> bool:
    """Say whether it can be seen that parameters are equal: of arrays, and of objects without equality, it cannot."""
    try:
        return bool(copy.deepcopy(vars(strategy)) == vars(strategy))
    except Exception:
        return False


def _beyond(rows: Rows) -> int:
    """Return a number beyond all positions."""
    if isinstance(rows, slice):
        return int(rows.stop)
    return int(rows.max()) + 1 if len(rows) else 0
