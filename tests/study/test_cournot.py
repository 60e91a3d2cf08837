"""Nash-Cournot equilibria against closed forms, against best responses by differences, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy import optimize

import tokenflow_sim as tf
from tests.market.small import array

EXACT = {"rtol": 1e-9, "atol": 1e-9}


def one_node(
    costs: Any, slopes: Any = None, most: float = 1e3, a: float = 100.0, b: float = 1.0
) -> tf.Market:
    names = [f"firm{i}" for i in range(len(costs))]
    labels = {"asset": names, "workload": ["chat"]}
    at = {"node": ["west"], "workload": ["chat"]}
    return tf.Market(
        offer_price=array(np.reshape(costs, (-1, 1)).astype(float), **labels),
        capacity=array(np.full((len(names), 1), most), **labels),
        offer_slope=None if slopes is None else array(np.reshape(slopes, (-1, 1)).astype(float), **labels),
        demand=array([[a / b]], **at),
        value=a,
        value_slope=b,
    )


def two_nodes(line: float, a: Any = (10.0, 10.0)) -> tf.Market:
    """A firm without cost at each end of a line, demand p = a - q at both: Borenstein, Bushnell and Stoft (2000)."""
    nodes = ["north", "south"]
    labels, at = {"asset": nodes, "workload": ["chat"]}, {"node": nodes, "workload": ["chat"]}
    intercept = array(np.reshape(a, (2, 1)).astype(float), **at)
    return tf.Market(
        offer_price=array(np.zeros((2, 1)), **labels),
        capacity=array(np.full((2, 1), 1e3), **labels),
        asset_node=nodes,
        demand=intercept,
        value=intercept,
        value_slope=1.0,
        link_capacity=array([line, line], arc=["north>south", "south>north"]),
        origin=nodes,
        destination=nodes[::-1],
        link_unit="Mtok/s",
    )


@pytest.mark.parametrize("arbitrage", [False, True])
@pytest.mark.parametrize("costs", [(10.0, 10.0), (10.0, 25.0), (5.0, 10.0, 20.0)])
def test_firms_of_one_node_have_the_closed_form(costs: tuple[float, ...], arbitrage: bool) -> None:
    """p = (a + sum c) / (n + 1), q = (p - c) / b."""
    found = tf.cournot(one_node(costs, b=0.5), arbitrage=arbitrage)
    price = (100 + sum(costs)) / (len(costs) + 1)
    np.testing.assert_allclose(found["price"].item(), price, **EXACT)
    np.testing.assert_allclose(found["sales"].to_numpy().ravel(), (price - np.array(costs)) / 0.5, **EXACT)
    profit = 3600 * (price - np.array(costs)) ** 2 / 0.5
    np.testing.assert_allclose(found["profit"], profit, **EXACT)
    parts = found["profit"].sum() + found["consumer_surplus"] + found["network_income"]
    np.testing.assert_allclose(parts, found["welfare"], rtol=1e-12)
    assert max(value for name, value in found.attrs.items() if name.startswith("certificate")) < 1e-12


def test_rising_costs_full_capacity_and_a_fringe_have_theirs() -> None:
    """With C = q^2 / 2 of two firms, 100 - 2 q - q' = q: 25 each. A full firm leaves the other a line."""
    found = tf.cournot(one_node((0, 0), slopes=(1, 1)))
    np.testing.assert_allclose(found["sales"].to_numpy().ravel(), 25.0, **EXACT)
    np.testing.assert_allclose(found["price"].item(), 50.0, **EXACT)
    full = tf.cournot(one_node((10, 10), most=20.0))
    np.testing.assert_allclose(full["sales"].to_numpy().ravel(), 20.0, **EXACT)
    fringe = tf.cournot(one_node((10, 10), slopes=(0, 1)), players=["firm0"])
    # The fringe offers p - 10; the firm faces 110 - q - 2 p = 0 only through p, which it moves by one half.
    np.testing.assert_allclose(fringe["price"].item(), 100 - fringe["sales"].sum().item(), **EXACT)
    np.testing.assert_allclose(fringe["sales"].to_numpy().ravel()[1], fringe["price"].item() - 10, **EXACT)
    assert fringe.attrs["players"] == ["firm0"]


