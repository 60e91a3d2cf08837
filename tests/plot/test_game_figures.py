"""Figures of games and of repeated play: what is drawn is what was found, legibly."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.plot.seen import outside, overlaps, words_of

PRISONERS = tf.Game.from_payoffs(1e5 * np.array([[[3, 0], [5, 1]], [[3, 5], [0, 1]]]).transpose(1, 2, 0))


@pytest.fixture(scope="module")
def drawn() -> dict[str, xr.Dataset]:
    played = PRISONERS.play(sessions=12, periods=60_000, stop=1000, decay=5e-4)
    answer = played.impulse_response("1", "best", periods=10)
    return {"best_responses": PRISONERS.dataset, "learning": played.dataset, "impulse_response": answer}


@pytest.mark.parametrize("name", ["best_responses", "learning", "impulse_response"])
@pytest.mark.parametrize("columns", [1, 2])
def test_words_are_legible_apart_and_inside(name: str, columns: int, drawn: dict[str, xr.Dataset]) -> None:
    figure = getattr(tf.plot, name)(drawn[name], columns=columns)
    words = words_of(figure)
    assert overlaps(words) == []
    assert outside(words, figure) == []
    assert min(word.points for word in words) >= 6.0
    assert name in tf.plot.figures(drawn[name])
    with pytest.raises(tf.ResultError, match=f"{name} needs"):
        getattr(tf.plot, name)(xr.Dataset())


def test_the_map_marks_best_responses_and_the_equilibrium(drawn: dict[str, xr.Dataset]) -> None:
    ours, theirs, both = tf.plot.best_responses(drawn["best_responses"]).axes[0].lines
    # Defection, the second action, is best whatever the other does.
    assert sorted(zip(*map(list, ours.get_data()), strict=True)) == [(0.5, 1.5), (1.5, 1.5)]
    assert sorted(zip(*map(list, theirs.get_data()), strict=True)) == [(1.5, 0.5), (1.5, 1.5)]
    assert list(zip(*map(list, both.get_data()), strict=True)) == [(1.5, 1.5)]
    pennies = tf.Game.from_payoffs(np.array([[[1, -1], [-1, 1]], [[-1, 1], [1, -1]]]))
    told = [words.get_text() for words in tf.plot.best_responses(pennies.dataset).legends[0].get_texts()]
    assert told == ["best response of the player", "of the other"], "no ring, and nothing said of one"
    three = tf.Game.from_payoffs(np.zeros((2, 2, 2, 3)))
    with pytest.raises(tf.ResultError, match="games of two players"):
        tf.plot.best_responses(three.dataset)


def test_learning_ends_at_what_all_sessions_ended_at(drawn: dict[str, xr.Dataset]) -> None:
    played = drawn["learning"]
    lines = tf.plot.learning(played).axes[0].lines
    # Sessions end one after the other: at the end nobody is left out.
    assert [line.get_ydata()[-1] for line in lines] == pytest.approx(  # type: ignore[index]
        (played["payoff"].mean("session") / 1e3).values.tolist()
    )


def test_periods_by_the_thousand_have_the_same_decimals_on_all_ticks() -> None:
    ticks = tf.plot.text.TickNumbers(1000.0).format_ticks([0.0, 40_000.0, 120_000.0])
    assert ticks == ["0", "40", "120"]
    assert tf.plot.text.TickNumbers(1000.0).format_ticks([0.0, 2500.0, 10_000.0]) == ["0.0", "2.5", "10.0"]


def test_what_was_the_same_in_all_sessions_deviates_by_nothing() -> None:
    # The mean of equal numbers rounds to another number, here by 1.4e-17.
    table = tf.Game.from_payoffs(np.full((2, 2, 2), 0.1)).play(sessions=7, periods=50, stop=None).table
    assert table.loc["payoff of 1", ["mean", "deviation"]].tolist() == pytest.approx(
        [0.1, 0.0], abs=0.0, rel=1e-15
    )
