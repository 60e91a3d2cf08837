"""A period of a scenario, by its number or a date."""

from __future__ import annotations

from typing import Any

from tokenflow_sim.errors import ResultError


def period_of(scenario: str, text: str, overrides: dict[str, Any]) -> int:
    """Read a period, by its number or a date in it.

    Raises
    ------
    ResultError
        If there is no such period.
    """
    if text.strip().isdigit():
        return int(text)
    from tokenflow_sim.scenario import load_scenario
    from tokenflow_sim.scenario.times import written

    loaded = load_scenario(scenario, overrides)
    if loaded.times is None:
        raise ResultError(
            f"--period {text}: scenario {loaded.name!r} has no `start`, so its periods have no dates; give a number"
        )
    try:
        found = loaded.times.period_of(text)
    except ValueError as error:
        raise ResultError(f"--period {error}; or give a number") from None
    if not 0 <= found < loaded.periods:
        first, last = (written(one, loaded.time_zone) for one in loaded.times.at([0, loaded.periods - 1]))
        raise ResultError(
            f"--period {text}: the periods of scenario {loaded.name!r} begin at {first} to {last} ({loaded.time_zone})"
        )
    return found
