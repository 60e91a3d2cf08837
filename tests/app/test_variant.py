from __future__ import annotations

import time
from pathlib import Path

import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.report.conftest import TEXT
from tokenflow_sim.app import atlas, series
from tokenflow_sim.app.session import ModelRunner
from tokenflow_sim.errors import ResultError


@pytest.fixture(scope="module")
def scenario() -> tf.Scenario:
    return tf.Scenario.from_yaml(TEXT).override({"periods": 40})


@pytest.fixture
def variant(scenario: tf.Scenario) -> ModelRunner:
    made = ModelRunner()
    made.reset(scenario, 5)
    return made


@pytest.fixture(scope="module")
def played(scenario: tf.Scenario) -> xr.Dataset:
    model = tf.TokenMarket(scenario, rng=5)
    model.run()
    return model.results()


def test_a_run_in_the_background_is_the_run_of_the_model(
    variant: ModelRunner, played: xr.Dataset, tmp_path: Path
) -> None:
    assert (variant.status, variant.period, variant.periods) == ("ready", 0, 40)
    assert variant.results() is None
    variant.start()
    variant.wait(60)
    assert variant.status == "done"
    results = variant.results()
    assert results is not None
    xr.testing.assert_identical(results, played)
    (tmp_path / "run.nc").write_bytes(variant.netcdf())
    with tf.load_results(tmp_path / "run.nc") as saved:
        xr.testing.assert_equal(saved.load(), played)


def test_a_period_is_called_by_its_date_where_there_is_one(
    variant: ModelRunner, scenario: tf.Scenario
) -> None:
    assert variant.when(38) == "period 38"
    variant.reset(scenario.override({"start": "2026-01-05T00:00-06:00", "time_zone": "America/Chicago"}), 5)
    assert variant.when(38) == "2026-01-06 14:00"


def test_a_run_after_others_of_other_scenarios_is_the_same_run(
    variant: ModelRunner, played: xr.Dataset
) -> None:
    scenario = variant.settings
    assert scenario is not None
    variant.start(pause=0.2)
    first = variant._run
    variant.reset(tf.load_scenario("us5"), 1)  # while the other plays
    variant.step()
    variant.reset(scenario, 5)
    variant.start()
    variant.wait(60)
    xr.testing.assert_identical(variant.results(), played)
    assert first is not None
    assert first.thread is not None
    first.thread.join(60)
    assert first.model.period < 40


def test_it_stops_steps_and_goes_on(variant: ModelRunner, played: xr.Dataset) -> None:
    variant.start(pause=0.05)
    assert variant.status == "running"
    while variant.period < 2:
        time.sleep(0.01)
    seen = variant.version
    variant.step()  # not while it runs
    variant.stop()
    variant.wait(10)
    assert variant.status == "stopped"
    assert variant.version > seen
    period = variant.period
    assert 2 <= period < 40
    variant.step()
    assert variant.period == period + 1
    variant.start()
    variant.wait(60)
    results = variant.results()
    assert results is not None
    xr.testing.assert_identical(results, played)


def test_reset_begins_anew_even_while_it_runs(variant: ModelRunner, scenario: tf.Scenario) -> None:
    for _ in range(10):
        variant.start(pause=0.01)
        variant.reset(scenario, 6)
        assert (variant.status, variant.period) == ("ready", 0)
        assert variant.results() is None
    time.sleep(0.1)
    assert (variant.status, variant.period) == ("ready", 0)


def test_a_market_that_cannot_be_served_fails_with_its_reason(scenario: tf.Scenario) -> None:
    variant = ModelRunner()
    variant.reset(scenario.override({"market.must_serve": True}), 1)
    variant.start()
    variant.wait(30)
    assert variant.status == "failed"
    assert "cannot be met" in variant.error
    variant.step()
    variant.start()
    assert variant.status == "failed"
    variant.reset(scenario, 1)
    assert (variant.status, variant.error) == ("ready", "")


def test_nothing_is_saved_of_nothing(variant: ModelRunner) -> None:
    with pytest.raises(ResultError, match="no period"):
        variant.netcdf()
    with pytest.raises(ResultError):
        ModelRunner().netcdf()


