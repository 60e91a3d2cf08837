"""Make the tables of the scenarios us20_oligopoly and us20_oligopoly_v1: stylised data, not measurements.

The numbers and the reasons for them are told in docs/reference/us20_oligopoly.md. The script reads the registry
of hubs from scenarios/us20/nodes.csv and writes the CSV tables beside a scenario.yaml that is written by hand. The
versions differ in the capacity of trunks. It is deterministic: run again, it writes the same bytes.

    python experiments/data/make_us20_oligopoly.py [--version 1] [--out FOLDER]
"""

from __future__ import annotations

import argparse
import csv
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios"
REGISTRY = SCENARIOS / "us20" / "nodes.csv"
FOLDERS = {1: SCENARIOS / "us20_oligopoly_v1", 2: SCENARIOS / "us20_oligopoly"}
NOW = 2  # the version that is not marked by its name

SEED = 20

Row = dict[str, str]
Table = tuple[Sequence[str], Iterable[Sequence[object]]]

# Hub: time zone, wholesale market whose daily price shape it follows.
PLACES = {
    "ashburn": ("America/New_York", "pjm"),
    "dallas": ("America/Chicago", "ercot"),
    "silicon_valley": ("America/Los_Angeles", "caiso"),
    "chicago": ("America/Chicago", "pjm"),
    "seattle": ("America/Los_Angeles", "northwest"),
    "atlanta": ("America/New_York", "southeast"),
    "new_york": ("America/New_York", "new_york"),
    "phoenix": ("America/Phoenix", "southwest"),
    "portland": ("America/Los_Angeles", "northwest"),
    "los_angeles": ("America/Los_Angeles", "caiso"),
    "denver": ("America/Denver", "mountain"),
    "houston": ("America/Chicago", "ercot"),
    "columbus": ("America/New_York", "pjm"),
    "des_moines": ("America/Chicago", "plains"),
    "salt_lake": ("America/Denver", "mountain"),
    "las_vegas": ("America/Los_Angeles", "southwest"),
    "kansas_city": ("America/Chicago", "plains"),
    "minneapolis": ("America/Chicago", "plains"),
    "miami": ("America/New_York", "southeast"),
    "boston": ("America/New_York", "new_england"),
}

# MW of A100 + H100 + B200 of each provider at each hub. A hub's row adds up to its power.
FLEET = """
hub             atlas        boreal      cardinal    cascade    harbor     ember
ashburn         120+300+130  180+320+0   0+360+120   -          0+200+100  0+0+170
dallas          80+170+100   -           80+370+150  -          -          0+0+250
silicon_valley  0+120+60     -           -           -          0+320+160  0+0+140
chicago         80+200+0     120+280+0   -           100+100+0  0+120+0    -
seattle         50+100+0     -           -           180+170+0  0+100+0    -
atlanta         60+190+0     -           80+220+50   -          0+200+0    -
new_york        0+120+60     70+180+50   -           -          0+200+60   0+0+60
phoenix         60+130+60    -           40+280+30   150+90+0   -          0+0+160
portland        -            -           -           180+170+0  0+90+0     0+0+60
los_angeles     0+140+0      -           0+90+40     -          0+130+100  -
denver          80+0+0       -           -           90+100+0   0+80+0     -
houston         0+80+0       50+0+0      0+70+0      -          0+50+0     -
columbus        80+150+70    120+240+40  0+120+0     -          -          0+0+80
des_moines      60+90+0      0+150+0     -           150+0+0    -          -
salt_lake       -            -           -           150+210+0  -          0+0+90
las_vegas       -            -           0+140+0     100+100+0  -          0+0+60
kansas_city     -            80+0+0      0+120+0     -          -          -
minneapolis     -            60+60+0     -           80+0+0     -          -
miami           0+40+30      -           0+50+50     -          0+20+60    -
boston          -            30+50+0     -           -          0+70+0     -
"""
HARDWARE = ("a100", "h100", "b200")

