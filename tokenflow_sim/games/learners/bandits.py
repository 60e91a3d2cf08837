"""Bandits in a repeated game: epsilon-greedy, UCB1 and EXP3, which weigh what each action has brought so far."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tokenflow_sim.errors import Fault
from tokenflow_sim.games.learners.base import BestArm, Seat, bounded, drawn, uniformly
from tokenflow_sim.numeric import Bools, Floats, Ints


class _MeanLearner:
    """Keeps how often each action was played, and what it brought on average, from 0 to 1 over the game's range."""

    draws, discount = 0, None

    def __init__(self, seat: Seat, sessions: int) -> None:
        self.seat = seat
        self.count: Floats = np.zeros((sessions, seat.actions))
        self.mean: Floats = np.zeros((sessions, seat.actions))
        self.played = 0
        self._arm = BestArm(sessions)

    def learn(self, before: Ints, action: Ints, after: Ints, reward: Floats | None) -> Bools:
        """Move the action's mean towards its reward."""
        unit = self.seat.unit.take(after) if reward is None else _unit(self.seat, reward)
        every = np.arange(len(action))
        self.count[every, action] += 1.0
        self.mean[every, action] += (unit - self.mean[every, action]) / self.count[every, action]
        self.played += 1
        return self._arm.changed(self.mean)

    def policy(self, sessions: Ints) -> Ints:
        """Return the action of the highest mean, dims (session, 1)."""
        return self._arm.best[sessions, None]

    def arrays(self) -> dict[str, Any]:
        """Return counts and means."""
        played = np.full(len(self.count), self.played)
        return {"count": self.count, "mean": self.mean, "best": self._arm.best, "played": played}

    def restore(self, arrays: dict[str, Any]) -> None:
        """Take up counts and means."""
        self.count, self.mean, self._arm.best = arrays["count"], arrays["mean"], arrays["best"]
        self.played = int(arrays["played"][0]) if len(arrays["played"]) else 0


def _unit(seat: Seat, reward: Floats) -> Floats:
    low, span = float(seat.payoff.min()), float(np.ptp(seat.payoff))
    return (reward - low) / span if span > 0 else np.full_like(reward, 0.5)


@dataclass(frozen=True)
class EpsilonGreedy:
    """Play the action that paid best on average, and now and then another one, ever less often.

    Every action is played once; then, with n plays done, one is drawn with probability min(1, max(c K / n, least)).

    Parameters
    ----------
    exploration : float
        How much is tried, c, not negative.
    least : float
        Lowest probability of trying, from 0 to 1.

    References
    ----------
    P. Auer, N. Cesa-Bianchi and P. Fischer, Machine Learning 47 (2002) 235-256.
    """

    exploration: float = 1.0
    least: float = 0.0

    remembers: ClassVar[bool] = False

    def faults(self) -> list[Fault]:
        """Return what is wrong with the parameters."""
        return [*bounded("exploration", self.exploration, 0.0), *bounded("least", self.least, 0.0, 1.0)]

    def learner(self, seat: Seat, sessions: int) -> EpsilonGreedyLearner:
        """Return a learner for one player in so many sessions."""
        return EpsilonGreedyLearner(self, seat, sessions)


class EpsilonGreedyLearner(_MeanLearner):
    """One player's means in all sessions."""

    draws = 2

    def __init__(self, rule: EpsilonGreedy, seat: Seat, sessions: int) -> None:
        super().__init__(seat, sessions)
        self.rule = rule

    def choose(self, period: int, profile: Ints, uniform: Floats) -> Ints:
        """Draw with probability epsilon, else play the best; what was not yet played goes first."""
        count = self.seat.actions
        if self.played < count:
            return np.full(len(self.mean), self.played)
        epsilon = min(1.0, max(self.rule.exploration * count / self.played, self.rule.least))
        return np.where(uniform[0] < epsilon, uniformly(uniform[1], count), self._arm.best)


