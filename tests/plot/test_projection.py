"""Projections: against PROJ, by area, and where maps are centred."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tokenflow_sim.plot.projection import (
    RADIUS,
    albers,
    azimuthal,
    centre_of,
    distance_degrees,
    equal_earth,
    middle_meridian,
    turned,
)
from tokenflow_sim.scenario.geography import haversine

CASES = {
    "aea": (
        albers,
        "+proj=aea +lat_1=29.5 +lat_2=45.5 +lat_0=37.5 +lon_0=-96",
        (24.0, 50.0),
        (-125.0, -66.0),
    ),
    "laea": (
        lambda lat, lon: azimuthal(lat, lon, (-40.0, 170.0)),
        "+proj=laea +lat_0=-40 +lon_0=170",
        (-89.0, 20.0),
        (100.0, 240.0),
    ),
    "eqearth": (
        lambda lat, lon: equal_earth(lat, lon, -160.0),
        "+proj=eqearth +lon_0=-160",
        (-90.0, 90.0),
        (-339.0, 19.0),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_projections_are_those_of_proj(name: str) -> None:
    pyproj: Any = pytest.importorskip("pyproj")
    ours, words, (south, north), (west, east) = CASES[name]
    rng = np.random.default_rng(1)
    latitude, longitude = rng.uniform(south, north, 500), rng.uniform(west, east, 500)
    theirs = pyproj.Proj(f"{words} +R={RADIUS} +units=m")(longitude, latitude)
    np.testing.assert_allclose(ours(latitude, longitude), theirs, atol=1e-6 * RADIUS)


@pytest.mark.parametrize("centre", [(89.0, 10.0), (0.0, 180.0), (-33.0, 150.0)])
def test_the_middle_of_points_is_that_of_the_smallest_cap(centre: tuple[float, float]) -> None:
    rng = np.random.default_rng(2)
    around = rng.uniform(-60, 60, (400, 2)) + np.array([0.0, centre[1]])
    near = around[distance_degrees(around[:, 0], around[:, 1], centre) < 30]
    rim = [(centre[0] - 30 if centre[0] > 0 else centre[0] + 30, centre[1])]
    points = np.vstack([near, rim]) if len(near) else np.array(rim)
    found = centre_of(points[:, 0], points[:, 1])
    best = distance_degrees(points[:, 0], points[:, 1], found).max()
    # No place nearby is better.
    for move in ((1.5, 0.0), (-1.5, 0.0), (0.0, 1.5), (0.0, -1.5)):
        other = (float(np.clip(found[0] + move[0], -90, 90)), found[1] + move[1])
        assert best <= distance_degrees(points[:, 0], points[:, 1], other).max() + 0.3
    km = haversine(points[0, 0], points[0, 1], found[0], found[1])
    degrees = float(distance_degrees(points[:1, 0], points[:1, 1], found)[0])
    assert float(km) == pytest.approx(np.radians(degrees) * 6371.0, rel=1e-3)


def test_a_world_map_is_cut_in_the_widest_gap() -> None:
    assert middle_meridian(np.array([139.7, -118.2])) == pytest.approx(-169.25), (
        "Tokyo to Los Angeles: the Pacific"
    )
    assert middle_meridian(np.array([-74.0, 0.0])) == pytest.approx(-37.0), "New York to London: the Atlantic"
    np.testing.assert_allclose(turned(np.array([139.7, -118.2, 0.0]), -169.25), [-220.3, -118.2, 0.0])
