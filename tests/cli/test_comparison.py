from __future__ import annotations

import os
from pathlib import Path

import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.cli.conftest import Invoke, assert_clean_error
from tests.study.games import SMALL
from tokenflow_sim.cli.strategies import parse_strategies
from tokenflow_sim.errors import InputError
from tokenflow_sim.results.lock import Lock

RUN = ["--seeds", "2", "--periods", "2", "--workers", "1"]


@pytest.fixture
def folder(tokenflow: Invoke) -> str:
    """Write the scenario into the working directory."""
    Path("small.yaml").write_text(SMALL)
    return "small.yaml"


def test_compare_prints_tables_and_writes_data_and_figure(tokenflow: Invoke, folder: str) -> None:
    strategies = "marginal_cost, fixed_markup(markup=0.5)"
    words = ["compare", folder, "--strategies", strategies, "--provider", "ada", *RUN, "--burn-in", "1"]
    result = tokenflow(*words, "--out", "found.nc", "--figures", "drawn")
    assert result.exit_code == 0, result.output
    assert "ada plays each strategy under the same 2 seeds; differences from marginal_cost" in result.stdout
    assert "the first 1 period left out" in result.stdout
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert any(line.startswith("fixed_markup(markup=0.5) 50.000 +50.0 50.0 to 50.0 more") for line in lines)
    assert os.listdir("drawn") == ["comparison.png"]
    with xr.open_dataset("found.nc") as ds:
        assert ds.attrs["provider"] == "ada"
        assert list(ds.strategy.values) == ["marginal_cost", "fixed_markup(markup=0.5)"]
    told = assert_clean_error(tokenflow(*words, "--out", "found.nc"))
    assert "found.nc exists already" in told
    told = assert_clean_error(tokenflow("plot", "found.nc"))
    assert "the file of a study (comparison), not of a run: `tokenflow report found.nc` shows it" in told
    assert tokenflow("report", "found.nc", "--out", "found.html").exit_code == 0


def test_tournament_prints_payoffs_and_a_ranking(tokenflow: Invoke, folder: str) -> None:
    words = ["--strategies", "marginal_cost,fixed_markup", "--provider", "ada", *RUN]
    result = tokenflow("tournament", folder, *words, "--figures", "drawn")
    assert result.exit_code == 0, result.output
    assert "Ranking" in result.stdout
    assert "all others playing the column" in result.stdout
    assert os.listdir("drawn") == ["tournament.png"]


@pytest.mark.filterwarnings(r"default:\d+ of \d+ runs failed:UserWarning")
def test_a_strategy_that_always_fails_is_named_with_its_error_and_the_others_are_ranked(
    tokenflow: Invoke, folder: str
) -> None:
    Path("bad.py").write_text(
        'import tokenflow_sim as tf\n\nclass Bad(tf.Strategy):\n    """Raises."""\n'
        '    def offer(self, view):\n        raise RuntimeError("my own bug")\n'
    )
    words = ["--strategies", "marginal_cost,fixed_markup,bad:Bad", "--provider", "ada", "--allow-code", *RUN]
    result = tokenflow("tournament", folder, *words)
    assert result.exit_code == 1, result.output
    assert "bad:Bad in 10 of 10" in result.stderr
    assert "RuntimeError: my own bug in provider" in result.stderr
    assert "not ranked, because runs failed: bad:Bad" in result.stdout
    assert "\nmarginal_cost" in result.stdout.partition("Ranking")[2]


def test_equilibrium_says_what_came_of_it(tokenflow: Invoke, folder: str) -> None:
    words = [
        "equilibrium",
        folder,
        "--by",
        "provider",
        "--points",
        "5",
        "--levels",
        "0",
        "--providers",
        "ada",
    ]
    result = tokenflow(*words, "--out", "found.nc", "--figures", "drawn")
    assert result.exit_code == 0, result.output
    assert "nobody gains more than" in result.stdout
    assert tokenflow("report", "found.nc", "--out", "found.html").exit_code == 0
    mixed = tokenflow(*words, "--mixed", "3", "--starts", "truthful", "--random", "0")
    assert "Mixed equilibrium 1 (pure); exploitability" in mixed.stdout
    assert os.listdir("drawn") == ["equilibrium.png"]
    unfinished = tokenflow(*words[:-1], "ada,bob", "--rounds", "1", "--starts", "truthful", "--random", "0")
    assert unfinished.exit_code == 1, "one round cannot show that nobody moves any more"


@pytest.mark.parametrize("command", ["compare", "tournament"])
def test_all_faults_are_told_before_any_run(tokenflow: Invoke, folder: str, command: str) -> None:
    words = ["--strategies", "marginal,fixed_markup(mark=1)", "--provider", "adda", "--confidence", "2"]
    told = assert_clean_error(tokenflow(command, folder, *words))
    for part in (
        "unknown provider strategy 'marginal'",
        "unknown parameter 'mark'",
        "'adda'",
        "between 0 and 1",
    ):
        assert part in told
    assert os.listdir() == [folder]


def test_equilibrium_tells_its_faults(tokenflow: Invoke, folder: str) -> None:
    told = assert_clean_error(
        tokenflow("equilibrium", folder, "--play", "x", "--providers", "ada,eve", "--points", "2")
    )
    assert "known choices: price, quantity" in told
    assert "unknown provider 'eve'" in told
    assert "points: must be a whole number from 5 on" in told


