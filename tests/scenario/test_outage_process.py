"""Outages at random times against the theory of two-state Markov processes, and in runs."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from scipy import stats

import tokenflow_sim as tf
from tests.study.tiny import TEXT
from tokenflow_sim.agents.streams import stream
from tokenflow_sim.errors import ResultError, ScenarioError
from tokenflow_sim.results.reading import Background
from tokenflow_sim.scenario import Scenario
from tokenflow_sim.scenario.outage_history import Component, OutageHistory
from tokenflow_sim.scenario.outage_process import OutageProcess

UP, DOWN, HOURS = 20.0, 5.0, 2.0
COUNT, PERIODS = 200, 1500


def history(count: int = COUNT, seed: int = 1, **changes: Any) -> OutageHistory:
    process = OutageProcess(**{"mttf_hours": UP, "mttr_hours": DOWN} | changes)
    none = np.zeros(0, dtype=np.int64)
    components = [Component(f"asset {n}", process, np.array([n]), none) for n in range(count)]
    return OutageHistory(components, HOURS, count, 0, partial(stream, seed, "outage"))


def test_availability_transitions_and_durations_are_those_of_the_chain() -> None:
    found = history()
    up = np.array([found.shares(period)[0] > 0 for period in range(PERIODS)])
    rate = 1 / UP + 1 / DOWN
    availability = UP / (UP + DOWN)
    decay = np.exp(-rate * HOURS)
    # The states of a component are correlated from period to period: its mean over time has this variance.
    variance = availability * (1 - availability) * (1 + decay) / (1 - decay) / (COUNT * PERIODS)
    assert up.mean() == pytest.approx(availability, abs=4 * variance**0.5)
    assert up[0].mean() == pytest.approx(
        availability, abs=4 * (availability * (1 - availability) / COUNT) ** 0.5
    )
    for before, chance in ((True, (1 - availability) * (1 - decay)), (False, availability * (1 - decay))):
        changed = (up[1:] != before)[up[:-1] == before]
        assert changed.mean() == pytest.approx(chance, abs=4 * (chance * (1 - chance) / changed.size) ** 0.5)
    # Spells that begin and end within the run; times in a state are geometric in periods.
    flat = np.vstack([up, up[:1] & ~up[:1]]).T
    spells = [
        end - start
        for row in flat
        for start, end in zip(*(np.flatnonzero(np.diff(row.astype(int)) == s) for s in (-1, 1)), strict=False)
        if end > start
    ]
    back = availability * (1 - decay)
    counts = np.bincount(np.minimum(spells, 5), minlength=6)[1:]
    expected = np.array([back * (1 - back) ** n for n in range(4)] + [(1 - back) ** 4])
    assert stats.chisquare(counts, expected * counts.sum()).pvalue > 1e-4


@pytest.mark.parametrize(
    "fields",
    [
        {"mtbf_hours": 25.0, "mttr_hours": 5.0},
        {"failure_rate": 0.05, "repair_rate": 0.2},
        {"forced_outage_rate": 0.2, "mttr_hours": 5.0},
    ],
)
def test_rates_may_be_given_in_all_usual_terms(fields: dict[str, float]) -> None:
    process = OutageProcess(**fields)  # type: ignore[arg-type]
    assert (process.mean_up, process.mean_down) == pytest.approx((UP, DOWN))


def test_starting_up_changes_the_start_alone() -> None:
    stationary, fresh = history(500), history(500, initial="up")
    assert (fresh.shares(0)[0] == 1).all()
    first = stationary.shares(0)[0]
    assert 0.1 < 1 - first.mean() < 0.3
    same = first == 1
    for period in range(1, 200, 7):
        assert (stationary.shares(period)[0][same] == fresh.shares(period)[0][same]).all()


PROCESSES = {
    "wear": {"mttf_hours": 3, "mttr_hours": 3, "available": 0.25, "hardware": "h"},
    "cut": {"mttf_hours": 5, "mttr_hours": 3, "owner": "network", "both_ways": True},
}


def played(processes: dict[str, Any], periods: int = 12, **more: Any) -> Any:
    scenario = Scenario.from_yaml(TEXT).override({"market.must_serve": False, "outage_processes": processes})
    model = tf.TokenMarket(scenario, rng=3, periods=periods, **more)
    model.run()
    return model.results()


def test_outages_of_a_run_depend_on_seed_and_name_alone() -> None:
    whole = played(PROCESSES)
    assert set(np.unique(whole["asset_availability"])) == {0.25, 1.0}
    assert (whole["link_availability"].isel(arc=0) == whole["link_availability"].isel(arc=1)).all()
    both = {"all": {"failure_rate": 0.1, "repair_rate": 0.5, "asset": "b/west/h"}} | PROCESSES
    for ds, periods in (
        (played(PROCESSES, 7), 7),
        (played({"wear": PROCESSES["wear"]}), 12),
        (played(both), 12),
    ):
        own = ds["asset_availability"].sel(asset="a/east/h").values
        assert (own == whole["asset_availability"].sel(asset="a/east/h").values[:periods]).all()
    halves = played(PROCESSES, 24, overrides={"hours": 0.5})
    for name in ("asset_availability", "link_availability"):
        assert (halves[name].values[::2] == whole[name].values).all()


def test_a_resumed_run_goes_on_with_the_same_outages() -> None:
    scenario = Scenario.from_yaml(TEXT).override({"market.must_serve": False, "outage_processes": PROCESSES})
    whole, first = (tf.TokenMarket(scenario, rng=3, periods=12) for _ in range(2))
    whole.run()
    for _ in range(5):
        first.step()
    second = tf.TokenMarket(scenario, rng=3, periods=12)
    second.set_state(first.get_state())
    second.run()
    assert second.results().equals(whole.results().isel(period=slice(5, None)))


def test_what_exists_is_read_with_the_outages_that_were_drawn() -> None:
    ds = played({"wear": PROCESSES["wear"]} | {"site": PROCESSES["wear"] | {"node": "west"}})
    background = Background.of(ds, "test")
    offered = ds["offer_quantity"]
    assert background.capacity.values == pytest.approx(offered.values)
    with pytest.raises(ResultError, match="asset_availability is recorded"):
        _ = Background.of(ds.drop_vars("asset_availability"), "test").capacity
    assert (offered.values < offered.values.max()).any()
    # The market of a scenario, which has no seed, has no outages at random times.
    assert (Scenario.from_results(ds).market(3).arrays.capacity == offered.values.max()).all()


def test_faults_come_together_one_line_each() -> None:
    processes = {
        "a": {"mttf_hours": 1, "failure_rate": 1, "mttr_hours": 1, "node": "east"},
        "b": {"mtbf_hours": 1, "mttr_hours": 2, "node": "east"},
        "c": {"mttf_hours": 1, "mttr_hours": 2, "node": "eas"},
        "d": {"mttf_hours": 1, "mttr_hours": 2},
        "e": {"mttf_hours": 1, "mttr_hours": 2, "arc": "a->b"},
        "f": {"mttf_hours": 1, "node": "east"},
    }
    with pytest.raises(ScenarioError) as caught:
        Scenario.from_yaml(TEXT).override({"outage_processes": processes})
    text = str(caught.value)
    for part in (
        "a: needs one of mttf_hours, mtbf_hours, failure_rate, forced_outage_rate for its failures; found mttf_hours"
        " and failure_rate",
        "b: mtbf_hours, 1, is the time from one failure to the next",
        "c.node: unknown node 'eas'",
        "d: hits nothing",
        "f: needs one of mttr_hours, repair_rate for its repairs; found none",
    ):
        assert part in text