# Human demand by local hour and by weekday (Monday first), in any unit. The share of machines and of users
# abroad, who keep no local hours, is flat; the two are mixed and scaled to a mean of one.
DEMAND: dict[str, tuple[float, str, str]] = {
    "chat": (
        0.35,
        "50 38 30 26 26 32 46 72 100 122 134 138 132 138 146 150 146 134 122 120 124 118 98 74",
        "102 108 106 103 97 84 86",
    ),
    "image": (
        0.30,
        "66 46 34 27 25 28 38 54 74 90 100 108 112 114 116 120 126 136 150 168 174 164 136 98",
        "95 96 97 98 104 108 102",
    ),
    "code": (
        0.40,
        "42 32 26 24 24 27 40 72 124 180 204 204 172 190 214 216 200 158 114 94 94 88 72 56",
        "112 121 119 116 104 55 58",
    ),
    "batch": (
        0.20,
        "175 180 180 180 175 165 140 105 75 55 50 50 50 50 50 50 50 55 60 70 80 95 125 150",
        "99 100 100 100 103 100 98",
    ),
}
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

# Electricity price by local hour and wholesale market, in percent of about the hub's mean.
SHAPES = {
    # solar floods noon, the sunset ramp is steep: the duck
    "caiso": "95 90 88 88 92 105 120 110 75 50 40 36 36 38 45 65 105 160 195 190 165 140 120 105",
    "southwest": "92 88 86 86 90 102 120 112 85 65 58 55 55 58 66 85 110 150 170 160 140 122 108 100",
    # hydropower follows the load: nearly flat
    "northwest": "92 90 89 89 92 98 108 112 110 105 100 97 95 94 94 97 103 110 112 110 106 102 98 95",
    "mountain": "88 84 82 82 86 96 112 112 98 88 84 82 82 84 90 100 114 134 140 132 120 110 100 93",
    # wind at night, solar by day, scarcity at dusk
    "ercot": "70 66 64 65 70 90 120 115 85 75 72 72 74 78 85 98 120 160 200 190 150 115 90 78",
    "plains": "72 68 66 66 72 90 110 115 110 105 102 100 100 102 105 108 115 130 135 130 120 105 90 80",
    # heating and business: a hump in the morning, a higher one in the evening
    "pjm": "82 78 76 77 82 95 115 120 110 105 102 100 98 97 97 100 108 122 130 125 116 105 95 87",
    "southeast": "86 84 83 84 88 98 112 112 102 98 97 97 98 100 102 104 108 114 118 114 108 100 94 90",
    "new_york": "80 76 74 75 80 95 112 118 112 106 103 102 100 100 101 105 115 132 135 128 116 102 92 85",
    # gas is short on cold evenings
    "new_england": "78 74 72 74 82 100 125 130 115 102 95 90 86 86 90 100 120 150 155 142 122 102 90 82",
}
LOCAL = 0.03  # hubs of one market differ by up to this share in each hour

# Pairs of hubs with more wavelengths than the two that scenario.yaml gives to every pair within reach, by version.
WAVELENGTH = {1: 12.5, 2: 40.0}  # GB/s: 100 Gbps; 400 Gbps, four fifths full at most
TRUNKS = {
    1: {
        ("los_angeles", "phoenix"): 3,
        ("los_angeles", "las_vegas"): 3,
        ("dallas", "houston"): 4,
        ("new_york", "boston"): 3,
    },
    2: {
        ("los_angeles", "phoenix"): 3,
        ("los_angeles", "las_vegas"): 3,
        ("dallas", "houston"): 5,
        ("new_york", "boston"): 3,
        ("atlanta", "miami"): 3,
    },
}


def read_registry() -> list[Row]:
    """Return the rows of the registry of hubs."""
    with REGISTRY.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def nodes(hubs: Sequence[Row]) -> Table:
    """Return the table of nodes: the registry with time zones."""
    header = [*hubs[0], "time_zone"]
    return header, [[*hub.values(), PLACES[hub["node"]][0]] for hub in hubs]


