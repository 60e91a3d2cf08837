"""Show which assumptions of us20_oligopoly its results hang on: one at a time, down and up.

Each of ten assumptions is moved by the same share down and up while all others stay, and the market is run with the
same noise. Prints by how many percent mean price, profit and the spread between hubs move, and draws that if a file is
named. Without options it plays a few hours; docs/reference/us20_oligopoly.md shows the whole week.

    python experiments/us20_oligopoly_sensitivity.py [--periods 168] [--share 0.2] [--figure sensitivity.png]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import tokenflow_sim as tf
from tokenflow_sim.plot.style import INK, HouseFigure, house_style
from tokenflow_sim.scenario import Scenario

RECORD = ("price", "demand", "unserved", "payment", "profit")
BOUND = ("chat", "code")  # classes with a latency limit: their spread is shown
OUTCOMES = ("mean price", "profit", "spread")


def scaled(scenario: Scenario, pick: Callable[[str], bool], factor: float) -> dict[str, Any]:
    """Return overrides that multiply every number of hardware, network, classes or owners whose path is picked."""
    numbers: dict[str, float] = {}
    for name, hardware in scenario.hardware.items():
        numbers[f"hardware.{name}.running_cost"] = hardware.running_cost
        numbers |= {f"hardware.{name}.throughput.{k}": v for k, v in hardware.throughput.items()}
        numbers |= {f"hardware.{name}.energy.{k}": v for k, v in hardware.energy.items()}
    for name, workload in scenario.workloads.items():
        if workload.latency_limit is not None:
            numbers[f"workloads.{name}.latency_limit"] = workload.latency_limit
        numbers[f"workloads.{name}.value"] = workload.value or 0.0
    for name, owner in scenario.owners.items():
        numbers[f"owners.{name}.tariff"] = owner.tariff or 0.0
    numbers["network.capacity"] = scenario.network.capacity
    if scenario.network.tier1 is not None:
        numbers["network.tier1.capacity"] = scenario.network.tier1.capacity
    for label, arc in scenario.network.arcs.items():
        if arc.capacity is not None:
            numbers[f"network.arcs.{label}.capacity"] = arc.capacity
    return {path: value * factor for path, value in numbers.items() if pick(path)}


def throughput(kind: str, scenario: Scenario, factor: float) -> dict[str, Any]:
    """Return overrides that multiply a hardware type's throughput; its power is what it is, so energy falls."""
    more = scaled(scenario, lambda path: path.startswith(f"hardware.{kind}.throughput."), factor)
    less = scaled(scenario, lambda path: path.startswith(f"hardware.{kind}.energy."), 1 / factor)
    return more | less


def one_path(path: str, scenario: Scenario, factor: float) -> dict[str, Any]:
    """Return an override that multiplies the value at a dotted path."""
    part: Any = scenario
    for name in path.split("."):
        part = getattr(part, name)
    return {path: part * factor}


def ending(word: str, scenario: Scenario, factor: float) -> dict[str, Any]:
    """Return overrides that multiply all numbers whose path ends with a word."""
    return scaled(scenario, lambda path: path.endswith(f".{word}"), factor)


def willingness(scenario: Scenario, factor: float) -> dict[str, Any]:
    """Return overrides that multiply what users would pay at most, at every step of demand."""
    changes = scaled(scenario, lambda path: path.endswith(".value"), factor)
    for name, region in scenario.regions.items():
        schedule = region.strategy.model_dump()["schedule"]
        changes[f"regions.{name}.strategy.schedule"] = {
            workload: [[share, None if price is None else price * factor] for share, price in steps]
            for workload, steps in schedule.items()
        }
    return changes


ASSUMPTIONS: dict[str, Callable[[Scenario, float], dict[str, Any]]] = {
    "demand": partial(one_path, "demand.scale"),
    "willingness to pay": willingness,
    "throughput of H100": partial(throughput, "h100"),
    "throughput of B200": partial(throughput, "b200"),
    "throughput of A100": partial(throughput, "a100"),
    "link capacity": partial(ending, "capacity"),
    "latency limits": partial(ending, "latency_limit"),
    "network tariffs": partial(ending, "tariff"),
    "electricity price": partial(one_path, "electricity.scale"),
    "wear and water": partial(ending, "running_cost"),
}


