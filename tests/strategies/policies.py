"""Trained policies for tests, made of NumPy's random numbers: nothing was trained, but all is read and played."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from tokenflow_sim.scenario import Scenario
from tokenflow_sim.strategies.base import Kind
from tokenflow_sim.strategies.encoding import Encoding
from tokenflow_sim.strategies.policy import choices_of, write_policy
from tokenflow_sim.strategies.policy_config import DistributionConfig


def encoding_of(scenario: Scenario, kind: Kind, name: str, **options: Any) -> Encoding:
    return Encoding.of(scenario.compiled, kind, name, **options)


def random_layers(
    inputs: int, outputs: int, *, hidden: Sequence[int] = (8, 8), seed: int = 0, dtype: Any = np.float32
) -> list[tuple[Any, Any, str]]:
    rng = np.random.default_rng(seed)
    widths = [inputs, *hidden, outputs]
    layers = []
    for number, (below, above) in enumerate(pairwise(widths)):
        weight = rng.normal(size=(above, below)) / np.sqrt(below)
        name = "identity" if number == len(hidden) else "tanh"
        layers.append((weight.astype(dtype), rng.normal(size=above).astype(dtype), name))
    return layers


def random_policy(
    path: Path, encoding: Encoding, *, seed: int = 0, dtype: Any = np.float32, **distribution: Any
) -> Path:
    choices = choices_of(encoding.action)
    outputs = sum(choices) if choices else encoding.action.shape[0]
    if not distribution:
        distribution = (
            {"kind": "categorical"} if choices else {"kind": "gaussian", "log_std": (-1.0,) * outputs}
        )
    layers = random_layers(encoding.observation.size, outputs, seed=seed, dtype=dtype)
    return write_policy(path, encoding, DistributionConfig(**distribution), layers)
