"""Strategies by name, with their parameters checked."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pytest

from tests.strategies import samples
from tokenflow_sim.errors import StrategyError
from tokenflow_sim.strategies import Offer, Strategy, View
from tokenflow_sim.strategies.base import Kind
from tokenflow_sim.strategies.markups import FixedMarkup
from tokenflow_sim.strategies.registry import attempt, find, make, names, snake_case, spec_of


@pytest.mark.parametrize(
    ("name", "snake"),
    [
        ("FixedMarkup", "fixed_markup"),
        ("UCB", "ucb"),
        ("Exp3", "exp3"),
        ("EXP3Bandit", "exp3_bandit"),
        ("QLearning", "q_learning"),
    ],
)
def test_names_are_snake_case(name: str, snake: str) -> None:
    assert snake_case(name) == snake


def test_built_in_strategies_are_found_by_their_file_alone() -> None:
    assert {"fixed_markup", "marginal_cost"} <= set(names("provider"))
    assert "inelastic" in names("region")
    assert "fixed_tariff" in names("owner")
    assert find("provider", "fixed_markup") is FixedMarkup


def test_a_misspelt_name_is_told_with_what_is_known() -> None:
    with pytest.raises(
        StrategyError, match=r"unknown provider strategy 'fixed_markupp'; .*mean 'fixed_markup'"
    ):
        find("provider", "fixed_markupp")


def test_a_strategy_of_another_kind_is_told() -> None:
    with pytest.raises(StrategyError, match="'inelastic' is a strategy of regions"):
        find("provider", "inelastic")


def test_code_is_loaded_only_where_it_is_allowed() -> None:
    with pytest.raises(StrategyError, match="--allow-code"):
        find("provider", "tests.strategies.samples:Undercut")
    assert find("provider", "tests.strategies.samples:Undercut", allow_code=True) is samples.Undercut


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("tests.strategies.samples:Undercutt", "did you mean 'Undercut'"),
        ("no_such_module_here:X", "cannot import 'no_such_module_here'"),
        ("tests.strategies.samples:Elastic", "no strategy of a provider: it must derive from Strategy"),
        ("pathlib:Path", "must derive from Strategy"),
        ("tokenflow_sim.strategies:Strategy", "lacks the method offer"),
    ],
)
def test_code_that_is_no_strategy_is_told(name: str, told: str) -> None:
    with pytest.raises(StrategyError) as caught:
        find("provider", name, allow_code=True)
    assert told in str(caught.value)


def test_code_is_found_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine_for_the_test.py").write_text(
        "from tokenflow_sim.strategies.markups import MarginalCost\nclass Mine(MarginalCost):\n    pass\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert find("provider", "mine_for_the_test:Mine", allow_code=True).__name__ == "Mine"


class Picky(Strategy):
    def __init__(
        self, share: float = 0.5, count: int = 3, mode: Literal["a", "b"] = "a", only: bool = False
    ) -> None:
        if share > 1:
            raise ValueError("share must be at most 1")
        self.share, self.count, self.mode, self.only = share, count, mode, only

    def offer(self, view: View) -> Offer:
        return Offer(view.cost, view.capacity)


PICKY = f"{__name__}:Picky"


class Framed(Strategy):
    def __init__(self, frame: pd.DataFrame | None = None, named: Mapping[str, float] | None = None) -> None:
        self.frame, self.named = frame, named

    def offer(self, view: View) -> Offer:
        return Offer(view.cost, view.capacity)


def test_parameters_are_converted_where_nothing_is_lost() -> None:
    made = make("provider", {"name": PICKY, "share": "0.25", "count": 4.0, "mode": "b"}, allow_code=True)
    assert (made.share, made.count, made.mode) == (0.25, 4, "b")  # type: ignore[attr-defined]
    assert isinstance(made.count, int)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"shar": 1},
            "unknown parameter 'shar'; known parameters: share, count, mode, only (did you mean 'share'?)",
        ),
        ({"share": "much"}, "must be a number; found 'much'"),
        ({"share": True}, "must be a number"),
        ({"share": float("nan")}, "must be finite; found nan"),
        ({"count": 2.5}, "must be a whole number; found 2.5"),
        ({"mode": "c"}, "'a' or 'b'"),
        ({"share": 2}, "share must be at most 1"),
        ({"share": None}, "must be a number; found None"),
    ],
)
def test_parameters_that_do_not_fit_are_told(given: dict[str, object], told: str) -> None:
    with pytest.raises(StrategyError) as caught:
        make("provider", {"name": PICKY, **given}, allow_code=True, place="providers.b.strategy")
    assert told in str(caught.value)
    assert str(caught.value).startswith("providers.b.strategy")


@pytest.mark.parametrize(
    ("kind", "spec", "told"),
    [
        ("provider", {"name": "ucb1", "markups": "x"}, "must be a list; found 'x'"),
        ("provider", {"name": "ucb1", "markups": None}, "must be a list; found None"),
        ("provider", {"name": "ucb1", "markups": 0.2}, "must be a list; found 0.2"),
        ("provider", {"name": "ucb1", "markups": [0.1, "y"]}, "must be a number; found 'y'"),
        ("region", {"name": "bid_shading", "shadings": {"a": 1}}, "must be a list; found {'a': 1}"),
        ("provider", {"name": "fixed_markup", "markup": "much"}, "must be a number"),
        ("provider", {"name": f"{__name__}:Framed", "frame": 1}, "must be a DataFrame; found 1"),
        ("provider", {"name": f"{__name__}:Framed", "named": 1}, "must be a mapping; found 1"),
    ],
)
def test_what_is_no_list_or_mapping_is_told_as_such(kind: Kind, spec: dict[str, Any], told: str) -> None:
    with pytest.raises(StrategyError) as caught:
        make(kind, spec, allow_code=True)
    assert told in str(caught.value)
    assert "CSV" not in str(caught.value)


def test_all_faults_of_a_spec_are_told_together() -> None:
    made, faults = attempt("provider", {"name": PICKY, "shar": 1, "count": "x"}, allow_code=True, place="p")
    assert made is None
    assert [fault.place for fault in faults] == ["p.shar", "p.count"]


@pytest.mark.parametrize("spec", [{}, {"name": 3}, {"name": None}])
def test_a_spec_needs_a_name(spec: dict[str, object]) -> None:
    with pytest.raises(StrategyError, match="must be a strategy's name"):
        make("provider", spec)


def test_a_strategy_can_be_written_down_and_made_again() -> None:
    spec = spec_of(FixedMarkup(markup=0.3))
    assert spec == {"name": "fixed_markup", "markup": 0.3}
    assert repr(make("provider", spec)) == "FixedMarkup(markup=0.3)"
    assert spec_of(samples.Learner(0.2)) == {"name": "tests.strategies.samples:Learner", "rate": 0.2}


@pytest.mark.parametrize("markup", [float("nan"), float("inf"), -1.5])
@pytest.mark.parametrize(("kind", "name"), [("provider", "fixed_markup"), ("owner", "fixed_tariff")])
def test_impossible_markups_are_refused(kind: str, name: str, markup: float) -> None:
    with pytest.raises(StrategyError, match="finite"):
        make(kind, {"name": name, "markup": markup})  # type: ignore[arg-type]
