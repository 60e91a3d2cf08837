"""Tests of training, which need PyTorch and Stable-Baselines3: CI runs them in a step of their own."""

from __future__ import annotations

import os
from importlib.util import find_spec

import pytest

NEEDED = ("torch", "stable_baselines3", "onnx", "onnxscript")


@pytest.fixture(autouse=True)
def trains() -> None:
    """Skip where the group `training` is not installed, unless TOKENFLOW_TRAINING is `required`."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing and os.environ.get("TOKENFLOW_TRAINING") != "required":
        pytest.skip(f"needs {', '.join(missing)}: uv run --group training pytest tests/learning")
    assert not missing, f"TOKENFLOW_TRAINING is required, and {', '.join(missing)} is not installed"
