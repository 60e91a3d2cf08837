"""The runner: the same results in this process and in others, failures told, nothing finished lost."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tokenflow_sim as tf
from tests.study.tiny import prices, stumble, tiny, unsendable
from tokenflow_sim.strategies.markups import MarginalCost
from tokenflow_sim.study import executor as crews
from tokenflow_sim.study import task as playing
from tokenflow_sim.study.runner import Batch, run_tasks
from tokenflow_sim.study.store import FolderStore
from tokenflow_sim.study.task import JobResult, Task, dump_result, pack, run_job

SCENARIO = tiny()


def tasks(count: int = 4) -> list[Task]:
    return [Task(SCENARIO, seed, {"seed": seed}) for seed in range(count)]


def assert_same(one: Batch[np.ndarray], other: Batch[np.ndarray]) -> None:
    assert list(one.results) == list(other.results)
    for position, values in one.results.items():
        assert values.tobytes() == other.results[position].tobytes()


@pytest.fixture(scope="module")
def here() -> Batch[np.ndarray]:
    return run_tasks(tasks(), prices)


def test_seeds_next_to_each_other_differ(here: Batch[np.ndarray]) -> None:
    assert len({values.tobytes() for values in here.results.values()}) == 4


def test_results_do_not_depend_on_the_order_or_on_kept_clearers(here: Batch[np.ndarray]) -> None:
    backwards = run_tasks(tasks()[::-1], prices)
    playing._kept.clearers.clear()
    alone = run_tasks(tasks()[2:3], prices)
    assert alone.results[0].tobytes() == here.results[2].tobytes()
    for position in range(4):
        assert backwards.results[3 - position].tobytes() == here.results[position].tobytes()


def test_a_scenario_is_sent_once_however_many_tasks_share_it() -> None:
    shared, jobs = pack(tasks(50), range(50), prices, ["price"])
    assert len(shared.scenarios) == 1
    assert all(len(pickle.dumps(job)) < 300 for job in jobs)


def test_a_failure_is_told_with_what_repeats_it_and_the_others_are_kept() -> None:
    told: list[tuple[int, int]] = []
    hard = [replace(task, overrides={"demand.scale": 9.0}) if task.seed == 1 else task for task in tasks(3)]
    batch = run_tasks(hard, prices, progress=lambda *done: told.append(done))
    assert list(batch.results) == [0, 2]
    assert told == [(1, 3), (2, 3), (3, 3)]
    (failure,) = batch.failures
    assert (failure.kind, failure.position) == ("InfeasibleError", 1)
    assert "1 of 3 runs failed; the others are kept" in batch.failures_text()
    assert "again: tokenflow run tiny --seed 1 --set demand.scale=9.0" in batch.failures_text()
    with pytest.raises(tf.InfeasibleError):
        failure.task.model().run()


def test_an_unexpected_error_in_one_run_does_not_end_the_others() -> None:
    batch = run_tasks(tasks(3), stumble)
    assert list(batch.results) == [0]
    assert [failure.kind for failure in batch.failures] == ["KeyError", "KeyError"]
    assert "in stumble" in batch.failures[0].trace


def test_what_repeats_a_run_names_source_strategies_and_code() -> None:
    task = Task(
        SCENARIO, 3, strategies={"a": "my:Own"}, allow_code=True, source="dir/my.yaml", given={"periods": 2}
    )
    assert task.repeat() == (
        "tokenflow_sim.TokenMarket('dir/my.yaml', rng=3, overrides={'periods': 2},"
        " strategies={'a': {'name': 'my:Own'}}, allow_code=True).run()"
    )
    assert (
        replace(task, strategies=None).repeat()
        == "tokenflow run dir/my.yaml --seed 3 --set periods=2 --allow-code"
    )


class Tabled(MarginalCost):
    """A strategy of one's own whose parameter is an array."""

    def __init__(self, table: np.ndarray) -> None:
        self.table = table


def test_the_fingerprint_sees_every_number_of_a_strategys_state() -> None:
    one, other = np.ones(2000), np.ones(2000)
    other[505] += 1e-15
    digests = [
        Task(SCENARIO, 1, strategies={"a": Tabled(table)}).fingerprint("text")
        for table in (one, one.copy(), other)
    ]
    assert digests[0] == digests[1] != digests[2]


def test_long_lists_of_failures_are_cut() -> None:
    batch = run_tasks([replace(task, overrides={"demand.scale": -1.0}) for task in tasks(15)], prices)
    assert batch.failures_text().endswith("... and 3 more")


@pytest.mark.parametrize("workers", [0, -1, 1.5, True])
def test_numbers_of_workers_that_make_no_sense_are_told(workers: int) -> None:
    with pytest.raises(tf.InputError, match="workers: is a whole number from 1 on"):
        run_tasks(tasks(), prices, workers=workers)


def test_answers_of_another_version_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        crews, "run_job", lambda shared, job: JobResult(job.position, versions="tokenflow_sim 0.0")
    )
    with pytest.raises(tf.ResultError, match="other versions"):
        run_tasks(tasks(1), prices)


