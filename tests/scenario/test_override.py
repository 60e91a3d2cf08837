"""Any value of a scenario can be changed by its dotted path; a wrong path is answered with the known names."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import tokenflow_sim as tf
from tokenflow_sim.errors import Fault, ScenarioError
from tokenflow_sim.scenario import Scenario, load_scenario
from tokenflow_sim.scenario.places import Loc, faults_of, type_at
from tokenflow_sim.scenario.schema import ScenarioFields
from tokenflow_sim.scenario.series_file import SeriesFile


def only_fault(scenario: Scenario, changes: dict[str, Any]) -> Fault:
    with pytest.raises(ScenarioError) as caught:
        scenario.override(changes)
    assert len(caught.value.faults) == 1, str(caught.value)
    return caught.value.faults[0]


def test_the_paths_that_others_rely_on(us5: Scenario) -> None:
    changed = us5.override(
        {
            "periods": 24,
            "hours": 0.5,
            "demand.scale": 40,
            "market.bandwidth": "physical",
            "market.must_serve": False,
            "market.opex_adder": 4.38762,
            "workloads.chat.latency_limit": 15,
            "providers.dallas_dc.strategy.name": "fixed_markup",
            "providers.dallas_dc.strategy.markup": 0.2,
        }
    )
    assert (changed.periods, changed.hours, changed.demand.scale) == (24, 0.5, 40)
    assert changed.rules.bandwidth == "physical"
    assert changed.rules.must_serve is False
    assert changed.rules.opex_adder == 4.38762
    assert changed.workloads["chat"].latency_limit == 15
    assert changed.compiled.strategy_of("provider", "dallas_dc") == {"name": "fixed_markup", "markup": 0.2}
    assert us5.demand.scale == 35  # the original stays


def test_values_may_be_yaml_text(us5: Scenario) -> None:
    changed = us5.override(
        {
            "demand.scale": "4e1",
            "market.must_serve": "false",
            "workloads.chat.latency_limit": "null",
            "hardware.fleet.throughput": "{chat: 1, image: 2, code: 3, batch: 4}",
            "description": "null",  # text stays text where text is wanted
            "start": "2026-02-01 06:00",
        }
    )
    assert changed.demand.scale == 40
    assert changed.rules.must_serve is False
    assert changed.workloads["chat"].latency_limit is None
    assert changed.hardware["fleet"].throughput == {"chat": 1, "image": 2, "code": 3, "batch": 4}
    assert changed.description == "null"
    assert (changed.start.day, changed.start.hour) == (1, 6)


def test_values_may_be_numpy_scalars(us5: Scenario) -> None:
    changed = us5.override(
        {"demand.scale": np.float32(2.5), "periods": np.int64(3), "market.must_serve": np.bool_(0)}
    )
    assert (changed.demand.scale, changed.periods, changed.rules.must_serve) == (2.5, 3, False)


def test_cells_of_tables_and_items_of_lists(us5: Scenario) -> None:
    changed = us5.override({"nodes.dallas.power_mw": 1300, "nodes.seattle.demand_weight": 0.5})
    assert changed.compiled.state(0).capacity[1, 0] == 6.5
    assert changed.compiled.state(0).demand[4, 0] == 35 * 0.5 * 50_000 / 1e6
    hourly = us5.override({"demand.hourly.chat": list(range(24))}).override({"demand.hourly.chat[3]": 9})
    assert hourly.demand.hourly["chat"][2:5] == (2, 9, 4)


def test_an_asset_has_a_power_or_a_share(us5: Scenario) -> None:
    by_power = us5.override({"providers.dallas_dc.assets[0].power_mw": "100"})
    asset = by_power.providers["dallas_dc"].assets[0]
    assert (asset.power_mw, asset.share) == (100, None)
    assert by_power.compiled.state(0).capacity[1, 0] == 0.5
    by_share = by_power.override({"providers.dallas_dc.assets.0.share": 1})
    assert by_share == us5


def test_an_arc_that_a_rule_makes(us5: Scenario) -> None:
    wide = us5.override({"network.arcs.seattle->silicon_valley.capacity": 5})
    before, after = us5.compiled, wide.compiled
    assert list(before.layout.arcs) == list(after.layout.arcs)
    changed = before.state(0).link_capacity != after.state(0).link_capacity
    assert [before.layout.arcs[number] for number in np.flatnonzero(changed)] == ["seattle->silicon_valley"]
    assert after.state(0).link_capacity[changed].tolist() == [10.0]
    slow = wide.override({"network.arcs.seattle->silicon_valley.latency": 150})
    assert slow.compiled.state(0).allowed.sum(axis=0).tolist() == [13, 14, 14, 14]
    added = us5.override({"network.arcs.ashburn->seattle": {"origin": "ashburn", "destination": "seattle"}})
    assert len(added.compiled.layout.arcs) == 15
    assert added.compiled.latency[-1] == pytest.approx(added.compiled.distance[-1] / 200 + 5)
    fault = only_fault(us5, {"network.arcs.ashburn->mars.capacity": 5})
    assert fault.message.startswith("unknown arc 'ashburn->mars'; known arcs: ashburn->dallas")


def test_a_region_that_stands_for_its_node(us5: Scenario) -> None:
    changed = us5.override(
        {"regions.dallas.strategy.name": "elastic", "regions.dallas.strategy.elasticity": -0.5}
    )
    assert changed.compiled.regions == us5.compiled.regions
    assert changed.compiled.strategy_of("region", "dallas") == {"name": "elastic", "elasticity": -0.5}
    assert us5.compiled.strategy_of("region", "dallas") == {"name": "inelastic"}
    assert only_fault(us5, {"regions.mars.strategy.name": "x"}).message.startswith(
        "unknown region 'mars'; known"
    )


def test_another_strategy_drops_the_parameters_of_the_former(us5: Scenario) -> None:
    path = "providers.dallas_dc.strategy"
    first = us5.override({path: {"name": "fixed_markup", "markup": 0.1}})
    assert first.override({f"{path}.name": "marginal_cost"}).compiled.strategy_of(
        "provider", "dallas_dc"
    ) == {"name": "marginal_cost"}
    same = first.override({f"{path}.name": "fixed_markup"})
    assert same == first
    both = first.override({f"{path}.share": 0.5, f"{path}.name": "withholding"})  # in either order
    assert both.compiled.strategy_of("provider", "dallas_dc") == {"name": "withholding", "share": 0.5}
    assert first.override({path: "marginal_cost"}) == us5


def test_an_optional_part_comes_to_life(us5: Scenario) -> None:
    changed = us5.override({"demand.noise.volatility.chat": 0.1, "demand.noise.common": 0.2})
    assert changed.demand.noise is not None
    assert (changed.demand.noise.volatility, changed.demand.noise.common) == ({"chat": 0.1}, 0.2)
    fault = only_fault(us5, {"demand.noise.common": 0.2})
    assert (fault.place, fault.message) == ("demand.noise.volatility", "is needed, and is not given")


def test_cells_of_tables_by_period(us5: Scenario) -> None:
    prices = us5.override(
        {
            "periods": 2,
            "electricity.series": "period,dallas\n0,0.1\n1,0.2\n",
            "nodes.dallas.electricity_price": None,
            "demand.series": "period,node,chat\n0,dallas,1\n1,dallas,2\n",
        }
    )
    changed = prices.override({"electricity.series[1].dallas": "0.5", "demand.series[0].dallas.chat": 7})
    assert changed.compiled.state(1).electricity_price[1] == 0.5
    assert changed.compiled.state(0).electricity_price[1] == 0.1
    assert changed.compiled.state(0).demand[1, 0] == 35 * 7
    assert (
        "unknown period 2; known periods: 0, 1"
        in only_fault(prices, {"electricity.series[2].dallas": 1}).message
    )
    assert (
        "unknown name 'x'; known names: dallas" in only_fault(prices, {"electricity.series[1].x": 1}).message
    )
    assert "a cell of a table by period is" in only_fault(prices, {"electricity.series[1]": 1}).message
    assert "must be a number" in only_fault(prices, {"electricity.series[1].dallas": "dear"}).message
    with pytest.raises(ScenarioError, match="holds negative numbers"):
        prices.override({"demand.series[0].dallas.chat": -1})


WRONG_PATHS = {
    "demand.scal": "unknown field 'scal'; known fields: scale, hourly",
    "demnd.scale": "unknown field 'demnd'; known fields: format, name",
    "rules.bandwidth": "unknown field 'rules'; known fields: format, name",
    "workloads.chatt.latency_limit": "unknown workload 'chatt'; known workloads: chat, image, code, batch",
    "nodes.dalas.power_mw": "unknown node 'dalas'; known nodes: ashburn, dallas, silicon_valley, chicago, seattle",
    "hardware.h100.running_cost": "unknown hardware type 'h100'; known hardware types: fleet",
    "providers.dallas_dc.assets[3].power_mw": "unknown entry 3; known entries: 0",
    "providers.dallas_dc.assets[0].powr": "unknown field 'powr'; known fields: node, hardware, power_mw",
    "demand.scale.x": "demand.scale holds a single value",
    "": "is no dotted path",
    "a..b": "is no dotted path",
    "demand.scale[": "is no dotted path",
    "demand.hourly.chat[3]": "unknown name 'chat'; known names: none",
}


@pytest.mark.parametrize("path", WRONG_PATHS)
def test_a_wrong_path_is_answered_with_what_is_known(path: str, us5: Scenario) -> None:
    fault = only_fault(us5, {path: 1})
    assert WRONG_PATHS[path] in fault.message
    assert fault.place == path


WRONG_VALUES = {
    "demand.scale": ["many", -1, math.inf, "[1", None, True, [1], "1,5"],
    "market.bandwidth": ["fast", 3],
    "periods": [0, 1.5, 1e30, math.nan],
    "name": ["x[y]", "", None, 3.5],
    "nodes": [None, {}, 3, "gone.csv"],
    "nodes.dallas": [None, 3],
    "providers.dallas_dc.strategy.markup": [math.nan],
    "providers.dallas_dc.strategy.name": [3, "two words"],
    "outages": [{"first": 1}, [{"first": 1}], 3],
}


@pytest.mark.parametrize(
    ("path", "value"), [(path, value) for path, values in WRONG_VALUES.items() for value in values]
)
def test_a_wrong_value_is_told_at_its_path(path: str, value: object, us5: Scenario) -> None:
    with pytest.raises(ScenarioError) as caught:
        us5.override({path: value})
    assert all(fault.place.startswith(path.rsplit(".", 1)[0]) for fault in caught.value.faults)


def test_faults_of_several_paths_are_told_together(us5: Scenario) -> None:
    with pytest.raises(ScenarioError) as caught:
        us5.override({"demand.scal": 1, "market.bandwidth": "fast", "workloads.chat.payload": -1})
    assert {fault.place for fault in caught.value.faults} == {
        "demand.scal", "market.bandwidth", "workloads.chat.payload",
    }  # fmt: skip


def test_load_scenario_takes_overrides_and_scenarios(us5: Scenario) -> None:
    assert (
        load_scenario("us5", {"demand.scale": 2})
        == us5.override({"demand.scale": 2})
        == load_scenario(us5, {"demand.scale": 2})
    )
    assert load_scenario(us5) is us5


NUMBERS = {
    "demand.scale": st.floats(0, 1e6),
    "hours": st.floats(1e-3, 1e3),
    "periods": st.integers(1, 10**6),
    "market.opex_adder": st.floats(0, 1e6),
    "market.must_serve": st.booleans(),
    "market.bandwidth": st.sampled_from(["physical", "none", "token_equivalent"]),
    "workloads.image.overhead": st.floats(1e-3, 10),
    "workloads.chat.latency_limit": st.none() | st.floats(1e-3, 1e3),
    "nodes.chicago.electricity_price": st.floats(0, 10),
    "network.tier1.capacity": st.floats(0, 1e3),
    "network.arcs.chicago->dallas.tariff": st.floats(0, 10),
    "providers.seattle_dc.assets[0].power_mw": st.floats(1e-3, 600),
    "electricity.scale": st.floats(0, 10),
    "description": st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30),
}


def get(scenario: Scenario, path: str) -> Any:
    """Read a value by its path, by way of the text that a result carries."""
    from tokenflow_sim.scenario.places import parse_path, value_at

    return value_at(scenario.model_dump(by_alias=True), parse_path(path))


@settings(max_examples=40)
@given(st.fixed_dictionaries({}, optional=NUMBERS))
def test_what_is_put_in_comes_out_again(us5: Scenario, changes: dict[str, Any]) -> None:
    changed = us5.override(changes)
    for path, value in changes.items():
        assert get(changed, path) == value
    text = changed.to_yaml()
    assert Scenario.from_yaml(text) == changed
    assert Scenario.from_yaml(text).to_yaml() == text
    as_text = {path: value if path == "description" else repr(value) for path, value in changes.items()}
    as_text = {path: {"None": "null"}.get(text, text) for path, text in as_text.items()}
    assert us5.override(as_text) == changed
    changed.market()  # any such values make a market


def test_a_key_given_twice_in_a_value_is_told(us5: Scenario) -> None:
    fault = only_fault(us5, {"demand": "{scale: 1, scale: 2}"})
    assert fault.place == "demand"
    assert "scale: is given twice" in fault.message


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("market.bandwidth", Path("none"), "is a path, and no file may stand here"),
        (
            "electricity.series",
            {"file": "t,a\n1,2\n", "fill": "foo"},
            "must be 'hold', 'interpolate' or a number; found",
        ),
    ],
)
def test_a_value_of_the_wrong_kind_is_one_fault(us5: Scenario, path: str, value: object, words: str) -> None:
    with pytest.raises(tf.InputError) as caught:
        us5.override({path: value})
    (fault,) = caught.value.faults
    assert words in str(fault)


def test_numbers_of_other_kinds_are_taken(us5: Scenario) -> None:
    for value in (Decimal("1.5"), xr.DataArray(1.5)):
        assert us5.override({"demand.scale": value}).demand.scale == 1.5


def test_no_place_shows_the_choices_of_a_union() -> None:
    """Every field of the format, given what it cannot take, is named by its own path."""
    wrong = ({"a": {"b": object()}}, object(), [object()], "\0", -1e400)
    for model in (SeriesFile, ScenarioFields, *{type_at(ScenarioFields, loc) for loc in HOLDERS}):
        for value in wrong:
            try:
                model.model_validate(
                    dict.fromkeys((f.alias or n for n, f in model.model_fields.items()), value)
                )
            except ValidationError as error:
                for loc, message in faults_of(error, model):
                    shown = f"{loc} {message}"
                    assert not re.search(r"literal\[|function-|tuple\[|'str'|'float'|union", shown), shown


HOLDERS: list[Loc] = [
    ("nodes", "a"), ("workloads", "a"), ("network",), ("network", "arcs", "a"), ("demand",), ("electricity",),
    ("providers", "a"), ("providers", "a", "assets", 0), ("owners", "a"), ("regions", "a"), ("hardware", "a"),
    ("outages", 0), ("market",),
]  # fmt: skip
