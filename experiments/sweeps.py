"""The paper's sweeps over demand, latency limits and electricity prices, and a fourth that it leaves for later work.

The fourth is the sensitivity to throughput and to the volume of transfer: how much of the variance of prices each
explains, where all vary at once (Sobol's indices; payload counts under physical bandwidth).

    python experiments/sweeps.py [demand] [latency] [electricity] [sensitivity]
        [--full] [--workers 2] [--out DIR]

Without names all four are played, at a few points each; --full takes many: every demand from 1 to 46, limits 5 ms
apart, and 128 samples of the sensitivity, whose indices are mere noise from the few of a try. Each prints its table,
and draws its figure into --out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

import tokenflow_sim as tf

SERVED = {"market.must_serve": True}


def demand(full: bool, workers: int | None) -> tuple[pd.DataFrame, Figure]:
    """Raise demand from 1 to 45 times the base rates at the paper's five nodes; beyond that it cannot be served."""
    found = tf.sweep("us5", {"demand.scale": f"1:46:{1 if full else 15}"}, periods=1, workers=workers)
    return found.table, found.plot(log=True)


def latency(full: bool, workers: int | None) -> tuple[pd.DataFrame, Figure]:
    """Tighten the patience of chat and code, until no arc is quick enough for them."""
    limits = "5:100:5" if full else "10:100:45"
    vary = {"workloads.chat.latency_limit": limits, "workloads.code.latency_limit": "40, 100"}
    found = tf.sweep("us20", vary, periods=1, workers=workers, overrides=SERVED)
    return found.table, found.plot(x="workloads.chat.latency_limit")


def electricity(full: bool, workers: int | None) -> tuple[pd.DataFrame, Figure]:
    """Scale all electricity prices: their part of the cost, and so of prices."""
    scales = "0.25:3:0.25" if full else "0.5:2:0.5"
    found = tf.sweep("us20", {"electricity.scale": scales}, periods=1, workers=workers, overrides=SERVED)
    return found.table, found.plot()


def sensitivity(full: bool, workers: int | None) -> tuple[pd.DataFrame, Figure]:
    """Vary throughput and transfer volume by a third either way, and demand by a tenth, all at once."""
    base = tf.load_scenario("us20")
    vary = {"demand.scale": "uniform(31.5, 38.5)"}
    hardware = next(iter(base.hardware))
    for name in ("chat", "image"):
        rate = float(base.hardware[hardware].throughput[name])
        payload = float(base.workloads[name].payload)
        vary[f"hardware.{hardware}.throughput.{name}"] = f"uniform({rate / 1.33:g}, {rate * 1.33:g})"
        vary[f"workloads.{name}.payload"] = f"uniform({payload / 1.33:g}, {payload * 1.33:g})"
    changes = {"market.bandwidth": "physical", "market.must_serve": False}
    changes |= {f"workloads.{name}.value": 1000.0 for name in base.workloads}
    found = tf.sensitivity(
        base, vary, samples=128 if full else 4, outputs=["mean_price"], periods=1, overrides=changes,
        workers=workers,
    )  # fmt: skip
    return found.table, found.plot()


SWEEPS = {"demand": demand, "latency": latency, "electricity": electricity, "sensitivity": sensitivity}


def main() -> None:
    """Play the sweeps that are named."""
    parser = argparse.ArgumentParser(
        description="The paper's sweeps, and the sensitivity that it leaves open."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="which; all if none is named")
    parser.add_argument("--full", action="store_true", help="many points, for numbers to rely on")
    parser.add_argument("--workers", type=int, default=1, help="processes; 0 takes all cores")
    parser.add_argument("--out", type=Path, default=None, help="folder of the figures")
    given = parser.parse_args()
    mpl.use("Agg")
    for name in given.names or SWEEPS:
        table, figure = SWEEPS[name](given.full, given.workers or None)
        print(f"\n{name}: {(SWEEPS[name].__doc__ or '').strip()}")
        shown = [
            column
            for column in table
            if not str(column).startswith(("markup", "offer_", "lerner", "sold", "profit_"))
        ]
        print(table[shown].to_string(index=False, float_format=lambda value: f"{value:.4g}"))
        if given.out is not None:
            given.out.mkdir(parents=True, exist_ok=True)
            figure.savefig(given.out / f"{name}.png", dpi=200)


if __name__ == "__main__":
    main()
