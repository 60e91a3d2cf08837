"""Clearing, period after period: the Clearer beside raw HiGHS, linopy rebuilt and PyPSA, in one run."""

from __future__ import annotations

import resource
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
import pytest

import tokenflow_sim as tf
from benchmarks.contenders import Labelled, Pypsa, RawHighs, Rebuilt
from benchmarks.networks import NETWORKS, moving
from benchmarks.page import Table
from tokenflow_sim.market import Market


def clock(call: Callable[[Market], float], market: Market) -> tuple[float, float]:
    """Time one clearing; return seconds of this process's own work and its cost in $/s.

    All contenders work in one thread, and a processor's time is not stretched by what else a machine does.
    """
    start = process_time()
    cost = call(market)
    return process_time() - start, cost


@pytest.mark.parametrize("name", NETWORKS)
def test_clearing(name: str, benchmark: Any, table: Table, tmp_path: Path) -> None:
    network = NETWORKS[name]
    base = network.scenario(tmp_path).market(12)
    ours, raw, slow = Labelled(base), RawHighs(base), {"linopy": Rebuilt()}
    if network.nodes <= 100 and find_spec("pypsa") is not None:
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
    table.ratio("Clearer over raw highspy", name, ours_time / float(np.median(seconds["raw"])))
    for key in slow:
        table.ratio(f"{key} rebuilt over Clearer", name, float(np.median(seconds[key])) / ours_time)


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
    whole: list[float] = []
    waited: list[float] = []
    clearing: list[float] = []

    def one_period() -> None:
        start, began = process_time(), perf_counter()
        model.step()
        whole.append(process_time() - start)
        waited.append(perf_counter() - began)
        clearing.append(clock(alone, model.clearing.market)[0])

    benchmark.pedantic(one_period, rounds=network.periods)
    table.ratio("whole period over Clearer", name, float(np.median(whole) / np.median(clearing)))
    if network.nodes == 1000:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
        table.ratio("whole period, s of waiting", name, float(np.median(waited)))
        table.ratio("peak memory of this process so far, GiB", name, peak)


def test_price_bounds(benchmark: Any, table: Table) -> None:
    clearing = tf.clear(tf.load_scenario("us20").market())
    start = process_time()
    benchmark.pedantic(clearing.price_bounds, rounds=5)
    table.ratio("all price bounds of us20, s", "20 nodes, 278 arcs", (process_time() - start) / 5)
