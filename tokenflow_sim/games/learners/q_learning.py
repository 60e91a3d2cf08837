"""Q-learning in a repeated game, over what all players did last, as in the studies of algorithmic pricing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from tokenflow_sim.errors import Fault
from tokenflow_sim.games.learners.base import Seat, bounded, drawn, one_of, uniformly
from tokenflow_sim.numeric import Bools, Floats, Ints

Exploration = Literal["epsilon_greedy", "boltzmann"]


@dataclass(frozen=True)
class QLearning:
    """Tabular Q-learning.

    Parameters
    ----------
    rate : float
        Weight of the newest value, alpha, from 0 to 1.
    discount : float
        What a payoff of the next period is worth now, delta, from 0 to less than 1.
    decay : float
        How fast trials end, beta: in period t (from 0) one of all actions is drawn with probability exp(-beta t).
    memory : {1, 0}
        Whether the state is what all players did last (what the others did last, where players move in turns), or
        there is one state only.
    initial : {'uniform_rivals'} or float
        Value of an action at the start: what it would earn for ever if rivals drew evenly among their actions, or the
        same number for all.
    exploration : {'epsilon_greedy', 'boltzmann'}
        How is tried: as above, or every action with a probability in proportion to exp(Q / T).
    temperature, cooling : float
        With ``boltzmann``: T in the first period, in the unit of payoffs, and what it is multiplied by every period.

    Notes
    -----
    When action a was played in state s, brought the reward r and led to s',

        Q(s, a) <- (1 - alpha) Q(s, a) + alpha (r + delta max_a' Q(s', a')).

    Where players move in turns, r is the sum of what the periods until the next own move bring, discounted, and delta
    is to the power of their number, as in Klein (2021). Where several actions are best, the first counts.

    References
    ----------
    E. Calvano, G. Calzolari, V. Denicolo and S. Pastorello, "Artificial Intelligence, Algorithmic Pricing, and
    Collusion", American Economic Review 110 (2020) 3267-3297: the update, trials and start values. L. Waltman and
    U. Kaymak, "Q-learning Agents in a Cournot Oligopoly Model", Journal of Economic Dynamics and Control 32 (2008)
    3275-3293: ``boltzmann``. T. Klein, "Autonomous Algorithmic Collusion: Q-learning under Sequential Pricing", RAND
    Journal of Economics 52 (2021) 538-558: moves in turns.
    """

    rate: float = 0.15
    discount: float = 0.95
    decay: float = 4e-6
    memory: int = 1
    initial: float | Literal["uniform_rivals"] = "uniform_rivals"
    exploration: Exploration = "epsilon_greedy"
    temperature: float = 1000.0
    cooling: float = 0.99999

    remembers: ClassVar[bool] = True

    def faults(self) -> list[Fault]:
        """Return what is wrong with the parameters."""
        found = [
            *bounded("rate", self.rate, 0.0, 1.0),
            *bounded("discount", self.discount, 0.0, 1.0),
            *bounded("decay", self.decay, 0.0),
            *bounded("temperature", self.temperature, 0.0, above=True),
            *bounded("cooling", self.cooling, 0.0, 1.0, above=True),
            *one_of("exploration", self.exploration, ("epsilon_greedy", "boltzmann")),
        ]
        if self.discount == 1:
            found.append(Fault("must be less than 1; found 1", "discount"))
        if self.memory not in (0, 1):
            found.append(Fault(f"must be 0 or 1; found {self.memory!r:.60}", "memory"))
        if self.initial != "uniform_rivals":
            words = "must be 'uniform_rivals' or a finite number"
            if bounded("initial", self.initial, -math.inf):
                found.append(Fault(f"{words}; found {self.initial!r:.60}", "initial"))
        return found

    def learner(self, seat: Seat, sessions: int) -> QLearner:
        """Return a learner for one player in so many sessions."""
        return QLearner(self, seat, sessions)


class QLearner:
    """One player's tables in all sessions; dims of `q` are (row, action), a session's states following each other."""

    def __init__(self, rule: QLearning, seat: Seat, sessions: int) -> None:
        self.rule, self.seat = rule, seat
        self.discount: float | None = rule.discount
        self.draws = 2 if rule.exploration == "epsilon_greedy" else 1
        self._carry = rule.discount**seat.every
        states = len(seat.payoff)
        self._state_of: Ints | None = None  # the state is the profile itself
        if rule.memory == 0:
            states, self._state_of = 1, np.zeros(states, dtype=np.int64)
        elif seat.every > 1:
            states, self._state_of = len(seat.replies), seat.others
        self.states = states
        if rule.initial == "uniform_rivals":
            start = seat.against_even / (1.0 - rule.discount)
        else:
            start = np.full(seat.actions, float(rule.initial))
        self._take_up(np.tile(start, (sessions * states, 1)))

    def _take_up(self, q: Floats) -> None:
        """Hold tables, and what is looked up of them: the best action of each row, and its value."""
        self.q = np.ascontiguousarray(q)
        self._flat = self.q.reshape(-1)
        self.best: Ints = self.q.argmax(axis=1)
        self.value: Floats = self.q.max(axis=1)
        sessions = len(q) // self.states
        self._base = np.arange(sessions) * self.states
        self._first = np.arange(sessions) * self.seat.actions
        self._row = np.empty((sessions, self.seat.actions))

    def _rows(self, profile: Ints) -> Ints:
        state = profile if self._state_of is None else self._state_of.take(profile)
        return self._base + state

    def choose(self, period: int, profile: Ints, uniform: Floats) -> Ints:
        """Draw while young, then play the best of the state."""
        rule = self.rule
        row = self._rows(profile)
        if rule.exploration == "boltzmann":
            temperature = rule.temperature * rule.cooling**period
            ahead = self.q.take(row, axis=0) - self.value.take(row)[:, None]
            with np.errstate(
                over="ignore", invalid="ignore"
            ):  # at last the temperature is zero: 0 / 0 is the best
                weight = np.exp(ahead / temperature) if temperature > 0 else (ahead == 0.0) * 1.0
            return drawn(weight, uniform[0])
        action = self.best.take(row)
        np.copyto(
            action,
            uniformly(uniform[1], self.seat.actions),
            where=uniform[0] < math.exp(-rule.decay * period),
        )
        return action

    def learn(self, before: Ints, action: Ints, after: Ints, reward: Floats | None) -> Bools:
        """Move Q towards what the period brought and what the next state is worth."""
        rate, row = self.rule.rate, self._rows(before)
        if reward is None:
            reward = self.seat.payoff.take(after)
        ahead = self.value.take(self._rows(after))
        cell = row * self.seat.actions + action
        self._flat[cell] = (1.0 - rate) * self._flat.take(cell) + rate * (reward + self._carry * ahead)
        self.q.take(row, axis=0, out=self._row, mode="clip")
        best = self._row.argmax(axis=1)
        self.value[row] = self._row.reshape(-1).take(self._first + best)
        changed: Bools = best != self.best.take(row)
        self.best[row] = best
        return changed

    def policy(self, sessions: Ints) -> Ints:
        """Return the best action of each state by profile, dims (session, profile), or (session, 1) without memory."""
        best = self.best.reshape(-1, self.states)[sessions]
        if self._state_of is None or self.states == 1:
            return best
        return best[:, self._state_of]

    def arrays(self) -> dict[str, Any]:
        """Return the tables, dims (session, state, action)."""
        return {"q": self.q.reshape(-1, self.states, self.seat.actions)}

    def restore(self, arrays: dict[str, Any]) -> None:
        """Take up tables."""
        self._take_up(arrays["q"].reshape(-1, self.seat.actions))
