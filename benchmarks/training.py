"""How many steps a second a training takes in one market, and in many at once.

    uv run --group training python -m benchmarks.training [--steps 4096] [--rounds 3] [--write]

Each trains one agent by PPO as it is left alone, from a fresh folder, in turns in one process with BLAS and PyTorch on
one thread; the median over rounds counts. The first round warms up.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time

import torch

from benchmarks.env import markets
from benchmarks.page import Table, versions, write_section
from tokenflow_sim.learning import train
from tokenflow_sim.market.blas import one_thread

MANY = 16
"""Markets that are stepped together."""
_LEFT_OUT = "us20_oligopoly"  # a clearing takes so long there that nothing else counts


def rate(market: object, agent: str, steps: int, environments: int) -> float:
    """Return steps a second of processor time of a training."""
    with TemporaryDirectory() as folder:
        began = process_time()
        train(
            market,  # type: ignore[arg-type]  # one of `markets`
            agent,
            steps=steps,
            out=Path(folder) / "policy",
            environments=environments,
            tensorboard=False,
        )
        return steps / (process_time() - began)


def main() -> None:
    """Measure everything, and write the section of the page if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    table = Table()
    for name, (scenario, agent) in markets().items():
        if name == _LEFT_OUT:
            continue
        taken: dict[int, list[float]] = {1: [], MANY: []}
        with one_thread():
            for number in range(given.rounds + 1):
                for many, rates in taken.items():
                    found = rate(scenario, agent, given.steps, many)
                    if number:
                        rates.append(found)
        one, several = median(taken[1]), median(taken[MANY])
        table.set("one market, steps a second", name, f"{one:.0f}")
        table.set(f"{MANY} markets at once, steps a second", name, f"{several:.0f}")
        table.set("times", name, f"{several / one:.2f}")
    text = f"{table.text()}\n\n{versions()}"
    if given.write:
        write_section("training", text)
    print(text)


if __name__ == "__main__":
    main()
