"""Show what moving work between sites does to a power grid: virtual links, and a consumer that counts its own effect.

First the three buses of Zhang, Roald, Chien, Birge and Zavala (2020) with their seven settings of virtual links:
welfare and prices as links widen. Then, where a folder with the RTS-GMLC test system is given (73 buses; `RTS_Data` of
its public repository, not part of this one), the comparison of Brenner, Deka, Roald and Amin (2026): a large consumer
at six buses moves a share of its load between them, as a price taker (the joint clearing) or counting its own effect
on bus prices (the leader of a Stackelberg game, here by local search), against not moving it.

    python experiments/spatial_load_shifting.py [--rts RTS_Data] [--hours 24] [--shares 0.1 0.3]

Differences to that study, whose abstract does not give sites and loads: the consumer has 8 % of the system's load, at
the two largest load buses of each area; generators may run at anything from zero on, at their mean cost at full load;
hours are taken evenly from the year.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tokenflow_sim.market import Market, clear
from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.grid import Grid, LineKind
from tokenflow_sim.market.grid_clearing import GridClearer
from tokenflow_sim.market.grid_outcome import GridOutcome, grid_outcome
from tokenflow_sim.market.grid_rows import bind_grid
from tokenflow_sim.market.layout import Layout

HOUR = 3600.0
PAIRS = ((0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1))
SETTINGS = (
    ("none", (0, 0, 0), 3.0), ("1-2: 5", (5, 0, 0), 3.0), ("1-2: 15", (15, 0, 0), 3.0),
    ("all: 15", (15, 15, 15), 3.0), ("all: 100", (100, 100, 100), 3.0), ("all: 15, bid 1", (15, 15, 15), 1.0),
    ("all: 15, bid 0", (15, 15, 15), 0.0),
)  # fmt: skip
SHARE_OF_LOAD = 0.08
STEPS = (1.0, 0.3, 0.1)


def work(demand: Any, capacity: Any, value: Any, arcs: Any, cost: float, width: Any) -> Market:
    """Return a market of work in MWh: a site at each node, routes at a cost and of a width in MW."""
    count, arcs = len(demand), np.reshape(arcs, (-1, 2)).astype(int)
    names = [str(i + 1) for i in range(count)]
    layout = Layout(
        nodes=pd.Index(names, name="node"), workloads=pd.Index(["work"], name="workload"),
        assets=pd.Index(names, name="asset"), arcs=pd.RangeIndex(len(arcs), name="arc"),
        asset_node=np.arange(count), provider=("owner",) * count, origin=arcs[:, 0], destination=arcs[:, 1],
        owner=("owner",) * len(arcs),
    )  # fmt: skip
    arrays = Arrays(
        offer_price=np.zeros((count, 1, 1)), capacity=np.reshape(capacity, (-1, 1, 1)) / HOUR,
        demand=np.reshape(demand, (-1, 1, 1)) / HOUR, value=np.reshape(value, (-1, 1, 1)).astype(float),
        route_cost=np.full((len(arcs), 1), cost), link_use=np.ones((len(arcs), 1)),
        allowed=np.ones((len(arcs), 1), bool), link_capacity=np.asarray(width, dtype=float) / HOUR,
        link_curvature=np.zeros(len(arcs)),
    )  # fmt: skip
    return Market.from_arrays(layout, arrays)


def jointly(market: Market, grid: Grid) -> tuple[float, GridOutcome]:
    """Clear work and power together, an Mtok of work taking a MWh; return the cost in $/h and the grid's part."""
    bound = bind_grid(grid, market.layout, np.full((len(market.layout.assets), 1), HOUR))
    limits, activities = bound.at(grid, market.arrays.capacity)
    clearing = clear(
        Market.from_arrays(market.layout, market.arrays.with_(limits=limits, activities=activities))
    )
    return clearing.total_cost, grid_outcome(bound, grid, clearing.values)


