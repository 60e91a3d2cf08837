"""Games whose solutions every textbook has."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.study.games import linear, one_node
from tokenflow_sim.errors import InputError, ResultError
from tokenflow_sim.games.mixed import support_enumeration
from tokenflow_sim.games.responses import sinks
from tokenflow_sim.study.normal_form import NormalForm, profiles

PRISONERS = tf.Game.from_payoffs([[[3, 0], [5, 1]], [[3, 5], [0, 1]]])
PENNIES = tf.Game.from_payoffs([[[1, -1], [-1, 1]], [[-1, 1], [1, -1]]])
CHICKEN = tf.Game.from_payoffs([[[6, 2], [7, 0]], [[6, 7], [2, 0]]])


def test_the_prisoners_dilemma() -> None:
    found = PRISONERS.pure_equilibria()
    assert found.action.values.tolist() == [[1, 1]]
    assert found.payoff.values.tolist() == [[1, 1]]
    assert PRISONERS.dominated() == {"1": [0], "2": [0]}
    assert len(PRISONERS.pareto_front()) == 3
    assert PRISONERS.collusive().payoff.values.tolist() == [3, 3]
    gain = PRISONERS.profit_gain([[1.0, 1.0], [3.0, 3.0], [2.0, 2.0]])
    assert gain.values.tolist() == [0.0, 1.0, 0.5]
    # Whatever is correlated, defection is dominant.
    assert PRISONERS.correlated_equilibrium("payoff").odds.values[1, 1] == pytest.approx(1.0)
    with pytest.raises(ResultError, match="nothing is to be gained"):
        PENNIES.profit_gain([0.0, 0.0], nash=0.0)


def test_matching_pennies() -> None:
    assert PENNIES.pure_equilibria().sizes["equilibrium"] == 0
    mixed = PENNIES.mixed_equilibria()
    np.testing.assert_allclose(mixed.probability, 0.5)
    np.testing.assert_allclose(mixed.payoff, 0.0, atol=1e-12)
    (cycle,) = PENNIES.best_response_cycles()
    assert cycle[["1", "2"]].values.tolist() == [[0, 0], [0, 1], [1, 1], [1, 0]]
    assert PENNIES.exploitability([[0.75, 0.25], [0.5, 0.5]]).gain.values.tolist() == [0.0, 0.5]
    with pytest.raises(ResultError, match=r"no action|joint maximum"):
        PENNIES.profit_gain([0.0, 0.0])


def test_chicken_has_a_correlated_equilibrium_better_than_any_mixture() -> None:
    # Aumann (1974) with these payoffs: 21/4 each, by (1/2, 1/4, 1/4, 0).
    found = CHICKEN.correlated_equilibrium("payoff")
    np.testing.assert_allclose(found.odds, [[0.5, 0.25], [0.25, 0.0]], atol=1e-9)
    np.testing.assert_allclose(found.payoff, 5.25)
    np.testing.assert_allclose(found.gain, 0.0, atol=1e-9)
    assert float(CHICKEN.correlated_equilibrium("1").payoff[0]) == pytest.approx(7.0)
    # Nash equilibria are correlated ones, and these are coarse ones: so objectives are in this order.
    worst = [
        float(CHICKEN.coarse_correlated_equilibrium("payoff", sense="min").value),
        float(CHICKEN.correlated_equilibrium("payoff", sense="min").value),
        float(CHICKEN.mixed_equilibria().payoff.sum("provider").min()),
    ]
    assert worst == sorted(worst)
    mixed = CHICKEN.mixed_equilibria()
    assert sorted(mixed.method.values.tolist()) == ["pure", "pure", "support"]
    np.testing.assert_allclose(mixed.probability[-1], [[2 / 3, 1 / 3], [2 / 3, 1 / 3]])


def test_commitment_by_a_mixture_beats_single_actions() -> None:
    # Von Stengel and Zamir (2010), figure 1: committing evenly gives the leader 3.5, the best single action 3.
    game = tf.Game.from_payoffs([[[2, 4], [1, 3]], [[1, 0], [0, 1]]])
    assert float(game.stackelberg("1").payoff[0]) == 3.0
    mixed = game.stackelberg("1", mixed=True)
    np.testing.assert_allclose(mixed.commitment, [0.5, 0.5])
    assert float(mixed.payoff[0]) == pytest.approx(3.5)
    # Ties: a follower that does not care may help or harm.
    careless = tf.Game.from_payoffs([[[5, 0], [2, 2]], [[1, 1], [1, 0]]])
    assert float(careless.stackelberg("1").payoff[0]) == 5.0
    assert float(careless.stackelberg("1", ties="weak").payoff[0]) == 2.0
    assert careless.stackelberg("1").attrs["ties"] == 2


def test_cournot_and_stackelberg_in_a_market() -> None:
    """Demand P = 10 - Q, cost 1: Cournot sells 3 each, a leader 4.5 and its follower 2.25, a cartel 2.25 each."""
    market = one_node([1.0, 1.0], [10.0, 10.0], *linear(10.0, 1.0, 200))
    game = tf.game(market, actions=[0.225, 0.3, 0.45], play="quantity")
    assert game.pure_equilibria().action.values.tolist() == [[0.3, 0.3]]
    led = game.stackelberg("p0")
    assert led.action.values.tolist() == [0.45, 0.225]
    assert float(led.price.squeeze()) == pytest.approx(10 - 6.75, abs=0.05)
    assert game.collusive().action.values.tolist() == [0.225, 0.225]
    # Surplus of everybody: the area under demand less cost, here of 6 at a price of 4.
    at = game.dataset.sel(p0=0.3, p1=0.3)
    assert float(at.welfare) == pytest.approx((10 * 6 - 18 - 6) * 3600, rel=1e-3)
    assert float(at.payment) == pytest.approx(float(at.payoff.sum()) + 6 * 3600, rel=1e-6)


def test_bertrand_in_a_market() -> None:
    market = one_node([1.0, 1.0], [2.0, 2.0], [10.0], [1.0])
    game = tf.game(market, actions=[0.0, 0.1, 0.15])
    # The dearer sells nothing; at equal prices both sell half.
    assert game.pure_equilibria().action.values.tolist() == [[0.0, 0.0], [0.1, 0.1]]
    np.testing.assert_allclose(game.payoff.sel(p0=0.15, p1=0.15), [270.0, 270.0])
    np.testing.assert_allclose(game.payoff.sel(p0=0.1, p1=0.15), [360.0, 0.0])


def test_three_players_are_solved_exactly_where_the_support_is_found() -> None:
    rng = np.random.default_rng(3)
    games = [rng.normal(size=(2, 2, 2, 3)) for _ in range(9)]
    # Regret matching finds none in this one, and all supports are tried.
    games.append(np.random.default_rng(0).normal(size=(2, 2, 2, 3)))
    for payoff in games:
        game = tf.Game.from_payoffs(payoff)
        found = game.mixed_equilibria()
        assert float(found.exploitability.min()) < 1e-9
        for place in np.flatnonzero(found.method != "regret_matching"):
            # Told by another computation: what each player gains by each action, profile by profile.
            odds = found.probability.values[place]
            whole = np.einsum("a,b,c->abc", *odds)
            for player in range(3):
                expected = float((whole * payoff[..., player]).sum())
                others = np.einsum("a,b->ab", *np.delete(odds, player, axis=0))
                best = max(
                    float((others * np.take(payoff[..., player], action, axis=player)).sum())
                    for action in range(2)
                )
                assert best - expected < 1e-9


def test_supports_and_sinks_agree_with_plain_search() -> None:
    rng = np.random.default_rng(1)
    for _ in range(10):
        form = NormalForm(rng.integers(0, 4, size=(3, 3, 2)).astype(float))
        for mixture in support_enumeration(form):
            assert float(form.gains(mixture).max()) < 1e-8
        singles = {int(one[0]) for one in sinks(form) if len(one) == 1}
        weights = np.ravel_multi_index(np.array(form.pure_equilibria(), dtype=int).reshape(-1, 2).T, (3, 3))
        assert singles == set(weights.tolist())
        # From every profile some sink is reached by moves that gain.
        for start in profiles((3, 3)):
            at, seen = start, set()
            while at not in seen and not set(np.ravel_multi_index(at, (3, 3))[None]) & singles:
                seen.add(at)
                for player in range(2):
                    line = form.payoff[(*at[:player], slice(None), *at[player + 1 :], player)]
                    if line.max() > form.payoff[(*at, player)]:
                        at = (*at[:player], int(line.argmax()), *at[player + 1 :])
                        break


def test_what_is_no_game_is_refused() -> None:
    with pytest.raises(InputError, match="must be finite; 1 are not"):
        tf.Game.from_payoffs([[[np.nan]], [[1.0]]])
    with pytest.raises(InputError, match="a dim for each player"):
        tf.Game.from_payoffs(np.zeros((2, 2, 3)))
    with pytest.raises(InputError, match="without actions"):
        tf.Game.from_payoffs(np.zeros((0, 2, 2)))
    with pytest.raises(InputError, match="unknown objective 'nobody'"):
        CHICKEN.correlated_equilibrium("nobody")
    with pytest.raises(InputError, match="probabilities that add up to 1"):
        CHICKEN.exploitability([[0.5, 0.6], [1.0, 0.0]])
    with pytest.raises(InputError, match=r"unknown player 'x'"):
        CHICKEN.stackelberg("x")


def test_a_labelled_table_keeps_its_labels(tmp_path: object) -> None:
    table = xr.DataArray(
        np.arange(12.0).reshape(2, 3, 2),
        dims=("ada", "bob", "provider"),
        coords={"ada": ["low", "high"], "bob": [0.1, 0.2, 0.3], "provider": ["ada", "bob"]},
    )
    game = tf.Game.from_payoffs(table, welfare=np.ones((2, 3)))
    assert game.actions == {"ada": ["low", "high"], "bob": [0.1, 0.2, 0.3]}
    assert game.pure_equilibria().action.values.tolist() == [["high", 0.3]]
    path = game.save(tmp_path / "game.nc")  # type: ignore[operator]
    again = tf.Game.load(path)
    xr.testing.assert_identical(again.payoff, game.payoff)
    assert again.correlated_equilibrium().attrs == {}
