"""No study mixes two states of a strategy's code: stores refuse it, and so do workers."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tokenflow_sim as tf
from tests.study.tiny import prices, tiny
from tokenflow_sim.study import executor as crews
from tokenflow_sim.study.code import check_played, study_code
from tokenflow_sim.study.runner import run_tasks
from tokenflow_sim.study.task import JobResult, Task


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    write(2)
    yield tmp_path
    sys.modules.pop("study_x", None)


def write(k: int) -> None:
    Path("study_x.py").write_text(
        f"import tokenflow_sim as tf\nK = {k}\nclass U(tf.Strategy):\n    '''x'''\n    def offer(self, view):\n"
        "        return tf.Offer(price=view.cost * K, quantity=view.capacity)\n"
    )


def play_sweep(**more: Any) -> Any:
    given: dict[str, Any] = {"strategies": {"a": "study_x:U"}, "allow_code": True, "record": ["price"]}
    return tf.sweep(tiny(), {"demand.scale": [2, 3]}, out="s.zarr", **given, **more)


def play_compare(**more: Any) -> Any:
    return tf.compare(tiny(), ["marginal_cost", "study_x:U"], seeds=2, out="c.nc", allow_code=True, **more)


def play_runs(resume: bool = False, force: bool = False) -> Any:
    return run_tasks([Task(tiny(), 1, strategies={"a": "study_x:U"}, allow_code=True)], prices, store="runs")


@pytest.mark.parametrize("play", [play_sweep, play_compare, play_runs])
def test_what_other_code_has_begun_is_not_gone_on_with(play: Callable[..., Any]) -> None:
    first = play()
    if play is not play_runs:
        assert list(json.loads(first.dataset.attrs["code"])) == ["study_x"]
    play(resume=True)
    write(5)
    with pytest.raises(
        tf.ResultError, match=r"other code, .*: module study_x \(was [0-9a-f]{8}, is [0-9a-f]{8}\)"
    ):
        play(resume=True)
    write(2)
    play(resume=True)


def test_a_run_of_other_code_is_not_gone_on_with() -> None:
    from tokenflow_sim.study.checkpoint import run_resumable

    def go_on(**more: Any) -> None:
        model = tf.TokenMarket(tiny(), rng=1, strategies={"a": "study_x:U"}, allow_code=True)
        run_resumable(model, "k.nc", every=1, **more).close()

    def stop(done: int, _: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        go_on(progress=stop)
    write(5)
    with pytest.raises(tf.ResultError, match=r"k.nc: the unfinished run .* other code.*module study_x \(was"):
        go_on(resume=True)
    write(2)
    go_on(resume=True)
    write(5)
    with pytest.raises(tf.ResultError, match=r"k.nc: exists already, and was played by other code.*study_x"):
        go_on(resume=True)


def test_code_is_found_in_scenarios_strategies_and_overrides() -> None:
    by_name = tiny().override({"providers.a.strategy": {"name": "study_x:U"}})
    text = {"providers.a.strategy": "{name: study_x:U}"}
    tasks = [
        Task(by_name, 1, allow_code=True),
        Task(tiny(), 1, overrides=text, allow_code=True),
        Task(tiny(), 1, strategies={"a": {"name": "study_x:U"}}, allow_code=True),
    ]
    assert [list(study_code([task])) for task in tasks] == [["study_x"]] * 3
    assert study_code([Task(tiny(), 1, overrides={"description": "12:30 and so:on"}, allow_code=True)]) == {}
    assert study_code([Task(tiny(), 1, overrides=text)]) == {}, "nothing is imported where no code is allowed"


def test_a_worker_that_plays_other_code_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    check_played({"a": "1", "b": "unknown"}, json.dumps({"a": "1", "b": "2", "c": "3"}))
    check_played({"a": "1"}, "")
    for there in ("2", "unknown"):
        with pytest.raises(
            tf.ResultError, match=r"a worker plays other code than this process: module a \(was 1, is"
        ):
            check_played({"a": "1"}, json.dumps({"a": there}))

    class Players:
        def run(self, shared: object, jobs: Any) -> Iterator[JobResult]:
            yield from (JobResult(job.position, code=json.dumps({"study_x": "other"})) for job in jobs)

        def close(self) -> None: ...

    monkeypatch.setattr(crews.Executor, "_started", lambda self: Players())
    tasks = [Task(tiny(), seed, strategies={"a": "study_x:U"}, allow_code=True) for seed in (0, 1)]
    study_code(tasks)
    with pytest.raises(tf.ResultError, match="was it edited during the study"):
        run_tasks(tasks, prices, workers=2)


@pytest.mark.long
def test_an_edited_module_is_one_module_here_and_in_workers() -> None:
    def markup(workers: int) -> float:
        found = tf.compare(
            tiny(), ["marginal_cost", "study_x:U"], provider="a", seeds=2, workers=workers, allow_code=True
        )
        rows = found.table.query("measure=='offer_markup' and of=='a'")
        return float(rows["mean"].iloc[1])

    assert markup(1) == pytest.approx(1.0)
    write(5)
    assert [markup(1), markup(2)] == pytest.approx([4.0, 4.0])