def three_buses() -> pd.DataFrame:
    """Return welfare, prices, generation and load after shifts of the paper's case, by setting."""
    load, bid = np.array([40.0, 45.0, 40.0]), np.array([40.0, 30.0, 40.0])
    grid = Grid(
        buses=["1", "2", "3"], load=np.zeros(3), lines=["12", "13", "23"], from_bus=[0, 0, 1], to_bus=[1, 2, 2],
        limit=[5, 10, 10], susceptance=[0.5] * 3, line_cost=[2.0] * 3, generators=["1", "2", "3"],
        generator_bus=[0, 1, 2], price=[10, 20, 10], available=[50, 30, 50], node_bus=[0, 1, 2],
    )  # fmt: skip
    rows = {}
    for name, width, cost in SETTINGS:
        market = work(load, load + 20, bid, PAIRS, cost, np.repeat(width, 2))
        total, outcome = jointly(market, grid)
        rows[name] = {
            "welfare": bid @ load - total,
            **{f"price {i + 1}": price for i, price in enumerate(outcome.bus_price)},
            **{f"drawn {i + 1}": drawn for i, drawn in enumerate(outcome.drawn)},
        }
    return pd.DataFrame(rows).T


class System:
    """The RTS-GMLC test system by hour, with a consumer at the two largest load buses of each area."""

    def __init__(self, folder: Path) -> None:
        source, series = folder / "SourceData", folder / "timeseries_data_files"
        buses, branches, direct, plants = (
            pd.read_csv(source / f"{name}.csv") for name in ("bus", "branch", "dc_branch", "gen")
        )
        self.regional = pd.read_csv(series / "Load" / "DAY_AHEAD_regional_Load.csv").iloc[:, 4:].to_numpy()
        frames = [next((series / kind).glob("DAY_AHEAD_*.csv")) for kind in ("WIND", "PV", "RTPV", "Hydro")]
        self.natural = pd.concat([pd.read_csv(path).iloc[:, 4:] for path in frames], axis=1)
        plants = plants[~plants["Unit Type"].isin(["SYNC_COND", "STORAGE", "CSP"])]
        self.plants = list(plants["GEN UID"])
        self.most = plants["PMax MW"].to_numpy(float)
        at = {bus: place for place, bus in enumerate(buses["Bus ID"])}
        self.area = buses["Area"].to_numpy() - 1
        self.part = buses["MW Load"] / buses.groupby("Area")["MW Load"].transform("sum")
        largest = buses.sort_values("MW Load", ascending=False).groupby("Area").head(2)
        self.sites = np.sort([at[bus] for bus in largest["Bus ID"]])
        count = len(buses)
        kinds: list[LineKind] = ["dc" for _ in branches.index]
        kinds += ["transport" for _ in direct.index]
        self.grid = Grid(
            buses=[str(bus) for bus in buses["Bus ID"]], load=np.zeros(count),
            lines=[*branches["UID"], *direct["UID"]],
            from_bus=[at[bus] for bus in [*branches["From Bus"], *direct["From Bus"]]],
            to_bus=[at[bus] for bus in [*branches["To Bus"], *direct["To Bus"]]],
            limit=[*branches["Cont Rating"], *direct["MW Load"]],
            susceptance=[*(1 / branches["X"]), *np.ones(len(direct))],
            kind=kinds,
            generators=[*self.plants, *(f"shed {bus}" for bus in buses["Bus ID"])],
            generator_bus=[*(at[bus] for bus in plants["Bus ID"]), *range(count)],
            price=[*mean_cost(plants), *np.full(count, 1000.0)], available=np.ones(len(plants) + count),
            node_bus=self.sites,
        )  # fmt: skip

    def at(self, hour: int) -> Grid:
        """Return the grid of an hour of the year, without the consumer."""
        load = self.part.to_numpy() * self.regional[hour][self.area]
        natural = self.natural.iloc[hour]
        made = [natural.get(name, most) for name, most in zip(self.plants, self.most, strict=True)]
        return self.grid.with_(load=load, available=np.concatenate([made, load + 2000.0]))


def mean_cost(plants: pd.DataFrame) -> Any:
    """Return each unit's mean cost at full load in $/MWh: heat rates in Btu/kWh of the steps of its output."""
    steps = plants[[f"Output_pct_{i}" for i in range(5)]].fillna(0.0).to_numpy(float)
    rates = plants[["HR_avg_0", *(f"HR_incr_{i}" for i in range(1, 5))]].fillna(0.0).to_numpy(float)
    heat = steps[:, 0] * rates[:, 0]
    for step in range(1, 5):
        heat += np.maximum(steps[:, step] - steps[:, step - 1], 0.0) * rates[:, step]
    cost = heat / np.maximum(steps.max(axis=1), 1e-9) * plants["Fuel Price $/MMBTU"] / 1000 + plants["VOM"]
    # Equal units differ by a hundredth of a cent, so that it does not matter which of them runs.
    return cost + np.linspace(0, 1e-2, len(plants))