def fleets() -> dict[str, list[tuple[str, str, int]]]:
    """Return node, hardware and MW of every asset by provider."""
    lines = [line.split() for line in FLEET.strip().splitlines()]
    owned: dict[str, list[tuple[str, str, int]]] = {provider: [] for provider in lines[0][1:]}
    for node, *cells in lines[1:]:
        for provider, cell in zip(owned, cells, strict=True):
            sizes = [] if cell == "-" else [int(text) for text in cell.split("+")]
            owned[provider] += [
                (node, kind, mw) for kind, mw in zip(HARDWARE, sizes, strict=bool(sizes)) if mw
            ]
    return owned


def check_fleets(hubs: Sequence[Row]) -> None:
    """Raise unless the fleets at every hub add up to its power."""
    for hub in hubs:
        total = sum(mw for assets in fleets().values() for node, _, mw in assets if node == hub["node"])
        if total != float(hub["power_mw"]):
            raise ValueError(f"{hub['node']}: fleets of {total} MW at a site of {hub['power_mw']} MW")


def numbers(text: str) -> list[float]:
    """Return the numbers of a text."""
    return [float(word) for word in text.split()]


def factors(human: Sequence[float], flat: float) -> list[str]:
    """Return a profile of mean one: a flat share, and the rest as people go."""
    mean = sum(human) / len(human)
    return [f"{flat + (1 - flat) * value / mean:.4f}" for value in human]


def hourly() -> Table:
    """Return factors on demand by local hour, one column a class."""
    columns = [factors(numbers(hours), flat) for flat, hours, _ in DEMAND.values()]
    return ["hour", *DEMAND], [[hour, *row] for hour, row in enumerate(zip(*columns, strict=True))]


def weekly() -> Table:
    """Return factors on demand by weekday, one column a class."""
    columns = [factors(numbers(days), flat) for flat, _, days in DEMAND.values()]
    return ["day", *DEMAND], [
        [day, *row] for day, row in zip(WEEKDAYS, zip(*columns, strict=True), strict=True)
    ]


def trunks(version: int) -> Table:
    """Return the arcs, both ways, that carry more than the network's rule gives them."""
    rows = [
        [origin, destination, count * WAVELENGTH[version]]
        for pair, count in TRUNKS[version].items()
        for origin, destination in (pair, pair[::-1])
    ]
    return ["origin", "destination", "capacity"], rows


def electricity() -> Table:
    """Return factors on the electricity price by local hour, one column a hub, of mean one."""
    source = random.Random(SEED)
    columns = []
    for _, market in PLACES.values():
        # Only `random` itself is the same on every machine and version of Python.
        shape = [value * (1 + LOCAL * (2 * source.random() - 1)) for value in numbers(SHAPES[market])]
        columns.append(factors(shape, 0.0))
    return ["hour", *PLACES], [[hour, *row] for hour, row in enumerate(zip(*columns, strict=True))]


def tables(version: int = NOW) -> dict[str, Table]:
    """Return every table of a version by the name of its file."""
    hubs = read_registry()
    check_fleets(hubs)
    assets = {
        f"assets_{provider}.csv": (["node", "hardware", "power_mw"], rows)
        for provider, rows in fleets().items()
    }
    return {
        "nodes.csv": nodes(hubs),
        "demand_hourly.csv": hourly(),
        "demand_weekly.csv": weekly(),
        "electricity_hourly.csv": electricity(),
        "trunks.csv": trunks(version),
        **assets,
    }


def write(folder: Path, version: int = NOW) -> list[Path]:
    """Write every table of a version into a folder, and return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, (header, rows) in tables(version).items():
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(rows)
        files.append(folder / name)
    return files


def main() -> None:
    """Write the tables where the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--version", type=int, choices=FOLDERS, default=NOW, help="of the scenario")
    parser.add_argument("--out", type=Path, help="folder to write to; the scenario's own if left out")
    given = parser.parse_args()
    for file in write(given.out or FOLDERS[given.version], given.version):
        print(file)


if __name__ == "__main__":
    main()
