"""What an environment for reinforcement learning costs beside the bare model.

    uv run python -m benchmarks.env [--periods 168] [--rounds 7] [--write]

The bare model and the environments play the same periods in turns in one process, with all players at the same
mark-up, so that a change of the machine's load meets all alike; the median over rounds counts.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from statistics import median
from time import process_time
from typing import Any

import numpy as np

import tokenflow_sim as tf
from benchmarks.page import Table, versions, write_section
from tokenflow_sim.env import MarketEnv, ParallelMarket
from tokenflow_sim.market.blas import one_thread
from tokenflow_sim.scenario import Scenario

SHARE = 0.6
"""Share of the bare model's rate that a learner among built-in rivals has to reach."""
MARKUP = 0.5
ONE_NODE = """
format: 1
name: one_node
periods: 168
market: {bandwidth: none, must_serve: false}
demand: {scale: 1.0, noise: {volatility: {chat: 0.1}}}
workloads: {chat: {base_demand: 3000000, payload: 0.5, value: 8}}
nodes: {here: {demand_weight: 1.0, electricity_price: 0.05, power_mw: 30}}
hardware: {chip: {throughput: {chat: 200000}, energy: {chat: 1}, running_cost: 200}}
providers:
  ada: {assets: [{node: here, hardware: chip, share: 0.5}]}
  bob: {assets: [{node: here, hardware: chip, share: 0.5}]}
"""


def markets() -> dict[str, tuple[Scenario, str]]:
    """Return each market with the provider that learns."""
    return {
        "one node, two providers": (Scenario.from_yaml(ONE_NODE), "ada"),
        "us5": (tf.load_scenario("us5"), "dallas_dc"),
        "us20_oligopoly": (tf.load_scenario("us20_oligopoly"), "cascade"),
    }


def bare(scenario: Scenario, strategies: dict[str, Any], periods: int) -> Callable[[], int]:
    """Return what plays so many periods of the bare model."""
    model = tf.TokenMarket(scenario, rng=1, periods=1_000_000, strategies=strategies, record=(), collect=())

    def play() -> int:
        for _ in range(periods):
            model.step()
        return periods

    return play


def stepped(env: Any, action: Any, periods: int) -> Callable[[], int]:
    """Return what plays so many steps of an environment."""
    env.reset(seed=1)

    def play() -> int:
        for _ in range(periods):
            env.step(action)
        return periods

    return play


def rates(scenario: Scenario, agent: str, periods: int, rounds: int) -> dict[str, float]:
    """Return steps a second of processor time by contender, the median over rounds played in turns."""
    # An environment and the model have the same offers: a mark-up by action, and by strategy.
    settings: dict[str, Any] = {
        "periods": 1_000_000,
        "actions": {"levers": ["markup"], "highest_markup": 2 * MARKUP},
    }
    one, everybody = MarketEnv(scenario, agent, **settings), ParallelMarket(scenario, **settings)
    place = np.array([2 * np.log(1 + MARKUP) / np.log(1 + 2 * MARKUP) - 1], dtype=np.float32)
    fixed = {"name": "fixed_markup", "markup": MARKUP}
    contenders = {
        "bare model": bare(scenario, {agent: fixed}, periods),
        "Gymnasium, one learner": stepped(one, place, periods),
        "bare model, all with the mark-up": bare(scenario, {"providers": fixed}, periods),
        "PettingZoo, all providers": stepped(everybody, dict.fromkeys(everybody.possible_agents, place), periods),
    }  # fmt: skip
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    with one_thread():
        for number in range(rounds + 1):
            for name, play in contenders.items():
                began = process_time()
                count = play()
                if number:  # the first round warms up
                    taken[name].append(count / (process_time() - began))
    return {name: median(found) for name, found in taken.items()}


def main() -> None:
    """Measure everything, and write the section of the page if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--periods", type=int, default=168)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    table = Table()
    for name, (scenario, agent) in markets().items():
        found = rates(scenario, agent, given.periods, given.rounds)
        for what, rate in found.items():
            table.set(f"{what}, steps a second", name, f"{rate:.0f}")
        pairs = (
            ("Gymnasium, share", "Gymnasium, one learner", "bare model"),
            ("PettingZoo, share", "PettingZoo, all providers", "bare model, all with the mark-up"),
        )
        for what, mine, other in pairs:
            table.set(what, name, f"{100 * found[mine] / found[other]:.0f} %")
    text = f"{table.text()}\n\n{versions()}"
    if given.write:
        write_section("env", text)
    print(text)


if __name__ == "__main__":
    main()
