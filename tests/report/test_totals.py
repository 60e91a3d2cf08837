from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

import tokenflow_sim as tf
from tokenflow_sim.report import run, tables
from tokenflow_sim.report.findings import findings
from tokenflow_sim.results import parties, reading
from tokenflow_sim.results.totals import Totals, scenario_values


@pytest.fixture
def totals(played: xr.Dataset, scenario: tf.Scenario) -> Totals:
    return Totals(played, scenario)


def told(ds: xr.Dataset, scenario: tf.Scenario | None, fault: str = "") -> list[str]:
    found = findings(Totals(ds, scenario), scenario, fault)
    return [f"{note.level}: {note.text}" for note in found]


def test_a_sum_is_the_sum_however_long_the_stretches(
    played: xr.Dataset, totals: Totals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "AT_ONCE", 2)
    stretched = Totals(played, totals.scenario)
    for name, array in played.data_vars.items():
        assert totals.total(str(name)) == pytest.approx(float(array.sum()), rel=1e-12)
        xr.testing.assert_allclose(stretched.sums[str(name)], totals.sums[str(name)], rtol=1e-12)
    for what, counts in totals.counts.items():
        xr.testing.assert_equal(stretched.counts[what], counts)
    assert stretched.affected == totals.affected
    assert stretched.worst == totals.worst
    assert stretched.peaks == totals.peaks


def test_what_was_scarce_is_counted(played: xr.Dataset, totals: Totals) -> None:
    # East has 1.6 Mtok/s of chat and a link of 0.1 for a demand of 2; west has 1.2 for a demand of 1.
    assert totals.counts["short"].sel(node="east", workload="chat") == 3
    assert totals.counts["short"].sel(node="west").sum() == 0
    assert totals.counts["at_value"].sel(node="east", workload="chat") == 3
    assert totals.counts["full"].sel(arc="east->west") == 3  # from who asks to who serves
    assert totals.counts["full"].sel(arc="west->east") == 0
    # Demand is 3 for chat; without either of them the other has too little.
    assert (totals.counts["pivotal"].sel(workload="chat") == 3).all()
    assert totals.affected == {"short": 3, "at_value": 3, "pivotal": 3, "full": 3}
    peak = totals.peaks["chat"]
    assert peak.value == played.price.sel(workload="chat").max()
    assert peak.node == "east"


def test_a_provider_is_pivotal_where_the_others_offer_too_little(played: xr.Dataset) -> None:
    plenty = played.assign(demand=played.demand * 0)
    plenty.demand.loc[{"node": "east", "workload": "chat"}] = 1.3  # more than bee's 1.2, less than ant's 1.6
    found = Totals(plenty).counts["pivotal"]
    assert found.sel(workload="chat").to_series().to_dict() == {"ant": 3, "bee": 0}
    assert not found.sel(workload="image").any()


def test_stepped_quantities_are_added_up(played: xr.Dataset, totals: Totals) -> None:
    halves = [played[["demand", "unserved"]] / 2] * 2
    stepped = xr.concat(halves, "step").transpose(..., "step")
    again = Totals(played.assign(stepped), totals.scenario)
    assert again.total("demand") == pytest.approx(totals.total("demand"), rel=1e-12)
    xr.testing.assert_equal(again.counts["short"], totals.counts["short"])


def test_scarcity_is_told(played: xr.Dataset, scenario: tf.Scenario) -> None:
    notes = told(played, scenario)
    lost = float((played.unserved.sum("period") * 3600).sum())
    assert any(f"{lost:,.0f} Mtok went unserved" in note and "3 of 3 periods" in note for note in notes)
    assert any(
        "reached the value of lost service" in note and "east, chat (always)" in note for note in notes
    )
    assert any("pivotal" in note and "ant, chat (always)" in note for note in notes)
    assert any("1 link of 2 ran full" in note and "east->west (always)" in note for note in notes)
    assert not any(note.startswith("problem") for note in notes)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda ds: ds.drop_vars("flow"), "caution: Not recorded, and what needs it is left out: flow."),
        (lambda ds: ds.isel(period=slice(2)), "caution: Only 2 periods of the scenario's 3 are here."),
        (lambda ds: ds.assign(price=ds.price.where(ds.node == "west")), "problem: 6 of 12 numbers of price are"),
        (lambda ds: ds.assign(certificate=ds.certificate + 1e-3), "problem: A clearing is not certified"),
        (lambda ds: ds.assign(payment=ds.payment * 1.001), "problem: Money in is not money out"),
    ],
)  # fmt: skip
def test_what_is_wrong_or_missing_is_told_first(
    played: xr.Dataset, scenario: tf.Scenario, change: Any, expected: str
) -> None:
    notes = told(change(played), scenario)
    assert any(note.startswith(expected) for note in notes), notes
    levels = [note.partition(":")[0] for note in notes]
    assert levels == sorted(levels, key=("problem", "caution", "note").index)


def test_a_calm_market_has_nothing_to_tell(played: xr.Dataset) -> None:
    calm = played.assign(
        unserved=played.unserved * 0,
        demand=played.demand * 0.1,
        link_use_share=played.link_use_share * 0.5,
        certificate=played.certificate * 0,
    )
    assert told(calm, None) == []
    assert told(calm, None, "line 3: bad") == [
        "caution: The scenario in these results cannot be read; what needs it is left out: line 3: bad"
    ]


def test_where_all_must_be_served_no_price_is_a_value(scenario: tf.Scenario) -> None:
    assert scenario_values(scenario) == {"chat": 20, "image": 50}
    assert scenario_values(tf.load_scenario("us5")) == {}
    assert scenario_values(None) == {}


def test_numbers_of_the_whole_range_are_kept(played: xr.Dataset) -> None:
    huge = Totals(played.assign(price=played.price * 1e12, certificate=played.certificate * np.nan))
    assert huge.worst is None
    assert huge.peaks["chat"].value == pytest.approx(20e12)


def test_what_is_missing_is_a_dash_and_never_zero(played: xr.Dataset, scenario: tf.Scenario) -> None:
    nothing = played.assign(price=played.price * np.nan, payment=played.payment * np.nan)
    totals = Totals(nothing, scenario)
    assert np.isnan(totals.total("payment"))
    table = tables.classes(totals)
    assert table is not None
    assert {row[table.heads.index("peak price\n$/Mtok")] for row in table.rows} == {"-"}
    by_node = tables.node_prices(totals)
    assert by_node is not None
    assert {cell for row in by_node.rows for cell in row[1:]} == {"-"}
    regions = tables.regions(totals, scenario)
    assert regions is not None
    assert {cell for row in regions.rows for cell in row[4:]} == {"-"}
    assert dict(run._key_figures(totals))["demand pays"] == "-"
    classes, firms = parties.classes(totals), parties.providers(totals)
    assert classes[["mean_price", "peak_price"]].isna().all(axis=None)
    assert np.isnan(parties.residual_of(totals) or 0.0)
    assert firms.notna().all(axis=None)


def test_a_mean_is_over_what_is_there(played: xr.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    torn = played.copy(deep=True)
    torn.price.loc[{"node": "east", "period": torn.period[1]}] = np.nan
    monkeypatch.setattr(reading, "AT_ONCE", 1)
    classes = parties.classes(Totals(torn))
    assert classes["peak_price"].to_numpy() == pytest.approx(torn.price.max(["node", "period"]).to_numpy())
    plain = torn.price.mean(["node", "period"]).to_numpy()
    assert Totals(torn).mean("price", "workload").to_numpy() == pytest.approx(plain, rel=1e-12)
