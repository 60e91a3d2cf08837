"""What all tests share."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import matplotlib as mpl
import pytest

from tests.nursery import Nursery, open_nursery

CHECKOUT = Path(__file__).resolve().parents[1]

mpl.use("Agg")

# Where Python is told to keep no byte code, each of the many processes that the tests start would compile all
# libraries anew, which takes longer than what it tests: they keep it with pytest's own cache then.
if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
    sys.dont_write_bytecode = False
    sys.pycache_prefix = os.environ["PYTHONPYCACHEPREFIX"] = str(CHECKOUT / ".pytest_cache" / "bytecode")

# No deadline: a busy machine is not a fault of the code. In CI the examples are the same in every run, so that
# a change is judged by itself; elsewhere they are redrawn, which is how new faults are found.
hypothesis.settings.register_profile("here", deadline=None, print_blob=True)
hypothesis.settings.register_profile("ci", deadline=None, print_blob=True, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the long tests, so that no core waits for another at the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(scope="session")
def uv() -> str:
    """Return the path of the real `uv`: a version manager's shim works inside the checkout only."""
    if told := os.environ.get("UV"):  # set by `uv run`
        return told
    shim = shutil.which("uv")
    assert shim, "these tests need uv: pip install uv"
    script = "import os; print(os.environ['UV'])"
    asked = [shim, "run", "--quiet", "--no-sync", "python", "-c", script]
    return subprocess.run(asked, cwd=CHECKOUT, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="session")
def forked_workers() -> Iterator[None]:
    """Let Dask's workers on this machine begin as copies of a process that has imported what they need."""
    import dask
    from distributed.utils import get_mp_context

    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        # The first call names what that process imports; more is added, since jobs bring the model with them.
        get_mp_context().set_forkserver_preload(
            ["distributed", "tokenflow_sim.model", "tokenflow_sim.study.task"]
        )
        yield


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Start the process that becomes the command `tokenflow` without importing everything again."""
    with open_nursery() as nursery:
        yield nursery
