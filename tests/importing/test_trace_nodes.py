"""Demand split over nodes: what a period has is conserved, and moves with local hours through changes of clocks."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from tokenflow_sim.errors import DataError
from tokenflow_sim.importing.trace_nodes import by_shares, read_places, read_profiles, split

NODES = """\
node,latitude,population,time_zone
berlin,52.5,3.8,Europe/Berlin
delhi,28.6,33,Asia/Kolkata
dallas,32.8,8.1,America/Chicago
nowhere,0,0,
"""
DAY = [0.5 + 0.1 * ((7 * hour) % 24) for hour in range(24)]
PROFILE = "hour,chat,batch\n" + "".join(f"{hour},{DAY[hour]},1\n" for hour in range(24))


@pytest.fixture
def nodes(tmp_path: Path) -> Path:
    path = tmp_path / "nodes.csv"
    path.write_text(NODES)
    return path


def test_shares_are_of_the_whole() -> None:
    places = by_shares({"a": 1, "b": 3})
    assert places.weights.tolist() == [0.25, 0.75]
    assert "divided by their sum 4" in places.source
    assert by_shares({"a": 0.25, "b": 0.75}).source == "shares as given"


def test_demand_moves_with_local_hours_and_is_conserved(nodes: Path, tmp_path: Path) -> None:
    places = read_places(nodes)
    profile = tmp_path / "hours.csv"
    profile.write_text(PROFILE)
    factors = list(read_profiles(profile, ["chat", "batch"]).values())
    start, periods = (
        datetime(2024, 10, 26, 12, tzinfo=UTC),
        48,
    )  # Berlin's clock changes on the 27th at 01:00 UTC
    rates = np.random.default_rng(3).uniform(1, 2, (periods, 2))
    found = split(rates, places, factors, start, 0.0, 1.0)
    np.testing.assert_allclose(found.sum(axis=1), rates, rtol=1e-12)
    np.testing.assert_allclose(found[:, :, 1], rates[:, 1:] * places.weights, rtol=1e-12)
    for period in (0, 12, 14, 40):
        weights = []
        for weight, zone in zip(places.weights, places.zones, strict=True):
            moment = datetime.fromtimestamp(start.timestamp() + period * 3600, ZoneInfo(zone))
            # Delhi's hours begin at half past: a period has half of each
            part = moment.minute / 60
            weights.append(weight * ((1 - part) * DAY[moment.hour] + part * DAY[(moment.hour + 1) % 24]))
        expected = rates[period, 0] * np.array(weights) / sum(weights)
        np.testing.assert_allclose(found[period, :, 0], expected, rtol=1e-9)


def test_without_a_profile_weights_are_shares(nodes: Path) -> None:
    found = split(np.array([[2.0]]), read_places(nodes), None, None, 0.0, 1.0)
    np.testing.assert_allclose(found[0, :, 0], 2 * np.array([3.8, 33, 8.1, 0]) / 44.9, rtol=1e-12)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            NODES.replace("33,", "many,"),
            r"nodes.csv:3: column 'population': must be zero or more; found 'many'",
        ),
        (NODES.replace("delhi", "berlin"), r":3: column 'node': repeats 'berlin'"),
        (NODES.replace("Asia/Kolkata", "Asia/Calcuta"), r":3: column 'time_zone': unknown time zone"),
        (NODES.replace("population", "people"), "has no column population or demand_weight; known columns"),
        (NODES.splitlines()[0] + "\n", "has no column"),
        ("node,population\na,0\n", "needs a weight above zero"),
    ],
)
def test_a_fault_of_the_table_is_named(nodes: Path, text: str, said: str) -> None:
    nodes.write_text(text)
    with pytest.raises(DataError, match=said):
        read_places(nodes)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (PROFILE.replace("chat", "talk"), "unknown class 'talk'"),
        (PROFILE.replace("\n5,", "\n6,"), "must have the hours 0 to 23"),
        (PROFILE.replace("0,0.5,1", "0,-1,1"), ":2: column 'chat': must be above zero; found '-1'"),
        (PROFILE.replace("hour", "h"), "has no column hour"),
    ],
)
def test_a_fault_of_the_profile_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "hours.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=said):
        read_profiles(path, ["chat", "batch"])
