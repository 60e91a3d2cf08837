"""A synthetic market of any size, for studies of scale: hubs, distance-limited arcs, gravity demand.

Cities with Zipf-distributed populations lie clustered in a country the size of the United States. Data centres
stand near cities or where power is cheap; each city sends its demand to the hubs near it by a gravity rule; and
hubs are joined to their neighbours, shortest pairs first, until there are as many arcs as asked for.

References
----------
Zipf (1946), The P1 P2/D hypothesis, American Sociological Review 11, 677-686 (gravity).
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import minimum_spanning_tree

from tokenflow_sim.errors import Fault, ScenarioError
from tokenflow_sim.numeric import SECONDS_PER_HOUR, Floats, Ints
from tokenflow_sim.scenario.geography import haversine
from tokenflow_sim.scenario.template import write_files

MOST_NODES = 5000
_BOX = ((27.0, 47.5), (-122.0, -71.0))  # latitudes, longitudes
_ZONES = ((-115.0, "America/Los_Angeles"), (-102.0, "America/Denver"), (-87.0, "America/Chicago"))
_CITY_REACH = 300.0  # km beyond which a hub hardly attracts a city's demand
_LOAD = 0.7  # mean demand as a share of what the hubs can serve, class by class
_SHARES = {"chat": 0.35, "image": 0.25, "code": 0.25, "batch": 0.15}  # of the hubs' power, by class
_HARDWARE: dict[str, dict[str, Any]] = {
    "a100": {"throughput": (110e3, 16e3, 70e3, 200e3), "running_cost": 135},
    "h100": {"throughput": (200e3, 25e3, 140e3, 300e3), "running_cost": 215},
    "b200": {"throughput": (440e3, 37.5e3, 340e3, 540e3), "running_cost": 270},
}
_CLASSES: dict[str, dict[str, float]] = {
    "chat": {"payload": 0.5, "latency_limit": 12, "value": 6},
    "image": {"payload": 10, "value": 40},
    "code": {"payload": 1, "latency_limit": 20, "value": 12},
    "batch": {"payload": 1, "value": 2},
}
_WAVELENGTH = 12.5  # GB/s: 100 Gbps, of which every link has a whole number
_REACH_SHARE = 1.0  # mean capacity of a link, as a share of the data that its ends' own demand amounts to


# Factors by local hour.
_CHAT = (
    *(0.5, 0.4, 0.35, 0.3, 0.3, 0.4, 0.6, 0.9, 1.2, 1.4, 1.5, 1.5),
    *(1.4, 1.4, 1.5, 1.5, 1.4, 1.3, 1.2, 1.2, 1.2, 1.1, 0.9, 0.7),
)
_CODE = (
    *(0.4, 0.3, 0.3, 0.3, 0.3, 0.4, 0.6, 1.0, 1.5, 1.8, 1.9, 1.8),
    *(1.6, 1.7, 1.8, 1.8, 1.6, 1.2, 0.9, 0.8, 0.8, 0.7, 0.6, 0.5),
)
_BATCH = (*[1.4] * 5, 1.3, 1.1, 0.9, 0.8, *[0.7] * 7, *[0.8] * 2, *[0.9] * 2, 1.0, 1.1, 1.2, 1.3)


@dataclass(frozen=True)
class _Hubs:
    latitude: Floats
    longitude: Floats
    power: Floats
    electricity: Floats
    weight: Floats
    hardware: list[str]


def write_synthetic(folder: str | Path, *, nodes: int, arcs: int, seed: int = 0, force: bool = False) -> Path:
    """Write a synthetic scenario.

    Parameters
    ----------
    folder : str or Path
        Where to write it; made if it does not exist.
    nodes : int
        Number of hubs, 2 to 5000.
    arcs : int
        Number of directed arcs, at least ``2 (nodes - 1)`` and at most ``nodes (nodes - 1)``; the arcs that
        connect all hubs come first, then the shortest pairs, both ways.
    seed : int
        Equal numbers and seed give equal files.
    force : bool
        Write even where the folder has files already.

    Returns
    -------
    Path
        The scenario file.

    Raises
    ------
    ScenarioError
        If the numbers do not fit, or the folder cannot be written to.
    """
    faults = _faults(nodes, arcs, seed)
    if faults:
        raise ScenarioError(faults, "a synthetic scenario")
    rng = np.random.default_rng(seed)
    hubs = _hubs(rng, nodes)
    names = [f"hub{number:0{len(str(nodes - 1))}d}" for number in range(nodes)]
    base = _base_demand(hubs)
    files = {
        "scenario.yaml": _yaml(Path(folder).resolve().name, nodes, arcs, seed, base),
        "nodes.csv": _nodes_csv(names, hubs),
        "arcs.csv": _arcs_csv(rng, names, hubs, base, _arcs(hubs, arcs)),
    }
    provider = _providers(rng, nodes)
    for number in range(int(provider.max()) + 1):
        files[f"assets_p{number + 1}.csv"] = _table(
            ("node", "hardware", "power_mw"),
            ((names[i], hubs.hardware[i], f"{hubs.power[i]:g}") for i in np.flatnonzero(provider == number)),
        )
    files["scenario.yaml"] += "".join(
        f"  p{number + 1}: {{ assets: assets_p{number + 1}.csv }}\n"
        for number in range(int(provider.max()) + 1)
    )
    return write_files(folder, files, force=force)


def _faults(nodes: int, arcs: int, seed: int) -> list[Fault]:
    faults = []
    if not 2 <= nodes <= MOST_NODES:
        faults.append(Fault(f"must be 2 to {MOST_NODES}; found {nodes}", "nodes"))
    elif not 2 * (nodes - 1) <= arcs <= nodes * (nodes - 1):
        faults.append(
            Fault(
                f"{nodes} nodes take {2 * (nodes - 1)} (enough to connect them) to {nodes * (nodes - 1)} (all pairs);"
                f" found {arcs}",
                "arcs",
            )
        )
    if seed < 0:
        faults.append(Fault(f"must not be negative; found {seed}", "seed"))
    return faults


def _hubs(rng: np.random.Generator, nodes: int) -> _Hubs:
    (south, north), (west, east) = _BOX
    cities = max(10, 2 * nodes)
    population = 1.0 / np.arange(1, cities + 1)
    clusters = max(3, cities // 25)
    centre = rng.integers(0, clusters, cities)
    city_latitude = np.clip(
        rng.uniform(south, north, clusters)[centre] + rng.normal(0, 1.5, cities), south, north
    )
    city_longitude = np.clip(
        rng.uniform(west, east, clusters)[centre] + rng.normal(0, 2.0, cities), west, east
    )
    # Half of the hubs stand near cities, big ones first; the others where land and power are cheap.
    near = rng.permutation(np.arange(cities)[: max(nodes, 1)])[: nodes - nodes // 2]
    latitude = np.concatenate(
        [city_latitude[near] + rng.normal(0, 0.2, near.size), rng.uniform(south, north, nodes // 2)]
    )
    longitude = np.concatenate(
        [city_longitude[near] + rng.normal(0, 0.2, near.size), rng.uniform(west, east, nodes // 2)]
    )
    latitude, longitude = np.clip(latitude, south, north), np.clip(longitude, west, east)
    remote = np.arange(nodes) >= near.size
    power = np.round(np.clip(rng.lognormal(np.log(250), 0.8, nodes), 20, 2500) * np.where(remote, 1.5, 1.0))
    electricity = np.round(
        np.clip(rng.lognormal(np.log(0.08), 0.35, nodes), 0.03, 0.25) * np.where(remote, 0.8, 1.0), 4
    )
    # Gravity: a city's demand goes to hubs in proportion to size and to the inverse square of distance.
    away = haversine(latitude[:, None], longitude[:, None], city_latitude, city_longitude)
    pull = np.sqrt(power)[:, None] / (1.0 + (away / _CITY_REACH) ** 2)
    weight = (pull / pull.sum(axis=0) * population).sum(axis=1)
    weight = np.round(weight / weight.mean(), 4)
    hardware = rng.choice(list(_HARDWARE), nodes, p=[0.3, 0.5, 0.2]).tolist()
    return _Hubs(np.round(latitude, 4), np.round(longitude, 4), power, electricity, weight, hardware)


def _arcs(hubs: _Hubs, arcs: int) -> tuple[Ints, Ints]:
    """Join all hubs by a minimum spanning tree, then the shortest pairs, both ways (an odd last arc one way)."""
    away = haversine(hubs.latitude[:, None], hubs.longitude[:, None], hubs.latitude, hubs.longitude)
    one, other = np.triu_indices(hubs.power.size, 1)
    length = away[one, other]
    # A zero would read as "no edge" to the tree: hubs at one place are a metre apart.
    tree = minimum_spanning_tree(csr_array(np.triu(np.maximum(away, 1e-3), 1))).tocoo()
    in_tree = np.zeros(away.shape, dtype=np.bool_)
    in_tree[np.minimum(tree.row, tree.col), np.maximum(tree.row, tree.col)] = True
    order = np.lexsort((length, ~in_tree[one, other]))[: (arcs + 1) // 2]
    origin = np.stack([one[order], other[order]], axis=1).ravel()[:arcs]
    destination = np.stack([other[order], one[order]], axis=1).ravel()[:arcs]
    return origin, destination


def _base_demand(hubs: _Hubs) -> dict[str, float]:
    """Size each class's base rate so that mean demand takes its share of the hubs' power at the load aimed at."""
    totals = {}
    for position, (name, share) in enumerate(_SHARES.items()):
        throughput = np.array([_HARDWARE[kind]["throughput"][position] for kind in hubs.hardware])
        totals[name] = float((throughput * hubs.power).sum() * share * _LOAD / hubs.weight.sum())
    return {name: float(f"{total:.3g}") for name, total in totals.items()}


def _providers(rng: np.random.Generator, nodes: int) -> Ints:
    count = int(np.clip(nodes // 3, 1, 8))
    sizes = rng.permutation(nodes) % count
    return np.asarray(sizes, dtype=np.int64)


def _nodes_csv(names: list[str], hubs: _Hubs) -> str:
    rows = (
        (name, f"{a:.4f}", f"{o:.4f}", f"{p:g}", f"{e:g}", f"{w:g}", _zone(o))
        for name, a, o, p, e, w in zip(
            names, hubs.latitude, hubs.longitude, hubs.power, hubs.electricity, hubs.weight, strict=True
        )
    )
    header = ("node", "latitude", "longitude", "power_mw", "electricity_price", "demand_weight", "time_zone")
    return _table(header, rows)


def _zone(longitude: float) -> str:
    return next((zone for east, zone in _ZONES if longitude < east), "America/New_York")


def _arcs_csv(
    rng: np.random.Generator, names: list[str], hubs: _Hubs, base: dict[str, float], ends: tuple[Ints, Ints]
) -> str:
    """Give each pair of hubs links by the demand at its ends, equal both ways."""
    origin, destination = ends
    data = sum(base[name] * fields["payload"] for name, fields in _CLASSES.items()) / 1e6  # GB/s at weight 1
    wanted = _REACH_SHARE * data * np.sqrt(hubs.weight[origin] * hubs.weight[destination])
    low, high = np.minimum(origin, destination), np.maximum(origin, destination)
    pair = np.unique(low * hubs.power.size + high, return_inverse=True)[1]
    luck = rng.lognormal(0.0, 0.5, int(pair.max()) + 1)[pair]
    capacity = np.maximum(1, np.round(wanted * luck / _WAVELENGTH)) * _WAVELENGTH
    rows = ((names[i], names[j], f"{c:g}") for i, j, c in zip(origin, destination, capacity, strict=True))
    return _table(("origin", "destination", "capacity"), rows)


def _table(header: tuple[str, ...], rows: Any) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def _yaml(name: str, nodes: int, arcs: int, seed: int, base: dict[str, float]) -> str:
    classes = "".join(
        f"  {key}: {{ base_demand: {base[key]:.0f}, "
        + ", ".join(f"{field}: {value:g}" for field, value in fields.items())
        + " }\n"
        for key, fields in _CLASSES.items()
    )
    hardware = "".join(
        f"  {key}:\n    throughput: {{ "
        + ", ".join(f"{c}: {t:g}" for c, t in zip(_CLASSES, spec["throughput"], strict=True))
        + " }\n    energy: { "
        # A megawatt at 80 % of nominal power, for as long as a million tokens take.
        + ", ".join(
            f"{c}: {0.8e9 / SECONDS_PER_HOUR / t:.4f}"
            for c, t in zip(_CLASSES, spec["throughput"], strict=True)
        )
        + f" }}\n    running_cost: {spec['running_cost']}\n"
        for key, spec in _HARDWARE.items()
    )
    return f"""\
# A synthetic market: {nodes} hubs, {arcs} arcs, seed {seed}. Stylised data for studies of scale, not measurements.
format: 1
name: {name}
description: Synthetic market of {nodes} hubs and {arcs} arcs (seed {seed})
periods: 168
hours: 1.0
start: 2026-01-05T00:00:00Z

market:
  bandwidth: physical
  latency_rule: arc
  must_serve: false
  shared_power: true

demand:
  scale: 1
  hourly:
    chat: {list(_CHAT)}
    code: {list(_CODE)}
    batch: {list(_BATCH)}
  noise: {{ volatility: {{ chat: 0.05, image: 0.06, code: 0.05, batch: 0.04 }}, persistence: 0.8, common: 0.3 }}

workloads:
{classes}
nodes: nodes.csv

network:
  arcs: arcs.csv
  tariff: 0.01

hardware:
{hardware}
owners:
  network: {{ owns: rest }}

providers:
"""
