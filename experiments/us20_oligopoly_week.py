"""Show the market of us20_oligopoly over its week, and when each provider is pivotal.

Clears every hour of the scenario with truthful offers, with the noise of a seed or with expected demand, and once
more without each provider in turn. Prints the tables that docs/reference/us20_oligopoly.md shows, and draws the
week if a file is named.

    python experiments/us20_oligopoly_week.py [--seed 1] [--every 3] [--figure week.png]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tokenflow_sim.market import Clearer, Market
from tokenflow_sim.market.arrays import Floats
from tokenflow_sim.market.clearing import Clearing
from tokenflow_sim.market.settlement import settle_values
from tokenflow_sim.scenario import Scenario, load_scenario

SECONDS = 3600.0  # of an hour
CONGESTED = 1e-6  # $/GB: any rent at all
COUNTS = 5e-3  # $/GB: a rent worth half a tariff
PIVOTAL = 1e-3  # of demand: what must go unserved in addition for a provider to count as pivotal


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
        By provider, unserved demand in Mtok/s had it stayed away, dims (hour, workload).
    """

    scenario: Scenario
    periods: list[int]
    clearings: list[Clearing]
    without: dict[str, Floats]

    def stack(self, name: str) -> Floats:
        """Return one array of all clearings."""
        return np.array([getattr(clearing.values, name) for clearing in self.clearings])

    def demand(self) -> Floats:
        """Return demand in Mtok/s, dims (hour, node, workload)."""
        return np.array([clearing.market.arrays.demand[:, :, 0] for clearing in self.clearings])

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
    """Yield the market of each period: truthful offers, expected demand or one draw of its noise."""
    noise = scenario.compiled.demand_noise()
    common, *own = np.random.default_rng(seed).spawn(1 + len(scenario.nodes))
    for period in range(scenario.periods):
        market = scenario.market(period)
        if seed is not None:
            demand = market.arrays.demand * noise.step(common, own)[:, :, None]
            market = Market.from_arrays(market.layout, market.arrays.with_(demand=demand), market.hours)
        yield market


def clear_week(scenario: Scenario, seed: int | None = None, every: int = 1, *, pivotal: bool = True) -> Hours:
    """Clear every so many periods, also without each provider in turn if asked for."""
    compiled = scenario.compiled
    clearer = Clearer(scenario.market())
    hours = Hours(scenario, [], [], {})
    rows: dict[str, list[Floats]] = {provider: [] for provider in compiled.providers if pivotal}
    for period, market in enumerate(markets(scenario, seed)):
        if period % every:
            continue
        hours.periods.append(period)
        hours.clearings.append(clearer.clear(market))
        for provider, unserved in rows.items():
            capacity = market.arrays.capacity.copy()
            capacity[compiled.provider_assets[provider]] = 0.0
            lone = Market.from_arrays(market.layout, market.arrays.with_(capacity=capacity), market.hours)
            unserved.append(clearer.clear(lone).values.unserved.sum(axis=(0, 2)))
    hours.without = {provider: np.array(unserved) for provider, unserved in rows.items()}
    return hours


