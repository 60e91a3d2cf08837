"""What theory says of markets with few sellers, against what the strategies end with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

import tokenflow_sim as tf
from tests.oracle import linprog_oracle
from tests.strategies.oligopoly import HEIGHT, INTERCEPT, MOST, SLOPE, WIDTH, linear_demand, oligopoly, play
from tokenflow_sim.strategies.best_response import BestResponse
from tokenflow_sim.strategies.cournot import Cournot
from tokenflow_sim.strategies.fictitious_play import FictitiousPlay
from tokenflow_sim.strategies.markups import FixedMarkup
from tokenflow_sim.strategies.supply_function import SupplyFunction


def cournot_equilibrium(costs: Sequence[float]) -> tuple[float, list[float]]:
    """Return price and quantities of the Cournot equilibrium where all firms sell: P = (a + sum of c) / (n + 1)."""
    price = (INTERCEPT + sum(costs)) / (len(costs) + 1)
    return price, [(price - cost) / SLOPE for cost in costs]


@pytest.mark.parametrize(
    ("costs", "adjustment", "periods"),
    [
        pytest.param([1.0], 1.0, 2, id="monopoly"),
        pytest.param([1.0, 1.0], 0.75, 6, id="duopoly"),
        pytest.param([1.0, 2.0], 0.75, 12, id="asymmetric duopoly"),
        pytest.param([1.0, 1.0, 1.0], 0.5, 6, id="triopoly"),
        pytest.param([1.0, 2.0, 3.0], 0.5, 15, id="asymmetric triopoly", marks=pytest.mark.long),
    ],
)
def test_cournot_play_converges_to_the_equilibrium(
    costs: list[float], adjustment: float, periods: int
) -> None:
    price, quantity = cournot_equilibrium(costs)
    firms = {f"firm{number}": (cost, MOST, "here") for number, cost in enumerate(costs)}
    providers = Cournot(refine=4, adjustment=adjustment)
    results = play(oligopoly(firms, periods=periods), {"providers": providers, "regions": linear_demand()})
    # From all capacity at cost, which is far off, to what a demand of such steps can tell apart.
    assert results.price.values[0, 0, 0] == min(costs)
    last = results.isel(period=-1, workload=0)
    np.testing.assert_allclose(last.dispatch, quantity, atol=2 * WIDTH)
    np.testing.assert_allclose(last.price, price, atol=2 * HEIGHT)


TWO_TYPES = ((1.0, 1.5), (4.0, 10.0))


@pytest.mark.parametrize(
    ("nodes", "link", "places", "prices", "profit"),
    [
        # q = 2 of which 1.5 at cost 1 and the rest at 4: 10 - 2 - 2 - 2 = 4, and 1.5 x 5 + 0.5 x 2 = 8.5.
        pytest.param(("here",), None, (("here", "here"),) * 2, [6.0], 8.5, id="one place"),
        # Two nodes of P = 10 - Q each are one of P = 10 - Q / 2: q = 4, of which 1.5 at cost 1, price 6.
        pytest.param(
            ("east", "west"),
            1000.0,
            (("east", "west"),) * 2,
            [6.0, 6.0],
            12.5,
            id="joined places",
            marks=pytest.mark.long,
        ),
        # Apart, the first sells at both: duopolies of cost 1, 1.5 of it each and no more, and of cost 4.
        pytest.param(
            ("east", "west"),
            None,
            (("east", "west"),) * 2,
            [7.0, 6.0],
            13.0,
            id="places apart",
            marks=pytest.mark.long,
        ),
    ],
)
def test_cournot_makes_its_quantity_with_its_cheapest_assets(
    nodes: tuple[str, ...],
    link: float | None,
    places: tuple[tuple[str, str], ...],
    prices: list[float],
    profit: float,
) -> None:
    firms = {
        f"firm{number}": [(cost, size, node) for (cost, size), node in zip(TWO_TYPES, where, strict=True)]
        for number, where in enumerate(places)
    }
    results = play(
        oligopoly(firms, nodes=nodes, link=link, periods=7),
        {"providers": Cournot(adjustment=0.7), "regions": linear_demand()},
    )
    last = results.isel(period=-1)
    np.testing.assert_allclose(
        last.price.squeeze(), prices[0] if len(prices) == 1 else prices, atol=2.5 * HEIGHT
    )
    np.testing.assert_allclose(last.profit / 3600, profit, atol=0.6)


def test_simultaneous_replies_of_three_firms_need_partial_adjustment() -> None:
    firms = {f"firm{number}": (1.0, MOST, "here") for number in range(3)}
    results = play(
        oligopoly(firms, periods=6),
        {"providers": Cournot(refine=2, adjustment=1.0), "regions": linear_demand()},
    )
    # Each reply has the slope -1/2 in each rival's quantity, so that going the whole way overshoots for ever.
    price = results.price.values[-2:, 0, 0]
    assert abs(price[1] - price[0]) > 10 * HEIGHT


def rivals(capacity: float) -> dict[str, tuple[float, float, str]]:
    return {"one": (1.0, capacity, "here"), "other": (1.0, capacity, "here")}


@pytest.mark.parametrize(
    "strategy",
    [
        pytest.param(BestResponse(under=0.05, markup=5.0), id="best response"),
        pytest.param(BestResponse(under=0.2, markup=5.0), id="best response, coarse"),
        pytest.param(FictitiousPlay(memory=2, under=0.2, markup=5.0), id="fictitious play"),
    ],
)
def test_bertrand_with_spare_capacity_falls_to_marginal_cost(strategy: BestResponse | FictitiousPlay) -> None:
    results = play(oligopoly(rivals(10.0), demand=5.0, value=10.0, periods=45), {"providers": strategy})
    price = results.price.values[:, 0, 0]
    assert price[0] == pytest.approx(6.0)
    # Who undercuts sells all at (1 - u) p, who does not sells half at p: worth it down to p = c / (1 - 2 u), from
    # where one more cut may follow. The smaller the cut, the closer to cost.
    rest = 1 / (1 - 2 * strategy.under)
    assert 1.0 <= price[-1] <= rest * (1 + 1e-9)


def test_bertrand_with_scarce_capacity_cycles_above_marginal_cost() -> None:
    # Each is pivotal for one unit of five: undercutting pays until selling that unit at its value pays more.
    results = play(
        oligopoly(rivals(4.0), demand=5.0, value=10.0, periods=40),
        {"one": BestResponse(under=0.1), "other": BestResponse(under=0.1, inertia=0.5)},
    )
    price = results.price.values[5:, 0, 0]
    # Edgeworth: the range reaches from where (p - 1) x 4 is (10 - 1) x 1 up to the value.
    assert price.min() >= 0.9 * (1 + 9 / 4) - 1e-9
    assert price.max() >= 0.9 * 10
    assert price.max() <= 10 + 1e-9


@pytest.mark.parametrize(
    ("capacity", "price"),
    [pytest.param(10.0, 9.99, id="spare capacity"), pytest.param(1.5, 10.0, id="scarcity")],
)
@pytest.mark.parametrize("strategy", [BestResponse(), FictitiousPlay()])
def test_a_pivotal_provider_prices_at_the_value_of_lost_service(
    strategy: tf.Strategy, capacity: float, price: float
) -> None:
    firms = {"pivotal": (1.0, capacity, "here"), "fringe": (2.0, 3.0, "here")}
    results = play(oligopoly(firms, demand=5.0, value=10.0, periods=4), {"pivotal": strategy})
    # The fringe sells 3 of the 5 units at any price from 2; the rest is the pivotal provider's or nobody's.
    reached = float(results.price[-1, 0, 0])
    assert price * (1 - 1e-9) <= reached <= 10.0 * (1 + 1e-9)


def test_a_supply_function_climbs_to_the_value_of_lost_service() -> None:
    firms = {"pivotal": (1.0, 1.5, "here"), "fringe": (2.0, 3.0, "here")}
    results = play(
        oligopoly(firms, demand=4.0, value=10.0, periods=40), {"pivotal": SupplyFunction(blocks=1, step=0.1)}
    )
    # Its steps are a tenth of the price, and the one that would take it beyond the value loses everything.
    assert 10 / 1.1 - 1e-9 <= float(results.price[-1, 0, 0]) <= 10.0


def test_a_provider_that_is_not_pivotal_is_bound_by_the_next_offer() -> None:
    firms = {"cheap": (1.0, 10.0, "here"), "fringe": (2.0, 5.0, "here")}
    results = play(oligopoly(firms, demand=5.0, value=10.0, periods=4), {"cheap": BestResponse()})
    assert float(results.price[-1, 0, 0]) == pytest.approx(2.0 * 0.999)
    assert results.dispatch.sel(asset="cheap/here/cheap").values[-1] == pytest.approx(5.0)


NODES = ("east", "west")


@pytest.mark.long
def test_two_nodes_with_an_unlimited_link_behave_as_one_and_without_a_link_as_two_monopolies() -> None:
    firms = {"one": (1.0, MOST, "east"), "other": (1.0, MOST, "west")}
    joined, apart = (
        play(
            oligopoly(firms, nodes=NODES, link=link, periods=6),
            {"providers": Cournot(refine=3, adjustment=0.75), "regions": linear_demand()},
        )
        for link in (1000.0, None)
    )
    # Two equal nodes are one of half the slope: the duopoly's price, at twice its quantity.
    price, (quantity, _) = cournot_equilibrium([1.0, 1.0])
    np.testing.assert_allclose(joined.price[-1], price, atol=2 * HEIGHT)
    np.testing.assert_allclose(joined.dispatch[-1], 2 * quantity, atol=4 * WIDTH)
    monopoly, (sold,) = cournot_equilibrium([1.0])
    np.testing.assert_allclose(apart.price[-1], monopoly, atol=2 * HEIGHT)
    np.testing.assert_allclose(apart.dispatch[-1], sold, atol=2 * WIDTH)


def test_learned_supply_functions_lie_between_bertrand_and_cournot() -> None:
    # Klemperer and Meyer 1989, proposition 1 and its figure: every supply function equilibrium does.
    firms = {"one": (1.0, MOST, "here"), "other": (1.0, MOST, "here")}
    results = play(
        oligopoly(firms, periods=25),
        {"providers": SupplyFunction(blocks=5, step=0.1, slope=8.0), "regions": linear_demand()},
    )
    price, _ = cournot_equilibrium([1.0, 1.0])
    late = results.price.values[-10:, 0, 0]
    assert late.min() >= 1.0
    assert late.max() <= price + 2 * HEIGHT


def test_truthful_offers_reach_the_welfare_optimum_and_markups_do_not_exceed_it() -> None:
    scenario = tf.load_scenario("us20_oligopoly_v1", {"demand.noise": None, "demand.scale": 60, "periods": 2})
    truthful = play(scenario, {}).welfare.values
    marked_up = play(scenario, {"providers": FixedMarkup(1.0)}).welfare.values
    for period in range(2):
        market = scenario.market(period)
        optimum = linprog_oracle.solve(market)
        assert optimum is not None
        arrays = market.arrays
        best = 3600 * market.hours * (float((arrays.value * arrays.demand).sum()) - optimum.cost)
        assert truthful[period] == pytest.approx(best, rel=1e-9)
        assert marked_up[period] <= best * (1 + 1e-12)
