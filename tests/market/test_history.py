"""Prices and dispatch are functions of the Market alone: the same bits whatever was cleared before, and where.

On whole numbers and multiples of five, with zeros among them, where optima are degenerate nearly everywhere and a
plain warm start gets most periods wrong.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import chain

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from tests.oracle.effort import effort, tell
from tests.oracle.markets import FORMULATIONS, LINEAR, runs
from tokenflow_sim.market.clearer import Clearer, clear
from tokenflow_sim.market.market import Market

PUBLISHED = (
    "price", "dispatch", "flow", "unserved", "scarcity_rent", "power_rent", "congestion_rent",
)  # fmt: skip
LENGTH, COLD = 4, 2


def bits(clearing_values: object) -> dict[str, bytes]:
    found = {name: getattr(clearing_values, name).tobytes() for name in PUBLISHED}
    return found | {"cost": float(getattr(clearing_values, "cost")).hex().encode()}  # noqa: B009


def cleared_cold(markets: Sequence[Market]) -> list[dict[str, bytes]]:
    return [bits(clear(market).values) for market in markets]


def cleared_warm(clearer: Clearer, markets: Sequence[Market]) -> list[dict[str, bytes]]:
    return [bits(clearer.clear(market).values) for market in markets]


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[ProcessPoolExecutor]:
    """Another process, with an interpreter of its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


@pytest.mark.parametrize(
    ("name", "kind"),
    [*((name, kind) for name in LINEAR for kind in ("integer", "fives")), ("everything", "integer")],
)
def test_the_same_bits_after_any_history_and_in_another_process(
    name: str, kind: str, elsewhere: ProcessPoolExecutor
) -> None:
    """One Clearer takes a run in two orders; elsewhere, its last markets are each cleared cold."""

    @effort(1)
    @given(runs(FORMULATIONS[name], LENGTH, kind=kind, tiny=False), st.permutations(range(LENGTH)))
    def run(markets: list[Market], order: list[int]) -> None:
        for market in markets:
            tell(market)
        far = elsewhere.submit(cleared_cold, markets[-COLD:])
        clearer = Clearer(markets[0])
        first = cleared_warm(clearer, markets)
        again = cleared_warm(clearer, [markets[i] for i in order])
        assert [again[order.index(i)] for i in range(LENGTH)] == first
        assert far.result(timeout=120) == first[-COLD:]

    run()


def test_the_same_bits_after_markets_of_other_structures() -> None:
    names = ("shared_power", "latency_rule", "economic_dispatch_pool", "congestion_qp")

    @effort(1)
    @given(st.tuples(*(runs(FORMULATIONS[name], 2, kind="integer", tiny=False) for name in names)))
    def run(families: tuple[list[Market], ...]) -> None:
        mixed = [*chain.from_iterable(zip(*families, strict=True))]
        warm = cleared_warm(Clearer(mixed[0]), mixed)
        for number in (1, 4, 6):
            tell(mixed[number])
            assert warm[number] == bits(clear(mixed[number]).values)

    run()


def test_what_cannot_be_served_is_found_anew_in_every_market() -> None:
    """In the first market node 1 can take one more unit, in the second it cannot; node 0 can in neither."""

    def market(capacity: float, demand: float, link: float) -> Market:
        return Market(
            offer_price=xr.DataArray([[0.0]], {"asset": ["a"], "workload": ["k"]}, ("asset", "workload")),
            capacity=xr.DataArray([[capacity]], {"asset": ["a"], "workload": ["k"]}, ("asset", "workload")),
            demand=xr.DataArray([[demand], [0.0]], {"node": [0, 1], "workload": ["k"]}, ("node", "workload")),
            value=xr.DataArray([[0.0], [np.inf]], {"node": [0, 1], "workload": ["k"]}, ("node", "workload")),
            route_cost=xr.DataArray([[1.0]], {"arc": ["1->0"], "workload": ["k"]}, ("arc", "workload")),
            link_capacity=xr.DataArray([link], {"arc": ["1->0"]}, ("arc",)),
            asset_node=[1],
            origin=[1],
            destination=[0],
        )

    first, second = market(1.0, 0.0, 0.0), market(0.0, 1.0, np.inf)
    clearer = Clearer(first)
    clearer.clear(first)
    assert bits(clearer.clear(second).values) == bits(clear(second).values)
    assert clear(second).values.price.tolist() == [[0.0], [0.0]]
