"""Clearings and runs whose numbers no change of structure may move.

``python -m tests.golden`` prints the hash of all their bits, which is the same before and after a refactoring on
one machine; ``python -m tests.golden --write`` records the fingerprints that `tests/test_golden.py` holds, for
a change that moves numbers on purpose.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import tokenflow_sim as tf

RECORDED = Path(__file__).with_suffix(".json")
SCENARIOS = ("us5", "us20", "us20_oligopoly", "us20_oligopoly_v1")
FORMULATIONS: dict[str, dict[str, object]] = {
    "as it is": {},
    "shared power": {"market.shared_power": True},
    "shedding": {"market.shared_power": True, "market.must_serve": False, "demand.scale": 60},
    "token equivalents": {"market.bandwidth": "token_equivalent"},
    "congestion-QP": {"market.congestion_curvature": 0.01},
}
PERIODS = (0, 5, 13, 20)
PUBLISHED = ("price", "dispatch", "flow", "unserved", "scarcity_rent", "power_rent", "congestion_rent")
RUN = (*PUBLISHED[:5], "congestion_rent", "payment", "revenue", "cost", "profit", "total_cost", "welfare")
WEEK = 168


# Curved links of which HiGHS's quadratic solver finds no optimum in minutes; linear programs find it.
BY_PIECES = (("us20_oligopoly", 20), ("us20_oligopoly_v1", 0))


def clearings() -> Iterator[tuple[str, tuple[NDArray[np.float64], ...]]]:
    """Yield each clearing's name, and its published arrays and cost."""
    for formulation, changes in FORMULATIONS.items():
        for name in SCENARIOS:
            # `clearings_by_pieces` has some of these.
            if formulation == "congestion-QP" and name.startswith("us20_"):
                continue
            try:
                scenario = tf.load_scenario(name).override(changes)
            except tf.ScenarioError:
                continue  # the paper's cases say no value of lost service
            clearer = tf.Clearer(scenario.market())
            for period in PERIODS:
                try:
                    clearing = clearer.clear(scenario.market(period))
                except tf.InfeasibleError:
                    continue
                numbers = [np.asarray(getattr(clearing, one), dtype=float) for one in PUBLISHED]
                yield f"{name}, {formulation}, period {period}", (*numbers, np.array(clearing.total_cost))


def clearings_by_pieces() -> Iterator[tuple[str, tuple[NDArray[np.float64], ...]]]:
    """Yield likewise some clearings that are beyond HiGHS's quadratic solver."""
    for name, period in BY_PIECES:
        scenario = tf.load_scenario(name).override(FORMULATIONS["congestion-QP"])
        clearing = tf.clear(scenario.market(period))
        numbers = [np.asarray(getattr(clearing, one), dtype=float) for one in PUBLISHED]
        yield f"{name}, by pieces, period {period}", (*numbers, np.array(clearing.total_cost))


def week(name: str) -> tuple[NDArray[np.float64], ...]:
    """Return the arrays of a week of a bundled scenario."""
    model = tf.TokenMarket(name, rng=3, periods=WEEK)
    model.run()
    results = model.results()
    return tuple(np.asarray(results[one], dtype=float) for one in RUN)


def bits(arrays: tuple[NDArray[np.float64], ...]) -> bytes:
    """Return all bits of some arrays; the sign of a zero does not count."""
    return b"".join(np.ascontiguousarray(array + 0.0).tobytes() for array in arrays)


def fingerprint(arrays: tuple[NDArray[np.float64], ...]) -> list[float]:
    """Return the weighted sum of each array under fixed generic weights: any number that moves, moves it."""
    weights = np.random.Generator(np.random.PCG64(16))
    return [
        float((weights.uniform(0.5, 1.5, array.size) * np.nan_to_num(array.ravel())).sum())
        for array in arrays
    ]


def _main() -> None:
    taken, pieces = dict(clearings()), dict(clearings_by_pieces())
    weeks = {f"{name}, a week": week(name) for name in SCENARIOS}
    for what, some in (("clearings", taken), ("by pieces", pieces), ("weeks", weeks)):
        digest = hashlib.sha256(b"".join(bits(arrays) for arrays in some.values()))
        print(len(some), what, digest.hexdigest()[:16])
    if "--write" in sys.argv:
        recorded = {name: fingerprint(arrays) for name, arrays in (taken | pieces | weeks).items()}
        lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(numbers)}" for name, numbers in recorded.items())
        RECORDED.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    _main()
