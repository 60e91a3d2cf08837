"""The JSON Schema takes what loading takes, and refuses what a single field shows to be wrong."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.fuzz.hostile import FILES
from tokenflow_sim.scenario import list_scenarios, yaml_text
from tokenflow_sim.scenario.json_schema import json_schema
from tokenflow_sim.scenario.loading import bundled_folder
from tokenflow_sim.scenario.template import write_template

VALIDATOR = jsonschema.Draft202012Validator(json_schema())
PREY = yaml.safe_load(FILES["scenario.yaml"])


def test_it_is_a_valid_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize("name", sorted(list_scenarios()))
def test_bundled_scenarios_keep_to_it(name: str) -> None:
    text = (bundled_folder() / name / "scenario.yaml").read_text(encoding="utf-8")
    assert list(VALIDATOR.iter_errors(yaml_text.read(text).data)) == []


def test_the_template_and_a_scenario_of_every_table_keep_to_it(tmp_path: Path) -> None:
    write_template(tmp_path / "mine")
    text = (tmp_path / "mine" / "scenario.yaml").read_text(encoding="utf-8")
    assert list(VALIDATOR.iter_errors(yaml_text.read(text).data)) == []
    assert list(VALIDATOR.iter_errors(PREY)) == []


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("demand", "scale"), -1),
        (("periods",), 0),
        (("hours",), 0),
        (("market", "bandwidth"), "tokens"),
        (("market", "colour"), "red"),
        (("hardware", "new", "energy", "chat"), "much"),
        (("providers", "atlas", "assets"), [{"node": "east", "share": 2, "hardware": "new"}]),
        (("providers", "atlas", "strategy"), {"markup": 1}),
        (("nodes",), 7),
    ],
)
def test_what_a_field_shows_to_be_wrong_is_refused(place: tuple[str, ...], value: Any) -> None:
    data = copy.deepcopy(PREY)
    holder = data
    for part in place[:-1]:
        holder = holder[part]
    holder[place[-1]] = value
    assert list(VALIDATOR.iter_errors(data))
