"""Faults in the tables of a scenario: one line each, by file, row and column."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.scenario.conftest import TAIL, Edited, faults_in, only
from tokenflow_sim.errors import ScenarioError
from tokenflow_sim.scenario import Scenario
from tokenflow_sim.scenario.loading import bundled_folder


def test_a_row_with_a_cell_too_many_hides_no_unknown_name(edited: Edited) -> None:
    folder = edited(
        scenario=[("node: chicago, hardware", "node: asia, hardware")], nodes=[("1.2,true", "1.2,true,9")]
    )
    told = {fault.place: fault.message for fault in faults_in(folder)}
    assert set(told) == {"nodes", "providers.chicago_dc.assets[0].node"}
    assert "has 10 cells where the header has 9" in told["nodes"]
    assert "dallas" in told["providers.chicago_dc.assets[0].node"]  # it stands in the torn row, and is known


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


def test_a_network_too_large_to_compare_is_refused_before_it_is_made(us5: Scenario) -> None:
    node = {"latitude": 1, "longitude": 1, "demand_weight": 0}
    many = {name: us5.nodes[name].model_dump() for name in us5.nodes} | {f"n{n}": node for n in range(20_000)}
    with pytest.raises(ScenarioError, match="pairs of nodes; give a table of arcs instead"):
        us5.override({"nodes": many})
