"""Markets whose numbers lie up to fifteen orders of magnitude apart: priced right, or an error that names the span."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import tokenflow_sim as tf
from tests.market.small import small
from tokenflow_sim.market.certificate import certify

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
