"""Repeat Nicolaisen, Petrov and Tesfatsion (2001): buyers and sellers that learn in a midpoint double auction.

Three kinds of sellers and of buyers trade in a discriminatory double auction for 1,000 rounds; all choose their price
by the modified Roth-Erev rule. In nine cells the numbers of sellers and buyers (RCON, relative concentration) and
their capacities (RCAP, relative capacity) differ. Printed are market efficiency and market power of buyers and of
sellers,

    E = 100 (PB + PS) / (PB* + PS*),    MPB = (PB - PB*) / PB*,    MPS = (PS - PS*) / PS*,

where PB and PS are what all buyers and all sellers earn, and a star marks what they earn at the competitive price.
Beside them stand the two things that theory has: the competitive benchmark (100, 0, 0), and what truthful offers would
bring under the rule (structural market power). No open text of the paper's tables was found, so that none of its
numbers is printed; what its abstract says is tested. Cells, costs, values and the rule's numbers (K, r, e and s(1))
are those of S. Phelps's independent repetition of the experiment in the Java Auction Simulator API.

All sessions of a cell are stepped together (`tf.Batch`). Learners bid 2/1000 $ and more above the grid, each buyer by
so much above the one before, so that an offer at the same price trades, and of equal bids the last buyer's goes first.

    python experiments/nicolaisen_2001.py [--full] [--sessions 2] [--rounds 80] [--store DIR] [--figure F]
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

import tokenflow_sim as tf
from tokenflow_sim.disk import write_whole
from tokenflow_sim.numeric import Floats
from tokenflow_sim.plot.style import INK, PALETTES, HouseFigure, house_style

COSTS, VALUES = (35.0, 16.0, 11.0), (37.0, 17.0, 12.0)
"""Marginal cost of the three kinds of sellers, worth to the three kinds of buyers, $/Mtok."""
CELLS = {
    (2.0, 0.5): (6, 3, 10, 10), (2.0, 1.0): (6, 3, 10, 20), (2.0, 2.0): (6, 3, 10, 40),
    (1.0, 0.5): (3, 3, 20, 10), (1.0, 1.0): (3, 3, 10, 10), (1.0, 2.0): (3, 3, 10, 20),
    (0.5, 0.5): (3, 6, 40, 10), (0.5, 1.0): (3, 6, 20, 10), (0.5, 2.0): (3, 6, 10, 10),
}  # fmt: skip
"""Sellers, buyers, capacity of each seller and of each buyer in Mtok/s, by (RCON, RCAP)."""
ACTIONS = 30
"""Prices to choose among: cost, and 1 to 29 $/Mtok above it; worth, and 1 to 29 below it, not under zero."""
RULES: dict[str, dict[str, Any]] = {
    "modified": {"variant": "modified", "recency": 0.1, "experimentation": 0.2, "scale": 9.0},
    "slow": {"variant": "modified", "recency": 0.02, "experimentation": 0.5, "scale": 1.0},
    "original": {"variant": "original", "recency": 0.1, "experimentation": 0.2, "scale": 9.0},
}
"""The rule, the same rule with all its numbers far from those, and the rule of 1998."""
TILT = 2e-3
"""What the worth to each learning buyer stands above that to the one before, $/Mtok."""
HOUR = 3600.0
RECORD = ("profit", "payment", "service_value")


@dataclass(frozen=True)
class Trade:
    """What all buyers and all sellers earn in a round, in $/Mtok times Mtok/s."""

    buyers: float
    sellers: float


def units(cell: tuple[int, int, int, int]) -> tuple[Floats, Floats]:
    """Return the worth of each Mtok/s that is asked for, falling, and the cost of each that is offered, rising."""
    sellers, buyers, offered, asked = cell
    worth = np.repeat([VALUES[n % 3] for n in range(buyers)], asked)
    cost = np.repeat([COSTS[n % 3] for n in range(sellers)], offered)
    return np.sort(worth)[::-1], np.sort(cost)


def benchmark(cell: tuple[int, int, int, int]) -> tuple[Trade, Trade, float]:
    """Return what everybody earns at the competitive price and with truthful offers, and that price.

    The competitive price is the middle of the interval in which supply meets demand. With truthful offers the same
    units are traded, the dearest with the cheapest, each pair halfway between.
    """
    worth, cost = units(cell)
    both = min(worth.size, cost.size)
    count = int((worth[:both] > cost[:both]).sum())
    left_worth = worth[count] if count < worth.size else -np.inf
    left_cost = cost[count] if count < cost.size else np.inf
    price = (max(cost[count - 1], left_worth) + min(worth[count - 1], left_cost)) / 2
    worth, cost = worth[:count], cost[:count]
    halfway = float((worth - cost).sum()) / 2
    return (
        Trade(float((worth - price).sum()), float((price - cost).sum())),
        Trade(halfway, halfway),
        float(price),
    )


def scenario(cell: tuple[int, int, int, int], rule: dict[str, Any] | None, rounds: int) -> tf.Scenario:
    """Return a cell as a scenario: buyers are regions in one pool, and truthful where no rule is given.

    The rule's first propensities are s(1) X / K with X a trader's mean profit in the competitive market.
    """
    sellers, buyers, offered, asked = cell
    fair, _, _ = benchmark(cell)
    unit = (fair.buyers + fair.sellers) / (sellers + buyers) * HOUR
    learner = rule and {
        "name": "roth_erev", "variant": rule["variant"], "recency": rule["recency"], "unit": unit,
        "experimentation": rule["experimentation"], "propensity": rule["scale"] / ACTIONS,
    }  # fmt: skip
    providers: dict[str, Any] = {}
    regions: dict[str, Any] = {}
    hardware: dict[str, Any] = {}
    strategy: dict[str, Any]
    for n in range(sellers):
        name, cost = f"s{n + 1}", COSTS[n % 3]
        # Hardware that draws no power, and costs so much an hour that a Mtok costs what it should.
        hardware[name] = {"throughput": {"power": 1e6}, "energy": {"power": 0}, "running_cost": cost * HOUR}
        markups = [step / cost for step in range(ACTIONS)]
        strategy = (
            {**learner, "markups": markups, "baseline": "none"} if learner else {"name": "marginal_cost"}
        )
        providers[name] = {
            "strategy": strategy,
            "assets": [{"node": "b1", "hardware": name, "power_mw": offered}],
        }
    for n in range(buyers):
        name, worth = f"b{n + 1}", VALUES[n % 3] + (TILT * (n + 1) if learner else 0.0)
        # Bids at or below zero never trade; they stay as many actions, a millionth apart.
        shadings = [min(step / worth, 1 - 1e-6 * (ACTIONS - step)) for step in range(ACTIONS)]
        strategy = (
            {"name": "bid_shading", "learner": learner, "shadings": shadings}
            if learner
            else {"name": "fixed_shading", "shading": 0.0}
        )
        regions[name] = {"nodes": [name], "strategy": {**strategy, "schedule": [[1.0, worth]]}}
    whole = {
        "format": 1, "name": "nicolaisen_2001", "periods": rounds,
        "market": {"bandwidth": "none", "must_serve": False, "pricing": "k_double_auction", "k": 0.5},
        "demand": {"scale": asked},
        "workloads": {"power": {"base_demand": 1e6, "payload": 0, "value": 99}},
        "nodes": {name: {"demand_weight": 1, "electricity_price": 0} for name in regions},
        "hardware": hardware, "providers": providers, "regions": regions,
    }  # fmt: skip
    return tf.Scenario.from_yaml(json.dumps(whole))


def reduce(ds: xr.Dataset) -> xr.Dataset:
    """Keep what all buyers and all sellers earned a round, on the mean of all rounds, in $/Mtok times Mtok/s."""
    surplus = (ds.service_value - ds.payment).sum(("node", "workload"))
    return xr.Dataset(
        {"buyers": surplus.mean("period") / HOUR, "sellers": ds.profit.sum("provider").mean("period") / HOUR}
    )


def play(
    rules: dict[str, list[tuple[float, float]]], sessions: int, rounds: int, store: Path | None = None
) -> pd.DataFrame:
    """Play cells under rules; a row for each rule, cell and session, with its three measures.

    Cells that a folder `store` has are read from there.
    """
    parts = []
    for rule, cells in rules.items():
        for cell in cells:
            file = store and store / f"{rule}_{cell[0]:g}_{cell[1]:g}_{sessions}_{rounds}.csv"
            if file and file.exists():
                parts.append(pd.read_csv(file, converters=dict.fromkeys(("E", "MPB", "MPS"), float)))
                continue
            parts.append(_played(rule, cell, sessions, rounds))
            if file:
                file.parent.mkdir(parents=True, exist_ok=True)
                write_whole(file, parts[-1].to_csv(index=False).encode())
    return pd.concat(parts, ignore_index=True)


def _played(rule: str, cell: tuple[float, float], sessions: int, rounds: int) -> pd.DataFrame:
    market = scenario(CELLS[cell], RULES[rule], rounds)
    batch = tf.Batch(market, seeds=range(sessions), record=RECORD)
    batch.run()
    earned = reduce(batch.results())
    rows = []
    for seed in range(sessions):
        own = earned.sel(seed=seed)
        measured = measures(CELLS[cell], Trade(float(own.buyers), float(own.sellers)))
        rows.append({"rule": rule, "RCON": cell[0], "RCAP": cell[1], "session": seed, **measured})
    return pd.DataFrame(rows)


def measures(cell: tuple[int, int, int, int], earned: Trade) -> dict[str, float]:
    """Return efficiency in % and market power of buyers and sellers."""
    fair, _, _ = benchmark(cell)
    return {
        "E": 100 * (earned.buyers + earned.sellers) / (fair.buyers + fair.sellers),
        "MPB": earned.buyers / fair.buyers - 1,
        "MPS": earned.sellers / fair.sellers - 1,
    }


def table(runs: pd.DataFrame) -> pd.DataFrame:
    """Return means and 5 to 95 % bands over sessions beside what truthful offers bring."""
    rows: dict[tuple[str, float, float], dict[str, Any]] = {}
    for key, own in runs.groupby(["rule", "RCON", "RCAP"], sort=False):
        rule, rcon, rcap = cast("tuple[str, float, float]", key)
        truth = measures(CELLS[rcon, rcap], benchmark(CELLS[rcon, rcap])[1])
        row: dict[str, Any] = {}
        for name in ("E", "MPB", "MPS"):
            digits = 1 if name == "E" else 2
            low, high = own[name].quantile([0.05, 0.95])
            row[f"{name}: paper"] = "n/a"
            row["truthful" if name == "E" else f"{name}: truthful"] = f"{truth[name]:.{digits}f}"
            row[f"{name}: ours"] = f"{own[name].mean():.{digits}f}"
            row[f"{name}: band"] = f"{low:.{digits}f} to {high:.{digits}f}"
        rows[rule, rcon, rcap] = row
    frame = pd.DataFrame.from_dict(rows, orient="index")
    frame.index = pd.MultiIndex.from_tuples(frame.index, names=["rule", "RCON", "RCAP"])
    return frame


def claims(runs: pd.DataFrame) -> pd.DataFrame:
    """Return what the paper's abstract says in words, and what comes out here.

    Market structure predicts market power where cells differ far more than sessions of a cell do: the share of the
    variance of MPS - MPB that cells explain. It does so whatever the rule's numbers are, where cells stand in the same
    order under others (Spearman's rank correlation of their means).
    """
    mean = runs.groupby(["rule", "RCON", "RCAP"])[["E", "MPB", "MPS"]].mean()
    rule = runs[runs.rule == "modified"]
    attained = rule.groupby(["RCON", "RCAP"]).E.mean()
    tilt = (rule.MPS - rule.MPB).groupby([rule.RCON, rule.RCAP])
    every = rule.MPS - rule.MPB
    explained = 1 - float((every - tilt.transform("mean")).var()) / float(every.var())
    rows = [
        ("high market efficiency is generally attained", "mean, least of a cell, %",
         f"{attained.mean():.1f}, {attained.min():.1f}"),
        ("market microstructure is strongly predictive for relative market power", "variance explained by cells, %",
         f"{100 * explained:.0f}"),
    ]  # fmt: skip
    if "slow" in mean.index:
        slow, quick = mean.loc["slow"], mean.loc["modified"]
        ranks = (slow.MPS - slow.MPB).corr((quick.MPS - quick.MPB).reindex(slow.index), method="spearman")
        rows.append(
            ("independently of the reinforcement learning parameters", "rank correlation", f"{ranks:.2f}")
        )
    return pd.DataFrame(rows, columns=["the paper says", "measured by", "ours"])


def draw(runs: pd.DataFrame) -> Figure:
    """Draw the three measures by relative capacity, a mark for each relative concentration, with their bands."""
    with house_style():
        figure = HouseFigure(figsize=(7.2, 2.9), layout="constrained")
        own = runs[runs.rule == "modified"]
        titles = {"E": "Efficiency, %", "MPB": "Market power of buyers", "MPS": "Market power of sellers"}
        places = {0.5: 0, 1.0: 1, 2.0: 2}
        for ax, (name, title) in zip(figure.subplots(1, 3), titles.items(), strict=True):
            ax.axhline(100.0 if name == "E" else 0.0, color="#999999", lw=0.8)
            for rcap, place in places.items():
                truth = measures(CELLS[1.0, rcap], benchmark(CELLS[1.0, rcap])[1])[name]
                label = "truthful offers" if rcap == 0.5 else None
                ax.hlines(truth, place - 0.3, place + 0.3, color=INK, lw=1.0, ls=":", label=label)
            for shift, rcon, shade in zip(
                (-0.18, 0.0, 0.18), (2.0, 1.0, 0.5), PALETTES["provider"], strict=False
            ):
                cell = own[rcon == own.RCON].groupby("RCAP")[name]
                x = np.array([places[one] for one in cell.mean().index]) + shift
                ax.vlines(x, cell.quantile(0.05), cell.quantile(0.95), color=shade, lw=1.2)
                ax.plot(x, cell.mean(), "o", color=shade, ms=3.5, label=f"RCON {rcon:g}")
            ax.set_xticks(list(places.values()), ["1/2", "1", "2"])
            ax.set_xlabel("RCAP, buyers' over sellers' capacity")
            ax.set_title(title)
        figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def main() -> None:
    """Play, print the tables and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--full", action="store_true", help="100 sessions of 1,000 rounds, all rules in all cells"
    )
    parser.add_argument("--sessions", type=int, help="sessions of each cell")
    parser.add_argument("--rounds", type=int, help="rounds of each session")
    parser.add_argument("--store", type=Path, help="folder that keeps finished cells, to go on after a break")
    parser.add_argument("--figure", type=Path, help="file to draw into")
    given = parser.parse_args()
    sessions = given.sessions or (100 if given.full else 2)
    rounds = given.rounds or (1000 if given.full else 80)
    every, middle = list(CELLS), [cell for cell in CELLS if cell[0] == 1.0]
    rules = {
        "modified": every,
        "slow": every if given.full else middle,
        "original": every if given.full else middle[1:2],
    }
    runs = play(rules, sessions, rounds, given.store)
    print(f"{sessions} sessions of {rounds} rounds; no open text of the paper's tables was found (n/a)")
    with pd.option_context("display.width", 200, "display.max_columns", 20, "display.max_colwidth", 80):
        print(table(runs).drop(columns=["MPB: paper", "MPS: paper"]).rename(columns={"E: paper": "paper"}))
        print(claims(runs).to_string(index=False))
    if given.figure:
        draw(runs).savefig(given.figure, dpi=150)
        print(given.figure)


if __name__ == "__main__":
    main()
