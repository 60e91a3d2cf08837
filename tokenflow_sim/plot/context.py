"""What results tell about their scenario: places of the nodes, the assets' power."""

from __future__ import annotations

from functools import lru_cache

import xarray as xr

from tokenflow_sim.errors import ScenarioError
from tokenflow_sim.scenario import Scenario


def scenario_of(ds: xr.Dataset) -> Scenario | None:
    """Return the scenario that results carry as text; None where they carry none that can be read."""
    text = ds.attrs.get("scenario")
    return _read(text) if isinstance(text, str) else None


@lru_cache(maxsize=4)
def _read(text: str) -> Scenario | None:
    try:
        return Scenario.from_yaml(text)
    except ScenarioError:
        return None  # of another version, or written by hand: figures do without it
