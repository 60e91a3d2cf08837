"""Reliability indices against pandas, and in what studies keep."""

from __future__ import annotations

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
