"""Who causes which emissions: traced along flows, by hand and against chains of paths."""

from __future__ import annotations

import numpy as np
import pytest

import tokenflow_sim as tf
from tests.scenario.test_carbon import CLEAN, DIRTY, TEXT
from tokenflow_sim.results.emissions import emission_totals, traced
from tokenflow_sim.study import measures


def test_tracing_by_hand() -> None:
    # a sends 3 to b; b serves 1 of 5 itself and sends 4 on to c, which serves all of that and 2 of its own.
    made = np.array([[[1.0], [1.0], [6.0]]])
    emitted = made * np.array([10.0, 2.0, 5.0])[:, None]
    flow = np.array([[[3.0], [4.0]]])
    found = traced(made, emitted, flow, np.array([0, 1]), np.array([1, 2]))[0, :, 0]
    at_b = (2 * 1 + 5 * 4) / 5
    assert found == pytest.approx([(10 * 1 + at_b * 3) / 4, at_b, 5.0])
    # Demand is 4 at a, 2 at b, 2 at c, and all is accounted for.
    assert found @ [4, 2, 2] == pytest.approx(emitted.sum())


def test_origins_on_random_networks_are_those_of_walks_along_flows() -> None:
    rng = np.random.default_rng(3)
    nodes, arcs = 6, 14
    origin, destination = rng.integers(0, nodes, (2, arcs))
    destination = np.where(origin == destination, (destination + 1) % nodes, destination)
    flow, made = rng.uniform(0, 1, (2, arcs, 2)), rng.uniform(0.5, 1, (2, nodes, 2))
    rate = rng.uniform(0, 1, nodes)
    found = traced(made, made * rate[:, None], flow, origin, destination)
    sent = np.zeros((nodes, nodes))
    np.add.at(sent, (origin, destination), flow[1, :, 0])
    through = made[1, :, 0] + sent.sum(axis=1)
    # A request walks from node to node until it is served: the series of its steps.
    walk, step = np.zeros(nodes), np.eye(nodes)
    for _ in range(2000):
        walk += step @ (made[1, :, 0] / through * rate)
        step = step @ (sent / through[:, None])
    assert found[1, :, 0] == pytest.approx(walk, rel=1e-9)


def test_a_run_knows_who_asked() -> None:
    scenario = tf.Scenario.from_yaml(TEXT).override({"carbon.cap": 9.72, "nodes.south.demand_weight": 0.2})
    model = tf.TokenMarket(scenario, rng=1)
    model.run()
    ds = model.results()
    found = measures.emissions(ds, scenario)
    assert np.allclose(
        found["by_origin"].sum(["node", "workload"]), ds["emissions"].sum(["asset", "workload"])
    )
    assert np.allclose(found["by_region"].sum("region"), found["by_provider"].sum("provider"))
    south = found["intensity"].sel(node="south", workload="chat")
    assert np.allclose(south, CLEAN, rtol=1e-9)
    sent = ds["flow"].sum(["arc", "workload"])
    north = (sent * CLEAN + (0.3 - sent) * DIRTY) / 0.3
    assert np.allclose(found["intensity"].sel(node="north", workload="chat"), north, rtol=1e-9)
    totals = emission_totals(ds)
    assert totals is not None
    assert totals.total == pytest.approx(4 * 9.72)
    free = tf.TokenMarket(scenario.override({"carbon.cap": None}), rng=1)
    free.run()
    # A tonne less costs 0.36 $ for every 0.012 t that moves.
    assert float(measures.abatement_cost(ds, free.results())) == pytest.approx(30.0, rel=1e-9)
    assert emission_totals(ds.drop_vars("emissions")) is None
