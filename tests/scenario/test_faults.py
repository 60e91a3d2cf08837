"""Every kind of fault is told with file, place, what was found and what is known; none hides another."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import yaml

from tests.scenario.conftest import TAIL, Edited, faults_in, only
from tokenflow_sim.errors import ScenarioError
from tokenflow_sim.scenario import Scenario, load_scenario


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
