"""What results say of how they were made, as the arguments of a model."""

from __future__ import annotations

import json
from typing import Any

import xarray as xr

from tokenflow_sim.errors import ResultError
from tokenflow_sim.scenario import Scenario


def arguments_of(results: xr.Dataset, agents: bool = False, limits: bool = False) -> dict[str, Any]:
    """Return the arguments of the model that made some results: scenario, seed and strategies.

    Parameters
    ----------
    results : Dataset
        What a model returned, or a file holds.
    agents : bool
        Whether agents of other classes are given again.
    limits : bool
        Whether limits of a user are.

    Raises
    ------
    ResultError
        If the results do not say how they were made.
    """
    missing = [name for name in ("scenario", "seed", "strategies") if name not in results.attrs]
    if missing:
        raise ResultError(f"these results do not say how they were made: they lack {', '.join(missing)}")
    seed, text = results.attrs["seed"], results.attrs["strategies"]
    try:
        strategies = json.loads(text)
        rng = seed if isinstance(seed, str) else int(seed)
    except (TypeError, ValueError) as error:
        raise ResultError(
            f"these results do not say how they were made: their attributes are damaged ({error})"
        ) from error
    if "agents" in results.attrs and not agents:
        raise ResultError(
            f"these results were made by agents of other classes, {results.attrs['agents']}: give them again as"
            " `agents`"
        )
    own = results.attrs.get("limits")
    if own == "null" and not limits:
        raise ResultError(
            "these results were made with limits of their own that could not be written down: give them again as"
            " `limits`"
        )
    if strategies is None:
        raise ResultError("these results were made by strategies that could not be written down")
    if not isinstance(strategies, dict):
        raise ResultError(f"these results do not say how they were made: `strategies` is {strategies!r:.80}")
    given = {
        "scenario": Scenario.from_results(results),
        "rng": rng,
        "strategies": strategies,
    }
    return given if own is None or limits else {**given, "limits": json.loads(own)}
