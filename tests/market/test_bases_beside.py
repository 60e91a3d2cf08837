"""Markets beside each other that end in remembered bases clear at what each clears at alone, to the bit."""

from __future__ import annotations

import os

import numpy as np
import pytest

from tests.market.separate import random_layout, random_market
from tests.oracle.markets import KINDS, Formulation, Numbers, Structure, make_market
from tokenflow_sim.errors import CertificateError, InfeasibleError
from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.bases_beside import BasesBeside
from tokenflow_sim.market.beside import _ROWS, ClearedBeside, ClearerBeside, LayoutBeside
from tokenflow_sim.market.clearer import Clearer
from tokenflow_sim.market.market import Market

SEEDS = range(2, 2 + 6 * int(os.environ.get("TOKENFLOW_EXAMPLES", "1")))
MANY, PERIODS = 6, 3
_PUBLISHED = ("price", "dispatch", "flow", "unserved", "scarcity_rent", "congestion_rent")


def _beside(markets: list[Market]) -> Market:
    layout = LayoutBeside.of(markets[0].layout, tuple(range(len(markets))))
    arrays = {
        name: None if first is None else np.concatenate([getattr(one.arrays, name) for one in markets])
        for name in _ROWS
        for first in [getattr(markets[0].arrays, name)]
    }
    return Market.from_arrays(layout, Arrays(**arrays), check=False)


def _open(market: Market) -> Market:
    """Return a market with some room on every link: a closed one is left to the engine."""
    room = market.arrays.link_capacity + 0.5
    return Market.from_arrays(market.layout, market.arrays.with_(link_capacity=room), check=False)


def _moved(rng: np.random.Generator, market: Market) -> Market:
    """Return a market of which prices and demand are others, by so little that it often ends in the same basis."""
    own = market.arrays
    price = own.offer_price
    if rng.random() < 0.6:  # else offers that tie still do
        price = price * rng.uniform(0.998, 1.002, price.shape)
    demand = own.demand * rng.uniform(0.998, 1.0, own.demand.shape)
    changes = {"offer_price": price, "demand": demand}
    if rng.random() < 0.3:
        changes["capacity"] = own.capacity * rng.uniform(1.0, 1.001, own.capacity.shape)
        changes["link_capacity"] = own.link_capacity * rng.uniform(1.0, 1.001, own.link_capacity.shape)
    return Market.from_arrays(market.layout, own.with_(**changes), check=False)


def _assert_alone(
    markets: list[Market], found: ClearedBeside, layout: LayoutBeside, clearer: Clearer
) -> None:
    for number, market in enumerate(markets):
        try:
            alone = clearer.clear(market)
        except (InfeasibleError, CertificateError):
            assert number in found.failed
            continue
        for name in _PUBLISHED:
            mine = layout.by_market(getattr(found.values, name))[number]
            np.testing.assert_array_equal(mine, getattr(alone.values, name), err_msg=name)
        assert found.values.cost[number] == alone.values.cost  # type: ignore[index]  # dims (market,) here
        assert found.worst[number] == alone.certificate.worst


def test_random_networks() -> None:
    """Networks whose prices and demand move a little; where none can take more of something, the engine decides."""
    proved = asked = 0
    for seed in SEEDS:
        rng = np.random.default_rng([5, seed])
        layout = random_layout(rng, arcs=True)
        if not layout.origin.size:
            continue
        form = Formulation("token_equivalent", partial=seed % 2 == 0, latency=seed % 3 == 0)
        use = np.ones((layout.origin.size, len(layout.workloads)))
        structure = Structure(form, KINDS[seed % 3], layout, use, None)
        bases = [_open(make_market(structure, Numbers(structure.kind, 10 * seed + k), 1.0)) for k in range(2)]
        beside, clearer = ClearerBeside(LayoutBeside.of(layout, tuple(range(MANY)))), Clearer(bases[0])
        for _ in range(PERIODS):
            markets = [_moved(rng, bases[number % 2]) for number in range(MANY)]
            joined = _beside(markets)
            assert isinstance(joined.layout, LayoutBeside)
            if beside._bases is not None and beside._bases._known:
                found = beside._bases.clear(joined.arrays, MANY, np.arange(MANY))
                proved += 0 if found is None else found.which.size
                asked += MANY
            _assert_alone(markets, beside.clear(joined), joined.layout, clearer)
    assert asked > 20
    assert proved > 0.3 * asked


def test_what_has_other_coefficients_or_a_closed_link_is_left_to_the_engine() -> None:
    rng = np.random.default_rng(3)
    layout = random_layout(rng, arcs=True)
    while layout.origin.size < 2:
        layout = random_layout(rng, arcs=True)
    market = random_market(rng, layout, "continuous")
    open_links = market.arrays.with_(link_capacity=np.full(layout.origin.size, 3.0))
    markets = [Market.from_arrays(layout, open_links.with_(), check=False) for _ in range(3)]
    closed = open_links.link_capacity.copy()
    closed[0] = 0.0
    markets.append(Market.from_arrays(layout, open_links.with_(link_capacity=closed), check=False))
    use = 2.0 * open_links.link_use
    markets.append(Market.from_arrays(layout, open_links.with_(link_use=use), check=False))
    joined, bases, alone = _beside(markets), BasesBeside(markets[0]), Clearer(markets[0])
    alone.clear(markets[0])
    basis = alone.last_basis()
    assert basis is not None
    bases.keep(basis.columns, basis.tight)
    found = bases.clear(joined.arrays, len(markets), np.arange(len(markets)))
    assert found is not None
    assert found.which.tolist() == [0, 1, 2]


def test_bases_that_find_nothing_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tokenflow_sim.market.bases_beside._KEPT", 2)
    rng = np.random.default_rng(8)
    layout = random_layout(rng, arcs=True)
    while layout.origin.size < 3:
        layout = random_layout(rng, arcs=True)
    base = random_market(rng, layout, "continuous")
    bases, clearer = BasesBeside(base), Clearer(base)
    for _ in range(12):
        market = random_market(rng, layout, "continuous")
        try:
            clearer.clear(
                Market.from_arrays(layout, base.arrays.with_(offer_price=market.arrays.offer_price))
            )
        except InfeasibleError:
            continue
        if (basis := clearer.last_basis()) is not None:
            bases.keep(basis.columns, basis.tight)
        assert len(bases._known) <= 2