def test_charts_show_the_numbers_of_the_run(played: xr.Dataset) -> None:
    paid = series.settlement(played).lines[0]["values"]
    assert paid == pytest.approx(played.payment.sum(["node", "workload"]).values, rel=1e-5)
    east = series.prices(played, "east")
    assert east.lines[0]["values"] == pytest.approx(
        played.price.sel(node="east", workload="chat").values, rel=1e-5
    )
    lost = series.unserved(played).lines[0]["values"]
    part = played.sel(workload="chat").sum("node")
    assert lost == pytest.approx((100 * part.unserved / part.demand).values, rel=1e-5)
    assert [line["name"] for line in series.profits(played).lines] == ["ant", "bee"]
    use = series.congestion(played)
    assert use.lines[0]["values"] == pytest.approx([100.0] * 40)
    assert "1 of 2 links" in use.note


def test_a_long_run_is_thinned_and_keeps_its_last_period(played: xr.Dataset) -> None:
    long = xr.concat([played] * 30, "period").assign_coords(period=range(1200))
    curves = series.prices(long, None)
    assert len(curves.periods) <= series.MOST_POINTS
    assert curves.periods[-1] == 1199


def test_the_parts_of_a_price_are_those_of_the_results(played: xr.Dataset) -> None:
    rows = series.decomposition(played, "east", 3)
    assert [row["name"] for row in rows] == ["chat", "image"]
    assert rows[0]["short"] is True
    for row in rows:
        total = sum(float(part["text"].replace(",", "")) for part in row["parts"])
        assert total == pytest.approx(float(row["price"].replace(",", "")), rel=2e-3)
        assert sum(part["width"] for part in row["parts"]) == pytest.approx(100)


def test_two_variants_are_compared_over_what_both_played(played: xr.Dataset) -> None:
    rows = {name: rest for name, *rest in series.compared(played, played.isel(period=slice(3)))}
    assert rows["Demand pays"][0] == rows["Demand pays"][1]
    assert rows["Demand pays"][2] == "0 $"
    dearer = played.assign(price=played.price + 1)
    rows = {name: rest for name, *rest in series.compared(played, dearer)}
    assert float(rows["Mean price, chat [$/Mtok]"][2]) == pytest.approx(1)


def test_the_map_has_every_node_and_the_links_in_use(scenario: tf.Scenario, played: xr.Dataset) -> None:
    on = atlas.base_map(scenario)
    assert on.outlines
    east, west = (on.places[name] for name in ("east", "west"))
    assert 0 < west[0] < east[0] < atlas.WIDTH
    nodes = atlas.nodes(on, played, 0, "chat")
    assert [node["name"] for node in nodes] == ["east", "west"]
    assert nodes[0]["color"] != nodes[1]["color"]
    assert nodes[0]["r"] > nodes[1]["r"]
    assert [(link["name"], link["full"]) for link in atlas.links(on, played, 0)] == [("east->west", True)]
    assert atlas.links(on, None, -1) == []
    assert len(atlas.nodes(on, None, -1, "chat")) == 2


def test_nodes_without_coordinates_stand_on_a_circle(scenario: tf.Scenario) -> None:
    changes = {f"nodes.{node}.{key}": None for node in ("east", "west") for key in ("latitude", "longitude")}
    on = atlas.base_map(
        scenario.override(changes | {"market.bandwidth": "none", "network.max_distance": None})
    )
    assert on.outlines == []
    assert len(set(on.places.values())) == 2
    assert on.note == ""


def test_one_node_without_coordinates_stands_below_the_map_and_is_named(
    scenario: tf.Scenario, played: xr.Dataset
) -> None:
    changes = {"nodes.east.latitude": None, "nodes.east.longitude": None}
    on = atlas.base_map(
        scenario.override(changes | {"market.bandwidth": "none", "network.max_distance": None})
    )
    assert on.outlines
    assert on.note == "In the row below the map, without coordinates: east."
    lines = [float(y) for path in on.outlines for y in path[1:].replace("L", " ").split()[1::2]]
    assert max(lines) < on.places["east"][1] < atlas.HEIGHT
    assert [node["name"] for node in atlas.nodes(on, played, 0, "chat")] == ["east", "west"]
