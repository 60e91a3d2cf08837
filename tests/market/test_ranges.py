"""Price intervals: the derivatives of cost to the left and to the right, against an oracle of optimal duals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given

import tokenflow_sim as tf
from tests.market.small import cleared, cleared_lazily, small
from tests.oracle.effort import effort, tell
from tests.oracle.linprog_oracle import solve
from tests.oracle.markets import FORMULATIONS, markets
from tests.oracle.paper_markets import paper_market
from tests.oracle.price_face import PriceFace
from tokenflow_sim.market.directional import DirectionalProgram
from tokenflow_sim.market.highs import LazySolver
from tokenflow_sim.market.program import Program


def interval(market: tf.Market, node: str, workload: str = "chat") -> tuple[float, float]:
    bounds = cleared(market).price_bounds().sel(node=node, workload=workload)
    return float(bounds.lower), float(bounds.upper)


def test_dallas_image_price_at_forty_times() -> None:
    """Its image demand equals its capacity exactly: any price from 89 to 90 supports the paper's optimum."""
    clearing = cleared(paper_market(5, scale=40.0))
    bounds = clearing.price_bounds()
    dallas = bounds.sel(node="dallas", workload="image")
    assert float(dallas.lower) == pytest.approx(89.0, abs=1e-9)
    assert float(dallas.upper) == pytest.approx(90.0, abs=1e-9)
    # One more unit everywhere has to be paid at the upper end; the paper prints the mean at the lower.
    assert float(clearing.price.sel(node="dallas", workload="image")) == pytest.approx(90.0, abs=1e-9)
    image = bounds.sel(workload="image")
    assert round(float(image.lower.mean()), 1) == 89.2
    assert bounds.lower.attrs["units"] == bounds.upper.attrs["units"] == "$/Mtok"


@pytest.mark.parametrize(
    "name", ["token_equivalent", "latency_rule", "shared_power_shedding", "blocks_and_steps"]
)
def test_intervals_are_those_of_the_face_of_optimal_duals(name: str) -> None:
    @effort(3)
    @given(markets(FORMULATIONS[name]))
    def run(market: tf.Market) -> None:
        tell(market)
        best = solve(market)
        assert best is not None
        face = PriceFace(market, best.dispatch, best.flow, best.unserved)
        clearing = cleared_lazily(market)
        bounds = clearing.price_bounds()
        for spot in np.ndindex(*clearing.values.price.shape):
            lower, upper = face.interval(*spot)
            assert bounds.lower.to_numpy()[spot] == pytest.approx(lower, abs=1e-6)
            assert bounds.upper.to_numpy()[spot] == pytest.approx(upper, abs=1e-6)
            assert lower - 1e-6 <= clearing.values.price[spot] <= upper + 1e-6

    run()


@pytest.mark.parametrize("name", ["transfer_aware", "congestion_qp"])
def test_a_price_is_the_finite_difference_of_cost(name: str) -> None:
    step = 1e-4

    def cost(market: tf.Market, change: float, spot: tuple[int, int]) -> float:
        moved = market.arrays.demand.copy()
        moved[*spot, 0] += change
        best = solve(tf.Market.from_arrays(market.layout, market.arrays.with_(demand=moved)))
        return np.inf if best is None else best.cost

    @effort(2)
    @given(markets(FORMULATIONS[name], "continuous"))
    def run(market: tf.Market) -> None:
        tell(market)
        clearing = cleared_lazily(market)
        for spot in np.ndindex(*clearing.values.price.shape):
            if market.arrays.demand[*spot, 0] < step:
                continue
            here = cost(market, 0.0, spot)
            left, right = (here - cost(market, -step, spot)) / step, (cost(market, step, spot) - here) / step
            # The two meet where cost is smooth; a price lies between them at a kink.
            assert left - 1e-4 <= clearing.values.price[spot] <= right + 1e-4

    run()


def test_a_node_filled_to_the_last_unit_has_no_upper_end() -> None:
    full = {"nodes": ("here",), "assets": [("here", 1.0, 2.0), ("here", 3.0, 3.0)]}
    assert interval(small(**full, demand=[5.0]), "here") == (3.0, np.inf)
    assert interval(small(**full, demand=[2.0]), "here") == (1.0, 3.0)
    assert interval(small(**full, demand=[2.5]), "here") == (3.0, 3.0)
    assert interval(small(**full, demand=[5.0], value=50.0), "here") == (3.0, 50.0)


def test_demand_of_zero_has_no_lower_end() -> None:
    idle = small(nodes=("here",), assets=[("here", 1.0, 2.0)], demand=[0.0])
    assert interval(idle, "here") == (-np.inf, 1.0)


def test_demand_that_is_shed_is_worth_its_value() -> None:
    """Where all of it is shed no dual above the value is ruled out."""
    short = {"nodes": ("here",), "assets": [("here", 1.0, 2.0)], "value": 50.0}
    assert interval(small(**short, demand=[3.0]), "here") == (50.0, 50.0)
    assert interval(small(**short | {"assets": [("here", 60.0, 9.0)]}, demand=[3.0]), "here") == (50.0, 60.0)


