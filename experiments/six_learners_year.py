"""Let the six providers of us20_oligopoly learn for a year, beside six that are truthful.

All six learn by the same rule: Q-learning over states of scarcity, Roth and Erev's reinforcement, or UCB1. Each
chooses one mark-up an hour for all that it has, and is rewarded with its own profit. Runs with the same seed meet the
same demand, so that differences to truthful offers are paired. Prints what happens to prices, service and welfare, who
gains, and where; docs/explanation/learners-in-us20.md says what came out.

    python experiments/six_learners_year.py [--full] [--seeds 2] [--workers 2] [--store DIR] [--figure year.png]
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
from tokenflow_sim.numeric import SECONDS_PER_HOUR
from tokenflow_sim.plot.style import INK, PALETTES, HouseFigure, house_style
from tokenflow_sim.strategies.assignment import Choice
from tokenflow_sim.study.runner import run_tasks
from tokenflow_sim.study.task import Task

YEAR, WEEK = 8760, 168  # hours
TRUTHFUL = "truthful"
# The bandit and Roth-Erev learn from profit itself, as Q-learning does: another clearing an hour for each provider,
# which shows what truthful offers would have earned, would make the year three times as long.
RULES: dict[str, Choice] = {
    TRUTHFUL: "marginal_cost",
    "q_learning": "q_learning",
    "roth_erev": {"name": "roth_erev", "baseline": "none"},
    "ucb1": {"name": "ucb1", "baseline": "none"},
}
LEARNERS = tuple(name for name in RULES if name != TRUTHFUL)
RECORD = (
    "demand", "unserved", "payment", "service_value", "dispatch", "offer_price", "cost", "profit", "owner_income",
    "welfare",
)  # fmt: skip


def reduce(model: tf.TokenMarket) -> xr.Dataset:
    """Keep sums by week: money in $, tokens in Mtok, and what providers asked for what they sold."""
    ds = model.results()
    seconds = float(ds.attrs["hours"]) * SECONDS_PER_HOUR
    asked = (ds.offer_price * ds.dispatch).sum("workload") * seconds
    hourly = xr.Dataset(
        {
            "tokens": (ds.demand - ds.unserved).sum("step") * seconds,
            "payment": ds.payment,
            "value": ds.service_value.sum("workload"),
            "profit": ds.profit,
            "tariffs": ds.owner_income.sum("owner"),
            "welfare": ds.welfare,
        }
    )
    for name, by_asset in (("asked", asked), ("cost", ds.cost.sum("workload"))):
        hourly[name] = by_asset.groupby("asset_provider").sum().rename(asset_provider="provider")
    hourly["hours"] = xr.ones_like(ds.welfare)
    week = (ds.period // WEEK).rename("week").drop_vars("time", errors="ignore")
    return hourly.drop_vars("time", errors="ignore").groupby(week).sum()


def play(seeds: int, periods: int, workers: int, store: Path | None) -> xr.Dataset:
    """Play every rule with every seed; dims (seed, rule, week). A store keeps each run as it ends, seed by seed."""
    scenario = tf.load_scenario("us20_oligopoly", {"periods": periods})
    rows = []
    for seed in range(seeds):
        tasks = [
            Task(scenario, seed, {"rule": name, "seed": seed}, {"providers": choice})
            for name, choice in RULES.items()
        ]
        place = None if store is None else store / f"seed-{seed}"
        if store is not None:
            store.mkdir(parents=True, exist_ok=True)
        batch = run_tasks(tasks, reduce, record=RECORD, workers=workers, store=place)
        if batch.failures:
            raise SystemExit(batch.failures_text())
        runs = [batch.results[position] for position in range(len(tasks))]
        rows.append(xr.concat(runs, pd.Index(RULES, name="rule")))
    return xr.concat(rows, pd.RangeIndex(seeds, name="seed"))


def more(values: xr.DataArray) -> xr.DataArray:
    """Return how many % more than with truthful offers at the same seed."""
    return 100 * (values / values.sel(rule=TRUTHFUL, drop=True) - 1)


def late(runs: xr.Dataset) -> xr.Dataset:
    """Return the last quarter of the weeks."""
    return runs.isel(week=slice(-max(1, runs.sizes["week"] // 4), None))


def dearer(runs: xr.Dataset, *over: str) -> xr.DataArray:
    """Return how many % more the truthful runs' tokens, week by week and hub by hub, would cost at a rule's prices.

    A mean over what is served would rise already where cheap classes go unserved.
    """
    price = runs.payment / runs.tokens
    basket = runs.tokens.sel(rule=TRUTHFUL, drop=True)
    return more((price * basket).sum(over))


def mean_price(runs: xr.Dataset, *over: str) -> xr.DataArray:
    """Return what a Mtok cost on average in $, weighted by what was served."""
    return runs.payment.sum(over) / runs.tokens.sum(over)


def _with_range(values: xr.DataArray) -> str:
    mean = f"{float(values.mean()):.3g}"
    return (
        mean
        if values.sizes["seed"] == 1
        else f"{mean} ({float(values.min()):.3g} to {float(values.max()):.3g})"
    )


def market_table(runs: xr.Dataset) -> pd.DataFrame:
    """Return what learning does to prices, service, profit, users and welfare; % are of truthful runs, paired."""
    everything = ("week", "node", "workload")
    table: dict[str, list[str]] = {}
    for name, part in (("", runs), (", last quarter", late(runs))):
        users = part.value.sum(("week", "node")) - part.payment.sum(everything)
        columns = {
            "price, % more": dearer(part, *everything),
            "tokens, % more": more(part.tokens.sum(everything)),
            "profit, % more": more(part.profit.sum(("week", "provider"))),
            "tariffs, % more": more(part.tariffs.sum("week")),
            "users' surplus, % more": more(users),
            "welfare, % more": more(part.welfare.sum("week")),
        }
        for title, values in columns.items():
            head, _, unit = title.partition(", ")
            table[f"{head}{name}, {unit}"] = [_with_range(values.sel(rule=rule)) for rule in LEARNERS]
    return pd.DataFrame(table, index=pd.Index(LEARNERS, name="rule")).T


def money_table(runs: xr.Dataset) -> pd.DataFrame:
    """Return the levels: price in $/Mtok by class, and money in M$ a week."""
    weeks = float(runs.hours.isel(seed=0, rule=0).sum()) / WEEK
    price = mean_price(runs, "week", "node").mean("seed")
    users = runs.value.sum("node") - runs.payment.sum(("node", "workload"))
    columns = {f"{k}, $/Mtok": price.sel(workload=k) for k in map(str, runs.workload.values)}
    for title, values in (
        ("payment", runs.payment.sum(("node", "workload"))),
        ("profit", runs.profit.sum("provider")),
        ("users' surplus", users),
        ("welfare", runs.welfare),
    ):
        columns[f"{title}, M$ a week"] = values.sum("week").mean("seed") / weeks / 1e6
    return pd.DataFrame({title: values.to_series() for title, values in columns.items()}, index=list(RULES)).T


def provider_table(runs: xr.Dataset) -> pd.DataFrame:
    """Return who gains: profit over that of truthful runs, and the mark-up on what each sold in the last quarter."""
    gains = more(runs.profit.sum("week"))
    end = late(runs)
    asked = (end.asked.sum("week") / end.cost.sum("week") - 1).mean("seed")
    columns: dict[str, list[str]] = {}
    for rule in LEARNERS:
        columns[f"{rule}: profit, % more"] = [
            _with_range(gains.sel(rule=rule, provider=one)) for one in runs.provider.values
        ]
        columns[f"{rule}: mark-up at the end"] = [
            f"{float(asked.sel(rule=rule, provider=one)):.2f}" for one in runs.provider.values
        ]
    return pd.DataFrame(columns, index=runs.provider.values)


def place_table(runs: xr.Dataset) -> pd.DataFrame:
    """Return where prices rise, and who pays: by hub, in % of truthful runs, dearest first."""
    rise = dearer(runs, "week", "workload").mean("seed")
    surplus = runs.value.sum("week") - runs.payment.sum(("week", "workload"))
    loss = more(surplus).mean("seed")
    before = mean_price(runs, "week", "workload").sel(rule=TRUTHFUL).mean("seed")
    columns = {"truthful, $/Mtok": before.to_series()}
    for rule in LEARNERS:
        columns[f"{rule}: price, % more"] = rise.sel(rule=rule).to_series()
        columns[f"{rule}: users' surplus, % more"] = loss.sel(rule=rule).to_series()
    order = rise.sel(rule=list(LEARNERS)).mean("rule").to_series().sort_values(ascending=False).index
    return pd.DataFrame(columns).loc[order]


def draw(runs: xr.Dataset) -> Figure:
    """Draw prices over time, who gains, and where it becomes dearer."""
    with house_style():
        figure = HouseFigure(figsize=(7.2, 6.0), layout="constrained")
        axes = figure.subplot_mosaic([["time", "place"], ["who", "place"]], width_ratios=[1.15, 1])
        _draw_time(axes["time"], runs)
        _draw_who(axes["who"], runs)
        _draw_place(axes["place"], runs)
        figure.legend(*axes["who"].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


_MARKS = dict(zip(LEARNERS, ("o", "s", "^"), strict=True))
_SHADES = dict(zip(LEARNERS, PALETTES["provider"], strict=False))
_DASHED = dict(zip(LEARNERS, ("-", "--", ":"), strict=True))


def _draw_time(ax: Axes, runs: xr.Dataset) -> None:
    # A year ends with one day of a 53rd week, which says nothing beside whole weeks.
    hours = runs.hours.isel(seed=0, rule=0)
    runs = runs.isel(week=(hours == hours.max()).values)
    weeks = runs.week.values + 1
    rise = dearer(runs, "node", "workload")
    for rule in LEARNERS:
        one = rise.sel(rule=rule)
        ax.plot(weeks, one.mean("seed"), color=_SHADES[rule], ls=_DASHED[rule], marker=_MARKS[rule], ms=2)
        ax.fill_between(weeks, one.min("seed"), one.max("seed"), color=_SHADES[rule], alpha=0.2, lw=0)
    ax.axhline(0.0, color="#999999", lw=0.8)
    ax.set_title("Prices, band of seeds")
    ax.set_xlabel("week")
    ax.set_ylabel("% over truthful")


def _draw_who(ax: Axes, runs: xr.Dataset) -> None:
    gains = more(runs.profit.sum("week"))
    places = np.arange(runs.sizes["provider"])
    for number, rule in enumerate(LEARNERS):
        one, at = gains.sel(rule=rule), places + 0.22 * (number - 1)
        ax.vlines(at, one.min("seed"), one.max("seed"), color=_SHADES[rule], lw=1.2)
        ax.plot(at, one.mean("seed"), _MARKS[rule], color=_SHADES[rule], ms=4, label=rule)
    ax.axhline(0.0, color="#999999", lw=0.8)
    ax.set_xticks(places, runs.provider.values)
    ax.set_xlim(-0.5, len(places) - 0.5)
    ax.set_title("Profit")
    ax.set_ylabel("% over truthful")


def _draw_place(ax: Axes, runs: xr.Dataset) -> None:
    table = place_table(runs)
    rows = np.arange(len(table))[::-1]
    for rule in LEARNERS:
        ax.plot(
            table[f"{rule}: price, % more"], rows, _MARKS[rule], color=_SHADES[rule], ms=4, mec=INK, mew=0.3
        )
    ax.axvline(0.0, color="#999999", lw=0.8)
    ax.set_yticks(rows, [name.replace("_", " ") for name in table.index])
    ax.grid(axis="x")
    ax.margins(x=0.05)
    ax.set_title("Prices by hub")
    ax.set_xlabel("% over truthful")


def main() -> None:
    """Play, print the tables and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--full", action="store_true", help="play a whole year")
    parser.add_argument("--seeds", type=int, default=2, help="runs of each rule")
    parser.add_argument("--periods", type=int, help="hours from Monday 00:00 UTC on; a week if left out")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--store", type=Path, help="folder that keeps finished runs, to go on after a break")
    parser.add_argument("--figure", type=Path, help="file to draw into")
    given = parser.parse_args()
    periods = given.periods or (YEAR if given.full else WEEK)
    if given.seeds < 1 or periods < 1:
        parser.error("--seeds and --periods must be at least 1")
    runs = play(given.seeds, periods, given.workers, given.store)
    with pd.option_context("display.width", 220, "display.max_columns", 20, "display.precision", 3):
        print(f"{periods} hours, {given.seeds} seeds; in brackets from the lowest to the highest seed\n")
        for table in (money_table(runs), market_table(runs), provider_table(runs), place_table(runs)):
            print(table, end="\n\n")
    if given.figure:
        draw(runs).savefig(given.figure, dpi=150)
        print(given.figure)


if __name__ == "__main__":
    main()
