"""Repeated play: against plain loops bit by bit, whatever other sessions are played, interrupted or not."""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import tokenflow_sim as tf
from tokenflow_sim.errors import InputError, ResultError
from tokenflow_sim.games import repeated
from tokenflow_sim.games.learners.q_learning import QLearning
from tokenflow_sim.games.progress_files import GroupFile

RNG = np.random.default_rng(7)
GAME = tf.Game.from_payoffs(RNG.normal(size=(3, 4, 2)))
PRISONERS = tf.Game.from_payoffs([[[3, 0], [5, 1]], [[3, 5], [0, 1]]])
LEARNERS = ("q_learning", "roth_erev", "epsilon_greedy", "ucb1", "exp3", "fictitious_play", "best_response")


def tables(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Collect what learners remember where sessions end."""
    found: list[dict[str, Any]] = []
    end = repeated._end

    def spy(spec: Any, at: Any, ended: Any, which: Any, *rest: Any, **more: Any) -> None:
        for session in which:
            found.append(
                {
                    "session": int(at.alive[session]),
                    "tables": [learner.arrays()["q"][session].copy() for learner in at.learners],
                }
            )
        end(spec, at, ended, which, *rest, **more)

    monkeypatch.setattr(repeated, "_end", spy)
    return found


def plain_q_learning(game: tf.Game, rule: QLearning, session: int, periods: int, stop: int) -> dict[str, Any]:
    """Play one session by loops over single numbers."""
    payoff, (m, n) = game.payoff.values.tolist(), game.form.actions
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(5, spawn_key=(session,))))
    draw = lambda: float(rng.random())  # noqa: E731
    state = (int(draw() * m), int(draw() * n))
    start = [
        [sum(payoff[a][b][0] for b in range(n)) / n / (1 - rule.discount) for a in range(m)],
        [sum(payoff[a][b][1] for a in range(m)) / m / (1 - rule.discount) for b in range(n)],
    ]
    # numpy adds in its own order; the same numbers to start with
    for player in range(2):
        mean = (
            np.moveaxis(game.payoff.values[..., player], player, -1).reshape(-1, (m, n)[player]).mean(axis=0)
        )
        np.testing.assert_allclose(start[player], mean / (1 - rule.discount))
        start[player] = (mean / (1 - rule.discount)).tolist()
    q = [{(a, b): list(start[player]) for a in range(m) for b in range(n)} for player in range(2)]
    best = lambda values: max(range(len(values)), key=lambda a: values[a])  # noqa: E731
    settled = 0
    for period in range(periods):
        action = []
        for player, size in enumerate((m, n)):
            tries, drawn = draw(), draw()
            young = tries < math.exp(-rule.decay * period)
            action.append(int(drawn * size) if young else best(q[player][state]))
        after, moved = (action[0], action[1]), False
        for player in range(2):
            old, reward = q[player][state], payoff[after[0]][after[1]][player]
            before = best(old)
            ahead = max(q[player][after])
            old[action[player]] = (1.0 - rule.rate) * old[action[player]] + rule.rate * (
                reward + rule.discount * ahead
            )
            moved = moved or best(old) != before
        settled, state = (period + 1 if moved else settled), after
        if period + 1 - settled >= stop:
            return {"q": q, "periods": period + 1, "settled": settled, "converged": True, "last": state}
    return {"q": q, "periods": periods, "settled": settled, "converged": False, "last": state}


def test_q_learning_is_the_plain_loop_to_the_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = QLearning(decay=2e-3, discount=0.9)
    found = tables(monkeypatch)
    played = GAME.play(rule, sessions=4, periods=6000, stop=900, seed=5)
    assert played.share_converged > 0
    kept = {one["session"]: one["tables"] for one in found}
    for session in range(4):
        plain = plain_q_learning(GAME, rule, session, 6000, 900)
        for player in range(2):
            table = [plain["q"][player][state] for state in sorted(plain["q"][player])]
            assert np.array_equal(np.array(table), kept[session][player])
        for name in ("periods", "settled", "converged"):
            assert played.dataset[name].values[session] == plain[name]


@pytest.mark.parametrize("learner", LEARNERS)
@pytest.mark.parametrize("moves", ["simultaneous", "alternating"])
def test_a_session_is_the_same_whatever_others_are_played(learner: str, moves: Any, tmp_path: Path) -> None:
    own: dict[str, Any] = {"decay": 5e-3, "discount": 0.8} if learner == "q_learning" else {}
    options: dict[str, Any] = {"periods": 1500, "stop": 300, "seed": 2, "moves": moves, "window": 40} | own
    many = GAME.play(learner, sessions=9, **options)
    few = GAME.play(learner, sessions=3, **options)
    for one, other in zip(many.policies, few.policies, strict=True):
        assert np.array_equal(one[:3], other)
    for name in ("periods", "settled", "converged", "payoff"):
        assert np.array_equal(many.dataset[name][:3], few.dataset[name])
    samples = few.dataset.sizes["sample"]
    assert np.array_equal(many.dataset.history[:samples, :3], few.dataset.history, equal_nan=True)


@pytest.mark.parametrize(
    ("learner", "moves"), [("q_learning", "simultaneous"), ("exp3", "alternating"), ("ucb1", "simultaneous")]
)
def test_play_that_was_interrupted_goes_on_to_the_same_bits(
    learner: str, moves: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeated, "_BETWEEN", -1.0)  # a checkpoint after every block
    options: dict[str, Any] = {"sessions": 6, "periods": 2000, "stop": 900, "moves": moves, "window": 30}
    options |= {"decay": 5e-3} if learner == "q_learning" else {}
    whole = GAME.play(learner, **options).to_dataset()

    class Killed(BaseException):
        pass

    def stop(done: int, count: int) -> None:
        if done > 0.7 * count:
            raise Killed

    out = tmp_path / "play"
    with pytest.raises(Killed):
        GAME.play(learner, out=out, progress=stop, **options)
    assert [path.name for path in out.glob("*.npz")] == ["group-0000.unfinished.npz"]
    with pytest.raises(ResultError, match="holds other play: seed differ"):
        GAME.play(learner, out=out, seed=1, **options)
    xr.testing.assert_identical(GAME.play(learner, out=out, **options).to_dataset(), whole)
    xr.testing.assert_identical(GAME.play(learner, out=out, **options).to_dataset(), whole)


def test_whatever_is_wrong_with_a_kept_group_it_counts_as_not_there(tmp_path: Path) -> None:
    file, rng = GroupFile(str(tmp_path), 0), np.random.default_rng(0)
    arrays = {"converged": np.zeros(7, dtype=bool), "tail": np.arange(70).reshape(7, 10)}
    assert file.finished() is None
    file.finish(arrays)
    path = next(tmp_path.iterdir())
    whole = path.read_bytes()
    kept = file.finished()
    assert kept is not None
    for name, array in arrays.items():
        assert np.array_equal(kept[name], array)
    # Among others what the checksums of an archive do not cover: its contents by name, flags, and methods.
    for position in [*range(0, len(whole), 7), *range(len(whole) - 200, len(whole))]:
        damaged = bytearray(whole)
        damaged[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        assert file.finished() is None
        path.write_bytes(whole[:position])
        assert file.finished() is None


def test_a_group_that_is_sent_to_another_process_plays_the_same() -> None:
    options: dict[str, Any] = {"periods": 1000, "stop": 300}
    whole = GAME.play(QLearning(decay=1e-2), sessions=5, **options)
    payoff = GAME.payoff.values.reshape(-1, 2)
    spec = repeated.RepeatedPlay(payoff, (3, 4), (QLearning(decay=1e-2),) * 2, 1000, 300, 0, False, 1000)
    part = pickle.loads(pickle.dumps(spec)).perform(repeated.Group(1, 3, 5))
    for player, own in enumerate(whole.policies):
        assert np.array_equal(own[3:], part[f"policy.{player}"])
    assert np.array_equal(whole.dataset.periods[3:], part["periods"])


def test_alternating_q_learning_is_the_plain_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Klein (2021): a move is worth what it brings now and at the rival's move, then the best of the next own one."""
    found, rate, discount, decay = tables(monkeypatch), 0.3, 0.8, 1e-2
    PRISONERS.play(
        sessions=1,
        periods=500,
        stop=None,
        moves="alternating",
        rate=rate,
        discount=discount,
        decay=decay,
        initial=0.0,
    )
    payoff = PRISONERS.payoff.values
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(0, spawn_key=(0,))))
    state = [int(2 * rng.random()), int(2 * rng.random())]
    q, moved = np.zeros((2, 2, 2)), [None, None]  # player, rival's action, own action
    rewards: list[list[float]] = [[], []]
    for period in range(500):
        who, draws = period % 2, rng.random(4)
        rival = state[1 - who]
        if moved[who] is not None:
            then, action = moved[who]
            first, second = rewards[who]
            value = first + discount * second + discount**2 * q[who, rival].max()
            q[who, then, action] = (1 - rate) * q[who, then, action] + rate * value
        young = draws[2 * who] < math.exp(-decay * period)
        action = int(2 * draws[2 * who + 1]) if young else int(q[who, rival].argmax())
        moved[who], state[who] = (rival, action), action  # type: ignore[call-overload]
        rewards[who] = []
        for player in range(2):
            rewards[player].append(float(payoff[state[0], state[1], player]))
    np.testing.assert_allclose(found[0]["tables"], q, rtol=1e-12)


