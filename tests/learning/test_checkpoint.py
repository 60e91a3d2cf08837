"""Tests for the checkpoints of trainings."""

from __future__ import annotations

import pickle

import pytest

from tokenflow_sim.errors import ResultError
from tokenflow_sim.learning.checkpoint import unpickled


def test_what_other_code_has_written_is_told_in_a_line() -> None:
    class Gone:
        """Pickled under a name that nobody finds."""

    Gone.__qualname__ = Gone.__name__ = "Gone"
    globals()["Gone"] = Gone
    part = pickle.dumps(Gone())
    assert unpickled(pickle.dumps([1])) == [1]
    del globals()["Gone"]
    with pytest.raises(ResultError, match=r"written by other code .*AttributeError.*; train anew"):
        unpickled(part)
