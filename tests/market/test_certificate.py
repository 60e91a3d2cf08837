"""The certificate sees every corruption of what is published."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import tokenflow_sim as tf
from tests.market.small import cleared, small
from tokenflow_sim.market.certificate import CERTIFIED, Certificate, certify
from tokenflow_sim.market.values import Values

# The first asset's power is worth 5 $/s per MW, the second is full of chat at a rent of 1, the third sets the west's
# price of 6. The link to the west is full at a rent of 1.5, and the east sheds what is worth less than its 8.
MARKET = small(
    workloads=("chat", "image"),
    assets=[
        ("west", [1.0, 10.0], [9.0, 9.0]), ("west", [5.0, 30.0], [4.0, 9.0]), ("west", [6.0, 40.0], [9.0, 9.0]),
        ("east", [8.0, 50.0], [9.0, 0.5]),
    ],
    demand=[[[5.0, 0.0], [2.0, 0.0]], [[3.0, 1.0], [1.0, 0.0]]],
    value=[[[np.inf, 9.0], [np.inf, 90.0]], [[np.inf, 7.0], [np.inf, 90.0]]],
    arcs=[("east", "west", 3.0), ("west", "east", 5.0)],
    link_use=[[1.0, 2.0], [1.0, 2.0]],
    route_cost=[[0.5, 1.0], [0.5, 1.0]],
    allowed=[[True, True], [False, True]],
    power_use=[[1.0, 2.0], [1.0, 1.0], [1.0, 1.0], [1.0, 1.0]],
    power_limit=[7.0, np.inf, 99.0, 99.0],
)  # fmt: skip


@pytest.fixture(scope="module")
def values() -> Values:
    return cleared(MARKET).values


def certificate(values: Values) -> Certificate:
    return certify(MARKET.layout, MARKET.arrays, values)


def test_the_market_of_these_tests_has_every_rent(values: Values) -> None:
    assert certificate(values).worst < 1e-12
    assert values.price.tolist() == [[6.0, 20.0], [8.0, 24.0]]
    assert values.power_rent.tolist() == [5.0, 0.0, 0.0, 0.0]
    assert values.congestion_rent.tolist() == [1.5, 0.0]
    assert values.scarcity_rent[:, :, 0].tolist() == [[0.0, 0.0], [1.0, 0.0], [0.0, 0.0], [0.0, 0.0]]
    assert values.unserved[1, 0].tolist() == [0.0, 1.0]
    assert certificate(values).worst <= CERTIFIED


def changed(values: Values, name: str, spot: tuple[int, ...], change: float) -> Values:
    array = getattr(values, name).copy()
    array[spot] += change
    return exchanged(values, name, array)


def exchanged(values: Values, name: str, array: np.ndarray[Any, Any]) -> Values:
    if name in values.rents:
        return replace(values, rents=values.rents | {name: array})
    return replace(values, **{name: array})


@pytest.mark.parametrize(
    ("name", "spot", "change", "residuals"),
    [
        ("price", (0, 0), 0.5, {"dual", "complementarity"}),
        ("price", (0, 0), -0.5, {"complementarity", "gap"}),
        ("price", (1, 1), 0.5, {"dual", "gap"}),
        ("dispatch", (0, 0, 0), 0.1, {"primal"}),
        ("dispatch", (0, 0, 0), -0.1, {"primal"}),
        ("dispatch", (1, 0, 0), 0.1, {"primal", "complementarity"}),
        ("dispatch", (3, 1, 0), -0.1, {"primal", "complementarity"}),
        ("flow", (0, 0), 0.1, {"primal"}),
        ("flow", (1, 0), 0.1, {"primal"}),
        ("flow", (1, 1), -0.1, {"primal"}),
        ("unserved", (1, 0, 1), -0.1, {"primal"}),
        ("unserved", (0, 0, 0), 0.1, {"primal"}),
        ("scarcity_rent", (1, 0, 0), 0.3, {"complementarity", "gap"}),
        ("scarcity_rent", (1, 0, 0), -0.3, {"dual", "complementarity", "gap"}),
        ("scarcity_rent", (2, 0, 0), -0.3, {"dual", "complementarity"}),
        ("power_rent", (0,), 0.3, {"complementarity", "gap"}),
        ("power_rent", (0,), -0.3, {"dual", "gap"}),
        ("power_rent", (2,), 0.3, {"complementarity"}),
        ("power_rent", (2,), -0.3, {"dual"}),
        ("congestion_rent", (0,), 0.3, {"complementarity", "gap"}),
        ("congestion_rent", (0,), -0.3, {"dual", "gap"}),
        ("congestion_rent", (1,), -0.3, {"dual"}),
    ],
)
def test_a_corrupted_number_shows(
    values: Values, name: str, spot: tuple[int, ...], change: float, residuals: set[str]
) -> None:
    found = certificate(changed(values, name, spot, change))
    for residual in residuals:
        assert getattr(found, residual) > 1e-4, residual
    assert found.worst > CERTIFIED


# Changes that keep every balance, so that only the condition named can tell.
CAPACITY_EXCEEDED = [("dispatch", (1, 0, 0), 0.1), ("dispatch", (2, 0, 0), -0.1)]
NEGATIVE_DISPATCH = [("dispatch", (1, 1, 0), -0.1), ("dispatch", (2, 1, 0), 0.1)]
NEGATIVE_FLOW = [("flow", (0, 1), -0.1), ("flow", (1, 1), -0.1)]
NEGATIVE_UNSERVED = [("unserved", (0, 0, 0), -0.1), ("dispatch", (2, 0, 0), 0.1)]
MORE_SHED_THAN_ASKED_FOR = [("unserved", (1, 0, 1), 0.1), ("dispatch", (3, 0, 0), -0.1)]
SHED_WHAT_MUST_BE_SERVED = [("unserved", (0, 0, 0), 0.1), ("dispatch", (2, 0, 0), -0.1)]
LINK_EXCEEDED = [("flow", (0, 0), 0.1), ("dispatch", (2, 0, 0), 0.1), ("dispatch", (3, 0, 0), -0.1)]
POWER_EXCEEDED = [("dispatch", (0, 0, 0), 0.1), ("dispatch", (2, 0, 0), -0.1)]
NEGATIVE_SCARCITY = [("scarcity_rent", (3, 1, 0), -0.1)]
NEGATIVE_POWER_RENT = [("power_rent", (1,), -0.1), ("scarcity_rent", (1, 0, 0), 0.1)]
NEGATIVE_CONGESTION_RENT = [("congestion_rent", (1,), -0.1)]


@pytest.mark.parametrize(
    ("changes", "residual"),
    [
        (CAPACITY_EXCEEDED, "primal"),
        (NEGATIVE_DISPATCH, "primal"),
        (NEGATIVE_FLOW, "primal"),
        (NEGATIVE_UNSERVED, "primal"),
        (MORE_SHED_THAN_ASKED_FOR, "primal"),
        (SHED_WHAT_MUST_BE_SERVED, "primal"),
        (LINK_EXCEEDED, "primal"),
        (POWER_EXCEEDED, "primal"),
        (NEGATIVE_SCARCITY, "dual"),
        (NEGATIVE_POWER_RENT, "dual"),
        (NEGATIVE_CONGESTION_RENT, "dual"),
    ],
    ids=[
        "capacity", "negative dispatch", "negative flow", "negative unserved", "more shed than asked for",
        "must serve", "link", "power", "scarcity rent", "power rent", "congestion rent",
    ],
)  # fmt: skip
def test_each_condition_is_looked_at_by_itself(
    values: Values, changes: list[tuple[str, tuple[int, ...], float]], residual: str
) -> None:
    for name, spot, change in changes:
        values = changed(values, name, spot, change)
    assert getattr(certificate(values), residual) > 1e-3


def test_a_class_on_an_arc_that_it_may_not_use_shows() -> None:
    """Half a unit goes round in a circle, over one arc that is forbidden."""
    market = small(
        assets=[("west", 1.0, 9.0), ("east", 1.0, 9.0)], demand=[2.0, 2.0],
        arcs=[("east", "west", 9.0), ("west", "east", 9.0)], allowed=[[True], [False]],
    )  # fmt: skip
    values = cleared(market).values
    round_trip = replace(values, flow=values.flow + 0.5)
    assert certify(market.layout, market.arrays, round_trip).primal > 0.1


def test_a_rent_on_a_link_without_a_limit_shows() -> None:
    market = small(
        assets=[("west", 1.0, 9.0), ("east", 1.0, 9.0)], demand=[2.0, 2.0], arcs=[("east", "west", np.inf)]
    )
    values = cleared(market).values
    charged = exchanged(values, "congestion_rent", np.array([0.5]))
    assert certify(market.layout, market.arrays, charged).dual == pytest.approx(0.5)


def test_shedding_what_is_worth_its_cost_shows() -> None:
    market = small(nodes=("here",), assets=[("here", 1.0, 9.0)], demand=[4.0], value=9.0)
    values = cleared(market).values
    shed = replace(values, dispatch=np.full((1, 1, 1), 3.0), unserved=np.ones((1, 1, 1)), cost=3.0 + 9.0)
    found = certify(market.layout, market.arrays, shed)
    assert found.primal == found.dual == 0.0
    assert found.complementarity > 0.1
    assert found.gap > 0.1


def test_a_price_above_the_value_of_what_is_served_shows() -> None:
    """Rents that fit the price make it dual feasible, but it is not complementary."""
    market = small(nodes=("here",), assets=[("here", 1.0, 2.0)], demand=[4.0], value=9.0)
    values = cleared(market).values
    assert values.price.item() == 9.0
    dear = replace(values, price=np.array([[12.0]]), scarcity_rent=np.full((1, 1, 1), 11.0))
    found = certify(market.layout, market.arrays, dear)
    assert found.dual == 0.0
    assert found.complementarity > 0.1


def test_a_wrong_cost_shows_as_a_gap(values: Values) -> None:
    gaps = [certificate(replace(values, cost=values.cost * (1 + error))).gap for error in (0.001, 0.002)]
    assert 1e-4 < gaps[0] <= 1e-3
    assert gaps[1] == pytest.approx(2 * gaps[0])


@pytest.mark.parametrize(
    "name", ["price", "dispatch", "flow", "unserved", "scarcity_rent", "power_rent", "congestion_rent"]
)
@pytest.mark.parametrize("strange", [np.nan, np.inf])
def test_what_is_not_a_number_is_never_certified(values: Values, name: str, strange: float) -> None:
    array = getattr(values, name).copy()
    array.flat[0] = strange
    assert certificate(exchanged(values, name, array)).worst == np.inf


def test_a_cost_that_is_not_a_number_is_never_certified(values: Values) -> None:
    assert certificate(replace(values, cost=np.nan)).worst == np.inf


def test_a_feasible_dispatch_that_is_not_the_cheapest_has_a_gap() -> None:
    market = small(nodes=("here",), assets=[("here", 1.0, 9.0), ("here", 3.0, 9.0)], demand=[4.0])
    values = cleared(market).values
    swapped = replace(values, dispatch=values.dispatch[::-1].copy(), cost=12.0)
    found = certify(market.layout, market.arrays, swapped)
    assert found.primal == 0.0
    assert found.gap == pytest.approx(8 / 12)  # relative to the cost, or to the quantity at the highest offer
    assert found.complementarity == pytest.approx(8 / 12)


def test_residuals_are_relative_to_the_market() -> None:
    """The same relative error in any units."""
    market = small(nodes=("here",), assets=[("here", 1.0, 9.0), ("here", 3.0, 9.0)], demand=[12.0])

    def residuals(quantity: float, price: float) -> Any:
        a = market.arrays
        scaled = tf.Market.from_arrays(
            market.layout,
            a.with_(
                demand=a.demand * quantity, capacity=a.capacity * quantity, offer_price=a.offer_price * price
            ),
        )
        values = cleared(scaled).values
        off = replace(values, price=values.price * 1.01, dispatch=values.dispatch * 0.99)
        found = certify(scaled.layout, scaled.arrays, off)
        return [found.primal, found.dual, found.complementarity, found.gap]

    plain = residuals(1.0, 1.0)
    assert min(plain) > 1e-3
    for quantity, price in ((1e3, 1.0), (1.0, 1e3), (1e6, 1e6), (1e-6, 1e-6)):
        assert residuals(quantity, price) == pytest.approx(plain, rel=1e-9)


def test_it_lists_its_residuals() -> None:
    text = str(Certificate(1e-9, 2e-9, 3e-9, 4e-9))
    assert text == "primal 1.00e-09, dual 2.00e-09, complementarity 3.00e-09, gap 4.00e-09"
    assert Certificate(1e-9, 2e-9, 5e-9, 4e-9).worst == 5e-9


SHED = {"value": [[50.0], [60.0]], "assets": [("n", 1.0, 2.0)], "nodes": ("n", "m")}
KINDS: dict[str, tuple[Callable[[float], dict[str, Any]], list[float]]] = {
    "class": (
        lambda tiny: {
            "nodes": ("n",), "workloads": ("huge", "tiny"), "assets": [("n", [1.0, 1.0], [2.0, 0.0])],
            "demand": [[1.5, 1.5 * tiny]], "value": [[50.0, 60.0]],
        },
        [1.0, 60.0],
    ),
    "node": (lambda tiny: {**SHED, "demand": [1.5, 1.5 * tiny]}, [1.0, 60.0]),
    "arc": (lambda tiny: {**SHED, "demand": [1.5, 1.5], "arcs": [("m", "n", tiny)]}, [1.0, 60.0]),
    "step": (
        lambda tiny: {
            "nodes": ("n",), "assets": [("n", 1.0, 1.5)], "demand": [[[1.5, 1.5 * tiny]]], "value": [[[50.0, 60.0]]],
        },
        [50.0],
    ),
    "link of a tiny node": (
        lambda tiny: {
            "nodes": ("n", "m"), "assets": [("n", 1.0, 2.0), ("m", 3.0, 9.0)], "demand": [1.5, 1.5 * tiny],
            "arcs": [("m", "n", 0.5 * tiny)],
        },
        [1.0, 3.0],
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_tiny_is_priced_right_or_the_error_names_the_span(kind: str) -> None:
    make, wanted = KINDS[kind]
    for power in range(6, 16, 3):
        market = small(**make(10.0**-power))
        if (kind, power) == ("node", 15):  # below the rounding of the rest of its class
            with pytest.raises(
                tf.CertificateError, match=r"Its numbers span demand from 1\.5e-15 to 1\.5 Mtok/s"
            ):
                tf.clear(market)
            continue
        clearing = tf.clear(market)
        assert clearing.values.price.ravel() == pytest.approx(wanted, rel=1e-6), power
        assert clearing.certificate.worst <= 1e-7


@pytest.mark.parametrize("power", [6, 9, 12])
def test_the_certificate_sees_what_is_tiny(power: int) -> None:
    """A class that is not served though nobody sheds it, one at a wrong price, an offer that stands idle."""
    market = small(
        nodes=("n",), workloads=("huge", "tiny"), assets=[("n", [1.0, 1.0], [2.0, 10.0**-power])],
        demand=[[1.5, 2 * 10.0**-power]], value=[[50.0, 60.0]],
    )  # fmt: skip
    right = tf.clear(market).values
    assert certify(market.layout, market.arrays, right).worst <= 1e-7
    assert right.price.ravel().tolist() == [1.0, 60.0]
    only = np.array([1.0, 0.0])
    lost = replace(right, unserved=right.unserved * only[:, None])
    cheap = replace(right, price=right.price * only, scarcity_rent=right.scarcity_rent * only[:, None])
    idle = replace(
        right, dispatch=right.dispatch * only[:, None],
        unserved=market.arrays.demand - right.dispatch * only[:, None] * np.array([[[1.0], [0.0]]]),
    )  # fmt: skip
    for wrong in (lost, cheap, idle):
        assert certify(market.layout, market.arrays, wrong).worst > 1e-3
