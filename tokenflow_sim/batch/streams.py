"""Streams of random numbers of many markets, drawn from side by side: each gives what it would alone.

A call of a Generator costs a microsecond or four, which for hundreds of markets is most of what a period takes. So the
raw numbers of every stream are taken in blocks, and turned into what is asked for in one go, by NumPy's own rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokenflow_sim.numeric import Floats, Ints

_BLOCK = 256
_MANY = 1 << 128  # how many numbers a stream gives before it repeats: one step less than that is a step back
_HALF = np.uint64(0xFFFFFFFF)
_UP, _FRACTION = np.uint64(32), np.uint64(11)

Raw = NDArray[np.uint64]


class StreamsBeside:
    """The streams of the agents of one name in markets beside each other, in place of a Generator.

    What it returns are rows of numbers: those of the first market, then those of the second, as many for each.

    Parameters
    ----------
    generators : sequence of numpy.random.Generator
        Each market's stream, on PCG64.

    Notes
    -----
    It follows `numpy.random.Generator`: doubles are the upper 53 bits of a raw number; whole numbers below a bound
    come from its halves, lower one first, by Lemire's method. Where that rejects a number, which at a bound of ten
    happens once in 10^9 draws, streams are no longer in step, and every Generator is asked itself from there on.
    """

    def __init__(self, generators: Sequence[np.random.Generator]) -> None:
        self._generators = list(generators)
        self._begin()

    def _begin(self) -> None:
        """Start from where the generators stand."""
        states = [generator.bit_generator.state for generator in self._generators]
        halves = {state["has_uint32"] for state in states}
        self._raw: Raw = np.zeros((0, len(states)), dtype=np.uint64)
        self._at = 0
        self._has_half = halves == {1}
        self._half: Raw = np.array([state["uinteger"] for state in states], dtype=np.uint64)
        self._in_step = len(halves) == 1

    def random(self, size: int) -> Floats:
        """Return numbers from 0 to less than 1; `size` is that of all markets together."""
        each = self._each(size)
        if not self._in_step:
            return np.concatenate([generator.random(each) for generator in self._generators])
        return (self._next(each).T.ravel() >> _FRACTION).astype(np.float64) * 2.0**-53

    def uniform(self, low: float, high: float, size: int) -> Floats:
        """Return numbers from `low` to less than `high`."""
        drawn: Floats = low + (high - low) * self.random(size)
        return drawn

    def integers(self, high: int, *, size: int | tuple[int, ...] | None = None) -> Ints | int:
        """Return whole numbers from 0 to less than `high`; the first length of `size` is that of all markets.

        Without a size a number, where there is one market.
        """
        if size is None:
            return int(self._whole(high, 1)[0])
        return self._whole(high, size)

    def _whole(self, high: int, size: int | tuple[int, ...]) -> Ints:
        shape = (size,) if isinstance(size, int) else size
        each = self._each(shape[0]) * int(np.prod(shape[1:]))
        if high == 1:
            return np.zeros(shape, dtype=np.int64)  # which draws nothing
        drawn = self._bounded(high, each) if self._in_step else None
        if drawn is None:
            found = [generator.integers(high, size=each) for generator in self._generators]
            drawn = np.concatenate(found).astype(np.int64)
        return drawn.reshape(shape)

    def _bounded(self, high: int, each: int) -> Ints | None:
        """Return bounded numbers by market; None where a stream would have to draw one again."""
        if high > _HALF:
            self._part()
            return None
        kept = self._has_half, self._half
        raw = iter(self._next((each + 1 - self._has_half) // 2))
        halves = np.empty((each, len(self._generators)), dtype=np.uint64)
        for number in range(each):
            if self._has_half:
                halves[number], self._has_half = self._half, False
            else:
                both = next(raw)
                halves[number], self._half, self._has_half = both & _HALF, both >> _UP, True
        products = halves * np.uint64(high)
        threshold = np.uint64(((1 << 32) - high) % high)
        if ((products & _HALF) < threshold).any():
            self._has_half, self._half = kept
            self._at -= (each + 1 - self._has_half) // 2
            self._part()
            return None
        return (products >> _UP).astype(np.int64).T.ravel()

    def _each(self, size: int) -> int:
        count, rest = divmod(size, len(self._generators))
        if rest:
            raise ValueError(f"{len(self._generators)} markets cannot draw {size} numbers alike")
        return count

    def _next(self, count: int) -> Raw:
        """Return the next raw numbers of all streams, dims (number, market)."""
        if self._at + count > len(self._raw):
            block = max(_BLOCK, count)
            fresh = np.empty((len(self._generators), block), dtype=np.uint64)
            for row, generator in zip(fresh, self._generators, strict=True):
                row[:] = generator.bit_generator.random_raw(block)
            self._raw, self._at = np.concatenate([self._raw[self._at :], np.ascontiguousarray(fresh.T)]), 0
        self._at += count
        return self._raw[self._at - count : self._at]

    def _sync(self) -> None:
        """Set every generator to where its stream stands."""
        if not self._in_step:
            return
        ahead = len(self._raw) - self._at
        for number, generator in enumerate(self._generators):
            bits: Any = generator.bit_generator
            if ahead:
                bits.advance(_MANY - ahead)
            state = bits.state
            state["has_uint32"], state["uinteger"] = int(self._has_half), int(self._half[number])
            bits.state = state
        self._raw, self._at = self._raw[:0], 0

    def _part(self) -> None:
        """Ask every generator itself from here on."""
        self._sync()
        self._in_step = False

    @property
    def bit_generator(self) -> StreamsBeside:
        """What has the `state` of the streams: they themselves."""
        return self

    @property
    def state(self) -> list[dict[str, Any]]:
        """Where each stream stands, as its bit generator has it."""
        self._sync()
        return [dict(generator.bit_generator.state) for generator in self._generators]

    @state.setter
    def state(self, states: Sequence[dict[str, Any]]) -> None:
        for generator, state in zip(self._generators, states, strict=True):
            generator.bit_generator.state = state
        self._begin()


class NormalsBeside:
    """Streams that nothing but standard normal numbers are drawn from, one at a time, a block ahead.

    Parameters
    ----------
    generators : sequence of numpy.random.Generator
        The streams.
    """

    def __init__(self, generators: Sequence[np.random.Generator]) -> None:
        self._generators = list(generators)
        self._begin()

    def _begin(self) -> None:
        self._states = [generator.bit_generator.state for generator in self._generators]
        self._block: Floats = np.zeros((0, len(self._generators)))
        self._at = 0

    def next(self) -> Floats:
        """Return the next number of each stream."""
        if self._at == len(self._block):
            self._states = [generator.bit_generator.state for generator in self._generators]
            self._block = np.stack([one.standard_normal(_BLOCK) for one in self._generators], axis=1)
            self._at = 0
        self._at += 1
        row: Floats = self._block[self._at - 1]
        return row

    @property
    def states(self) -> list[dict[str, Any]]:
        """Where each stream stands: how many numbers a normal one takes differs, so that they are drawn again."""
        for generator, state in zip(self._generators, self._states, strict=True):
            generator.bit_generator.state = state
            generator.standard_normal(self._at)
        self._begin()
        return [dict(state) for state in self._states]

    @states.setter
    def states(self, states: Sequence[dict[str, Any]]) -> None:
        for generator, state in zip(self._generators, states, strict=True):
            generator.bit_generator.state = state
        self._begin()
