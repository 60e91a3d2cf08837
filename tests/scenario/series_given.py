"""Series of prices put into a scenario, and what came of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tokenflow_sim as tf
from tokenflow_sim.scenario import Scenario

SERIES = "electricity.series"
CHICAGO = {"time_zone": "America/Chicago"}
ZONED = {"time": "t", "time_zone": "UTC", "unit": "$/MWh"}


def prices(scenario: Scenario, node: str = "dallas") -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the prices of each period at a node."""
    place = list(scenario.nodes).index(node)
    return np.array([scenario.compiled.state(n).electricity_price[place] for n in range(scenario.periods)])


def run(us5: Scenario, start: str, periods: int, series: Any, **changes: Any) -> Scenario:
    return us5.override({"start": start, "periods": periods, SERIES: series, **changes})


def text_of(index: pd.DatetimeIndex, values: Any, form: str = "%Y-%m-%d %H:%M", name: str = "dallas") -> str:
    rows = (
        f"{stamp:{form}},{value!r}" for stamp, value in zip(index, np.asarray(values).tolist(), strict=True)
    )
    return f"t,{name}\n" + "\n".join(rows) + "\n"


def only_message(call: Callable[[], object]) -> str:
    """Return the one fault of a call."""
    with pytest.raises(tf.InputError) as caught:
        call()
    assert len(caught.value.faults) == 1, caught.value
    return str(caught.value.faults[0])
