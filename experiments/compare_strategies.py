"""Compare mark-ups of the largest provider of us20_oligopoly from evening into the night, against truthful rivals.

Demand is lower than the scenario's own, so that some power is to spare and offers move prices.
Prints the paired differences in its profit and in welfare, and draws all measures if a file is named.

    python experiments/compare_strategies.py [--seeds 5] [--periods 12] [--figure comparison.png]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

import tokenflow_sim as tf
from tokenflow_sim.strategies.assignment import Choice

STRATEGIES: list[Choice] = [
    "marginal_cost",
    {"name": "fixed_markup", "markup": 0.5},
    {"name": "fixed_markup", "markup": 2.0},
    "adaptive_markup",
]


def main() -> None:
    """Play, print the table and draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds")
    parser.add_argument("--periods", type=int, default=12, help="how many hours from Sunday afternoon on")
    parser.add_argument("--figure", type=Path, help="file to draw the comparison into")
    given = parser.parse_args()
    found = tf.compare(
        "us20_oligopoly", STRATEGIES, "atlas", seeds=given.seeds, periods=given.periods, workers=2,
        overrides={"demand.scale": 30},
    )  # fmt: skip
    table = found.table
    rows = table[
        ((table["measure"] == "profit_rate") & (table["of"] == "atlas"))
        | (table["measure"] == "welfare_rate")
    ]
    with pd.option_context("display.width", 160, "display.max_columns", 12, "display.precision", 4):
        print(rows.to_string(index=False))
    if given.figure:
        found.plot().savefig(given.figure)
        print(given.figure)


if __name__ == "__main__":
    main()
