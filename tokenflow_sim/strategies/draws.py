"""Draws of arms: by their probabilities, and evenly; arrays of one number, which are made once."""

from __future__ import annotations

import numpy as np

from tokenflow_sim.numeric import Floats, Ints


def draw(probability: Floats, rng: np.random.Generator) -> Ints:
    """Draw one arm for each row of probabilities, dims (group, arm), by inversion."""
    ladder = np.cumsum(probability, axis=1)
    point = rng.random(len(probability)) * ladder[:, -1]
    drawn: Ints = np.minimum((ladder <= point[:, None]).sum(axis=1), probability.shape[1] - 1)
    return drawn


def draw_evenly(arms: int, count: int, rng: np.random.Generator) -> Ints | int:
    """Draw one of all arms for each of so many groups; for one group, which takes a quarter of the time, a number."""
    return int(rng.integers(arms)) if count == 1 else rng.integers(arms, size=count)


def singles(count: int) -> list[Ints]:
    """Return arrays of one number each, from 0 on, read-only."""
    found = [np.array([number], dtype=np.int64) for number in range(count)]
    for array in found:
        array.setflags(write=False)
    return found
