"""The wheel works where the checkout is not: built, installed into an empty environment, and used there."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
MINUTES = 60.0

pytestmark = pytest.mark.long


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command as a stranger would: without this environment's variables, outside the checkout."""
    foreign = {"VIRTUAL_ENV", "PYTHONPATH", "UV_PROJECT", "UV_PROJECT_ENVIRONMENT", "UV_NO_SYNC"}
    env = {name: value for name, value in os.environ.items() if name not in foreign} | {"MPLBACKEND": "Agg"}
    done = subprocess.run(
        command, cwd=cwd, env=env, text=True, capture_output=True, timeout=10 * MINUTES, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory, uv: str) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(uv, "build", "--wheel", "--python", sys.executable, "--out-dir", folder, CHECKOUT, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory, uv: str, wheel: Path) -> Path:
    """Give a folder outside the checkout with an environment `venv` that has nothing but the wheel."""
    folder = tmp_path_factory.mktemp("elsewhere")
    pins = folder / "pins.txt"
    pins.write_text("\n".join(PROJECT["tool"]["uv"]["constraint-dependencies"]))
    run(uv, "venv", "--python", sys.executable, folder / "venv", cwd=folder)
    run(uv, "pip", "install", "--python", folder / "venv", "--constraint", pins, wheel, cwd=folder)
    return folder


def test_the_wheel_carries_the_scenarios_the_licence_and_the_types(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    bundled = {
        f"tokenflow_sim/_scenarios/{path.relative_to(CHECKOUT / 'scenarios').as_posix()}"
        for path in (CHECKOUT / "scenarios").rglob("*")
        if path.is_file() and path.suffix in {".yaml", ".csv", ".md"}
    }
    assert "tokenflow_sim/_scenarios/us5/scenario.yaml" in bundled
    assert bundled <= inside
    assert "tokenflow_sim/py.typed" in inside
    assert any(name.endswith("licenses/LICENSE") for name in inside)
    tops = {name.split("/")[0] for name in inside}
    assert tops == {"tokenflow_sim", f"tokenflow_sim-{PROJECT['project']['version']}.dist-info"}


def test_the_command_runs_us5_outside_the_checkout(elsewhere: Path) -> None:
    tokenflow = elsewhere / "venv" / "bin" / "tokenflow"
    assert "us5" in run(tokenflow, "list", "scenarios", cwd=elsewhere)
    told = run(tokenflow, "run", "us5", "--periods", "2", "--seed", "1", "--out", "us5.nc", cwd=elsewhere)
    assert "chat" in told
    assert (elsewhere / "us5.nc").stat().st_size > 0
    run(
        tokenflow, "plot", "us5.nc", "--only", "dispatch_map", "--out", "figures", cwd=elsewhere
    )  # has a data file
    assert (elsewhere / "figures" / "dispatch_map.png").stat().st_size > 10_000


def test_the_library_clears_us5_outside_the_checkout(elsewhere: Path) -> None:
    script = elsewhere / "clear.py"
    script.write_text(
        "import tokenflow_sim as tf\n"
        "market = tf.load_scenario('us5').market(period=0)\n"
        "print(tf.__file__)\n"
        "print(tf.clear(market).total_cost)\n"
    )
    place, cost = run(elsewhere / "venv" / "bin" / "python", script, cwd=elsewhere).splitlines()
    assert Path(place).is_relative_to(elsewhere / "venv")
    # The paper prints 123,635 $/h for its five nodes at 35x.
    assert float(cost) == pytest.approx(123_635.32, abs=0.01)
