"""Random markets of all formulations, 244 of them, against the same program on scipy's `linprog`.

Each example is a run of markets of one structure through one Clearer, as a simulation clears them; that
this equals clearing each of them cold is what `test_history` holds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.oracle import optimality
from tests.oracle.effort import effort, tell
from tests.oracle.linprog_oracle import least_shortfall, least_unserved, solve
from tests.oracle.markets import FORMULATIONS, markets, runs
from tests.oracle.price_face import face_of
from tokenflow_sim.errors import InfeasibleError
from tokenflow_sim.market.clearer import Clearer, clear
from tokenflow_sim.market.clearing import Clearing
from tokenflow_sim.market.market import Market
from tokenflow_sim.market.prices import decompose
from tokenflow_sim.market.settlement import settle

PERIODS, PERIODS_CURVED = 5, 3  # the congestion-QP is rebuilt in every period


def check_cost(market: Market, clearing: Clearing) -> None:
    """Same cost as the oracle's, to 1e-9 relative, and the cost of the dispatch published."""
    best = solve(market)
    assert best is not None
    assert clearing.values.cost == pytest.approx(best.cost, rel=1e-9, abs=1e-9)
    assert optimality.cost(market, clearing.values) == pytest.approx(
        clearing.values.cost, rel=1e-12, abs=1e-12
    )
    assert clearing.total_cost == pytest.approx(3600 * clearing.values.cost)


def check_optimality(market: Market, clearing: Clearing) -> None:
    """The certificate, and the conditions behind it: primal and dual feasibility, complementary slackness."""
    assert clearing.certificate.worst <= 1e-7
    assert optimality.primal_violation(market, clearing.values) <= 1e-8
    assert optimality.dual_violation(market, clearing.values) <= 1e-8
    assert optimality.complementarity_violation(market, clearing.values) <= 1e-8


def check_signs(market: Market, clearing: Clearing) -> None:
    """Rents are not negative, nor are quantities, not by a rounding error either."""
    values = clearing.values
    for name in ("dispatch", "flow", "unserved", "scarcity_rent", "power_rent", "congestion_rent"):
        array = getattr(values, name)
        assert (array >= 0).all(), name
        assert np.isfinite(array).all(), name
    assert np.isfinite(values.price).all()
    assert (values.dispatch <= market.arrays.capacity).all()
    assert (values.unserved <= market.arrays.demand).all()


def check_money(market: Market, clearing: Clearing) -> None:
    """sum pi (d - y) = sum (p + mu + sigma h) x + sum (c + rent u) f, to 1e-9 relative."""
    a, v = market.arrays, clearing.values
    paid = v.price * (a.demand - v.unserved).sum(axis=2)
    charge = 0.0 if a.power_use is None else (v.power_rent[:, None] * a.power_use)[:, :, None]
    earned = ((optimality.marginal(market, v)[0] + v.scarcity_rent + charge) * v.dispatch).sum(axis=2)
    carried = (a.route_cost + v.congestion_rent[:, None] * a.link_use) * v.flow
    size = max(1.0, float(np.abs(paid).sum()))
    assert abs(paid.sum() - earned.sum() - carried.sum()) <= 1e-9 * size
    settlement = settle(market, clearing)
    for statement, rate in (
        (settlement.payment, paid), (settlement.revenue, earned), (settlement.link_income, carried),
    ):  # fmt: skip
        assert np.abs(statement.to_numpy() - 3600 * rate).max(initial=0.0) <= 3600 * 1e-9 * size
    assert abs(float(settlement.residual)) <= 3600 * 1e-9 * size


def check_parts(market: Market, clearing: Clearing) -> None:
    """Energy, scarcity, routing and congestion add up to the price; rents and route costs are not negative."""
    parts = decompose(market, clearing)
    total = parts["energy"] + parts["scarcity"] + parts["routing"] + parts["congestion"]
    size = max(1.0, float(np.abs(clearing.values.price).max()))
    assert np.abs(total.to_numpy() - clearing.values.price).max() <= 1e-9 * size
    served = (market.arrays.demand - clearing.values.unserved).sum(axis=2) > 1e-9
    never_negative = ("scarcity", "routing", "congestion")
    for name in never_negative if (market.arrays.offer_price < 0).any() else ("energy", *never_negative):
        assert (parts[name].to_numpy()[served] >= -1e-9 * size).all(), name


