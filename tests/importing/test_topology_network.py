"""Topologies become nodes and arcs: ends, capacities and latencies are those that networkx finds apart."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest

import tokenflow_sim as tf
from tokenflow_sim.errors import DataError, ResultError
from tokenflow_sim.importing import topology
from tokenflow_sim.importing.names import is_name

GML = """\
graph [
  label "Zoo"
  node [ id 0 label "New York" Longitude -74.00597 Latitude 40.71427 ]
  node [ id 1 label "St. Louis, MO" Longitude -90.19789 Latitude 38.62727 ]
  node [ id 2 label "?" ]
  node [ id 3 label "?" Longitude 151.2 Latitude -33.9 ]
  node [ id 4 label "alone" Longitude 0.0 Latitude 0.0 ]
  edge [ source 0 target 1 LinkLabel "OC-48c" ]
  edge [ source 0 target 1 LinkSpeed "10" LinkSpeedUnits "G" LinkLabel "10 Gbps" LinkSpeedRaw 10000000000.0 ]
  edge [ source 1 target 2 LinkLabel "< 100 Mbps" ]
  edge [ source 2 target 3 LinkNote "Completed" ]
  edge [ source 3 target 3 LinkLabel "10 Gbps" ]
]
"""
NATIVE = """\
?SNDlib native format; type: network; version: 1.0
# network tiny
META (
  unit = MBITPERSEC
)
NODES (
  Berlin ( 13.48 52.52 )
  Hamburg ( 10.08 53.55 )
  Paris ( 2.35 48.86 )
)
LINKS (
  L1 ( Berlin Hamburg ) 0.00 0.00 1.00 0.00 ( 155.00 8.20 622.00 22.60 )
  L2 ( Hamburg Paris ) 40000.00 0.00 0.00 0.00 ( )
)
DEMANDS (
  D1 ( Berlin Paris ) 1 195.00 UNLIMITED
)
"""
XML = """\
<?xml version="1.0" encoding="ISO-8859-1"?>
<network xmlns="http://sndlib.zib.de/network" version="1.0">
 <meta><granularity>1day</granularity><unit>MBITPERSEC</unit></meta>
 <networkStructure>
  <nodes coordinatesType="geographical">
   <node id="Berlin"><coordinates><x>13.48</x><y>52.52</y></coordinates></node>
   <node id="Hamburg"><coordinates><x>10.08</x><y>53.55</y></coordinates></node>
   <node id="Paris"><coordinates><x>2.35</x><y>48.86</y></coordinates></node>
  </nodes>
  <links>
   <link id="L1"><source>Berlin</source><target>Hamburg</target>
    <additionalModules><addModule><capacity>155.0</capacity><cost>8.2</cost></addModule>
    <addModule><capacity>622.0</capacity><cost>22.6</cost></addModule></additionalModules></link>
   <link id="L2"><source>Hamburg</source><target>Paris</target>
    <preInstalledModule><capacity>40000.0</capacity><cost>0.0</cost></preInstalledModule></link>
  </links>
 </networkStructure>
 <demands><demand id="D1"><source>Berlin</source><target>Paris</target></demand></demands>
