"""What limits of a user may be called and return, and what is refused: each in words, at its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.oracle.linprog_oracle import solve
from tokenflow_sim.errors import MarketError
from tokenflow_sim.market.bound_limit import bind_limits
from tokenflow_sim.market.limit_names import CONSTRAINTS
from tokenflow_sim.market.limits import BUILT_IN
from tokenflow_sim.market.own_limit import LimitView
from tokenflow_sim.variables import RESULT_COORDINATES, STUDY_COORDINATES

MARKET = tf.load_scenario("us5").override({"market.must_serve": False}).market()
ASSETS = len(MARKET.layout.assets)


class Plain(tf.Limit):
    """One limit over the market."""

    def use(self, view: LimitView) -> Any:
        return view.per_service()

    def capacity(self, view: LimitView) -> Any:
        return 3.0


def made(name: str = "Own", /, **members: Any) -> tf.Limit:
    limit: tf.Limit = type(name, (Plain,), members)()
    return limit


def zoned(*labels: object, name: str = "Own", **members: Any) -> tf.Limit:
    def use(_: tf.Limit, view: LimitView) -> xr.DataArray:
        return view.per_service().expand_dims(zone=list(labels))

    return made(name, **{"dim": "zone", "use": use} | members)


def view(period: int = 0) -> LimitView:
    return LimitView(period=period, hours=1.0, layout=MARKET.layout)


def bind(limits: tuple[tf.Limit, ...], periods: int) -> None:
    bound = bind_limits(limits, view())
    for period in range(periods):
        for limit in bound:
            limit.at(view(period))


def refusal(*limits: tf.Limit, periods: int = 1) -> str:
    with pytest.raises(MarketError) as caught:
        bind(limits, periods)
    return str(caught.value)


def by_zone(values: list[float], labels: str) -> xr.DataArray:
    return xr.DataArray(values, {"zone": list(labels)}, ("zone",))


def test_names_of_constraints_that_a_market_has_are_refused() -> None:
    for name in CONSTRAINTS:
        said = refusal(made("".join(part.title() for part in name.split("_"))))
        assert f"name: {name!r} is a constraint that the market has already" in said
    # None is missing: a market with curved links, power limits, a site limit and delays has all of them.
    scenario = tf.load_scenario("us5").override(
        {
            "market.congestion_curvature": 0.1, "market.shared_power": True, "nodes.dallas.grid_mw": 5.0,
            "delay": {"sites": {"idle": 20, "value": 0.001}, "links": {"idle": 1, "value": 0.0001}},
        }
    )  # fmt: skip
    assert set(tf.linopy_model(scenario.market()).constraints) == BUILT_IN


@pytest.mark.parametrize("key", ["rent", "dim"])
def test_a_dual_or_dim_does_not_take_a_name_of_results_and_studies(key: str) -> None:
    taken = {*RESULT_COORDINATES, *STUDY_COORDINATES, "run", "baseline", "emissions", "limit"} | {"hhi"}
    for name in sorted(taken - {"node", "asset", "arc"} if key == "dim" else taken):
        said = refusal(zoned("a", **{key: name}))
        assert f"- {key}: " in said
        assert repr(name) in said


def test_a_class_whose_name_is_no_name_of_a_dual_is_told_to_give_one() -> None:
    said = refusal(made("Größe"))
    assert "name: is 'größe'" in said
    assert "set `name` or `rent`" in said
    assert "rename the class 'Größe'" in said
    (named,) = bind_limits([made("Größe", name="size")], view())
    assert (named.name, named.rent) == ("size", "size_rent")
    (with_rent,) = bind_limits([made("Größe", rent="size_rent")], view())
    assert with_rent.rent == "size_rent"


def test_limits_of_one_market_do_not_clash() -> None:
    assert refusal(made(), made()).count("- ") == 1  # one fault: the dual is called after the name
    assert "two limits are called 'own'" in refusal(made(rent="one"), made(rent="two"))
    assert "two limits have a dual of this name, 'x'" in refusal(made("A", rent="x"), made("B", rent="x"))
    assert "two limits have a dual of this name, 'b_rent'" in refusal(made("A", rent="b_rent"), made("B"))
    for other in ("cde", "ba", "abc"):
        said = refusal(zoned("a", "b", name="P"), zoned(*other, name="Q"))
        assert "limit 'p' has the labels 'a', 'b' along 'zone', and limit 'q' " in said
    assert "the dual and the dim have one name, 'zone'" in refusal(zoned("a", rent="zone"))
    assert "have one name, 'zone'" in refusal(zoned("a", name="P"), made("Q", rent="zone"))
    bind_limits([zoned("a", "b", name="P"), zoned("a", "b", name="Q")], view())


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda _: xr.DataArray(np.ones(ASSETS + 1), dims="asset"), "use: has 6 numbers without labels"),
        (
            lambda v: xr.concat([v.per_service()] * 2, "asset"),
            "use.asset: asset 'ashburn' stands there twice",
        ),
        (lambda v: v.per_service() * 1j, "use: must be real numbers; found the type complex128"),
        (lambda v: v.per_service().astype(str), "use: must be real numbers"),
        (lambda v: v.per_service().astype(object) + 1j, "use: must be real numbers"),
        (lambda v: [v.per_service(), v.per_flow() * np.nan], r"use[1]: must be finite everywhere"),
    ],
)
def test_a_use_that_cannot_be_read_is_refused(use: Callable[[LimitView], Any], message: str) -> None:
    said = refusal(made(use=lambda _, view: use(view)))
    assert said.startswith("limit 'Own' has 1 fault")
    assert message in said


def test_a_use_without_the_limits_own_dim_or_with_a_label_twice_is_refused() -> None:
    def half(_: tf.Limit, view: LimitView) -> list[xr.DataArray]:
        return [view.per_service().expand_dims(zone=["a", "b"]), view.per_service()]

    assert "use[1]: has no dim 'zone', by which the limit is" in refusal(zoned(use=half))
    assert "use.zone: zone 'a' stands there twice" in refusal(zoned("a", "a"))


PRICE, QUANTITY = xr.DataArray([0.5, 1.0], dims="tranche"), xr.DataArray([2.0, np.inf], dims="tranche")


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"capacity": by_zone([1, 2, 3], "abb")}, "capacity: zone 'b' stands there twice"),
        ({"capacity": by_zone([1, 2, 3], "abc")}, "capacity: unknown zone 'c'; known zones: a, b"),
        ({"capacity": by_zone([1], "a")}, "capacity: lacks zone 'b'"),
        ({"capacity": "5"}, "capacity: must be a number or one for each of 2 labels; found '5'"),
        ({"capacity": ["1", 2]}, "capacity: must be a number or one for each of 2 labels"),
        ({"capacity": None}, "capacity: must be a number or one for each of 2 labels; found None"),
        ({"capacity": 1j}, "capacity: must be a number"),
        ({"supply": 1.0}, "supply: must be a pair of price and quantity, or None; found a float"),
        ({"supply": (PRICE,)}, "supply: must be a pair of price and quantity, or None; found a tuple of 1"),
        ({"supply": (PRICE, QUANTITY, PRICE)}, "supply: must be a pair of price and quantity"),
        ({"supply": (PRICE, "many")}, "supply quantity: must be a number or one for each of 2 labels with"),
        (
            {"supply": (PRICE.assign_coords(tranche=[0, 1]), QUANTITY.assign_coords(tranche=[1, 0]))},
            "supply: price and quantity have other labels along 'tranche'",
        ),
    ],
)
def test_numbers_of_a_period_that_cannot_be_read_are_refused(members: dict[str, Any], message: str) -> None:
    given = {key: lambda _, __, value=value: value for key, value in members.items()}
    said = refusal(zoned("a", "b", **given))
    assert said.startswith("limit 'Own' has 1 fault")
    assert message in said
    assert "(period 0)" in said


@pytest.mark.parametrize("payee", ["", " ", 5])
def test_a_payee_is_a_name_or_nobody(payee: Any) -> None:
    assert f"payee: must be a name, or None for nobody; found {payee!r}" in refusal(made(payee=payee))
    assert "dim: must be a text; found 5" in refusal(made(dim=5))


@pytest.mark.parametrize("steps", [(1, 2), (2, 1), (1, None), (None, 1)])
def test_a_supply_has_as_many_steps_in_every_period(steps: tuple[int | None, int | None]) -> None:
    def supply(_: tf.Limit, view: LimitView) -> Any:
        count = steps[view.period]
        return None if count is None else ([0.5] * count, [2.0] * count)

    said = refusal(made(supply=supply), periods=2)
    assert f"supply: has {steps[1] or 0} steps, but {steps[0] or 0} in period 0" in said
    assert "(period 1)" in said


def test_a_supply_by_label_without_tranches_has_one_step() -> None:
    price, quantity = by_zone([2.0, 1.0], "ba"), by_zone([3.0, 4.0], "ab")
    (bound,) = bind_limits([zoned("a", "b", supply=lambda *_: (price, quantity))], view())
    supply = bound.at(view()).supply
    assert supply is not None
    np.testing.assert_array_equal(supply.price, [[1.0], [2.0]])
    np.testing.assert_array_equal(supply.quantity, [[3.0], [4.0]])


def test_flows_may_use_a_limit_by_asset() -> None:
    def use(_: tf.Limit, view: LimitView) -> list[xr.DataArray]:
        # What leaves an asset's node counts at that asset, beside what it serves.
        origin, node = view.arcs["origin"].to_xarray(), view.assets["node"].to_xarray()
        return [view.per_service(), view.per_flow() * (origin == node)]

    limit = made(dim="asset", use=use)
    (bound,) = bind_limits([limit], view())
    shared = bound.at(view())
    assert {term.on for term in shared.terms} == {"dispatch", "flow"}
    market = tf.Market.from_arrays(MARKET.layout, MARKET.arrays.with_(limits=(shared,)), MARKET.hours)
    clearing, best = tf.Clearer(market).clear(market), solve(market)
    assert best is not None
    assert clearing.values.cost == pytest.approx(best.cost, rel=1e-9)
    used = shared.used(clearing.values.quantities)
    flow = clearing.values.flow.sum(axis=1)
    out = np.array([flow[MARKET.layout.origin == node].sum() for node in MARKET.layout.asset_node])
    np.testing.assert_allclose(used, clearing.values.dispatch.sum(axis=(1, 2)) + out, atol=1e-9)
    assert float(clearing.values.rents[shared.rent].max()) > 0
