"""Hostile arrays given to ``tf.Market``: cleared and certified, or refused in one clear error."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import tokenflow_sim as tf
from tests.fuzz.hostile import answer, bounded
from tests.oracle.effort import effort

ODD = (
    0.0, -0.0, -1.0, 1.0, 0.5, 1e-300, 5e-324, 1e-9, 1e9, 1e300, np.inf, -np.inf, np.nan, 2.0**53, 7.0, 1e15,
)  # fmt: skip


def arrays() -> dict[str, Any]:
    """Give the arrays of a sound market: two nodes, three assets, two classes, two arcs, shared power."""
    asset = {
        "asset": ["a", "b", "c"], "asset_node": ("asset", ["n0", "n1", "n1"]), "provider": ("asset", ["p", "p", "q"]),
    }  # fmt: skip
    arc = {
        "arc": ["x", "y"], "origin": ("arc", ["n0", "n1"]), "destination": ("arc", ["n1", "n0"]),
        "owner": ("arc", ["o", "o"]),
    }  # fmt: skip
    work, node = {"workload": ["chat", "batch"]}, {"node": ["n0", "n1"]}

    def of(values: Any, *dims: str, **coords: Any) -> xr.DataArray:
        return xr.DataArray(np.array(values, dtype=float), dims=dims, coords=coords)

    return {
        "offer_price": of([[2, 3], [1, 4], [1, 4]], "asset", "workload", **asset, **work),
        "capacity": of([[5, 5], [3, 3], [3, 3]], "asset", "workload", **asset, **work),
        "power_use": of([[1, 2], [1, 2], [1, 3]], "asset", "workload", **asset, **work),
        "power_limit": of([6, 4, 4], "asset", **asset),
        "demand": of([[4, 1], [2, 2]], "node", "workload", **node, **work),
        "value": of([[9, 8], [9, 8]], "node", "workload", **node, **work),
        "route_cost": of([[0.1, 0.2], [0.1, 0.2]], "arc", "workload", **arc, **work),
        "link_use": of([[1, 2], [1, 2]], "arc", "workload", **arc, **work),
        "link_capacity": of([2, 2], "arc", **arc),
    }


@st.composite
def damaged(draw: st.DrawFn) -> dict[str, Any]:
    given_ = arrays()
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(sorted(given_)))
        array = given_[name]
        if not isinstance(array, xr.DataArray):
            continue
        match draw(
            st.sampled_from(
                ("number", "number", "number", "all", "drop", "dim", "label", "order", "kind", "odd")
            )
        ):
            case "number":
                values = array.values.astype(float)
                values.flat[draw(st.integers(0, values.size - 1))] = draw(st.sampled_from(ODD))
                given_[name] = array.copy(data=values)
            case "all":
                given_[name] = xr.full_like(array, draw(st.sampled_from(ODD)))
            case "drop":
                del given_[name]
            case "dim":
                given_[name] = array.rename({array.dims[0]: draw(st.sampled_from(("x", "node_", "block")))})
            case "label":
                dim = array.dims[0]
                labels = list(array[dim].values)
                labels[0] = draw(st.sampled_from((labels[-1], "mars", "", "é", "a" * 300)))
                given_[name] = array.assign_coords({dim: labels})
            case "order":
                given_[name] = array.isel({array.dims[0]: slice(None, None, -1)}).transpose()
            case "kind":
                kind = draw(
                    st.sampled_from((str, object, complex, bool, np.int8, np.float16, "datetime64[s]"))
                )
                with suppress(ValueError):  # text of a number is no date
                    given_[name] = array.astype(kind)
            case _:
                given_[name] = draw(
                    st.sampled_from((None, 3.0, "x", [[1.0]], np.zeros(3), np.zeros((0, 2)), {}, float))
                )
    given_ |= draw(st.sampled_from(({}, {}, {}, {"hours": 0}, {"hours": np.nan}, {"hours": "x"})))
    return given_


_kept: list[tf.Clearer] = []
"""The last Clearer: building one takes far longer than a case, and results do not depend on its past."""


def check(market: tf.Market) -> None:
    if not _kept:
        _kept.append(tf.Clearer(market))
    clearing = _kept[0].clear(market)
    assert clearing.certificate.worst < 1e-7
    settlement = tf.settle(market, clearing)
    paid = float(abs(settlement.payment).sum())
    rounding = float((abs(clearing.price) * market.demand).sum()) * 3600 * np.finfo(float).eps
    assert abs(settlement.residual) <= 1e-9 * max(1.0, paid) + rounding
    parts = tf.decompose(market, clearing).to_array().sum("variable")
    xr.testing.assert_allclose(parts, clearing.price, rtol=1e-9, atol=1e-9 * float(abs(clearing.price).max()))


def test_the_market_itself_is_sound() -> None:
    with bounded():
        check(tf.Market(**arrays()))


@effort(100)
@given(damaged())
def test_damaged_arrays(given_: dict[str, Any]) -> None:
    market = answer(lambda: tf.Market(**given_))
    if market is not None:
        answer(lambda: check(market))