def week_table(hours: Hours) -> pd.DataFrame:
    """Return utilisation, unserved demand and congestion over the hours."""
    rents = hours.stack("congestion_rent")
    used = hours.power().sum(axis=(1, 2)) / hours.limit().sum()
    unserved = hours.stack("unserved").sum(axis=(1, 2, 3)) / hours.demand().sum(axis=(1, 2))
    margin = marginal_vintages(hours)
    rows = {
        "utilisation of power, %": 100 * used,
        "unserved demand, % of tokens": 100 * unserved,
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
    """Return prices by class in $/Mtok, over hours and nodes; the mean is weighted by demand."""
    price, demand = hours.stack("price"), hours.demand()
    arrays, layout = hours.clearings[0].market.arrays, hours.clearings[0].market.layout
    unserved = hours.stack("unserved")[..., 0]
    rows = {}
    for k, name in enumerate(layout.workloads):
        one, asked = price[..., k], demand[..., k]
        mean = pd.Series(one.mean(axis=0), layout.nodes)
        rows[name] = [
            (one * asked).sum() / asked.sum(),
            *np.quantile(one, [0, 0.1, 0.5, 0.9, 1]),
            float(np.median(one.max(axis=1) / one.min(axis=1))),
            f"{mean.idxmin()} {mean.min():.3g}",
            f"{mean.idxmax()} {mean.max():.3g}",
            float(arrays.value[0, k, 0]),
            100 * unserved[..., k].sum() / asked.sum(),
        ]
    head = ["mean", "least", "10 %", "median", "90 %", "most", "dearest/cheapest hub"]
    head += ["cheapest hub", "dearest hub", "value", "unserved, %"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=head)


def hardware_table(hours: Hours, per_mw: dict[str, float]) -> pd.DataFrame:
    """Return use, mix and operating profit by hardware type; `per_mw` gives accelerators per MW."""
    kinds = np.array(hours.scenario.compiled.asset_hardware)
    power, limit, profit = hours.power(), hours.limit(), asset_profit(hours)
    rows = {}
    for kind, count in per_mw.items():
        mine = kinds == kind
        used = power[:, mine].sum(axis=(1, 2)) / limit[mine].sum()
        mix = power[:, mine].sum(axis=(0, 1))
        earned = profit[:, mine].sum(axis=1).mean() / limit[mine].sum()
        rows[kind] = [limit[mine].sum(), 100 * used.mean(), *(100 * mix / mix.sum()), earned, earned / count]
    head = ["MW", "used, %", *(f"{name}, % of its energy" for name in hours.scenario.workloads)]
    return pd.DataFrame.from_dict(rows, orient="index", columns=[*head, "profit, $/MW-h", "$/accelerator-h"])


def asset_profit(hours: Hours) -> Floats:
    """Return revenue less true cost in $/h, dims (hour, asset); offers are truthful."""
    rows = []
    for clearing in hours.clearings:
        market, values = clearing.market, clearing.values
        revenue = settle_values(market.layout, market.arrays, values).revenue.sum(axis=1)
        rows.append(revenue - (market.arrays.offer_price * values.dispatch).sum(axis=(1, 2)))
    return np.array(rows) * SECONDS


def provider_table(hours: Hours) -> pd.DataFrame:
    """Return size, use, profit and pivotal hours by provider."""
    compiled = hours.scenario.compiled
    power, limit, profit = hours.power().sum(axis=2), hours.limit(), asset_profit(hours)
    asked, lost = hours.demand().sum(axis=1), hours.stack("unserved").sum(axis=(1, 3))
    rows = {}
    for name, mine in compiled.provider_assets.items():
        own = limit[mine].sum()
        supply = (limit.sum() - own) / power.sum(axis=1)
        row: list[float] = [own, 100 * own / limit.sum(), 100 * power[:, mine].sum(axis=1).mean() / own]
        row += [profit[:, mine].sum(axis=1).mean() / 1e3, float(supply.min()), 100 * (supply < 1).mean()]
        if hours.without:
            more = (hours.without[name] - lost) / asked
            row += [100 * ((hours.without[name] - lost).sum(axis=1) > PIVOTAL * asked.sum(axis=1)).mean()]
            row += list(100 * (more > PIVOTAL).mean(axis=0))
        rows[name] = row
    head = ["MW", "% of power", "used, %", "profit, k$/h", "least RSI", "RSI < 1, % of hours"]
    if hours.without:
        head += ["pivotal, % of hours", *(f"pivotal for {k}, %" for k in hours.scenario.workloads)]
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
    """Draw utilisation, the providers that are pivotal, and prices over the week."""
    layout = hours.clearings[0].market.layout
    days = np.array(hours.periods) / 24
    figure = Figure(figsize=(7.2, 6.0), layout="constrained")
    top, middle, bottom = figure.subplots(3, 1, sharex=True)
    top.plot(days, 100 * hours.power().sum(axis=(1, 2)) / hours.limit().sum(), color="black")
    top.set(ylabel="power in use, %", ylim=(0, 105))
    price, demand = hours.stack("price"), hours.demand()
    mean = (price * demand).sum(axis=1) / demand.sum(axis=1)
    for k, (name, style) in enumerate(zip(layout.workloads, ("-", "--", ":", "-."), strict=False)):
        middle.plot(days, mean[:, k], style, label=name)
    middle.set(ylabel="mean price, $/Mtok", yscale="log")
    middle.legend(ncols=4, frameon=False)
    asked, lost = demand.sum(axis=(1, 2)), hours.stack("unserved").sum(axis=(1, 2, 3))
    for row, (_, unserved) in enumerate(hours.without.items()):
        there = (unserved.sum(axis=1) - lost) > PIVOTAL * asked
        bottom.plot(days[there], np.full(there.sum(), row), "|", color="black")
    bottom.set(ylabel="pivotal", xlabel="days from Monday 00:00 UTC", yticks=range(len(hours.without)))
    bottom.set_yticklabels(hours.without)
    bottom.set_ylim(len(hours.without) - 0.5, -0.5)
    return figure


ACCELERATORS = {"a100": 912.0, "h100": 627.0, "b200": 486.0}  # per MW, see the reference page


def main() -> None:
    """Clear the week and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seed", type=int, help="draw demand noise; expected demand if left out")
    parser.add_argument("--every", type=int, default=3, help="clear only every so many hours")
    parser.add_argument("--figure", type=Path, help="file to draw the week into")
    given = parser.parse_args()
    scenario = load_scenario("us20_oligopoly")
    hours = clear_week(scenario, given.seed, given.every)
    with pd.option_context("display.width", 200, "display.max_columns", 20, "display.precision", 3):
        for table in (
            week_table(hours),
            price_table(hours),
            hardware_table(hours, ACCELERATORS),
            provider_table(hours),
            link_table(hours),
        ):
            print(table, end="\n\n")
    if given.figure:
        draw(hours).savefig(given.figure, dpi=150)
        print(given.figure)


if __name__ == "__main__":
    main()
