"""Damaged scenarios end in a run that keeps every identity, or in one clear error."""

from __future__ import annotations

import copy
import os
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.hostile import FILES, VALUES, answer, bounded, damaged, folder_of, play
from tests.oracle.effort import effort
from tokenflow_sim.errors import ScenarioError
from tokenflow_sim.scenario import Scenario, load_scenario

TABLES = [name for name in FILES if name.endswith(".csv")]
DATA = yaml.safe_load(FILES["scenario.yaml"])


def places(data: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    below = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [place, *(deep for key, item in below for deep in places(item, (*place, key)))]


PLACES = places(DATA)[1:]


@st.composite
def changed(draw: st.DrawFn) -> Any:
    """Give the scenario's data with some entries exchanged, removed, added or moved."""
    data = copy.deepcopy(DATA)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(PLACES))
        holder: Any = data
        for part in place[:-1]:
            try:
                holder = holder[part]
            except (KeyError, IndexError, TypeError):
                break
        if not isinstance(holder, (dict, list)) or not holder:
            continue
        value = copy.deepcopy(draw(st.sampled_from(VALUES)))
        key = place[-1] if isinstance(holder, dict) else 0
        match draw(st.sampled_from(("set", "set", "set", "drop", "add", "rename"))):
            case "set":
                holder[key] = value
            case "drop" if isinstance(holder, dict):
                holder.pop(key, None)
            case "drop":
                holder.pop()
            case "add" if isinstance(holder, dict):
                holder[str(draw(st.sampled_from(VALUES)))[:80]] = value
            case "add":
                holder.append(value)
            case _ if isinstance(holder, dict) and key in holder:
                holder[draw(st.sampled_from(("east", "chat", "x", "", "a.b", "network")))] = holder.pop(key)
    return data


def load_and_play(files: dict[str, bytes | None]) -> None:
    with folder_of(files) as folder:
        scenario = answer(lambda: load_scenario(folder))
        if scenario is not None:
            answer(lambda: play(scenario))


def test_the_scenario_itself_is_sound() -> None:
    with folder_of({}) as folder, bounded():
        play(load_scenario(folder))


@effort(175)
@given(damaged(FILES["scenario.yaml"]))
def test_a_damaged_text(text: bytes) -> None:
    load_and_play({"scenario.yaml": text})


@effort(225)
@given(changed())
def test_changed_entries(data: Any) -> None:
    load_and_play({"scenario.yaml": yaml.safe_dump(data, allow_unicode=True).encode("utf-8", "replace")})


@effort(225)
@given(st.data())
def test_a_damaged_table(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(TABLES))
    content = data.draw(st.one_of(damaged(FILES[name]), damaged(FILES[name]), st.none()))
    load_and_play({name: content})


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
LARGE = (
    FILES["scenario.yaml"]
    .replace("  arcs: arcs.csv\n", "  max_distance: 1e9\n")
    .replace("regions: {coast: {nodes: [east, west]}, inland: {nodes: [middle]}}\n", "")
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BOMB, "entries"),
        ("a: &a {b: *a}\n", "holds itself"),
        ("x: " + "[" * 5000 + "]" * 5000, "nested"),
        (FILES["scenario.yaml"].replace("nodes.csv", "../../../etc/passwd"), "leaves the scenario's folder"),
        (FILES["scenario.yaml"].replace("nodes.csv", "/etc/passwd"), "leaves the scenario's folder"),
        (FILES["scenario.yaml"].replace("fixed_markup, markup: 0.1", "os:system"), "runs no code"),
        (FILES["scenario.yaml"].replace("periods: 4", "periods: 4000000000"), "periods"),
    ],
)
def test_known_attacks_are_refused_with_the_reason(text: str, said: str) -> None:
    with (
        folder_of({"scenario.yaml": text.encode()}) as folder,
        bounded(),
        pytest.raises(ScenarioError, match=said),
    ):
        play(load_scenario(folder))


def test_a_market_that_would_not_fit_in_memory_is_refused_with_the_estimate() -> None:
    rows = "".join(f"n{n},{40 + n % 9},{-100 + n % 50},,,1\n" for n in range(3_600))
    with (
        folder_of(
            {"scenario.yaml": LARGE.encode(), "nodes.csv": FILES["nodes.csv"].encode() + rows.encode()}
        ) as folder,
        bounded(),
        pytest.raises(ScenarioError, match=r"would take \d+ GiB"),
    ):
        load_scenario(folder).market()


@pytest.mark.parametrize("name", ["link", "pipe"])
def test_a_table_that_is_no_plain_file_is_refused(name: str) -> None:
    with folder_of({"nodes.csv": None}) as folder, bounded():
        if name == "link":
            (folder / "nodes.csv").symlink_to("/etc/passwd")
        else:
            os.mkfifo(folder / "nodes.csv")
        with pytest.raises(ScenarioError, match=r"leaves the scenario's folder|not a regular file"):
            load_scenario(folder)
        (folder / "nodes.csv").unlink()


def test_text_alone_reads_no_files() -> None:
    with pytest.raises(ScenarioError, match="text alone has no folder"):
        Scenario.from_yaml(FILES["scenario.yaml"])
