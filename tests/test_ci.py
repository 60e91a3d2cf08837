"""What CI runs is what one can run at home, on every Python that the package says it supports."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

import yaml

CHECKOUT = Path(__file__).resolve().parents[1]
COMPAT = (CHECKOUT / ".ci" / "compat").read_text(encoding="utf-8")
WORKFLOW = yaml.safe_load((CHECKOUT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))


def test_the_matrix_is_what_the_script_tries_by_itself() -> None:
    found = re.search(r"^ALL=\((.*)\)$", COMPAT, re.MULTILINE)
    assert found
    assert WORKFLOW["jobs"]["compat"]["strategy"]["matrix"]["cell"] == found[1].split()


def test_every_supported_python_is_tried_and_the_oldest_with_the_lowest_versions() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    supported = [name.split(" :: ")[-1] for name in project["classifiers"] if re.search(r":: 3\.\d+$", name)]
    cells = [cell.split(":") for cell in WORKFLOW["jobs"]["compat"]["strategy"]["matrix"]["cell"]]
    assert {python for python, _ in cells} == set(supported)
    assert project["requires-python"] == f">={supported[0]}"
    assert [supported[0], "lowest-direct"] in cells


def test_the_steps_call_scripts_that_exist_and_can_be_run() -> None:
    steps = [step.get("run", "") for job in WORKFLOW["jobs"].values() for step in job["steps"]]
    called = set(re.findall(r"\.ci/\w+", " ".join(steps)))
    assert called == {".ci/run", ".ci/compat"}
    assert all(os.access(CHECKOUT / script, os.X_OK) for script in called)
