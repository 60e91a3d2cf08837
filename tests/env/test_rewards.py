"""Rewards adjusted for risk tend to what they are said to."""

from __future__ import annotations

import numpy as np
import pytest

from tokenflow_sim.env import Reward
from tokenflow_sim.errors import InputError

DRAWN = np.random.default_rng(1).normal(3.0, 2.0, 20_000)


def mean_reward(**given: object) -> float:
    reward = Reward(**given).start(100.0)  # type: ignore[arg-type]
    return float(np.mean([reward(100.0 * x) for x in DRAWN]))


def test_profit_and_its_share_are_as_they_come() -> None:
    assert mean_reward(measure="profit") == pytest.approx(100 * DRAWN.mean())
    assert mean_reward() == pytest.approx(DRAWN.mean())


def test_the_mean_of_the_first_is_mean_less_variance() -> None:
    found = mean_reward(measure="mean_variance", aversion=0.3, memory=5000)
    assert found == pytest.approx(DRAWN.mean() - 0.3 * DRAWN.var(), rel=0.02)


@pytest.mark.parametrize("level", [0.05, 0.5, 1.0])
def test_the_mean_of_the_second_is_the_mean_of_the_worst(level: float) -> None:
    worst = np.sort(DRAWN)[: int(level * len(DRAWN))].mean()
    found = mean_reward(measure="cvar", aversion=0.7, level=level, memory=5000)
    assert found == pytest.approx(0.3 * DRAWN.mean() + 0.7 * worst, abs=0.02)


def test_old_periods_are_forgotten() -> None:
    reward = Reward("cvar", aversion=1.0, level=0.5, memory=2).start(1.0)
    # The quantile is that of the two periods before: 4, then 4, 4 and 1; the first has only itself.
    assert [reward(x) for x in (4.0, 6.0, 1.0, 8.0, 9.0)] == [4.0, 4.0, -2.0, 1.0, 1.0]


def test_parameters_out_of_range_are_told_all_at_once() -> None:
    with pytest.raises(InputError) as raised:
        Reward("mean_variance", aversion=-1.0, level=0.0, memory=0)
    assert [fault.place for fault in raised.value.faults] == ["aversion", "level", "memory"]
    with pytest.raises(InputError, match=r"aversion: must be .* and at most 1; found 2"):
        Reward.of({"measure": "cvar", "aversion": 2.0})
    with pytest.raises(InputError, match="unknown parameter 'alpha'"):
        Reward.of({"alpha": 0.1})
