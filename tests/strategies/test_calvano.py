"""Q-learning with the source's state, start values and rates: Calvano and others (2020), by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.strategies.oligopoly import oligopoly, play
from tests.strategies.test_learning import receipt_of, view_of
from tokenflow_sim.strategies.q_learning import QLearning

LADDER = (0.0, 1.0, 2.0)


def duopoly(own: float, rival: float, rival_quantity: float = 10.0) -> tf.Market:
    """Return a market of two firms with capacity to spare and 6 Mtok/s of demand worth 9 $/Mtok."""
    coords: dict[str, Any] = {
        "asset": ["own", "rival"], "workload": ["x"], "asset_node": ("asset", ["here"] * 2),
        "provider": ("asset", ["one", "other"]),
    }  # fmt: skip
    node = {"node": ["here"], "workload": ["x"]}
    return tf.Market(
        offer_price=xr.DataArray([[own], [rival]], dims=("asset", "workload"), coords=coords),
        capacity=xr.DataArray([[10.0], [rival_quantity]], dims=("asset", "workload"), coords=coords),
        demand=xr.DataArray([[6.0]], dims=("node", "workload"), coords=node),
        value=xr.DataArray([[9.0]], dims=("node", "workload"), coords=node),
    )


def turn(learner: QLearning, arm: int, rival: float, profit: float, quantity: float = 10.0) -> None:
    """Let a learner of cost 1 play an arm against a rival's price."""
    learner.offer(view_of([[1.0]], [[10.0]], assets=("own",)))
    learner.arm = np.array([arm])
    receipt = receipt_of([[profit]])
    receipt.market = duopoly(1.0 + LADDER[arm], rival, quantity)
    learner.learn(receipt)


def test_the_preset_has_the_rates_of_the_source() -> None:
    learner = QLearning(preset="calvano")
    assert (learner.rate, learner.discount, learner.decay) == (0.15, 0.95, 4e-6)
    assert QLearning(preset="calvano", decay=0.1).decay == 0.1
    short = QLearning()
    assert (short.rate, short.discount, short.decay, short.context) == (0.15, 0.5, 0.03, "scarcity")


def test_values_start_at_the_profit_against_rivals_who_draw_evenly_for_ever() -> None:
    learner = QLearning(LADDER, preset="calvano")
    turn(learner, 0, 1.0, 0.0)
    # At cost nothing is earned. At 2 the sale is shared with a rival at 2, and whole against one at 3; at 3 shared
    # with one at 3: a third of 3 + 6 at a margin of 1, and of 3 at a margin of 2.
    mean = 3600 * np.array([0.0, (3.0 + 6.0) / 3, 2 * 3.0 / 3])
    assert learner.start is not None
    assert learner.start[0] == pytest.approx(mean / (1 - 0.95))


def test_values_change_as_worked_by_hand() -> None:
    learner = QLearning(LADDER, preset="calvano", rate=0.5, discount=0.5)
    start = 3600 * np.array([0.0, 3.0, 2.0]) / 0.5
    turn(learner, 0, 1.0, 0.0)
    # Before the first period no prices are known; the state after it is (1, 1), fresh: 0.5 x 0 + 0.5 (0 + 0.5 best)
    first = 0.5 * 0.5 * start.max()
    assert learner.q[0] == pytest.approx([first, start[1], start[2]])
    turn(learner, 1, 3.0, 21600.0)
    # from (1, 1) by arm 1 to (2, 3), which is fresh
    second = 0.5 * start[1] + 0.5 * (21600.0 + 0.5 * start.max())
    assert learner.q[1] == pytest.approx([start[0], second, start[2]])
    turn(learner, 0, 1.0, 0.0)
    # from (2, 3) by arm 0 back to (1, 1), whose best is what was learnt there
    third = 0.5 * start[0] + 0.5 * (0.0 + 0.5 * max(second, start[2]))
    assert learner.q[2] == pytest.approx([third, start[1], start[2]])
    assert learner.states == {(0, 0): 0, (0, 0, 0, 0): 1, (0, 0, 1, 2): 2}


@pytest.mark.parametrize(
    ("rival", "quantity", "place"),
    [(1.0, 10.0, 0), (1.6, 10.0, 1), (2.4, 1.0, 1), (8.0, 10.0, 2), (2.0, 0.0, 3)],
)
def test_a_rival_stands_at_the_nearest_price_of_the_ladder(rival: float, quantity: float, place: int) -> None:
    learner = QLearning(LADDER, preset="calvano")
    turn(learner, 2, rival, 0.0, quantity)
    assert learner.asked.tolist() == [[2, place]]


def test_arms_are_drawn_with_a_probability_that_fades_exponentially() -> None:
    learner = QLearning(LADDER, preset="calvano", decay=0.01)
    turn(learner, 0, 1.0, 0.0)
    learner.q[:] = [0.0, 0.0, 1.0]
    learner.played, drawn = 50, 0
    rng = np.random.default_rng(1)
    for _ in range(4000):
        learner.played = 50
        learner.row = np.array([1])
        drawn += int(learner.choose(view_of(rng=rng))[0]) != 2
    assert drawn / 4000 == pytest.approx(math.exp(-0.5) * 2 / 3, abs=0.03)


def test_secret_offers_leave_the_market_price_for_the_rivals() -> None:
    learner = QLearning(LADDER, preset="calvano")
    learner.offer(view_of([[1.0]], [[10.0]]))
    learner.arm = np.array([1])
    learner.learn(receipt_of([[5.0]], [[2.9]]))
    assert learner.asked.tolist() == [[1, 2]]
    assert learner.start is not None
    assert learner.start[0] == pytest.approx(np.full(3, 5.0 / 0.05))


def test_myopic_learners_of_one_good_end_next_to_bertrand() -> None:
    # Without a tomorrow, theory leaves the price at cost or one step above it: shared at 1.5 no cut to 1 pays.
    firms = {"one": (1.0, 10.0, "here"), "other": (1.0, 10.0, "here")}
    learner = QLearning((0.0, 0.5, 1.0, 2.0), preset="calvano", discount=0.0, decay=0.02, rate=0.3)
    results = play(oligopoly(firms, demand=6.0, value=9.0, periods=600), {"providers": learner})
    late = results.price.values[-50:, 0, 0]
    assert 1.0 <= late.mean() <= 1.5 + 1e-9
