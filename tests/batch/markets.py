"""Markets that batches are tried on, and how one is compared with what its seed brings alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

import tokenflow_sim as tf

_TEXT = """
format: 1
name: plain
periods: 12
hours: 1.0
market: {{ bandwidth: none, must_serve: {must_serve} }}
demand: {{ scale: 1.0{noise} }}
workloads:
  chat: {{ payload: 1, base_demand: 400000, value: 20 }}
  batch: {{ payload: 2, base_demand: 300000, value: 6 }}
nodes:
{nodes}
hardware:
  fleet: {{ throughput: {{ chat: 4000, batch: 9000 }}, energy: {{ chat: 2.0, batch: 0.8 }} }}
providers:
{providers}
"""
_NAMES = ("north", "south", "west")
_POWER = {"a": 120.0, "b": 90.0, "c": 60.0, "d": 40.0}


def plain_market(
    *, nodes: int = 1, noise: float = 0.0, must_serve: bool = False, providers: int = 2, **more: Any
) -> tf.Scenario:
    """Return a market of some providers, each at all of some nodes, without a network."""
    names = _NAMES[:nodes]
    places = [
        f"  {name}: {{ demand_weight: {1 + 0.2 * number}, electricity_price: {0.05 + 0.02 * number} }}"
        for number, name in enumerate(names)
    ]
    owners = []
    for provider in list(_POWER)[:providers]:
        assets = ", ".join(
            f"{{ node: {name}, hardware: fleet, power_mw: {_POWER[provider] * (1 + number / 7)} }}"
            for number, name in enumerate(names)
        )
        owners.append(f"  {provider}: {{ assets: [{assets}] }}")
    spec = f"{{ volatility: {{ chat: {noise}, batch: {noise / 2} }}, persistence: 0.6, common: 0.4 }}"
    text = _TEXT.format(
        must_serve=str(must_serve).lower(),
        noise=f", noise: {spec}" if noise else "",
        nodes="\n".join(places),
        providers="\n".join(owners),
    )
    scenario = tf.Scenario.from_yaml(text)
    return scenario.override(more) if more else scenario


def alone(scenario: tf.Scenario, seed: int, **arguments: Any) -> tf.TokenMarket:
    """Return the ordinary model of a seed."""
    return tf.TokenMarket(scenario, rng=seed, **arguments)


def assert_same(batched: xr.Dataset, single: xr.Dataset) -> None:
    """Check that a batch brought to the bit what a seed brings alone, in all variables and coordinates."""
    batched = batched.drop_vars("seed")
    assert list(batched.data_vars) == list(single.data_vars)
    assert set(batched.coords) == set(single.coords)
    for name, array in single.variables.items():
        assert batched[name].dims == array.dims, name
        assert batched[name].attrs == array.attrs, name
        np.testing.assert_array_equal(batched[name].to_numpy(), array.to_numpy(), err_msg=str(name))


def check_alone(batch: tf.Batch, scenario: tf.Scenario, first: int = 0, **arguments: Any) -> None:
    """Run a batch, and each of its seeds from one on alone, and compare them to the bit."""
    batch.run()
    results = batch.results()
    for seed in batch.seeds[first:]:
        model = alone(scenario, seed, periods=batch.periods, **arguments)
        model.run()
        assert_same(results.sel(seed=seed), model.results())
