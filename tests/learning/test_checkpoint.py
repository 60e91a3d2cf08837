"""Checkpoints of trainings hold nothing that changes with the package, and outlive its versions."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tokenflow_sim.errors import ResultError
from tokenflow_sim.learning import train, train_independent

SMALL: dict[str, Any] = {"n_steps": 16, "batch_size": 16, "n_epochs": 1}
DAY: dict[str, Any] = {"periods": 24}


class Reader(pickle.Unpickler):
    """Reads a pickle, and notes the packages that it looks things up in."""

    def __init__(self, file: Path) -> None:
        super().__init__(io.BytesIO(file.read_bytes()))
        self.packages: set[str] = set()

    def find_class(self, module: str, name: str) -> Any:
        """Look something up."""
        self.packages.add(module.split(".")[0])
        return super().find_class(module, name)


def packages_in(file: Path) -> set[str]:
    """Return the packages that a checkpoint needs to be read."""
    reader = Reader(file)
    reader.load()
    assert b"tokenflow_sim" not in file.read_bytes()  # nor does anything that is packed once more
    return reader.packages


def altered(file: Path, **changes: Any) -> None:
    """Change what a checkpoint says."""
    state = pickle.loads(file.read_bytes())
    file.write_bytes(pickle.dumps({**state, **changes}))


def test_independent_learners_go_on_with_other_versions_and_what_does_not_fit_is_told(tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "market": "us5", "agents": ["dallas_dc", "seattle_dc"], "out": tmp_path, "seed": 3, "parameters": SMALL,
        "environment": DAY, "tensorboard": False,
    }  # fmt: skip
    called: list[tuple[int, list[str]]] = []
    train_independent(
        steps=32, checkpoint=16, evaluate=lambda done, found: called.append((done, sorted(found))), **given
    )
    assert called == [(16, ["dallas_dc", "seattle_dc"]), (32, ["dallas_dc", "seattle_dc"])]
    file = tmp_path / "checkpoint.pkl"
    assert packages_in(file) == {"numpy"}
    state = pickle.loads(file.read_bytes())
    # The second day's first eight hours, to be played again.
    assert [len(own) for own in state["env"]["actions"]] == [8, 8]
    settings = state["settings"]
    altered(file, settings={**settings, "versions": {**settings["versions"], "tokenflow-sim": "0.0.1"}})
    with pytest.warns(UserWarning, match=r"was written with tokenflow-sim 0\.0\.1, torch"):
        folders = train_independent(steps=48, resume=True, **given)
    assert len(folders) == 2
    learners = {name: {**one, "policy": b"?"} for name, one in state["learners"].items()}
    altered(file, learners=learners)
    with pytest.raises(
        ResultError, match=r"was written by other code and does not fit this one .*train anew"
    ):
        train_independent(steps=64, resume=True, **given)
    altered(file, format=1)
    with pytest.raises(ResultError, match=r"is of format 1, this version reads 2; .* \(tokenflow-sim"):
        train_independent(steps=64, resume=True, **given)


def test_a_replay_buffer_is_kept_as_arrays_as_far_as_it_is_filled(tmp_path: Path) -> None:
    parameters = {"learning_starts": 8, "train_freq": 8, "batch_size": 8, "buffer_size": 1000}
    train(
        "us5", "dallas_dc", algorithm="sac", steps=32, out=tmp_path, parameters=parameters, environment=DAY,
        tensorboard=False,
    )  # fmt: skip
    file = tmp_path / "checkpoint.pkl"
    assert packages_in(file) <= {"numpy", "_codecs"}
    replay = pickle.loads(file.read_bytes())["replay"]
    assert {name: len(array) for name, array in replay["arrays"].items()} == dict.fromkeys(
        ("observations", "next_observations", "actions", "rewards", "dones", "timeouts"), 32
    )
    assert (replay["pos"], replay["full"]) == (32, False)
    # A day ended once by the clock.
    np.testing.assert_array_equal(np.flatnonzero(replay["arrays"]["timeouts"]), [23])
