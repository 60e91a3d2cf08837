"""A clearing that cannot be certified is tried again from nothing, by another algorithm, and then raises."""

from __future__ import annotations

import highspy
import numpy as np
import pytest

from tests.oracle.paper_markets import paper_market
from tokenflow_sim.errors import CertificateError
from tokenflow_sim.market import Certificate, Clearer, Market
from tokenflow_sim.market.certificate import certify
from tokenflow_sim.market.engine import Engine

BAD = Certificate(primal=1e-3, dual=0.0, complementarity=0.0, gap=0.0)


class Doubts:
    """A certificate that finds fault with the first few clearings."""

    def __init__(self, count: int) -> None:
        self.left = count
        self.seen = 0

    def __call__(self, *given: object) -> Certificate:
        self.seen += 1
        self.left -= 1
        return BAD if self.left >= 0 else certify(*given)  # type: ignore[arg-type]


@pytest.fixture
def market() -> Market:
    return paper_market(5)


@pytest.mark.parametrize("doubts", [0, 1, 2])
def test_every_fallback_ends_in_the_same_bits(
    doubts: int, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = Clearer(market).clear(market).values
    clearer = Clearer(market)
    first = clearer._engine
    doubt = Doubts(doubts)
    monkeypatch.setattr("tokenflow_sim.market.clearer.certify", doubt)
    found = clearer.clear(market).values
    assert doubt.seen == doubts + 1
    assert (clearer._engine is first) == (doubts == 0)
    for name in ("price", "dispatch", "flow"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_the_last_fallback_is_another_algorithm(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tokenflow_sim.market.clearer.certify", Doubts(2))
    clearer = Clearer(market)
    clearer.clear(market)
    status, solver = clearer._engine.solver.highs.getOptionValue("solver")
    assert status == highspy.HighsStatus.kOk
    assert solver == "ipx"


def test_what_cannot_be_certified_raises_with_the_numbers(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    clearer = Clearer(market)
    monkeypatch.setattr("tokenflow_sim.market.clearer.certify", Doubts(3))
    with pytest.raises(CertificateError, match=r"primal 1\.00e-03") as caught:
        clearer.clear(market)
    for fallback in ("hot simplex", "cold simplex", "interior point"):
        assert fallback in str(caught.value)
    assert clearer.clear(market).certificate.worst < 1e-7  # and the next market is not harmed


def test_a_solver_without_an_answer_is_tried_again(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    solve = Engine.solve

    def fails_once(engine: Engine, arrays: object) -> object:
        calls.append(engine)
        if len(calls) == 1:
            raise CertificateError("HiGHS found no optimum")
        return solve(engine, arrays)  # type: ignore[arg-type]

    monkeypatch.setattr(Engine, "solve", fails_once)
    assert Clearer(market).clear(market).certificate.worst < 1e-7
    assert len(calls) == 2
    assert calls[0] is not calls[1]