def test_learners_find_what_theory_says_they_do() -> None:
    # Among three actions that pay 0.2, 1 and 0.5 all come to play the second; by chance it is a third.
    arms = tf.Game.from_payoffs(np.array([[[0.2, 0.0]], [[1.0, 0.0]], [[0.5, 0.0]]]))
    patient = {"name": "roth_erev", "experimentation": 0.02}
    for learner in (patient, "exp3", "fictitious_play", "epsilon_greedy", "ucb1", "best_response"):
        alone: Any = {"1": learner, "2": "best_response"}
        played = arms.play(alone, sessions=20, periods=600, stop=None, seed=1, window=200)
        assert (played.paths.isel(provider=0) == 1).mean("step").min() > 0.9
    # Fictitious play's frequencies converge to the mixed equilibrium of a zero-sum game (Robinson, 1951).
    pennies = tf.Game.from_payoffs([[[1, -1], [-1, 1]], [[-1, 1], [1, -1]]])
    played = pennies.play("fictitious_play", sessions=3, periods=20_000, stop=None, window=20_000)
    np.testing.assert_allclose(played.paths.mean("step"), 0.5, atol=0.02)
    # Patient Q-learners with memory collude in part of the sessions, those without patience never do.
    patient = PRISONERS.play(sessions=20, periods=30_000, stop=1000, decay=1e-3, discount=0.95)
    myopic = PRISONERS.play(sessions=20, periods=30_000, stop=1000, decay=1e-3, discount=0.0)
    assert patient.share_converged == myopic.share_converged == 1.0
    np.testing.assert_allclose(myopic.profit_gain(), 0.0)
    assert (patient.profit_gain() > 0.5).mean() > 0.2
    assert (myopic.exploitability(0.0).gain == 0).all()


