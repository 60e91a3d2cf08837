"""Names that look the same are the same, in files, tables and overrides."""

from __future__ import annotations

from pathlib import Path
from unicodedata import normalize

import pytest

from tokenflow_sim.errors import ScenarioError
from tokenflow_sim.scenario import Scenario, load_scenario

TEXT = """
format: 1
name: m
periods: 1
market: {bandwidth: none}
workloads: {chat: {payload: 1, base_demand: 1000}}
nodes: nodes.csv
hardware: {h: {throughput: {chat: 10000}, energy: {chat: 10}}}
providers: {p: {assets: [{node: Málaga, hardware: h, power_mw: 4}]}}
"""


@pytest.mark.parametrize(("yaml", "table"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_composed_and_decomposed_letters_are_the_same(tmp_path: Path, yaml: str, table: str) -> None:
    (tmp_path / "scenario.yaml").write_text(normalize(yaml, TEXT), encoding="utf-8")  # type: ignore[arg-type]
    rows = "node,electricity_price,demand_weight\nMálaga,0.1,1\n"
    (tmp_path / "nodes.csv").write_text(normalize(table, rows), encoding="utf-8")  # type: ignore[arg-type]
    scenario = load_scenario(tmp_path)
    assert list(scenario.nodes) == [normalize("NFC", "Málaga")]
    path = normalize("NFD", "nodes.Málaga.electricity_price")
    assert scenario.override({path: 0.2}).nodes["Málaga"].electricity_price == 0.2
    moved = {"providers.p.assets": [{"node": normalize("NFD", "Málaga"), "hardware": "h", "power_mw": 4}]}
    assert scenario.override(moved) == scenario
    assert Scenario.from_yaml(normalize("NFD", scenario.to_yaml())) == scenario


@pytest.mark.parametrize("odd", ["\u00a0", "\u200b", "\ufeff", "\u00ad"])
def test_what_cannot_be_seen_is_no_part_of_a_name(odd: str) -> None:
    text = TEXT.replace("nodes.csv", f'{{"M{odd}álaga": {{electricity_price: 0.1, demand_weight: 1}}}}')
    with pytest.raises(ScenarioError, match="a name is at most 64 letters"):
        Scenario.from_yaml(text)