</network>
"""
NODE_LINK = {
    "directed": True, "multigraph": False, "graph": {},
    "nodes": [{"id": 0}, {"id": 7}, {"id": 3}],
    "links": [{"capacity": 5000.0, "source": 0, "target": 7}, {"capacity": 40.0, "source": 7, "target": 0},
              {"capacity": 40.0, "source": 7, "target": 3}],
}  # fmt: skip


def file(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def tables(path: Path, **options: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    found = topology(path, **options).tables
    return found["nodes.csv"], found["arcs.csv"]


def kilometres(one: pd.Series[Any], other: pd.Series[Any]) -> float:
    """Great-circle distance by the angle between unit vectors, not by haversine."""
    vectors = []
    for place in (one, other):
        north, east = np.radians([place["latitude"], place["longitude"]])
        vectors.append([np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)])
    cross = np.linalg.norm(np.cross(*vectors))
    return float(6371 * np.arctan2(cross, np.dot(*vectors)))


def test_gml_with_parallel_edges(tmp_path: Path) -> None:
    found = topology(file(tmp_path, "zoo.gml", GML))
    nodes, arcs = found.tables["nodes.csv"].set_index("node"), found.tables["arcs.csv"].set_index("arc")
    assert all(is_name(name) for name in nodes.index)
    assert nodes.index.is_unique
    here, there = nodes.index[:2]
    assert here == "New York"
    assert arcs.loc[f"New York->{there}", "capacity"] == 48 * 51.84e6 / 8e9
    assert arcs.loc[f"New York->{there}:2", "capacity"] == 10 / 8
    assert arcs.loc[f"{there}->New York", "latency"] == arcs.loc[f"New York->{there}", "latency"]
    assert arcs.loc[f"New York->{there}", "latency"] == pytest.approx(
        kilometres(nodes.loc[here], nodes.loc[there]) / 200 + 5, rel=1e-12
    )
    assert len(arcs) == 8
    said = str(found.summary)
    assert "no coordinates  1 node:" in said
    assert "disconnected    2 parts; outside of the largest: alone" in said
    assert "dropped         1 link of a node to itself" in said
    assert "no latency      4 arcs" in said
    assert "1 link without a speed: 1.25 GB/s" in said
    assert "1 a bound or range in words" in said


def test_graphml(tmp_path: Path) -> None:
    graph = nx.MultiGraph(label="Zoo")
    graph.add_node("n0", label="Aachen", Latitude=50.77, Longitude=6.08)
    graph.add_node("n1", label="Bonn", Latitude=50.73, Longitude=7.1)
    graph.add_edge("n0", "n1", LinkLabel="STM-16")
    graph.add_edge("n0", "n1", LinkSpeedRaw=155e6, LinkLabel="10 Gbps")
    nx.write_graphml(graph, tmp_path / "zoo.graphml")
    nodes, arcs = tables(tmp_path / "zoo.graphml", hop_latency=1, km_per_ms=100)
    assert nodes["node"].tolist() == ["Aachen", "Bonn"]
    np.testing.assert_allclose(
        sorted(arcs["capacity"]), [155 / 8000] * 2 + [16 * 155.52 / 8000] * 2, rtol=1e-12
    )
    expected = kilometres(nodes.iloc[0], nodes.iloc[1]) / 100 + 1
    np.testing.assert_allclose(arcs["latency"], expected, rtol=1e-9)


def test_node_link_json(tmp_path: Path) -> None:
    made = file(tmp_path, "made.json", json.dumps(NODE_LINK))
    data = json.loads(made.read_text())
    nodes, arcs = tables(made, capacity_unit="Mbit/s", latency=12)
    assert nodes["node"].tolist() == [str(node["id"]) for node in data["nodes"]]
    ends = {(str(link["source"]), str(link["target"])): link["capacity"] / 8000 for link in data["links"]}
    assert (
        dict(zip(zip(arcs["origin"], arcs["destination"], strict=True), arcs["capacity"], strict=True))
        == ends
    )
    assert set(arcs["latency"]) == {12}
    found = topology(made)
    assert "1 link of this directed file have no opposite" in str(found.summary)
    assert "capacities that are plain numbers are in Gbit/s" in found.yaml
    assert len(tables(made, both=True)[1]) == 4
    renamed = file(
        tmp_path,
        "edges.json",
        json.dumps(NODE_LINK | {"edges": NODE_LINK["links"], "links": None}).replace(
            '"links": null', '"x": 1'
        ),
    )
    pd.testing.assert_frame_equal(tables(renamed)[1], tables(made)[1])


def test_sndlib_native_and_xml_are_the_same(tmp_path: Path) -> None:
    native, xml = file(tmp_path, "tiny.txt", NATIVE), file(tmp_path, "tiny.xml", XML)
    for one, other in zip(tables(native), tables(xml), strict=True):
        pd.testing.assert_frame_equal(one, other)
    nodes, arcs = tables(native)
    assert nodes.set_index("node").loc["Paris", ["latitude", "longitude"]].tolist() == [48.86, 2.35]
    assert arcs["capacity"].tolist() == [622 / 8000, 622 / 8000, 5, 5]
    assert "1 links have nothing installed" in str(topology(native).summary)
    pixels = file(tmp_path, "pixels.xml", XML.replace("geographical", "pixel"))
    assert tables(pixels)[0]["latitude"].isna().all()


@pytest.mark.parametrize("name", ["zoo.gml", "made.json"])
def test_a_whole_scenario_runs(tmp_path: Path, name: str) -> None:
    stand_in = file(tmp_path, name, json.dumps(NODE_LINK) if name.endswith("json") else GML)
    topology(stand_in, scenario=True, name="my market").write(tmp_path / "market")
    scenario = tf.load_scenario(tmp_path / "market")
    assert scenario.name == "my market"
    clearing = tf.clear(scenario.market(0))
    assert clearing.certificate.worst < 1e-6
    assert float(clearing.dispatch.sum()) > 0


def test_attributes_and_names_are_as_told(tmp_path: Path) -> None:
    text = GML.replace('LinkLabel "OC-48c"', "bw 3 length 100.0").replace('"alone"', '"far"')
    _, arcs = tables(file(tmp_path, "zoo.gml", text), map={"New York": "nyc"}, capacity_unit="GB/s")
    assert arcs["origin"].iloc[0] == "nyc"
    assert arcs["capacity"].iloc[0] == 3
    assert arcs["latency"].iloc[0] == 100 / 200 + 5
    _, arcs = tables(file(tmp_path, "zoo.gml", text), capacity_attribute="bw", capacity=0.5)
    assert arcs["capacity"].tolist()[:3] == [3 / 8, 3 / 8, 0.5]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.gml", "", "a.gml: is empty"),
        ("a.gml", "hello", "is of no known format"),
        ("a.gml", GML.replace("id 1 label", "label"), "cannot be read as gml: .*'id'"),
        ("a.gml", GML[:300] + " ] ] ]", r"a.gml:\d+: cannot be read as gml"),
        ("a.json", '{"nodes": [],\n "links": ]}', r"a.json:2: is no JSON"),
        ("a.json", '{"nodes": [{"id": 1}]}', "is no node-link JSON"),
        ("a.json", '{"nodes": [], "links": []}', "has no nodes"),
        ("a.graphml", "<graphml><graph>", r"a.graphml:1: cannot be read as graphml"),
        ("a.txt", NATIVE.replace("40000.00", "fast"), r"a.txt:13: must be a capacity; found 'fast'"),
        ("a.txt", NATIVE.replace("( Hamburg Paris )", "Hamburg Paris"), r"a.txt:13: must be a link"),
        ("a.txt", NATIVE.replace("Berlin Hamburg", "Berlin Rome"), "unknown node 'Rome'"),
        ("a.txt", NATIVE.replace("  Paris (", "  Berlin ("), "a.txt:9: repeats node 'Berlin'"),
        ("a.txt", NATIVE.replace("DEMANDS (", "DEMANDS"), r"a.txt:15: must be a section"),
        ("a.xml", XML.replace("</links>", ""), r"a.xml:\d+: is no XML"),
        ("a.xml", XML.replace("40000.0", "fast"), "must be a capacity; found 'fast' at link 'L2'"),
        ("a.xml", "<other/>", "its root is <other>"),
    ],
)
def test_a_fault_names_file_and_place(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        topology(file(tmp_path, name, text))
    assert "topology has 1 fault:" in str(caught.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"format": "dot"}, "unknown format 'dot'"),
        ({"capacity": -1}, "capacity: must be zero or more"),
        ({"km_per_ms": 0}, "must be above zero"),
        ({"capacity_unit": "furlong"}, "unknown unit"),
        ({"capacity_attribute": "speed"}, "unknown attribute 'speed'"),
        ({"capacity_attribute": "LinkNote"}, r"must be a speed; found 'Completed' at link 4"),
        ({"map": {"New York": "a", "alone": "a"}}, "would call several nodes a"),
        ({"map": {"New York": "a->b>"}}, "for a name"),
    ],
)
def test_an_option_that_does_not_fit_is_said(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        topology(file(tmp_path, "zoo.gml", GML), **options)


def test_a_missing_library_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "networkx", None)
    with pytest.raises(ResultError, match=r'needs networkx: pip install "tokenflow-sim\[data\]"'):
        topology(file(tmp_path, "zoo.gml", GML))
    assert len(tables(file(tmp_path, "tiny.txt", NATIVE))[0]) == 3


def test_hostile_topologies_end_in_one_message(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    path = tmp_path / "hostile"
    ended = 0
    for number, text in enumerate([GML, NATIVE, XML, json.dumps(NODE_LINK)] * 40):
        raw = bytearray(text.encode())
        for _ in range(rng.integers(1, 5)):
            at = rng.integers(len(raw))
            raw[at : at + rng.integers(0, 4)] = rng.choice(
                [b"", b"\n", b"(", b"]", b'"', b"\xff", b"-", b"<", b"9e999"]
            )
        path.write_bytes(bytes(raw[: rng.integers(1, len(raw))] if number % 5 == 0 else raw))
        try:
            topology(path)
        except DataError:
            ended += 1
    assert 20 < ended < 160
