"""The contract holds for every built-in strategy, whatever kind of agent it is for and however it is set up."""

from __future__ import annotations

import inspect
from typing import Any, get_args

import pytest

from tokenflow_sim.strategies.base import Kind, parameters
from tokenflow_sim.strategies.registry import find, names
from tokenflow_sim.testing import check_strategy

BUILT_IN = [(kind, name) for kind in get_args(Kind) for name in names(kind)]
# They play a file, which tests/strategies/test_learned_policy.py makes for them.
NEED_A_FILE = {"learned_policy", "learned_tariff", "learned_bid"}
LEARNERS = ["epsilon_greedy", "exp3", "q_learning", "roth_erev", "ucb1"]
# Settings other than the defaults that take another way through the code.
SET_UP: list[tuple[str, dict[str, Any]]] = [
    *((name, {"by": "asset", "price_cap": 3.0}) for name in LEARNERS),
    *((name, {"by": "offer", "markups": (0.0, 1.0), "shares": (0.8, 1.0)}) for name in LEARNERS),
    *((name, {"context": "both", "by": "class", "baseline": "none"}) for name in LEARNERS),
    ("q_learning", {"preset": "calvano", "markups": (0.0, 0.5, 2.0), "by": "class", "decay": 0.2}),
    ("fictitious_play", {"belief": "mix", "profiles": 2}),
    ("fictitious_play", {"memory": 2, "belief": "mix"}),
    ("adaptive_markup", {"by": "class", "hold": 3, "highest": 0.5}),
    ("capacity_withholding", {"share": 0.3, "above": 1.2, "markup": 0.2}),
    ("exp3", {"gamma": 0.5}),
    ("pivotal_markup", {"threshold": 2.0, "price_cap": 3.0}),
    ("roth_erev", {"cooling": 0.1}),
    ("undercutting", {"floor": 0.1, "price_cap": 3.0}),
]


# It clears a market again for every quantity that it tries: fewer of them take the same way through the code.
FEWER = {"cournot": {"candidates": 3, "refine": 1}}


@pytest.mark.parametrize(("kind", "name"), [pair for pair in BUILT_IN if pair[1] not in NEED_A_FILE])
def test_every_built_in_strategy_keeps_to_the_contract(kind: Kind, name: str) -> None:
    check_strategy(find(kind, name), **FEWER.get(name, {}))


@pytest.mark.parametrize(("kind", "name"), BUILT_IN)
def test_every_parameter_of_it_is_described(kind: Kind, name: str) -> None:
    cls = find(kind, name)
    doc = inspect.getdoc(cls) or ""
    assert [parameter for parameter in parameters(cls) if f"{parameter} :" not in doc] == []


@pytest.mark.parametrize(("name", "given"), SET_UP)
def test_it_does_so_with_other_settings(name: str, given: dict[str, Any]) -> None:
    check_strategy(name, **given)


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_kind_of_agent_has_a_strategy(kind: Kind) -> None:
    assert names(kind)