def by_leader(clearer: GridClearer, grid: Grid, sites: Any, start: list[Any], base: Any, share: float) -> Any:
    """Return loads at the sites whose bill is least, counting their effect on prices: local search by pairs."""

    def bill(load: Any) -> float:
        draw = np.zeros(len(grid.buses))
        draw[sites] = load
        return float(clearer.clear(grid, draw).outcome.bus_price[sites] @ load)

    best, load = min(((bill(one), one) for one in start), key=lambda found: found[0])
    for step in STEPS:
        moved = True
        while moved:
            moved = False
            for one, other in np.argwhere(~np.eye(len(sites), dtype=bool)):
                size = min(step * share * base[one], load[one] - (1 - share) * base[one])
                size = min(size, (1 + share) * base[other] - load[other])
                if size < 1e-6:
                    continue
                tried = load.copy()
                tried[one], tried[other] = load[one] - size, load[other] + size
                found = bill(tried)
                if found < best - 1e-6 * abs(best):
                    best, load, moved = found, tried, True
    return load


def shifting(system: System, hours: Any, share: float) -> dict[str, pd.DataFrame]:
    """Return costs, bills and profits by hour: without shifts, by a price taker, and by one that counts its effect."""
    sites, rows = system.sites, []
    clearer = GridClearer(system.at(0))
    for hour in hours:
        grid = system.at(int(hour))
        base = np.full(len(sites), SHARE_OF_LOAD * grid.load.sum() / len(sites))
        rest = np.zeros(len(grid.buses))
        rest[sites] = (1 - share) * base
        demand = np.zeros(len(sites))
        demand[0] = share * base.sum()
        arcs = [(0, other) for other in range(1, len(sites))]
        market = work(
            demand, 2 * share * base, np.full(len(sites), np.inf), arcs, 0.0, np.full(len(arcs), 1e6)
        )
        taker = jointly(market, grid.with_(load=grid.load + rest))[1].drawn[sites] + rest[sites]
        leader = by_leader(clearer, grid, sites, [base, taker], base, share)
        for name, load in (("fixed", base), ("taker", taker), ("leader", leader)):
            draw = np.zeros(len(grid.buses))
            draw[sites] = load
            found = clearer.clear(grid, draw).outcome
            profit = found.generator_income.sum() - found.cost
            paid, others = found.drawn_payment.sum(), found.load_payment.sum()
            rows.append((hour, name, found.cost, paid, others, profit))
    columns = ["hour", "how", "system cost", "flexible load pays", "other load pays", "generators' profit"]
    table = pd.DataFrame(rows, columns=columns)
    return {name: table.pivot(index="hour", columns="how", values=name) for name in columns[2:]}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rts", type=Path, help="folder RTS_Data of the RTS-GMLC repository")
    parser.add_argument("--hours", type=int, default=24, help="how many hours of the year")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.1, 0.3], help="shares that may move")
    given = parser.parse_args()
    print("three buses, by the width of virtual links (MW) and their bid ($/MWh)")
    print(three_buses().round(2).to_string(), "\n")
    if given.rts is None:
        print("give --rts for the 73 buses of RTS-GMLC")
        return
    system = System(given.rts)
    hours = np.linspace(0, 8783, given.hours, endpoint=False).astype(int)
    for share in given.shares:
        found = shifting(system, hours, share)
        cost = found["system cost"]
        rises = cost["leader"] > cost["fixed"] * (1 + 1e-6)
        falls = cost["leader"] < cost["fixed"] * (1 - 1e-6)
        print(
            f"RTS-GMLC, {given.hours} hours, {share:.0%} of the load may move: mean change in $/h against no shifts"
        )
        change = {
            name: {how: (of[how] - of["fixed"]).mean() for how in ("taker", "leader")}
            for name, of in found.items()
        }
        print(pd.DataFrame(change).round(1).to_string())
        print(
            f"counting its own effect, system cost falls in {falls.mean():.0%} of the hours"
            f" and rises in {rises.mean():.0%}\n"
        )


if __name__ == "__main__":
    main()
