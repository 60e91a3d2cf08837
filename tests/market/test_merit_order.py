"""Merit order and program: the same bits, on random markets of all kinds of numbers."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tests.market.separate import KINDS, random_layout, random_market
from tests.oracle.effort import FACTOR
from tokenflow_sim.errors import InfeasibleError
from tokenflow_sim.market.certificate import Certificate, certify
from tokenflow_sim.market.engine import Engine
from tokenflow_sim.market.market import Market
from tokenflow_sim.market.merit_certificate import Routes
from tokenflow_sim.market.merit_order import MeritOrder, MeritOrderOutcome
from tokenflow_sim.market.merit_single import FEW, SmallMeritOrder
from tokenflow_sim.market.values import Values, values_of

EACH = 10  # markets of a layout, cleared together


def together(merit_order: MeritOrder, markets: list[Market]) -> MeritOrderOutcome:
    def stacked(name: str) -> np.ndarray:
        return np.stack([getattr(market.arrays, name) for market in markets])

    routes = Routes(stacked("route_cost"), stacked("allowed"), stacked("link_capacity"))
    numbers = (stacked(name) for name in ("offer_price", "capacity", "demand", "value"))
    return merit_order.clear(*numbers, routes=routes if routes.route_cost.size else None)


def program_of(engine: Engine, market: Market) -> tuple[Values, Certificate]:
    values = values_of(engine.program, market.arrays, engine.solve(market.arrays))
    return values, certify(market.layout, market.arrays, values)


def same_bits(values: Values, outcome: MeritOrderOutcome, place: int) -> bool:
    names = ("price", "dispatch", "unserved", "scarcity_rent")
    same = [getattr(values, name).tobytes() == getattr(outcome, name)[place].tobytes() for name in names]
    return all(same) and float(values.cost).hex() == float(outcome.cost[place]).hex()


def residuals(certificate: Certificate) -> tuple[float, ...]:
    return certificate.primal, certificate.dual, certificate.complementarity, certificate.gap


@pytest.mark.parametrize("arcs", [False, True])
def test_the_same_bits_as_the_program(arcs: bool) -> None:
    seen: Counter[str] = Counter()
    for seed in range(10 * FACTOR):
        rng = np.random.default_rng([seed, arcs])
        layout = random_layout(rng, arcs=arcs)
        kinds = [str(kind) for kind in rng.choice(KINDS, EACH)]
        markets = [random_market(rng, layout, kind) for kind in kinds]
        engine = Engine(markets[0], lazy=True)
        outcome = together(MeritOrder(engine.program), markets)
        program = engine.program
        few = program.x.stop + program.y.stop - program.y.start <= FEW and not layout.sizes["arc"]
        small = SmallMeritOrder(program) if few else None
        for place, market in enumerate(markets):
            seen["certain" if outcome.certain[place] else "left to the program"] += 1
            if small is not None:
                found = small.clear(market.arrays)
                assert (found is not None) == outcome.certain[place]
                assert found is None or same_bits(found[0], outcome, place)
                assert found is None or residuals(found[1]) == tuple(outcome.certificate[place].tolist())
            if not outcome.certain[place]:
                continue
            values, certificate = program_of(engine, market)
            assert same_bits(values, outcome, place)
            assert not values.flow.any()
            assert not values.congestion_rent.any()
            assert tuple(outcome.certificate[place].tolist()) == residuals(certificate)
    assert seen["certain"] > (0.1 if arcs else 0.4) * seen.total()


def test_what_cannot_be_served_is_left_to_the_engine() -> None:
    rng = np.random.default_rng(3)
    layout = random_layout(rng, arcs=False)
    market = random_market(rng, layout, "integer")
    short = Market.from_arrays(
        layout,
        market.arrays.with_(
            demand=market.arrays.demand + 1000.0, value=np.full(market.arrays.value.shape, np.inf)
        ),
    )
    engine = Engine(short, lazy=True)
    assert not together(MeritOrder(engine.program), [short]).certain.any()
    with pytest.raises(InfeasibleError):
        engine.solve(short.arrays)


def test_a_market_is_cleared_the_same_whatever_stands_beside_it() -> None:
    rng = np.random.default_rng(8)
    layout = random_layout(rng, arcs=False)
    markets = [random_market(rng, layout, "continuous") for _ in range(40)]
    merit_order = MeritOrder(Engine(markets[0], lazy=True).program)
    all_of_them = together(merit_order, markets)
    for place, market in enumerate(markets):
        alone = together(merit_order, [market])
        assert alone.certain[0] == all_of_them.certain[place]
        if alone.certain[0]:
            for name in ("price", "dispatch", "unserved", "scarcity_rent", "cost", "certificate"):
                assert getattr(alone, name)[0].tobytes() == getattr(all_of_them, name)[place].tobytes()
