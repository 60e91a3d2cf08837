"""A run takes the steps that Mesa would, with all that Mesa has to do between them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import mesa
import pytest
import xarray as xr

import tokenflow_sim as tf
from tokenflow_sim.agents.steps import only_steps_are_due
from tokenflow_sim.errors import StrategyError
from tokenflow_sim.strategies import Offer, Strategy, View


class Logged(tf.TokenMarket):
    """Writes down what happens when."""

    def __init__(self, *args: Any, **values: Any) -> None:
        super().__init__(*args, **values)
        self.log: list[tuple[str, float, int]] = []

    def note(self, what: str) -> None:
        """Write something down."""
        self.log.append((what, self.time, self.steps))

    def step(self) -> None:
        """Play a period."""
        self.note("before")
        super().step()
        self.note("after")

    def activate(self) -> None:
        """Let the agents act."""
        self.note("activate")
        super().activate()


class Visitor(mesa.Agent):
    """Orders things for later, some of them for when the next step is due."""

    def half_past(self) -> None:
        """Happen between two steps."""
        self.model.note("half past")

    def sharp(self) -> None:
        """Happen when a step does."""
        self.model.note("sharp")

    def step(self) -> None:
        """Order both in the third period."""
        if self.model.period == 3:
            self.model.schedule_event(self.half_past, after=2.5)
            self.model.schedule_event(self.sharp, after=1, priority=mesa.time.Priority.HIGH)


def played(how: str, periods: int = 9) -> Logged:
    model = Logged("us5", rng=4, periods=periods, collect=())
    Visitor(model)
    if how == "at once":
        model.run()
    elif how == "watched":
        model.run(lambda done, periods: None)
    elif how == "for a while":
        model.run_for(4)
        model.run()
    else:
        while model.running:
            model.step()
    return model


@pytest.mark.parametrize("how", ["at once", "watched", "for a while"])
def test_a_run_takes_the_steps_that_mesa_would(how: str) -> None:
    stepped, run = played("step by step"), played(how)
    assert run.log == stepped.log
    assert {what for what, _, _ in run.log} == {"before", "after", "activate", "half past", "sharp"}
    assert (run.time, run.steps, run.period) == (stepped.time, stepped.steps, stepped.period) == (9.0, 9, 9)
    xr.testing.assert_identical(run.results(), stepped.results())
    for model in (run, stepped):  # Mesa goes on from there
        model.schedule_event(model.agents[-1].half_past, after=0.5)
        model.run_for(2)
    assert run.log == stepped.log
    assert run.steps == 11


def test_a_step_put_in_the_place_of_mesas_is_taken() -> None:
    model = Logged("us5", rng=4, periods=3, collect=())
    step, taken = model.step, []
    model.step = lambda: (taken.append(model.period), step())
    model.run()
    assert taken == [0, 1, 2]


class FailsOnce(Strategy):
    """Raises in the third period, the first time that it is asked."""

    def __init__(self) -> None:
        self.failed = False

    def offer(self, view: View) -> Offer:
        """Offer at cost."""
        if view.period == 2 and not self.failed:
            self.failed = True
            raise StrategyError("not now")
        return Offer(view.cost, view.capacity)


def test_a_run_that_failed_can_be_taken_up_again() -> None:
    model = tf.TokenMarket("us5", rng=4, periods=5, collect=(), strategies={"dallas_dc": FailsOnce})
    with pytest.raises(StrategyError, match="not now"):
        model.run()
    assert model.period == 2
    model.run()
    assert model.period == 5


@pytest.mark.parametrize("name", ["_default_schedule", "_event_list", "_wrapped_step", "_do_step"])
def test_a_mesa_of_other_parts_takes_its_own_way(name: str) -> None:
    model = tf.TokenMarket("us5", rng=1, periods=2)
    assert only_steps_are_due(model)
    parts = ("_default_schedule", "_event_list", "_wrapped_step", "_do_step", "step", "time")
    other: Any = SimpleNamespace(**{part: getattr(model, part) for part in parts})
    assert only_steps_are_due(other)
    delattr(other, name)
    assert not only_steps_are_due(other)
