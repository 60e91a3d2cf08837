"""Fictitious play and best responses in a repeated game: answers to what rivals did so far, or did last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tokenflow_sim.errors import Fault
from tokenflow_sim.games.learners.base import BestArm, Seat, bounded, drawn, uniformly
from tokenflow_sim.numeric import Bools, Floats, Ints


@dataclass(frozen=True)
class FictitiousPlay:
    """Answer what rivals have played so far: the action that would have earned most against all of it together.

    Parameters
    ----------
    temperature : float
        0 plays a best reply; above it actions are drawn in proportion to exp(u / temperature), with u the average
        payoff against rivals' past over the range of the game's payoffs (smooth fictitious play).

    Notes
    -----
    The first action is drawn evenly. Rivals' past counts profile by profile: of several rivals the joint distribution
    is believed, not the product of each one's own.

    References
    ----------
    G. W. Brown, in T. C. Koopmans (ed.), Activity Analysis of Production and Allocation (1951) 374-376. D. Fudenberg
    and D. M. Kreps, "Learning Mixed Equilibria", Games and Economic Behavior 5 (1993) 320-367: the smooth variant.
    """

    temperature: float = 0.0

    remembers: ClassVar[bool] = False

    def faults(self) -> list[Fault]:
        """Return what is wrong with the parameters."""
        return bounded("temperature", self.temperature, 0.0)

    def learner(self, seat: Seat, sessions: int) -> BeliefLearner:
        """Return a learner for one player in so many sessions."""
        return BeliefLearner(seat, sessions, self.temperature, keeps=True)


@dataclass(frozen=True)
class BestResponse:
    """Answer what rivals played last: Cournot's adjustment. The first action is drawn evenly."""

    remembers: ClassVar[bool] = False

    def faults(self) -> list[Fault]:
        """Return what is wrong with the parameters: there are none."""
        return []

    def learner(self, seat: Seat, sessions: int) -> BeliefLearner:
        """Return a learner for one player in so many sessions."""
        return BeliefLearner(seat, sessions, 0.0, keeps=False)


class BeliefLearner:
    """What each action would have brought against rivals' past, in all sessions, dims (session, action)."""

    draws, discount = 1, None

    def __init__(self, seat: Seat, sessions: int, temperature: float, keeps: bool) -> None:
        self.seat, self.temperature, self.keeps = seat, temperature, keeps
        self._span = max(float(np.ptp(seat.payoff)), 1e-300)
        self.sum: Floats = np.zeros((sessions, seat.actions))
        self.seen = 0
        self._arm = BestArm(sessions)

    def choose(self, period: int, profile: Ints, uniform: Floats) -> Ints:
        """Play the best reply, or draw by how good replies are."""
        if not self.seen:
            return uniformly(uniform[0], self.seat.actions)
        if self.temperature == 0.0:
            return self._arm.best.copy()
        ahead = (self.sum - self.sum.max(axis=1, keepdims=True)) / (self.seen * self._span)
        return drawn(np.exp(ahead / self.temperature), uniform[0])

    def learn(self, before: Ints, action: Ints, after: Ints, reward: Floats | None) -> Bools:
        """Take in what the others did."""
        new = self.seat.replies.take(self.seat.others.take(after), axis=0)
        self.sum = self.sum + new if self.keeps else new
        self.seen += 1
        return self._arm.changed(self.sum)

    def policy(self, sessions: Ints) -> Ints:
        """Return the best reply, dims (session, 1)."""
        return self._arm.best[sessions, None]

    def arrays(self) -> dict[str, Any]:
        """Return the sums."""
        return {"sum": self.sum, "best": self._arm.best, "seen": np.full(len(self.sum), self.seen)}

    def restore(self, arrays: dict[str, Any]) -> None:
        """Take up the sums."""
        self.sum, self._arm.best = arrays["sum"], arrays["best"]
        self.seen = int(arrays["seen"][0]) if len(arrays["seen"]) else 0
