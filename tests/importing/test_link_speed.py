"""Speeds in words, against what the standards say."""

from __future__ import annotations

import pytest

from tokenflow_sim.importing.link_speed import parse_speed, unit_factor


@pytest.mark.parametrize(
    ("text", "megabits"),
    [
        ("OC-3", 155.52), ("OC12c", 622.08), ("OC-48", 2488.32), ("OC-192c", 9953.28), ("OC-768", 39813.12),
        ("STM-1", 155.52), ("STM 64", 9953.28), ("10 Gbps", 10_000), ("10Gb/s", 10_000), ("2.5G", 2500),
        ("2,5 Gbit/s", 2500), ("100 Mbps", 100), ("34Mb/s", 34), ("100 GB/s", 100_000), ("1 Tbps", 1e6),
        ("64 kbit/s", 0.064), ("155000000 bit/s", 155), ("10GE", 10_000), ("100GbE", 100_000), ("10 GigE", 10_000),
        ("GigE", 1000), ("Gigabit Ethernet", 1000), ("Fast Ethernet", 100), ("T1", 1.544), ("DS-3", 44.736),
        ("E3", 34.368), ("2 x 10 Gbps", 20_000), ("4x STM-16", 9953.28), ("Lambda 10Gbps (leased)", 10_000),
    ],
)  # fmt: skip
def test_speeds_in_words(text: str, megabits: float) -> None:
    speed = parse_speed(text)
    assert speed is not None
    assert speed.bits == pytest.approx(megabits * 1e6, rel=1e-12)
    assert speed.gigabytes == pytest.approx(megabits / 8000, rel=1e-12)
    assert not speed.rough


@pytest.mark.parametrize(
    ("text", "megabits"),
    [("< 100 Mbps", 100), ("10-20Gbps", 10_000), (">2.5 Gbps", 2500), ("up to 1G", 1000)],
)
def test_bounds_and_ranges_are_rough(text: str, megabits: float) -> None:
    speed = parse_speed(text)
    assert speed is not None
    assert (speed.bits, speed.rough) == (megabits * 1e6, True)


@pytest.mark.parametrize("text", ["", "Completed", "Completion 2007-2008", "c", "fibre 12", "0 Gbps", "OC-0"])
def test_other_words_are_no_speed(text: str) -> None:
    assert parse_speed(text) is None


def test_units_of_plain_numbers() -> None:
    assert unit_factor("Gbps") == unit_factor("Gbit/s") == unit_factor("gbit/s") == 1e9
    assert unit_factor("MB/s") == 8e6
    assert unit_factor("Mb/s") == 1e6
    with pytest.raises(ValueError, match="unknown unit 'furlong'"):
        unit_factor("furlong")
