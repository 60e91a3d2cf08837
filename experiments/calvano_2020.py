"""Repeat Calvano, Calzolari, Denicolo and Pastorello (2020): two firms that price by Q-learning, and their collusion.

First in the paper's own game, logit demand for two products, which checks the learning; then in a market of this
package, one node with two providers whose services are the same, which is the paper's case of perfect substitutes.
Each is played with memory and patience, and with either taken away. Prints the paper's numbers beside these, and draws
profit gains and what follows on a forced deviation. Without options sessions are few and short, so that numbers
are not the paper's.

    python experiments/calvano_2020.py [--full] [--sessions 1000] [--workers 2] [--store DIR] [--figure calvano.png]

Printed numbers: E. Calvano, G. Calzolari, V. Denicolo and S. Pastorello, "Artificial Intelligence, Algorithmic
Pricing, and Collusion", American Economic Review 110 (2020) 3267-3297: the article, and the output of
its replication package.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.optimize import brentq, minimize_scalar

import tokenflow_sim as tf
from tokenflow_sim.games.follow import follow, strides_of
from tokenflow_sim.games.played import Played
from tokenflow_sim.numeric import Floats, Ints
from tokenflow_sim.plot.style import INK, PALETTES, HouseFigure, house_style

PRICES, EXTENSION = 15, 0.1
DIFFERENTIATION, QUALITY, COST = 0.25, 2.0, 1.0
VALUE = 2.0
FIRMS = ["first", "second"]
DISCOUNT = 0.95
HORIZON = 400
"""Periods after a deviation whose payoffs count: those beyond are worth 1e-9 of the first."""
SEVERAL = 1_000_000_000
"""Most periods of a session, as in the paper: no session has needed a hundredth of them."""


@dataclass(frozen=True)
class Case:
    """One way of learning, and what the paper prints of it in both games.

    Parameters
    ----------
    name : str
        What is taken away.
    learning : mapping
        Parameters of Q-learning.
    gains : tuple of float or None
        Profit gains that the paper prints: of logit demand, and of perfect substitutes.
    """

    name: str
    learning: dict[str, Any]
    gains: tuple[float | None, float | None]


CASES = (
    Case("memory and patience", {"rate": 0.15, "decay": 4e-6, "discount": DISCOUNT}, (0.849, 0.774)),
    Case("patience 0.35", {"rate": 0.15, "decay": 4e-6, "discount": 0.35}, (0.16, None)),
    Case("no patience", {"rate": 0.15, "decay": 4e-6, "discount": 0.0}, (None, None)),
    Case("no memory", {"rate": 0.25, "decay": 1e-3, "discount": DISCOUNT, "memory": 0}, (None, None)),
    Case(
        "neither", {"rate": 0.25, "decay": 1e-3, "discount": 0.0, "memory": 0}, (0.185, None)
    ),
)  # fmt: skip
"""Of the paper: table 1; section III.A and figure 3; table A1, whose trials end faster. 0.774: mu = 0 of table A10."""

PRINTED: tuple[dict[str, float], dict[str, float]] = (
    {
        "profit gain": 0.849,
        "profit gain, deviation over sessions": 0.112,
        "share converged": 1.0,
        "periods until no policy changed": 1_751_250,
        "share that ends in one price each": 0.643,
        "share that ends in cycles of two": 0.238,
        "share without profitable one-period deviation": 0.505,
        "rival's price after a deviation, relative change": -0.127,
        "share of deviations that do not pay": 0.936,
        "periods until the return": 5.705,
    },
    {
        "profit gain": 0.774,
        "share without profitable one-period deviation": 0.631,
        "rival's price after a deviation, relative change": -0.214,
        "share of deviations that do not pay": 0.879,
        "periods until the return": 5.484,
    },
)
"""Of the representative experiment (alpha = 0.15, beta = 4e-6): tables 1, A7 (two firms) and A10 (mu = 0)."""


@dataclass(frozen=True)
class Setting:
    """A game with what counts as competition and as collusion in it.

    Parameters
    ----------
    name : str
        What it is.
    game : Game
        The game.
    nash, most : float
        Payoff of a firm at the static equilibrium and at the joint maximum, of prices that need not be in the grid.
    price : ndarray
        The price of each action.
    """

    name: str
    game: tf.Game
    nash: float
    most: float
    price: Floats


def grid(nash: float, most: float) -> Floats:
    """Return the paper's prices: evenly from a tenth of the distance below the one to as much above the other."""
    margin = EXTENSION * (most - nash)
    return np.linspace(nash - margin, most + margin, PRICES)


