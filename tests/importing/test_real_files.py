"""Every public file beside the checkout enters a market; its numbers are those that pandas, networkx or PyPSA find.

Each is skipped by name where that folder is missing; small files of the same form are tested in the modules beside
this one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import yaml

import tokenflow_sim as tf
from tests.importing.real import FOLDER, held
from tests.importing.test_site_registry import angle
from tests.importing.test_topology_network import kilometres
from tests.importing.test_trace_demand import WEIGHTS, by_pandas
from tests.importing.test_trace_rates import by_second
from tokenflow_sim.importing import carbon, latency, prices, pypsa, sites, topology, trace
from tokenflow_sim.importing.pypsa_files import read_network, write_network
from tokenflow_sim.numeric import Floats

CAISO = {"time": "INTERVALSTARTTIME_GMT", "node": "NODE_ID", "value": "MW", "unit": "$/MWh"}
SERIES: dict[str, dict[str, Any]] = {
    "caiso_AGNEW_1_N003.csv": CAISO | {"where": {"LMP_TYPE": "LMP"}, "map": {"AGNEW_1_N003": "dallas"}},
    "caiso_ALAMITOS_2_N001.csv": CAISO | {"map": {"ALAMITOS_2_N001": "dallas"}},
    "caiso_ALMADEN_6_N001.csv": CAISO | {"map": {"ALMADEN_6_N001": "dallas"}},
    "caiso_ALTA6B2_7_N003.csv": CAISO | {"map": {"ALTA6B2_7_N003": "dallas"}},
    "caiso_oasis_neg_and_dst.csv": CAISO | {"map": {"ALAMITOS_2_N001": "dallas"}, "fill": 50},
    "pjm_dom_rt_lmp.csv": {
        "time": "datetime_beginning_utc", "node": "pnode_name", "value": "rt_lmp", "unit": "$/MWh",
        "map": {"DOM": "dallas"},
    },
    "epex_de_negative_hours.csv": {
        "time": "date", "time_zone": "Europe/Berlin", "value": "Price", "unit": "EUR/MWh", "rate": 1.1, "fill": 50,
        "map": {"Price": "dallas"},
    },
}  # fmt: skip
TRACES = (
    "azure_conv_2023.csv",
    "mooncake_head.jsonl",
    "vidur_splitwise_head.csv",
    "servegen_m-large_chunk0_head.csv",
)
TOPOLOGIES = ("Abilene.gml", "AttMpls.gml", "B4.json")
NETWORKS = ("pypsa/ac-dc-meshed", "pypsa/ac-dc-meshed.nc", "pypsa/scigrid-de")
OTHERS = (
    "carbon_ciso_2022.csv", "assume_demand_15min_head.csv", "ibm_latency_matrix_rtt.csv",
    "epoch_data_centers_columns.csv",
)  # fmt: skip


def test_every_file_is_named_here() -> None:
    if not FOLDER.exists():
        pytest.skip("no public files are beside this checkout")
    there = {path.name for path in FOLDER.iterdir()} - {"SOURCES.md", "pypsa"}
    there |= {f"pypsa/{path.name}" for path in (FOLDER / "pypsa").iterdir()}
    assert there == {*SERIES, *TRACES, *TOPOLOGIES, *NETWORKS, *OTHERS}


def by_time(name: str) -> pd.Series[float]:
    """Prices of a file in its own unit, by the begin of their hours in UTC."""
    spec, frame = SERIES[name], pd.read_csv(held(name))
    for column, value in spec.get("where", {}).items():
        frame = frame[frame[column] == value]
    at = pd.to_datetime(frame[spec["time"]], utc=not spec.get("time_zone"))
    frame.index = pd.DatetimeIndex(at)
    if zone := spec.get("time_zone"):
        frame.index = pd.DatetimeIndex(frame.index).tz_localize(zone).tz_convert("UTC")
    return frame[spec["value"]].sort_index()


def in_market(section: str, series: Any, start: pd.Timestamp, periods: int, node: str = "dallas") -> Floats:
    """Numbers of a node by period, as a market of us5 has them."""
    changes = {"start": str(start), "periods": periods, f"{section}.series": series}
    scenario = tf.load_scenario("us5", changes)
    row = list(scenario.nodes).index(node)
    states = (scenario.compiled.state(period) for period in range(periods))
    if section == "demand":
        return np.array([state.demand[row].sum() for state in states])
    return np.array([state.electricity_price[row] for state in states])


@pytest.mark.parametrize("name", SERIES)
def test_prices(tmp_path: Path, name: str) -> None:
    spec, frame = SERIES[name], by_time(name)
    rate = spec.get("rate", 1)
    hours = pd.date_range(frame.index[0], periods=min(700, len(frame)), freq="h")
    expected = (frame.reindex(hours).fillna(spec.get("fill", np.nan)) * rate / 1000).to_numpy()
    assert np.isfinite(expected).all()
    by_mapping = in_market("electricity", {"file": str(held(name)), **spec}, hours[0], len(hours))
    np.testing.assert_allclose(by_mapping, expected, rtol=1e-12)
    options = {option: spec.get(option) for option in ("time_zone", "unit", "rate", "fill")}
    imported = prices(held(name), map=spec["map"], value=spec["value"], **options)
    table, lines = imported.write(tmp_path)
    series = yaml.safe_load(lines.read_text(encoding="utf-8"))["electricity"]["series"]
    assert series.get("fill") == pytest.approx(spec["fill"] * rate / 1000) if "fill" in spec else True
    by_import = in_market("electricity", {**series, "file": str(table)}, hours[0], len(hours))
    np.testing.assert_allclose(by_import, expected, rtol=1e-12)


def test_carbon_intensity(tmp_path: Path) -> None:
    frame = pd.read_csv(held("carbon_ciso_2022.csv"), index_col="timestamp", parse_dates=True).avg_CI
    imported = carbon(held("carbon_ciso_2022.csv"), map=["california"], fill="hold")
    np.testing.assert_allclose(imported.table.california, frame, rtol=1e-12)
    table, lines = imported.write(tmp_path)
    series = yaml.safe_load(lines.read_text(encoding="utf-8"))["carbon"]["series"]
    us5, begin = tf.load_scenario("us5"), pd.Timestamp("2022-01-05", tz="UTC")
    day = frame.loc[begin:].iloc[:24]
    assert day.isna().sum() == 1
    everywhere = {**series, "file": str(table), "map": {"california": list(us5.nodes)}}
    scenario = us5.override({"start": str(begin), "periods": 24, "carbon.series": everywhere})
    energy = scenario.hardware["fleet"].energy["chat"]  # kWh/Mtok
    found = [scenario.compiled.state(period).emission_rate[:, 0] for period in range(24)]
    np.testing.assert_allclose(found, np.outer(day.ffill() * energy / 1e6, np.ones(5)), rtol=1e-12)


def test_demand_by_quarters_of_an_hour_in_local_time() -> None:
    path = held("assume_demand_15min_head.csv")
    series = {
        "file": str(path), "time": "datetime", "time_zone": "Europe/Berlin", "value": "demand_EOM", "unit": "tok/s",
        "map": {"demand_EOM": {"node": "dallas", "workload": "chat"}},
    }  # fmt: skip
    quarters = pd.read_csv(path, index_col="datetime", parse_dates=True).demand_EOM.iloc[:8]
    scale = tf.load_scenario("us5").demand.scale
    found = in_market("demand", series, pd.Timestamp("2019-01-01", tz="Europe/Berlin"), 2)
    np.testing.assert_allclose(found, quarters.resample("h").mean().to_numpy() / 1e6 * scale, rtol=1e-12)


@pytest.mark.parametrize("name", TRACES)
def test_traces(tmp_path: Path, name: str) -> None:
    path, rates = held(name), name.startswith("servegen")
    shares = {"dallas": 0.6, "seattle": 0.4}
    tokens = {"input": 430.0, "output": 150.0} if rates else None
    imported = trace(path, weights=WEIGHTS, tokens=tokens, shares=shares)
    table, *_ = imported.write(tmp_path)
    expected = by_second(path, 1.0) * (0.2 * 430 + 150) / 1e6 if rates else by_pandas(path, 1.0).to_numpy()
    scale = tf.load_scenario("us5").demand.scale
    for node, share in shares.items():
        found = in_market("demand", str(table), pd.Timestamp("2023-11-16", tz="UTC"), len(expected), node)
        np.testing.assert_allclose(found, expected * share * scale, rtol=1e-12)


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_topologies(tmp_path: Path, name: str) -> None:
    path = held(name)
    if name.endswith("json"):
        graph: Any = nx.node_link_graph(json.loads(path.read_text()), edges="links")
        ends = [(str(a), str(b)) for a, b in graph.edges]
        capacity = [size / 8 for *_, size in graph.edges.data("capacity")]
    else:
        text = path.read_text().replace("graph [", "graph [\nmultigraph 1", 1)
        graph = nx.parse_gml(text.splitlines(), label="id")
        label = nx.get_node_attributes(graph, "label")
        ends = [(label[a], label[b]) for a, b, _ in graph.edges] + [
            (label[b], label[a]) for a, b, _ in graph.edges
        ]
        capacity = [192 * 51.84e6 / 8e9 if name == "Abilene.gml" else 1.25] * len(ends)
    topology(path, scenario=True, latency=12).write(tmp_path / "market")
    scenario = tf.load_scenario(tmp_path / "market")
    assert len(scenario.nodes) == graph.number_of_nodes()
    arcs = list(scenario.network.arcs.values())
    assert sorted((arc.origin, arc.destination) for arc in arcs) == sorted(ends)
    np.testing.assert_allclose(sorted(scenario.compiled.state(0).link_capacity), sorted(capacity), rtol=1e-12)
    place = pd.DataFrame(
        {node: {"latitude": at.latitude, "longitude": at.longitude} for node, at in scenario.nodes.items()},
        dtype=float,
    )
    delays = [
        12 if name.endswith("json") else kilometres(place[arc.origin], place[arc.destination]) / 200 + 5
        for arc in arcs
    ]
    np.testing.assert_allclose([arc.latency for arc in arcs], delays, rtol=1e-12)
    clearing = tf.clear(scenario.market(0))
    assert clearing.certificate.worst < 1e-6
    assert float(clearing.dispatch.sum()) > 0


def test_latencies() -> None:
    matrix = pd.read_csv(held("ibm_latency_matrix_rtt.csv"), index_col=0)
    table = latency(held("ibm_latency_matrix_rtt.csv"), rtt=True).table
    assert len(table) == len(matrix) * (len(matrix) - 1)
    expected = [matrix.loc[row.origin, row.destination] / 2 for row in table.itertuples()]
    np.testing.assert_allclose(table.latency, expected, rtol=1e-12)


def test_sites() -> None:
    frame = pd.read_csv(held("epoch_data_centers_columns.csv")).set_index("Handle")
    table = sites(held("epoch_data_centers_columns.csv")).table.set_index("node")
    assert table.index.tolist() == frame.index.tolist()
    np.testing.assert_allclose(table.power_mw, frame["Current power (MW)"], rtol=1e-12)
    np.testing.assert_allclose(table.latitude, frame.Latitude.map(angle), rtol=1e-12)
    np.testing.assert_allclose(table.longitude, frame.Longitude.map(angle), rtol=1e-12)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_of_pypsa(tmp_path: Path, name: str) -> None:
    """They come unsolved, which takes long, and are given prices here; test_pypsa_prices has one solved."""
    grid = read_network(held(name))
    numbers = np.random.default_rng(3).normal(40, 30, (len(grid.snapshots), len(grid.buses)))
    grid.buses_t.marginal_price = pd.DataFrame(numbers, grid.snapshots, grid.buses.index)
    write_network(grid, tmp_path / "grid.nc")
    found = pypsa(tmp_path / "grid.nc")
    np.testing.assert_allclose(found.table.to_numpy(), numbers / 1000, rtol=1e-12)
    np.testing.assert_allclose(found.tables["nodes.csv"]["longitude"], grid.buses["x"], rtol=1e-12)
