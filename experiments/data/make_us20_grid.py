"""Make the tables of the scenario us20_grid: a stylised power grid under the twenty hubs, not measurements.

The numbers and the reasons for them are told in docs/reference/us20_grid.md. The tables of the market of tokens
are those of us20_oligopoly, made by the script beside this one. It is deterministic: run again, it writes the same
bytes.

    python experiments/data/make_us20_grid.py [--out FOLDER]
"""

from __future__ import annotations

import argparse
import csv
import math
import random
import runpy
from collections.abc import Iterable, Sequence
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "scenarios" / "us20_grid"
MARKET = runpy.run_path(str(Path(__file__).with_name("make_us20_oligopoly.py")))
SEED = 30
HOURS = 168

Table = tuple[Sequence[str], Iterable[Sequence[object]]]

# Every hub has a bus of its name; ten more stand where power is made and few computers are: place, hours from UTC.
PLACES = {
    "susquehanna": (41.1, -76.1, -5), "ohio_valley": (38.4, -82.4, -5), "tennessee": (35.6, -86.8, -6),
    "oklahoma": (35.5, -98.0, -6), "dakotas": (46.8, -99.5, -6), "west_texas": (32.2, -101.5, -6),
    "wyoming": (42.4, -106.6, -7), "four_corners": (36.7, -108.4, -7), "mojave": (35.0, -117.3, -8),
    "columbia": (47.9, -119.2, -8),
}  # fmt: skip
OFFSETS = {
    "America/New_York": -5, "America/Chicago": -6, "America/Denver": -7, "America/Phoenix": -7,
    "America/Los_Angeles": -8,
}  # fmt: skip

# GW: mean local load, data centres of the market apart, and nominal capacity by what it runs on.
BUSES = """
bus             load  nuclear  coal   gas_cc  gas_ct  oil   hydro  wind   solar
ashburn         15.0  3.5      0      6.0     2.5     0.8   0      0      2.0
susquehanna     9.0   7.0      4.0    13.0    2.0     0     0.5    1.0    0
ohio_valley     9.0   0        14.0   4.0     3.0     0     0.5    0.5    0
columbus        10.0  0        3.5    4.5     2.0     0     0      0.5    2.0
chicago         12.5  10.5     2.0    3.0     5.0     0     0      4.0    0.5
new_york        19.0  3.5      0      12.0    4.0     3.0   0      0      0.5
boston          14.5  3.3      0      12.0    1.0     4.5   1.5    1.0    1.5
atlanta         25.0  8.0      6.0    14.0    8.0     0     2.0    0      3.0
tennessee       20.0  8.0      6.0    6.0     4.0     0     4.0    0      0.5
miami           15.0  3.5      0      14.0    3.0     1.0   0      0      4.0
minneapolis     10.0  1.7      4.0    3.0     2.5     0     0.5    3.0    0.5
des_moines      7.0   0        4.0    1.0     2.0     0     0      8.0    0
kansas_city     11.0  1.2      7.0    1.0     4.0     0     0      4.0    0
oklahoma        12.0  0        4.0    8.0     4.0     0     0.5    12.0   0
dakotas         3.5   0        4.0    0       0.5     0     2.0    7.0    0
dallas          18.5  2.4      5.0    14.0    4.0     0     0      0      2.0
houston         13.0  2.7      3.0    12.0    3.0     0     0      2.0    0.5
west_texas      6.0   0        0      2.0     1.0     0     0      22.0   9.0
seattle         10.0  1.2      0      2.0     1.0     0     6.0    1.0    0
columbia        3.5   0        0      0       0       0     16.0   4.0    0
portland        6.5   0        0      3.0     0.5     0     1.5    1.5    0
silicon_valley  11.0  2.2      0      9.0     3.0     0     4.0    0      4.0
los_angeles     12.5  0        0      9.0     5.0     0     1.0    1.0    4.0
mojave          2.0   0        0      0       1.0     0     0      3.0    12.0
phoenix         8.5   3.9      1.0    8.0     3.0     0     0.3    0.5    3.0
las_vegas       4.5   0        0      4.5     1.0     0     1.0    0      4.0
four_corners    3.5   0        4.0    1.0     0.5     0     0      2.0    1.0
salt_lake       5.5   0        4.0    2.5     1.0     0     0      0      1.5
wyoming         2.2   0        5.0    0       0.3     0     0      4.0    0
denver          7.0   0        3.0    4.0     2.0     0     0      5.0    1.5
"""

