"""A game in normal form: payoffs of every profile of a few actions each, and what a mixture leaves to gain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from tokenflow_sim.numeric import Floats as Floats

Mixture = tuple[Floats, ...]
"""A probability for each action of each player."""


@dataclass(frozen=True, eq=False)
class NormalForm:
    """A finite game.

    Parameters
    ----------
    payoff : ndarray
        Dims (action of the first player, ..., action of the last, player); all finite.
    """

    payoff: Floats

    @property
    def actions(self) -> tuple[int, ...]:
        """How many actions each player has."""
        return self.payoff.shape[:-1]

    @property
    def players(self) -> int:
        """How many players there are."""
        return int(self.payoff.shape[-1])

    def values(self, player: int, mixture: Sequence[Floats]) -> Floats:
        """Return what each action of a player brings against the mixtures of the others, dims (action,)."""
        found = self.payoff[..., player]
        for other in reversed(range(self.players)):
            if other != player:
                found = np.tensordot(found, mixture[other], axes=(other, 0))
        return found

    def expected(self, mixture: Sequence[Floats]) -> Floats:
        """Return expected payoffs, dims (player,)."""
        return np.array(
            [float(self.values(player, mixture) @ mixture[player]) for player in range(self.players)]
        )

    def gains(self, mixture: Sequence[Floats]) -> Floats:
        """Return what each player could gain by moving alone to its best action, dims (player,).

        The largest of them is the mixture's exploitability, or Nash gap: zero at an equilibrium and nowhere else.
        """
        best = [self.values(player, mixture).max() for player in range(self.players)]
        return np.maximum(np.array(best) - self.expected(mixture), 0.0)

    def pure_equilibria(self, tolerance: float = 0.0) -> list[tuple[int, ...]]:
        """Return all profiles of single actions at which nobody gains more than the tolerance by moving alone."""
        stable = np.ones(self.actions, dtype=bool)
        for player in range(self.players):
            own = self.payoff[..., player]
            stable &= own >= own.max(axis=player, keepdims=True) - tolerance
        return [tuple(int(place) for place in found) for found in np.argwhere(stable)]

    def pure(self, profile: Sequence[int]) -> Mixture:
        """Return the mixture that plays a profile for certain."""
        return tuple(np.eye(count)[place] for count, place in zip(self.actions, profile, strict=True))


def profiles(actions: Sequence[int]) -> list[tuple[int, ...]]:
    """Return all profiles of so many actions each, the last player's changing fastest."""
    return list(product(*(range(count) for count in actions)))


def alike(one: Mixture, other: Mixture, within: float) -> bool:
    """Say whether no probability differs by more than so much."""
    return all(bool(np.abs(a - b).max() <= within) for a, b in zip(one, other, strict=True))
