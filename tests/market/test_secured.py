"""Losses that schedules survive: by hand, and against all of them written out on scipy."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tokenflow_sim as tf
from tests.market.secured import ARCS, CLASSES, HOME, NODES, Extensive, random_market
from tokenflow_sim.errors import InfeasibleError
from tokenflow_sim.market.clearer import Clearer
from tokenflow_sim.market.losses import Security
from tokenflow_sim.market.market import Market

SPOTS = [(n, k) for n in range(NODES) for k in range(CLASSES)]


def secured(market: Market, response: float = 1.0) -> Market:
    """Return the market with the loss of each asset and of each cable."""
    assets = len(market.layout.assets)
    pairs = np.array([[1, 1, 0, 0], [0, 0, 1, 1]], dtype=np.bool_)
    security = Security(
        labels=(*map(str, market.layout.assets), "cable 0", "cable 1"),
        assets=np.vstack([np.eye(assets), np.zeros((2, assets))]),
        arcs=np.vstack([np.zeros((assets, ARCS)), pairs]),
        response=response,
    )
    return Market.from_arrays(market.layout, market.arrays.with_(security=security))


def extensive(market: Market, demand: Any = None) -> float:
    """Return the least cost with a dispatch and flows of its own after each loss."""
    security, arrays = market.arrays.security, market.arrays
    assert security is not None
    program = Extensive(market, demand)
    for lost, cut in zip(security.assets, security.arcs, strict=True):
        start = len(program.cost)
        left = ~lost[:, None] * arrays.capacity[:, :, 0]
        program.cost += [0.0] * (left.size + ARCS * CLASSES)
        program.upper += [*left.ravel(), *np.repeat(np.where(cut, 0.0, np.inf), CLASSES)]
        for n, k in SPOTS:
            base = program.delivered(n, k, sign=-1.0)
            program.equal.append((program.delivered(n, k, start) | base, 0.0))
        program.limits(start, np.ones(len(HOME)), np.ones(ARCS))
        for s in np.flatnonzero(~lost).tolist():
            if arrays.power_use is None or arrays.power_limit is None:
                for k in range(CLASSES):
                    row = {program.x(s, k, start): 1.0, program.x(s, k): -1.0}
                    program.most.append((row, security.response * arrays.capacity[s, k, 0]))
            else:
                use = arrays.power_use[s]
                row = {program.x(s, k, start): use[k] for k in range(CLASSES)}
                row |= {program.x(s, k): -use[k] for k in range(CLASSES)}
                program.most.append((row, security.response * arrays.power_limit[s]))
    return float(program.solve().fun)


@pytest.mark.parametrize("power", [False, True])
@pytest.mark.parametrize("response", [1.0, 0.3])
@pytest.mark.parametrize("seed", range(3))
def test_against_the_extensive_form(seed: int, response: float, power: bool) -> None:
    market = secured(random_market(seed, power=power, load=0.8), response)
    clearing = tf.clear(market)
    base = market.arrays.demand[:, :, 0]
    cost = extensive(market)
    assert clearing.values.cost == pytest.approx(cost, rel=1e-9)
    assert clearing.values.rents["security_rent"].max() > 0
    step = 1e-4
    for n, k in SPOTS:
        more = base.copy()
        more[n, k] += step
        assert clearing.values.price[n, k] == pytest.approx(
            (extensive(market, more) - cost) / step, rel=1e-5, abs=1e-5
        )
    settled = tf.settle(market, clearing)
    assert settled.residual == pytest.approx(0.0, abs=1e-9 * clearing.total_cost)
    parts = tf.decompose(market, clearing)
    assert sum(parts[name] for name in parts.data_vars).values == pytest.approx(clearing.values.price)
    assert (parts["limits"] > 0).any()


def by_hand(value: float) -> Market:
    """Two assets at a node, the dear one of which can replace 3 of the cheap one's 3.5 Mtok/s."""
    market = tf.Market(
        offer_price=pd.DataFrame({"chat": [1.0, 3.0]}, index=["cheap", "dear"]),
        capacity=pd.DataFrame({"chat": [3.5, 3.0]}, index=["cheap", "dear"]),
        demand=pd.DataFrame({"chat": [4.0]}, index=["here"]),
        value=value,
    )
    security = Security(labels=("cheap", "dear"), assets=np.eye(2), arcs=np.zeros((2, 0)))
    return Market.from_arrays(market.layout, market.arrays.with_(security=security))


def test_by_hand_the_spare_asset_is_paid() -> None:
    market = by_hand(50.0)
    clearing = tf.clear(market)
    assert clearing.dispatch.squeeze("workload").values == pytest.approx([3.0, 0.0])
    assert clearing.price.item() == pytest.approx(50.0)
    rent = clearing.limit_rents["security_rent"]
    assert rent.sel(contingency="cheap").item() == pytest.approx(49.0)
    settled = tf.settle(market, clearing)
    # Service is paid its cost, and what would serve after the loss the rent.
    assert settled.revenue.squeeze("workload").values / 3600 == pytest.approx([3.0, 147.0])
    assert settled.residual == pytest.approx(0.0, abs=1e-6)


def test_what_cannot_be_secured_is_named() -> None:
    with pytest.raises(InfeasibleError) as caught:
        tf.clear(by_hand(np.inf))
    notes = "\n".join(getattr(caught.value, "__notes__", ()))
    assert "after the loss of cheap: 1 Mtok/s; dear: 0.5 Mtok/s" in notes
    assert caught.value.shortfall == {("here", "chat"): pytest.approx(1.0)}


def test_the_outcome_does_not_depend_on_what_was_cleared_before() -> None:
    markets = [secured(random_market(seed, load=0.8), 0.3) for seed in range(3)]
    clearer = Clearer(markets[0])
    for market in (*markets, *markets[::-1]):
        again, fresh = clearer.clear(market), tf.clear(market)
        for name in ("price", "dispatch", "flow", "unserved"):
            assert (getattr(again.values, name) == getattr(fresh.values, name)).all()
        assert (again.values.rents["security_rent"] == fresh.values.rents["security_rent"]).all()
    # A market that was cleared can be cleared again, and pickled.
    copy = pickle.loads(pickle.dumps(fresh))
    assert (tf.clear(copy.market).values.price == fresh.values.price).all()
