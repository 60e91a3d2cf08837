"""Bundled markets and weeks keep their numbers; `tests/golden.py` says how they are recorded."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.golden import RECORDED, SCENARIOS, clearings, clearings_by_pieces, fingerprint, week

EXPECTED = json.loads(RECORDED.read_text(encoding="utf-8"))
ADVICE = "numbers moved; if on purpose, say so in CHANGELOG.md and run `python -m tests.golden --write`"


def _hold(name: str, found: list[float]) -> None:
    # Sums of unlike machines differ in their last digits; 1e-10 of the largest term is far below any change.
    np.testing.assert_allclose(found, EXPECTED[name], rtol=1e-10, atol=1e-9, err_msg=f"{name}: {ADVICE}")


def test_clearings_keep_their_numbers() -> None:
    found = {name: fingerprint(arrays) for name, arrays in clearings()}
    recorded = {name for name in EXPECTED if not (name.endswith("a week") or "by pieces" in name)}
    assert recorded == set(found)
    for name, numbers in found.items():
        _hold(name, numbers)


def test_clearings_by_pieces_keep_their_numbers() -> None:
    found = {name: fingerprint(arrays) for name, arrays in clearings_by_pieces()}
    assert {name for name in EXPECTED if "by pieces" in name} == set(found)
    for name, numbers in found.items():
        # The loads of curved links are known to the square root of the precision of their cost.
        np.testing.assert_allclose(numbers, EXPECTED[name], rtol=1e-6, atol=1e-4, err_msg=f"{name}: {ADVICE}")


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_week_keeps_its_numbers(scenario: str) -> None:
    _hold(f"{scenario}, a week", fingerprint(week(scenario)))
