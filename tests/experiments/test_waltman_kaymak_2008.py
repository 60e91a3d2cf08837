"""Quantities by Q-learning: benchmarks are the closed forms, and firms that learn sell less than Cournot's."""

from __future__ import annotations

import argparse
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SCRIPT: dict[str, Any] = runpy.run_path(
    str(Path(__file__).parents[2] / "experiments" / "waltman_kaymak_2008.py")
)


def test_benchmarks_are_those_printed() -> None:
    printed = {2: (24.0, 288.0), 3: (27.0, 243.0), 4: (28.8, 207.4), 5: (30.0, 180.0), 6: (30.9, 158.7)}
    for firms, pair in printed.items():
        assert SCRIPT["cournot"](firms) == pytest.approx(pair, abs=0.05)
    assert SCRIPT["cartel"]() == (18.0, 324.0)
    # By search over whole quantities: nobody gains at 12 each, and 18 together are the most for both.
    own = np.arange(41.0)
    assert int(SCRIPT["profit"](own, np.full(41, 12.0)).argmax()) == 12
    together = own * np.maximum(36.0 - own, -4.0)
    assert (int(together.argmax()), together.max()) == (18, 324.0)


def test_firms_without_memory_sell_less_than_cournots() -> None:
    given = argparse.Namespace(sessions=12, periods=4000, seed=0, workers=1, store=None)
    found = SCRIPT["play"]("memoryless", 2, given)
    assert float(found.total.mean()) < 23.5
    assert float(found.payoff.sum("provider").mean()) > 288.0
    row = SCRIPT["table"]({("memoryless", 2): found}).iloc[0]
    assert row["Cournot"] == 24.0
    assert row["quantity, paper"] == 20.8
    assert row["here"] == pytest.approx(float(found.total.mean()))
