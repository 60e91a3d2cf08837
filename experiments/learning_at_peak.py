"""Compare providers that learn with one of fixed mark-up, where capacity binds by day and not by night.

The largest provider of us20_oligopoly plays each strategy in turn against truthful rivals, with less demand than the
scenario's own: by day all power is in use and what the last user served would pay makes the price, by night some power
is to spare and offers make it. Runs with the same seed meet the same demand, so that differences are paired. Prints
the table that docs/explanation/learning-at-peak.md shows, and draws it if a file is named.

    python experiments/learning_at_peak.py [--seeds 20] [--periods 72] [--workers 2] [--store DIR] [--figure peak.png]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import tokenflow_sim as tf
from tokenflow_sim.plot.style import INK, PALETTES, HouseFigure, house_style
from tokenflow_sim.study.runner import run_tasks
from tokenflow_sim.study.statistics import paired
from tokenflow_sim.study.task import Task

PROVIDER = "atlas"
BASELINE = "fixed_markup"
STRATEGIES = (
    "marginal_cost", BASELINE, "capacity_withholding", "undercutting", "pivotal_markup", "adaptive_markup",
    "roth_erev", "epsilon_greedy", "ucb1", "exp3", "q_learning",
)  # fmt: skip
RECORD = ("profit", "price", "demand", "unserved", "welfare")


def reduce(model: tf.TokenMarket) -> xr.Dataset:
    """Keep the provider's profit by period, and price, tokens served and welfare of the whole run."""
    ds = model.results()
    served = (ds.demand - ds.unserved).sum("step")
    return xr.Dataset(
        {
            "profit": ds.profit.sel(provider=PROVIDER, drop=True),
            "paid": (ds.price * served).sum() / served.sum(),
            "served": served.sum(),
            "welfare": ds.welfare.sum(),
        }
    )


def play(seeds: int, periods: int, scale: float, workers: int, store: Path | None) -> xr.Dataset:
    """Play every strategy with every seed; dims (strategy, seed, period)."""
    scenario = tf.load_scenario("us20_oligopoly", {"demand.scale": scale, "periods": periods})
    tasks = [
        Task(scenario, seed, {"strategy": name, "seed": seed}, {PROVIDER: name})
        for seed in range(seeds)
        for name in STRATEGIES
    ]
    batch = run_tasks(tasks, reduce, record=RECORD, workers=workers, store=store)
    if batch.failures:
        raise SystemExit(batch.failures_text())
    rows = [batch.results[position] for position in range(len(tasks))]
    strategies, count = pd.Index(STRATEGIES, name="strategy"), len(STRATEGIES)
    by_seed = [xr.concat(rows[first : first + count], strategies) for first in range(0, len(rows), count)]
    return xr.concat(by_seed, pd.RangeIndex(seeds, name="seed"))


def gain(runs: xr.Dataset, periods: slice = slice(None)) -> xr.Dataset:
    """Return the paired difference in profit to the baseline, in % of what the baseline earns, with its interval."""
    profit = runs.profit.isel(period=periods).sum("period")
    found = paired(profit, "strategy", BASELINE)
    share = 100 / float(profit.sel(strategy=BASELINE).mean())
    return found.assign({name: share * found[name] for name in ("mean", "lower", "upper")})


def late(runs: xr.Dataset) -> slice:
    """Return the last third of the periods, when most trying is over."""
    return slice(-max(1, runs.sizes["period"] // 3), None)


def table(runs: xr.Dataset) -> pd.DataFrame:
    """Return profit, what is gained on the baseline, and what that does to the market."""
    whole, end = gain(runs), gain(runs, late(runs))
    frame = pd.DataFrame(index=pd.Index(runs.strategy.values, name="strategy"))
    frame["profit, M$"] = runs.profit.sum("period").mean("seed").values / 1e6
    for title, found in (("gain, %", whole), ("in the last third, %", end)):
        frame[title] = found["mean"].values
        frame[f"{title.split(',')[0]}: from"] = found["lower"].values
        frame[f"{title.split(',')[0]}: to"] = found["upper"].values
    verdict = np.where(whole["lower"] > 0, "yes", np.where(whole["upper"] < 0, "no, less", "not shown"))
    frame["beats it"] = np.where(frame.index == BASELINE, "-", verdict)
    frame["mean price, $/Mtok"] = runs.paid.mean("seed").values
    for name in ("served", "welfare"):
        mean = runs[name].mean("seed")
        frame[f"{name}, % more"] = (100 * (mean / mean.sel(strategy=BASELINE) - 1)).values
    return frame


def draw(runs: xr.Dataset) -> Figure:
    """Draw the gains with their intervals, and how they come about in time."""
    with house_style():
        figure = HouseFigure(figsize=(7.2, 3.4), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=[1, 1.2])
        names = [name for name in STRATEGIES if name != BASELINE]
        _draw_intervals(left, runs, names)
        _draw_course(right, runs, names)
        figure.legend(loc="outside lower center", ncols=4)
    return figure


def _draw_intervals(ax: Axes, runs: xr.Dataset, names: list[str]) -> None:
    rows = np.arange(len(names))[::-1]
    for found, shift, fill, label in (
        (gain(runs), 0.12, INK, "all periods"),
        (gain(runs, late(runs)), -0.18, "white", "last third"),
    ):
        one = found.sel(strategy=names)
        ax.hlines(rows + shift, one["lower"], one["upper"], color=INK, lw=0.8)
        ax.plot(one["mean"], rows + shift, "o", mfc=fill, mec=INK, ms=3.5, label=label)
    ax.axvline(0.0, color="#999999", lw=0.8)
    ax.set_yticks(rows, names)
    ax.grid(axis="x")
    ax.margins(x=0.05)
    ax.set_title(f"Profit of {PROVIDER} over {BASELINE}")
    ax.set_xlabel("% of its profit, 95 % interval")


def _draw_course(ax: Axes, runs: xr.Dataset, names: list[str]) -> None:
    course = (runs.profit - runs.profit.sel(strategy=BASELINE)).mean("seed").cumsum("period") / 1e6
    hours = np.arange(1, runs.sizes["period"] + 1)
    for place, name in enumerate(names):
        shade = PALETTES["provider"][place % len(PALETTES["provider"])]
        dash = "-" if place < len(PALETTES["provider"]) else "--"
        ax.plot(hours, course.sel(strategy=name), color=shade, ls=dash, label=name)
    ax.axhline(0.0, color="#999999", lw=0.8)
    ax.set_xticks(np.arange(0, runs.sizes["period"] + 1, 24))
    ax.set_title("Summed up in time, mean of seeds")
    ax.set_xlabel("hours")
    ax.set_ylabel("M$")


def main() -> None:
    """Play, print the table and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=2, help="runs of each strategy, at least 2")
    parser.add_argument("--periods", type=int, default=24, help="hours from Monday 00:00 UTC on")
    parser.add_argument("--scale", type=float, default=30.0, help="demand.scale; 35 is the scenario's own")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--store", type=Path, help="folder that keeps finished runs, to go on after a break")
    parser.add_argument("--figure", type=Path, help="file to draw into")
    given = parser.parse_args()
    if given.seeds < 2 or given.periods < 1:
        parser.error("--seeds must be at least 2 and --periods at least 1")
    runs = play(given.seeds, given.periods, given.scale, given.workers, given.store)
    with pd.option_context("display.width", 200, "display.max_columns", 20, "display.precision", 3):
        print(table(runs))
    if given.figure:
        draw(runs).savefig(given.figure, dpi=150)
        print(given.figure)


if __name__ == "__main__":
    main()
