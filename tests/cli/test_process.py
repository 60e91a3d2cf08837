"""The command as a process of its own: signals, pipes, terminals and the time that it takes to start."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import command, environment, process
from tokenflow_sim.results import load_results

LONG = ("run", "us5", "--periods", "100000", "--checkpoint", "0", "--out", "long.nc")
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
HEAVY = (
    "numpy",
    "pandas",
    "xarray",
    "linopy",
    "mesa",
    "highspy",
    "netCDF4",
    "matplotlib",
    "pydantic",
    "yaml",
)


def test_help_imports_none_of_what_the_commands_need(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from tokenflow_sim.cli import main\n"
        "sys.argv = ['tokenflow', '--help']\n"
        "try:\n    main()\n"
        "except SystemExit:\n    pass\n"
        f"print('loaded:', [name for name in {HEAVY} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, text=True, capture_output=True, check=True
    )
    assert done.stdout.endswith("loaded: []\n")
    for name in ("list", "new", "validate", "run", "plot", "reproduce"):
        assert re.search(rf"\b{name}\b", done.stdout)


@pytest.mark.parametrize("words", [["run", "-h"], ["--version"]])
def test_help_is_plain_where_there_is_no_terminal(tmp_path: Path, words: list[str]) -> None:
    done = process(*words, cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    assert "--periods" in done.stdout or re.fullmatch(r"tokenflow_sim \d+\.\d+\.\d+\n", done.stdout)


def test_an_unknown_command_is_bad_input(tmp_path: Path) -> None:
    done = process("rum", cwd=tmp_path)
    assert done.returncode == 2
    assert "run" in done.stderr
    assert done.stdout == ""


def wait_for_draft(folder: Path, running: subprocess.Popen[str]) -> None:
    """Wait until the run has begun to write."""
    deadline = time.monotonic() + 200
    while not list(folder.glob(".long.nc*")):
        assert running.poll() is None, running.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.long
@pytest.mark.parametrize(
    ("number", "status", "none"),
    [(signal.SIGINT, 130, "interrupted: no unfinished file was left behind\n"), (signal.SIGTERM, 143, "")],
)
def test_a_run_that_is_stopped_leaves_what_it_has_finished_and_nothing_else(
    tmp_path: Path, number: signal.Signals, status: int, none: str
) -> None:
    running = subprocess.Popen(
        [*command(), *LONG],
        cwd=tmp_path,
        env=environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        wait_for_draft(tmp_path, running)
        running.send_signal(number)
        out, err = running.communicate(timeout=120)
    finally:
        running.kill()
    assert running.returncode == status
    assert out == ""
    left = os.listdir(tmp_path)
    if not left:  # it was stopped before its first period was over
        assert err == none
        return
    assert left == ["long.partial.nc"]
    assert re.fullmatch(r"(interrupted: )?periods? 0 .*kept in long\.partial\.nc, which .*\n", err)
    with load_results(tmp_path / "long.partial.nc") as results:
        assert results.sizes["period"] > 0
        assert bool(results["price"].notnull().all())


@pytest.mark.parametrize("words", [["list", "scenarios"], ["--help"]])
def test_a_reader_that_goes_away_ends_it_as_it_ends_cat(tmp_path: Path, words: list[str]) -> None:
    script = '"$@" | true; echo "${PIPESTATUS[0]}"'
    line = subprocess.run(
        ["bash", "-c", script, "-", *command(), *words], cwd=tmp_path, env=environment(),
        text=True, capture_output=True, timeout=240, check=True,
    )  # fmt: skip
    assert line.stdout == "141\n"
    assert line.stderr == ""


def test_python_m_is_the_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tokenflow_sim", "--version"],
        cwd=tmp_path,
        text=True,
        capture_output=True,
        check=True,
    )
    assert done.stdout == process("--version", cwd=tmp_path).stdout


LODZ = """
format: 1
name: Łódź
periods: 1
market: {must_serve: false}
workloads: {Übersetzung: {base_demand: 1000000, payload: 1, value: 5}}
nodes: {Łódź: {electricity_price: 0.1, demand_weight: 1}}
hardware: {h: {throughput: {Übersetzung: 100000}, energy: {Übersetzung: 10}}}
providers: {Öko: {assets: [{node: Łódź, hardware: h, power_mw: 20}]}}
"""


def test_what_a_console_cannot_encode_is_escaped(tmp_path: Path) -> None:
    encoding = "cp1252"  # which has some of these letters
    (tmp_path / "us5").write_text(LODZ, encoding="utf-8")
    words = [*command(), "run", "us5", "-o", "Łódź.nc"]
    done = subprocess.run(
        words, cwd=tmp_path, env=environment(PYTHONIOENCODING=encoding), capture_output=True, check=False
    )
    out, err = done.stdout.decode(encoding), done.stderr.decode(encoding)
    assert (done.returncode, err.count("\n")) == (0, 1), err
    assert err.startswith("warning: us5 names the file")
    (row,) = [line for line in out.splitlines() if "bersetzung" in line]
    assert "Ł".encode(encoding, "backslashreplace").decode(encoding) in row
    head = next(line for line in out.splitlines() if line.startswith("class"))
    assert len(row) == len(head)  # columns stand under their heads
    assert r"results: \u0141" in out


def test_errors_are_escaped_too(tmp_path: Path) -> None:
    (tmp_path / "Łódź").mkdir()
    (tmp_path / "Łódź" / "file").touch()
    done = process("new", "Łódź", cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == 2
    assert r"\u0141\xf3d\u017a: this folder has files already" in done.stderr


def on_a_terminal(*words: str, cwd: Path, columns: int = 80) -> str:
    """Run the command on a terminal of so many columns; return all that it showed."""
    ours, theirs = pty.openpty()
    env = environment(TERM="xterm-256color", COLUMNS=str(columns), LINES="40")
    running = subprocess.Popen(
        [*command(), *words], cwd=cwd, env=env, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    deadline = time.monotonic() + 240
    try:
        while time.monotonic() < deadline:
            if not select.select([ours], [], [], 1.0)[0]:
                continue
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other side has closed the terminal
                break
            if not part:
                break
            shown += part
        assert running.wait(timeout=60) == 0, shown.decode()
    finally:
        running.kill()
        os.close(ours)
    return shown.decode()


@pytest.mark.long
def test_a_terminal_shows_progress_and_tables_that_fit(tmp_path: Path) -> None:
    shown = on_a_terminal("run", "us5", "--periods", "30", "--out", "out.nc", cwd=tmp_path)
    plain = CONTROL.sub("", shown)
    assert re.search(r"running .* 30/30 periods .* left", plain)
    lines = plain.rpartition("us5: 30 periods")[2].replace("\r", "").splitlines()
    assert max(map(len, lines)) <= 80
    assert any("silicon_valley_dc" in line for line in lines)


@pytest.mark.long
def test_a_disk_that_is_full_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    script = (
        "import resource, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from tokenflow_sim.cli import main\n"
        "import netCDF4, tokenflow_sim.model\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "run", "us5", "--periods", "400", "--out", "out.nc"], cwd=tmp_path,
        env=environment(PYTHONDONTWRITEBYTECODE="1"), text=True, capture_output=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done
    told = "cannot be written, since it is larger than this file system or your limits allow"
    assert done.stderr.startswith(f"error: .out.nc.unfinished/000000000.npz: {told}")
    assert "Traceback" not in done.stderr
    assert os.listdir(tmp_path) == []