def test_a_value_that_cannot_be_sent_is_a_failure() -> None:
    shared, (job,) = pack(tasks(1), [0], unsendable, None)
    result: JobResult = pickle.loads(dump_result(run_job(shared, job)))
    assert "cannot be sent to another process" in result.message


# A folder that keeps finished runs


def test_a_store_keeps_finished_runs_and_plays_only_the_others(
    here: Batch[np.ndarray], tmp_path: Path
) -> None:
    some = replace(tasks()[1], overrides={"demand.scale": 9.0})
    work = [tasks()[0], some, *tasks()[2:]]
    first = run_tasks(work, prices, store=tmp_path / "runs")
    (tmp_path / "runs" / "000002.pickle").unlink()  # as if it had been killed before
    again = run_tasks(work, prices, store=tmp_path / "runs")
    assert list(first.seconds) == [0, 1, 2, 3]
    assert list(again.seconds) == [2], "a failure that would come again is not tried again"
    assert [failure.kind for failure in again.failures] == ["InfeasibleError"]
    assert list(again.results) == [0, 2, 3]
    for position in (0, 2, 3):
        assert again.results[position].tobytes() == here.results[position].tobytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs"], "the lock is gone"


def test_a_store_takes_more_seeds_fewer_and_another_order(here: Batch[np.ndarray], tmp_path: Path) -> None:
    """Runs are known by what they play: more of the same study are added, and none is played twice."""
    store, failing = tmp_path / "runs", replace(tasks()[1], overrides={"demand.scale": 9.0})
    for work, played in (
        ([tasks()[1], failing], [0, 1]),
        ([*tasks()[3:], failing, tasks()[1], tasks()[0]], [0, 3]),
        ([tasks()[0], tasks()[3]], []),
        ([failing, tasks()[0], tasks()[0], tasks()[1], tasks()[3]], [2]),  # one of them twice
    ):
        batch = run_tasks(work, prices, store=store)
        assert list(batch.seconds) == played
        fails = [position for position, task in enumerate(work) if task is failing]
        assert [failure.position for failure in batch.failures] == fails
        assert list(batch.results) == [place for place in range(len(work)) if place not in fails]
        for position, values in batch.results.items():
            assert values.tobytes() == here.results[work[position].seed].tobytes()


def test_a_store_refuses_other_tasks_other_things_and_a_second_writer(tmp_path: Path) -> None:
    run_tasks(tasks(2), prices, store=tmp_path / "runs")
    with pytest.raises(tf.ResultError, match="holds the runs of another study"):
        run_tasks(tasks(3)[1:], prices, store=tmp_path / "runs")
    for reduce, record in ((stumble, None), (prices, ["price"])):
        with pytest.raises(
            tf.ResultError,
            match=r"something else of the same runs \(prices of all variables, where .* is asked",
        ):
            run_tasks(tasks(2), reduce, record=record, store=tmp_path / "runs")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter").touch()
    with pytest.raises(tf.ResultError, match="holds no runs"):
        run_tasks(tasks(1), prices, store=tmp_path / "mine")
    with (
        FolderStore[np.ndarray](tmp_path / "runs"),
        pytest.raises(tf.ResultError, match="is being written by process"),
    ):
        run_tasks(tasks(1), prices, store=tmp_path / "runs")


@pytest.mark.parametrize("content", [b"", b"\x80", b"no pickle", b"cnone\nsuch\n.", b"h\x00."])
def test_a_damaged_run_is_told_and_played_again(tmp_path: Path, content: bytes) -> None:
    batch = run_tasks(tasks(2), prices, store=tmp_path / "runs")
    (tmp_path / "runs" / "000001.pickle").write_bytes(content)
    (tmp_path / "runs" / "000000.failed").write_text("[1")
    (tmp_path / "runs" / ".000001.pickle.host-1-0.part").touch()  # what a process that was killed leaves
    with pytest.raises(tf.ResultError, match=r"run 1 cannot be read .* resume the study"):
        _ = batch.results[1]
    with pytest.warns(UserWarning, match=r"1 finished run is damaged \(number 1\) and played again"):
        again = run_tasks(tasks(2), prices, store=tmp_path / "runs")
    assert list(again.seconds) == [1]
    assert again.results[1].tobytes() == prices(_played(tasks(2)[1])).tobytes()
    assert not list((tmp_path / "runs").glob(".*"))


def _played(task: Task) -> tf.TokenMarket:
    model = task.model()
    model.run()
    return model


@pytest.mark.parametrize(("content", "told"), [("[]", "describes no study"), ("{", "cannot be read")])
def test_a_damaged_head_of_a_folder_is_told(tmp_path: Path, content: str, told: str) -> None:
    run_tasks(tasks(1), prices, store=tmp_path / "runs")
    (tmp_path / "runs" / "study.json").write_text(content)
    with pytest.raises(tf.ResultError, match=f"study.json: {told}"):
        run_tasks(tasks(1), prices, store=tmp_path / "runs")
