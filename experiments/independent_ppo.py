"""Independent PPO on us5 and us20_oligopoly: what providers that learn side by side come to, beside best responses.

Every provider has a policy of its own, which sets one mark-up an hour for all that it has, and learns from its own
profit by `tokenflow_sim.learning.train_independent`. After every piece of the training the policies play a day as
strategies of an ordinary run, without exploring. Prints mark-ups, profit, price and welfare by hours learnt from,
beside truthful offers and what `tf.equilibrium` finds, and what each could still gain by a constant mark-up while the
others play on. Where PyTorch or Stable-Baselines3 is missing, only the comparisons without learning are printed.

    python experiments/independent_ppo.py [--full] [--markets us5] [--seeds 3] [--deviation 0.15] [--store DIR]
        [--figure ppo.png]
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator, StrMethodFormatter

import tokenflow_sim as tf
from tokenflow_sim.disk import write_whole
from tokenflow_sim.learning.learning_curve import FILE
from tokenflow_sim.market import Clearer, Market
from tokenflow_sim.numeric import SECONDS_PER_HOUR
from tokenflow_sim.plot.style import DASHES, PALETTES, HouseFigure, house_style
from tokenflow_sim.strategies.assignment import Choice

HIGHEST = 8.0  # mark-up
# Short rollouts learn sooner from few periods; what an hour brings hardly depends on the hours before.
PARAMETERS = {"n_steps": 256, "batch_size": 64, "gamma": 0.9, "learning_rate": 1e-3}
ENVIRONMENT = {
    "periods": 168,
    "actions": {"form": "continuous", "levers": ["markup"], "highest_markup": HIGHEST},
}
RECORD = ("profit", "welfare", "payment", "demand", "unserved", "offer_price")
DEVIATIONS = (0.0, 0.3, 1.0, 2.0, 3.0, HIGHEST)
HOUR = 12  # UTC on Monday, the hour that best responses are looked for in


@dataclass(frozen=True)
class Size:
    """How much is played.

    Parameters
    ----------
    steps : dict
        Hours that each market's policies learn from.
    pieces : int
        Into how many pieces a training is divided; after each, policies play.
    hours : int
        Hours that they play.
    levels : int
        How often the grid of best responses is refined.
    """

    steps: Mapping[str, int]
    pieces: int
    hours: int
    levels: int


SHORT = Size({"us5": 2048, "us20_oligopoly": 256}, 2, 13, 0)
FULL = Size({"us5": 20480, "us20_oligopoly": 5120}, 20, 24, 2)


def can_train() -> bool:
    """Return whether the libraries that training needs are installed."""
    return all(find_spec(name) is not None for name in ("torch", "stable_baselines3"))


def played(market: str, strategies: Mapping[str, Choice], hours: int, seed: int = 0) -> pd.DataFrame:
    """Play a run, and return each provider's mark-up and profit in $, by hour, with the market's price and welfare.

    Returns
    -------
    DataFrame
        Columns provider, hour, markup, profit, price ($/Mtok), welfare and payment of all users ($).
    """
    ds = _run(market, strategies, hours, seed)
    over_cost = (ds.offer_price / _costs(market, hours, seed) - 1).mean("workload")
    markup = over_cost.groupby("asset_provider").mean().rename(asset_provider="provider")
    served = ds.demand - ds.unserved
    seconds = SECONDS_PER_HOUR * ds.attrs["hours"]
    tokens = served.sum([dim for dim in served.dims if dim != "period"]) * seconds
    own = {"markup": markup.sel(provider=ds.provider), "profit": ds.profit}
    frame = pd.DataFrame({name: one.to_series() for name, one in own.items()}).reset_index()
    paid = ds.payment.sum(("node", "workload"))
    of_all = {"price": paid / tokens, "welfare": ds.welfare, "payment": paid}
    by_hour = pd.DataFrame({name: one.to_series() for name, one in of_all.items()})
    return frame.join(by_hour, on="period").rename(columns={"period": "hour"})


_CLEARERS: dict[str, Clearer | None] = {}


def _run(market: str, strategies: Mapping[str, Choice], hours: int, seed: int) -> xr.Dataset:
    clearer = _CLEARERS.get(market)  # builds a solver's model once
    model = tf.TokenMarket(
        market, rng=seed, periods=hours, strategies=strategies, record=RECORD, clearer=clearer
    )
    model.run()
    _CLEARERS[market] = model.clearing_house.clearer
    return model.results()


@cache
def _costs(market: str, hours: int, seed: int) -> xr.DataArray:
    """Return truthful offers in $/Mtok: true costs, which depend on the hour and not on what anybody does."""
    return _run(market, {"providers": "marginal_cost"}, hours, seed).offer_price


def train(
    market: str, size: Size, steps: int, seed: int, store: Path, deviation: float = 1.0
) -> pd.DataFrame:
    """Train in pieces, and have the policies play after each; what is in the store already is not done again.

    Policies draw around their means with a `deviation` at first, where actions go from -1 to 1. Returns what `played`
    does, with the column step.
    """
    from tokenflow_sim.learning import train_independent

    folder = store / f"{market}-seed-{seed}"
    table = folder / "played.csv"
    rows = pd.read_csv(table) if table.exists() else pd.DataFrame()

    def play(done: int, policies: Mapping[str, Path]) -> None:
        nonlocal rows
        if len(rows) and done <= rows.step.max():
            return  # interrupted between the table and the checkpoint
        strategies: dict[str, Choice] = {name: tf.LearnedPolicy(path) for name, path in policies.items()}
        now = played(market, strategies, size.hours).assign(step=done)
        rows = pd.concat([rows, now], ignore_index=True)
        write_whole(table, rows.to_csv(index=False).encode())
        print(f"{market}, seed {seed}: {done} of {steps} steps", flush=True)

    parameters: dict[str, Any] = dict(PARAMETERS)
    if deviation != 1.0:  # Stable-Baselines3's own
        parameters["policy_kwargs"] = {"log_std_init": math.log(deviation)}
    if rows.empty or rows.step.max() < steps:
        train_independent(
            market, steps=steps, out=folder, seed=seed, parameters=parameters, environment=ENVIRONMENT,
            checkpoint=max(steps // size.pieces, PARAMETERS["n_steps"]), evaluate=play,
            resume=(folder / "checkpoint.pkl").exists(), tensorboard=False,
        )  # fmt: skip
    return rows


def exploitability(market: str, seed: int, hours: int, store: Path, *, trying: bool = False) -> pd.DataFrame:
    """Return what each could gain by the best constant mark-up while the others play their policies on.

    It is a lower bound of what is left to gain, since a mark-up may also change by the hour. With `trying` all play as
    they do while they learn, drawing around their policies. Beside it stands where the mean of a policy that draws as
    widely as its own still does, or hardly, would earn most.
    """
    folder = store / f"{market}-seed-{seed}"
    policies: dict[str, Choice] = {
        path.parent.name: tf.LearnedPolicy(path.parent, deterministic=not trying)
        for path in sorted(folder.glob("*/policy.json"))
    }
    now = played(market, policies, hours)
    profit, paid = now.groupby("provider").profit.sum(), now.drop_duplicates("hour").payment.sum()
    rows = {}
    for name in policies:
        found = {}
        for markup in DEVIATIONS:
            own: dict[str, Choice] = {name: {"name": "fixed_markup", "markup": markup}}
            frame = played(market, policies | own, hours)
            found[markup] = float(frame[frame.provider == name].profit.sum())
        best = max(found, key=lambda markup: found[markup])
        gain = max(0.0, found[best] - profit[name])
        rows[name] = {
            "mark-up": now[now.provider == name].markup.mean(),
            "k$/h": profit[name] / 1e3 / hours,
            "best constant mark-up": best,
            "could gain, k$/h": gain / 1e3 / hours,
            "% of what demand pays": 100 * gain / paid,
        }
        rows[name] |= {f"at {markup:g}, k$/h": found[markup] / 1e3 / hours for markup in DEVIATIONS}
        tries = float(pd.read_csv(folder / FILE)[f"{name}/std"].iloc[-1])
        rows[name]["deviation"] = tries
        rows[name]["best mean"] = best_mean(found, tries)
        rows[name]["best mean at 0.1"] = best_mean(found, 0.1)
    return pd.DataFrame(rows).T


def best_mean(profit: Mapping[float, float], deviation: float) -> float:
    """Return the mark-up around which a policy that draws its actions earns most.

    Parameters
    ----------
    profit : mapping
        Profit by constant mark-up, in $; it is interpolated between actions.
    deviation : float
        Standard deviation of what is drawn, where actions go from -1 to 1; beyond these they are these.
    """
    places = 2.0 * np.log1p(list(profit)) / np.log1p(HIGHEST) - 1.0
    draws = np.array([NormalDist().inv_cdf((number + 0.5) / 1000) for number in range(1000)])
    means = np.linspace(-1.0, 1.0, 201)
    earned = [
        np.interp(np.clip(mean + deviation * draws, -1.0, 1.0), places, list(profit.values())).mean()
        for mean in means
    ]
    return float((1.0 + HIGHEST) ** ((means[int(np.argmax(earned))] + 1.0) / 2.0) - 1.0)


def market_at(market: str, hour: int) -> Market:
    """Return the market of an hour of expected demand, with truthful offers and the bids that regions make."""
    scenario = tf.load_scenario(market, {"periods": hour + 1})
    if "noise" in scenario.to_yaml():
        scenario = scenario.override({"demand.noise": None})
    model = tf.TokenMarket(scenario, rng=0, strategies={"providers": "marginal_cost"}, record=())
    model.run()
    clearing = model.clearing_house.clearing
    assert clearing is not None, "a period was cleared"
    return clearing.market


def best_responses(market: str, levels: int) -> tuple[str, pd.DataFrame]:
    """Return what best responses lead to in an hour: in words, and by provider."""
    found = tf.equilibrium(
        market_at(market, HOUR), by="provider", points=9, levels=levels, random=0, ceiling=HIGHEST, clearings=1500,
    )  # fmt: skip
    frame = found.dataset[["profit", "gain"]].to_dataframe()
    frame.insert(0, "markup", found.dataset.action.isel(workload=0).to_series())
    return str(found), frame


def table(market: str, rows: pd.DataFrame, truthful: pd.DataFrame, responses: pd.DataFrame) -> pd.DataFrame:
    """Return mark-ups and profits of the last policies in the hour of best responses, beside those and truth.

    Of the trainings the mean is shown, and the least and the most of all.
    """
    honest = truthful[truthful.hour == HOUR].set_index("provider").profit
    frame = pd.DataFrame({"truthful: k$/h": honest / 1e3})
    frame["best responses: mark-up"] = responses.markup
    frame["k$/h"] = responses.profit / 1e3
    if len(rows):
        last = rows[(rows.step == rows.step.max()) & (rows.hour == HOUR)].groupby("provider")
        for name, values in (("mark-up", last.markup), ("k$/h", last.profit)):
            unit = 1.0 if name == "mark-up" else 1e3
            frame[f"PPO: {name}"] = values.mean() / unit
            frame[f"{name}, least"], frame[f"{name}, most"] = values.min() / unit, values.max() / unit
    return frame.rename_axis(market)


def course(rows: pd.DataFrame, truthful: pd.DataFrame) -> pd.DataFrame:
    """Return profit, price and welfare of the day by steps taken and seed, in % over those of the truthful day.

    Where all must be served welfare is what serving costs, below zero: the change is in % of its size.
    """

    def day(frame: pd.DataFrame) -> dict[str, float]:
        hourly = frame.drop_duplicates("hour")
        return {"profit": frame.profit.sum(), "price": hourly.price.mean(), "welfare": hourly.welfare.sum()}

    base = day(truthful)
    days = {at: day(part) for at, part in rows.groupby(["step", "seed"])}
    more = {
        at: {f"{key}, % more": 100 * (now[key] - base[key]) / abs(base[key]) for key in base}
        for at, now in days.items()
    }
    return pd.DataFrame(more).T.rename_axis(["step", "seed"])


def held(market: str, responses: pd.DataFrame, hours: int) -> pd.DataFrame:
    """Return the day that best responses bring where all hold those of the one hour."""
    found = responses.markup.items()
    return played(
        market, {str(name): {"name": "fixed_markup", "markup": float(one)} for name, one in found}, hours
    )


@dataclass(frozen=True)
class Found:
    """What is drawn of a market: rows of training, the truthful day, best responses, and the day they bring."""

    rows: pd.DataFrame
    truthful: pd.DataFrame
    responses: pd.DataFrame
    replies: pd.DataFrame


def draw(learnt: Mapping[str, Found]) -> Figure:
    """Draw mark-ups, price and welfare by hours learnt from, a column for each market."""
    with house_style():
        figure = HouseFigure(figsize=(7.6, 6.6), layout="constrained")
        axes = figure.subplots(3, len(learnt), squeeze=False, sharex="col", height_ratios=[1.7, 1, 1])
        for (top, middle, bottom), (market, found) in zip(axes.T, learnt.items(), strict=True):
            _draw_markups(top, found)
            top.set_title(market)
            _draw_day(middle, found, "price")
            _draw_day(bottom, found, "welfare")
            bottom.set_xlabel("hours learnt from")
            bottom.xaxis.set_major_locator(MaxNLocator(4))
            bottom.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes[0, 0].set_ylabel("mark-up, mean of a day")
        axes[1, 0].set_ylabel("price, $/Mtok")
        axes[2, 0].set_ylabel("change of welfare, %")
        axes[1, 0].legend(fontsize=6.5, loc="center right")
    return figure


def _draw_markups(ax: Axes, found: Found) -> None:
    mean = found.rows.groupby(["provider", "seed", "step"]).markup.mean()
    names = found.rows.provider.unique()
    for number, name in enumerate(names):
        shade, dash = PALETTES["provider"][number], DASHES[number % len(DASHES)]
        for seed in found.rows.seed.unique():
            line = mean[name, seed]
            label = name if seed == found.rows.seed.min() else None
            ax.plot(line.index, line, color=shade, ls=dash, lw=1.1, alpha=0.85, label=label)
        # Beside each other, since several may be the same.
        ax.plot(
            1.02 + 0.02 * number, min(found.responses.markup[name], HIGHEST), "<", color=shade, ms=4.5,
            clip_on=False, transform=ax.get_yaxis_transform(), label=None,
        )  # fmt: skip
    ax.plot([], [], "<", color="#777777", ms=4.5, label="best responses")
    ax.set_yscale("symlog", linthresh=0.5)
    ax.set_yticks([0, 0.25, 0.5, 1, 2, 4, 8], ["0", "0.25", "0.5", "1", "2", "4", "8"])
    ax.yaxis.set_minor_locator(NullLocator())
    ax.set_ylim(-0.05, 9)
    ax.legend(fontsize=6.5, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.02), columnspacing=1.0)


def _draw_day(ax: Axes, found: Found, key: str) -> None:
    """Draw a day's price or welfare by hours learnt from, beside best responses' and truthful offers'."""

    def level(frame: pd.DataFrame) -> pd.Series:
        if key == "price":
            return frame.drop_duplicates(["step", "seed", "hour"]).groupby(["step", "seed"]).price.mean()
        return course(frame, found.truthful)[f"{key}, % more"]

    by_step = level(found.rows).groupby("step")
    shade = PALETTES["part"][1]
    ax.plot(by_step.mean(), color=shade, label="independent PPO, mean and range of trainings")
    ax.fill_between(by_step.min().index, by_step.min(), by_step.max(), color=shade, alpha=0.25, lw=0)
    for frame, dash, label in (
        (found.replies, DASHES[1], f"best responses of hour {HOUR}, all day"),
        (found.truthful, DASHES[2], "truthful"),
    ):
        ax.axhline(level(frame.assign(step=0, seed=0)).iloc[0], color="#777777", lw=1.0, ls=dash, label=label)
    ax.margins(x=0, y=0.12)


