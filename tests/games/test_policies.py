"""Policies that remember one period in the repeated prisoner's dilemma, where theory has all answers."""

from __future__ import annotations

import numpy as np
import pytest

import tokenflow_sim as tf
from tokenflow_sim.errors import InputError
from tokenflow_sim.games.policies import MemoryOne

PRISONERS = tf.Game.from_payoffs([[[3, 0], [5, 1]], [[3, 5], [0, 1]]])
GRIM = [0, 1, 1, 1]  # cooperate after mutual cooperation alone
TIT_FOR_TAT = [[0, 1, 0, 1], [0, 0, 1, 1]]


def test_grim_is_an_equilibrium_from_patience_one_half_on() -> None:
    # Cooperation for ever is worth 3; defection 5 once, and 1 ever after: 3 >= 5 (1 - d) + d from d = 1/2 on.
    for discount, gain in ((0.6, 0.0), (0.5, 0.0), (0.4, 5 * 0.6 + 0.4 - 3)):
        found = PRISONERS.exploitability(policies=[GRIM, GRIM], discount=discount, start=[0, 0])
        np.testing.assert_allclose(found.payoff, 3.0)
        np.testing.assert_allclose(found.gain, gain, atol=1e-12)


def test_tit_for_tat_is_an_equilibrium_on_its_path_and_not_off_it() -> None:
    found = PRISONERS.exploitability(policies=TIT_FOR_TAT, discount=0.9, start=[0, 0])
    np.testing.assert_allclose(found.gain, 0.0, atol=1e-12)
    assert (found.gain_anywhere > 0.1).all()  # after mutual defection it pays to forgive


def test_values_are_those_of_play_that_is_simulated() -> None:
    rng = np.random.default_rng(0)
    form = tf.Game.from_payoffs(rng.normal(size=(2, 3, 2))).form
    tables = [rng.dirichlet(np.ones(size), size=6) for size in form.actions]
    chain = MemoryOne(form, tables, 0.8)
    for player in range(2):
        # Iterate the definition, with the joint distribution of the next profile written out.
        step = np.einsum("sa,sb->sab", *tables).reshape(6, 6)
        value = np.zeros(6)
        for _ in range(200):
            value = step @ (form.payoff[..., player].ravel() + 0.8 * value)
        np.testing.assert_allclose(chain.value(player), value, rtol=1e-10)
        reply, best = chain.best_reply(player)
        # No policy of all 64 (or 729) is better anywhere.
        for code in range(form.actions[player] ** 6):
            other = [(code // form.actions[player] ** k) % form.actions[player] for k in range(6)]
            changed = [*tables]
            changed[player] = np.eye(form.actions[player])[other]
            assert (MemoryOne(form, changed, 0.8).value(player) <= best + 1e-9).all()
            if code > 150:
                break
        changed = [*tables]
        changed[player] = np.eye(form.actions[player])[reply]
        np.testing.assert_allclose(MemoryOne(form, changed, 0.8).value(player), best)


def test_policies_of_the_wrong_shape_are_refused() -> None:
    with pytest.raises(InputError, match="an action for each of 4 profiles"):
        PRISONERS.exploitability(policies=[[0, 1], GRIM])
    with pytest.raises(InputError, match="positions of actions, from 0 to 1"):
        PRISONERS.exploitability(policies=[[0, 1, 2, 0], GRIM])
    with pytest.raises(InputError, match=r"discount.*less than 1"):
        PRISONERS.exploitability(policies=[GRIM, GRIM], discount=1.0)
    with pytest.raises(InputError, match="give a mixture, or policies"):
        PRISONERS.exploitability()