# Circuits between buses, of 500 kV; pairs of two interconnections have a tie of direct current instead, in MW.
CIRCUITS = {
    ("ashburn", "susquehanna"): 3, ("ashburn", "ohio_valley"): 3, ("ashburn", "columbus"): 1,
    ("ashburn", "atlanta"): 1, ("susquehanna", "new_york"): 5, ("susquehanna", "columbus"): 2,
    ("new_york", "boston"): 1, ("ohio_valley", "columbus"): 3, ("ohio_valley", "tennessee"): 2,
    ("columbus", "chicago"): 2, ("chicago", "des_moines"): 2, ("chicago", "minneapolis"): 1,
    ("chicago", "tennessee"): 1, ("atlanta", "tennessee"): 3, ("atlanta", "miami"): 2,
    ("minneapolis", "des_moines"): 2, ("minneapolis", "dakotas"): 2, ("dakotas", "des_moines"): 1,
    ("des_moines", "kansas_city"): 2, ("kansas_city", "oklahoma"): 2, ("oklahoma", "tennessee"): 1,
    ("dallas", "houston"): 3, ("west_texas", "dallas"): 6, ("west_texas", "houston"): 3,
    ("columbia", "seattle"): 4, ("columbia", "portland"): 3, ("seattle", "portland"): 1,
    ("portland", "silicon_valley"): 3, ("silicon_valley", "los_angeles"): 3, ("mojave", "los_angeles"): 4,
    ("mojave", "las_vegas"): 1, ("las_vegas", "los_angeles"): 2, ("las_vegas", "phoenix"): 1,
    ("phoenix", "los_angeles"): 3, ("phoenix", "four_corners"): 2, ("four_corners", "denver"): 1,
    ("four_corners", "salt_lake"): 1, ("las_vegas", "salt_lake"): 1, ("salt_lake", "wyoming"): 2,
    ("wyoming", "denver"): 2, ("salt_lake", "portland"): 2,
}  # fmt: skip
TIES = {
    ("oklahoma", "dallas"): 820, ("four_corners", "oklahoma"): 400, ("denver", "kansas_city"): 210,
    ("wyoming", "dakotas"): 300, ("columbia", "los_angeles"): 3100,
}  # fmt: skip
CIRCUIT_MW = 1500
REACTANCE = 0.33  # ohm per km of circuit

# Steps: share of the capacity, MMBtu/MWh; then fuel in $/MMBtu, other variable cost in $/MWh, t CO2 per MMBtu.
HEAT = {
    "nuclear": ([(1.0, 10.4)], 0.60, 0.5, 0.0),
    "coal": ([(0.6, 10.0), (0.4, 11.0)], 2.5, 4.5, 0.0957),
    "gas_cc": ([(0.6, 6.8), (0.4, 7.8)], 2.6, 2.5, 0.0529),
    "gas_ct": ([(0.5, 10.0), (0.5, 12.5)], 2.9, 5.0, 0.0529),
    "oil": ([(1.0, 11.0)], 17.0, 5.0, 0.0742),
}
# Pipelines are full in the cold north-east and long in west Texas: $/MMBtu of gas above or below.
BASIS = {
    "boston": 5.5, "new_york": 3.0, "susquehanna": -0.4, "ashburn": 2.0, "columbus": -0.2, "ohio_valley": -0.2,
    "atlanta": 0.6, "miami": 1.0, "west_texas": -1.2, "dallas": -0.2, "oklahoma": -0.3, "silicon_valley": 1.8,
    "los_angeles": 1.8, "seattle": 0.8, "portland": 0.8, "minneapolis": 0.3,
}  # fmt: skip
# What burns nothing offers at this price in $/MWh: water is worth what it saves later.
FREE = {"hydro": 12.0, "wind": 0.0, "solar": 0.0}
OUT = {
    "nuclear": 0.95,
    "coal": 0.78,
    "gas_cc": 0.82,
    "gas_ct": 0.85,
    "oil": 0.85,
}  # less outages and maintenance
EMERGENCY = 1000.0  # $/MWh: voluntary curtailment of large users, up to a tenth of each bus's mean load

