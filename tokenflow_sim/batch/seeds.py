"""The seeds of a batch, read and checked."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import numpy as np

from tokenflow_sim.errors import Fault, InputError

_MOST = 2**63  # what an integer coordinate of a Dataset holds
_COUNT = (
    10_000_000  # more than any memory holds markets for: an endless iterator is reported, not read for ever
)
_LISTED = 5


def read_seeds(seeds: object) -> tuple[int, ...]:
    """Return the seeds of a batch as whole numbers.

    Parameters
    ----------
    seeds : iterable of int
        Whole numbers from 0 to less than 2^63, each once.

    Raises
    ------
    InputError
        If there are none, one is no such number, or one comes twice: one line for each kind of fault.
    """
    if isinstance(seeds, (str, bytes)) or not isinstance(seeds, Iterable):
        raise _error(f"must be whole numbers, range(256) for example; found {seeds!r:.80}")
    given = list(islice(seeds, _COUNT + 1))
    if not given:
        raise _error("needs one seed or more; found none")
    if len(given) > _COUNT:
        raise _error(f"must be at most {_COUNT} numbers; found more")
    wrong = [one for one in given if not _is_seed(one)]
    if wrong:
        raise _error(f"must be whole numbers from 0 to 2^63 - 1; found {_listed(wrong)}")
    found = tuple(int(one) for one in given)
    if len(set(found)) < len(found):
        counts = dict.fromkeys(found, 0)
        for one in found:
            counts[one] += 1
        twice = [one for one, count in counts.items() if count > 1]
        raise _error(
            f"must be each given once: the same market would be played twice; repeated {_listed(twice)}"
        )
    return found


def _is_seed(value: object) -> bool:
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_))
    return whole and 0 <= value < _MOST  # type: ignore[operator]


def _listed(values: list[object] | list[int]) -> str:
    shown = ", ".join(f"{one!r:.40}" for one in values[:_LISTED])
    return shown + (f" and {len(values) - _LISTED} more" if len(values) > _LISTED else "")


def _error(message: str) -> InputError:
    return InputError([Fault(message, "seeds")], "batch")