def test_forward_sales_make_cournot_as_allaz_and_vila_have_it() -> None:
    """Two firms that have sold x = (a - c) / 5 forward: p = (a + 4 c) / 5 (Allaz and Vila 1993)."""
    cost, market = 20.0, one_node((20.0, 20.0))
    x = (100 - cost) / 5
    by_name = tf.cournot(market, forward={"firm0": x, "firm1": {("west", "chat"): x}})
    np.testing.assert_allclose(by_name["price"].item(), (100 + 4 * cost) / 5, **EXACT)
    held = xr.DataArray(
        np.full((2, 1, 1), x), {"provider": ["firm0", "firm1"], "node": ["west"], "workload": ["chat"]},
        ("provider", "node", "workload"),
    )  # fmt: skip
    for arbitrage in (False, True):
        np.testing.assert_allclose(
            tf.cournot(market, forward=held, arbitrage=arbitrage)["price"].item(), 36.0, **EXACT
        )


def test_a_line_ties_two_monopolies_as_borenstein_bushnell_and_stoft_have_it() -> None:
    """A thick line makes a duopoly, none two monopolies; a thin one no equilibrium, or one that fills it.

    With demand a - q at both ends a duopolist earns 2 a^2 / 9; leaving the line to be filled towards it, it earns
    (a - k)^2 / 4, which is more where k < a (1 - sqrt(8) / 3).
    """
    duopoly = {"price": 10 / 3, "sales": 20 / 3}
    for line, expected in ((0.0, {"price": 5.0, "sales": 5.0}), (9.0, duopoly)):
        found = tf.cournot(two_nodes(line), congestion="anticipated")
        assert found.attrs["converged"]
        np.testing.assert_allclose(found["price"].to_numpy(), expected["price"], rtol=1e-8)
        np.testing.assert_allclose(found["sales"].sum(("node", "workload")), expected["sales"], rtol=1e-8)
    # The larger market lets the line be filled (passive), the smaller fills it (aggressive).
    uneven = tf.cournot(two_nodes(1.0, (20.0, 10.0)), congestion="anticipated")
    assert uneven.attrs["converged"]
    np.testing.assert_allclose(
        uneven["price"].to_numpy().ravel(), [(20 - 1) / 2, (10 + 1) / 2 - 0.0], rtol=1e-7
    )
    np.testing.assert_allclose(uneven["flow"].to_numpy().ravel(), [1.0, 0.0], atol=1e-7)
    # Players who take the price of transmission as given compete over the thinnest line.
    for arbitrage in (False, True):
        taken = tf.cournot(two_nodes(0.1), arbitrage=arbitrage)
        np.testing.assert_allclose(taken["price"].to_numpy(), 10 / 3, **EXACT)


