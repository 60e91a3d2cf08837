"""How fast a learner learns here, and in ASSUME's smallest learning example.

    uv run --group training python -m benchmarks.peers --assume PYTHON --inputs FOLDER [--rounds 3] [--write]

PYTHON is that of an environment of its own in which ``assume-framework[learning]`` is installed, FOLDER the
``examples/inputs`` of ASSUME's repository at the tag of that version. Both learn by the TD3 family from ten
episodes of four days, in turns; neither's imports are counted.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from pathlib import Path
from shutil import copytree, ignore_patterns
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

from benchmarks.page import Table, versions, write_section
from tokenflow_sim.learning import train
from tokenflow_sim.scenario import Scenario

EPISODE, EPISODES, EXPLORING = 96, 10, 3
"""Periods of an episode, episodes, and how many of them explore at random: as ASSUME's example has them."""
EXAMPLE = "example_02a"
_THEIRS = """
import json, logging, sys
from importlib.metadata import version
from time import process_time
import torch
from assume import World
from assume.markets.clearing_algorithms.simple import PayAsClearRole
from assume.scenario.loader_csv import load_scenario_folder, run_learning
torch.set_num_threads(1)
logging.disable(logging.CRITICAL)
counted, clear, run, episodes = [0], PayAsClearRole.clear, World.run, []

def counting(self, *given, **named):
    counted[0] += 1
    return clear(self, *given, **named)

def timed(self):
    began, before = process_time(), counted[0]
    run(self)
    episodes.append((counted[0] - before, process_time() - began))

PayAsClearRole.clear, World.run = counting, timed
world = World(database_uri="sqlite:///learning.db", export_csv_path="")
load_scenario_folder(world, inputs_path=sys.argv[1], scenario="example_02a", study_case="tiny")
began = process_time()
run_learning(world)
print(json.dumps({"version": version("assume-framework"), "torch": version("torch"), "clearings": counted[0],
                  "seconds": process_time() - began, "episodes": episodes}))
"""


def ours() -> Scenario:
    """Return a market of the example's size: seven firms of different costs at one node, demand that moves by hour."""
    firms = range(7)
    hardware = {
        f"chip{n}": {"throughput": {"chat": 2e5}, "energy": {"chat": 1}, "running_cost": 100 + 60 * n}
        for n in firms
    }
    return Scenario.model_validate(
        {
            "format": 1, "name": "seven_firms", "periods": EPISODE,
            "market": {"bandwidth": "none", "must_serve": False},
            "demand": {"scale": 1.0, "noise": {"volatility": {"chat": 0.1}}},
            "workloads": {"chat": {"base_demand": 3_000_000, "payload": 0.5, "value": 50}},
            "nodes": {"here": {"demand_weight": 1.0, "electricity_price": 0.05, "power_mw": 100}},
            "hardware": hardware,
            "providers": {
                f"firm{n}": {"assets": [{"node": "here", "hardware": f"chip{n}", "share": 1 / 7}]} for n in firms
            },
        }
    )  # fmt: skip


def learn_here(folder: Path) -> dict[str, float]:
    """Train the dearest firm but one by TD3, and return periods a second: of exploring, and of the whole training."""
    marks: dict[int, float] = {}

    def mark(done: int, _: int) -> None:
        marks[done] = process_time()

    exploring, steps = EPISODE * EXPLORING, EPISODE * EPISODES
    began = process_time()
    train(
        ours(), "firm5", algorithm="td3", steps=steps, out=folder, checkpoint=steps, progress=mark,
        parameters={
            "learning_starts": exploring, "train_freq": 24, "gradient_steps": 24, "batch_size": 64,
            "policy_kwargs": {"net_arch": [256, 128]},
        },
    )  # fmt: skip
    whole = process_time() - began
    return {
        "exploring": (exploring - 1) / (marks[exploring] - marks[1]),
        "whole": steps / whole,
    }


def learn_there(python: Path, inputs: Path, folder: Path) -> dict[str, Any]:
    """Run ASSUME's example in its own environment, and return the same of it, beside what it is made of."""
    one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    # The example keeps what it learnt beside its inputs, and asks before it replaces it.
    copytree(inputs / EXAMPLE, folder / EXAMPLE, ignore=ignore_patterns("learned_strategies"))
    done = subprocess.run(
        [python, "-c", _THEIRS, "."], cwd=folder, env={**os.environ, **one}, capture_output=True,
        text=True, timeout=900, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"ASSUME's example ended with {done.returncode}:\n{done.stderr[-2000:]}")
    found = json.loads(done.stdout.strip().splitlines()[-1])
    first = found["episodes"][:EXPLORING]
    return {
        "exploring": sum(count for count, _ in first) / sum(seconds for _, seconds in first),
        "whole": found["clearings"] / found["seconds"],
        "clearings": found["clearings"],
        "made of": f"assume-framework {found['version']} with PyTorch {found['torch']}",
    }


def main() -> None:
    """Measure both in turns, and write the section of the page if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--assume", type=Path, required=True, metavar="PYTHON")
    parser.add_argument("--inputs", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    here: list[dict[str, float]] = []
    there: list[dict[str, Any]] = []
    for _ in range(given.rounds):
        with TemporaryDirectory() as folder:
            here.append(learn_here(Path(folder) / "policy"))
            there.append(learn_there(given.assume, given.inputs.resolve(), Path(folder)))
    table = Table()
    for what, name in (("exploring", "exploring at random"), ("whole", "the whole training")):
        row = f"{name}, clearings a second"
        mine, theirs = (median(one[what] for one in found) for found in (here, there))
        table.set(row, "tokenflow_sim", f"{mine:.0f}")
        table.set(row, "ASSUME", f"{theirs:.0f}")
        table.set(row, "ratio", f"{median(a[what] / b[what] for a, b in zip(here, there, strict=True)):.1f}")
    table.set("clearings", "tokenflow_sim", str(EPISODE * EPISODES))
    table.set("clearings", "ASSUME", str(there[0]["clearings"]))
    text = f"{table.text()}\n\n{there[0]['made of']}, in an environment of its own. {versions()}"
    if given.write:
        write_section("peers", text)
    print(text)


if __name__ == "__main__":
    main()
