"""Tests for periods of small markets that come again."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import tokenflow_sim as tf
from tokenflow_sim.numeric import Floats
from tokenflow_sim.strategies import Bid, DemandStrategy, DemandView
from tokenflow_sim.strategies.base import History

DUOPOLY: dict[str, Any] = {
    "format": 1,
    "name": "duopoly",
    "periods": 60,
    "market": {"bandwidth": "none", "must_serve": False, "shared_power": False},
    "workloads": {"chat": {"base_demand": 1_000_000, "payload": 0.5, "value": 10}},
    "nodes": {"here": {"electricity_price": 0.05, "power_mw": 400, "demand_weight": 1}},
    "hardware": {"fleet": {"throughput": {"chat": 5000}, "energy": {"chat": 1}}},
    "providers": {
        name: {
            "assets": [{"name": name, "node": "here", "hardware": "fleet", "share": 0.5}],
            "strategy": {"name": "q_learning"},
        }
        for name in ("a", "b")
    },
}
CASES: dict[str, dict[str, Any]] = {
    "one state": {},
    "a price of electricity for each hour": {"electricity.hourly": {"here": [1.0] * 12 + [3.0] * 12}},
    "noise, so that no market comes again": {"demand.noise": {"volatility": {"chat": 0.2}}},
    "a pricing rule": {"market.pricing": "pay_as_bid"},
    "emissions and their price": {"carbon": {"price": 50.0}, "nodes.here.carbon_intensity": 400.0},
    "truthful profit is taken off": {"providers.a.strategy": {"name": "roth_erev"}},
}


def plain(shown: object) -> object:
    """Return what can be compared of a field of a view or a receipt."""
    if isinstance(shown, History):
        return [plain(getattr(shown, field.name)) for field in fields(shown)]
    if isinstance(shown, np.ndarray):
        return shown.shape, shown.tobytes()
    return shown if isinstance(shown, (int, float, str, tuple)) else type(shown)


def watch(told: list[Any], act: Callable[[Any], Any], shown: Any) -> Any:
    """Keep what a strategy is shown."""
    told.append(shown)
    return act(shown)


@pytest.mark.parametrize("case", CASES)
def test_what_comes_again_brings_what_it_would_if_it_were_cleared_again(case: str) -> None:
    scenario = tf.Scenario(**DUOPOLY).override(CASES[case])
    kept, anew = tf.TokenMarket(scenario, rng=5), tf.TokenMarket(scenario, rng=5)
    anew.clearing_house._may_come_again = False
    seen = []
    for model in (kept, anew):
        told: list[Any] = []
        strategy = model.providers["a"].strategy
        strategy.offer = partial(watch, told, strategy.offer)
        strategy.learn = partial(watch, told, strategy.learn)
        model.run()
        # Views and receipts of all periods, looked at when the run is over: those that were kept still hold their own.
        seen.append(
            [[(field.name, plain(getattr(one, field.name))) for field in fields(one)] for one in told]
        )
        assert [one.period for one in told] == [period for period in range(60) for _ in range(2)]
        shown = [getattr(one, field.name) for one in told for field in fields(one)]
        assert not any(array.flags.writeable for array in shown if isinstance(array, np.ndarray))
    assert seen[0] == seen[1]
    xr.testing.assert_identical(kept.results(), anew.results())
    assert kept.clearing_house.result is not None
    assert kept.clearing_house.result.period == 59


def test_two_firms_of_six_prices_bring_few_markets() -> None:
    model = tf.TokenMarket(tf.Scenario(**DUOPOLY), rng=5)
    cleared = 0
    while model.running:
        before = model.clearing
        model.step()
        cleared += model.clearing is not before
    assert len({id(clearing) for clearing, _ in model.clearing_house._known._known.values()}) <= 36
    assert cleared > 36  # many are met again, and in another order


def test_what_comes_again_is_recorded_as_it_was_in_every_chunk_file_and_copy(tmp_path: Path) -> None:
    scenario = tf.Scenario(**DUOPOLY).override({"periods": 400})
    anew = tf.TokenMarket(scenario, rng=5)
    anew.clearing_house._may_come_again = False
    anew.run()
    kept, streamed = tf.TokenMarket(scenario, rng=5), tf.TokenMarket(scenario, rng=5, out=tmp_path / "run.nc")
    assert kept.ledger.plan.chunk < 200
    streamed.run()
    kept.run_for(250)
    kept.results()  # as far as it went, which must not disturb the rest
    copies = [copy.deepcopy(kept), pickle.loads(pickle.dumps(kept))]
    for model in (kept, *copies, streamed):
        model.run()
        xr.testing.assert_identical(model.results().load().drop_attrs(), anew.results().drop_attrs())


def test_work_that_waits_is_recorded_where_all_else_comes_again() -> None:
    found = []
    for again in (True, False):
        model = tf.TokenMarket(tf.Scenario(**DUOPOLY), rng=5, strategies={"regions": Waits})
        model.clearing_house._may_come_again = again
        model.run()
        found.append(model.results())
    xr.testing.assert_identical(*found)
    assert found[0].backlog[:, 0, 0].values.tolist() == list(range(60))


class Waits(DemandStrategy):
    """Bids what there is, and says that more waits from period to period."""

    keeps_backlog = True

    def __init__(self) -> None:
        self.waits = -1.0

    def bid(self, view: DemandView) -> Bid:
        """Bid all of it."""
        self.waits += 1.0
        return Bid(view.demand, view.value)

    @property
    def backlog(self) -> Floats:
        """One more in each period."""
        return np.full((1, 1), self.waits)