def test_a_line_too_thin_for_either_leaves_no_equilibrium(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the duopoly one firm gains by leaving the line to be filled, and then the other by something else."""
    monkeypatch.setattr("tokenflow_sim.study.anticipated._JUMPS", 1)
    monkeypatch.setattr("tokenflow_sim.study.anticipated._SWEEPS", 12)
    assert not tf.cournot(two_nodes(0.5), congestion="anticipated").attrs["converged"]
    assert tf.cournot(two_nodes(0.7), congestion="anticipated").attrs["converged"]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("arbitrage", [False, True])
def test_random_networks_satisfy_the_conditions_of_every_player(seed: int, arbitrage: bool) -> None:
    """No player gains by other sales at the prices of transmission found: best responses by scipy."""
    market = random_network(np.random.default_rng(seed))
    arrays, layout = market.arrays, market.layout
    found = tf.cournot(market, players=["p0", "p1"], arbitrage=arbitrage)
    a, b = arrays.value[:, 0, 0], arrays.value_slope[:, 0, 0]
    consumed, w = found["consumption"].to_numpy()[:, 0], found["transmission_price"].to_numpy()[:, 0]
    price = found["price"].to_numpy()[:, 0]
    np.testing.assert_allclose(price[consumed > 0], (a - b * consumed)[consumed > 0], rtol=1e-9)
    balance = -consumed
    np.add.at(balance, layout.asset_node, found["dispatch"].to_numpy()[:, 0])
    flow = found["flow"].to_numpy()[:, 0]
    np.add.at(balance, layout.origin, flow)
    np.add.at(balance, layout.destination, -flow)
    np.testing.assert_allclose(balance, 0, atol=1e-9)
    sales, nodes = found["sales"].to_numpy()[:, :, 0], len(a)
    for firm, name in enumerate(found["provider"].to_numpy()):
        own = np.array([owner == name for owner in layout.provider])
        others = consumed - sales[firm]
        plays, made = name != "p2", found["dispatch"].to_numpy()[own, 0]

        def loss(
            z: Any, own: Any = own, others: Any = others, plays: bool = plays, made: Any = made
        ) -> float:
            """What a firm loses by sales s and output x, with everybody else's sales as they are."""
            x = z[-own.sum() :]
            cost = arrays.offer_price[own, 0, 0] @ x + 0.5 * arrays.offer_slope[own, 0, 0] @ x**2
            carried = w[layout.asset_node[own]] @ x
            if arbitrage:  # all prices move with the total, whoever sells where
                slope = 1 / (1 / b[consumed > 1e-9]).sum() if plays else 0.0
                hub = (price - w)[consumed > 1e-9][0] - slope * (x.sum() - made.sum())
                return float(cost - hub * x.sum() - carried)
            s = z[:nodes]
            now = a - b * (others + s) if plays else price
            return float(cost - (now - w) @ s - carried)

        start = np.concatenate([np.zeros(0) if arbitrage else sales[firm], made])
        bounds = [(0, None)] * (start.size - made.size) + [(0, c) for c in arrays.capacity[own, 0, 0]]
        rule: Any = () if arbitrage else {"type": "eq", "fun": lambda z: z[:nodes].sum() - z[nodes:].sum()}
        better = optimize.minimize(
            loss, start * 0.9 + 0.01, bounds=bounds, constraints=rule, method="SLSQP",
            options={"ftol": 1e-14, "maxiter": 500},
        )  # fmt: skip
        size = max(1.0, abs(loss(start)))
        assert loss(start) <= better.fun + 1e-7 * size, name
        profit = found["profit"].sel(provider=name).item() / 3600
        assert -loss(start) == pytest.approx(profit, rel=1e-8, abs=1e-8)


def random_network(rng: np.random.Generator) -> tf.Market:
    """Four nodes in a ring of arcs both ways, five assets of three providers with rising costs."""
    nodes, count = [f"n{i}" for i in range(4)], 5
    arcs = [(i, (i + d) % 4) for i in range(4) for d in (1, 3)]
    names, assets = [f"{i}>{j}" for i, j in arcs], [f"a{i}" for i in range(count)]
    at = {"node": nodes, "workload": ["chat"]}
    value = rng.uniform(20, 40, (4, 1))
    slope = rng.uniform(0.5, 2, (4, 1))
    labels = {"asset": assets, "workload": ["chat"]}
    return tf.Market(
        offer_price=array(rng.uniform(1, 9, (count, 1)), **labels),
        offer_slope=array(rng.uniform(0.1, 1, (count, 1)), **labels),
        capacity=array(rng.uniform(3, 12, (count, 1)), **labels),
        asset_node=[nodes[i] for i in (0, 1, 2, 3, 0)],
        provider=["p0", "p1", "p2", "p0", "p1"],
        demand=array(value / slope, **at),
        value=array(value, **at),
        value_slope=array(slope, **at),
        route_cost=array(rng.uniform(0, 1, (8, 1)), arc=names, workload=["chat"]),
        link_capacity=array(rng.choice([1.0, 3.0, 100.0], 8), arc=names),
        origin=[nodes[i] for i, _ in arcs],
        destination=[nodes[j] for _, j in arcs],
        link_unit="Mtok/s",
    )


def test_what_is_no_such_market_is_refused_in_one_line() -> None:
    market = one_node((10, 10))
    with pytest.raises(tf.MarketError, match="Cournot's equilibrium needs affine demand everywhere"):
        tf.cournot(market.replace(value_slope=None))
    with pytest.raises(tf.MarketError, match="players: unknown provider 'nobody'"):
        tf.cournot(market, players=["nobody"])
    with pytest.raises(tf.MarketError, match="unknown node 'moon'"):
        tf.cournot(market, forward={"firm0": {("moon", "chat"): 1.0}})
    with pytest.raises(tf.MarketError, match="congestion: unknown choice 'felt'"):
        tf.cournot(market, congestion="felt")  # type: ignore[arg-type]
    with pytest.raises(tf.MarketError, match="demand: is affine only up to less than would be sold"):
        tf.cournot(market.replace(demand=market.demand / 4))
    with pytest.raises(tf.MarketError, match=r"must be a tf\.Market"):
        tf.cournot("us5")  # type: ignore[arg-type]