# Late-winter load by local hour: heating and breakfast, then dinner. Saturday and Sunday are lower.
LOAD = "86 83 82 82 85 92 103 109 107 104 102 100 98 97 96 97 101 108 115 116 112 106 98 91"
DAYS = (1.02, 1.03, 1.03, 1.02, 1.01, 0.95, 0.94)
SUN = (7.0, 17.9)  # sunrise and sunset, local time
WIND_MEAN, WIND_PERSISTENCE, WIND_SPREAD = 0.40, 0.96, 0.9


def rows_of(text: str) -> list[dict[str, str]]:
    """Return the rows of a table of words."""
    head, *lines = (line.split() for line in text.strip().splitlines())
    return [dict(zip(head, line, strict=True)) for line in lines]


def places() -> dict[str, tuple[float, float, int]]:
    """Return latitude, longitude and hours from UTC of every bus."""
    found = dict(PLACES)
    for hub in MARKET["read_registry"]():
        zone = MARKET["PLACES"][hub["node"]][0]
        found[hub["node"]] = (float(hub["latitude"]), float(hub["longitude"]), OFFSETS[zone])
    return {row["bus"]: found[row["bus"]] for row in rows_of(BUSES)}


def distance(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the great circle between two places in km."""
    a, b, c, d = (math.radians(angle) for angle in (*one[:2], *other[:2]))
    chord = math.sin((c - a) / 2) ** 2 + math.cos(a) * math.cos(c) * math.sin((d - b) / 2) ** 2
    return 2 * 6371.0 * math.asin(math.sqrt(chord))


def lines() -> Table:
    """Return lines with their limits and reactances, and the ties."""
    at = places()
    rows: list[list[object]] = []
    for (one, other), count in CIRCUITS.items():
        reactance = REACTANCE * distance(at[one], at[other]) / count
        rows.append([f"{one}-{other}", one, other, count * CIRCUIT_MW, "dc", f"{reactance:.1f}"])
    rows += [
        [f"{one}-{other} dc", one, other, limit, "transport", ""] for (one, other), limit in TIES.items()
    ]
    return ["line", "from", "to", "limit_mw", "kind", "reactance"], rows


def generators() -> Table:
    """Return generators, one a bus and step of what it runs on."""
    rows: list[list[object]] = []
    for row in rows_of(BUSES):
        bus = row["bus"]
        for carrier in (*HEAT, *FREE):
            capacity = 1000 * float(row[carrier])
            if not capacity:
                continue
            if carrier in FREE:
                rows.append([f"{bus} {carrier}", bus, f"{capacity:.0f}", f"{FREE[carrier]:.2f}", 0, carrier])
                continue
            steps, fuel, other, carbon = HEAT[carrier]
            fuel += BASIS.get(bus, 0.0) if carrier.startswith("gas") else 0.0
            for number, (share, heat) in enumerate(steps, 1):
                name = f"{bus} {carrier}" + (f" {number}" if len(steps) > 1 else "")
                cost, co2 = f"{heat * fuel + other:.2f}", f"{heat * carbon:.3f}"
                rows.append([name, bus, f"{share * OUT[carrier] * capacity:.0f}", cost, co2, carrier])
        rows.append([f"{bus} emergency", bus, f"{100 * float(row['load']):.0f}", EMERGENCY, 0, "emergency"])
    return ["generator", "bus", "capacity_mw", "cost", "co2", "carrier"], rows


def buses() -> Table:
    """Return the buses."""
    return ["bus", "latitude", "longitude"], [[bus, *at[:2]] for bus, at in places().items()]


def load() -> Table:
    """Return the local load in MW by period, one column a bus."""
    shape = [float(word) for word in LOAD.split()]
    mean = sum(shape) / len(shape)
    columns = []
    for row in rows_of(BUSES):
        offset = places()[row["bus"]][2]
        local = [(hour + offset) % HOURS for hour in range(HOURS)]  # period 0 is Monday 0:00 UTC
        columns.append(
            [f"{1000 * float(row['load']) * shape[t % 24] / mean * DAYS[t // 24]:.0f}" for t in local]
        )
    return ["period", *places()], [[n, *values] for n, values in enumerate(zip(*columns, strict=True))]


def availability() -> Table:
    """Return what share of wind, sun and water can run by period, one column a generator."""
    source = random.Random(SEED)  # only `random` itself is the same on every machine and version of Python
    weather = [source.gauss(0, 1)]
    for _ in range(HOURS - 1):
        weather.append(_next(weather[-1], source))
    columns: dict[str, list[str]] = {}
    for row in rows_of(BUSES):
        bus, offset = row["bus"], places()[row["bus"]][2]
        if float(row["wind"]):
            own, values = source.gauss(0, 1), []
            for hour in range(HOURS):
                own = _next(own, source)
                state = 0.5 * weather[hour] + math.sqrt(0.75) * own
                night = 0.25 * math.cos(2 * math.pi * ((hour + offset) % 24 - 2) / 24)
                even = math.log(WIND_MEAN / (1 - WIND_MEAN))
                values.append(f"{1 / (1 + math.exp(-(even + WIND_SPREAD * state + night))):.3f}")
            columns[f"{bus} wind"] = values
        if float(row["solar"]):
            clear = [source.uniform(0.45, 1.0) for _ in range(HOURS // 24 + 2)]
            values = []
            for hour in range(HOURS):
                local = hour + offset + 24
                height = math.sin(math.pi * (local % 24 + 0.5 - SUN[0]) / (SUN[1] - SUN[0]))
                up = SUN[0] < local % 24 + 0.5 < SUN[1]
                values.append(f"{max(0.0, 0.8 * height * clear[local // 24]) if up else 0.0:.3f}")
            columns[f"{bus} solar"] = values
        if float(row["hydro"]):
            # As much water as half of the capacity needs, more of it when load is high.
            shape = [float(word) for word in LOAD.split()]
            values = [
                f"{0.5 * (1 + 1.5 * (shape[(hour + offset) % 24] / 97.9 - 1)):.3f}" for hour in range(HOURS)
            ]
            columns[f"{bus} hydro"] = values
    return ["period", *columns], [
        [n, *values] for n, values in enumerate(zip(*columns.values(), strict=True))
    ]


def _next(state: float, source: random.Random) -> float:
    return WIND_PERSISTENCE * state + math.sqrt(1 - WIND_PERSISTENCE**2) * source.gauss(0, 1)


def tables() -> dict[str, Table]:
    """Return every table by the name of its file."""
    market: dict[str, Table] = MARKET["tables"]()
    del market["electricity_hourly.csv"]  # power costs what the grid says
    return market | {
        "buses.csv": buses(),
        "lines.csv": lines(),
        "generators.csv": generators(),
        "load.csv": load(),
        "availability.csv": availability(),
    }


def write(folder: Path) -> list[Path]:
    """Write every table into a folder, and return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, (header, rows) in tables().items():
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(rows)
        files.append(folder / name)
    return files


def main() -> None:
    """Write the tables where the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--out", type=Path, default=FOLDER, help="folder to write to; the scenario's own if left out"
    )
    for file in write(parser.parse_args().out):
        print(file)


if __name__ == "__main__":
    main()
