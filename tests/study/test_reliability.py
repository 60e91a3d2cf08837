"""Reliability indices against pandas, and in what studies keep."""

from __future__ import annotations

import numpy as np
import pytest

import tokenflow_sim as tf
from tests.study.tiny import tiny
from tokenflow_sim.study import measures


def test_indices_are_those_of_the_table_of_periods() -> None:
    changes = {"market.must_serve": False, "demand.scale": 3.5, "periods": 40, "hours": 0.5}
    process = {"all": {"failure_rate": 0.3, "repair_rate": 0.5, "hardware": "h"}}
    model = tf.TokenMarket(tiny().override(changes | {"outage_processes": process}), rng=1)
    model.run()
    ds = model.results()
    found = measures.reliability(ds)
    table = ds[["demand", "unserved"]].to_dataframe()[["demand", "unserved"]].groupby(level="period").sum()
    short = table["unserved"] > 1e-9 * table["demand"]
    assert 0 < short.mean() < 1
    assert found["lolp"].item() == pytest.approx(short.mean())
    assert found["lole"].item() == pytest.approx(0.5 * short.sum())
    assert found["eue"].item() == pytest.approx(1800 * table["unserved"].sum())
    assert found["neue"].item() == pytest.approx(table["unserved"].sum() / table["demand"].sum())
    kept = measures.summarise(ds)
    assert kept["eue_rate"].item() == pytest.approx(found["eue"].item() / 20)
    assert kept["lolp"].item() == found["lolp"].item()


def test_indices_are_those_of_a_convolution_of_independent_units() -> None:
    """Billinton and Allan (1996), Reliability Evaluation of Power Systems, chapter 2: capacity outage probability."""
    sizes = {"a": ("east", 10), "b": ("west", 20), "c": ("east", 15), "d": ("west", 5)}
    strategy = {"name": "marginal_cost"}
    units = {
        name: {"strategy": strategy, "assets": [{"node": node, "hardware": "h", "power_mw": size}]}
        for name, (node, size) in sizes.items()
    }
    rates = {name: (0.1, 2.0) if name in "ab" else (0.4, 1.0) for name in sizes}
    processes = {
        name: {"failure_rate": fails, "repair_rate": repairs, "provider": name}
        for name, (fails, repairs) in rates.items()
    }
    # Periods are long beside the times of repair, so that they are independent of each other.
    changes = {"market.must_serve": False, "demand.scale": 1.7, "hours": 12, "demand.noise": None}
    scenario = tiny().override(changes | {"providers": units, "outage_processes": processes})
    model = tf.TokenMarket(scenario, rng=1, periods=500)
    model.run()
    ds = model.results()
    table = {0.0: 1.0}
    for label in ds["asset"].values.tolist():
        fails, repairs = rates[label[0]]
        out = fails / (fails + repairs)
        after: dict[float, float] = {}
        for capacity, chance in table.items():
            for total, share in ((capacity + 0.1 * sizes[label[0]][1], 1 - out), (capacity, out)):
                after[round(total, 9)] = after.get(round(total, 9), 0.0) + share * chance
        table = after
    assert sum(table.values()) == pytest.approx(1.0)
    found, demand = measures.reliability(ds), ds["demand"].sum(("node", "workload")).values
    short = np.array([sum(p for c, p in table.items() if c < d) for d in demand])
    missing = np.array([[max(d - c, 0.0) for c in table] for d in demand])
    chances = np.array(list(table.values()))
    expected = missing @ chances
    spread = (missing**2) @ chances - expected**2
    assert 0.02 < short.mean() < 0.9
    assert found["lolp"].item() == pytest.approx(
        short.mean(), abs=4 * (short * (1 - short)).sum() ** 0.5 / 500
    )
    hours = 12 * 3600
    assert found["eue"].item() == pytest.approx(hours * expected.sum(), abs=4 * hours * spread.sum() ** 0.5)
