"""The grid of a scenario: its tables, its faults, its series, PyPSA networks, and the way back to text."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.importing.real import FOLDER
from tokenflow_sim.errors import ScenarioError
from tokenflow_sim.scenario import Scenario, load_scenario
from tokenflow_sim.scenario.grid_checks import bus_of_nodes

BUSES = "bus,latitude,longitude,load_mw\nwest,37,-120,\nsouth,32,-97,40\neast,40,-77,\n"
LINES = "line,from,to,limit_mw,reactance\nws,west,south,100,0.1\nse,south,east,50,0.2\nwe,west,east,,0.1\n"
GENERATORS = "generator,bus,capacity_mw,cost,co2\nwind,west,500,0,0\ngas,east,900,45,0.4\n"
LINKS = {"ashburn": "east", "dallas": "south", "silicon_valley": "west", "chicago": "east", "seattle": "west"}


def tables(**changes: Any) -> dict[str, Any]:
    return {"buses": BUSES, "lines": LINES, "generators": GENERATORS, "links": LINKS} | changes


@pytest.fixture(scope="module")
def base() -> Scenario:
    return load_scenario("us5", {"periods": 3})


def faults(base: Scenario, grid: Any, **changes: Any) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        base.override({"grid": grid} | changes)
    return [f"{fault.place}: {fault.message}" for fault in caught.value.faults]


def test_tables_of_files_make_a_grid_that_survives_text_results_and_changes_by_path(
    us5_folder: Path, base: Scenario
) -> None:
    for name, text in (("buses", BUSES), ("lines", LINES), ("generators", GENERATORS)):
        (us5_folder / f"{name}.csv").write_text(text)
    links = "node,bus\n" + "\n".join(f"{node},{bus}" for node, bus in LINKS.items())
    (us5_folder / "links.csv").write_text(links)
    (us5_folder / "wind.csv").write_text(
        "period,wind\n" + "\n".join(f"{p},{0.5 + p % 2 / 4}" for p in range(168))
    )
    section = "\ngrid:\n  clearing: joint\n  availability: wind.csv\n"
    section += "".join(f"  {name}: {name}.csv\n" for name in ("buses", "lines", "generators", "links"))
    file = us5_folder / "scenario.yaml"
    file.write_text(file.read_text() + section)
    found = load_scenario(us5_folder)
    inline = base.override(
        {"periods": 168, "grid": tables(clearing="joint", availability=found.grid.availability)}
    )
    assert found.grid == inline.grid
    assert found.grid.lines["we"].limit_mw is None
    assert found.grid.buses["south"].load_mw == 40
    assert Scenario.from_yaml(found.to_yaml()) == found
    changed = found.override(
        {"grid.lines.ws.limit_mw": 70, "grid.clearing": "sequential", "grid.availability[1].wind": 1}
    )
    assert changed.grid.lines["ws"].limit_mw == 70
    assert changed.grid.availability.values[:3, 0].tolist() == [0.5, 1.0, 0.5]
    assert changed.override({"grid.availability": None}).grid.availability is None
    with pytest.raises(ScenarioError, match="unknown name 'xx'; known names: ws, se, we"):
        found.override({"grid.lines.xx.limit_mw": 70})


def test_long_series_stand_apart_in_results(base: Scenario) -> None:
    load = pd.DataFrame(np.arange(36_000.0).reshape(-1, 3) % 7, columns=["west", "south", "east"])
    grid = tables(buses="bus\nwest\nsouth\neast\n", load=load.rename_axis("period").reset_index())
    scenario = base.override({"periods": 12_000, "grid": grid})
    assert json.loads(scenario.packed["scenario_series"]).keys() == {"grid.load"}

    class Results:
        attrs = scenario.packed

    assert Scenario.from_results(Results()) == scenario


def test_every_fault_is_reported_at_once_and_none_that_follows_from_another(base: Scenario) -> None:
    lines = "line,from,to,limit_mw,susceptance,efficiency,kind\n"
    lines += "a,west,south,100,-0.1,,\nb,south,x,50,2,,\nc,west,east,,,,\nd,west,west,1,2,0.9,transport\n"
    found = faults(
        base,
        tables(
            lines=lines,
            generators="generator,bus,capacity_mw,must_run\ngas,east,many,\ncoal,east,9,1.5\nsun,west,5,\nwind,q,5,\n",
            links={"zz": "west", "dallas": "south"},
            availability="period,sun,gas\n0,1.2,1\n1,1,1\n",
            load="period,south\n0,-1\n1,5\n2,5\n",
        ),
    )
    wanted = [
        "grid.lines.a.susceptance: must be greater than 0",
        "grid.generators.gas.capacity_mw: must be a number; found 'many'",
        "grid.generators.coal.must_run: must be at most 1; found '1.5'",
        "grid.availability: covers periods 0 to 1, where the scenario has 3 periods",
        "grid.lines.b.to: unknown bus 'x'; known buses: west, south, east",
        "grid.generators.wind.bus: unknown bus 'q'; known buses: west, south, east",
        "grid.lines.c: needs a `reactance` or `susceptance`, since its flow follows voltage angles (kind: dc)",
        "grid.lines.d: leads from west to itself",
        "grid.lines.d.efficiency: is for lines that carry power one way: give `back_limit_mw: 0`",
        "grid.buses.south.load_mw: is given here and in grid.load; leave one of them out",
        "grid.availability: holds shares of capacity above 1, such as 1.2",
        "grid.links.zz: unknown node 'zz'",
        "grid.links: gives no bus to ashburn, silicon_valley, chicago, seattle, where assets stand",
    ]
    assert len(found) == len(wanted), found
    for text in wanted:
        assert any(line.startswith(text) for line in found), (text, found)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"lines": LINES.replace("ws,west,south,100,0.1\n", "").replace("we,west,east,,0.1\n", "")},
         []),
        ({"lines": {}}, ["the island of bus south has 0 MW of supply for 40 MW of local load"]),
        ({"lines": {}, "buses": BUSES.replace("40\n", "\n")},
         ["the island of bus south has no supply, and the assets at dallas draw power there"]),
        ({"generators": "generator,bus,capacity_mw\ngas,east,30\n"},
         ["the grid has 30 MW of supply for 40 MW of local load"]),
        ({"generators": {}}, ["grid.generators: is needed, and is not given"]),
        ({"buses": "bus,lat\nwest,1\n"}, ["unknown column 'lat'"]),
        ({"generators": {"g": {"bus": "east", "steps": [{"mw": 9, "cost": 5}, {"mw": 9, "cost": 4}]}}},
         ["needs steps of rising cost; found 5, 4"]),
        ({"links": {}, "nearest": True, "buses": "bus\nwest\nsouth\neast\n"},
         ["the grid's buses have no latitude and longitude: name their buses, e.g. ashburn: west"]),
    ],
)  # fmt: skip
def test_islands_supply_and_tables(base: Scenario, changes: dict[str, Any], said: list[str]) -> None:
    if not said:
        base.override({"grid": tables(**changes)})
        return
    found = faults(base, tables(**changes))
    assert len(found) == len(said), found
    assert all(any(text in line for line in found) for text in said), found


def test_nodes_are_at_the_bus_given_or_of_their_name_or_nearest(base: Scenario) -> None:
    buses = BUSES + "chicago,0,0,\n"
    lines = LINES + "ce,chicago,east,9,1\n"
    grid = tables(buses=buses, lines=lines, links={"dallas": "west"}, nearest=True)
    scenario = base.override({"grid": grid})
    assert bus_of_nodes(scenario, scenario.grid) == {
        "ashburn": "east", "dallas": "west", "silicon_valley": "west", "chicago": "chicago", "seattle": "west",
    }  # fmt: skip


def test_a_grid_takes_the_place_of_electricity_prices_unless_tokens_are_cleared_at_these(
    base: Scenario,
) -> None:
    bare = {f"nodes.{name}.electricity_price": None for name in base.nodes}
    base.override({"grid": tables()} | bare)
    found = faults(base, tables(expected_price="given"), **bare)
    assert [line.partition(":")[0] for line in found] == [
        f"nodes.{name}.electricity_price" for name in base.nodes
    ]


def network() -> Any:
    """Return a PyPSA network of two buses with a line, a link with losses and all kinds of series."""
    pypsa = pytest.importorskip("pypsa")
    made = pypsa.Network(snapshots=pd.date_range("2026-01-05", periods=3, freq="h"))
    made.add("Carrier", "gas", co2_emissions=0.2)
    made.add("Bus", ["one", "two"], x=[-97.0, -77.0], y=[32.0, 39.0], v_nom=380.0)
    made.add("Line", "tie", bus0="one", bus1="two", x=20.0, s_nom=200.0, s_max_pu=0.7)
    made.add("Link", "tie", bus0="one", bus1="two", p_nom=50.0, efficiency=0.9, marginal_cost=1.0)
    made.add("Generator", "gas", bus="two", p_nom=800.0, marginal_cost=40.0, carrier="gas", efficiency=0.5)
    made.add("Generator", "sun", bus="one", p_nom=300.0, p_max_pu=[0.0, 0.5, 1.0])
    made.add("Load", ["l1", "l2"], bus="one", p_set=[10.0, 5.0])
    made.add("Load", "l3", bus="two", p_set=[100.0, 120.0, 90.0])
    return made


def test_a_network_of_pypsa_becomes_the_grid(tmp_path: Path, base: Scenario) -> None:
    made = network()
    made.export_to_netcdf(tmp_path / "net.nc")
    said = {
        "start": "2026-01-05",
        "grid": {"pypsa": {"file": str(tmp_path / "net.nc"), "rate": 2}, "nearest": True},
    }
    grid = base.override(said).grid
    assert grid.pypsa is None
    assert list(grid.lines) == ["tie", "link tie"]
    assert grid.lines["tie"].limit_mw == pytest.approx(140)
    assert grid.lines["tie"].kind == "dc"
    link = grid.lines["link tie"]
    assert (link.kind, link.limit_mw, link.back_limit_mw, link.efficiency, link.cost) == (
        "transport",
        50,
        0,
        0.9,
        2,
    )
    assert grid.generators["gas"].co2 == pytest.approx(0.4)
    assert grid.generators["gas"].cost == 80
    assert grid.buses["one"].load_mw == 15
    assert grid.load.names == ("two",)
    assert grid.load.values[:, 0].tolist() == [100, 120, 90]
    assert grid.availability.names == ("sun",)
    assert grid.availability.edges is not None
    # without a start, what to write is said
    assert any("write start: 2026-01-05 00:00" in line for line in faults(base, said["grid"]))


def test_what_a_network_has_and_a_grid_has_not_is_named_at_once(tmp_path: Path, base: Scenario) -> None:
    made = network()
    made.add("StorageUnit", "lake", bus="one", p_nom=9.0)
    made.add("Generator", "coal", bus="two", p_nom=5.0, committable=True, ramp_limit_up=0.3)
    made.add("Link", "both", bus0="one", bus1="two", p_nom=9.0, p_min_pu=-1.0, efficiency=0.8)
    made.export_to_csv_folder(tmp_path / "net")
    grid = {"pypsa": str(tmp_path / "net"), "nearest": True}
    (found,) = faults(base, grid, start="2026-01-05")
    for text in (
        "storage_units (lake)", "committable (committable of generators coal)",
        "ramp_limits (ramp_limit_up of generators coal)", "losses (losses or costs both ways",
        "ignore: [storage_units, committable, ramp_limits, losses]",
    ):  # fmt: skip
        assert text in found
    some = {"file": str(tmp_path / "net"), "ignore": ["storage_units", "losses"]}
    (found,) = faults(base, {"pypsa": some, "nearest": True}, start="2026-01-05")
    assert "lake" not in found
    assert "coal" in found
    (found,) = faults(base, grid | {"buses": BUSES}, start="2026-01-05")
    assert "stands beside buses: give the network, or tables, and not both" in found
    odd = network()
    odd.add("Load", "lost", bus="nowhere", p_set=5.0)
    odd.generators_t.p_max_pu.iloc[1, 0] = np.nan
    assert faults(base, {"pypsa": odd, "nearest": True}, start="2026-01-05") == [
        "grid.pypsa: has no bus nowhere: bus of loads lost",
        "grid.pypsa: has no value in some snapshots: p_max_pu of generators sun",
    ]
    shutil.rmtree(tmp_path / "net")
    (found,) = faults(base, grid, start="2026-01-05")
    assert "does not exist" in found


def test_a_network_at_hand_is_taken_with_load_that_is_shed_in_kilowatts(base: Scenario) -> None:
    made = network()
    made.add("Generator", "shed", bus="two", p_nom=1e6, marginal_cost=3.0, sign=1e-3)
    made.add("Generator", "pump", bus="two", p_nom=50.0, sign=-1.0)
    made.add("Bus", "low", v_nom=110.0)
    made.add("Transformer", "shift", bus0="two", bus1="low", x=0.1, s_nom=9.0, phase_shift=30.0)
    before = made.copy()
    (found,) = faults(base, {"pypsa": made, "nearest": True}, start="2026-01-05")
    assert "signs (sign of generators pump)" in found
    assert "phase_shifts (phase_shift of transformers shift)" in found
    given = {"file": made, "ignore": ["signs", "phase_shifts"]}
    grid = base.override({"start": "2026-01-05", "grid": {"pypsa": given, "nearest": True}}).grid
    shed = grid.generators["shed"]
    assert (shed.capacity_mw, shed.cost) == pytest.approx((1000.0, 3000.0))
    assert "pump" not in grid.generators
    pd.testing.assert_frame_equal(made.lines, before.lines)
    one = network()
    one.set_snapshots(one.snapshots[:1])
    # a series of one snapshot is one: what the sun could do beside it is curtailed
    grid = base.override({"start": "2026-01-05", "periods": 1, "grid": {"pypsa": one, "nearest": True}}).grid
    assert grid.availability.names == ("sun",)


@pytest.mark.parametrize("name", ["ac-dc-meshed", "ac-dc-meshed.nc", "scigrid-de"])
def test_public_networks_enter_by_one_line(base: Scenario, name: str) -> None:
    pytest.importorskip("pypsa")
    file = FOLDER / "pypsa" / name
    if not file.exists():
        pytest.skip(f"{file.name} is not there")
    nodes = {name: bus for name, bus in zip(base.nodes, ["London", "Norway"] * 3, strict=False)}
    links = {} if name == "scigrid-de" else nodes
    start = "2011-01-01" if name == "scigrid-de" else "2015-01-01"
    said = {
        "start": start,
        "grid": {"pypsa": {"file": str(file), "ignore": "all"}, "nearest": True, "links": links},
    }
    found = base.override(said)
    sizes = (585, 948, 1423) if name == "scigrid-de" else (9, 11, 6)
    assert (len(found.grid.buses), len(found.grid.lines), len(found.grid.generators)) == sizes
