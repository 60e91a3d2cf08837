"""What a learner of a repeated game is: it sits at one place of the table, in many sessions at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol

import numpy as np

from tokenflow_sim.errors import Fault
from tokenflow_sim.numeric import Bools, Floats, Ints


@dataclass(frozen=True, eq=False)
class Seat:
    """What a learner knows of the game that it plays.

    Parameters
    ----------
    payoff : ndarray
        Its own payoff by profile, flat, the last player's action changing fastest.
    sizes : tuple of int
        How many actions each player has.
    player : int
        Which one it is.
    periods : int
        Most periods of a session.
    every : int
        Periods from one of its moves to the next: 1 where all move at once.
    odds : ndarray, optional
        How likely each of the others' profiles is where all draw evenly; the same for all if left out.
    """

    payoff: Floats
    sizes: tuple[int, ...]
    player: int
    periods: int
    every: int = 1
    odds: Floats | None = None

    @property
    def actions(self) -> int:
        """How many actions it has."""
        return self.sizes[self.player]

    @cached_property
    def replies(self) -> Floats:
        """Its payoff by what the others play and by its own action, dims (others' profile, action)."""
        own = np.moveaxis(self.payoff.reshape(self.sizes), self.player, -1)
        return np.ascontiguousarray(own.reshape(-1, self.actions))

    @cached_property
    def against_even(self) -> Floats:
        """What each own action brings on average where the others draw evenly, dims (action,)."""
        found: Floats = self.replies.mean(axis=0) if self.odds is None else self.odds @ self.replies
        return found

    @cached_property
    def others(self) -> Ints:
        """The number of what the others play, by profile."""
        count = len(self.replies)
        shape = (*self.sizes[: self.player], *self.sizes[self.player + 1 :])
        numbers = np.expand_dims(np.arange(count).reshape(shape), self.player)
        return np.broadcast_to(numbers, self.sizes).ravel().astype(np.int64)

    @cached_property
    def unit(self) -> Floats:
        """Its payoff put between 0, the least of the game, and 1, the most, by profile."""
        low, span = float(self.payoff.min()), float(np.ptp(self.payoff))
        return (self.payoff - low) / span if span > 0 else np.full_like(self.payoff, 0.5)


class Learner(Protocol):
    """A learner at work in some sessions.

    Attributes
    ----------
    draws : int
        Uniform numbers that it needs a period.
    discount : float or None
        What a payoff of the next period is worth now; None where it does not look ahead.
    """

    draws: int
    discount: float | None

    def choose(self, period: int, profile: Ints, uniform: Floats) -> Ints:
        """Return the action of each session, dims (session,).

        Parameters
        ----------
        period : int
            The period, from 0.
        profile : ndarray of int
            What was played last, dims (session,).
        uniform : ndarray
            Numbers from 0 to less than 1, dims (draw, session).
        """

    def learn(self, before: Ints, action: Ints, after: Ints, reward: Floats | None) -> Bools:
        """Learn from a period, and return where what it thinks best has changed, dims (session,).

        Parameters
        ----------
        before, after : ndarray of int
            Profiles that were played before and in the period, dims (session,).
        action : ndarray of int
            What it chose, dims (session,).
        reward : ndarray, optional
            What it got, dims (session,): where players move in turns, discounted over the periods until it moves
            again (the mean, for learners that do not look ahead). The payoff of `after` if left out.
        """

    def policy(self, sessions: Ints) -> Ints:
        """Return what it thinks best in some sessions after each profile, dims (session, profile), or (session, 1)."""

    def arrays(self) -> dict[str, Any]:
        """Return all that it remembers, by name, each with the sessions as first dimension."""

    def restore(self, arrays: dict[str, Any]) -> None:
        """Take up what `arrays` returned, of all sessions or of some."""


class Rule(Protocol):
    """A learning rule with its parameters: a frozen dataclass, of which each player gets a learner."""

    remembers: ClassVar[bool]
    """Whether its policy says what follows on each profile, so that play without trials can be worked out."""

    def faults(self) -> list[Fault]:
        """Return what is wrong with the parameters."""

    def learner(self, seat: Seat, sessions: int) -> Learner:
        """Return a learner for one player in so many sessions."""


def bounded(
    name: str, value: object, low: float, high: float = math.inf, *, above: bool = False
) -> list[Fault]:
    """Return a fault unless a parameter is a finite number within bounds; `above` excludes the lower one."""
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    least = "above" if above else "of at least"
    most = "" if math.isinf(high) else f" and at most {high:g}"
    if not number or not math.isfinite(value) or not low <= value <= high or (above and value == low):  # type: ignore[operator,arg-type]
        return [Fault(f"must be a finite number {least} {low:g}{most}; found {value!r:.60}", name)]
    return []


def one_of(name: str, value: object, options: Sequence[str]) -> list[Fault]:
    """Return a fault unless a parameter is one of some words."""
    if value in options:
        return []
    return [Fault(f"must be one of {', '.join(options)}; found {value!r:.60}", name)]


def drawn(weight: Floats, uniform: Floats) -> Ints:
    """Return one action for each row of weights, dims (session, action), by inversion of a uniform number."""
    ladder = np.cumsum(weight, axis=1)
    point = uniform * ladder[:, -1]
    found: Ints = np.minimum((ladder <= point[:, None]).sum(axis=1), weight.shape[1] - 1)
    return found


def uniformly(uniform: Floats, count: int) -> Ints:
    """Return an action drawn evenly among so many for each uniform number."""
    return (uniform * count).astype(np.int64)


class BestArm:
    """What is thought best in each session, whatever happened before, and where that changes."""

    def __init__(self, sessions: int) -> None:
        self.best: Ints = np.zeros(sessions, dtype=np.int64)

    def changed(self, value: Floats) -> Bools:
        """Take in the value of each action, dims (session, action), and return where another one is best now."""
        best = value.argmax(axis=1)
        moved: Bools = best != self.best
        self.best = best
        return moved
