"""Report, figure and measures count the same pivotal periods."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import tokenflow_sim as tf
from tokenflow_sim.report.findings import findings
from tokenflow_sim.results.pivotal import usual_variant
from tokenflow_sim.results.reading import Background, read_scenario
from tokenflow_sim.results.totals import Totals
from tokenflow_sim.study import measures


@pytest.fixture(scope="module")
def two_days() -> xr.Dataset:
    model = tf.TokenMarket("us20_oligopoly", rng=1, periods=48)
    model.run()
    return model.results()


def test_report_figure_and_measures_agree(two_days: xr.Dataset) -> None:
    scenario, _ = read_scenario(two_days)
    totals = Totals(two_days, scenario)
    power = measures.pivotal(two_days, of="power")
    tight = int(power.any("provider").sum())
    assert tight > 0
    assert totals.affected["pivotal"] == tight
    counts = totals.counts["pivotal"]
    np.testing.assert_array_equal(counts, power.sum("period"))
    variant = str(totals.variant)
    assert variant == "by power, existing capacity" == power.attrs["variant"]
    (note,) = (note.text for note in findings(totals, scenario) if "pivotal" in note.text)
    assert f"{tight} of 48 periods" in note
    assert variant in note
    ds = measures.market_power(two_days)
    assert ds.residual_supply_index.attrs["variant"] == variant
    figure = tf.plot.market_power(ds)
    bars = [bar.get_width() for bar in figure.axes[3].patches]
    np.testing.assert_allclose(bars, 100 * counts / 48)
    np.testing.assert_allclose(
        ds.residual_supply_index, measures.residual_supply_index(two_days, of="power"), rtol=1e-15
    )
    assert variant in figure.axes[2].get_title(loc="right") + " ".join(
        text.get_text() for text in figure.axes[2].texts
    )


def test_every_variant_says_what_it_is(two_days: xr.Dataset) -> None:
    day = two_days.isel(period=slice(12, 18))
    seen = set()
    for of, by in (("workload", "class"), ("power", "power")):
        for capacity in ("existing", "offered"):
            index = measures.residual_supply_index(day, of=of, capacity=capacity)
            pivotal = measures.pivotal(day, of=of, capacity=capacity)
            told = f"by {by}, {capacity} capacity"
            assert index.attrs["variant"] == pivotal.attrs["variant"] == told
            assert told in index.attrs["long_name"]
            assert (pivotal <= (index < 1)).all()
            seen.add(told)
    assert len(seen) == 4
    everything = measures.residual_supply_index(day)
    offered = measures.residual_supply_index(day, capacity="offered")
    assert (offered <= everything * (1 + 1e-12)).all(), "nobody offers more than exists"
    one = measures.pivotal(two_days.isel(period=[18]))
    assert one.attrs["variant"] == "by clearing without it, existing capacity and network"


def test_unknown_words_are_refused(two_days: xr.Dataset) -> None:
    with pytest.raises(tf.ResultError, match="of must be 'workload' or 'power'; found 'asset'"):
        measures.residual_supply_index(two_days, of="asset")
    with pytest.raises(tf.ResultError, match="capacity must be 'existing' or 'offered'; found 'all'"):
        measures.residual_supply_index(two_days, capacity="all")
    with pytest.raises(tf.ResultError, match="of must be 'clearing', 'workload' or 'power'"):
        measures.pivotal(two_days, of="network")


def test_without_its_scenario_a_run_tells_of_what_was_offered(two_days: xr.Dataset) -> None:
    assert str(usual_variant(None)) == "by class, offered capacity"
    plain = Background.of(two_days, "test")
    assert str(usual_variant(plain)) == "by power, existing capacity"
    alone = Totals(two_days.isel(period=slice(2)))
    assert str(alone.variant) == "by class, offered capacity"
    assert alone.counts["pivotal"].dims == ("provider", "workload")
