from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tokenflow_sim.cli import app

Invoke = Callable[..., Result]


@pytest.fixture
def tokenflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Give the command, called in this process in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def invoke(*words: str | Path) -> Result:
        return CliRunner().invoke(app, [str(word) for word in words], prog_name="tokenflow")

    return invoke


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """Give the result file of a short run, and what the command printed; nobody may change the file."""
    path = tmp_path_factory.mktemp("played") / "run.nc"
    words = ["run", "us5", "--periods", "3", "--seed", "7", "--set", "demand.scale=30", "--out", str(path)]
    return path, CliRunner().invoke(app, words, prog_name="tokenflow")


@pytest.fixture
def run_file(played: tuple[Path, Result], tmp_path: Path) -> Path:
    """Give a copy of a run's result file."""
    return Path(shutil.copy(played[0], tmp_path / "run.nc"))


def command() -> list[str]:
    """Return how to start the command as a process of its own."""
    return [sys.executable, "-c", "from tokenflow_sim.cli import main; main()"]


def environment(**values: str) -> dict[str, str]:
    """Return this process's environment without what steers colours and widths."""
    steering = {"FORCE_COLOR", "NO_COLOR", "COLUMNS", "PY_COLORS", "GITHUB_ACTIONS", "TERM"}
    return {name: value for name, value in os.environ.items() if name not in steering} | values


def process(*words: str | Path, cwd: Path, **values: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a process of its own, without a terminal."""
    return subprocess.run(
        [*command(), *map(str, words)], cwd=cwd, env=environment(**values), text=True, capture_output=True,
        timeout=240, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip


def assert_clean_error(result: Result, status: int = 2) -> str:
    """Check that a command ended in one message on stderr and left nothing on stdout; return the message."""
    assert result.exit_code == status, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert "\x1b" not in result.stderr
    return result.stderr
