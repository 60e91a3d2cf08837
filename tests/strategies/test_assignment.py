"""Who plays what."""

from __future__ import annotations

import json

import pytest

from tests.strategies import samples
from tokenflow_sim.errors import ScenarioError
from tokenflow_sim.strategies.assignment import Agents, assign, describe, written_down
from tokenflow_sim.strategies.markups import FixedMarkup, MarginalCost

AGENTS: Agents = {
    "provider": {"atlas": {"name": "marginal_cost"}, "boreal": {"name": "fixed_markup", "markup": 0.2}},
    "owner": {"net": {"name": "fixed_tariff"}, "atlas": {"name": "fixed_tariff"}},
    "region": {"east": {"name": "inelastic"}},
}


def test_the_scenario_says_who_plays_what() -> None:
    made = assign(AGENTS)
    assert isinstance(made["provider"]["atlas"], MarginalCost)
    assert repr(made["provider"]["boreal"]) == "FixedMarkup(markup=0.2)"


@pytest.mark.parametrize(
    "choice", ["fixed_markup", {"name": "fixed_markup"}, FixedMarkup, FixedMarkup(), FixedMarkup(0.1)]
)
def test_a_choice_is_a_name_a_spec_a_class_or_an_object(choice: object) -> None:
    made = assign(AGENTS, {"boreal": choice})  # type: ignore[dict-item]
    assert repr(made["provider"]["boreal"]) == "FixedMarkup(markup=0.1)"
    assert isinstance(made["provider"]["atlas"], MarginalCost)


def test_a_choice_replaces_the_spec_whole() -> None:
    # boreal's mark-up of 0.2 must not be passed on to a strategy that takes none
    assert isinstance(assign(AGENTS, {"boreal": "marginal_cost"})["provider"]["boreal"], MarginalCost)


def test_objects_are_copied_for_each_agent() -> None:
    given = samples.Learner()
    made = assign(AGENTS, {"providers": given})["provider"]
    assert made["atlas"] is not given
    assert made["atlas"] is not made["boreal"]


def test_one_agent_goes_before_its_kind() -> None:
    made = assign(AGENTS, {"providers.atlas": "marginal_cost", "providers": "fixed_markup"})["provider"]
    assert isinstance(made["atlas"], MarginalCost)
    assert repr(made["boreal"]) == "FixedMarkup(markup=0.1)"


def test_a_name_that_two_kinds_share_must_say_which() -> None:
    with pytest.raises(ScenarioError, match=r"say providers.atlas or owners.atlas"):
        assign(AGENTS, {"atlas": "marginal_cost"})


def test_all_faults_are_told_together() -> None:
    agents: Agents = {**AGENTS, "region": {"east": {"name": "inelastik"}}}
    with pytest.raises(ScenarioError) as caught:
        assign(
            agents, {"boreall": "marginal_cost", "net": {"name": "fixed_tariff", "markdown": 1}, "boreal": 3}
        )  # type: ignore[dict-item]
    text = str(caught.value)
    assert len(caught.value.faults) == 4
    assert "did you mean 'boreal'" in text
    assert "owners.net.strategy.markdown" in text
    assert "did you mean 'inelastic'" in text
    assert "providers.boreal.strategy: must be a strategy of a provider" in text


def test_choices_can_be_written_down_and_given_again() -> None:
    choices = {"providers": FixedMarkup(0.4), "net": "fixed_tariff", "providers.atlas": MarginalCost}
    text = written_down(choices)
    assert json.loads(text) == describe(choices)
    assert repr(assign(AGENTS, json.loads(text))) == repr(assign(AGENTS, choices))


def test_what_cannot_be_written_down_is_null() -> None:
    assert written_down({"boreal": samples.Sloppy(1)}) == "null"
