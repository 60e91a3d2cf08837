"""What fictitious play remembers: everything, as sums or as a tally, against all markets kept one by one."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

import tokenflow_sim as tf
from tests.strategies.test_learning import view_of
from tests.strategies.test_rewards import ONE, market
from tokenflow_sim.numeric import Floats
from tokenflow_sim.strategies import History
from tokenflow_sim.strategies.fictitious_play import FictitiousPlay, RunningAverage, Tally, average

MARKETS = [
    market(1.0, 4.0, 3.0, value=5.0), market(2.0, 0.0, 0.0, value=np.inf), market(4.0, 1.0, 6.0, value=8.0),
]  # fmt: skip
PRICE = np.zeros((1, 1))


def test_sums_are_the_average_of_all_markets() -> None:
    mean = RunningAverage()
    for number, one in enumerate(MARKETS):
        mean.add(one, np.full((1, 1), float(number)))
    found = mean.market(MARKETS[-1]).arrays
    # by quantity offered: (4 x 1 + 1 x 4) / 5; by demand: (3 x 5 + 6 x 8) / 9, where nothing is wanted counts nothing
    assert found.offer_price[0, 0, 0] == pytest.approx(8 / 5)
    assert found.capacity[0, 0, 0] == pytest.approx(5 / 3)
    assert found.value[0, 0, 0] == pytest.approx(63 / 9)
    assert found.demand[0, 0, 0] == pytest.approx(3.0)
    assert mean.price.item() == 1.0
    assert average(MARKETS).arrays.value[0, 0, 0] == found.value[0, 0, 0]


def demands(tally: Tally, last: tf.Market) -> Counter[float]:
    found: Counter[float] = Counter()
    for one in tally.believed(last, PRICE):
        found[float(one.market.arrays.demand[0, 0, 0])] += one.times
    return found


def test_a_tally_counts_markets_whatever_oneself_offered() -> None:
    tally, rng = Tally(3), np.random.default_rng(1)
    for own, demand in ((1.0, 2.0), (5.0, 3.0), (9.0, 2.0), (2.0, 2.0)):
        tally.add(market(own, 4.0, demand), PRICE, ONE, rng)
    assert demands(tally, MARKETS[0]) == {2.0: 3, 3.0: 1}
    # the last comes last, with the offer made then
    assert tally.seen[-1].market.arrays.offer_price[0, 0, 0] == 2.0
    assert rng.random() == np.random.default_rng(1).random()  # nothing was drawn


def test_a_tally_of_too_many_markets_is_a_fair_sample() -> None:
    total: Counter[float] = Counter()
    every = [market(1.0, 4.0, float(demand)) for demand in range(1, 7)]
    for seed in range(150):
        tally, rng = Tally(4), np.random.default_rng(seed)
        for one in every:
            tally.add(one, PRICE, ONE, rng)
        found = demands(tally, every[-1])
        assert sum(found.values()) == 4
        total += found
    shares = np.array([total[float(demand)] for demand in range(1, 7)]) / 600
    assert shares == pytest.approx(np.full(6, 1 / 6), abs=0.06)


def offered(belief: str, memory: int | None, submitted: list[tf.Market], prices: list[Floats]) -> list[float]:
    strategy = FictitiousPlay(memory=memory, belief=belief)  # type: ignore[arg-type]
    found = []
    for one, price in zip(submitted, prices, strict=True):
        history = History(price[None], np.zeros((1, 1, 1)), np.zeros((1, 1, 1)))
        view = view_of([[1.0]], [[4.0]], assets=("own",))
        view = replace(view, nodes=("here",), history=history, last_market=one)
        found.append(float(strategy.offer(view).price[0, 0]))
    return found


@pytest.mark.parametrize("belief", ["mix", "average"])
def test_everything_is_remembered_by_default(belief: str) -> None:
    # 5 units wanted, so that one is pivotal for 3 of them, and lately 2, which the rival can serve.
    submitted = [market(1.0, 4.0, 5.0)] * 4 + [market(1.0, 4.0, 2.0)] * 2
    prices = [np.full((1, 1), 3.0)] * 6
    everything = offered(belief, None, submitted, prices)
    assert everything == pytest.approx(offered(belief, 99, submitted, prices), rel=1e-9)
    assert everything[-1] == pytest.approx(50 * 0.999)
    assert offered(belief, 1, submitted, prices)[-1] == pytest.approx(3 * 0.999)


def test_a_mix_replies_to_the_mix() -> None:
    # Alone with 2 of 2 units wanted beside the rival's 2, just under its 3 $ is best: 2 x 2 = 4, in each market. With
    # 5 wanted, the value: 49 x 3 = 147. Half of either: 147 / 2 at the value, more than (2 x 2 + 2 x 4) / 2 under 3 $.
    few, many = market(1.0, 4.0, 2.0), market(1.0, 4.0, 5.0)
    prices = [np.full((1, 1), 3.0)] * 2
    assert offered("mix", None, [few, many], prices)[-1] == pytest.approx(50 * 0.999)
