"""Repeat Waltman and Kaymak (2008): firms that choose quantities by Q-learning, in Cournot's game.

Two to six firms choose whole quantities from 0 to 40, where the price is 40 less what all sell and a unit costs 4.
They draw them by the logit of their values at a temperature that falls from period to period, with no memory, or with
memory of what they and all the others sold last. Prints what they sell together beside the paper's numbers,
Cournot's and the cartel's, and draws it. Without options sessions are few and cool down faster than the paper's.

    python experiments/waltman_kaymak_2008.py [--full] [--sessions 100] [--periods 1000000] [--firms 2 3 4 5 6]
        [--kinds memoryless myopic far-sighted] [--workers 2] [--store DIR] [--figure waltman.png]

L. Waltman and U. Kaymak, "Q-learning Agents in a Cournot Oligopoly Model", Journal of Economic Dynamics and Control 32
(2008) 3275-3293. The article was not at hand: setting and printed numbers (its tables 1 and 2) are taken from
published notes on it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

import tokenflow_sim as tf
from tokenflow_sim.numeric import Floats
from tokenflow_sim.plot.style import DASHES, INK, PALETTES, HouseFigure, house_style

INTERCEPT, SLOPE, COST, MOST = 40.0, 1.0, 4.0, 40
RATE = 0.5
HOTTEST, COOLING, PERIODS, WINDOW = 1000.0, 0.99999, 1_000_000, 100
KINDS: dict[str, dict[str, Any]] = {
    "memoryless": {"memory": 0, "discount": 0.0},
    "myopic": {"memory": 1, "discount": 0.0},
    "far-sighted": {"memory": 1, "discount": 0.9},
}
"""No memory; memory of a period; and memory with patience."""
PRINTED: dict[str, dict[int, tuple[float, float]]] = {
    "memoryless": {2: (20.8, 314.7), 3: (21.5, 307.8), 4: (22.1, 301.4), 5: (22.2, 301.1), 6: (22.6, 296.3)},
    "myopic": {2: (20.8, 314.2), 3: (22.9, 297.3), 4: (24.1, 284.2), 5: (24.4, 280.1), 6: (24.7, 274.5)},
    "far-sighted": {2: (19.6, 318.0), 3: (21.5, 304.8), 4: (23.8, 277.5), 5: (23.6, 271.6), 6: (21.9, 288.5)},
}
"""Mean joint quantity and profit of 100 runs at a learning rate of 0.5: tables 1 and 2."""


def profit(own: Floats, others: Floats) -> Floats:
    """Return a firm's profit: its quantity times price less cost; the price is never below zero."""
    found: Floats = own * np.maximum(INTERCEPT - SLOPE * (own + others) - COST, -COST)
    return found


def cournot(firms: int) -> tuple[float, float]:
    """Return joint quantity and profit at Cournot's equilibrium (equations 8 and 9)."""
    margin = INTERCEPT - COST
    return firms * margin / (SLOPE * (firms + 1)), firms * margin**2 / (SLOPE * (firms + 1) ** 2)


def cartel() -> tuple[float, float]:
    """Return joint quantity and profit at the joint maximum."""
    margin = INTERCEPT - COST
    return margin / (2.0 * SLOPE), margin**2 / (4.0 * SLOPE)


def play(kind: str, firms: int, given: argparse.Namespace) -> xr.Dataset:
    """Play the sessions of one kind and number of firms, or take them up where they were left."""
    out = None if given.store is None else given.store / f"{kind}_{firms}_{given.periods}_{given.sessions}"
    return tf.AggregativeGame(profit, np.arange(MOST + 1), firms).play(
        "q_learning",
        sessions=given.sessions,
        periods=given.periods,
        window=WINDOW,
        seed=given.seed,
        workers=given.workers,
        out=out,
        rate=RATE,
        initial=0.0,
        exploration="boltzmann",
        temperature=HOTTEST,
        # The last temperature is the paper's, however many periods lead to it.
        cooling=COOLING ** (PERIODS / given.periods),
        **KINDS[kind],
    )  # fmt: skip


