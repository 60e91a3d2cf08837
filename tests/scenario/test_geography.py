"""Distances, latencies and arcs by rule."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenflow_sim.scenario import Scenario
from tokenflow_sim.scenario.geography import haversine, join, latency, ring

LATITUDE, LONGITUDE = st.floats(-90, 90), st.floats(-180, 180)


def test_distances_known_by_other_means() -> None:
    assert haversine(0, 0, 0, 90) == pytest.approx(6371 * math.pi / 2)
    assert haversine(90, 0, -90, 0) == pytest.approx(6371 * math.pi)
    assert haversine(10, 20, 10, 20) == 0
    # Ashburn to Silicon Valley by the spherical law of cosines
    a, b = (math.radians(39.0438), math.radians(-77.4874)), (math.radians(37.3875), math.radians(-122.0575))
    cosine = math.sin(a[0]) * math.sin(b[0]) + math.cos(a[0]) * math.cos(b[0]) * math.cos(a[1] - b[1])
    assert haversine(39.0438, -77.4874, 37.3875, -122.0575) == pytest.approx(
        6371 * math.acos(cosine), rel=1e-9
    )


@given(LATITUDE, LONGITUDE, LATITUDE, LONGITUDE)
def test_distance_is_symmetric_and_at_most_half_the_globe(a: float, b: float, c: float, d: float) -> None:
    there, back = float(haversine(a, b, c, d)), float(haversine(c, d, a, b))
    assert there == pytest.approx(back, abs=1e-6)
    assert 0 <= there <= 6371 * math.pi * (1 + 1e-12)


def test_latency_is_propagation_and_a_hop() -> None:
    assert latency([0.0, 200.0, 2500.0]).tolist() == [5.0, 6.0, 17.5]
    assert latency([300.0], km_per_ms=100, hop=1).tolist() == [4.0]


def test_latencies_of_us5(us5: Scenario) -> None:
    arcs, delay = list(us5.compiled.layout.arcs), us5.compiled.latency
    distance = us5.compiled.distance
    assert delay == pytest.approx(distance / 200 + 5)
    # The tight limits of the paper part east from west: 15 ms of chat is 2 000 km, 20 ms of code 3 000 km.
    within = {arc for arc, ms in zip(arcs, delay, strict=True) if ms <= 15}
    east = {"ashburn", "dallas", "chicago"}
    assert within == {f"{a}->{b}" for a in east for b in east if a != b} | {
        "silicon_valley->seattle", "seattle->silicon_valley",
    }  # fmt: skip


@given(st.lists(st.tuples(LATITUDE, LONGITUDE, st.booleans()), min_size=1, max_size=12), st.floats(0, 21_000))
def test_arcs_by_rule_are_those_of_the_definition(
    places: list[tuple[float, float, bool]], limit: float
) -> None:
    latitude, longitude, tier1 = (np.array(column) for column in zip(*places, strict=True))
    pairs = join(latitude, longitude, limit, tier1)
    wanted = [
        (i, j)
        for i in range(len(places))
        for j in range(len(places))
        if i != j
        and (
            float(haversine(latitude[i], longitude[i], latitude[j], longitude[j])) <= limit
            or (tier1[i] and tier1[j])
        )
    ]
    assert list(zip(pairs.origin.tolist(), pairs.destination.tolist(), strict=True)) == wanted
    assert pairs.tier1.tolist() == [bool(tier1[i] and tier1[j]) for i, j in wanted]


def test_many_nodes_are_joined_in_chunks_without_losing_any() -> None:
    rng = np.random.default_rng(1)
    latitude, longitude = rng.uniform(30, 45, 1100), rng.uniform(-120, -75, 1100)
    pairs = join(latitude, longitude, 300.0, np.zeros(1100, dtype=bool))
    whole = haversine(latitude[:, None], longitude[:, None], latitude, longitude) <= 300
    np.fill_diagonal(whole, False)
    assert len(pairs.origin) == whole.sum()
    assert whole[pairs.origin, pairs.destination].all()


def test_a_ring_leads_once_around() -> None:
    assert [ends.tolist() for ends in ring(3)] == [[0, 1, 2], [1, 2, 0]]
    assert [len(ends) for ends in ring(1)] == [0, 0]
