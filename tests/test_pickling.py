"""Models as bytes and as copies; what is in the way is named."""

from __future__ import annotations

import copy
import pickle
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.strategies.samples import Learner
from tests.study.tiny import tiny
from tokenflow_sim.agents import ComputeProvider
from tokenflow_sim.pickling import culprit
from tokenflow_sim.study.local import dumps
from tokenflow_sim.study.task import Task


def market(**changes: Any) -> tf.TokenMarket:
    return tf.TokenMarket(
        **{"scenario": tiny(), "rng": 3, "periods": 4, "strategies": {"a": Learner()}} | changes
    )


@pytest.mark.parametrize("twin_of", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_model_goes_on_as_its_twin_does(twin_of: Callable[[Any], Any]) -> None:
    model = market()
    model.run_for(2)
    twin = twin_of(model)
    twin.run()
    assert model.period == 2
    model.run()
    xr.testing.assert_identical(twin.results(), model.results())
    whole = market()
    whole.run()
    assert twin.results().price.values.tobytes() == whole.results().price.values.tobytes()


def things() -> dict[str, tuple[Any, str]]:
    """Return what cannot be pickled, and what is said of it."""
    return {
        "lambda": (lambda: 0, "a function made on the spot"),
        "lock": (threading.Lock(), "a lock"),
        "file": (sys.stderr, r"an open file \(.*\)"),
    }


@pytest.mark.parametrize("name", ["lambda", "lock", "file"])
def test_what_cannot_be_pickled_or_copied_is_named(name: str) -> None:
    thing, said = things()[name]
    model = market()
    model.step()
    strategy = model.providers["a"].strategy
    strategy.deep = {"in": [thing]}
    told = rf"providers\.a\.strategy\.deep\.in\[0\] is {said}"
    with pytest.raises(tf.StrategyError, match=f"cannot be pickled: {told}"):
        pickle.dumps(model)
    if name == "lambda":  # a copy shares functions
        assert copy.deepcopy(model).providers["a"].strategy.deep["in"][0] is thing
    else:
        with pytest.raises(tf.StrategyError, match=f"cannot be copied: {told}"):
            copy.deepcopy(model)
        with pytest.raises(
            tf.ScenarioError, match=rf"cannot be copied, .*: Learner\.deep\.in\[0\] is {said}"
        ):
            market(strategies={"a": strategy})
        with pytest.raises(
            tf.ResultError, match=rf"cannot be sent to another process: .*deep\.in\[0\] is {said}"
        ):
            dumps(Task(tiny(), 1, strategies={"a": strategy}))


def test_what_an_agent_or_the_model_itself_holds_is_named_too() -> None:
    class Locked(ComputeProvider):
        pass

    model = market()
    model.mine = threading.Lock()  # type: ignore[attr-defined]
    with pytest.raises(tf.StrategyError, match=r"cannot be pickled: model\.mine is a lock"):
        pickle.dumps(model)
    model = market()
    model.providers["b"].mine = threading.Lock()  # type: ignore[attr-defined]
    with pytest.raises(tf.StrategyError, match=r"cannot be copied: agents\[\d+\]\.mine is a lock"):
        copy.deepcopy(model)
    assert "is a class that its module does not have" in culprit({"x": Locked}, pickle.dumps)


def test_cloudpickle_takes_what_it_takes() -> None:
    cloudpickle = pytest.importorskip("cloudpickle")
    model = market()
    model.providers["a"].strategy.rule = lambda: 7
    assert pickle.loads(cloudpickle.dumps(model)).providers["a"].strategy.rule() == 7


def test_a_model_that_streams_to_a_file_says_why_it_cannot(tmp_path: Path) -> None:
    model = market(out=tmp_path / "run.nc")
    for attempt in (pickle.dumps, copy.deepcopy):
        with pytest.raises(tf.ResultError, match="streams to a file cannot be pickled or copied"):
            attempt(model)
