"""The bundled scenario eu_residency: its tables are those that its script writes."""

from __future__ import annotations

import runpy
from pathlib import Path

from tokenflow_sim.scenario import load_scenario
from tokenflow_sim.scenario.residency_rules import rules_of

CHECKOUT = Path(__file__).resolve().parents[2]


def test_the_script_writes_the_tables_that_are_bundled(tmp_path: Path) -> None:
    script = runpy.run_path(str(CHECKOUT / "experiments" / "data" / "make_eu_residency.py"))
    for file in script["write"](tmp_path):
        assert file.read_bytes() == (CHECKOUT / "scenarios" / "eu_residency" / file.name).read_bytes(), (
            file.name
        )


def test_zones_and_rules() -> None:
    rules = {rule.label: rule for rule in rules_of(load_scenario("eu_residency"))}
    assert "london" not in rules["chat.eu"].servers
    assert len(rules["chat.eu"].origins) == len(rules["chat.eu"].servers) == 7
    assert rules["records.de"].servers == ("frankfurt",)
    assert rules["records.it"].servers == ("milan",)