def outcome(scenario: Scenario, periods: int) -> pd.Series:
    """Run the market and return mean price over all that was sold, profit, and spread between hubs.

    The mean price is the geometric mean over the classes of what their tokens cost on average: an index that
    moves by 1 % where all prices do. The spread is that of prices over time, the mean of chat and code.
    """
    model = tf.TokenMarket(scenario, rng=1, periods=periods, record=RECORD)
    model.run()
    ds = model.results()
    served = (ds.demand - ds.unserved).sum("step")
    mean = (ds.price * served).sum(("period", "node")) / served.sum(("period", "node"))
    at = ds.price.mean("period").sel(workload=list(BOUND))
    spread = float((at.max("node") / at.min("node") - 1).mean())
    return pd.Series([float(np.log(mean).mean()), float(ds.profit.sum()), 100 * spread], OUTCOMES)


def move(base: pd.Series, other: pd.Series) -> list[float]:
    """Return the change of price and profit in %, and of the spread in percentage points."""
    return [
        100 * (float(np.exp(other["mean price"] - base["mean price"])) - 1),
        100 * (other["profit"] / base["profit"] - 1),
        other["spread"] - base["spread"],
    ]


def table(share: float, periods: int) -> tuple[pd.Series, pd.DataFrame]:
    """Return the outcome as it is, and how each assumption moves it, down and up."""
    scenario = tf.load_scenario("us20_oligopoly")
    base = outcome(scenario, periods)
    rows = {
        name: [
            number
            for factor in (1 - share, 1 + share)
            for number in move(base, outcome(scenario.override(change(scenario, factor)), periods))
        ]
        for name, change in ASSUMPTIONS.items()
    }
    head = pd.MultiIndex.from_product([["down", "up"], OUTCOMES])
    return base, pd.DataFrame.from_dict(rows, orient="index", columns=head)


def draw(found: pd.DataFrame, share: float) -> Figure:
    """Draw the moves as bars, the assumption that moves profit most on top."""
    order = found.xs("profit", axis=1, level=1).abs().max(axis=1).sort_values().index
    titles = ("Mean price, %", "Profit, %", "Spread, points")
    with house_style():
        figure = HouseFigure(figsize=(7.2, 3.6), layout="constrained")
        axes = figure.subplots(1, 3, sharey=True)
        rows = np.arange(len(order))
        for ax, name, title in zip(axes, OUTCOMES, titles, strict=True):
            ax.barh(
                rows + 0.2, found.loc[order, ("up", name)], 0.38, color=INK, label=f"{100 * share:g} % up"
            )
            ax.barh(
                rows - 0.2, found.loc[order, ("down", name)], 0.38, color="white", edgecolor=INK,
                label=f"{100 * share:g} % down",
            )  # fmt: skip
            ax.axvline(0.0, color=INK, lw=0.8)
            ax.set_title(title)
            ax.grid(axis="x")
            ax.margins(x=0.08)
        axes[2].set_xscale("symlog", linthresh=10.0)
        axes[2].set_xticks([-100, -10, 0, 10, 100], ["-100", "-10", "0", "10", "100"])
        axes[0].set_yticks(rows, list(order))
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def main() -> None:
    """Play, print the table and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--periods", type=int, default=6, help="hours from Monday 00:00 UTC on")
    parser.add_argument("--share", type=float, default=0.2, help="by which each assumption is moved")
    parser.add_argument("--figure", type=Path, help="file to draw into")
    given = parser.parse_args()
    if not 0 < given.share < 1 or given.periods < 1:
        parser.error("--share must lie between 0 and 1, and --periods be at least 1")
    base, found = table(given.share, given.periods)
    with pd.option_context("display.width", 200, "display.max_columns", 20, "display.precision", 1):
        print(f"as it is: profit {base['profit'] / 1e6:.0f} M$, spread {base['spread']:.0f} %")
        print(found)
    if given.figure:
        draw(found, given.share).savefig(given.figure, dpi=150)
        print(given.figure)


if __name__ == "__main__":
    main()
