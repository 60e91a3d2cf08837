from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from tests.cli.conftest import Invoke, assert_clean_error
from tokenflow_sim.cli.options import here


def test_scenarios_and_strategies_are_listed(tokenflow: Invoke) -> None:
    both = tokenflow("list").stdout
    scenarios, strategies = tokenflow("list", "scenarios").stdout, tokenflow("list", "strategies").stdout
    assert both == scenarios + strategies
    lines = {line.split()[0]: line for line in scenarios.splitlines() if line.split()}
    assert {"us5", "us20", "us20_oligopoly", "us20_oligopoly_v1"} <= set(lines)
    assert "five-node market" in lines["us5"]
    told = [line.split(maxsplit=2) for line in strategies.splitlines()]
    for kind, name in (("provider", "fixed_markup"), ("owner", "fixed_tariff"), ("region", "inelastic")):
        (description,) = [row[2] for row in told if row[:2] == [kind, name]]
        assert description.strip().endswith(".")


def test_an_unknown_topic_names_the_known_ones(tokenflow: Invoke) -> None:
    told = assert_clean_error(tokenflow("list", "scenario"))
    assert "scenarios" in told
    assert "strategies" in told


def test_a_new_scenario_is_valid_and_runs(tokenflow: Invoke) -> None:
    made = tokenflow("new", "my market")
    assert made.exit_code == 0, made.output
    assert "tokenflow validate './my market'" in made.stdout
    checked = tokenflow("validate", "my market", "--periods", "30")
    assert checked.exit_code == 0, checked.output
    assert checked.stdout.splitlines()[-1] == "valid"
    assert "30 periods cleared" in checked.stdout
    ran = tokenflow("run", "my market", "--periods", "2", "--out", "out.nc")
    assert ran.exit_code == 0, ran.output


def test_what_new_prints_runs_what_it_wrote(tokenflow: Invoke) -> None:
    made = tokenflow("new", "us20")
    words = shlex.split(made.stdout.partition("check it: tokenflow ")[2].partition("\n")[0])
    checked = tokenflow(*words, "--periods", "1")
    assert checked.stderr == ""
    assert "3 nodes" in checked.stdout
    clash = tokenflow("validate", "us20", "--periods", "1")
    assert "3 nodes" in clash.stdout
    assert clash.stderr.startswith("warning: us20 names the folder ./us20 and a bundled scenario")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("mine", "./mine"), ("-x", "./-x"), ("../mine", "../mine"), ("/tmp/a b", "'/tmp/a b'"), (".", "."),
        ("a/b", "./a/b"),
    ],
)  # fmt: skip
def test_a_path_that_no_name_is(path: str, text: str) -> None:
    assert here(Path(path)) == text


def test_a_synthetic_market_has_the_size_that_was_asked_for(tokenflow: Invoke) -> None:
    result = tokenflow("new", "big", "--nodes", "12", "--arcs", "40", "--seed", "3")
    assert result.exit_code == 0, result.output
    checked = tokenflow("validate", "big", "--periods", "1")
    assert checked.exit_code == 0, checked.output
    assert "12 nodes, 4 classes, 40 arcs" in checked.stdout
    assert tokenflow("new", "same", "--nodes", "12", "--arcs", "40", "--seed", "3").exit_code == 0
    assert tokenflow("new", "other", "--nodes", "12", "--arcs", "40", "--seed", "4").exit_code == 0
    nodes = [Path(folder, "nodes.csv").read_bytes() for folder in ("big", "same", "other")]
    assert nodes[0] == nodes[1] != nodes[2]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--arcs", "40"], "goes with --nodes: --arcs"),
        (["--seed", "4"], "goes with --nodes: --seed"),
        (["--nodes", "1"], "nodes: must be 2 to "),
        (
            ["--nodes", "12", "--arcs", "999"],
            "arcs: 12 nodes take 22 (enough to connect them) to 132 (all pairs)",
        ),
        (["--nodes", "12", "--seed", "-1"], "seed: must not be negative; found -1"),
        (["--nodes", "many"], "--nodes"),
    ],
)
def test_a_synthetic_market_that_cannot_be_is_told(tokenflow: Invoke, words: list[str], told: str) -> None:
    assert told in assert_clean_error(tokenflow("new", "big", *words))
    assert os.listdir() == []


