"""The figure of delivered latency: what is drawn is what is in the data."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import tokenflow_sim as tf


@pytest.fixture(scope="module")
def ruled() -> xr.Dataset:
    model = tf.TokenMarket("eu_residency", rng=1, periods=3)
    model.run()
    return model.results()


def test_latency_is_drawn_as_shares_within_bounds(ruled: xr.Dataset) -> None:
    axes = tf.plot.latency(ruled).axes
    assert len(axes) == 4
    served = (ruled.demand - ruled.unserved).sum("step")
    for ax, name in zip(axes, ruled.workload.values, strict=True):
        (whole,) = (line for line in ax.lines if line.get_linewidth() == 1.6)
        within = ruled.delivered_within.sel(workload=name).sum(["period", "node"])
        expected = 100 * within / float(served.sel(workload=name).sum())
        np.testing.assert_allclose(whole.get_ydata(), expected, rtol=1e-9)
        assert whole.get_ydata()[-1] == pytest.approx(100)
        limit = tf.load_scenario("eu_residency").workloads[name].latency_limit
        marks = [line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == ":"]
        assert marks == ([] if limit is None else [limit])
    assert "latency" in tf.plot.figures(ruled)
    assert len(tf.plot.latency(ruled, workload="chat").axes) == 1


def test_the_three_rules_of_the_scenario_hold(ruled: xr.Dataset) -> None:
    assert ruled.rule.values.tolist() == ["chat.eu", "records.de", "records.it"]
    home = ruled.delivered_latency.sel(workload="records", node=["frankfurt", "milan"])
    assert float(home.max()) == 0  # nothing leaves the only hub of its country
    assert float(ruled.residency_cost.max()) > 0
    payment = float(ruled.payment.sum())
    earned = float(ruled.revenue.sum() + ruled.link_income.sum())
    assert payment == pytest.approx(earned, rel=1e-9)
