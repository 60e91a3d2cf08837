"""What outages, reserve and N-1 security cost a period, beside none: ``python -m benchmarks.security [--write]``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import tokenflow_sim as tf
from benchmarks.networks import NETWORKS
from benchmarks.page import Table, versions, write_section

PERIODS = 5


def options(scenario: tf.Scenario) -> dict[str, dict[str, Any]]:
    """Return the changes of each option by name."""
    wear = {
        name: {"mttf_hours": 500, "mttr_hours": 24, "provider": name}
        for name in scenario.providers
        if scenario.providers[name].assets
    }
    return {
        "none": {},
        "outages": {"outage_processes": wear},
        "reserve": {"reserve": {"spin": {"margin": 0.15, "price": 20}}},
        "n-1, ten assets": {
            "security": {"assets": [str(name) for name in scenario.market().layout.assets[:10]], "links": []}
        },
    }


def seconds(scenario: tf.Scenario, changes: dict[str, Any]) -> float:
    """Return the median seconds of the processor that a period takes, after the first."""
    model = tf.TokenMarket(scenario.override(changes), rng=1, periods=PERIODS + 1)
    model.step()
    taken = []
    for _ in range(PERIODS):
        began = process_time()
        model.step()
        taken.append(process_time() - began)
    return median(taken)


def main() -> None:
    """Measure everything, and write the section of the page if asked to."""
    table = Table()
    with tempfile.TemporaryDirectory() as folder:
        hundred = "100 nodes, 2 000 arcs"
        scenarios = {
            "us20_oligopoly": tf.load_scenario("us20_oligopoly"),
            hundred: NETWORKS[hundred].scenario(Path(folder)),
        }
        for name, scenario in scenarios.items():
            changes = options(scenario)
            if name != hundred:
                changes["n-1, all assets and cables"] = {"security": "n-1"}
            for how, change in changes.items():
                table.set(f"{how}, ms a period", name, f"{1000 * seconds(scenario, change):.3g}")
    text = f"{table.text()}\n\n{versions()}"
    if "--write" in sys.argv:
        write_section("security", text)
    print(text)


if __name__ == "__main__":
    main()