def main() -> None:
    """Compare, train, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--full", action="store_true", help="train for longer: 20,480 and 5,120 hours")
    parser.add_argument("--markets", nargs="+", choices=list(FULL.steps), default=list(FULL.steps))
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each market")
    parser.add_argument("--steps", type=int, help="hours to learn from")
    parser.add_argument(
        "--deviation", type=float, default=1.0, help="of trials at first; a store holds trainings of one only"
    )
    parser.add_argument("--store", type=Path, help="folder that keeps trainings, to go on after a break")
    parser.add_argument("--figure", type=Path, help="file to draw into")
    given = parser.parse_args()
    if given.seeds < 1 or (given.steps is not None and given.steps < PARAMETERS["n_steps"]):
        parser.error(f"--seeds must be at least 1, --steps at least {PARAMETERS['n_steps']}")
    if not given.deviation > 0:
        parser.error("--deviation must be above 0")
    size, trains = FULL if given.full else SHORT, can_train()
    learnt = {}
    with (
        tempfile.TemporaryDirectory() as temporary,
        pd.option_context("display.width", 220, "display.max_columns", 20, "display.precision", 3),
    ):
        store = given.store or Path(temporary)
        for market in given.markets:
            truthful = played(market, {"providers": "marginal_cost"}, size.hours)
            words, responses = best_responses(market, size.levels)
            replies = held(market, responses, size.hours)
            rows = pd.DataFrame()
            if trains:
                steps = given.steps or size.steps[market]
                parts = [
                    train(market, size, steps, seed, store, given.deviation).assign(seed=seed)
                    for seed in range(given.seeds)
                ]
                rows = pd.concat(parts, ignore_index=True)
                learnt[market] = Found(rows, truthful, responses, replies)
            print(f"\n{market}, hour {HOUR}. Best responses: {words}\n")
            print(table(market, rows, truthful, responses), end="\n\n")
            if trains:
                day = course(replies.assign(step=0, seed=0), truthful)
                print(f"best responses of hour {HOUR}, held all day\n{day}\n")
                by_step = course(rows, truthful).groupby("step")
                print(by_step.mean(), end="\n\n")
                ends = pd.DataFrame({"least": by_step.min().iloc[-1], "most": by_step.max().iloc[-1]})
                print(f"at the end\n{ends}\n")
                for seed in range(given.seeds):
                    for trying in (False, True) if given.full else (False,):
                        left = exploitability(market, seed, size.hours, store, trying=trying)
                        print(f"left to gain, seed {seed}, {'trying' if trying else 'not trying'}\n{left}\n")
    if not trains:
        print(
            "Nothing was trained: PyTorch or Stable-Baselines3 is missing (pip install torch stable-baselines3)."
        )
    elif given.figure:
        draw(learnt).savefig(given.figure, dpi=150)
        print(given.figure)


if __name__ == "__main__":
    main()
