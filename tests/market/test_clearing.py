"""A Clearing as an object, and a Clearer through changes of numbers and of structure."""

from __future__ import annotations

import contextlib
import copy
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.market.small import small
from tests.oracle.paper_markets import OVERHEAD, paper_market
from tokenflow_sim.errors import MarketError
from tokenflow_sim.variables import CLEARING

WHOLE: dict[str, Any] = {
    "workloads": ("chat", "image"),
    "assets": [
        ("west", [[1.0, 2.0], [10.0, 12.0]], [[2.0, 9.0], [1.0, 9.0]]),
        ("east", [[3.0, 4.0], [50.0, 60.0]], [[2.0, 9.0], [1.0, 9.0]]),
    ],
    "demand": [[[2.0, 0.5], [2.0, 0.1]], [[3.0, 1.0], [1.0, 0.1]]],
    "value": [[[np.inf, 3.5], [np.inf, 55.0]], [[np.inf, 3.5], [np.inf, 55.0]]],
    "arcs": [("east", "west", 2.0), ("west", "east", 5.0)],
    "link_use": [[1.0, 2.0], [1.0, 2.0]],
    "power_use": [[1.0, 1.0], [1.0, 1.0]],
    "power_limit": [6.0, 99.0],
}
SIMPLE: dict[str, Any] = {"assets": [("west", 1.0, 5.0), ("east", 3.0, 5.0)], "demand": [2.0, 4.0]}


@pytest.fixture(scope="module")
def whole() -> tf.Clearing:
    return tf.clear(small(**WHOLE))


def same(one: tf.Clearing, other: tf.Clearing) -> None:
    """Check that two clearings have the same bits."""
    assert one.total_cost == other.total_cost
    for name in CLEARING:
        if name != "total_cost":
            np.testing.assert_array_equal(
                getattr(one.values, name), getattr(other.values, name), err_msg=name
            )


def test_results_keep_the_dims_of_what_they_answer(whole: tf.Clearing) -> None:
    assert whole.price.dims == ("node", "workload")
    assert whole.dispatch.dims == whole.scarcity_rent.dims == ("asset", "workload", "block")
    assert whole.unserved.dims == ("node", "workload", "step")
    assert whole.flow.dims == ("arc", "workload")
    assert whole.power_rent.dims == ("asset",)
    assert whole.congestion_rent.dims == ("arc",)
    plain = tf.clear(small(**SIMPLE))
    assert plain.dispatch.dims == plain.scarcity_rent.dims == ("asset", "workload")
    assert plain.unserved.dims == ("node", "workload")
    assert plain.flow.shape == (0, 1)


def test_every_array_carries_unit_meaning_and_coordinates(whole: tf.Clearing) -> None:
    dataset = whole.to_dataset()
    for name, variable in CLEARING.items():
        if name != "total_cost":
            assert dataset[name].attrs == variable.attrs("GB/s"), name
    assert dataset.congestion_rent.attrs["units"] == "$/GB"
    assert set(dataset.coords) == {
        "node", "workload", "asset", "arc", "block", "step", "asset_node", "provider", "origin", "destination", "owner"
    }  # fmt: skip
    assert dataset.dispatch.coords["asset_node"].to_numpy().tolist() == ["west", "east"]
    token = tf.clear(small(**SIMPLE, arcs=[("east", "west", 1.0)], link_unit="Mtok/s"))
    assert token.congestion_rent.attrs["units"] == "$/Mtok"


def test_a_dataset_says_how_good_it_is_and_goes_into_a_file(whole: tf.Clearing, tmp_path: Path) -> None:
    dataset = whole.to_dataset()
    assert dataset.attrs["status"] == whole.status == "optimal"
    assert dataset.attrs["total_cost"] == whole.total_cost
    assert dataset.attrs["total_cost_units"] == "$/h"
    residuals = [
        dataset.attrs[f"certificate_{name}"] for name in ("primal", "dual", "complementarity", "gap")
    ]
    assert max(residuals) == whole.certificate.worst < 1e-9
    dataset.to_netcdf(tmp_path / "clearing.nc")
    with xr.open_dataset(tmp_path / "clearing.nc") as read:
        xr.testing.assert_equal(read.price, dataset.price)
        assert read.attrs["total_cost"] == whole.total_cost


def test_it_is_pickled_and_copied_whole(whole: tf.Clearing) -> None:
    for twin in (pickle.loads(pickle.dumps(whole)), copy.deepcopy(whole)):
        same(twin, whole)
        assert twin.certificate == whole.certificate
        assert twin.market.layout == whole.market.layout
        xr.testing.assert_identical(twin.to_dataset(), whole.to_dataset())