def logit() -> Setting:
    """Return the paper's duopoly (its equation 5): a_i - c_i = 1, a_0 = 0, mu = 1/4."""

    def alike(price: float) -> float:
        own = np.exp((QUALITY - price) / DIFFERENTIATION)
        return float(own / (2.0 * own + 1.0))

    nash = brentq(lambda price: price - COST - DIFFERENTIATION / (1.0 - alike(price)), 1.01, 3.0, xtol=1e-13)
    most = minimize_scalar(
        lambda price: -(price - COST) * alike(price), bounds=(1.0, 3.0), method="bounded", options={"xatol": 1e-12}
    ).x  # fmt: skip
    prices = grid(nash, most)
    price = np.stack(np.meshgrid(prices, prices, indexing="ij"), axis=-1)
    weight = np.exp((QUALITY - price) / DIFFERENTIATION)
    payoff = (price - COST) * weight / (weight.sum(axis=-1, keepdims=True) + 1.0)
    labelled = xr.DataArray(
        payoff, dims=(*FIRMS, "provider"), coords={FIRMS[0]: prices, FIRMS[1]: prices, "provider": FIRMS}
    )
    profits = [(one - COST) * alike(one) for one in (nash, most)]
    return Setting("logit demand", tf.Game.from_payoffs(labelled), profits[0], profits[1], prices)


def market() -> Setting:
    """Return one node with two providers, each of which could serve all users twice, who pay up to twice the cost.

    Whoever asks less serves all at what it asks, two that ask the same serve half each: Bertrand's game, in which a
    price equal to cost, or the next one above it, is the static equilibrium, and the users' value the best for both.
    """
    offers: dict[str, Any] = {"dims": ("asset", "workload"), "coords": {"asset": FIRMS, "workload": ["chat"]}}
    users: dict[str, Any] = {
        "dims": ("node", "workload", "step"),
        "coords": {"node": ["here"], "workload": ["chat"], "step": [0]},
    }
    made = tf.Market(
        offer_price=xr.DataArray(np.full((2, 1), COST), **offers),
        capacity=xr.DataArray(np.full((2, 1), 2.0), **offers),
        demand=xr.DataArray(np.ones((1, 1, 1)), **users),
        value=xr.DataArray(np.full((1, 1, 1), VALUE), **users),
        asset_node="here",
        provider=FIRMS,
    )
    prices = grid(COST, VALUE)
    game = tf.game(made, actions=list(prices / COST - 1.0))
    return Setting("a market of one node", game, 0.0, 3600.0 * 0.5 * (VALUE - COST), prices)


def play(setting: Setting, case: Case, given: argparse.Namespace) -> Played:
    """Play the sessions of one case, or take them up where they were left."""
    learning, first = dict(case.learning), case is CASES[0]
    if not given.full and learning["decay"] < 1e-4:  # without memory trials end soon enough
        learning["decay"] *= given.haste
    out = None
    if given.store is not None:
        out = given.store / f"{setting.name} {case.name}".replace(" ", "_")
    return setting.game.play(
        "q_learning",
        sessions=given.sessions if first else given.others,
        periods=SEVERAL if given.full else 400_000,
        stop=100_000 if given.full else 2_000,
        seed=given.seed,
        workers=given.workers,
        out=out,
        **learning,
    )


def gain_of(setting: Setting, played: Played) -> Floats:
    """Return the profit gain of each session."""
    found: Floats = played.profit_gain(nash=setting.nash, collusive=setting.most).values
    return found


