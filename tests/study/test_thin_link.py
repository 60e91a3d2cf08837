"""Borenstein, Bushnell and Stoft (2000): what a thin link between two alike places does to a duopoly."""

from __future__ import annotations

import numpy as np
import pytest

import tokenflow_sim as tf
from tests.study.games import two_nodes

THRESHOLD = 10 - 2 * np.sqrt(200 / 9)
"""Capacity of the link from which Cournot's equilibrium of one market stands: there (10 - k)^2 / 4 = 200 / 9."""


def profit(own: np.ndarray, other: np.ndarray, link: float) -> np.ndarray:
    """Return one firm's profit at P = 10 - Q at each place and no cost: half the difference flows, if it may."""
    flow = np.clip((own - other) / 2, -link, link)
    return np.maximum(10 - (own - flow), 0) * own


def least_gain(link: float) -> float:
    """Return the least that somebody could still gain at any pair of quantities, as a share of 44.4 $/s."""
    grid = np.linspace(0, 10, 1501)
    paid = profit(grid[:, None], grid[None, :], link)
    gain = paid.max(axis=0)[None, :] - paid
    return float(np.maximum(gain, gain.T).min() / (400 / 9))


def test_the_theory_itself() -> None:
    assert pytest.approx(0.5719, abs=1e-4) == THRESHOLD
    duopoly = 20 / 3
    for link in (0.3, 0.55, 0.575, 0.59, 1.0):
        grid = np.linspace(0, 10, 100_001)
        best = grid[np.argmax(profit(grid, np.array(duopoly), link))]
        passive = (10 - link) / 2  # let the other fill the link, and be a monopoly for the rest
        assert best == pytest.approx(duopoly if link > THRESHOLD else passive, abs=1e-4)
        assert (least_gain(link) < 1e-9) == (link > THRESHOLD)


@pytest.mark.parametrize("link", [pytest.param(0.3, marks=pytest.mark.long), 0.55])
def test_below_the_threshold_there_is_none_in_pure_strategies_and_one_in_mixed(link: float) -> None:
    found = tf.equilibrium(
        two_nodes(link, 0.0, 10.0, 250), play="quantity", starts=["cournot", "withheld"], random=0, points=11,
        levels=1, mixed=17,
    )  # fmt: skip
    assert not found.converged
    assert found.cycle > 0
    assert found.equilibria.sizes["equilibrium"] == 0
    assert "no equilibrium found from 2 starts" in found.verdict
    assert "the best responses repeat themselves every" in found.verdict
    mixed = found.mixed
    assert mixed.sizes["mixed"] >= 1
    assert "pure" not in mixed.method.values
    np.testing.assert_allclose(mixed.probability.sum("choice"), 1.0)
    assert (mixed.gain <= 1e-9 * mixed.payment).all()
    assert (
        found.exploitability <= 0.01 * mixed.payment
    ).all()  # quantities between those of the grid included
    # The gains are those of the analytic game, as far as steps of demand tell.
    quantity, odds = 10 * mixed.action.isel(workload=0).values, mixed.probability.values[0]
    for own in range(2):
        earned = profit(quantity[own][:, None], quantity[1 - own][None, :], link) @ odds[1 - own]
        assert earned.max() - odds[own] @ earned < 0.15
        assert odds[own] @ earned == pytest.approx(float(mixed.profit[0, own]) / 3600, rel=0.01)


@pytest.mark.parametrize("link", [0.575, pytest.param(1.0, marks=pytest.mark.long)])
def test_from_the_threshold_on_it_is_cournot_without_a_hand_picked_start(link: float) -> None:
    found = tf.equilibrium(
        two_nodes(link, 0.0, 10.0, 250), play="quantity", starts=["cournot"], random=0, points=11, levels=1
    )
    assert found.converged, found
    np.testing.assert_allclose(found.dataset.price, 10 / 3, atol=0.05)
    np.testing.assert_allclose(found.dataset.profit / 3600, 200 / 9, atol=0.3)
