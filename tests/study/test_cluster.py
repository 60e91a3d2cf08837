"""A real Dask cluster: processes of their own over TCP, one of them killed while the study runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import tokenflow_sim as tf
from tests.study.games import two_nodes
from tests.study.tiny import die_once, prices, tiny
from tokenflow_sim.study.executor import connect
from tokenflow_sim.study.runner import run_tasks
from tokenflow_sim.study.task import Task


@pytest.mark.long
@pytest.mark.usefixtures("forked_workers")
def test_a_cluster_brings_the_same_bits_though_a_worker_is_killed(tmp_path: Path) -> None:
    from distributed import LocalCluster

    mark = tmp_path / "died"
    scenario = tiny().override({"description": str(mark)})
    tasks = [
        Task(scenario, seed, {"seed": seed}) for seed in range(9)
    ]  # more than the scheduler holds at once
    asked: dict[str, Any] = {
        "play": "quantity", "points": 5, "levels": 0, "starts": ["withheld"], "random": 0,
    }  # fmt: skip
    here = run_tasks([replace(task, scenario=tiny()) for task in tasks], prices)
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, protocol="tcp", dashboard_address=None,
            local_directory=tmp_path, silence_logs=50,
        ) as cluster,
        connect(cluster.scheduler_address, timeout=60) as client,
    ):  # fmt: skip
        assert cluster.scheduler_address.startswith("tcp://")
        there = run_tasks(tasks, die_once, client=client, store=tmp_path / "runs")
        game = tf.equilibrium(two_nodes(0.5), **asked, client=client)
    assert mark.exists(), "a worker was killed by its run"
    assert there.failures == []
    assert list(there.results) == list(here.results)
    for position, values in here.results.items():
        assert values.tobytes() == there.results[position].tobytes()
    assert game.dataset.identical(tf.equilibrium(two_nodes(0.5), **asked).dataset)


def test_a_scheduler_that_is_not_there_is_told_with_how_to_start_one() -> None:
    with pytest.raises(tf.ResultError, match=r"no scheduler answers there .*start one with `dask scheduler`"):
        connect("tcp://127.0.0.1:1", timeout=0.2)
    with pytest.raises(tf.ResultError, match="no scheduler answers there"):
        connect("nonsense://x", timeout=0.2)
