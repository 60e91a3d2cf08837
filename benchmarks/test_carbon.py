"""What carbon costs a period: a cap at constant and at changing intensities, and marginal emissions, beside none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tokenflow_sim as tf

SCENARIO, PERIODS = "us20_oligopoly", 24


def model(how: str) -> tf.TokenMarket:
    plain = tf.load_scenario(SCENARIO)
    rng, nodes = np.random.default_rng(0), list(plain.nodes)
    grams = rng.uniform(50, 800, (PERIODS, len(nodes))).round()
    fixed: dict[str, Any] = {
        f"nodes.{node}.carbon_intensity": value for node, value in zip(nodes, grams[0], strict=True)
    }
    rows = ["period," + ",".join(nodes)]
    rows += [",".join(map(str, [t, *values])) for t, values in enumerate(grams)]
    cap = {"carbon.cap": {"all": {"tonnes": 2000, "offset_price": 80}}}
    changes: dict[str, dict[str, Any]] = {
        "none": {},
        "intensities": fixed,
        "price": fixed | {"carbon.price": 50},
        "cap": fixed | cap,
        "cap by period": cap | {"carbon.series": "\n".join([*rows, ""])},
        "marginal": fixed | {"carbon.marginal": True},
    }
    made = tf.TokenMarket(plain, rng=1, periods=PERIODS, overrides=changes[how])
    made.step()
    return made


@pytest.mark.parametrize("how", ["none", "intensities", "price", "cap", "cap by period", "marginal"])
def test_periods(benchmark: Any, how: str) -> None:
    made = model(how)
    benchmark.pedantic(made.step, rounds=PERIODS - 1, iterations=1)
