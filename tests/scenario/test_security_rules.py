"""Faults of a scenario's security, and its losses."""

from __future__ import annotations

from typing import Any

import pytest

from tests.study.tiny import TEXT
from tokenflow_sim.errors import ScenarioError
from tokenflow_sim.scenario import Scenario


def secured(rule: Any, **more: Any) -> Scenario:
    return Scenario.from_yaml(TEXT).override({"security": rule, "market.must_serve": False} | more)


def test_faults_come_together() -> None:
    with pytest.raises(ScenarioError) as caught:
        secured({"assets": ["a/east/hh"], "links": ["e-ww"], "sites": ["eas"]})
    text = str(caught.value)
    for part in (
        "security.assets: unknown asset 'a/east/hh'",
        "security.links: unknown arc 'e-ww'",
        "security.sites: unknown node 'eas'",
    ):
        assert part in text
    with pytest.raises(ScenarioError, match=r"security: is not cleared with rules for whole paths"):
        secured("n-1", **{"residency": {"chat": {"east": ["east"]}}})
    for wrong in ("n-2", {"response": 1.5}, {"least_mw": -1}, {"criterion": "n-1", "asset": ["a"]}):
        with pytest.raises(ScenarioError, match="security"):
            secured(wrong)


@pytest.mark.parametrize(
    ("rule", "labels"),
    [
        ("n-1", ("a/east/h", "b/west/h", "e-w")),
        ({"both_ways": False, "assets": []}, ("e-w", "w-e")),
        ({"least_mw": 41, "least_capacity": 1e9}, ()),
        ({"assets": ["b/west/h"], "links": [], "sites": ["east"]}, ("b/west/h", "site east")),
    ],
)
def test_losses_are_those_that_the_rule_names(rule: Any, labels: tuple[str, ...]) -> None:
    security = secured(rule).market().arrays.security
    assert (() if security is None else security.labels) == labels
    if rule == "n-1" and security is not None:
        # A cable is lost in both directions.
        assert security.arcs.tolist() == [[False, False], [False, False], [True, True]]
        assert security.assets.tolist() == [[True, False], [False, True], [False, False]]
