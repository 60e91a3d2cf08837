"""Folders of scenarios to break."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tokenflow_sim.errors import Fault, ScenarioError
from tokenflow_sim.scenario import Scenario, load_scenario
from tokenflow_sim.scenario.loading import bundled_folder

Edit = tuple[str, str]
Edited = Callable[..., Path]
TAIL = "owners:\n"  # of the file of us5: what is added before it stands at the top level


@pytest.fixture
def us5_folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundled_folder() / "us5", tmp_path / "market"))


@pytest.fixture
def edited(us5_folder: Path) -> Callable[..., Path]:
    """Exchange texts, each of which must be there, in files of a copy of us5."""

    def edit(**files: list[Edit] | str | bytes) -> Path:
        for name, change in files.items():
            file = us5_folder / (f"{name}.yaml" if name == "scenario" else f"{name}.csv")
            if isinstance(change, bytes):
                file.write_bytes(change)
            elif isinstance(change, str):
                file.write_text(change, encoding="utf-8")
            else:
                text = file.read_text(encoding="utf-8")
                for old, new in change:
                    assert old in text
                    text = text.replace(old, new, 1)
                file.write_text(text, encoding="utf-8")
        return us5_folder

    return edit


def faults_in(folder: Path) -> list[Fault]:
    """Return the faults of a scenario that has some."""
    with pytest.raises(ScenarioError) as caught:
        load_scenario(folder)
    return list(caught.value.faults)


@pytest.fixture(scope="session")
def us5() -> Scenario:
    return load_scenario("us5")


@pytest.fixture(scope="session")
def us20() -> Scenario:
    return load_scenario("us20")


def only(faults: list[Fault]) -> Fault:
    """Return the one fault that there is."""
    assert len(faults) == 1, "\n".join(map(str, faults))
    return faults[0]
