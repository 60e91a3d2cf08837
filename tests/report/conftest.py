from __future__ import annotations

import json

import pytest
import xarray as xr

import tokenflow_sim as tf

BELL = "\x07"
HOSTILE = f'</p><script>alert(1)</script>{BELL} "quoted" &amp; <b>bold'

# Two nodes, two providers, one link that fills, and a class that is short of capacity: all that is told of a run.
TEXT = f"""
format: 1
name: small
description: {json.dumps(HOSTILE.replace(BELL, ""))}
periods: 3
market: {{bandwidth: token_equivalent, must_serve: false}}
demand: {{scale: 1.0}}
workloads:
  chat: {{base_demand: 1000000, payload: 1, value: 20}}
  image: {{base_demand: 100000, payload: 10, value: 50}}
nodes:
  east: {{latitude: 40, longitude: -75, power_mw: 8, electricity_price: 0.05, demand_weight: 2.0}}
  west: {{latitude: 40, longitude: -120, power_mw: 6, electricity_price: 0.09, demand_weight: 1.0}}
network: {{max_distance: 9000, capacity: 0.1, tariff: 0.01, km_per_ms: 200, hop_latency: 5}}
hardware:
  fleet: {{throughput: {{chat: 200000, image: 20000}}, energy: {{chat: 1, image: 10}}}}
providers:
  ant: {{assets: [{{name: one, node: east, hardware: fleet, share: 1}}]}}
  bee: {{assets: [{{name: two, node: west, hardware: fleet, share: 1}}]}}
"""


@pytest.fixture(scope="session")
def scenario() -> tf.Scenario:
    return tf.Scenario.from_yaml(TEXT)


@pytest.fixture(scope="session")
def played(scenario: tf.Scenario) -> xr.Dataset:
    model = tf.TokenMarket(scenario, rng=5)
    model.run()
    return model.results()
