"""Repeated play of games in which of the others only the sum of their actions counts, without a table of profiles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokenflow_sim.games.follow import strides_of
from tokenflow_sim.games.learners.base import Seat
from tokenflow_sim.games.repeated import RepeatedPlay, Sessions, slices_of
from tokenflow_sim.numeric import Bools, Floats, Ints


@dataclass(frozen=True, eq=False)
class SummedPlay(RepeatedPlay):
    """Repeated play of players who are alike, each of whom faces the sum of the others' actions.

    Notes
    -----
    `payoff` has dims (view,): a view is the position of the own action times `width`, plus the sum of the others'
    positions. To each player the game is one of two: itself, and all others as one. What it remembers of a period is
    its own action and the others' sum, as in Waltman and Kaymak (2008).
    """

    @property
    def width(self) -> int:
        """How many sums of the others' actions there are."""
        return (len(self.sizes) - 1) * (self.sizes[0] - 1) + 1

    @property
    def states(self) -> int:
        """How many different periods a player that remembers one can tell apart."""
        return self.sizes[0] * self.width

    def seats(self) -> list[Seat]:
        """Return what each player knows of the game: the same of all."""
        one = np.full(self.sizes[0], 1.0 / self.sizes[0])
        odds = np.ones(1)
        for _ in self.sizes[1:]:
            odds = np.convolve(odds, one)
        seat = Seat(self.payoff, (self.sizes[0], self.width), 0, self.periods, 1, odds)
        return [seat] * len(self.sizes)

    def round(self, seats: list[Seat], at: Sessions) -> _Summed:
        """Return what plays a period."""
        return _Summed(self, at)

    def places(self, profile: Ints) -> list[Ints]:
        """Return the position of each player's action in some profiles."""
        strides = strides_of(self.sizes)
        return [(profile // stride) % size for stride, size in zip(strides, self.sizes, strict=True)]

    def views(self, places: list[Ints]) -> list[Ints]:
        """Return what each player sees of a period."""
        total = places[0].copy()
        for own in places[1:]:
            total += own
        return [own * (self.width - 1) + total for own in places]

    def earned(self, track: Ints) -> Floats:
        """Return each player's mean payoff, dims (session, player), over the periods of profiles (period, session)."""
        views = self.views(self.places(track))
        return np.stack([self.payoff.take(one).mean(axis=0) for one in views], axis=-1)


class _Summed:
    """Periods in which all players move at once, and each sees the sum of the others' actions."""

    def __init__(self, spec: SummedPlay, at: Sessions) -> None:
        self.spec, self.at, self.slices = spec, at, slices_of(at.learners)
        self.strides = strides_of(spec.sizes).tolist()
        self._seen: tuple[Ints, list[Ints]] | None = None

    def period(self, period: int, uniform: Floats) -> Bools:
        """Play a period, and return where somebody's policy has changed."""
        at = self.at
        if self._seen is None or self._seen[0] is not at.profile:  # sessions have ended, or play is resumed
            self._seen = at.profile, self.spec.views(self.spec.places(at.profile))
        before = self._seen[1]
        actions = [
            learner.choose(period, view, uniform[own])
            for learner, view, own in zip(at.learners, before, self.slices, strict=True)
        ]
        after = self.spec.views(actions)
        at.profile = actions[0] * self.strides[0]
        for action, stride in zip(actions[1:], self.strides[1:], strict=True):
            at.profile = at.profile + action * stride
        changed = np.zeros(len(at.profile), dtype=bool)
        for learner, old, action, new in zip(at.learners, before, actions, after, strict=True):
            changed |= learner.learn(old, action, new, None)
        self._seen = at.profile, after
        return changed
