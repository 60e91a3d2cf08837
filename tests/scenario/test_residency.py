"""Zones and residency rules: how they are written, what they mean, and what is wrong with them."""

from __future__ import annotations

from typing import Any

import jsonschema
import numpy as np
import pytest

from tokenflow_sim.errors import ScenarioError
from tokenflow_sim.scenario import Scenario
from tokenflow_sim.scenario.json_schema import json_schema
from tokenflow_sim.scenario.links import make_links
from tokenflow_sim.scenario.residency_rules import fastest, rules_of, server_mask
from tokenflow_sim.scenario.zones import groups_of

ZONES = {"zones": {"south": ["dallas"], "inner": ["south", "chicago"]}, "nodes.seattle.zone": "west"}


def told(scenario: Scenario, **changes: Any) -> dict[str, str]:
    with pytest.raises(ScenarioError) as error:
        scenario.override(changes)
    return {fault.place: fault.message for fault in error.value.faults}


def test_names_of_places_stand_for_nodes(us5: Scenario) -> None:
    groups = groups_of(us5.override(ZONES))
    assert groups["inner"] == (
        "dallas",
        "chicago",
    )  # in the order of the nodes, zones within zones taken apart
    assert groups["west"] == ("seattle",)
    assert groups["dallas"] == ("dallas",)
    assert groups["all"] == tuple(us5.nodes)


@pytest.mark.parametrize(
    ("rule", "servers"),
    [
        (["chicago"], ["chicago"]),
        ("chicago", ["chicago"]),
        ("[west, inner]", ["dallas", "chicago", "seattle"]),
        ({"not": ["inner"]}, ["ashburn", "silicon_valley", "seattle"]),
        ({"in": ["all"], "not": "inner"}, ["ashburn", "silicon_valley", "seattle"]),
    ],
)
def test_the_forms_of_a_rule(us5: Scenario, rule: Any, servers: list[str]) -> None:
    changed = us5.override({**ZONES, "residency.chat.inner": rule})
    assert Scenario.from_yaml(changed.to_yaml()) == changed
    assert changed.override({"residency.chat.inner": None}) == us5.override(ZONES)
    (found,) = rules_of(changed)
    assert (found.label, found.origins, list(found.servers)) == ("chat.inner", ("dallas", "chicago"), servers)
    mask, nodes = server_mask(changed), list(us5.nodes)
    assert mask is not None
    assert not mask.flags.writeable
    chat = mask[:, list(us5.workloads).index("chat")]
    for origin, row in zip(nodes, chat, strict=True):
        assert [node for node, may in zip(nodes, row, strict=True) if may] == (
            servers if origin in ("dallas", "chicago") else nodes
        )
    assert mask.sum() == mask.size - 2 * (len(nodes) - len(servers))  # all other classes are free
    if not isinstance(rule, str) or not rule.startswith("["):
        validator = jsonschema.Draft202012Validator(json_schema())
        errors = list(validator.iter_errors({"residency": {"chat": {"inner": rule}}}))
        assert {error.validator for error in errors} == {"required"}


def test_all_faults_of_zones_and_rules_are_told_at_once(us5: Scenario) -> None:
    hardware = {"chat": 5000, "code": 4000, "batch": 1000}  # no pictures anywhere
    found = told(
        us5,
        **{
            "zones": {
                "a": ["b"], "b": ["a"], "dallas": ["chicago"], "inner": ["dallas", "chicagoo"], "west": ["seattle"],
                "few": ["dallas", "seattle"],
            },
            "nodes.seattle.zone": "west",
            "nodes.ashburn.zone": "chicago",
            "hardware.fleet.throughput": hardware,
            "residency": {
                "chatt": {"seattle": ["dallas"]},
                "chat": {"few": ["dallas"], "seattle": ["dallas"], "texas": ["dallas"]},
                "code": {"few": {"in": ["dallas"], "not": ["few"]}},
                "batch": {"few": ["mars"]},
                "image": {"seattle": ["dallas"]},
            },
        },
    )  # fmt: skip
    assert set(found) == {
        "zones.a", "zones.dallas", "zones.inner", "zones.west", "nodes.ashburn.zone", "residency.chatt",
        "residency.chat.seattle", "residency.chat.texas", "residency.code.few", "residency.batch.few",
        "residency.image.seattle",
    }  # fmt: skip
    assert found["zones.a"] == "contains itself, by a > b > a"
    assert "unknown place 'chicagoo'" in found["zones.inner"]
    assert "did you mean 'chat'" in found["residency.chatt"]
    assert found["residency.chat.seattle"].startswith("and the rule of few both hold for chat from seattle")
    assert "unknown place 'texas'" in found["residency.chat.texas"]
    assert "`not` names all of the places" in found["residency.code.few"]
    assert (
        "nowhere to go: no asset at dallas serves it, nor anywhere else" in found["residency.image.seattle"]
    )


def test_a_form_that_says_nothing_is_refused(us5: Scenario) -> None:
    found = told(us5, **{"residency.chat.dallas": [], "residency.code.dallas": {"nott": ["dallas"]}})
    assert "names no place" in found["residency.chat.dallas"]
    assert told(us5, zones={"a": None}) == {"zones.a": "must be a list; found None"}
    assert "did you mean 'not'" in found["residency.code.dallas.nott"]


def test_a_rule_out_of_reach_is_told_where_whole_paths_count(us5: Scenario) -> None:
    rule = {"residency.chat.seattle": ["dallas"], "workloads.chat.latency_limit": 20}
    assert us5.override({**rule, "market.latency_rule": "none"})
    found = told(us5, **{**rule, "market.latency_rule": "path"})
    nearest = fastest(len(us5.nodes), make_links(us5))
    names = list(us5.nodes)
    away = nearest[names.index("seattle"), names.index("dallas")]
    assert (
        f"within its latency limit of 20 ms: of dallas, the nearest, dallas, is {away:.4g} ms away"
        in (found["residency.chat.seattle"])
    )
    # Floyd and Warshall's recursion, written apart.
    links = make_links(us5)
    apart = np.full(nearest.shape, np.inf)
    np.fill_diagonal(apart, 0.0)
    for start, end, ms in zip(links.origin, links.destination, links.latency, strict=True):
        apart[start, end] = min(apart[start, end], ms)
    for middle in range(len(apart)):
        apart = np.minimum(apart, apart[:, middle, None] + apart[middle])
    np.testing.assert_allclose(nearest, apart, rtol=1e-12)