def deviations(setting: Setting, played: Played, discount: float) -> xr.Dataset:
    """Make each firm deviate for a period to each price, from each state of each session's final cycle.

    Returns
    -------
    Dataset
        Dims (case,), one for each session, state of its cycle and firm: `session`; `gain` (case, action), what the
        deviation is worth, discounted, beside going on as learnt; and of the deviation to the best static reply:
        `best`, the action; `answer`, the relative change of the rival's price in the next period; `length`, the
        periods until play is back in the cycle, the deviation counted (0: it is not, within the horizon).
    """
    sizes, end = setting.game.form.actions, played.dataset["end"].values
    session, step = np.nonzero(end >= 0)
    state = end[session, step]
    policies = [own[session] for own in played.policies]
    payoff = setting.game.form.payoff.reshape(-1, 2)
    weight = discount ** np.arange(HORIZON)
    every = np.arange(len(session))
    usual = follow(policies, sizes, state, HORIZON)
    at_home = np.zeros((len(end), setting.game.profiles), dtype=bool)
    at_home[session, state] = True
    parts = []
    for firm, stride in enumerate(strides_of(sizes).tolist()):
        own = (usual[0] // stride) % PRICES
        worth = weight @ payoff[usual, firm]
        gain = np.empty((len(session), PRICES))
        paths: list[Ints] = []
        for action in range(PRICES):
            moved = usual[0] + (action - own) * stride
            path = np.concatenate([moved[None], follow(policies, sizes, moved, HORIZON - 1)])
            gain[:, action] = weight @ payoff[path, firm] - worth
            paths.append(path[:40])
        once = payoff[usual[0][:, None] + (np.arange(PRICES) - own[:, None]) * stride, firm]
        best = once.argmax(axis=1)
        path = np.array(paths)[best, :, every]
        other = (path // strides_of(sizes)[1 - firm]) % PRICES
        price = setting.price[other]
        back = at_home[session[:, None], path]
        length = np.where(back.any(axis=1), back.argmax(axis=1) + 1, 0)
        parts.append(
            xr.Dataset(
                {
                    "session": ("case", session),
                    "firm": ("case", np.full(len(session), firm)),
                    "gain": (("case", "action"), gain),
                    "best": ("case", best),
                    "answer": ("case", price[:, 1] / price[:, 0] - 1.0),
                    "length": ("case", length),
                }
            )
        )
    return xr.concat(parts, "case")


def check(setting: Setting, played: Played, printed: dict[str, float]) -> pd.DataFrame:
    """Return the paper's numbers beside these, with bands over sessions."""
    ds, gain = played.dataset, gain_of(setting, played)
    found = deviations(setting, played, DISCOUNT)
    pays = found["gain"].values
    taken = pays[np.arange(len(pays)), found["best"].values]
    size = float(np.abs(setting.game.form.payoff).max())
    tempted = (pays > 1e-9 * size).any(axis=1)
    by_session = pd.Series(tempted).groupby(found["session"].values).any()
    back = found["length"].values > 0
    rows: dict[str, Any] = {
        "profit gain": gain,
        "share converged": ds["converged"].values,
        "periods until no policy changed": ds["settled"].values,
        "share that ends in one price each": ds["cycle_length"].values == 1,
        "share that ends in cycles of two": ds["cycle_length"].values == 2,
        "share without profitable one-period deviation": np.logical_not(by_session.to_numpy(dtype=bool)),
        "rival's price after a deviation, relative change": found["answer"].values,
        "share of deviations that do not pay": taken < -1e-9 * size,
        "periods until the return": found["length"].values[back],
        "share of deviations after which play returns": back,
    }
    table = pd.DataFrame({name: _row(values, printed.get(name)) for name, values in rows.items()}).T
    spread = {
        "paper": printed.get("profit gain, deviation over sessions"),
        "here": gain.std(ddof=1) if len(gain) > 1 else None,
    }
    table.insert(0, "measure", table.index)
    table.loc["profit gain, deviation over sessions"] = {
        "measure": "profit gain, deviation over sessions", **spread
    }  # fmt: skip
    return table.set_index("measure")


def _row(values: Any, printed: float | None) -> dict[str, float | None]:
    """Return a mean, its 95 % interval's half width, and quantiles where values are no yes or no."""
    numbers = np.asarray(values, dtype=np.float64)
    if not len(numbers):  # nothing to count: no deviation after which play returns
        return {"paper": printed, "here": None, "+-": None, "5 %": None, "95 %": None}
    error = 1.96 * numbers.std(ddof=1) / np.sqrt(len(numbers)) if len(numbers) > 1 else np.nan
    low, high = np.quantile(numbers, (0.05, 0.95)) if np.asarray(values).dtype != bool else (None, None)
    return {"paper": printed, "here": numbers.mean(), "+-": error, "5 %": low, "95 %": high}


def without(setting: Setting, plays: dict[str, Played], place: int) -> pd.DataFrame:
    """Return the profit gain of every case beside the paper's."""
    return pd.DataFrame(
        {case.name: _row(gain_of(setting, plays[case.name]), case.gains[place]) for case in CASES}
    ).T


def draw(settings: list[Setting], plays: list[dict[str, Played]]) -> Figure:
    """Draw what follows on a deviation in each game, and the profit gains of all cases."""
    with house_style():
        figure = HouseFigure(figsize=(7.2, 5.2), layout="constrained")
        axes = figure.subplots(2, 2, width_ratios=[1.5, 1.0])
        for row, (setting, played) in enumerate(zip(settings, plays, strict=True)):
            _draw_answer(axes[row, 0], setting, played[CASES[0].name])
            _draw_gains(axes[row, 1], setting, played)
        axes[0, 0].legend(loc="lower right")
    return figure


def _draw_answer(ax: Axes, setting: Setting, played: Played) -> None:
    """Draw prices after each firm in turn has deviated: means, and the middle half of sessions."""
    answers = [played.impulse_response(name, "best", 15, only_converged=False) for name in FIRMS]
    for who, label in enumerate(("who deviates", "its rival")):
        place = np.concatenate(
            [one.place.values[..., firm if who == 0 else 1 - firm] for firm, one in enumerate(answers)]
        )
        price = setting.price[place]
        colour, periods = PALETTES["provider"][who], answers[0].period.values
        low, high = np.quantile(price, (0.25, 0.75), axis=0)
        ax.fill_between(periods, low, high, color=colour, alpha=0.2, linewidth=0)
        style = "-" if who == 0 else "--"
        ax.plot(periods, price.mean(axis=0), color=colour, ls=style, marker="o", ms=2.5, label=label)
    ax.set_title(f"Forced deviation in period 1: {setting.name}")
    ax.set_xlabel("Period")
    ax.set_ylabel("Price")


def _draw_gains(ax: Axes, setting: Setting, plays: dict[str, Played]) -> None:
    """Draw the distribution of profit gains over sessions in each case."""
    gains = [gain_of(setting, plays[case.name]) for case in CASES]
    rows = np.arange(len(CASES))[::-1]
    for row, values in zip(rows, gains, strict=True):
        low, left, middle, right, high = np.quantile(values, (0.05, 0.25, 0.5, 0.75, 0.95))
        ax.hlines(row, low, high, color=INK, lw=0.7)
        ax.hlines(row, left, right, color=PALETTES["provider"][0], lw=5.0, alpha=0.6)
        ax.plot([middle], [row], "o", color=INK, ms=3.0)
    ax.set_yticks(rows, [case.name for case in CASES])
    ax.grid(axis="x")
    ax.axvline(0.0, color="#999999", lw=0.8)
    ax.margins(x=0.05)
    ax.set_title("Profit gain")
    ax.set_xlabel("0 competition, 1 collusion")


def main() -> None:
    """Play, print the tables and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--full", action="store_true", help="the paper's sessions, to its convergence")
    parser.add_argument("--sessions", type=int, help="sessions of each case (1,000 with --full; else 24)")
    parser.add_argument("--others", type=int, help="sessions of each case but the first, if fewer")
    parser.add_argument(
        "--haste", type=float, default=60.0, help="how much faster trials end where not --full"
    )
    parser.add_argument("--seed", type=int, default=0, help="of all sessions")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--store", type=Path, help="folder that keeps play, to go on after a break")
    parser.add_argument("--figure", type=Path, help="file to draw into")
    given = parser.parse_args()
    given.sessions = given.sessions or (1000 if given.full else 24)
    given.others = given.others or given.sessions
    if given.store is not None:
        given.store.mkdir(parents=True, exist_ok=True)
    if min(given.sessions, given.others) < 2 or given.haste <= 0:
        parser.error("--sessions and --others must be at least 2 and --haste above 0")
    settings, plays = [logit(), market()], list[dict[str, Played]]()
    if not given.full:
        print(
            f"Trials end {given.haste:g} times as fast as in the paper, and {given.sessions} sessions stop after 2,000"
            " unchanged periods: these are not the paper's numbers, which --full is for.\n"
        )
    for place, setting in enumerate(settings):
        found = {case.name: play(setting, case, given) for case in CASES}
        plays.append(found)
        with pd.option_context("display.width", 200, "display.float_format", "{:,.3f}".format):
            counts = (
                f"{given.sessions:,} sessions with memory and patience, {given.others:,} of each other case"
            )
            print(f"{setting.name}: {counts}; +-: 95 % interval of the mean\n")
            print(check(setting, found[CASES[0].name], PRINTED[place]).astype(float).to_string(na_rep=""))
            print(
                "\nprofit gain\n" + without(setting, found, place).astype(float).to_string(na_rep="") + "\n"
            )
    if given.figure:
        draw(settings, plays).savefig(given.figure, dpi=150)
        print(given.figure)


if __name__ == "__main__":
    main()
