"""Latitudes and longitudes as people write them."""

from __future__ import annotations

import pytest

from tokenflow_sim.importing.coordinates import degrees


@pytest.mark.parametrize(
    ("text", "axis", "value"),
    [
        ("32°35'25\"N", "latitude", 32 + 35 / 60 + 25 / 3600),
        (" 101°18'43\"W", "longitude", -(101 + 18 / 60 + 43 / 3600)),
        ("32°29'59\"N ", "latitude", 32 + 29 / 60 + 59 / 3600),
        ("41°11'6.6732\"N", "latitude", 41 + 11 / 60 + 6.6732 / 3600),
        ("33\u00b052\u203210\u2033S", "latitude", -(33 + 52 / 60 + 10 / 3600)),
        ("33 52 10 S", "latitude", -(33 + 52 / 60 + 10 / 3600)),
        ("N 32:35:25", "latitude", 32 + 35 / 60 + 25 / 3600),
        ("-90:05:35", "longitude", -(90 + 5 / 60 + 35 / 3600)),
        ("41°30'N", "latitude", 41.5),
        ("41°30.5'N", "latitude", 41 + 30.5 / 60),
        ("\u221290.25", "longitude", -90.25),
        ("90.25° W", "longitude", -90.25),
        ("+12", "latitude", 12),
    ],
)
def test_angles_are_read_as_written(text: str, axis: str, value: float) -> None:
    assert degrees(text, axis) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "axis", "told"),
    [
        ("here", "latitude", "must be a latitude such as"),
        ("91", "latitude", "lies between -90 and 90"),
        ("181", "longitude", "lies between -180 and 180"),
        ("32°75'00\"N", "latitude", "below 60"),
        ("32°35'25\"W", "latitude", r"must be a latitude \(N or S\)"),
        ("-32 N", "latitude", "both a sign and N"),
        ("1e3", "latitude", "must be a latitude"),
    ],
)
def test_what_is_no_angle_is_refused(text: str, axis: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        degrees(text, axis)
