"""Show whether us20_oligopoly stands on firm ground: over seeds, over demand, and without latency limits.

Runs the week with one seed after another, at one `demand.scale` after another, and once with latency limits
ignored, and prints what users pay, what providers earn, prices and the spread between hubs: the tables of
docs/reference/us20_oligopoly.md. Without options it plays two seeds of a day.

    python experiments/us20_oligopoly_stability.py [--seeds 12] [--periods 168]
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import pandas as pd

import tokenflow_sim as tf

SCALES = (30.0, 32.5, 35.0, 37.5, 40.0)
RECORD = ("price", "demand", "unserved", "payment", "profit")


def outcome(periods: int, seed: int = 1, **overrides: Any) -> dict[str, float]:
    """Run the market and return payment and profit in M$, mean prices in $/Mtok and spreads in %."""
    model = tf.TokenMarket("us20_oligopoly", rng=seed, periods=periods, overrides=overrides, record=RECORD)
    model.run()
    ds = model.results()
    served = (ds.demand - ds.unserved).sum("step")
    mean = (ds.price * served).sum(("period", "node")) / served.sum(("period", "node"))
    at = ds.price.mean("period")
    spread = 100 * (at.max("node") / at.min("node") - 1)
    row = {"payment, M$": float(ds.payment.sum()) / 1e6, "profit, M$": float(ds.profit.sum()) / 1e6}
    row |= {f"{name}, $/Mtok": float(mean.sel(workload=name)) for name in ds.workload.values}
    return row | {f"{name} spread, %": float(spread.sel(workload=name)) for name in ds.workload.values}


def seeds_table(count: int, periods: int) -> pd.DataFrame:
    """Return the outcome of each seed, and how far the farthest lies from the mean."""
    frame = pd.DataFrame({seed: outcome(periods, seed) for seed in range(1, count + 1)}).T
    mean = frame.mean()
    frame.loc["mean"] = mean
    frame.loc["farthest, %"] = 100 * (frame.loc[1:count] / mean - 1).abs().max()
    return frame


def scale_table(periods: int) -> pd.DataFrame:
    """Return the outcome at each scale of demand."""
    return pd.DataFrame({scale: outcome(periods, **{"demand.scale": scale}) for scale in SCALES}).T


def latency_table(periods: int) -> pd.DataFrame:
    """Return the outcome with latency limits and without."""
    rules = {"with limits": "arc", "without": "none"}
    return pd.DataFrame(
        {name: outcome(periods, **{"market.latency_rule": rule}) for name, rule in rules.items()}
    ).T


def main() -> None:
    """Run and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=2, help="how many, from 1 on")
    parser.add_argument("--periods", type=int, default=24, help="hours from Monday 00:00 UTC on")
    given = parser.parse_args()
    with pd.option_context("display.width", 250, "display.max_columns", 20, "display.precision", 3):
        for title, table in (
            ("Seeds", seeds_table(given.seeds, given.periods)),
            ("demand.scale", scale_table(given.periods)),
            ("Latency limits", latency_table(given.periods)),
        ):
            print(f"{title}\n{table.replace(np.nan, 0.0)}\n")


if __name__ == "__main__":
    main()
