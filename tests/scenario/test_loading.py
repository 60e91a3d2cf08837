"""What a name stands for: a folder or file that is there goes before a bundled scenario."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from tokenflow_sim.errors import ScenarioError
from tokenflow_sim.scenario import load_bundled, load_scenario, write_template
from tokenflow_sim.scenario.loading import bundled_folder, is_bundled


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_folder_goes_before_a_bundled_name_and_the_clash_is_told() -> None:
    write_template(Path("us20"))
    told = r"us20 names the folder \./us20 and a bundled scenario: the folder is taken"
    with pytest.warns(UserWarning, match=told) as caught:
        assert list(load_scenario("us20").nodes) == ["coast", "plains", "lakes"]
    assert caught[0].filename == __file__
    assert not is_bundled("us20")
    assert len(load_bundled("us20").nodes) == 20


@pytest.mark.parametrize("name", ["./us20", Path("us20"), Path("us20/scenario.yaml")])
def test_a_path_says_so(name: str | Path) -> None:
    write_template(Path("us20"))
    with warnings.catch_warnings(action="error"):
        assert len(load_scenario(name).nodes) == 3


def test_a_file_goes_before_a_bundled_name() -> None:
    Path("us5").write_text("format: 1")
    with (
        pytest.warns(UserWarning, match=r"us5 names the file \./us5"),
        pytest.raises(ScenarioError, match="is needed, and is not given"),
    ):
        load_scenario("us5")


def test_a_folder_that_is_no_scenario_hides_nothing() -> None:
    Path("us5").mkdir()
    Path("us5/prices.png").touch()
    with warnings.catch_warnings(action="error"):
        assert load_scenario("us5") == load_bundled("us5")
    Path("us5/scenario.yml").touch()
    with pytest.warns(UserWarning, match=r"\./us5 has no scenario\.yaml: the bundled scenario us5 is taken"):
        assert load_scenario("us5") == load_bundled("us5")


def test_the_bundled_folder_itself_is_no_clash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(bundled_folder())
    with warnings.catch_warnings(action="error"):
        assert load_scenario("us5") == load_bundled("us5")
    assert is_bundled("us5")


def test_an_unknown_bundled_scenario() -> None:
    with pytest.raises(
        ScenarioError, match="unknown bundled scenario 'us6'; known bundled scenarios: eu_residency, us20"
    ):
        load_bundled("us6")