def test_an_impulse_response_is_play_by_the_policies() -> None:
    played = PRISONERS.play(sessions=20, periods=30_000, stop=1000, decay=1e-3)
    answer = played.impulse_response("1", 1, periods=8)
    for row, session in enumerate(answer.session.values):
        path = played.dataset.end.values[session]
        at = int(path[played.dataset.cycle_length.values[session] - 1])
        assert answer.place.values[row, 0].tolist() == list(divmod(at, 2))
        for period in range(1, 9):
            mine, theirs = (int(own[session, at]) for own in played.policies)
            at = 2 * (1 if period == 1 else mine) + theirs
            assert answer.place.values[row, period].tolist() == list(divmod(at, 2))
    assert 0 <= answer.attrs["returned"] <= 1
    with pytest.raises(InputError, match="unknown action of 1 5"):
        played.impulse_response("1", 5)
    with pytest.raises(ResultError, match="answer to nothing"):
        PRISONERS.play("ucb1", sessions=2, periods=50, stop=None).impulse_response("1")


def test_faults_of_play_are_reported_at_once() -> None:
    with pytest.raises(InputError) as caught:
        GAME.play({"1": "q_lerning", "2": {"name": "exp3", "gamma": 2}}, sessions=0, stop=0, moves="none")  # type: ignore[arg-type]
    text = str(caught.value)
    for line in (
        "did you mean 'q_learning'" if "did you mean" in text else "unknown learner 'q_lerning'",
        "gamma: must be a finite number above 0 and at most 1; found 2",
        "sessions: must be a whole number from 1 on",
        "stop: must be a whole number from 1 on",
        "unknown choice 'none'",
    ):
        assert line in text
    with pytest.raises(InputError, match="unknown parameter of QLearning 'rates'"):
        GAME.play(rates=1)
    with pytest.raises(InputError, match="discount: must be less than 1"):
        GAME.play(discount=1)
