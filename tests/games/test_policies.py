"""Policies that remember one period in the repeated prisoner's dilemma, where theory has all answers."""

from __future__ import annotations

import numpy as np
import pytest

import tokenflow_sim as tf
from tokenflow_sim.errors import InputError
from tokenflow_sim.games.markov import long_run
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


def test_a_mixture_over_its_best_action_and_a_worse_one_leaves_something_to_gain() -> None:
    # Policies that forget are mixtures: the most likely action is best here, and the other one is still played.
    mixtures = [[0.4, 0.6], [0.3, 0.7]]
    forget = [np.tile(one, (4, 1)) for one in mixtures]
    for discount in (0.0, 0.9):
        found, wanted = (
            PRISONERS.exploitability(policies=forget, discount=discount),
            PRISONERS.exploitability(mixtures),
        )
        for name in ("payoff", "gain", "exploitability"):
            np.testing.assert_allclose(found[name], wanted[name], rtol=1e-9, err_msg=name)
        np.testing.assert_allclose(found.gain_anywhere, wanted.gain)


def test_the_long_run_is_exact_in_circles_after_detours_and_where_moves_are_rare() -> None:
    # Three states in a circle: a third each, and not as many as fit into the periods that are looked at.
    np.testing.assert_allclose(long_run(np.eye(3)[[1, 2, 0]], np.eye(3)[0]), 1 / 3, rtol=1e-15)
    # One in a million leaves one state, three in a million the other.
    rare = np.array([[1 - 1e-6, 1e-6], [3e-6, 1 - 3e-6]])
    np.testing.assert_allclose(long_run(rare, np.eye(2)[0]), [0.75, 0.25], rtol=1e-9)
    # A gambler with 1 of 3 is ruined twice in three times.
    ruin = np.array([[1, 0, 0, 0], [0.5, 0, 0.5, 0], [0, 0.5, 0, 0.5], [0, 0, 0, 1]])
    np.testing.assert_allclose(long_run(ruin, np.eye(4)[1]), [2 / 3, 0, 0, 1 / 3], atol=1e-15)
    rng = np.random.default_rng(1)
    for _ in range(20):
        size = int(rng.integers(1, 9))
        odds = rng.dirichlet(np.ones(size), size) * (rng.random((size, size)) < 0.4) + np.eye(size)[::-1]
        odds /= odds.sum(axis=1, keepdims=True)
        lazy = (np.eye(size) + odds) / 2  # has the same limit, and no circles
        for _ in range(60):
            lazy = lazy @ lazy
            lazy /= lazy.sum(axis=1, keepdims=True)
        begin = rng.dirichlet(np.ones(size))
        np.testing.assert_allclose(long_run(odds, begin), begin @ lazy, rtol=1e-8, atol=1e-12)


def test_policies_of_the_wrong_shape_are_refused() -> None:
    with pytest.raises(InputError, match="an action for each of 4 profiles"):
        PRISONERS.exploitability(policies=[[0, 1], GRIM])
    with pytest.raises(InputError, match="positions of actions, from 0 to 1"):
        PRISONERS.exploitability(policies=[[0, 1, 2, 0], GRIM])
    with pytest.raises(InputError, match=r"discount.*less than 1"):
        PRISONERS.exploitability(policies=[GRIM, GRIM], discount=1.0)
    with pytest.raises(InputError, match="give a mixture, or policies"):
        PRISONERS.exploitability()
    with pytest.raises(InputError, match="must name an action of each of 2 players"):
        PRISONERS.exploitability(policies=[GRIM, GRIM], start=3)  # type: ignore[arg-type]
