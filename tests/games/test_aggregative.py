"""Games of sums: the same play, to the bit, as on the table of all profiles; and what is no such game."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

import tokenflow_sim as tf
from tokenflow_sim.errors import InputError
from tokenflow_sim.games import repeated

LEARNERS = (
    "q_learning", "roth_erev", "epsilon_greedy", "ucb1", "exp3", "fictitious_play", "best_response"
)  # fmt: skip


def cournot(players: int, most: int = 9) -> tf.AggregativeGame:
    """Return quantities 0, 1, ... at a price of `most` less their sum, not below -1."""
    return tf.AggregativeGame(
        lambda own, others: own * np.maximum(most - own - others, -1.0), np.arange(most + 1), players
    )


@pytest.mark.parametrize("learner", LEARNERS)
def test_play_is_that_of_the_whole_table(learner: str) -> None:
    game = cournot(3)
    options: dict[str, Any] = {"sessions": 3, "periods": 150, "stop": None, "window": 50, "seed": 3}
    options |= {"memory": 0, "decay": 1e-2} if learner == "q_learning" else {}
    found, whole = game.play(learner, **options), game.game().play(learner, **options)
    xr.testing.assert_equal(found.history, whole.dataset.history)
    if learner != "q_learning":  # whose results on a table are those of its policies, not of its last periods
        np.testing.assert_allclose(found.payoff, whole.dataset.payoff, rtol=1e-12)
        np.testing.assert_allclose(found.action, whole.paths.mean("step"), rtol=1e-12)
        np.testing.assert_allclose(found.total, found.action.sum("provider"), rtol=1e-12)


def test_two_players_remember_what_they_would_of_a_table(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    game = cournot(2)
    options: dict[str, Any] = {
        "sessions": 4, "periods": 3000, "stop": 100, "decay": 5e-3, "initial": 0.0
    }  # fmt: skip
    found, whole = game.play(**options), game.game().play(**options)
    for name in ("history", "periods", "settled", "converged"):
        xr.testing.assert_equal(found[name], whole.dataset[name])
    assert len(set(found.periods.values.tolist())) > 1  # sessions end one by one
    monkeypatch.setattr(repeated, "_BETWEEN", -1.0)

    class Killed(BaseException):
        pass

    def stop(done: int, count: int) -> None:
        if done > 0.1 * count:
            raise Killed

    with pytest.raises(Killed):
        game.play(out=tmp_path / "play", progress=stop, **options)
    xr.testing.assert_identical(game.play(out=tmp_path / "play", **options), found)


def test_three_players_remember_the_sum_of_the_others() -> None:
    """By a plain loop over single numbers: the state is what a firm and all the others played last."""
    game, rate, discount, decay = cournot(3, 4), 0.3, 0.8, 5e-3
    found = game.play(
        sessions=1, periods=300, window=300, rate=rate, discount=discount, decay=decay, initial=0.0
    )
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(0, spawn_key=(0,))))
    last = [int(5 * rng.random()) for _ in range(3)]
    q, totals = np.zeros((3, 5, 9, 5)), []
    for period in range(300):
        seen, action = [(own, sum(last) - own) for own in last], []
        for player in range(3):
            tries, drawn = rng.random(2)
            best = int(q[player][seen[player]].argmax())
            action.append(int(5 * drawn) if tries < np.exp(-decay * period) else best)
        for player, own in enumerate(action):
            cell = q[player][seen[player]]
            ahead = q[player][own, sum(action) - own].max()
            cell[own] = (1 - rate) * cell[own] + rate * (
                own * max(4.0 - sum(action), -1.0) + discount * ahead
            )
        last = action
        totals.append(sum(action))
    assert float(found.total[0]) == pytest.approx(np.mean(totals), rel=1e-12)


def test_six_firms_fit() -> None:
    """Fictitious play of six firms ends at Cournot's quantities: 36 / 7 each, of whole numbers."""
    game = tf.AggregativeGame(lambda own, others: own * (36 - own - others), np.arange(41), 6)
    found = game.play("fictitious_play", sessions=2, periods=3000, stop=None, window=500)
    np.testing.assert_allclose(found.total, 6 * 36 / 7, atol=0.6)


def test_what_is_no_game_of_sums_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        tf.AggregativeGame(lambda own, others: own, [0.0, 1.0, 3.0], 1)
    assert "actions: must be evenly spaced" in str(caught.value)
    assert "players: must be a whole number from 2 on; found 1" in str(caught.value)
    with pytest.raises(InputError, match="41 actions are too many"):
        tf.AggregativeGame(lambda own, others: own, np.arange(41), 12)
    with pytest.raises(InputError, match=r"payoff: must return finite numbers .* found the shape \(\)"):
        tf.AggregativeGame(lambda own, others: 1.0, np.arange(3), 2)  # type: ignore[arg-type, return-value]
    with pytest.raises(InputError, match="two or more finite numbers"):
        tf.AggregativeGame(lambda own, others: own, [np.nan, 1.0], 2)
    with pytest.raises(InputError, match="sessions: must be a whole number"):
        cournot(2).play(sessions=0)
