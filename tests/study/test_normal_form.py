"""Mixed equilibria of games that textbooks solve, and of random ones, judged by what is left to gain."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from tokenflow_sim.study.normal_form import NormalForm, alike, lemke_howson, regret_matching


def game(ours: list[list[float]], theirs: list[list[float]]) -> NormalForm:
    return NormalForm(np.stack([np.array(ours, dtype=float), np.array(theirs, dtype=float)], axis=-1))


PENNIES = game([[1, -1], [-1, 1]], [[-1, 1], [1, -1]])
SEXES = game([[3, 0], [0, 2]], [[2, 0], [0, 3]])
SHAPLEY = game([[1, 0, 0], [0, 1, 0], [0, 0, 1]], [[0, 1, 0], [0, 0, 1], [1, 0, 0]])


def test_textbook_games() -> None:
    assert PENNIES.pure_equilibria() == []
    (found,) = unique(PENNIES)
    np.testing.assert_allclose(found, [[0.5, 0.5], [0.5, 0.5]])
    assert SEXES.pure_equilibria() == [(0, 0), (1, 1)]
    assert len(unique(SEXES)) == 2  # no path leads to the mixed one, 3/5 and 2/5: an odd number exists
    mixed = (np.array([0.6, 0.4]), np.array([0.4, 0.6]))
    np.testing.assert_allclose(SEXES.gains(mixed), 0.0, atol=1e-12)
    np.testing.assert_allclose(SEXES.expected(mixed), [1.2, 1.2])
    (found,) = unique(SHAPLEY)
    np.testing.assert_allclose(found, 1 / 3)


def unique(one: NormalForm) -> list[tuple[np.ndarray, ...]]:
    found: list[tuple[np.ndarray, ...]] = []
    for mixture in lemke_howson(one):
        if not any(alike(mixture, other, 1e-9) for other in found):
            found.append(mixture)
    return found


def test_every_path_of_lemke_and_howson_ends_in_an_equilibrium_degenerate_games_too() -> None:
    rng = np.random.default_rng(0)
    for number in range(120):
        m, n = rng.integers(1, 6, 2)
        # Few different payoffs make ties, on which pivots without a rule go in circles.
        payoff = rng.integers(0, 3, (m, n, 2)).astype(float) if number % 2 else 1e6 * rng.random((m, n, 2))
        found = list(lemke_howson(NormalForm(payoff)))
        assert len(found) == m + n
        assert max(NormalForm(payoff).gains(one).max() for one in found) <= 1e-9 * max(np.ptp(payoff), 1)
    with pytest.raises(ValueError, match="for two players; found 3"):
        next(lemke_howson(NormalForm(np.zeros((2, 2, 2, 3)))))


def test_gains_and_expectations_are_those_of_adding_up_all_profiles() -> None:
    rng = np.random.default_rng(1)
    payoff = rng.random((2, 3, 4, 3))
    form = NormalForm(payoff)
    mixture = [rng.dirichlet(np.ones(count)) for count in form.actions]

    def expected(player: int, mixture: list[np.ndarray]) -> float:
        return sum(
            payoff[at][player] * np.prod([own[place] for own, place in zip(mixture, at, strict=True)])
            for at in product(range(2), range(3), range(4))
        )

    for player, count in enumerate(form.actions):
        here = expected(player, mixture)
        assert form.expected(mixture)[player] == pytest.approx(here)
        others = [
            expected(player, [*mixture[:player], np.eye(count)[action], *mixture[player + 1 :]])
            for action in range(count)
        ]
        assert form.gains(mixture)[player] == pytest.approx(max(max(others) - here, 0.0))


def test_regret_matching_solves_zero_sum_games_and_tells_what_it_does_not_solve() -> None:
    mixture, _ = regret_matching(PENNIES, rounds=2000)
    np.testing.assert_allclose(mixture, 0.5, atol=0.03)
    assert PENNIES.gains(mixture).max() < 0.03
    # Shapley's game is where averages go in circles for ever: the gain that is left says so.
    mixture, played = regret_matching(SHAPLEY, rounds=1000)
    assert played == 1000
    gain = max(
        float(np.eye(3)[action] @ SHAPLEY.payoff[..., 0] @ mixture[1]) - float(SHAPLEY.expected(mixture)[0])
        for action in range(3)
    )
    assert SHAPLEY.gains(mixture)[0] == pytest.approx(gain)
    # Three players each of whom wants to differ from the next: the mixed equilibrium is one half.
    payoff = np.zeros((2, 2, 2, 3))
    for at in product(range(2), repeat=3):
        payoff[at] = [at[0] != at[1], at[1] != at[2], at[2] == at[0]]
    three = NormalForm(payoff)
    mixture, _ = regret_matching(three, rounds=3000, tolerance=0.02)
    assert three.gains(mixture).max() < 0.05
