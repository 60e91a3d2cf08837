"""Policies that remember one period: what each is worth, and what its best reply is worth, by dynamic programming."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array, eye_array
from scipy.sparse.linalg import spsolve

from tokenflow_sim.games.markov import long_run
from tokenflow_sim.numeric import Floats, Ints
from tokenflow_sim.study.normal_form import NormalForm

_ROUNDS = 1000
_SAME = 1e-12  # of values, as a share of their size, up to which no other action is better


def as_mixtures(policy: Floats | Ints, actions: int) -> Floats:
    """Return a policy as probabilities, dims (profile, action), where it may be given by the action alone."""
    table = np.asarray(policy)
    if table.ndim == 1:
        found: Floats = np.eye(actions)[table.astype(np.int64)]
        return found
    return table.astype(np.float64)


class MemoryOne:
    """Players whose action depends on what all did last.

    Parameters
    ----------
    form : NormalForm
        The game of a period.
    policies : sequence of ndarray
        Probabilities of each player's actions after each profile, dims (profile, action).
    discount : float
        What a payoff of the next period is worth now.

    Notes
    -----
    Against stationary policies that remember one period a stationary reply with the same memory is best (Bellman), and
    is found by policy iteration, exactly.
    """

    def __init__(self, form: NormalForm, policies: Sequence[Floats], discount: float) -> None:
        self.form, self.policies, self.discount = form, policies, discount
        self.states = int(np.prod(form.actions))

    def _facing(self, player: int) -> tuple[Floats, Ints, Floats, Floats]:
        """Return odds, next states and payoffs of a player's actions against the others.

        Returns
        -------
        odds : ndarray
            Of what the others play, dims (state, others' profile), of those that come at all.
        after : ndarray of int
            The next state, dims (state, others' profile, action).
        payoff, expected : ndarray
            Of the period, dims (others' profile, action), and over the odds, dims (state, action).
        """
        sizes = self.form.actions
        own = np.moveaxis(np.arange(self.states).reshape(sizes), player, -1).reshape(-1, sizes[player])
        odds = np.ones((self.states, 1))
        for other, table in enumerate(self.policies):
            if other != player:
                odds = (odds[:, :, None] * table[:, None, :]).reshape(self.states, -1)
        payoff = np.moveaxis(self.form.payoff[..., player], player, -1).reshape(-1, sizes[player])
        return odds, own, payoff, odds @ payoff

    def _value(self, player: int, table: Floats) -> Floats:
        """Return what a policy of one player is worth against the others from each state, dims (state,)."""
        odds, after, _, expected = self._facing(player)
        state, others = np.nonzero(odds)
        weight = odds[state, others][:, None] * table[state]
        rows = np.broadcast_to(state[:, None], weight.shape)
        step = coo_array(
            (weight.ravel(), (rows.ravel(), after[others].ravel())), shape=(self.states, self.states)
        )
        step.sum_duplicates()
        matrix = (eye_array(self.states) - self.discount * step).tocsc()
        found: Floats = spsolve(matrix, (table * expected).sum(axis=1))
        return np.atleast_1d(found)

    def value(self, player: int) -> Floats:
        """Return what a player's policy is worth in each state, the discounted sum of its payoffs, dims (state,)."""
        return self._value(player, self.policies[player])

    def best_reply(self, player: int) -> tuple[Ints, Floats]:
        """Return the best action after each profile, and what playing so is worth, dims (state,) both."""
        odds, after, _, expected = self._facing(player)
        best = self.policies[player].argmax(axis=1)
        # The worth of the actions to begin with, not of the player's mixture over them: nothing would better that.
        value = self._value(player, np.eye(self.form.actions[player])[best])
        for _ in range(_ROUNDS):
            worth = expected + self.discount * np.einsum("so,oa->sa", odds, value[after])
            # An action is changed only where that gains: so that the iteration cannot go in circles.
            gain = worth.max(axis=1) - worth[np.arange(self.states), best]
            better = gain > _SAME * (1.0 + np.abs(worth).max(axis=1))
            if not better.any():
                break
            best = np.where(better, worth.argmax(axis=1), best)
            value = self._value(player, np.eye(self.form.actions[player])[best])
        return best, value

    def long_run(self, start: Ints | None) -> Floats:
        """Return how often each state comes in the long run from some states, evenly chosen, dims (state,)."""
        odds = np.ones((self.states, 1))
        for table in self.policies:
            odds = (odds[:, :, None] * table[:, None, :]).reshape(self.states, -1)
        begin = np.full(self.states, 1.0 / self.states)
        if start is not None:
            begin = np.bincount(start, minlength=self.states) / len(start)
        return long_run(odds, begin)
