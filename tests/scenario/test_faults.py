"""Every kind of fault is told with file, place, what was found and what is known; none hides another."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.scenario.conftest import faults_in
from tokenflow_sim.errors import Fault, ScenarioError
from tokenflow_sim.scenario import Scenario, load_scenario
from tokenflow_sim.scenario.loading import bundled_folder

Edited = Callable[..., Path]
TAIL = "owners:\n"


def only(faults: list[Fault]) -> Fault:
    assert len(faults) == 1, "\n".join(map(str, faults))
    return faults[0]


def test_all_faults_of_all_files_are_told_at_once(edited: Edited) -> None:
    folder = edited(
        scenario=[
            ("node: dallas", "node: asia"),
            ("throughput: { chat: 5000", "throughput: { chat: -5"),
            ("must_serve: true", "must_serve: maybe"),
            ("scale: 35.0", "scale: .nan"),
            ("hop_latency", "hop_latencyy"),
        ],
        nodes=[("1200", "abc"), ("-87.6298", "inf")],
    )
    found = {fault.place: fault for fault in faults_in(folder)}
    assert set(found) == {
        "providers.dallas_dc.assets[0].node",
        "hardware.fleet.throughput.chat",
        "market.must_serve",
        "demand.scale",
        "network.hop_latencyy",
        "nodes.dallas.power_mw",
        "nodes.chicago.longitude",
    }
    asia = found["providers.dallas_dc.assets[0].node"]
    assert asia.message.startswith(
        "unknown node 'asia'; known nodes: ashburn, dallas, silicon_valley, chicago"
    )
    assert asia.file == f"{folder / 'scenario.yaml'}:45"
    assert found["nodes.dallas.power_mw"].file == f"{folder / 'nodes.csv'}:3"
    assert "did you mean 'hop_latency'?" in found["network.hop_latencyy"].message


def test_a_fault_of_an_entry_hides_no_other_of_the_same_entry(edited: Edited) -> None:
    folder = edited(
        scenario=[
            ("node: dallas, hardware: fleet, share: 1", "node: asia, hardware: fleet, share: 1.5"),
            ("node: chicago, hardware: fleet", "node: 7.5, hardware: tpu"),
        ]
    )
    told = {fault.place: fault.message for fault in faults_in(folder)}
    assert set(told) == {
        "providers.dallas_dc.assets[0].share",
        "providers.dallas_dc.assets[0].node",
        "providers.chicago_dc.assets[0].node",
        "providers.chicago_dc.assets[0].hardware",
    }
    assert told["providers.dallas_dc.assets[0].node"].startswith("unknown node 'asia'")


def test_a_row_with_a_cell_too_many_hides_no_unknown_name(edited: Edited) -> None:
    folder = edited(
        scenario=[("node: chicago, hardware", "node: asia, hardware")], nodes=[("1.2,true", "1.2,true,9")]
    )
    told = {fault.place: fault.message for fault in faults_in(folder)}
    assert set(told) == {"nodes", "providers.chicago_dc.assets[0].node"}
    assert "has 10 cells where the header has 9" in told["nodes"]
    assert "dallas" in told["providers.chicago_dc.assets[0].node"]  # it stands in the torn row, and is known


# what stands in scenario.yaml, what to put there, the place of the fault, words of its message
YAML_FAULTS = {
    "unknown hardware": (
        "node: dallas, hardware: fleet", "node: dallas, hardware: tpu",
        "providers.dallas_dc.assets[0].hardware", "unknown hardware 'tpu'; known hardware: fleet",
    ),
    "asset without power": (
        "node: dallas, hardware: fleet, share: 1", "node: dallas, hardware: fleet",
        "providers.dallas_dc.assets[0]", "has no power",
    ),
    "asset with two powers": (
        "node: dallas, hardware: fleet, share: 1", "node: dallas, hardware: fleet, share: 1, power_mw: 5",
        "providers.dallas_dc.assets[0]", "both power_mw and share",
    ),
    "shares below one": (
        "node: dallas, hardware: fleet, share: 1", "node: dallas, hardware: fleet, share: 0.9",
        "nodes.dallas.power_mw", "add up to 0.9, not to 1 (dallas_dc 0.9)",
    ),
    "more power than the site": (
        "node: dallas, hardware: fleet, share: 1", "node: dallas, hardware: fleet, power_mw: 1201",
        "nodes.dallas.power_mw", "add up to 1201 MW, more than its 1200 MW",
    ),
    "power of zero": (
        "node: dallas, hardware: fleet, share: 1", "node: dallas, hardware: fleet, power_mw: 0",
        "providers.dallas_dc.assets[0].power_mw", "must be greater than 0; found 0",
    ),
    "two assets of one label": (
        "name: dallas, node: dallas", "name: ashburn, node: dallas",
        "providers.dallas_dc.assets[0]", "repeats asset 'ashburn'",
    ),
    "repeated key": (TAIL, "hours: 2\n" + TAIL, "hours", "is given twice, first on line 7"),
    "unknown field": (TAIL, "owner: 2\n" + TAIL, "owner", "unknown field 'owner'; known fields: format, name"),
    "wrong format": ("format: 1", "format: 2", "format", "must be 1; found 2"),
    "no name": ("name: us5\n", "", "name", "is needed, and is not given"),
    "a name with a bracket": ("name: us5", "name: us[5]", "name", "a name is at most 64 letters"),
    "a key with a slash": ("  ashburn_dc:", "  ash/burn:", "providers.ash/burn", "must have no slash"),
    "no periods": ("periods: 168", "periods: 0", "periods", "must be at least 1; found 0"),
    "part of a period": ("periods: 168", "periods: 1.5", "periods", "must be a whole number; found 1.5"),
    "infinite hours": ("hours: 1.0", "hours: .inf", "hours", "must be finite"),
    "a truth value for a number": ("hours: 1.0", "hours: true", "hours", "must be a number, not true or false"),
    "decimal comma": ("hours: 1.0", "hours: 1,5", "hours", "has a decimal comma; write 1.5"),
    "unknown formulation": (
        "bandwidth: token_equivalent", "bandwidth: tokens",
        "market.bandwidth", "must be 'token_equivalent', 'physical' or 'none'; found 'tokens'",
    ),
    "no payload": ("payload: 0.5, ", "", "workloads.chat.payload", "is needed, and is not given"),
    "energy missing": (
        "energy: { chat: 1, ", "energy: { ", "hardware.fleet.energy", "lacks chat, which it has a throughput for",
    ),
    "unknown class of hardware": (
        "energy: { chat: 1, ", "energy: { chat: 1, video: 3, ",
        "hardware.fleet.energy", "unknown workload 'video'; known workloads: chat, image, code, batch",
    ),
    "nobody owns the arcs": ("owns: rest", "owns: [dallas]", "owners", "nobody owns ashburn->dallas"),
    "unknown rule of ownership": (
        "owns: rest", "owns: everything", "owners.network.owns", "must be tier1, rest or a list of nodes",
    ),
    "unknown owned node": ("owns: rest", "owns: [mars]", "owners.network.owns", "unknown node 'mars'"),
    "arcs to nowhere": (
        "  tariff: 0.01", "  arcs: [{ origin: dallas, destination: mars }]\n  tariff: 0.01",
        "network.arcs.dallas->mars.destination", "unknown node 'mars'",
    ),
    "arc to itself": (
        "  tariff: 0.01", "  arcs: [{ origin: dallas, destination: dallas }]\n  tariff: 0.01",
        "network.arcs.dallas->dallas", "leads from dallas to itself",
    ),
    "arc twice": (
        "  tariff: 0.01",
        "  arcs: [{ origin: dallas, destination: seattle }, { origin: dallas, destination: seattle }]\n  tariff: 0.01",
        "network.arcs.dallas->seattle", "is given twice",
    ),
    "unknown owner of an arc": (
        "  tariff: 0.01", "  arcs: [{ origin: dallas, destination: seattle, owner: me }]\n  tariff: 0.01",
        "network.arcs.dallas->seattle.owner", "unknown owner 'me'; known owners: network",
    ),
    "region of an unknown node": (
        TAIL, "regions: { all: { nodes: [ashburn, dallas, silicon_valley, chicago, seattle, mars] } }\n" + TAIL,
        "regions.all.nodes", "unknown node 'mars'",
    ),
    "node in two regions": (
        TAIL,
        "regions: { all: { nodes: [ashburn, dallas, silicon_valley, chicago, seattle] }, x: { nodes: [dallas] } }\n"
        + TAIL,
        "regions.x.nodes", "node 'dallas' is in region 'all' already",
    ),
    "node in no region": (
        TAIL, "regions: { all: { nodes: [ashburn, dallas, silicon_valley, chicago] } }\n" + TAIL,
        "nodes.seattle.demand_weight", "has demand, but is in no region",
    ),
    "outage of nothing": (TAIL, "outages: [{ first: 1, last: 2 }]\n" + TAIL, "outages[0]", "hits nothing"),
    "outage of an unknown arc": (
        TAIL, "outages: [{ first: 1, last: 2, arc: a->b }]\n" + TAIL, "outages[0].arc", "unknown arc 'a->b'",
    ),
    "outage of an unknown asset": (
        TAIL, "outages: [{ first: 1, last: 2, asset: x }]\n" + TAIL, "outages[0].asset", "unknown asset 'x'",
    ),
    "outage that ends before it begins": (
        TAIL, "outages: [{ first: 3, last: 2, node: dallas }]\n" + TAIL, "outages[0].last", "before first, 3",
    ),
    "outage of arc and node": (
        TAIL, "outages: [{ first: 3, last: 4, node: dallas, arc: dallas->chicago }]\n" + TAIL,
        "outages[0]", "names an arc and a node",
    ),
    "23 hours": (
        "  scale: 35.0", f"  scale: 35.0\n  hourly: {{ chat: {[1] * 23} }}",
        "demand.hourly.chat", "needs 24 entries; found 23",
    ),
    "hours of an unknown class": (
        "  scale: 35.0", f"  scale: 35.0\n  hourly: {{ video: {[1] * 24} }}",
        "demand.hourly", "unknown workload 'video'",
    ),
    "noise without end": (
        "  scale: 35.0", "  scale: 35.0\n  noise: { volatility: { chat: 0.1 }, persistence: 1 }",
        "demand.noise.persistence", "must be less than 1; found 1",
    ),
    "noise of an unknown class": (
        "  scale: 35.0", "  scale: 35.0\n  noise: { volatility: { video: 0.1 } }",
        "demand.noise.volatility", "unknown workload 'video'",
    ),
    "strategy without a name": (
        "ashburn_dc: {", "ashburn_dc: { strategy: { markup: 1 },",
        "providers.ashburn_dc.strategy.name", "is needed",
    ),
    "strategy that is no name": (
        "ashburn_dc: {", "ashburn_dc: { strategy: 'rm -rf /',",
        "providers.ashburn_dc.strategy", "is no strategy's name",
    ),
    "strategy with a parameter that is no number": (
        "ashburn_dc: {", "ashburn_dc: { strategy: { name: fixed_markup, markup: .nan },",
        "providers.ashburn_dc.strategy", "must be finite numbers",
    ),
    "table that leaves the folder": (
        "nodes: nodes.csv", "nodes: ../nodes.csv", "nodes", "leaves the scenario's folder",
    ),
    "table elsewhere": ("nodes: nodes.csv", "nodes: /etc/passwd", "nodes", "leaves the scenario's folder"),
    "table that is not there": (
        "nodes: nodes.csv", "nodes: node.csv", "nodes", "does not exist; tables there: nodes.csv",
    ),
    "demand for too few periods": (
        "  scale: 35.0", '  scale: 35.0\n  series: "period,node,chat\\n0,dallas,0.1\\n"',
        "demand.series", "covers periods 0 to 0, where the scenario has 168 periods",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", YAML_FAULTS)
def test_fault_in_the_scenario_file(kind: str, edited: Edited) -> None:
    old, new, place, words = YAML_FAULTS[kind]
    folder = edited(scenario=[(old, new)])
    fault = only(faults_in(folder))  # and nothing that only follows from it
    assert fault.place == place
    assert words in fault.message
    assert fault.file.startswith(str(folder))


# the nodes' table as a whole or what to exchange in it, the place and line of the fault, words of its message
NODE_FAULTS: dict[str, tuple[list[tuple[str, str]] | str, str, str, str]] = {
    "negative": ([("2000", "-2000")], "nodes.ashburn.power_mw", ":2", "must be at least 0; found '-2000'"),
    "nan": ([("2000", "nan")], "nodes.ashburn.power_mw", ":2", "must be finite"),
    "word": ([("0.18", "dear")], "nodes.silicon_valley.electricity_price", ":4", "must be a number; found 'dear'"),
    "decimal comma in quotes": ([("0.18", '"0,18"')], "nodes.silicon_valley.electricity_price", ":4", "write 0.18"),
    "decimal comma": ([("0.18", "0,18")], "nodes", ":4", "has 10 cells where the header has 9"),
    "row too short": ([(",0.4,false", ",0.4")], "nodes", ":6", "has 8 cells where the header has 9"),
    "repeated row": ([("seattle", "dallas")], "nodes.dallas", ":6", "is given twice, first on line 3"),
    "row without a name": ([("seattle", "")], "nodes", ":6", "has a row without a node"),
    "name with a bracket": ([("seattle", "sea[1]")], "nodes.sea[1]", ":6", "a name is at most 64 letters"),
    "repeated column": ([("latitude", "longitude")], "nodes", ":1", "repeats column 'longitude'"),
    "unknown column": ([("power_mw", "power")], "nodes", ":1", "unknown column 'power'; known"),
    "no key": ([("node,", "hub,")], "nodes", "", "needs a column 'node'; it has hub, metro"),
    "nameless column": ([("latitude", "")], "nodes", ":1", "has a column without a name"),
    "beyond the pole": ([("39.0438", "139")], "nodes.ashburn.latitude", ":2", "must be at most 90"),
    "no coordinate": ([("39.0438", "")], "nodes.ashburn.latitude", ":2", "is needed, since arcs are made by distance"),
    "no price": ([("0.078", "")], "nodes.ashburn.electricity_price", ":2", "is needed, since assets stand there"),
    "share of nothing": ([("2000", "")], "providers.ashburn_dc.assets[0].share", ":44", "which has no power_mw"),
    "not true or false": ([("1.0,true", "1.0,perhaps")], "nodes.ashburn.tier1", ":2", "must be true or false"),
    "semicolons": ("node;power_mw\na;3\n", "nodes", ":1", "semicolons or tabs"),
    "empty": ("", "nodes", "", "is empty"),
    "header only": ("node,power_mw\n", "nodes", "", "has a header but no rows"),
    "open quote": ('node,power_mw\n"a,3\n', "nodes", ":2", "is no valid CSV"),
}  # fmt: skip


@pytest.mark.parametrize("kind", NODE_FAULTS)
def test_fault_in_a_table(kind: str, edited: Edited) -> None:
    change, place, line, words = NODE_FAULTS[kind]
    fault = only(faults_in(edited(nodes=change)))
    assert words in fault.message
    assert fault.place == place
    assert fault.file.endswith(line)


SECTIONS = ("nodes", "hardware", "workloads", "providers", "network", "owners", "demand", "market")


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("fault", ["misspelt", "a number"])
def test_one_fault_of_a_section_is_one_line(section: str, fault: str, us5_folder: Path) -> None:
    file = us5_folder / "scenario.yaml"
    data = yaml.safe_load(file.read_text())
    if fault == "misspelt":
        data = {f"{key}x" if key == section else key: value for key, value in data.items()}
    else:
        data[section] = 5
    file.write_text(yaml.safe_dump(data, sort_keys=False))
    assert only(faults_in(us5_folder)).place == section + ("x" if fault == "misspelt" else "")


@pytest.mark.parametrize(
    "table", ["nodes", "trunks", "assets_atlas", "demand_hourly", "demand_weekly", "electricity_hourly"]
)
def test_one_misspelt_column_of_a_table_is_one_line(table: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(bundled_folder() / "us20_oligopoly", tmp_path / "market"))
    file = folder / f"{table}.csv"
    lines = file.read_text().splitlines()
    top = next(number for number, line in enumerate(lines) if line and not line.startswith("#"))
    for column in lines[top].split(","):
        header = ",".join(f"{name}x" if name == column else name for name in lines[top].split(","))
        file.write_text("\n".join([*lines[:top], header, *lines[top + 1 :]]) + "\n")
        assert f"{column}x" in only(faults_in(folder)).message


def test_unknown_time_zone(edited: Edited) -> None:
    folder = edited(nodes=[("node,", "node,time_zone,"), ("ashburn,", "ashburn,Mars/Base,")])
    faults = [fault for fault in faults_in(folder) if fault.place == "nodes.ashburn.time_zone"]
    assert "unknown time zone 'Mars/Base'" in only(faults).message


def test_value_of_lost_service_is_needed_where_service_may_be_lost(edited: Edited) -> None:
    folder = edited(scenario=[("must_serve: true", "must_serve: false"), (", value: 500", "")])
    fault = only(faults_in(folder))
    assert fault.place == "workloads.image.value"
    assert "market.must_serve is false" in fault.message


def test_a_region_node_without_demand(edited: Edited) -> None:
    regions = "regions: { all: { nodes: [ashburn, dallas, silicon_valley, chicago, seattle] } }\n"
    folder = edited(scenario=[(TAIL, regions + TAIL)], nodes=[("600,0.052,0.4", "600,0.052,0")])
    fault = only(faults_in(folder))
    assert (fault.place, fault.message) == (
        "regions.all.nodes",
        "node 'seattle' has no demand (its demand_weight is 0)",
    )


def test_a_price_given_twice(edited: Edited) -> None:
    folder = edited(
        scenario=[("periods: 168", "periods: 1"), (TAIL, "electricity: { series: prices.csv }\n" + TAIL)],
        prices="period,dallas\n0,0.1\n",
    )
    assert "is given here and in electricity.series" in only(faults_in(folder)).message


SERIES_FAULTS = {
    "gap": ("0,1\n2,1\n", ":3", "has period 2, but lacks earlier rows"),
    "twice": ("0,1\n1,1\n1,2\n", ":4", "repeats period 1, first on line 3"),
    "no number": ("0,1\n1,x\n", ":3", "must be a number; found 'x'"),
    "empty cell": ("0,1\n1,\n", ":3", "is empty"),
    "huge and negative": ("0,1\n1,-1e13\n", ":3", "must be at least -1e+12; found -1"),
    "infinite": ("0,1\n1,1e999\n", ":3", "must be finite"),
    "no period": ("0,1\nfirst,1\n", ":3", "must be a whole number from 0 on; found 'first'"),
    "negative period": ("-1,1\n0,1\n", ":2", "must be a whole number"),
    "part of a period": ("0.5,1\n0,1\n", ":2", "must be a whole number"),
}


@pytest.mark.parametrize("kind", SERIES_FAULTS)
def test_fault_in_a_table_by_period(kind: str, edited: Edited) -> None:
    rows, line, words = SERIES_FAULTS[kind]
    folder = edited(
        scenario=[("periods: 168", "periods: 2"), (TAIL, "electricity: { series: prices.csv }\n" + TAIL)],
        prices="period,dallas\n" + rows,
        nodes=[("1200,0.072", "1200,")],
    )
    fault = only(faults_in(folder))
    assert words in fault.message
    assert fault.file == f"{folder / 'prices.csv'}{line}"


def test_fault_in_a_table_by_hour(edited: Edited) -> None:
    rows = "".join(f"{hour},1\n" for hour in range(23)) + "3,1\n24,1\n"
    folder = edited(
        scenario=[("  scale: 35.0", "  scale: 35.0\n  hourly: hours.csv")], hours="hour,chat\n" + rows
    )
    told = [fault.message for fault in faults_in(folder)]
    assert told[0] == "repeats hour 3, first on line 5"
    assert told[1].startswith("unknown hour '24'; known hours: 0, 1")
    assert told[2:] == ["lacks hour 23"]


def test_many_faults_of_one_table_are_summed_up(edited: Edited) -> None:
    rows = "0,1\n" + "".join(f"{period},x\n" for period in range(1, 1000))
    folder = edited(scenario=[(TAIL, "electricity: { series: p.csv }\n" + TAIL)], p="period,dallas\n" + rows)
    faults = faults_in(folder)
    assert len(faults) == 20
    assert faults[-1].message == "and more faults like these, once they are mended"


TEXTS = {
    "nothing": ("", "must be a mapping of a scenario's fields"),
    "a list": ("- 1\n", "must be a mapping of a scenario's fields"),
    "a word": ("hello", "must be a mapping of a scenario's fields"),
    "open bracket": ("a: [1", "is no valid YAML: while parsing a flow sequence"),
    "a tab": ("a:\n\t- 1", "is no valid YAML"),
    "control characters": ("a: \x07", "is no valid YAML"),
    "code": ('a: !!python/object/apply:os.system ["true"]', "has a tag, which a scenario may not"),
    "a tag of one's own": ("a: !thing 3", "has a tag, which a scenario may not"),
    "two documents": ("a: 1\n---\nb: 2\n", "holds more than one document"),
    "deep nesting": ("[" * 50_000, "is nested more than 40 deep"),
    "an anchor that holds itself": ("a: &a [*a]", "holds itself"),
    "an unknown anchor": ("a: *b", "an anchor that is not there"),
    "a key that is a list": ("? [a]\n: 1", "a key must be text; found a list"),
    "a key that is true": ("true: 1", "a key must be text; found True"),
    "a bomb": (
        "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)),
        "grows beyond 1000000 entries",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", TEXTS)
def test_text_that_is_no_scenario(kind: str, edited: Edited) -> None:
    text, words = TEXTS[kind]
    assert words in only(faults_in(edited(scenario=text))).message
    with pytest.raises(ScenarioError, match="scenario text has"):
        Scenario.from_yaml(text)


def test_bytes_that_are_no_text(edited: Edited) -> None:
    assert (
        "is no UTF-8 text (byte 6)" in only(faults_in(edited(scenario="name: é".encode("latin-1")))).message
    )
    assert "is no UTF-8 text" in only(faults_in(edited(scenario=b"\xff\xfe\x00"))).message


def test_bom_crlf_and_unicode_names_are_no_faults(us5_folder: Path) -> None:
    for file in us5_folder.iterdir():
        text = file.read_text(encoding="utf-8").replace("seattle", "Zürich-東京")
        file.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    scenario = load_scenario(us5_folder)
    assert list(scenario.nodes)[-1] == "Zürich-東京"
    assert Scenario.from_yaml(scenario.to_yaml()) == scenario


def test_what_is_no_file(us5_folder: Path, tmp_path: Path) -> None:
    nodes = us5_folder / "nodes.csv"
    nodes.unlink()
    os.mkfifo(nodes)  # reading it would wait for ever
    assert "is not a regular file" in only(faults_in(us5_folder)).message
    nodes.unlink()
    nodes.mkdir()
    assert "is not a regular file" in only(faults_in(us5_folder)).message
    nodes.rmdir()
    nodes.symlink_to("/etc/hostname")
    assert "leaves the scenario's folder" in only(faults_in(us5_folder)).message


@pytest.mark.parametrize("name", ["us6", "", "a\0b", "x" * 5000, "/nowhere/at all"])
def test_unknown_scenario(name: str) -> None:
    with pytest.raises(ScenarioError, match="known scenarios: eu_residency, us20"):
        load_scenario(name)


def test_folder_without_a_scenario(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"this folder has no scenario\.yaml"):
        load_scenario(tmp_path)


def test_text_alone_has_no_folder() -> None:
    with pytest.raises(ScenarioError, match="where text alone has no folder"):
        Scenario.from_yaml("format: 1\nname: x\nnodes: nodes.csv\n")


def test_the_error_crosses_processes_whole(edited: Edited) -> None:
    with pytest.raises(ScenarioError) as caught:
        load_scenario(edited(scenario=[("format: 1", "format: 2")]))
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)


def test_a_network_too_large_to_compare_is_refused_before_it_is_made(us5: Scenario) -> None:
    node = {"latitude": 1, "longitude": 1, "demand_weight": 0}
    many = {name: us5.nodes[name].model_dump() for name in us5.nodes} | {f"n{n}": node for n in range(20_000)}
    with pytest.raises(ScenarioError, match="pairs of nodes; give a table of arcs instead"):
        us5.override({"nodes": many})
