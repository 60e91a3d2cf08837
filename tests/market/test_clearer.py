"""A clearing that cannot be certified is tried again from nothing, by another algorithm, and then raises."""

from __future__ import annotations

import highspy
import numpy as np
import pytest

import tokenflow_sim as tf
from tests.oracle.paper_markets import paper_market
from tokenflow_sim.errors import CertificateError, InfeasibleError
from tokenflow_sim.market import Certificate, Clearer, Market, labelled
from tokenflow_sim.market.certificate import certify
from tokenflow_sim.market.engine import Engine
from tokenflow_sim.market.formulation import linopy_model
from tokenflow_sim.market.limits import SharedCapacity, Supply, Term

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


@pytest.mark.parametrize("lazy", [False, True])
def test_coefficients_that_change_are_taken_up_by_the_live_model(
    lazy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Intensities, overheads and losses by period: the same bits as with an engine of their own, and one engine."""
    built: list[tf.Market] = []
    monkeypatch.setattr(
        labelled, "linopy_model", lambda one, **how: built.append(one) or linopy_model(one, **how)
    )
    labelled._compared.clear()
    base = tf.load_scenario("us5").override({"market.shared_power": True}).market()
    clearer, rng, engines, binding = tf.Clearer(base, lazy=lazy), np.random.default_rng(3), set(), 0
    served, node, power_use = base.arrays.demand.sum(), base.layout.asset_node, base.arrays.power_use
    carried, total = np.full(len(base.layout.arcs), 1.0), np.array([served / 4])
    assert power_use is not None
    for number in range(8):
        use = rng.uniform(0, 2, base.arrays.capacity.shape[:2]) * rng.integers(0, 2, (len(node), 1))
        use[0, 0] = 10.0 ** -rng.integers(8, 12)  # HiGHS drops what is too small to matter
        terms = Term("dispatch", use, node), Term("flow", rng.uniform(0, 1e-3, base.arrays.route_cost.shape))
        common = Term("dispatch", use, np.zeros(len(node), dtype=int))
        more = Supply(np.array([[5.0]]), np.array([[np.inf]]))
        limits = (
            SharedCapacity(name="site", rent="a", dim="node", capacity=np.full(5, served), terms=terms[:1]),
            SharedCapacity(name="carried", rent="b", dim="arc", capacity=carried, terms=terms[1:]),
            SharedCapacity(
                name="all", rent="c", dim="x", labels=("all",), capacity=total, terms=(common,), supply=more
            ),
        )
        arrays = base.arrays.with_(
            limits=limits,
            value=np.full_like(base.arrays.value, 40.0),
            link_use=base.arrays.link_use * rng.uniform(0.5, 2),
            power_use=power_use * 1.01**number,
        )
        market = tf.Market.from_arrays(base.layout, arrays, base.hours)
        hot, own = clearer.clear(market).values, tf.Clearer(market, lazy=lazy).clear(market).values
        for name in ("price", "dispatch", "flow", "unserved"):
            assert np.array_equal(getattr(hot, name), getattr(own, name)), (number, name)
        assert all(np.array_equal(hot.rents[rent], own.rents[rent]) for rent in own.rents)
        binding += bool(own.rents["c"].any())
        engines.add(id(clearer._engine))
    assert binding > 2
    assert len(engines) == 1
    assert len(built) == (0 if lazy else 2)  # of the market without further limits, and with them


def test_what_cannot_be_served_in_finer_units_leaves_the_next_market_in_the_usual_ones(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    apart = market.arrays.with_(demand=market.arrays.demand * np.where(np.arange(4) == 1, 1e-6, 1.0)[:, None])
    uneven = Market.from_arrays(market.layout, apart, market.hours)

    def fails(engine: Engine, arrays: object) -> object:
        sizes.append(engine.size)
        if engine.size != 1.0:
            raise InfeasibleError({})
        raise CertificateError("HiGHS found no optimum")

    clearer = Clearer(market)
    monkeypatch.setattr(Engine, "solve", fails)
    with pytest.raises(InfeasibleError):
        clearer.clear(uneven)
    assert sizes[:-1] == [1.0, 1.0, 1.0]
    assert sizes[-1] > 1.0
    assert clearer._engine.size == 1.0
