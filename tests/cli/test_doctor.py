"""The doctor tells what works, and names what does not."""

from __future__ import annotations

import json
from importlib.metadata import version

import pytest

from tests.cli.conftest import Invoke
from tokenflow_sim.cli import doctor


def test_a_sound_installation_passes(tokenflow: Invoke) -> None:
    result = tokenflow("doctor")
    assert result.exit_code == 0, result.output
    words = " ".join(result.output.split())
    assert f"highspy {version('highspy')}" in words
    assert f"report jinja2 {version('jinja2')}" in words
    assert result.output.count(" ok ") == 4
    assert "139,446.09 $/h" in result.output


def test_what_is_broken_is_named_and_the_rest_still_checked(
    tokenflow: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "PAPER_COST", 1.0)
    result = tokenflow("doctor")
    assert result.exit_code == 1
    assert result.output.count("FAILED") == 1
    assert "demand pays 139,446.09 $/h in us5, where it should pay 1.00" in " ".join(result.output.split())
    assert result.output.count(" ok ") == 3


def test_a_package_that_is_not_there_is_said_to_be(
    tokenflow: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "EXTRAS", {"study": ("no-such-package",)})
    assert "not installed" in tokenflow("doctor").output


def test_the_schema_is_printed_as_json(tokenflow: Invoke) -> None:
    result = tokenflow("schema")
    assert result.exit_code == 0
    assert json.loads(result.output)["properties"]["periods"]["minimum"] == 1