def table(plays: dict[tuple[str, int], xr.Dataset]) -> pd.DataFrame:
    """Return joint quantities and profits beside the paper's, Cournot's and the cartel's, with bands over sessions."""
    rows = {}
    for (kind, firms), found in plays.items():
        total, earned = found.total.values, found.payoff.sum("provider").values
        low, high = np.quantile(total, (0.05, 0.95))
        printed = PRINTED[kind][firms]
        rows[kind, firms] = {
            "Cournot": cournot(firms)[0],
            "cartel": cartel()[0],
            "quantity, paper": printed[0],
            "here": total.mean(),
            "+-": 1.96 * total.std(ddof=1) / np.sqrt(len(total)),
            "5 %": low,
            "95 %": high,
            "profit, paper": printed[1],
            "profit, here": earned.mean(),
        }
    return pd.DataFrame(rows).T.rename_axis(["firms that are", "number"])


def draw(plays: dict[tuple[str, int], xr.Dataset]) -> Figure:
    """Draw joint quantities by number of firms: means with the band of nine sessions in ten, and the paper's."""
    with house_style():
        figure = HouseFigure(figsize=(7.2, 2.6), layout="constrained")
        kinds = list(dict.fromkeys(kind for kind, _ in plays))
        axes = figure.subplots(1, len(kinds), sharey=True, squeeze=False)[0]
        numbers = np.arange(2, 7)
        for ax, kind in zip(axes, kinds, strict=True):
            firms = [number for one, number in plays if one == kind]
            totals = [plays[kind, number].total.values for number in firms]
            low, high = np.array([np.quantile(one, (0.05, 0.95)) for one in totals]).T
            means = [one.mean() for one in totals]
            ax.errorbar(
                firms, means, yerr=[means - low, high - means], fmt="o-", ms=3.5, lw=1.0, capsize=2.0,
                color=PALETTES["provider"][0], label="here, 5 % to 95 % of sessions",
            )  # fmt: skip
            printed = [PRINTED[kind][number][0] for number in firms]
            ax.plot(firms, printed, "D", ms=4.5, mfc="none", mec=PALETTES["provider"][1], label="paper")
            ax.plot(
                numbers, [cournot(int(one))[0] for one in numbers], color=INK, ls=DASHES[1], label="Cournot"
            )
            ax.plot(numbers, [cartel()[0]] * len(numbers), color=INK, ls=DASHES[2], label="cartel")
            ax.set_title(f"Firms that are {kind}")
            ax.set_xlabel("Firms")
            ax.set_xticks(numbers)
            ax.margins(x=0.06)
        axes[0].set_ylabel("Quantity of all firms")
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def main() -> None:
    """Play, print the table and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--full", action="store_true", help="the paper's sessions and periods")
    parser.add_argument("--sessions", type=int, help="sessions of each case (100 with --full; else 20)")
    parser.add_argument(
        "--periods", type=int, help="periods of a session (1,000,000 with --full; else 5,000)"
    )
    parser.add_argument(
        "--firms",
        type=int,
        nargs="+",
        help="numbers of firms (2 to 6 with --full; else 2 to 4)",
        choices=range(2, 7),
    )
    parser.add_argument(
        "--kinds", nargs="+", choices=list(KINDS), help="firms (all kinds with --full; else memoryless)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of all sessions")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--store", type=Path, help="folder that keeps play, to go on after a break")
    parser.add_argument("--figure", type=Path, help="file to draw into")
    given = parser.parse_args()
    given.sessions = given.sessions or (100 if given.full else 20)
    given.periods = given.periods or (PERIODS if given.full else 5_000)
    # Memory has too many states to be learnt in a short time.
    given.kinds = given.kinds or list(KINDS if given.full else ["memoryless"])
    given.firms = given.firms or ([2, 3, 4, 5, 6] if given.full else [2, 3, 4])
    if given.sessions < 2 or given.periods < WINDOW:
        parser.error(f"--sessions must be at least 2 and --periods at least {WINDOW}")
    if given.store is not None:
        given.store.mkdir(parents=True, exist_ok=True)
    plays = {(kind, firms): play(kind, firms, given) for kind in given.kinds for firms in given.firms}
    print(f"{given.sessions:,} sessions of {given.periods:,} periods; learning rate {RATE:g}")
    if given.periods < PERIODS:
        print(f"They cool down {PERIODS / given.periods:,.0f} times as fast as the paper's.")
    with pd.option_context("display.width", 200, "display.max_columns", 20, "display.precision", 1):
        print(table(plays))
    if given.figure:
        draw(plays).savefig(given.figure, dpi=150)
        print(given.figure)


if __name__ == "__main__":
    main()
