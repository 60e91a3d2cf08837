from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tokenflow_sim as tf
from tests.study.tiny import TEXT, tiny
from tokenflow_sim.study.file import load_study, play_study
from tokenflow_sim.study.sensitivity import Sensitivity
from tokenflow_sim.study.sweep import sweep
from tokenflow_sim.study.swept import Sweep


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tiny.yaml").write_text(TEXT)
    return tmp_path


def test_a_study_file_is_the_call_that_it_stands_for(folder: Path) -> None:
    (folder / "study.yaml").write_text(
        "format: 1\nscenario: tiny.yaml\nperiods: 2\nset: {demand.scale: 1.5}\nstrategies: {b: marginal_cost}\n"
        "vary:\n  market.opex_adder: 0:10:5\nseeds: [3, 4]\nrecord: [price]\n"
    )
    found = play_study(folder / "study.yaml")
    assert isinstance(found, Sweep)
    same = sweep(
        tiny(), {"market.opex_adder": [0, 5, 10]}, periods=2, overrides={"demand.scale": 1.5}, seeds=[3, 4],
        strategies={"b": "marginal_cost"}, record=["price"],
    )  # fmt: skip
    np.testing.assert_array_equal(found.dataset["price"], same.dataset["price"])
    assert found.dataset["seed"].values.tolist() == [3, 4]


def test_a_sensitivity_study_can_be_a_file(folder: Path) -> None:
    (folder / "study.yaml").write_text(
        "format: 1\nstudy: sensitivity\nkind: morris\nsamples: 2\nscenario: tiny.yaml\nperiods: 1\n"
        "outputs: [mean_price]\nvary: {demand.scale: 'uniform(1, 1.5)', market.opex_adder: 'uniform(0, 9)'}\n"
    )
    found = play_study(load_study(folder / "study.yaml"))
    assert isinstance(found, Sensitivity)
    assert found.kind == "morris"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("format: 1\nscenaro: us5\nvary: {a: 1}", ["scenario: is missing", "did you mean 'scenario'"]),
        ("format: 2\nscenario: us5\nvary: {a: 1}\nperiods: 0", ["format:", "periods:"]),
        ("- a", ["must be a mapping"]),
        ("a: [", ["study.yaml"]),
        (
            "format: 1\nscenario: us5\nvary: {demand.scale: [20]}\nvary: {demand.scale: [30]}\nseeds: [1, -2]",
            ["study.yaml:4: vary: is given twice", "seeds.1: "],
        ),
        (
            "format: 1\nscenario: us5\nkind: morris\noutputs: [hhi]\nvary: {demand.scale: [2]}",
            ["kind: has no meaning for a sweep", "outputs: has no meaning"],
        ),
        (
            "format: 1\nstudy: sensitivity\nscenario: us5\nhow: grid\nvary: {demand.scale: [2]}",
            ["how: has no meaning for a sensitivity"],
        ),
    ],
)
def test_faults_of_a_file_are_told_at_once(folder: Path, text: str, told: list[str]) -> None:
    (folder / "study.yaml").write_text(text)
    with pytest.raises(tf.InputError) as caught:
        load_study(folder / "study.yaml")
    for part in told:
        assert part in str(caught.value)


def test_a_file_that_is_not_there_is_told(folder: Path) -> None:
    with pytest.raises(tf.InputError, match="cannot be read"):
        load_study(folder / "no.yaml")
