"""The residual supply index against sums written out, by class and by power."""

from __future__ import annotations

import numpy as np
import pytest

from tokenflow_sim.market.pivotal import Variant, residual_supply, supply_of_class

FIRM = np.array([0, 1, 0, 2])  # provider 3 has no asset


def by_hand(supply: np.ndarray, demand: np.ndarray) -> np.ndarray:
    """Sum what every other provider has, one by one."""
    return np.array(
        [[supply[firm != FIRM][:, k].sum() / demand[k] for k in range(len(demand))] for firm in range(4)]
    )


def test_by_class_others_supply_is_set_against_demand() -> None:
    random = np.random.default_rng(1)
    capacity, demand = random.uniform(1, 5, (6, 4, 2)), random.uniform(5, 12, (6, 2))
    found = residual_supply("class", demand, capacity, FIRM, 4)
    for period in range(6):
        np.testing.assert_allclose(found.index[period], by_hand(capacity[period], demand[period]), rtol=1e-12)
    assert (found.pivotal == ((found.supply > 0) & (found.index < 1))).all()
    assert found.pivotal.any()
    assert not found.pivotal[:, 3].any(), "who has nothing is not needed, however short the market is"
    # FERC's pivotal supplier: demand exceeds what all have less what it has.
    whole = found.supply.sum(axis=1, keepdims=True)
    assert (found.pivotal == ((whole - found.supply < demand[:, None]) & (found.supply > 0))).all()


def test_shared_power_limits_supply_of_a_class_to_what_others_leave() -> None:
    use, limit = np.array([[2.0, 4.0]]), np.array([12.0])
    capacity, dispatch = np.array([[6.0, 3.0]]), np.array([[2.0, 1.5]])
    # Image draws 6 of 12 MW, which leaves 6 / 2 for chat; chat draws 4, which leaves 8 / 4 for image.
    np.testing.assert_allclose(supply_of_class(capacity, use, limit, dispatch), [[3.0, 2.0]])
    # Not knowing what is served, all power could go to either.
    np.testing.assert_allclose(supply_of_class(capacity, use, limit), [[6.0, 3.0]])
    np.testing.assert_allclose(supply_of_class(capacity, None, None, dispatch), capacity)


def test_by_power_supply_and_demand_are_megawatts() -> None:
    use = np.array([[2.0, 4.0], [1.0, 4.0], [2.0, 4.0], [2.0, 8.0]])
    limit = np.array([10.0, 20.0, 5.0, 8.0])
    capacity = np.array([[5.0, 2.5], [4.0, 1.0], [2.5, 1.25], [4.0, 1.0]])
    # The second offers too little to draw its 20 MW.
    able = np.minimum(limit, (use * capacity).sum(axis=1))
    assert able[1] == 8.0
    dispatch = np.array([[1.0, 1.0], [2.0, 0.0], [0.0, 0.0], [1.0, 0.5]])
    demand = np.array([6.0, 2.0])  # two of chat and half of image are missed
    drawn = (use * dispatch).sum()
    mean = (use * dispatch).sum(axis=0) / dispatch.sum(axis=0)
    asked = drawn + mean @ (demand - dispatch.sum(axis=0))
    found = residual_supply(
        "power", demand, capacity, FIRM, 4, power_use=use, power_limit=limit, dispatch=dispatch
    )
    np.testing.assert_allclose(found.demand, asked)
    np.testing.assert_allclose(found.index, [able[firm != FIRM].sum() / asked for firm in range(4)])
    ahead = residual_supply("power", demand, capacity, FIRM, 4, power_use=use, power_limit=limit)
    usual = (use * capacity).sum(axis=0) / capacity.sum(axis=0)
    np.testing.assert_allclose(ahead.demand, usual @ demand)


def test_nothing_asked_unlimited_supply_and_missing_demand() -> None:
    capacity = np.array([[np.inf], [1.0], [1.0], [2.0]])
    index = residual_supply("class", np.array([0.0]), capacity, FIRM, 4).index
    assert np.isinf(index).all()
    found = residual_supply("class", np.array([10.0]), capacity, FIRM, 4)
    np.testing.assert_allclose(found.index[:, 0], [0.3, np.inf, np.inf, np.inf])
    assert found.pivotal[:, 0].tolist() == [True, False, False, False]
    lost = residual_supply("class", np.array([np.nan]), capacity, FIRM, 4)
    assert np.isnan(lost.index[0]).all()
    assert not lost.pivotal.any()


def test_variants_are_named_and_power_must_be_shared() -> None:
    assert str(Variant("power", "existing")) == "by power, existing capacity"
    with pytest.raises(ValueError, match="needs shared power"):
        residual_supply("power", np.ones(1), np.ones((4, 1)), FIRM, 4)