def test_strategies_are_read_with_their_parameters() -> None:
    found = parse_strategies("marginal_cost, fixed_markup(markup=0.5), exp3( rate=1e-2 , name2=[1] )")
    assert found[0] == {"name": "marginal_cost"}
    assert found[1] == {"name": "fixed_markup", "markup": 0.5}
    assert set(found[2]) == {"name", "rate", "name2"}
    with pytest.raises(InputError, match=r"found 'b\(x=1'"):
        parse_strategies("a,,b(x=1")
    with pytest.raises(InputError, match="write parameter=value; found 'x'"):
        parse_strategies("a(x)")


def test_a_comparison_that_was_killed_goes_on_with_what_it_had(tokenflow: Invoke, folder: str) -> None:
    words = ["compare", folder, "--strategies", "marginal_cost,fixed_markup", *RUN, "--out"]
    assert tokenflow(*words, "whole.nc").exit_code == 0
    assert sorted(os.listdir()) == [folder, "whole.nc"], "nothing is left beside it"
    tf.compare(
        folder, [{"name": "marginal_cost"}, {"name": "fixed_markup"}], seeds=2, periods=2, store=".a.nc.runs"
    )
    Path(".a.nc.runs/000003.pickle").unlink()
    Path("..a.nc.runs.lock").touch()  # what a process that was killed leaves
    Path(".a.nc.runs/.000003.pickle.host-1-0.part").touch()
    told = assert_clean_error(tokenflow(*words, "a.nc"))
    assert "an unfinished study of it is kept in .a.nc.runs; resume it (--resume)" in told
    told = assert_clean_error(tokenflow(*words, "a.nc", "--resume", "--set", "demand.scale=2"))
    assert "holds the runs of another study" in told
    with Lock(Path("a.nc")):
        assert "is being written by process" in assert_clean_error(tokenflow(*words, "a.nc", "--resume"))
    assert tokenflow(*words, "a.nc", "--resume").exit_code == 0
    with xr.open_dataset("whole.nc") as whole, xr.open_dataset("a.nc") as again:
        xr.testing.assert_identical(whole, again)
    assert sorted(os.listdir()) == ["a.nc", folder, "whole.nc"]


@pytest.mark.parametrize("command", ["compare", "tournament"])
def test_what_is_whole_is_shown_again_and_not_played(tokenflow: Invoke, folder: str, command: str) -> None:
    words = [command, folder, "--strategies", "marginal_cost,fixed_markup", "--provider", "ada", *RUN]
    words += ["--out", "a.nc"]
    first = tokenflow(*words)
    stamp = os.stat("a.nc").st_mtime_ns
    again = tokenflow(*words, "--resume")
    assert again.exit_code == 0, again.output
    assert again.stdout == "all runs were finished before: nothing was left to play\n" + first.stdout
    assert os.stat("a.nc").st_mtime_ns == stamp
    for other in (["--seeds", "3"], ["--confidence", "0.9"]):
        told = assert_clean_error(tokenflow(*words, *other, "--resume"))
        assert "exists already, of another study" in told
    Path("a.nc").write_bytes(b"")
    assert "a.nc: cannot be read" in assert_clean_error(tokenflow(*words, "--resume"))
    assert sorted(os.listdir()) == ["a.nc", folder]


@pytest.mark.filterwarnings(r"default:\d+ of \d+ runs failed:UserWarning")
def test_failures_of_what_is_whole_are_told_again(tokenflow: Invoke, folder: str) -> None:
    words = ["compare", folder, "--strategies", "marginal_cost,fixed_markup", *RUN, "--out", "a.nc"]
    words += ["--set", "market.must_serve=true", "--set", "demand.scale=1.19"]
    first = tokenflow(*words)
    assert (first.exit_code, "2 runs failed and left out" in first.stdout) == (1, True), first.output
    assert (
        "warning: 2 of 4 runs failed: marginal_cost in 1 of 2, fixed_markup in 1 of 2. The first: "
        in first.stderr
    )
    assert "under the same 1 of 2 seeds" in first.stdout
    again = tokenflow(*words, "--resume")
    assert again.exit_code == 1
    assert again.stdout.endswith(first.stdout)
    overrides = "{'market.must_serve': 'true', 'demand.scale': '1.19', 'periods': 2}"
    assert (
        f"again: tokenflow_sim.TokenMarket('small.yaml', rng=1, overrides={overrides}, strategies="
        in first.stdout
    )


@pytest.mark.parametrize("command", ["compare", "tournament"])
def test_options_of_where_runs_are_played_are_checked(tokenflow: Invoke, folder: str, command: str) -> None:
    words = [command, folder, "--strategies", "marginal_cost,fixed_markup", *RUN]
    assert "name the output to resume" in assert_clean_error(tokenflow(*words, "--resume"))
    both = tokenflow(*words, "--resume", "--force", "--out", "a.nc")
    assert "give one of them" in assert_clean_error(both)
    lost = tokenflow(*words, "--scheduler", "nonsense://x")
    assert "no scheduler answers there" in assert_clean_error(lost)
    assert os.listdir() == [folder]
