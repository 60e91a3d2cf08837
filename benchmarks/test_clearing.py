"""Clearing, period after period: the Clearer beside raw HiGHS, linopy rebuilt and PyPSA, in one run."""

from __future__ import annotations

import resource
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pytest

import tokenflow_sim as tf
from benchmarks.page import Table
from benchmarks.contenders import Labelled, Pypsa, RawHighs, Rebuilt
from benchmarks.networks import NETWORKS, moving
from tokenflow_sim.market import Market


def clock(call: Callable[[Market], float], market: Market) -> tuple[float, float]:
    """Time one clearing; return seconds and its cost in $/s."""
    start = perf_counter()
    cost = call(market)
    return perf_counter() - start, cost


@pytest.mark.parametrize("name", NETWORKS)
def test_clearing(name: str, benchmark: Any, table: Table, tmp_path: Path) -> None:
    network = NETWORKS[name]
    base = network.scenario(tmp_path).market(12)
    ours, raw, slow = Labelled(base), RawHighs(base), {"linopy": Rebuilt()}
    if network.nodes <= 20 and find_spec("pypsa") is not None:
        slow["PyPSA"] = Pypsa()
    markets = moving(base, network.periods + 1)
    first = next(markets)
    raw.prepare(first)
    ours(first), raw(first)
    seconds: dict[str, list[float]] = {"ours": [], "raw": [], **{key: [] for key in slow}}

    def one_period() -> None:
        # In turn within each period, so that a machine that slows down slows them all.
        market = next(markets)
        raw.prepare(market)
        for key, contender in (("raw", raw), ("ours", ours)):
            elapsed, cost = clock(contender, market)
            seconds[key].append(elapsed)
            if key == "raw":
                expected = cost
        assert cost == pytest.approx(expected, rel=1e-6)
        if len(seconds["ours"]) <= network.rebuilds:
            for key, contender in slow.items():
                elapsed, cost = clock(contender, market)
                seconds[key].append(elapsed)
                assert cost == pytest.approx(expected, rel=1e-6)

    benchmark.pedantic(one_period, rounds=network.periods)
    ours_time = float(np.median(seconds["ours"]))
    benchmark.extra_info.update({key: float(np.median(values)) for key, values in seconds.items()})
    table.set("Clearer, ms a period", name, f"{1e3 * ours_time:.3g}")
    table.set("Clearer over raw highspy", name, f"{ours_time / np.median(seconds['raw']):.2f}")
    for key in slow:
        table.set(f"{key} rebuilt over Clearer", name, f"{np.median(seconds[key]) / ours_time:.0f}")


@pytest.mark.parametrize("name", NETWORKS)
def test_whole_period(name: str, benchmark: Any, table: Table, tmp_path: Path) -> None:
    network = NETWORKS[name]
    scenario = network.scenario(tmp_path)
    noise = {"volatility": dict.fromkeys(scenario.workloads, 0.02), "persistence": 0.5, "common": 0.5}
    periods = network.periods + 1
    model = tf.TokenMarket(scenario.override({"demand.noise": noise, "periods": periods}), rng=1)
    model.step()
    alone = Labelled(model.clearing.market)
    alone(model.clearing.market)
    whole, clearing = [], []

    def one_period() -> None:
        start = perf_counter()
        model.step()
        whole.append(perf_counter() - start)
        clearing.append(clock(alone, model.clearing.market)[0])

    benchmark.pedantic(one_period, rounds=network.periods)
    table.set("whole period over Clearer", name, f"{np.median(whole) / np.median(clearing):.2f}")
    if network.nodes == 1000:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
        table.set("whole period, s", name, f"{np.median(whole):.1f}")
        table.set("peak memory of this process so far, GiB", name, f"{peak:.1f}")


def test_price_bounds(benchmark: Any, table: Table) -> None:
    clearing = tf.clear(tf.load_scenario("us20").market())
    start = perf_counter()
    benchmark.pedantic(clearing.price_bounds, rounds=5)
    table.set("all price bounds of us20, s", "20 nodes, 278 arcs", f"{(perf_counter() - start) / 5:.2f}")
