"""How many market-periods a second a batch of seeds steps, beside single runs: ``python -m benchmarks.batch``.

Both take turns in one process, so that they see the same machine; what is shown is the median over the turns, by the
clock of the processor. One core, one BLAS thread.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np

import tokenflow_sim as tf
from tokenflow_sim.agents.streams import stream
from tokenflow_sim.batch.streams import StreamsBeside

SEEDS, TURNS = 256, 3
ONE_NODE = """
format: 1
name: one_node
periods: 100000
market: {bandwidth: none, must_serve: false}
demand: {scale: 1}
workloads: {chat: {payload: 1, base_demand: 400000, value: 20}}
nodes: {north: {demand_weight: 1, electricity_price: 0.05}}
hardware: {fleet: {throughput: {chat: 4000}, energy: {chat: 2}}}
providers:
  a: {assets: [{node: north, hardware: fleet, power_mw: 120}]}
  b: {assets: [{node: north, hardware: fleet, power_mw: 90}]}
"""


def rate(step: Callable[[], object], steps: int, markets: int) -> tuple[float, float]:
    """Return market-periods a second by the processor's clock, and by that on the wall."""
    began, worked = perf_counter(), process_time()
    for _ in range(steps):
        step()
    return steps * markets / (process_time() - worked), steps * markets / (perf_counter() - began)


def draws() -> float:
    """Return the milliseconds that the draws of one Q-learner take for all seeds in one period."""
    beside = StreamsBeside([stream(seed, "provider", "a") for seed in range(SEEDS)])
    began = process_time()
    for _ in range(1000):
        beside.random(SEEDS)
        beside.integers(6, size=SEEDS)
    return process_time() - began


def main() -> None:
    """Print a line for each market and strategy."""
    one = tf.Scenario.from_yaml(ONE_NODE)
    auction = one.override({"market.pricing": "k_double_auction"})
    bids = {"providers": "roth_erev", "regions": "bid_shading"}
    cases: list[tuple[str, Any, Any, int, int]] = [
        ("one node, q_learning", one, "q_learning", 60, 200),
        ("one node, calvano", one, {"name": "q_learning", "preset": "calvano"}, 60, 200),
        ("one node, ucb1", one, {"name": "ucb1", "baseline": "none"}, 60, 200),
        ("one node, double auction", auction, bids, 60, 200),
        ("us5, q_learning", tf.load_scenario("us5"), "q_learning", 3, 60),
        ("us20_oligopoly, q_learning", tf.load_scenario("us20_oligopoly"), "q_learning", 1, 20),
    ]
    print(
        f"{'market':28} {'batch of 256':>14} {'single':>10} {'times':>6}   (market-periods a second, processor)"
    )
    for name, scenario, strategy, steps, single_steps in cases:
        strategies, periods = strategy if strategy is bids else {"providers": strategy}, 160
        batch = tf.Batch(
            scenario, seeds=range(SEEDS), periods=TURNS * steps + 10, strategies=strategies, record=["price"]
        )
        for _ in range(5):
            batch.step()
        together, apart = [], []
        for _ in range(TURNS):
            together.append(rate(batch.step, steps, SEEDS)[0])
            model = tf.TokenMarket(scenario, rng=1, periods=periods, strategies=strategies, record=["price"])
            model.step()
            apart.append(rate(model.step, min(single_steps, periods - 1), 1)[0])
        quick, slow = median(together), median(apart)
        print(f"{name:28} {quick:14,.0f} {slow:10,.0f} {quick / slow:6.1f}")
    print(f"draws of one Q-learner, {SEEDS} seeds, one period: {np.round(draws(), 4)} ms")


if __name__ == "__main__":
    main()