@dataclass(frozen=True)
class UCB1:
    """Play the action that could be best: the highest mean_j + width sqrt(2 ln n / n_j), each once before.

    Parameters
    ----------
    width : float
        Width of the confidence bound, not negative; 1 is UCB1.

    References
    ----------
    P. Auer, N. Cesa-Bianchi and P. Fischer, Machine Learning 47 (2002) 235-256.
    """

    width: float = 1.0

    remembers: ClassVar[bool] = False

    def faults(self) -> list[Fault]:
        """Return what is wrong with the parameters."""
        return bounded("width", self.width, 0.0)

    def learner(self, seat: Seat, sessions: int) -> UCB1Learner:
        """Return a learner for one player in so many sessions."""
        return UCB1Learner(self, seat, sessions)


class UCB1Learner(_MeanLearner):
    """One player's means in all sessions; it draws nothing."""

    def __init__(self, rule: UCB1, seat: Seat, sessions: int) -> None:
        super().__init__(seat, sessions)
        self.rule = rule

    def choose(self, period: int, profile: Ints, uniform: Floats) -> Ints:
        """Play each once, then the highest bound."""
        if self.played < self.seat.actions:
            return np.full(len(self.mean), self.played)
        wide = self.rule.width * math.sqrt(2.0 * math.log(self.played))
        bound: Floats = self.mean + wide / np.sqrt(self.count)
        return bound.argmax(axis=1)


@dataclass(frozen=True)
class EXP3:
    """Draw the action by exponential weights, which holds up against rivals that react in any way.

    Parameters
    ----------
    gamma : float or None
        Share of the probability that is spread evenly, above 0 and at most 1; None takes the one that bounds the
        regret best over the most periods that are played.

    References
    ----------
    P. Auer, N. Cesa-Bianchi, Y. Freund and R. E. Schapire, SIAM Journal on Computing 32 (2002) 48-77, figure 1 and
    corollary 3.2.
    """

    gamma: float | None = None

    remembers: ClassVar[bool] = False

    def faults(self) -> list[Fault]:
        """Return what is wrong with the parameters."""
        return [] if self.gamma is None else bounded("gamma", self.gamma, 0.0, 1.0, above=True)

    def learner(self, seat: Seat, sessions: int) -> EXP3Learner:
        """Return a learner for one player in so many sessions."""
        return EXP3Learner(self, seat, sessions)


class EXP3Learner:
    """One player's weights in all sessions, as logarithms lest they overflow, dims (session, action)."""

    draws, discount = 1, None

    def __init__(self, rule: EXP3, seat: Seat, sessions: int) -> None:
        self.seat, count = seat, seat.actions
        tuned = math.sqrt(count * math.log(count) / ((math.e - 1.0) * seat.periods)) if count > 1 else 1.0
        self.rate = min(1.0, tuned) if rule.gamma is None else rule.gamma
        self.log_weight: Floats = np.zeros((sessions, count))
        self.probability: Floats = np.full((sessions, count), 1.0 / count)
        self._arm = BestArm(sessions)

    def choose(self, period: int, profile: Ints, uniform: Floats) -> Ints:
        """Draw by the weights."""
        weight = np.exp(self.log_weight - self.log_weight.max(axis=1, keepdims=True))
        weight /= np.cumsum(weight, axis=1)[:, -1:]
        self.probability = (1.0 - self.rate) * weight + self.rate / self.seat.actions
        return drawn(self.probability, uniform[0])

    def learn(self, before: Ints, action: Ints, after: Ints, reward: Floats | None) -> Bools:
        """Raise the weight by the reward over the probability it was drawn with."""
        unit = self.seat.unit.take(after) if reward is None else _unit(self.seat, reward)
        every = np.arange(len(action))
        self.log_weight[every, action] += (
            self.rate / self.seat.actions * (unit / self.probability[every, action])
        )
        return self._arm.changed(self.log_weight)

    def policy(self, sessions: Ints) -> Ints:
        """Return the action of the highest weight, dims (session, 1)."""
        return self._arm.best[sessions, None]

    def arrays(self) -> dict[str, Any]:
        """Return the weights, and the probabilities of the last draw."""
        return {"log_weight": self.log_weight, "probability": self.probability, "best": self._arm.best}

    def restore(self, arrays: dict[str, Any]) -> None:
        """Take up weights."""
        self.log_weight, self.probability = arrays["log_weight"], arrays["probability"]
        self._arm.best = arrays["best"]