def test_a_folder_with_files_is_kept_without_force(tokenflow: Invoke) -> None:
    Path("full").mkdir()
    Path("full/scenario.yaml").write_text("precious")
    told = assert_clean_error(tokenflow("new", "full"))
    assert "full" in told
    assert "--force" in told
    assert Path("full/scenario.yaml").read_text() == "precious"
    assert os.listdir("full") == ["scenario.yaml"]
    assert tokenflow("new", "full", "--force").exit_code == 0
    assert "format: 1" in Path("full/scenario.yaml").read_text()


def test_a_folder_that_cannot_be_made_is_told(tokenflow: Invoke) -> None:
    Path("file").write_text("x")
    assert "file" in assert_clean_error(tokenflow("new", "file/below"))


def test_five_faults_are_told_at_once_each_with_its_place(tokenflow: Invoke) -> None:
    assert tokenflow("new", "bad").exit_code == 0
    scenario, nodes = Path("bad/scenario.yaml"), Path("bad/nodes.csv")
    text = scenario.read_text()
    for old, new in (
        ("{ node: lakes, hardware: new, power_mw: 90 }", "{ node: asia, hardware: new, power_mw: 90 }"),
        ("{ node: plains, hardware: old, share: 1.0 }", "{ node: plains, hardware: old }"),
        ("{ origin: coast, destination: plains, capacity: 2.5 }", "{ origin: coast, destination: moon }"),
        ("demand:\n  scale: ", "demand:\n  scale: -"),
    ):
        assert old in text
        text = text.replace(old, new)
    scenario.write_text(text)
    rows = nodes.read_text().splitlines()
    nodes.write_text("\n".join([*rows, rows[1]]) + "\n")
    told = assert_clean_error(tokenflow("validate", "bad"))
    faults = [line for line in told.splitlines() if line.startswith("  - ")]
    assert len(faults) == 5, told
    for place, what in (
        ("providers.beta.assets[1].node", "unknown node 'asia'; known nodes: "),
        ("providers.alpha.assets[1]", "has no power"),
        ("network.arcs", "unknown node 'moon'"),
        ("demand.scale", "must be at least 0"),
        ("nodes.csv", "coast: is given twice"),
    ):
        (fault,) = [line for line in faults if what in line]
        assert place in fault


def test_an_infeasible_market_names_class_node_amount_and_period(tokenflow: Invoke) -> None:
    words = ("validate", "us5", "--set", "demand.scale=46", "--periods", "4")
    told = assert_clean_error(tokenflow(*words))
    assert "image: 0.007 Mtok/s short, at " in told
    assert "period 0" in told
    assert "3 other periods cannot be served either" in told


def test_the_same_market_is_valid_where_demand_may_go_unserved(tokenflow: Invoke) -> None:
    words = ("--set", "demand.scale=46", "--set", "market.must_serve=false", "--periods", "2")
    result = tokenflow("validate", "us5", *words)
    assert result.exit_code == 0, result.output
    assert "goes unserved" in result.stdout


def test_validate_tells_the_size_of_a_scenario(tokenflow: Invoke) -> None:
    told = tokenflow("validate", "us5", "--periods", "1").stdout
    assert "us5: 168 periods of 1 h" in told
    assert "5 nodes, 4 classes" in told
    assert "1 network owner," in told
    assert "at most 16.29 Mtok/s" in told
    assert "  1 period cleared" in told


@pytest.mark.parametrize(
    ("words", "cleared"),
    [
        ([], "168 periods cleared"),
        (["--set", "market.must_serve=false"], "24 periods cleared"),
        (["--set", "market.must_serve=false", "--set", "hours=0.25"], "96 periods cleared"),
        (["--set", "periods=7"], "7 periods cleared"),
        (["--set", "periods=7", "--periods", "99"], "7 periods cleared"),
    ],
)
def test_all_periods_are_cleared_that_can_fail(tokenflow: Invoke, words: list[str], cleared: str) -> None:
    result = tokenflow("validate", "us5", *words)
    assert result.exit_code == 0, result.output
    assert f"  {cleared}" in result.stdout


@pytest.mark.parametrize("words", [["no_such"], ["us5", "--set", "demand.scal=1"], ["."]])
def test_bad_input_ends_in_one_message(tokenflow: Invoke, words: list[str]) -> None:
    assert_clean_error(tokenflow("validate", *words))
