"""A scenario's text holds all of it, a scenario is frozen, and nothing that a file says ends in a traceback."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tokenflow_sim.errors import ResultError, ScenarioError
from tokenflow_sim.scenario import Scenario, list_scenarios, load_scenario, write_template, yaml_text
from tokenflow_sim.scenario.loading import bundled_folder


@pytest.mark.parametrize("name", list_scenarios())
def test_text_holds_all_of_a_bundled_scenario(name: str) -> None:
    scenario = load_scenario(name)
    text = scenario.to_yaml()
    again = Scenario.from_yaml(text)
    assert again == scenario
    assert hash(again) == hash(scenario)
    assert ".csv" not in text
    assert again.market(3).same_as(scenario.market(3))
    assert again.market(3).to_dataset().identical(scenario.market(3).to_dataset())


def test_copies_and_pickles_leave_arrays_and_text_behind(us5: Scenario) -> None:
    compiled, text = us5.compiled, us5.to_yaml()
    assert us5.compiled is compiled
    assert us5.to_yaml() is text
    for again in (pickle.loads(pickle.dumps(us5)), copy.copy(us5), copy.deepcopy(us5)):
        assert again == us5
        assert again.compiled is not compiled
        assert text not in again.__dict__.values()
    # Pydantic's own way of changing a copy must keep neither the arrays nor the text of the original.
    changed = us5.model_copy(update={"demand": us5.demand.model_copy(update={"scale": 70.0})})
    assert changed.compiled.state(0).demand.sum() == pytest.approx(2 * compiled.state(0).demand.sum())
    assert Scenario.from_yaml(changed.to_yaml()) == changed != us5


def test_a_scenario_is_frozen_all_the_way_down(us5: Scenario) -> None:
    with pytest.raises(ValidationError):
        us5.periods = 3  # type: ignore[misc]
    with pytest.raises(ValidationError):
        us5.demand.scale = 3  # type: ignore[misc]
    for change in (
        lambda: us5.nodes.__setitem__("x", us5.nodes["dallas"]),
        lambda: us5.nodes.pop("dallas"),
        lambda: us5.nodes.update({}),
        lambda: us5.hardware["fleet"].energy.clear(),
    ):
        with pytest.raises(TypeError, match="a scenario is frozen"):
            change()
    for array in (us5.compiled.state(0).demand, us5.compiled.tariff, us5.compiled.state(0).capacity):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_a_scenario_made_in_python_is_checked_too(us5: Scenario) -> None:
    data = us5.model_dump(by_alias=True)
    assert Scenario.model_validate(data) == us5
    with pytest.raises(ValidationError, match=r"hardware: unknown hardware 'tpu'; known hardware: fleet"):
        Scenario.model_validate(
            {**data, "providers": {"a": {"assets": [{"node": "dallas", "hardware": "tpu"}]}}}
        )
    with pytest.raises(ValidationError, match="has no power"):
        Scenario.model_validate(
            {**data, "providers": {"a": {"assets": [{"node": "dallas", "hardware": "fleet"}]}}}
        )


def test_the_json_schema_knows_every_field() -> None:
    schema = Scenario.model_json_schema()
    assert {"market", "nodes", "providers"} <= set(schema["properties"])
    assert "rules" not in schema["properties"]
    assert schema["additionalProperties"] is False


def test_repr_is_short(us5: Scenario) -> None:
    assert repr(us5) == "<Scenario 'us5': 5 nodes, 4 workloads, 5 providers, 5 assets; 168 periods of 1 h>"


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.text("\r\n\t \x85\u2028a:#-", max_size=8)
    | st.sampled_from(
        ["no", "yes", "1e6", "0x10", "007", "1_000", ".5", "~", "null", "<<", "2026-01-05", "a: b"]
    )
)
KEYS = st.text(min_size=1, max_size=10) | st.sampled_from(["no", "1e6", "7", "null", "<<", "true", ".inf"])
DATA = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(DATA)
def test_yaml_reads_what_it_writes(data: Any) -> None:
    assert yaml_text.read(yaml_text.write(data)).data == data


def test_yaml_means_what_people_mean() -> None:
    text = "a: no\nb: 1e6\nc: 010\nd: 1:30\ne: 2026-01-05\nf: ~\ng: true\nh: -.inf\ni: '7'\nj: &x [1]\nk: *x\nl: 0.5"
    assert yaml_text.read(text).data == {
        "a": "no", "b": 1e6, "c": 10, "d": "1:30", "e": "2026-01-05", "f": None, "g": True, "h": float("-inf"),
        "i": "7", "j": [1], "k": [1], "l": 0.5,
    }  # fmt: skip


def test_yaml_knows_its_lines() -> None:
    document = yaml_text.read("a: 1\nb:\n  - x\n  - c: 2\n    a: 3\n")
    assert document.lines == {
        ("a",): 1, ("b",): 2, ("b", 0): 3, ("b", 1): 4, ("b", 1, "c"): 4, ("b", 1, "a"): 5,
    }  # fmt: skip


def test_the_template_is_a_scenario_with_a_market_in_every_period(tmp_path: Path) -> None:
    file = write_template(tmp_path / "2 my markét!")
    scenario = load_scenario(file)
    assert load_scenario(file.parent) == scenario
    assert scenario.name == "2_my_markét"
    assert scenario.description
    assert Scenario.from_yaml(scenario.to_yaml()) == scenario
    assert {len(scenario.market(period).layout.arcs) for period in range(scenario.periods)} == {6}
    assert scenario.demand.noise is not None


def test_the_template_overwrites_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "market"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(ScenarioError, match="has files already"):
        write_template(folder)
    assert [file.name for file in folder.iterdir()] == ["notes.txt"]
    write_template(folder, force=True)
    assert (folder / "notes.txt").read_text() == "mine"
    assert load_scenario(folder).name == "market"
    with pytest.raises(
        ResultError, match=r"notes.txt: cannot be written, since a file stands where a folder is"
    ):
        write_template(folder / "notes.txt")


US5 = {file.name: file.read_text(encoding="utf-8") for file in (bundled_folder() / "us5").iterdir()}
INSERTS = st.sampled_from(
    [
        *(
            "",
            "-1",
            "nan",
            ".inf",
            "1e999",
            "9" * 400,
            "0,5",
            ",",
            ";",
            "null",
            "true",
            "mars",
            "x" * 200,
            "../",
        ),
        *(
            '"',
            "'",
            "\n",
            "\r\n",
            "\r",
            "\t",
            "[",
            "]",
            "{",
            "}",
            ":",
            "#",
            "*a",
            "&a ",
            "!!str ",
            "---\n",
            "  ",
        ),
        *("\ufeff", "\0", "é", "\U0001f600", "\x85", "\u2028"),
    ]
) | st.text(max_size=6)


@settings(max_examples=150)
@given(data=st.data())
def test_no_file_content_ends_in_a_traceback(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    for name, text in US5.items():
        for _ in range(data.draw(st.integers(0, 3))):
            start = data.draw(st.integers(0, len(text)))
            end = start + data.draw(st.sampled_from([0, 0, 1, 1, 3, 10, 60]))
            text = text[:start] + data.draw(INSERTS) + text[end:]
        (folder / name).write_text(text, encoding="utf-8", errors="replace", newline="")
    try:
        scenario = load_scenario(folder)
    except ScenarioError as error:
        told = error.faults
    else:
        assert Scenario.from_yaml(scenario.to_yaml()) == scenario
        scenario.market()
        return
    assert told
    assert all(fault.message for fault in told)
