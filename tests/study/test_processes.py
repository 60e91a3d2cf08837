"""Processes of this machine bring the bits of one process, whatever dies meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.study.games import two_nodes
from tests.study.tiny import die, die_once, prices, tiny
from tokenflow_sim.study.game import MarketGame
from tokenflow_sim.study.local import Pool
from tokenflow_sim.study.runner import run_tasks
from tokenflow_sim.study.task import JobResult, Task, pack


class Lent:
    """A pool that outlives those who borrow it: starting a process takes longer than any game here."""

    def __init__(self, pool: Pool) -> None:
        self.run = pool.run

    def close(self) -> None:
        """Keep it."""


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    """Give two processes."""
    with Pool(2) as pool:
        yield pool


@pytest.fixture
def lent(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let studies that ask for processes use those."""
    monkeypatch.setattr("tokenflow_sim.study.executor.Pool", lambda count: Lent(pool))


@pytest.mark.long
def test_local_processes_bring_the_same_bits_and_a_killed_one_is_replaced(pool: Pool, tmp_path: Path) -> None:
    tasks = [Task(tiny(), seed, {"seed": seed}) for seed in range(4)]
    here = run_tasks(tasks, prices)
    marked = tiny().override({"description": str(tmp_path / "died")})
    work = [replace(task, scenario=marked) for task in tasks]
    shared, jobs = pack(work, range(4), die_once, None)
    found = {result.position: result for result in pool.run(shared, jobs)}
    assert (tmp_path / "died").exists()
    for position, values in here.results.items():
        assert found[position].value.tobytes() == values.tobytes()


@pytest.mark.long
def test_a_run_that_always_kills_is_given_up_alone(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tokenflow_sim.study.local.ATTEMPTS", 2)
    shared, jobs = pack([Task(tiny(), seed) for seed in range(3)], range(3), die, None)
    results = {result.position: result for result in pool.run(shared, jobs)}
    assert {place: result.kind for place, result in results.items()} == {0: "", 1: "LostWorker", 2: ""}
    assert "died 2 times" in results[1].message


@pytest.mark.long
@pytest.mark.usefixtures("lent")
@pytest.mark.filterwarnings(r"ignore:\d+ of \d+ runs failed:UserWarning")
def test_studies_of_runs_are_the_same_on_processes() -> None:
    names = ["marginal_cost", "fixed_markup"]
    one, two = (tf.compare(tiny(), names, seeds=2, workers=count).dataset for count in (1, 2))
    xr.testing.assert_identical(one, two)
    one, two = (tf.sweep(tiny(), {"demand.scale": [1, 9]}, workers=count).dataset for count in (1, 2))
    xr.testing.assert_identical(one, two)


@pytest.mark.long
@pytest.mark.usefixtures("lent")
def test_an_equilibrium_is_the_same_where_processes_share_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {
        "play": "quantity", "points": 5, "levels": 0, "starts": ["withheld"], "random": 0,
    }  # fmt: skip
    alone = tf.equilibrium(two_nodes(0.5), **asked)
    cleared_here: list[bytes] = []
    real = MarketGame._outcome

    def counted(self: MarketGame, actions: Any) -> Any:
        cleared_here.append(actions.tobytes())
        return real(self, actions)

    monkeypatch.setattr(MarketGame, "_outcome", counted)
    shared = tf.equilibrium(two_nodes(0.5), **asked, workers=2)
    assert shared.dataset.identical(alone.dataset)
    for name, array in alone.dataset.data_vars.items():
        assert shared.dataset[name].values.tobytes() == array.values.tobytes(), name
    # Only where it stands is cleared here, round by round: all candidates went to the processes.
    assert len(cleared_here) <= alone.history.sizes["round"] + 2


def test_a_clearing_that_a_process_loses_is_made_here() -> None:
    class Lost:
        size = 2

        def run(self, shared: object, jobs: list[Any]) -> list[Any]:
            return [JobResult(job.position, kind="LostWorker") for job in jobs]

    game, other = MarketGame(two_nodes(0.5)), MarketGame(two_nodes(0.5))
    game.executor = Lost()  # type: ignore[assignment]
    game.foresee([game.truthful])
    mine, theirs = game.money(game.truthful), other.money(other.truthful)
    assert mine is not None
    assert theirs is not None
    assert mine[0].tobytes() == theirs[0].tobytes()