def check_ties(market: Market, clearing: Clearing) -> None:
    """Equal offers for a class at a node are filled to the same share, where no shared power binds."""
    a, v = market.arrays, clearing.values
    groups: dict[tuple[Any, ...], list[float]] = {}
    for s, k, b in np.ndindex(*a.capacity.shape):
        if v.power_rent[s] == 0 and not _power_is_full(market, v, s) and a.capacity[s, k, b] > 0:
            if a.offer_slope is not None and a.offer_slope[s, k, b] > 0:
                continue
            key = (market.layout.asset_node[s], k, a.offer_price[s, k, b])
            groups.setdefault(key, []).append(float(v.dispatch[s, k, b] / a.capacity[s, k, b]))
    for key, shares in groups.items():
        assert max(shares) - min(shares) <= 1e-9, key


def _power_is_full(market: Market, values: Any, asset: int) -> bool:
    a = market.arrays
    if a.power_use is None or a.power_limit is None:
        return False
    return bool(optimality.power(market, values)[asset] >= a.power_limit[asset] - 1e-9)


def check_price_rule(market: Market, clearing: Clearing) -> None:
    """Together, prices are what one more unit at every node costs, or one less saves where no more can be had."""
    price = clearing.values.price
    direction, derivative = face_of(market, clearing.values).rule()
    size = max(1.0, float(np.abs(price).sum()))
    assert (direction * price).sum() == pytest.approx(derivative, abs=1e-6 * size)
    if (market.arrays.offer_price >= 0).all():
        assert (price >= -1e-9 * size).all()


def check_volume(market: Market, clearing: Clearing) -> None:
    """Of all that cost as little, the one is published that serves most."""
    unserved = float(clearing.values.unserved.sum())
    if market.is_quadratic or unserved == 0:
        return
    assert unserved == pytest.approx(least_unserved(market, clearing.values.cost), rel=1e-6, abs=1e-6)


CHECKS = (
    check_cost, check_optimality, check_signs, check_money, check_parts, check_ties, check_volume, check_price_rule,
)  # fmt: skip


@pytest.mark.parametrize("name", FORMULATIONS)
def test_random_markets(name: str) -> None:
    form = FORMULATIONS[name]

    @effort(3)
    @given(runs(form, PERIODS_CURVED if form.curvature or form.slopes else PERIODS))
    def run(run_of_markets: list[Market]) -> None:
        clearer = Clearer(run_of_markets[0])
        for market in run_of_markets:
            tell(market)
            clearing = clearer.clear(market)
            for check in CHECKS:
                check(market, clearing)

    run()


@pytest.mark.parametrize("name", ["token_equivalent", "latency_rule", "shared_power", "congestion_qp"])
def test_markets_short_of_supply_name_the_least_that_is_missing(name: str) -> None:
    @effort(3)
    @given(markets(FORMULATIONS[name]), st.data())
    def run(market: Market, data: st.DataObject) -> None:
        a = market.arrays
        node = data.draw(st.integers(0, a.demand.shape[0] - 1))
        more = a.demand.copy()
        more[node] += a.capacity.sum() + 1.0
        market = Market.from_arrays(market.layout, a.with_(demand=more))
        tell(market)
        with pytest.raises(InfeasibleError) as caught:
            clear(market)
        shortfall = caught.value.shortfall
        assert sum(shortfall.values()) == pytest.approx(least_shortfall(market), rel=1e-6)
        assert all(amount > 0 for amount in shortfall.values())
        for place, workload in shortfall:
            spot = market.layout.nodes.get_loc(place), market.layout.workloads.get_loc(workload)
            assert shortfall[place, workload] <= more[spot].sum() * (1 + 1e-9)
            assert str(place) in str(caught.value)

    run()
