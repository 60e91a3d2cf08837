"""The parts of a price, along the active path: energy, scarcity, routing, congestion."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given

import tokenflow_sim as tf
from tests.market.small import cleared, cleared_lazily, small
from tests.oracle.effort import effort, tell
from tests.oracle.markets import FORMULATIONS, markets
from tests.oracle.paper_markets import OVERHEAD, paper_market
from tokenflow_sim.market.prices import PARTS, decompose_values


def split(market: tf.Market) -> tuple[tf.Clearing, xr.Dataset]:
    clearing = cleared(market)
    parts = tf.decompose(market, clearing)
    total = sum(parts[name] for name in PARTS)
    np.testing.assert_allclose(total, clearing.price, rtol=1e-12, atol=1e-12)
    return clearing, parts


def at(parts: xr.Dataset, node: str, workload: str = "chat") -> list[float]:
    spot = parts.sel(node=node, workload=workload)
    return [float(part) for part in spot.data_vars.values()]


@pytest.fixture(scope="module")
def paper() -> tuple[tf.Clearing, xr.Dataset]:
    return split(paper_market(5))


@pytest.mark.parametrize(
    ("node", "workload", "price", "energy", "scarcity"),
    [
        ("ashburn", "chat", "0.078", "0.078", "0"),
        ("dallas", "chat", "0.078", "0.072", "0.006"),
        ("dallas", "image", "41.50", "36.00", "5.50"),
        ("seattle", "image", "41.47", "26.00", "15.47"),
        ("seattle", "batch", "0.694", "0.520", "0.174"),
    ],
)
def test_the_papers_third_table(
    paper: tuple[tf.Clearing, xr.Dataset], node: str, workload: str, price: str, energy: str, scarcity: str
) -> None:
    """To the printed digit: the paper counts everything but energy as scarcity."""
    clearing, parts = paper
    mine = float(clearing.price.sel(node=node, workload=workload))
    of_energy = at(parts, node, workload)[0]
    for found, printed in ((mine, price), (of_energy, energy), (mine - of_energy, scarcity)):
        digits = len(printed.partition(".")[2])
        assert f"{found:.{digits}f}" == printed


def test_it_carries_units_and_meanings(paper: tuple[tf.Clearing, xr.Dataset]) -> None:
    _, parts = paper
    assert list(parts) == list(PARTS)
    assert {array.attrs["units"] for array in parts.values()} == {"$/Mtok"}
    assert parts.energy.dims == ("node", "workload")


def test_a_node_that_serves_itself_has_energy_and_scarcity() -> None:
    _, parts = split(small(nodes=("here",), assets=[("here", 1.0, 2.0), ("here", 3.0, 3.0)], demand=[4.0]))
    assert at(parts, "here") == [3.0, 0.0, 0.0, 0.0]
    _, parts = split(small(nodes=("here",), assets=[("here", 1.0, 2.0)], demand=[4.0], value=50.0))
    assert at(parts, "here") == [1.0, 49.0, 0.0, 0.0]


CHAIN: dict[str, Any] = {
    "nodes": ("a", "b", "c", "d"),
    "assets": [("a", 1.0, 9.0), ("d", 9.0, 9.0)],
    "arcs": [("b", "a", 9.0), ("c", "b", 9.0), ("d", "c", 2.0)],
    "demand": [1.0, 0.0, 1.0, 4.0],
    "route_cost": [[0.5], [0.25], [0.125]],
}


def test_a_path_of_several_arcs_adds_up() -> None:
    _, parts = split(small(**CHAIN))
    assert at(parts, "a") == [1.0, 0.0, 0.0, 0.0]
    assert at(parts, "b") == [1.0, 0.0, 0.5, 0.0]  # nothing asked for, nothing served
    assert at(parts, "c") == [1.0, 0.0, 0.75, 0.0]
    assert at(parts, "d") == [9.0, 0.0, 0.0, 0.0]  # its own dearest running offer is on the margin


def test_congestion_adds_up_along_the_path_too() -> None:
    """No assets in d: its value of lost service sets the price, and the last link takes the difference."""
    market = small(**CHAIN | {"assets": [("a", 1.0, 9.0)]}, value=20.0)
    clearing, parts = split(market)
    assert float(clearing.price.sel(node="d").item()) == 20.0
    assert at(parts, "d") == [1.0, 0.0, 0.875, 20.0 - 1.875]


def test_rents_of_several_full_links_add_up() -> None:
    """One unit for c, at 20, crosses two full links; b sheds some of its own at 10."""
    market = small(
        nodes=("a", "b", "c"), assets=[("a", 1.0, 9.0)], demand=[0.0, 2.0, 2.0], value=[[9.0], [10.0], [20.0]],
        arcs=[("b", "a", 2.5), ("c", "b", 1.0)], route_cost=[[0.5], [0.25]],
    )  # fmt: skip
    clearing, parts = split(market)
    assert clearing.congestion_rent.to_numpy().tolist() == [8.5, 9.75]
    assert at(parts, "b") == [1.0, 0.0, 0.5, 8.5]
    assert at(parts, "c") == [1.0, 0.0, 0.75, 18.25]


def test_true_costs_part_the_offer_and_travel_with_the_path() -> None:
    """Two equal offers at a, 1 and 3 units: true costs 0.4 and 0.8, half of each electricity, count 1 to 3."""
    market = small(**CHAIN | {"assets": [("a", 1.0, 3.0), ("a", 1.0, 9.0), ("d", 9.0, 9.0)]})
    clearing = tf.clear(market)
    cost = np.array([[0.4], [0.8], [2.0]])
    parts = tf.decompose(market, clearing, true_cost=cost, electricity_cost=cost / 2)
    assert list(parts) == ["energy", "running", "markup", "scarcity", "routing", "congestion"]
    assert at(parts, "a") == pytest.approx([0.35, 0.35, 0.3, 0.0, 0.0, 0.0])
    assert at(parts, "c") == pytest.approx([0.35, 0.35, 0.3, 0.0, 0.75, 0.0])
    assert at(parts, "d") == pytest.approx([1.0, 1.0, 7.0, 0.0, 0.0, 0.0])
    xr.testing.assert_allclose(parts.to_array().sum("variable"), clearing.price, rtol=1e-12)
    labelled = xr.DataArray(
        cost,
        dims=("asset", "workload"),
        coords={"asset": market.layout.assets, "workload": market.layout.workloads},
    )
    alone = tf.decompose(market, clearing, true_cost=labelled[::-1])
    assert at(alone, "a") == pytest.approx([0.7, 0.0, 0.3, 0.0, 0.0, 0.0])  # by label; all of it electricity


def test_a_price_that_no_asset_explains_has_no_cost_and_no_mark_up() -> None:
    """Shed at its value where nothing is offered: all of it is scarcity, as it is without true costs."""
    market = small(nodes=("here", "there"), assets=[("there", 1.0, 2.0)], demand=[4.0, 1.0], value=50.0)
    clearing = tf.clear(market)
    parts = tf.decompose(market, clearing, true_cost=np.array([[0.5]]))
    assert at(parts, "here") == [0.0, 0.0, 0.0, 50.0, 0.0, 0.0]
    assert at(parts, "there") == [0.5, 0.0, 0.5, 0.0, 0.0, 0.0]


def test_costs_that_do_not_fit_are_refused() -> None:
    market = small(nodes=("here",), assets=[("here", 1.0, 2.0)], demand=[1.0])
    clearing = tf.clear(market)
    with pytest.raises(tf.MarketError, match="needs true_cost"):
        tf.decompose(market, clearing, electricity_cost=1.0)
    with pytest.raises(tf.MarketError, match=r"dims \(asset, workload\), \(1, 1\) here") as caught:
        tf.decompose(market, clearing, true_cost=np.ones((3, 2)), electricity_cost="much")
    assert "electricity_cost" in str(caught.value)
    with pytest.raises(tf.MarketError, match="must be finite"):
        tf.decompose(market, clearing, true_cost=np.nan)


def test_scarcity_at_the_serving_node_travels_with_the_path() -> None:
    market = small(**CHAIN | {"assets": [("a", 1.0, 2.0), ("a", 4.0, 9.0)], "demand": [2.0, 0.0, 1.0, 0.0]})
    _, parts = split(market)
    assert at(parts, "c") == [4.0, 0.0, 0.75, 0.0]
    full = small(**CHAIN | {"assets": [("a", 1.0, 3.0)], "demand": [2.0, 0.0, 2.0, 0.0]}, value=20.0)
    _, parts = split(full)
    energy, scarcity, routing, congestion = at(parts, "c")
    assert (energy, routing, congestion) == (1.0, 0.75, 0.0)
    assert scarcity == pytest.approx(18.25)


def test_where_all_is_shed_the_value_is_scarcity() -> None:
    market = small(assets=[("west", 1.0, 9.0)], demand=[1.0, 4.0], value=20.0)
    _, parts = split(market)
    assert at(parts, "east") == [0.0, 20.0, 0.0, 0.0]
    dear = small(nodes=("here",), assets=[("here", 30.0, 9.0)], demand=[4.0], value=20.0)
    clearing, parts = split(dear)
    assert float(sum(at(parts, "here"))) == float(clearing.price.item())


def test_where_nothing_is_asked_for_what_would_serve_first_explains_the_price() -> None:
    _, parts = split(small(nodes=("here",), assets=[("here", 3.0, 9.0), ("here", 2.0, 9.0)], demand=[0.0]))
    assert at(parts, "here") == [2.0, 0.0, 0.0, 0.0]
    _, parts = split(small(assets=[("west", 3.0, 9.0)], demand=[0.0, 0.0], arcs=[("east", "west", 5.0)]))
    assert at(parts, "east") == [3.0, 0.0, 0.0, 0.0]


def test_shared_power_is_part_of_scarcity() -> None:
    market = small(
        nodes=("here",), workloads=("chat", "image"),
        assets=[("here", [1.0, 10.0], [9.0, 9.0]), ("here", [5.0, 20.0], [9.0, 9.0])],
        demand=[[5.0, 2.0]], power_use=[[1.0, 2.0], [1.0, 1.0]], power_limit=[6.0, np.inf],
    )  # fmt: skip
    clearing, parts = split(market)
    assert at(parts, "here", "chat") == [5.0, 0.0, 0.0, 0.0]
    assert at(parts, "here", "image") == [10.0, 8.0, 0.0, 0.0]  # two megawatts at four dollars
    assert clearing.power_rent.to_numpy()[0] == 4.0


def test_curvature_is_part_of_congestion() -> None:
    market = small(
        assets=[("west", 1.0, 20.0)], demand=[2.0, 6.0], arcs=[("east", "west", 100.0)], link_curvature=[0.5]
    )
    _, parts = split(market)
    assert at(parts, "east") == pytest.approx([1.0, 0.0, 0.0, 3.0])


def test_prices_along_an_active_arc_obey_the_transfer_aware_relation() -> None:
    """Equation (11): they differ by route cost plus payload times tariff and rent."""
    market = paper_market(5, overhead=OVERHEAD)
    clearing, _ = split(market)
    price = clearing.price
    saturated = 0
    for arc in market.layout.arcs:
        link = clearing.flow.sel(arc=arc)
        rent = float(clearing.congestion_rent.sel(arc=arc))
        saturated += rent > 1e-9
        for workload in market.layout.workloads[link.to_numpy() > 1e-9]:
            gamma = float(market.link_use.sel(arc=arc, workload=workload))
            gap = price.sel(node=link.origin.item()) - price.sel(node=link.destination.item())
            assert float(gap.sel(workload=workload)) == pytest.approx(gamma * (0.01 + rent), abs=1e-9)
    assert saturated == 4


@pytest.mark.parametrize("name", ["latency_rule", "blocks_and_steps"])
def test_parts_of_random_prices_sum_to_them_and_are_not_negative_where_served(name: str) -> None:
    @effort(3)
    @given(markets(FORMULATIONS[name]))
    def run(market: tf.Market) -> None:
        tell(market)
        values = cleared_lazily(market).values
        parts = decompose_values(market.layout, market.arrays, values)
        size = max(1.0, float(np.abs(values.price).max()))
        np.testing.assert_allclose(sum(parts.values()), values.price, atol=1e-12 * size)
        served = (market.arrays.demand - values.unserved).sum(axis=2) > 1e-9
        for name_of, part in parts.items():
            assert np.isfinite(part).all()
            if name_of != "energy" or (market.arrays.offer_price >= 0).all():
                assert (part[served] >= -1e-7 * size).all()

    run()


def test_a_price_above_its_value_is_what_displacing_another_costs() -> None:
    """All of the far node's demand is shed, half of the near one's: more there displaces some here, and is routed."""
    market = small(
        nodes=("far", "near"), assets=[("near", 1.0, 3.0)], demand=[2.0, 4.0], value=2.0,
        arcs=[("far", "near", 9.0)], route_cost=[[0.0002]],
    )  # fmt: skip
    clearing = tf.clear(market)
    np.testing.assert_allclose(clearing.price.to_numpy().ravel(), [2.0002, 2.0], rtol=1e-12)
    assert clearing.unserved.to_numpy().ravel().tolist() == [2.0, 1.0]
    # What a little at the far node costs that must be served.
    nothing = {"demand": np.array([[0.0], [4.0]])}
    little = {"demand": np.array([[1e-3], [4.0]]), "value": np.array([[np.inf], [2.0]])}
    served, unshed = market.replace(**little), market.replace(**nothing)
    saved = clear_cost(served) - clear_cost(unshed)
    assert saved / 1e-3 == pytest.approx(2.0002, rel=1e-9)


def clear_cost(market: tf.Market) -> float:
    return tf.clear(market).values.cost


@pytest.mark.parametrize("name", ["partial_service", "blocks_and_steps", "shared_power_shedding"])
def test_no_price_lies_above_the_value_of_demand_that_is_served_in_part(name: str) -> None:
    @effort(6)
    @given(markets(FORMULATIONS[name], "integer"))
    def run(market: tf.Market) -> None:
        tell(market)
        values, arrays = tf.clear(market).values, market.arrays
        served = (arrays.demand > 0) & (values.unserved < arrays.demand * (1 - 1e-9))
        above = values.price[:, :, None] - arrays.value
        assert above[served].max(initial=0.0) <= 1e-9 * max(1.0, np.abs(values.price).max())

    run()
