"""Names that hold what names in the field hold: dots, ampersands, hashes, parentheses, slashes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import xarray as xr

import tokenflow_sim as tf
from tokenflow_sim.scenario.confusable import skeleton
from tokenflow_sim.scenario.places import parse_path, path_of

TEXT = """
format: 1
name: names (v1.0)
periods: 2
market: {bandwidth: token_equivalent, must_serve: false}
workloads:
  Qwen2.5-72B: {payload: 1, base_demand: 300000, value: 4}
  meta-llama/Llama-3.1: {payload: 1, base_demand: 300000, value: 4}
nodes:
  'St. Louis (MO)': {demand_weight: 1, power_mw: 40, electricity_price: 0.05}
  'Council Bluffs #2': {demand_weight: 1, power_mw: 50, electricity_price: 0.06}
network:
  arcs:
    'St. Louis (MO)->Council Bluffs #2': {origin: St. Louis (MO), destination: 'Council Bluffs #2', latency: 5}
hardware:
  A100-80GB (PCIe): {throughput: {Qwen2.5-72B: 10000, meta-llama/Llama-3.1: 9000}, energy: {Qwen2.5-72B: 30,
    meta-llama/Llama-3.1: 33}}
providers:
  AT&T: {assets: [{node: St. Louis (MO), hardware: A100-80GB (PCIe), share: 1}]}
  O'Brien + Co.: {assets: [{node: 'Council Bluffs #2', hardware: A100-80GB (PCIe), share: 1}]}
"""


@pytest.fixture(scope="module")
def scenario() -> tf.Scenario:
    return tf.Scenario.from_yaml(TEXT)


@pytest.mark.parametrize(
    ("path", "loc"),
    [
        ("demand.scale", ("demand", "scale")),
        ("providers.b.assets[2].node", ("providers", "b", "assets", 2, "node")),
        ('workloads."Qwen2.5-72B".value', ("workloads", "Qwen2.5-72B", "value")),
        ('electricity.series[3]."St. Louis"', ("electricity", "series", 3, "St. Louis")),
        ("network.arcs.a (b)->c #2.capacity", ("network", "arcs", "a (b)->c #2", "capacity")),
    ],
)
def test_paths_are_read_and_written_alike(path: str, loc: tuple[Any, ...]) -> None:
    assert parse_path(path) == loc
    assert path_of(loc) == path


@pytest.mark.parametrize("path", ["", "a..b", ".a", "a.", 'a."b', 'a."b"c.d', "a[x]", 'a."".b'])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="is no dotted path"):
        parse_path(path)


def test_any_name_can_be_quoted() -> None:
    assert parse_path('"demand"."scale"') == ("demand", "scale")


def test_paths_with_quoted_names_change_what_they_name(scenario: tf.Scenario) -> None:
    changed = scenario.override(
        {
            'workloads."Qwen2.5-72B".value': 9,
            'nodes."St. Louis (MO)".electricity_price': "0.07",
            "nodes.Council Bluffs #2.pue": 1.2,
            'workloads."meta-llama/Llama-3.1".value': 5,
            'providers."O\'Brien + Co.".strategy.name': "fixed_markup",
        }
    )
    assert changed.workloads["Qwen2.5-72B"].value == 9
    assert changed.nodes["St. Louis (MO)"].electricity_price == 0.07
    assert changed.workloads["meta-llama/Llama-3.1"].value == 5
    assert tf.Scenario.from_yaml(changed.to_yaml()) == changed
    with pytest.raises(tf.ScenarioError) as caught:
        scenario.override({"workloads.Qwen2.5-72B.value": 9})
    assert 'a name with dots stands in quotes: workloads."Qwen2.5-72B"' in str(caught.value)
    with pytest.raises(tf.ScenarioError) as caught:
        scenario.override({'workloads."Qwen2.5-72B".value': -1})
    assert 'workloads."Qwen2.5-72B".value: must be at least 0' in str(caught.value)


def test_a_run_keeps_the_names_through_files(scenario: tf.Scenario, tmp_path: Path) -> None:
    strategies = {'providers."O\'Brien + Co."': "fixed_markup", "providers.AT&T": "marginal_cost"}
    model = tf.TokenMarket(scenario, strategies=strategies, rng=1)
    model.run()
    ds = model.results()
    assert list(ds["asset"].values) == [
        "AT&T/St. Louis (MO)/A100-80GB (PCIe)", "O'Brien + Co./Council Bluffs #2/A100-80GB (PCIe)",
    ]  # fmt: skip
    ds.to_netcdf(tmp_path / "run.nc")
    ds.to_zarr(tmp_path / "run.zarr", consolidated=False)
    with xr.open_dataset(tmp_path / "run.nc") as back:
        assert back.equals(ds)
    with xr.open_zarr(tmp_path / "run.zarr", consolidated=False) as back:
        assert back.equals(ds)
    frame = model.datacollector.get_model_vars_dataframe()
    assert "mean_price_meta-llama/Llama-3.1" in frame
    figure = tf.plot.prices(ds)
    figure.canvas.draw()


def test_a_slash_is_refused_where_a_label_is_made_of_the_name() -> None:
    with pytest.raises(tf.ScenarioError, match="must have no slash"):
        tf.Scenario.from_yaml(TEXT.replace("Council Bluffs #2", "Council/Bluffs"))


def test_two_names_that_look_the_same_are_refused_with_both_named() -> None:
    cyrillic = "AT&\u0422"  # a Cyrillic Te
    text = (
        TEXT
        + f"  {cyrillic}: {{assets: [{{node: St. Louis (MO), hardware: A100-80GB (PCIe), power_mw: 1}}]}}\n"
    )
    with pytest.raises(tf.ScenarioError) as caught:
        tf.Scenario.from_yaml(text)
    told = str(caught.value)
    assert f"providers.{cyrillic}: looks like 'AT&T'" in told
    assert "cyrillic capital letter te for latin capital letter t" in told


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("Paris", "Paris"),
        ("P\u0430ris", "Paris"),
        ("\u039f\u03a1", "OP"),
        ("Łódź", "Łódź"),
        ("Москва", "Mocквa"),
    ],
)
def test_skeletons(name: str, seen: str) -> None:
    assert skeleton(name) == seen
