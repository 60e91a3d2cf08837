"""Make the tables of the scenario eu_residency: stylised data, not measurements.

The numbers and the reasons for them are in docs/reference/eu_residency.md. The script writes the CSV tables beside a
scenario.yaml that is written by hand. It is deterministic: run again, it writes the same bytes.

    python experiments/data/make_eu_residency.py [--out FOLDER]
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "scenarios" / "eu_residency"

Table = tuple[Sequence[str], Iterable[Sequence[object]]]

# Hub: country, latitude, longitude, IT power in MW for these classes, electricity in $/kWh, g CO2/kWh, demand weight,
# PUE, time zone.
HUBS: dict[str, tuple[str, float, float, float, float, float, float, float, str]] = {
    "frankfurt": ("de", 50.11, 8.68, 250, 0.085, 380, 1.30, 1.35, "Europe/Berlin"),
    "london": ("uk", 51.51, -0.13, 480, 0.092, 220, 1.05, 1.30, "Europe/London"),
    "amsterdam": ("nl", 52.37, 4.90, 220, 0.083, 270, 0.40, 1.25, "Europe/Amsterdam"),
    "paris": ("fr", 48.86, 2.35, 260, 0.063, 50, 1.05, 1.30, "Europe/Paris"),
    "dublin": ("ie", 53.35, -6.26, 260, 0.110, 290, 0.12, 1.20, "Europe/Dublin"),
    "madrid": ("es", 40.42, -3.70, 200, 0.068, 160, 0.70, 1.35, "Europe/Madrid"),
    "milan": ("it", 45.46, 9.19, 150, 0.115, 310, 0.80, 1.35, "Europe/Rome"),
    "stockholm": ("se", 59.33, 18.07, 240, 0.040, 40, 0.25, 1.12, "Europe/Stockholm"),
}

# MW of A100 + H100 + B200 of each provider at each hub. A hub's row adds up to its power.
FLEET = """
hub        continental  albion     boreas     meridian
frankfurt  80+110+0     -          0+60+0     -
london     40+110+60    70+120+80  -          -
amsterdam  20+60+20     0+30+10    0+60+20    -
paris      30+80+30     -          -          20+70+30
dublin     20+60+20     40+90+30   -          -
madrid     0+40+20      -          -          20+80+40
milan      20+40+0      -          -          40+50+0
stockholm  0+40+20      -          20+110+50  -
"""
HARDWARE = ("a100", "h100", "b200")

# Human demand by local hour in any unit, and the share of it that keeps no hours; scaled to a mean of one.
DEMAND: dict[str, tuple[float, str]] = {
    "chat": (0.35, "50 38 30 26 26 32 46 72 100 122 134 138 132 138 146 150 146 134 122 120 124 118 98 74"),
    "code": (0.40, "42 32 26 24 24 27 40 72 124 180 204 204 172 190 214 216 200 158 114 94 94 88 72 56"),
    "records": (0.25, "40 34 30 30 32 44 80 140 190 205 205 195 170 175 190 185 165 130 95 75 65 58 50 44"),
    "batch": (
        0.20,
        "175 180 180 180 175 165 140 105 75 55 50 50 50 50 50 50 50 55 60 70 80 95 125 150",
    ),
}

# Electricity price by local hour in percent of about the mean.
SHAPES = {
    # sun at noon, wind by night, gas in the evening
    "continental": "88 84 82 81 84 92 108 122 118 100 84 74 68 66 72 86 104 126 140 142 128 112 102 94",
    # more sun, a later and higher evening
    "southern": "96 92 88 86 86 90 104 116 104 78 60 52 48 46 50 62 86 118 146 158 154 136 118 106",
    # wind and gas, little sun
    "islands": "86 82 80 80 83 92 106 116 112 106 100 96 94 92 94 100 114 134 140 130 116 106 98 90",
    # hydropower follows the load: nearly flat
    "northern": "92 90 88 88 90 96 106 114 112 106 102 98 96 95 96 98 104 112 112 108 104 102 98 94",
}
SHAPE_OF = {
    "frankfurt": "continental", "london": "islands", "amsterdam": "continental", "paris": "continental",
    "dublin": "islands", "madrid": "southern", "milan": "southern", "stockholm": "northern",
}  # fmt: skip


def factors(text: str, flat: float) -> list[float]:
    """Return 24 factors of mean one, a share of which is flat."""
    values = [float(part) for part in text.split()]
    mean = sum(values) / len(values)
    return [round(flat + (1 - flat) * value / mean, 4) for value in values]


def nodes() -> Table:
    """Return the registry of hubs."""
    header = [
        "node", "zone", "latitude", "longitude", "power_mw", "electricity_price", "carbon_intensity", "demand_weight",
        "pue", "time_zone",
    ]  # fmt: skip
    return header, [[name, *row] for name, row in HUBS.items()]


def fleets() -> dict[str, list[list[object]]]:
    """Return the assets of each provider, as rows of node, hardware and MW."""
    head, *lines = [line.split() for line in FLEET.strip().splitlines()]
    providers: dict[str, list[list[object]]] = {name: [] for name in head[1:]}
    for hub, *cells in lines:
        total = 0.0
        for provider, cell in zip(providers, cells, strict=True):
            for hardware, part in zip(HARDWARE, cell.split("+"), strict=False):
                if cell != "-" and float(part):
                    providers[provider].append([hub, hardware, part])
                    total += float(part)
        if total != HUBS[hub][3]:
            raise ValueError(f"the fleets at {hub} add up to {total:g} MW, not to its {HUBS[hub][3]:g} MW")
    return providers


def tables() -> dict[str, Table]:
    """Return every table by the name of its file."""
    demand = {name: factors(text, flat) for name, (flat, text) in DEMAND.items()}
    power = {hub: factors(SHAPES[shape], 0.0) for hub, shape in SHAPE_OF.items()}
    return {
        "nodes.csv": nodes(),
        "demand_hourly.csv": (
            ["hour", *demand],
            [[h, *row] for h, row in enumerate(zip(*demand.values(), strict=True))],
        ),
        "electricity_hourly.csv": (
            ["hour", *power],
            [[h, *row] for h, row in enumerate(zip(*power.values(), strict=True))],
        ),
        **{
            f"assets_{provider}.csv": (["node", "hardware", "power_mw"], rows)
            for provider, rows in fleets().items()
        },
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
