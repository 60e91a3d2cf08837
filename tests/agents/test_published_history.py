"""The public record holds the latest periods, and never changes under who keeps it."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from tokenflow_sim.agents.published_history import PublishedHistory


def test_it_is_empty_before_the_first_period() -> None:
    history = PublishedHistory(3, 2, 5).history
    assert len(history) == 0
    assert history.price.shape == (0, 3, 2)


@pytest.mark.parametrize("length", [1, 2, 3, 7])
def test_it_holds_the_latest_periods_oldest_first(length: int) -> None:
    archive = PublishedHistory(1, 1, length)
    kept = []
    for period in range(25):
        archive.append(np.full((1, 1), period), np.full((1, 1), -period), np.full((1, 1), 0.5 * period))
        held = list(range(max(0, period + 1 - length), period + 1))
        kept.append((archive.history, held))
    for history, held in kept:  # also those handed out long ago
        assert history.price[:, 0, 0].tolist() == held
        assert history.demand[:, 0, 0].tolist() == [-period for period in held]
        assert history.unserved[:, 0, 0].tolist() == [0.5 * period for period in held]


def test_it_is_read_only() -> None:
    archive = PublishedHistory(1, 1, 3)
    archive.append(np.ones((1, 1)), np.ones((1, 1)), np.ones((1, 1)))
    with pytest.raises(ValueError, match="read-only"):
        archive.history.price[0, 0, 0] = 2


def test_its_state_is_restored() -> None:
    archive, other = PublishedHistory(1, 1, 3), PublishedHistory(1, 1, 3)
    for period in range(8):
        archive.append(*(np.full((1, 1), period + part) for part in (0, 10, 20)))
    other.set_state(archive.get_state())
    for archiver in (archive, other):
        archiver.append(*(np.full((1, 1), part) for part in (8, 18, 28)))
    assert archive.history.price.tolist() == other.history.price.tolist() == [[[6.0]], [[7.0]], [[8.0]]]
    assert archive.history.unserved.tolist() == other.history.unserved.tolist()


def test_copies_go_on_by_themselves() -> None:
    archive = PublishedHistory(1, 1, 3)
    archive.append(*(np.full((1, 1), part) for part in (1, 11, 21)))
    for other in (copy.deepcopy(archive), pickle.loads(pickle.dumps(archive))):
        other.append(*(np.full((1, 1), part) for part in (2, 12, 22)))
        assert other.history.price.ravel().tolist() == [1, 2]
        assert other.history.demand.ravel().tolist() == [11, 12]
        assert not other.history.unserved.flags.writeable
    assert archive.history.price.ravel().tolist() == [1]
