"""Reinforcement learning after Roth and Erev in a repeated game, as of 1998 and in the variant for electricity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from tokenflow_sim.errors import Fault
from tokenflow_sim.games.learners.base import BestArm, Seat, bounded, drawn, one_of
from tokenflow_sim.numeric import Bools, Floats, Ints


@dataclass(frozen=True)
class RothErev:
    """Draw actions by propensities, which grow with what an action brought and fade with time.

    Parameters
    ----------
    experimentation : float
        Share of a reward that goes to the actions not played, e, from 0 to 1.
    recency : float
        Share of the propensities that is forgotten each period, r, from 0 to 1.
    propensity : float
        Propensity of every action before the first period, above 0, in the unit of rewards.
    cooling : float or None
        How evenly actions are drawn, C, above 0; None draws in proportion to the propensities.
    variant : {'modified', 'original'}
        Whether actions not played keep a share of their own propensity (Nicolaisen, Petrov and Tesfatsion), or get a
        share of the reward (Erev and Roth).
    reward : {'share', 'payoff'}
        Whether the reward is the payoff over the largest that the player can have in size, or the payoff itself.

    Notes
    -----
    When action j of K was played and brought the reward R, the propensities become

        q_i <- (1 - r) q_i + (1 - e) R            for i = j,
        q_i <- (1 - r) q_i + e q_i / (K - 1)      for the others (``original``: + e R / (K - 1)),

    never less than 0, and the next action is drawn with probability q_j / sum_i q_i, or exp(q_j / C) / sum_i
    exp(q_i / C).

    References
    ----------
    J. Nicolaisen, V. Petrov and L. Tesfatsion, IEEE Transactions on Evolutionary Computation 5 (2001) 504-523.
    I. Erev and A. E. Roth, American Economic Review 88 (1998) 848-881. J. Sun and L. Tesfatsion, Computational
    Economics 30 (2007) 291-327: cooling.
    """

    experimentation: float = 0.2
    recency: float = 0.1
    propensity: float = 1.0
    cooling: float | None = None
    variant: Literal["modified", "original"] = "modified"
    reward: Literal["share", "payoff"] = "share"

    remembers: ClassVar[bool] = False

    def faults(self) -> list[Fault]:
        """Return what is wrong with the parameters."""
        return [
            *bounded("experimentation", self.experimentation, 0.0, 1.0),
            *bounded("recency", self.recency, 0.0, 1.0),
            *bounded("propensity", self.propensity, 0.0, above=True),
            *(bounded("cooling", self.cooling, 0.0, above=True) if self.cooling is not None else []),
            *one_of("variant", self.variant, ("modified", "original")),
            *one_of("reward", self.reward, ("share", "payoff")),
        ]

    def learner(self, seat: Seat, sessions: int) -> RothErevLearner:
        """Return a learner for one player in so many sessions."""
        return RothErevLearner(self, seat, sessions)


class RothErevLearner:
    """One player's propensities in all sessions, dims (session, action)."""

    draws, discount = 1, None

    def __init__(self, rule: RothErev, seat: Seat, sessions: int) -> None:
        self.rule, self.seat = rule, seat
        top = max(float(np.abs(seat.payoff).max()), 1e-300)
        self._scale = 1.0 if rule.reward == "payoff" else top
        self.q: Floats = np.full((sessions, seat.actions), rule.propensity)
        self._arm = BestArm(sessions)

    def choose(self, period: int, profile: Ints, uniform: Floats) -> Ints:
        """Draw by the propensities."""
        if self.rule.cooling is not None:
            # Less the largest, which changes no share and keeps exp from overflowing.
            weight = np.exp((self.q - self.q.max(axis=1, keepdims=True)) / self.rule.cooling)
        else:
            faded = ~self.q.any(axis=1)
            weight = np.where(faded[:, None], 1.0, self.q) if faded.any() else self.q
        return drawn(weight, uniform[0])

    def learn(self, before: Ints, action: Ints, after: Ints, reward: Floats | None) -> Bools:
        """Forget a little, and reward the action played."""
        rule = self.rule
        unit = (self.seat.payoff.take(after) if reward is None else reward) / self._scale
        others, every = max(1, self.seat.actions - 1), np.arange(len(self.q))
        old = self.q[every, action]
        if rule.variant == "modified":
            self.q *= 1.0 - rule.recency + rule.experimentation / others
        else:
            self.q *= 1.0 - rule.recency
            self.q += (rule.experimentation * unit / others)[:, None]
        self.q[every, action] = (1.0 - rule.recency) * old + (1.0 - rule.experimentation) * unit
        np.maximum(self.q, 0.0, out=self.q)
        return self._arm.changed(self.q)

    def policy(self, sessions: Ints) -> Ints:
        """Return the action of the highest propensity, dims (session, 1)."""
        return self._arm.best[sessions, None]

    def arrays(self) -> dict[str, Any]:
        """Return the propensities."""
        return {"q": self.q, "best": self._arm.best}

    def restore(self, arrays: dict[str, Any]) -> None:
        """Take up propensities."""
        self.q, self._arm.best = arrays["q"], arrays["best"]
