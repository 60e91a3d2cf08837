"""``tokenflow game``, on a market whose games are known from the package's own functions and from theory."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.cli.conftest import Invoke, assert_clean_error
from tests.study.games import SMALL
from tokenflow_sim.cli.game_words import parse_actions, parse_learners
from tokenflow_sim.errors import Fault

PAIR = ("--actions", "ada=0:1:0.5", "--actions", "bob=0,0.5")


@pytest.fixture
def here(tokenflow: Invoke) -> Invoke:
    """Give the command in a folder that holds the small market, and the table of a game that is known."""
    Path("small.yaml").write_text(SMALL)
    return tokenflow


@pytest.fixture
def pennies(tokenflow: Invoke) -> str:
    """Write matching pennies: the only equilibrium is to draw evenly, and nothing else is stable."""
    even = np.array([[1.0, -1.0], [-1.0, 1.0]])
    return str(tf.Game.from_payoffs([even, -even]).save("pennies.nc"))


def lines(text: str) -> list[str]:
    """Return lines with single spaces."""
    return [" ".join(line.split()) for line in text.splitlines()]


def test_a_game_is_tabulated_shown_and_written(here: Invoke) -> None:
    words = ("game", "small.yaml", *PAIR, "--period", "1", "--set", "demand.scale=1.1")
    result = here(*words, "--out", "g.nc", "--table", "g.csv", "--figures", "drawn", "--leader", "bob")
    assert result.exit_code == 0, result.output
    known = tf.game(
        "small.yaml", actions={"ada": [0.0, 0.5, 1.0], "bob": [0.0, 0.5]}, period=1, overrides={"demand.scale": 1.1}
    )  # fmt: skip
    xr.testing.assert_identical(tf.Game.load("g.nc").dataset, known.dataset)
    frame = pd.read_csv("g.csv")
    at = frame[(frame["ada"] == 0.5) & (frame["bob"] == 0.0)].iloc[0]
    cell = known.dataset.sel(ada=0.5, bob=0.0)
    assert len(frame) == 6
    assert at["payoff of bob"] == pytest.approx(float(cell.payoff.sel(provider="bob")), rel=1e-12)
    assert at["price of batch at south"] == pytest.approx(
        float(cell.price.sel(node="south", workload="batch"))
    )
    pure = [" ".join(f"{one:g}" for one in row) for row in known.pure_equilibria().action.values]
    shown = lines(result.stdout.partition("Equilibria in pure strategies")[2])
    assert all(any(line.startswith(f"{n} {row} ") for line in shown) for n, row in enumerate(pure, 1))
    led = known.stackelberg("bob").action.sel(provider="bob").item()
    assert any(line.startswith(f"bob leads {led:g} ") for line in shown)
    assert os.listdir("drawn") == ["best_responses.png"]
    assert "g.nc" in assert_clean_error(here(*words, "--out", "g.nc"))


def test_every_solution_of_a_saved_game_is_shown(tokenflow: Invoke, pennies: str) -> None:
    every = "pure,mixed,cycles,correlated,coarse,dominated,collusive,pareto"
    mixture = ("--mixture", "1=1,0", "--mixture", "2=0.5,0.5")
    result = tokenflow("game", pennies, "--find", every, "--objective", "payoff", *mixture)
    assert result.exit_code == 0, result.output
    told = lines(result.stdout)
    assert "There is no equilibrium in pure strategies; --find mixed,cycles shows what there is." in told
    assert told.count("1 0 50.00 0 0") == 1, "the mixed equilibrium, once"
    assert "Best responses end in set 1: 4 profiles" in told
    assert sum(line.endswith(" 25.00") for line in told) >= 4, "odds of the correlated equilibrium"
    assert "no action is strictly dominated" in told
    assert "Exploitability 1.0000 $/h" in told, "who plays heads is found out"


def test_learners_play_go_on_after_a_break_and_answer_to_a_deviation(tokenflow: Invoke, pennies: str) -> None:
    words = ("game", pennies, "--find", "none", "--learner", "q_learning(decay=1e-2, rate=0.3)", "--seed", "3",
             "--sessions", "4", "--periods", "3000", "--stop", "0", "--store", "kept", "--deviating", "1")  # fmt: skip
    first = tokenflow(*words, "--played", "p.nc", "--figures", "drawn")
    assert first.exit_code == 0, first.output
    assert "Repeated play, 4 sessions" in first.stdout
    assert sorted(os.listdir("drawn")) == ["best_responses.png", "impulse_response.png", "learning.png"]
    game = tf.Game.load(pennies)
    known = game.play("q_learning", sessions=4, periods=3000, stop=None, seed=3, decay=1e-2, rate=0.3)
    with xr.open_dataset("p.nc") as found:
        np.testing.assert_array_equal(found["policy"].values[:, 0], known.policies[0])
    told = assert_clean_error(tokenflow("game", "p.nc"))
    assert (
        "holds no game: a game's payoffs have a dim for each player and `provider` last; these have (session"
        in told
    )
    again = tokenflow(*words)
    assert again.exit_code == 0, again.output
    assert again.stdout in first.stdout, "what is kept is shown again"
    assert "holds other play" in assert_clean_output(tokenflow(*words, "--periods", "2000"))


def assert_clean_output(result: object) -> str:
    """Return what a command says of a fault that it met after it had shown the game."""
    assert result.exit_code == 2, result.output  # type: ignore[attr-defined]
    return str(result.stderr)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), ["--actions: is missing"]),
        (("--actions", "0,0.5", "--actions", "ada=0", "--find", "pur", "--mixture", "a", "--learner", "x(y"),
         ["one list for all players, or a list", "did you mean 'pure'", "NAME=0.5,0.5", "found 'x(y'"]),
        (("--actions", "ada=uniform(0,1)", "--actions", "=1"), ["no distribution", "write a,b,c"]),
        (("--actions", "adda=0,1", "--play", "quantity"), ["--actions: unknown provider 'adda'"]),
        (("--providers", "bobb", "--actions", "0,1"), ["--providers: unknown provider 'bobb'"]),
        (("--actions", "ada=0,x", "--actions", "bob=0,-3"), ["found 'x'", "a mark-up must be at least -1"]),
        (("--actions", "0:1:0.001"), ["1,003,003,001 profiles; at most 1,000,000 are cleared", "raise --most"]),
        ((*PAIR, "--played", "p.nc", "--deviating", "ada"), ["--played: name who plays", "--deviating: name"]),
        (
            (*PAIR, "--mixture", "ada=0.5,0.2,0.1", "--mixture", "bob=1,0", "--leader", "zed", "--tolerance", "nan",
             "--find", "correlated", "--objective", "welfar", "--learner", "ucb1", "--deviating", "bobb"),
            ["--mixture['ada']: must be probabilities that add up to 1", "--leader: unknown player 'zed'",
             "--tolerance: must be a finite number", "did you mean 'welfare'", "did you mean 'bob'",
             "--deviating: nobody answers to a deviation who remembers nothing", "has 6 faults"],
        ),
        ((*PAIR, "--table", "g.nc"), ["give a name that ends in .csv"]),
    ],
)  # fmt: skip
def test_bad_input_ends_in_one_message(here: Invoke, words: tuple[str, ...], told: list[str]) -> None:
    message = assert_clean_error(here("game", "small.yaml", *words))
    assert all(part in message for part in told), message
    assert os.listdir() == ["small.yaml"]


def test_words_are_read_as_they_are_meant() -> None:
    faults: list[Fault] = []
    assert parse_actions(["0:0.3:0.1"], faults) == [0.0, 0.1, 0.2, 0.3]
    assert parse_actions(["owners.x=[0.1, 0.2],[0, 0]", "b=1"], faults) == {
        "owners.x": [[0.1, 0.2], [0, 0]],
        "b": [1],
    }
    learners = parse_learners(["ada=exp3", "bob=q_learning(rate=0.1, decay=4e-6)"], faults)
    assert learners == {"ada": {"name": "exp3"}, "bob": {"name": "q_learning", "rate": 0.1, "decay": 4e-6}}
    assert parse_learners(["ucb1"], faults) == {"name": "ucb1"}
    assert parse_learners(None, faults) is None
    assert not faults
    parse_actions(["1,2", "3"], faults)
    parse_learners(["ada=ucb1", "ada=exp3", "a,b"], faults)
    assert [fault.message for fault in faults[:2]] == [
        "the actions for all are given more than once",
        "the learner of ada is given more than once",
    ]