def test_a_link_filled_to_the_last_unit_parts_left_from_right() -> None:
    """The east takes exactly what the link carries: one unit less saves 1, one more costs 3."""
    market = small(
        assets=[("west", 1.0, 9.0), ("east", 3.0, 9.0)], demand=[2.0, 4.0], arcs=[("east", "west", 4.0)]
    )
    assert interval(market, "east") == (1.0, 3.0)
    assert interval(market, "west") == (1.0, 1.0)
    assert cleared(market).price.sel(node="east").item() == 3.0


def test_asking_for_intervals_leaves_the_clearing_as_it_was() -> None:
    market = paper_market(5)
    clearer = tf.Clearer(market)
    clearing = clearer.clear(market)
    before = clearing.values.price.copy()
    clearing.price_bounds()
    np.testing.assert_array_equal(clearing.values.price, before)
    np.testing.assert_array_equal(clearer.clear(market).values.price, before)


def test_the_program_of_small_moves_by_hand() -> None:
    """At the optimum the cheap offer is full: less is saved there, more comes from the dear one."""
    market = small(nodes=("here",), assets=[("here", 1.0, 2.0), ("here", 3.0, 3.0)], demand=[2.0])
    program, arrays = Program(market), market.arrays
    costs = program.fill_costs(arrays, 0.0, np.empty(program.columns))
    upper = program.fill_limits(arrays, np.empty(program.columns))
    rows = program.fill_rows(arrays, np.empty(program.rows))
    directional = DirectionalProgram(
        LazySolver(program), program, np.array([2.0, 0.0, 0.0, 0.0]), upper, rows
    )
    more, less = directional.move(np.array([1.0]), costs), directional.move(np.array([-1.0]), costs)
    assert more is not None
    assert less is not None
    assert more.values.tolist() == [0.0, 1.0, 0.0, 0.0]
    assert more.duals.tolist() == [3.0]
    assert less.values.tolist() == [-1.0, 0.0, 0.0, 0.0]
    assert less.duals.tolist() == [1.0]
    assert directional.cheapest(np.array([2.0]), costs) == 6.0
    assert directional.cheapest(np.array([-2.0]), costs) == -2.0
    full = DirectionalProgram(
        LazySolver(program), program, np.array([2.0, 3.0, 0.0, 0.0]), upper, np.array([5.0])
    )
    assert full.move(np.array([1.0]), costs) is None
    assert full.cheapest(np.array([1.0]), costs) is None
    assert full.cheapest(np.array([-1.0]), costs) == -3.0


# Both offers cost 2 where they are asked for: one there, the other elsewhere at 1.5, and 0.5 to get there.
EQUAL: dict[str, Any] = {
    "nodes": ("west", "east"),
    "assets": [("west", 2.0, 5.0), ("east", 1.5, 5.0)],
    "arcs": [("west", "east", 3.0)],
    "demand": [4.0, 0.0],
    "route_cost": [[0.5]],
    "provider": ["here", "there"],
}


def ends(market: tf.Market) -> dict[str, tuple[float, float]]:
    clearing = tf.clear(market)
    found = clearing.ties()
    revenue = tf.settle(market, clearing).by_party().revenue
    for name in found.provider.values:
        now = found.sel(provider=name)
        assert float(now.revenue) == pytest.approx(float(revenue.sel(provider=name)))
        assert now.least <= now.revenue <= now.most
    return {
        str(name): (round(float(low) / 3600, 6), round(float(high) / 3600, 6))
        for name, low, high in zip(found.provider.values, found.least.values, found.most.values, strict=True)
    }


def test_offers_that_cost_the_same_delivered() -> None:
    # East serves 0 to 3 of the 4 at its price of 1.5, west the rest at 2.
    assert ends(small(**EQUAL)) == {"here": (2.0, 8.0), "there": (0.0, 4.5)}


def test_where_one_is_cheaper_nothing_is_left_open() -> None:
    dear = EQUAL | {"assets": [("west", 2.5, 5.0), ("east", 1.5, 5.0)]}
    found = tf.clear(small(**dear)).ties()
    assert found.sizes["provider"] == 0
    assert found.most.attrs["units"] == "$/h"


def test_equal_offers_at_one_node_share_and_are_no_tie() -> None:
    assert ends(small(nodes=("west",), assets=[("west", 2.0, 5.0), ("west", 2.0, 1.0)], demand=[3.0])) == {}
    # Two of equal price in west have 5 and 1: they share what east does not serve, 1 to 4.
    three = EQUAL | {"assets": [*EQUAL["assets"], ("west", 2.0, 1.0)], "provider": ["here", "there", "third"]}
    assert ends(small(**three)) == {
        "here": (round(2 * 5 / 6, 6), round(8 * 5 / 6, 6)),
        "there": (0.0, 4.5),
        "third": (round(2 / 6, 6), round(8 / 6, 6)),
    }


def test_one_owner_of_all_that_ties() -> None:
    # What it earns hangs on which of its assets serves, since prices differ by the route.
    assert ends(small(**EQUAL | {"provider": "one"})) == {"one": (6.5, 8.0)}


def test_a_curved_links_load_is_unique() -> None:
    curved = EQUAL | {"link_curvature": np.array([0.1]), "assets": [("west", 2.1, 5.0), ("east", 1.5, 5.0)]}
    assert ends(small(**curved)) == {}