def test_what_was_certified_cannot_be_changed(whole: tf.Clearing) -> None:
    for name in ("price", "dispatch", "congestion_rent"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(whole, name).values.flat[0] = 0.0
    changed = whole.price.copy(deep=True)
    changed[0, 0] = 0.0
    assert whole.price[0, 0] != 0.0


def test_coordinates_are_not_shared_for_writing() -> None:
    clearing = tf.clear(small(**SIMPLE))
    names = clearing.dispatch.coords["provider"].to_numpy()
    with contextlib.suppress(ValueError):  # to be refused is as good
        names[0] = "somebody else"
    assert clearing.scarcity_rent.coords["provider"].to_numpy()[0] == "west0"
    assert clearing.market.capacity.coords["provider"].to_numpy()[0] == "west0"


def test_it_sums_itself_up() -> None:
    assert repr(tf.clear(small(**SIMPLE))) == (
        "<Clearing: optimal, 50,400.00 $/h; mean price in $/Mtok: chat 2; unserved 0 Mtok/s; certificate 0.0e+00>"
    )


def test_demand_that_cannot_be_met_is_named_with_class_node_and_amount() -> None:
    market = small(
        workloads=("chat", "image"), assets=[("west", [1.0, 9.0], [5.0, 1.0])], demand=[[2.0, 1.5], [4.0, 0.25]],
        arcs=[("east", "west", 2.0)],
    )  # fmt: skip
    with pytest.raises(tf.InfeasibleError) as caught:
        tf.clear(market)
    missing = caught.value.shortfall
    assert sum(amount for (_, workload), amount in missing.items() if workload == "image") == pytest.approx(
        0.75
    )
    chat = {node: amount for (node, workload), amount in missing.items() if workload == "chat"}
    assert chat == pytest.approx({"east": 2.0})
    text = str(caught.value)
    assert "chat: 2 Mtok/s short, at east (2)" in text
    assert "image: 0.75 Mtok/s short, at " in text
    assert "`value` of a Market" in text
    assert pickle.loads(pickle.dumps(caught.value)).shortfall == missing


def test_a_clearer_goes_on_after_a_market_that_has_no_solution() -> None:
    market = small(**SIMPLE)
    clearer = tf.Clearer(market)
    before = clearer.clear(market)
    with pytest.raises(tf.InfeasibleError):
        clearer.clear(market.replace(demand=10 * market.demand))
    same(clearer.clear(market), before)


def test_a_clearer_rebuilds_by_itself_when_the_structure_changes() -> None:
    """Labels, network, link use, shared power, blocks and steps; and back again."""
    simple = small(**SIMPLE)
    network = small(**SIMPLE, arcs=[("east", "west", 1.0)])
    structures = [
        simple,
        network,
        network.replace(link_use=np.array([[2.0]])),
        network.replace(origin=["west"], destination=["east"]),
        simple.replace(
            power_use=xr.full_like(simple.capacity, 1.0),
            power_limit=simple.capacity.isel(workload=0, drop=True),
        ),
        small(**WHOLE),
        small(nodes=("here",), assets=[("here", [[1.0, 2.0, 3.0]], [[1.0, 1.0, 1.0]])], demand=[2.5]),
        small(nodes=("here",), assets=[("here", 1.0, 2.0)], demand=[[[1.0, 3.0]]], value=[[[50.0, 40.0]]]),
        simple,
    ]
    clearer = tf.Clearer(structures[0])
    for market in structures:
        same(clearer.clear(market), tf.clear(market))


def test_a_clearer_keeps_its_model_while_only_numbers_move() -> None:
    market = small(**WHOLE)
    clearer = tf.Clearer(market)
    engine = clearer._engine
    for changes in (
        {"demand": market.demand / 2}, {"offer_price": 2 * market.offer_price}, {"capacity": market.capacity + 1},
        {"link_capacity": np.array([0.0, np.inf])}, {"power_limit": np.array([5.0, np.inf])}, {"hours": 0.5},
        {"value": 1000.0}, {"allowed": False}, {"route_cost": 0.1},
    ):  # fmt: skip
        changed = market.replace(**changes)
        same(clearer.clear(changed), tf.clear(changed))
    assert clearer._engine is engine


@pytest.mark.parametrize(
    "market", [paper_market(5), paper_market(5, overhead=OVERHEAD)], ids=["baseline", "transfer"]
)
def test_the_paper(market: tf.Market) -> None:
    clearing = tf.clear(market)
    prices = clearing.price.mean("node")
    if market.layout.link_unit == "Mtok/s":
        assert round(clearing.total_cost, 2) == 123_635.32
        assert float(prices.sel(workload="chat")) == pytest.approx(0.0748, abs=5e-5)
        assert float(prices.sel(workload="image")) == pytest.approx(41.8948, abs=5e-5)
    else:
        assert round(clearing.total_cost) == 127_007
        assert float(prices.sel(workload="chat")) == pytest.approx(0.0770, abs=5e-5)
        assert float(prices.sel(workload="image")) == pytest.approx(38.90, abs=5e-3)
    assert clearing.certificate.worst < 1e-12


def test_hours_are_carried_and_change_nothing(whole: tf.Clearing) -> None:
    day = tf.clear(whole.market.replace(hours=24))
    same(day, whole)
    assert day.to_dataset().attrs["hours"] == 24.0


def test_nothing_is_printed() -> None:
    """Standard output belongs to the user: HiGHS prints a banner when a process first makes a solver."""
    script = (
        "from tests.market.small import small\nimport tokenflow_sim as tf\n"
        "market = small(assets=[('west', 1.0, 5.0)], demand=[2.0, 0.0], arcs=[('east', 'west', 1.0)],"
        " link_curvature=[0.1])\n"
        "tf.clear(market).price_bounds()"
    )
    checkout = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-W", "error::FutureWarning", "-c", script],
        cwd=checkout, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert done.stdout == ""
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("thing", "advice"),
    [
        (None, "found NoneType; make one by `tf.Market"),
        (3.0, "found float; make one by"),
        (
            tf.load_scenario("us5"),
            r"found Scenario; it holds many markets: give one, e.g. `scenario.market\(period=0\)`",
        ),
    ],
)
def test_what_is_no_market_is_refused(thing: Any, advice: str) -> None:
    with pytest.raises(MarketError, match=advice):
        tf.clear(thing)


def test_a_market_without_arrays_says_which_are_needed() -> None:
    with pytest.raises(MarketError, match="3 faults") as caught:
        tf.Market()
    assert [fault.place for fault in caught.value.faults] == ["offer_price", "capacity", "demand"]
