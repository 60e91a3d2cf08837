"""Streams drawn from side by side give what each gives alone, and stand where each would."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tokenflow_sim.batch.streams import NormalsBeside, StreamsBeside

_MANY = 3


def _generators() -> list[np.random.Generator]:
    return [np.random.Generator(np.random.PCG64(seed)) for seed in range(_MANY)]


def _place(state: Any) -> Any:
    """Return where a stream stands; a half that was used is no part of it."""
    return state["state"], state["has_uint32"], state["uinteger"] * state["has_uint32"]


@pytest.mark.parametrize("rejected", [None, 3 << 30, 2**33])
def test_each_draws_what_it_would_alone(rejected: int | None) -> None:
    beside, alone = StreamsBeside(_generators()), _generators()
    rng = np.random.default_rng(0)
    for step in range(600):
        each, kind = int(rng.integers(1, 4)), step % 5
        if kind == 0:
            found, wanted = beside.random(_MANY * each), [one.random(each) for one in alone]
        elif kind == 1:
            found = beside.uniform(1 / 3, 1.0, _MANY * each)
            wanted = [one.uniform(1 / 3, 1.0, each) for one in alone]
        elif kind == 4 and rejected is not None and step > 300:
            # Bounds of which every fourth number is drawn again, and that take whole numbers of 64 bits.
            found = np.asarray(beside.integers(rejected, size=_MANY * each))
            wanted = [one.integers(rejected, size=each) for one in alone]
        else:
            high = (1, 7, 15)[kind - 2]
            found = np.asarray(beside.integers(high, size=(_MANY * each, 2)))
            wanted = [one.integers(high, size=(each, 2)) for one in alone]
        np.testing.assert_array_equal(found, np.concatenate(wanted))
        if step % 97 == 0:
            states = beside.bit_generator.state
            assert [_place(one) for one in states] == [_place(one.bit_generator.state) for one in alone]
            beside.bit_generator.state = states
    with pytest.raises(ValueError, match="3 markets cannot draw 4 numbers alike"):
        beside.random(4)
    single = StreamsBeside(_generators()[:1])
    assert single.integers(9) == _generators()[0].integers(9)


def test_normal_numbers_are_those_of_each_stream_alone() -> None:
    beside, alone = NormalsBeside(_generators()), _generators()
    for step in range(600):
        np.testing.assert_array_equal(beside.next(), [one.standard_normal() for one in alone])
        if step % 101 == 0:
            assert beside.states == [one.bit_generator.state for one in alone]
