"""No input of an unknown type is ever ignored, at any field of the format."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from pydantic import BaseModel, ValidationError

import tokenflow_sim as tf
from tokenflow_sim.scenario.demand import Demand, Noise, Region
from tokenflow_sim.scenario.known_types import plain
from tokenflow_sim.scenario.places import parse_path, unwrap
from tokenflow_sim.scenario.reading import takes_table
from tokenflow_sim.scenario.schema import Electricity, Node, Workload
from tokenflow_sim.scenario.supply import Asset, Hardware, Outage, Provider

FOREIGN: dict[str, Callable[[], Any]] = {
    "object": object,
    "frame": lambda: pd.DataFrame(
        0.1, index=pd.RangeIndex(168, name="period"), columns=["dallas", "seattle"]
    ),
    "column": lambda: pd.Series([0.1]),
    "array": lambda: xr.DataArray([0.1, 0.2], dims="period"),
    "set": lambda: {1.0, 2.0},
    "function": lambda: lambda: 1.0,
    "generator": lambda: iter([1.0]),
    "bytes": lambda: b"1",
    "within a list": lambda: [object()],
    "within a mapping": lambda: {"dallas": pd.Series([0.1])},
    "objects in an array": lambda: np.array([object()]),
}


@pytest.fixture(scope="module")
def full(us5: tf.Scenario) -> tf.Scenario:
    """Give a scenario that uses every part of the format."""
    return us5.override(
        {
            "regions.dallas.strategy.name": "inelastic",
            "demand.noise.volatility.chat": 0.1,
            "demand.hourly.chat": [1.0] * 24,
            "demand.weekly.chat": [1.0] * 7,
            "electricity.hourly.dallas": [1.0] * 24,
            "network.tier1.capacity": 1,
            "network.route_cost.chat": 0.1,
            "network.arcs.seattle->silicon_valley.capacity": 5,
            "outages": [{"first": 0, "last": 1, "node": "dallas"}],
        }
    )


def paths(kind: Any, at: str, value: Any) -> Iterator[str]:
    """Walk every field of the format, with the first entry of each mapping and list."""
    kind = unwrap(kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, field in kind.model_fields.items():
            below = ".".join(filter(None, [at, field.alias or name]))
            yield below
            yield from paths(field.annotation, below, getattr(value, name, None))
    elif typing.get_origin(kind) in (dict, tuple) and value:
        is_dict = typing.get_origin(kind) is dict
        key = next(iter(value)) if is_dict else 0
        below = f"{at}.{key}" if is_dict else f"{at}[0]"
        yield below
        yield from paths(typing.get_args(kind)[1 if is_dict else 0], below, value[key])


@pytest.mark.parametrize("kind", FOREIGN)
def test_every_field_refuses_what_it_does_not_know(full: tf.Scenario, kind: str) -> None:
    every = list(dict.fromkeys(paths(type(full), "", full)))
    assert len(every) > 100
    tables = {path for path in every if kind in TABLES and takes_table(parse_path(path))}
    for part in (every[::2], every[1::2]):  # all of each at once: no more than 200 faults are listed
        with pytest.raises(tf.InputError) as caught:
            full.override({path: FOREIGN[kind]() for path in part if path not in tables})
        assert {fault.place for fault in caught.value.faults} == set(part) - tables
        assert all("which a scenario does not take; give" in fault.message for fault in caught.value.faults)


TABLES = ("frame", "column", "array")


@pytest.mark.parametrize("kind", TABLES)
def test_where_a_table_may_stand_it_is_used_or_refused(full: tf.Scenario, kind: str) -> None:
    every = [path for path in dict.fromkeys(paths(type(full), "", full)) if takes_table(parse_path(path))]
    assert {"nodes", "demand.series", "network.arcs", "outages", "electricity.hourly"} < set(every)
    for path in every:
        places, used = [], full
        try:
            used = full.override({path: FOREIGN[kind]()})
        except tf.InputError as error:
            places = [fault.place for fault in error.faults]
        assert any(place.startswith(path) for place in places) if places else used != full, path


@pytest.mark.parametrize(
    "call",
    [
        lambda bad: tf.load_scenario("us5", {"demand.scale": bad}),
        lambda bad: tf.load_scenario("us5", bad),
        lambda bad: tf.TokenMarket("us5", overrides={"demand.scale": bad}),
        lambda bad: tf.TokenMarket("us5", overrides=bad),
        lambda bad: tf.TokenMarket("us5", **{"demand.scale": bad}),
        lambda bad: tf.sweep("us5", vary={"demand.scale": bad}),
        lambda bad: tf.sweep("us5", vary={"demand.scale": [bad]}),
    ],
)
def test_a_table_is_refused_wherever_values_are_given(call: Callable[[Any], Any]) -> None:
    with pytest.raises(tf.InputError, match="DataFrame"):
        call(FOREIGN["frame"]())


@pytest.mark.parametrize("values", [{"a": 1.0}, {1.0, 2.0}])
def test_values_to_vary_have_an_order(values: Any) -> None:
    with pytest.raises(tf.InputError, match=r"demand\.scale: .*give a list of values; found a"):
        tf.sweep("us5", vary={"demand.scale": values})


PARTS: list[tuple[type[BaseModel], str, dict[str, Any]]] = [
    (Demand, "series", {}),
    (Demand, "hourly", {}),
    (Electricity, "series", {}),
    (Noise, "volatility", {}),
    (Region, "nodes", {}),
    (Node, "time_zone", {}),
    (Workload, "payload", {}),
    (Provider, "assets", {}),
    (Asset, "node", {"hardware": "h"}),
    (Hardware, "throughput", {"energy": {}}),
    (Outage, "first", {"last": 2}),
]


@pytest.mark.parametrize(("part", "field", "rest"), PARTS)
@pytest.mark.parametrize("kind", ["object", "frame", "set", "function", "generator", "within a list"])
def test_parts_refuse_it_too(part: type[BaseModel], field: str, rest: dict[str, Any], kind: str) -> None:
    with pytest.raises(ValidationError):
        part(**rest, **{field: FOREIGN[kind]()})


def test_numpy_is_taken() -> None:
    assert plain({"a": np.float32(0.5), "b": np.array([[1, 2]]), "c": range(2)}) == {
        "a": 0.5,
        "b": [[1, 2]],
        "c": [0, 1],
    }
