"""Show the market of us20_oligopoly over its week, what its fleets earn, and who is missed when away.

Clears every hour of the scenario with truthful offers, with the noise of a seed or with expected demand, and once
more without each provider in turn. Prints the tables that docs/reference/us20_oligopoly.md shows, and draws the
week if a file is named.

    python experiments/us20_oligopoly_week.py [--seed 1] [--every 12] [--figure week.png]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tokenflow_sim import TokenMarket
from tokenflow_sim.market import Clearer, Market
from tokenflow_sim.market.clearing import Clearing
from tokenflow_sim.market.pricing_rules import settle_values
from tokenflow_sim.numeric import SECONDS_PER_HOUR, Floats
from tokenflow_sim.scenario import Scenario, load_scenario

CONGESTED = 1e-6  # $/GB: any rent at all
COUNTS = 5e-3  # $/GB: a rent worth half a tariff
PIVOTAL = 1e-3  # of the first step of demand: what must go unserved for a provider to count as pivotal

# What the page reckons with: accelerators per MW, $ to replace one, and $ of a megawatt's building.
ACCELERATORS = {"a100": 912.0, "h100": 627.0, "b200": 486.0}
REPLACEMENT = {"a100": 6_000.0, "h100": 25_000.0, "b200": 45_000.0}
BUILDING = 11.7e6
INTEREST, LIFE, BUILDING_LIFE = 0.10, 5, 20  # a year, years
YEAR = 8760.0  # hours


@dataclass
class Hours:
    """Results of the cleared hours; dims begin with (hour,).

    Parameters
    ----------
    scenario : Scenario
        The scenario.
    periods : list of int
        Which periods they are.
    clearings : list of Clearing
        Their clearings, everybody being there.
    without : dict
        By provider, the first step of demand that goes unserved in Mtok/s had it stayed away, dims (hour, workload).
    dearer : dict
        By provider, the mean price had it stayed away over the mean price, less 1, dims (hour,).
    """

    scenario: Scenario
    periods: list[int]
    clearings: list[Clearing]
    without: dict[str, Floats]
    dearer: dict[str, Floats]

    def stack(self, name: str) -> Floats:
        """Return one array of all clearings."""
        return np.array([getattr(clearing.values, name) for clearing in self.clearings])

    def demand(self) -> Floats:
        """Return demand in Mtok/s, dims (hour, node, workload, step)."""
        return np.array([clearing.market.arrays.demand for clearing in self.clearings])

    def served(self) -> Floats:
        """Return what was served in Mtok/s, dims (hour, node, workload)."""
        return np.asarray((self.demand() - self.stack("unserved")).sum(axis=3))

    def power(self) -> Floats:
        """Return the MW that each asset runs at, dims (hour, asset, workload)."""
        use = self.clearings[0].market.arrays.power_use
        assert use is not None, "the scenario shares power"
        return np.asarray(self.stack("dispatch")[..., 0] * use)

    def limit(self) -> Floats:
        """Return the MW of each asset."""
        limit = self.clearings[0].market.arrays.power_limit
        assert limit is not None, "the scenario shares power"
        return limit


def markets(scenario: Scenario, seed: int | None) -> Iterator[Market]:
    """Yield the market of each period: truthful offers, expected demand or one draw of its noise, in steps."""
    expected = scenario if seed is not None else scenario.override({"demand.noise": None})
    model = TokenMarket(expected, rng=seed or 0, record=())
    for _ in range(scenario.periods):
        model.step()
        clearing = model.clearing_house.clearing
        assert clearing is not None, "a period was cleared"
        yield clearing.market


def clear_week(scenario: Scenario, seed: int | None = None, every: int = 1, *, pivotal: bool = True) -> Hours:
    """Clear every so many periods, also without each provider in turn if asked for."""
    compiled = scenario.compiled
    clearer: Clearer | None = None
    hours = Hours(scenario, [], [], {}, {})
    lost: dict[str, list[Floats]] = {provider: [] for provider in compiled.providers if pivotal}
    dearer: dict[str, list[float]] = {provider: [] for provider in lost}
    for period, market in enumerate(markets(scenario, seed)):
        if period % every:
            continue
        clearer = clearer or Clearer(market)
        clearing = clearer.clear(market)
        hours.periods.append(period)
        hours.clearings.append(clearing)
        served = (market.arrays.demand - clearing.values.unserved).sum(axis=2)
        for provider, rows in lost.items():
            capacity = market.arrays.capacity.copy()
            capacity[compiled.provider_assets[provider]] = 0.0
            lone = Market.from_arrays(market.layout, market.arrays.with_(capacity=capacity), market.hours)
            values = clearer.clear(lone).values
            rows.append(values.unserved[:, :, 0].sum(axis=0))
            paid = (clearing.values.price * served).sum()
            dearer[provider].append(float((values.price * served).sum() / paid - 1))
    hours.without = {provider: np.array(rows) for provider, rows in lost.items()}
    hours.dearer = {provider: np.array(rows) for provider, rows in dearer.items()}
    return hours


def week_table(hours: Hours) -> pd.DataFrame:
    """Return utilisation, unserved demand and congestion over the hours."""
    rents = hours.stack("congestion_rent")
    used = hours.power().sum(axis=(1, 2)) / hours.limit().sum()
    unserved = hours.stack("unserved")[..., 0].sum(axis=(1, 2)) / hours.demand()[..., 0].sum(axis=(1, 2))
    margin = marginal_vintages(hours)
    rows = {
        "utilisation of power, %": 100 * used,
        "users who pay any price unserved, %": 100 * unserved,
        "links with a congestion rent": (rents > CONGESTED).sum(axis=1),
        f"links with a rent above {COUNTS:g} $/GB": (rents > COUNTS).sum(axis=1),
        "vintages at the margin": margin,
    }
    table = {name: [*np.quantile(row, [0, 0.1, 0.5, 0.9, 1]), np.mean(row)] for name, row in rows.items()}
    return pd.DataFrame.from_dict(
        table, orient="index", columns=["least", "10 %", "median", "90 %", "most", "mean"]
    )


def marginal_vintages(hours: Hours) -> Floats:
    """Return how many hardware types are partly loaded somewhere, by hour."""
    kinds = np.array(hours.scenario.compiled.asset_hardware)
    share = hours.power().sum(axis=2) / hours.limit()
    partly = (share > 1e-6) & (share < 1 - 1e-6)
    return np.array([len(set(kinds[row])) for row in partly])


def price_table(hours: Hours) -> pd.DataFrame:
    """Return prices by class in $/Mtok, over hours and nodes; the mean is weighted by what was served."""
    price, served, asked = hours.stack("price"), hours.served(), hours.demand()
    layout = hours.clearings[0].market.layout
    rows = {}
    for k, name in enumerate(layout.workloads):
        one, sold = price[..., k], served[..., k]
        mean = pd.Series(one.mean(axis=0), layout.nodes)
        rows[name] = [
            (one * sold).sum() / sold.sum(),
            *np.quantile(one, [0, 0.1, 0.5, 0.9, 1]),
            100 * (mean.max() / mean.min() - 1),
            f"{mean.idxmin()} {mean.min():.3g}",
            f"{mean.idxmax()} {mean.max():.3g}",
            100 * sold.sum() / asked[..., k, :].sum(),
        ]
    head = ["mean", "least", "10 %", "median", "90 %", "most", "dearest over cheapest hub, %"]
    head += ["cheapest hub", "dearest hub", "served, %"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=head)


def annuity(life: float) -> float:
    """Return the share of a sum to be earned each year so that it comes back with interest."""
    return INTEREST / (1 - (1 + INTEREST) ** -life)


def hourly_capital(kind: str) -> tuple[float, float]:
    """Return what an accelerator, and its share of a building, must earn in $ an hour to come back with interest."""
    building = BUILDING * annuity(BUILDING_LIFE) / YEAR / ACCELERATORS[kind]
    return REPLACEMENT[kind] * annuity(LIFE) / YEAR, building


def hardware_table(hours: Hours) -> pd.DataFrame:
    """Return use, mix and operating profit by hardware type, beside the cost of its capital."""
    kinds = np.array(hours.scenario.compiled.asset_hardware)
    power, limit, profit = hours.power(), hours.limit(), asset_profit(hours)
    rows = {}
    for kind, count in ACCELERATORS.items():
        mine = kinds == kind
        used = power[:, mine].sum(axis=(1, 2)) / limit[mine].sum()
        mix = power[:, mine].sum(axis=(0, 1))
        earned = profit[:, mine].sum(axis=1).mean() / limit[mine].sum() / count
        alone, building = hourly_capital(kind)
        rows[kind] = [limit[mine].sum(), 100 * used.mean(), *(100 * mix / mix.sum()), earned, alone, building]
        rows[kind] += [earned / (alone + building)]
    head = ["MW", "used, %", *(f"{name}, % of its energy" for name in hours.scenario.workloads)]
    head += ["profit, $/accelerator-h", "its capital", "its building", "profit over both"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=head)


def capital_table(hours: Hours) -> pd.DataFrame:
    """Return a week's profit beside a week's cost of capital, in M$."""
    kinds, limit = np.array(hours.scenario.compiled.asset_hardware), hours.limit()
    count = {kind: limit[kinds == kind].sum() * per_mw for kind, per_mw in ACCELERATORS.items()}
    value = sum(count[kind] * REPLACEMENT[kind] for kind in count)
    fleet = sum(count[kind] * hourly_capital(kind)[0] for kind in count) * 168
    building = sum(count[kind] * hourly_capital(kind)[1] for kind in count) * 168
    profit = float(asset_profit(hours).sum(axis=1).mean()) * 168
    rows = {
        "profit": profit / 1e6,
        "capital of the accelerators": fleet / 1e6,
        "capital of accelerators and buildings": (fleet + building) / 1e6,
        "profit a year over the accelerators' value, %": 100 * profit * YEAR / 168 / value,
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["a week"])


def asset_profit(hours: Hours) -> Floats:
    """Return revenue less true cost in $/h, dims (hour, asset); offers are truthful."""
    rows = []
    for clearing in hours.clearings:
        market, values = clearing.market, clearing.values
        revenue = settle_values(market.layout, market.arrays, values).revenue.sum(axis=1)
        rows.append(revenue - (market.arrays.offer_price * values.dispatch).sum(axis=(1, 2)))
    return np.array(rows) * SECONDS_PER_HOUR


def provider_table(hours: Hours) -> pd.DataFrame:
    """Return size, use, profit and what the market would be without it, by provider."""
    compiled = hours.scenario.compiled
    power, limit, profit = hours.power().sum(axis=2), hours.limit(), asset_profit(hours)
    asked = hours.demand()[..., 0].sum(axis=1)
    lost = hours.stack("unserved")[..., 0].sum(axis=1)
    rows = {}
    for name, mine in compiled.provider_assets.items():
        own = limit[mine].sum()
        supply = (limit.sum() - own) / power.sum(axis=1)
        row: list[float] = [own, 100 * own / limit.sum(), 100 * power[:, mine].sum(axis=1).mean() / own]
        row += [profit[:, mine].sum(axis=1).mean() / 1e3, float(supply.min()), 100 * (supply < 1).mean()]
        if hours.without:
            more = (hours.without[name] - lost) / asked
            row += [100 * hours.dearer[name].mean(), 100 * (more > PIVOTAL).any(axis=1).mean()]
            row += list(100 * (more > PIVOTAL).mean(axis=0))
        rows[name] = row
    head = ["MW", "% of power", "used, %", "profit, k$/h", "least RSI", "RSI < 1, % of hours"]
    if hours.without:
        head += ["dearer without it, %", "pivotal, % of hours"]
        head += [f"pivotal for {k}, %" for k in hours.scenario.workloads]
    return pd.DataFrame.from_dict(rows, orient="index", columns=head)


def link_table(hours: Hours, top: int = 12) -> pd.DataFrame:
    """Return the links that are congested most, by hours with a rent that counts."""
    arrays, layout = hours.clearings[0].market.arrays, hours.clearings[0].market.layout
    rents = hours.stack("congestion_rent")
    load = (hours.stack("flow") * arrays.link_use).sum(axis=2) / arrays.link_capacity
    often = (rents > COUNTS).mean(axis=0)
    order = np.argsort(-often, kind="stable")[:top]
    columns = {
        "owner": [layout.owner[a] for a in order],
        "GB/s": arrays.link_capacity[order],
        "hours with a rent that counts, %": 100 * often[order],
        "highest rent, $/GB": rents.max(axis=0)[order],
        "mean load, %": 100 * load.mean(axis=0)[order],
    }
    return pd.DataFrame(columns, index=[str(layout.arcs[a]) for a in order])


def draw(hours: Hours) -> Figure:
    """Draw utilisation, how much dearer it would be without each provider, and prices over the week."""
    layout = hours.clearings[0].market.layout
    days = np.array(hours.periods) / 24
    figure = Figure(figsize=(7.2, 6.0), layout="constrained")
    top, middle, bottom = figure.subplots(3, 1, sharex=True)
    top.plot(days, 100 * hours.power().sum(axis=(1, 2)) / hours.limit().sum(), color="black")
    top.set(ylabel="power in use, %", ylim=(0, 105))
    price, served = hours.stack("price"), hours.served()
    mean = (price * served).sum(axis=1) / served.sum(axis=1)
    for k, (name, style) in enumerate(zip(layout.workloads, ("-", "--", ":", "-."), strict=False)):
        middle.plot(days, mean[:, k], style, label=name)
    middle.set(ylabel="mean price, $/Mtok", yscale="log")
    middle.legend(ncols=4, frameon=False)
    for name, row in hours.dearer.items():
        bottom.plot(days, 100 * row, label=name)
    bottom.set(ylabel="dearer without it, %", xlabel="days from Monday 00:00 UTC")
    bottom.legend(ncols=6, frameon=False, fontsize="small")
    return figure


def main() -> None:
    """Clear the week and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seed", type=int, help="draw demand noise; expected demand if left out")
    parser.add_argument("--every", type=int, default=12, help="clear only every so many hours")
    parser.add_argument("--periods", type=int, default=168, help="hours from Monday 00:00 UTC on")
    parser.add_argument("--figure", type=Path, help="file to draw the week into")
    given = parser.parse_args()
    scenario = load_scenario("us20_oligopoly", {"periods": given.periods})
    hours = clear_week(scenario, given.seed, given.every)
    with pd.option_context("display.width", 250, "display.max_columns", 20, "display.precision", 3):
        for table in (
            week_table(hours),
            price_table(hours),
            hardware_table(hours),
            capital_table(hours),
            provider_table(hours),
            link_table(hours),
        ):
            print(table, end="\n\n")
    if given.figure:
        draw(hours).savefig(given.figure, dpi=150)
        print(given.figure)


if __name__ == "__main__":
    main()
