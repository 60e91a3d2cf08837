"""Random numbers: one seed a run, and one stream for everybody, keyed by name.

A stream depends on the seed and on its own name only, so that what one agent draws never shifts what another
does, and two runs that differ in one strategy have all other random numbers in common.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from tokenflow_sim.errors import Fault, InputError

_FRESH_BITS = 53  # fits an int64, a double and a spreadsheet cell without loss

RandomLike = int | np.integer[Any] | str | Sequence[int] | np.random.SeedSequence | np.random.Generator | None
"""What a seed may be given as."""


def seed_of(rng: RandomLike | np.random.BitGenerator) -> int:
    """Return the whole number that stands for a seed, in whatever form it was given.

    Parameters
    ----------
    rng : int, str, sequence of int, SeedSequence, Generator, BitGenerator or None
        A whole number, also one written as text, as it comes from a text field; None or an empty text draws a
        fresh one. A Generator gives its next number (which advances it), a SeedSequence or a sequence of whole
        numbers always the same one.

    Returns
    -------
    int
        Not negative. Given as `rng` again, it repeats the run.

    Raises
    ------
    InputError
        If it is none of these.
    """
    if isinstance(rng, str):
        text = rng.strip()
        if not text:
            rng = None
        elif text.isascii() and text.isdigit():
            return int(text)
    if rng is None:
        rng = np.random.SeedSequence()
    if isinstance(rng, np.random.BitGenerator):
        rng = np.random.Generator(rng)
    if isinstance(rng, np.random.Generator):
        return int(rng.integers(1 << _FRESH_BITS))
    if isinstance(rng, (list, tuple)) and rng and all(_is_whole(part) for part in rng):
        rng = np.random.SeedSequence([int(part) for part in rng])
    if isinstance(rng, np.random.SeedSequence):
        return int(rng.generate_state(1, np.uint64)[0] >> np.uint64(64 - _FRESH_BITS))
    if _is_whole(rng):
        return int(rng)  # type: ignore[arg-type]
    raise InputError(
        [Fault(f"a seed is a whole number that is not negative, or a generator; found {rng!r}", "rng")],
        "random seed",
    )


def _is_whole(value: object) -> bool:
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    return (whole or (isinstance(value, float) and value.is_integer())) and value >= 0  # type: ignore[operator]


def stream(seed: int, kind: str, name: str) -> np.random.Generator:
    """Return the stream of random numbers of one agent.

    Parameters
    ----------
    seed : int
        The run's seed.
    kind, name : str
        Whose stream it is, e.g. ``provider``, ``atlas``.

    Notes
    -----
    The name enters by its SHA-256, which is the same in every process, unlike Python's ``hash``.
    """
    digest = hashlib.sha256(f"{kind}\0{name}".encode()).digest()
    words = tuple(int(word) for word in np.frombuffer(digest, dtype="<u4"))
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=words)))
