"""Seeds in every form, and streams that depend on seed and name only."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from tokenflow_sim.agents.streams import seed_of, stream
from tokenflow_sim.errors import InputError


@pytest.mark.parametrize(
    ("given", "seed"),
    [(0, 0), (42, 42), (np.int64(7), 7), ("42", 42), (" 42 ", 42), (42.0, 42), (2**70, 2**70)],
)
def test_a_whole_number_is_itself(given: object, seed: int) -> None:
    found = seed_of(given)  # type: ignore[arg-type]
    assert found == seed
    assert type(found) is int


@pytest.mark.parametrize("given", [None, "", "  "])
def test_nothing_draws_a_fresh_seed_that_repeats_the_run(given: str | None) -> None:
    first, second = seed_of(given), seed_of(given)
    assert first != second
    assert seed_of(first) == first
    assert 0 <= first < 2**53


def test_a_generator_advances_and_a_sequence_does_not() -> None:
    generator, sequence = np.random.default_rng(1), np.random.SeedSequence(1)
    assert seed_of(generator) != seed_of(generator)
    assert seed_of(sequence) == seed_of(sequence)
    assert seed_of(np.random.default_rng(1)) == seed_of(np.random.default_rng(1))
    assert seed_of(np.random.PCG64(1)) == seed_of(np.random.PCG64(1))
    assert seed_of([1, 2]) == seed_of((1, 2)) == seed_of(np.random.SeedSequence([1, 2]))
    assert len({seed_of(child) for child in sequence.spawn(20)}) == 20


@pytest.mark.parametrize("given", [-1, "-1", 1.5, "many", True, [], [-1], {}, "4²", float("nan")])
def test_anything_else_is_told(given: object) -> None:
    with pytest.raises(InputError, match="a seed is a whole number"):
        seed_of(given)  # type: ignore[arg-type]


def test_streams_differ_by_seed_kind_and_name_and_by_nothing_else() -> None:
    def draw(seed: int, kind: str, name: str) -> float:
        return float(stream(seed, kind, name).random())

    assert draw(1, "provider", "a") == draw(1, "provider", "a")
    keys = [
        (1, "provider", "a"),
        (2, "provider", "a"),
        (1, "owner", "a"),
        (1, "provider", "b"),
        (1, "providera", ""),
    ]
    assert len({draw(*key) for key in keys}) == len(keys)


def test_streams_are_the_same_in_another_process() -> None:
    code = "from tokenflow_sim.agents.streams import stream; print(stream(5, 'provider', 'é').random())"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert float(told) == stream(5, "provider", "é").random()
