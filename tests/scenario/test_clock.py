"""Profiles by local hour follow the changes of clocks: against zoneinfo, instant by instant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from tokenflow_sim.scenario import Scenario

HOURLY = [float(hour) for hour in range(24)]
WEEKLY = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]


def in_zone(us5: Scenario, zone: str, start: str | None, hours: float = 1.0) -> Scenario:
    changes = {
        "demand.hourly": {"chat": HOURLY},
        "demand.weekly": {"chat": WEEKLY},
        "hours": hours,
        "start": start,
    }
    return us5.override({**changes, "nodes.dallas.time_zone": zone})


def factors(us5: Scenario, scenario: Scenario, periods: int) -> list[float]:
    base = us5.compiled.state(0).demand[1, 0]
    return [float(scenario.compiled.state(period).demand[1, 0] / base) for period in range(periods)]


def by_hand(zone: str, start: datetime, hours: float, periods: int) -> list[float]:
    """Take the mean over the minutes of each period of what the wall clock says."""
    place, found = ZoneInfo(zone), []
    for period in range(periods):
        minutes = round(60 * hours)
        begin = start + timedelta(minutes=minutes * period)
        walls = [(begin + timedelta(minutes=m)).astimezone(place) for m in range(0, minutes, 30)]
        found.append(float(np.mean([HOURLY[wall.hour] * WEEKLY[wall.weekday()] for wall in walls])))
    return found


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("America/Los_Angeles", "2022-03-13"),
        ("America/Los_Angeles", "2022-11-06"),
        ("Europe/Berlin", "2026-03-29"),
        ("Europe/Berlin", "2026-10-25"),
        ("Australia/Adelaide", "2026-04-05"),  # half an hour off, so that clocks change within a period
        ("Australia/Adelaide", "2026-10-04"),
        ("Australia/Lord_Howe", "2026-10-04"),  # changes by half an hour
        ("Asia/Kolkata", "2026-03-29"),  # never changes
    ],
)
@pytest.mark.parametrize("hours", [1.0, 24.0, 0.5])
def test_demand_follows_the_clock_on_the_wall(us5: Scenario, zone: str, day: str, hours: float) -> None:
    start = datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(hours=36)
    periods = round(96 / hours)
    scenario = in_zone(us5, zone, start.isoformat(), hours)
    assert factors(us5, scenario, periods) == pytest.approx(by_hand(zone, start, hours, periods))


def test_a_peak_keeps_its_hour_in_summer_time(us5: Scenario) -> None:
    peak = [0.0] * 24
    peak[9] = 24.0
    scenario = us5.override(
        {
            "start": "2022-03-12T08:00:00Z",
            "demand.hourly": {"chat": peak},
            "electricity.hourly": {"seattle": [1.0] * 9 + [2.0] + [1.0] * 14},
            "nodes.seattle.time_zone": "America/Los_Angeles",
        }
    )
    states = [scenario.compiled.state(period) for period in range(72)]
    utc = np.array([(8 + period) % 24 for period in range(72)])
    busy = np.flatnonzero([state.demand[4, 0] for state in states])
    assert utc[busy].tolist() == [17, 16, 16]
    dear = np.flatnonzero([state.electricity_price[4] > 0.06 for state in states])
    assert dear.tolist() == busy.tolist()
    costs = [state.true_cost[4, 0] for state in states]
    assert np.flatnonzero(np.array(costs) > min(costs)).tolist() == busy.tolist()


def test_summer_comes_round_and_arrays_are_kept_while_no_clock_changes(us5: Scenario) -> None:
    compiled = in_zone(us5, "America/Los_Angeles", "2022-01-03").compiled
    winter, summer = compiled.state(9), compiled.state(9 + 168 * 20)
    assert compiled.state(9 + 168).demand is winter.demand
    assert compiled.state(9 + 168 * 52).demand is winter.demand
    assert compiled.state(9 + 168 * 21).demand is summer.demand
    assert (summer.demand != winter.demand).any()
    assert (compiled.state(8 + 168 * 20).demand == winter.demand)[1].all()


def test_without_a_start_no_clock_changes(us5: Scenario) -> None:
    still = in_zone(us5, "America/Los_Angeles", None)
    assert still.start is None
    assert still.compiled.state(9).demand is still.compiled.state(9 + 168 * 20).demand
    assert Scenario.from_yaml(still.to_yaml()) == still
    dated = in_zone(us5, "America/Los_Angeles", "2026-01-05")
    assert factors(us5, dated, 48) == factors(us5, still, 48)


@pytest.mark.parametrize("given", [2026, "2026", 1.5])
def test_a_number_is_no_date(us5: Scenario, given: object) -> None:
    with pytest.raises(ValueError, match="must be a date and time such as 2026-01-05 00:00"):
        us5.override({"start": given})
