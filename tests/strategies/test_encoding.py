"""Observations and actions as vectors: bounds, scaling, submissions, and what differs between two markets."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from tokenflow_sim.errors import InputError, StrategyError
from tokenflow_sim.model import TokenMarket
from tokenflow_sim.scenario import load_scenario
from tokenflow_sim.strategies.action_encoding import Actions
from tokenflow_sim.strategies.base import Kind, Offer
from tokenflow_sim.strategies.demand import Bid
from tokenflow_sim.strategies.encoding import Encoding
from tokenflow_sim.strategies.network import Tender

AGENTS: list[tuple[Kind, str]] = [("provider", "cascade"), ("owner", "sierra"), ("region", "miami")]


@pytest.fixture(scope="module")
def model() -> TokenMarket:
    made = TokenMarket("us20_oligopoly", rng=3, record=["price"])
    for _ in range(2):
        made.step()
    return made


def view_of(model: TokenMarket, kind: Kind, name: str) -> Any:
    house = model.clearing_house
    agent = getattr(model, f"{kind}s")[name]
    return agent.view(model.period, model.upcoming, house.result, house.history, house.last_market)


def encoding_of(model: TokenMarket, kind: Kind, name: str, **given: Any) -> Encoding:
    return Encoding.of(model.settings.compiled, kind, name, **given)


@pytest.mark.parametrize(("kind", "name"), AGENTS)
def test_an_observation_is_each_quantity_over_its_scale(model: TokenMarket, kind: Kind, name: str) -> None:
    view = view_of(model, kind, name)
    encoding = encoding_of(model, kind, name, lags=3)
    found = encoding.observe(view)
    assert found.dtype == np.float32
    assert (encoding.observation.low <= found).all()
    assert (found <= 1).all()
    names = encoding.observation.names
    assert len(names) == len(set(names)) == len(found) == encoding.observation.size
    at = dict(zip(names, found.tolist(), strict=True))
    scale = {one.name: one.scale for one in encoding.observation.quantities}
    node, workload = view.history.price.shape[1] - 1, 2
    labels = f"{encoding.observation.labels['node'][node]}, {view.workloads[workload]}"
    # Of two periods that were played the last comes first, and the third is not there yet.
    for lag in (1, 2):
        price = view.history.price[-lag, node, workload]
        share = price / (abs(price) + scale["published_price"][workload])
        assert at[f"published_price[{lag}, {labels}]"] == pytest.approx(share, rel=1e-6)
    assert at[f"published_price[3, {labels}]"] == 0
    if kind == "provider":
        spot = (1, 3)
        place = f"{view.assets[spot[0]]}, {view.workloads[spot[1]]}"
        installed = scale["capacity"][spot]
        assert at[f"capacity[{place}]"] == pytest.approx(view.capacity[spot] / installed, rel=1e-6)
        assert at[f"last_dispatch[{place}]"] == pytest.approx(view.last_dispatch[spot] / installed, rel=1e-6)
    angle = 2 * np.pi * 2 / 24
    assert (at["day[sin]"], at["day[cos]"]) == pytest.approx((np.sin(angle), np.cos(angle)), rel=1e-6)


@pytest.mark.parametrize(("kind", "name"), AGENTS)
def test_plain_data_makes_the_same_encoding_again(model: TokenMarket, kind: Kind, name: str) -> None:
    form: dict[str, Any] = {
        "form": "discrete",
        "by": {"owner": "arc"}.get(kind, "class"),
        "shares": [0.5, 1.0],
    }
    encoding = encoding_of(model, kind, name, actions=form, observe=["published_offers", "elapsed"])
    again = Encoding.from_config(json.loads(json.dumps(encoding.to_config())))
    assert encoding.difference(again) == ""
    assert again.to_config() == encoding.to_config()
    view = view_of(model, kind, name)
    assert again.mismatch(view) == ""
    assert again.observe(view).tobytes() == encoding.observe(view).tobytes()
    assert again.observe(view)[-1] == pytest.approx(2 / 168)
    offers = view.last_market.arrays.offer_price[:, :, 0]
    scale = again.observation.quantities[0].scale
    assert again.observe(view)[:-1] == pytest.approx((offers / (scale + np.abs(offers))).ravel(), rel=1e-6)


def test_mark_ups_and_shares_are_what_an_action_says(model: TokenMarket) -> None:
    view = view_of(model, "provider", "cascade")
    encoding = encoding_of(model, "provider", "cascade", actions={"by": "class", "highest_markup": 3.0})
    action = np.array([-1, 0, 1, 9, -1, 0, 1, 1])  # 9 counts as 1
    made = encoding.submission(view, action)
    assert isinstance(made, Offer)
    assert made.price == pytest.approx(view.cost * [1, 2, 4, 4])
    assert made.quantity == pytest.approx(view.capacity * [0, 0.5, 1, 1])
    arms = encoding_of(
        model, "provider", "cascade",
        actions=Actions("discrete", by="asset", markups=(0.0, 2.0), shares=(0.5, 1.0)),
    )  # fmt: skip
    arm = np.arange(len(view.assets)) % 4
    made = arms.submission(view, arm)
    assert isinstance(made, Offer)
    assert made.price == pytest.approx(view.cost * np.where(arm < 2, 1, 3)[:, None])
    assert made.quantity == pytest.approx(view.capacity * np.where(arm % 2 == 0, 0.5, 1)[:, None])
    # Several markets at once, as a batch has them, are each what it is alone.
    view.cost, view.capacity = np.stack([view.cost, 2 * view.cost]), np.stack([view.capacity] * 2)
    both = arms.submission(view, np.stack([arm, arm[::-1]]), 2)
    assert both.price[1] == pytest.approx(view.cost[1] * np.where(arm[::-1] < 2, 1, 3)[:, None])


def test_owners_and_regions_decide_likewise(model: TokenMarket) -> None:
    view = view_of(model, "owner", "sierra")
    view.capacity = np.where(np.arange(len(view.arcs)) == 1, np.inf, view.capacity)
    owner = encoding_of(model, "owner", "sierra", actions={"by": "arc"})
    half = np.full(2 * len(view.arcs), -1.0)
    half[len(view.arcs)] = 0.0
    tender = owner.submission(view, half)
    assert isinstance(tender, Tender)
    assert tender.route_cost == pytest.approx(view.route_cost)
    assert tender.capacity[0] == view.capacity[0] / 2
    assert not tender.capacity[1:].any()  # none of an endless link either
    seen = view_of(model, "region", "miami")
    seen.value = np.array([[np.inf, 40.0, 6.0, 1.0]])
    region = encoding_of(model, "region", "miami", actions={"by": "class"})
    bid = region.submission(seen, [1, 1, 0, -1, -1, 1, 0, -1])
    assert isinstance(bid, Bid)
    assert bid.value == pytest.approx(np.array([[np.inf, 0, 3, 1]]))
    assert bid.quantity == pytest.approx(seen.demand * [1, 1, 0.5, 0])  # what must be served is asked for
    assert bid.worth is seen.value
    assert np.isfinite(region.observe(seen)).all()
    assert region.observe(seen)[4] == 1  # the value of what must be served


def test_arms_of_a_group_without_capacity_are_masked(model: TokenMarket) -> None:
    view = view_of(model, "provider", "cascade")
    view.capacity = view.capacity.copy()
    view.capacity[0] = view.capacity[:, 2] = 0.0
    by_class, by_asset, one = (
        encoding_of(model, "provider", "cascade", actions={"form": "discrete", "by": by, "markups": [0, 1]})
        for by in ("class", "asset", "provider")
    )
    assert by_class.mask(view).tolist() == [[1, 1], [1, 1], [1, 0], [1, 1]]
    assert by_asset.mask(view)[:2].tolist() == [[1, 0], [1, 1]]
    assert one.mask(view).tolist() == [1, 1]


def test_where_demand_must_be_served_nothing_is_held_back_unless_asked() -> None:
    compiled = load_scenario("us5").compiled
    assert Encoding.of(compiled, "provider", "dallas_dc").action.actions.levers == ("markup",)
    both = Encoding.of(compiled, "provider", "dallas_dc", actions={"levers": ["markup", "share"]})
    assert both.action.shape == (2,)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"form": "discrete", "markups": []}, "markups: the grid is empty; it needs at least one number"),
        ({"markups": [0.0, np.nan]}, "markups: the grid must be finite numbers of at least 0; found nan"),
        ({"shares": [0.5, 1.5]}, "shares: the grid must be finite numbers of at least 0 and at most 1; found 1.5"),
        ({"markups": [0.1, 0.1]}, r"markups: the grid has a number twice; found \[0.1, 0.1\]"),
        ({"markups": "high"}, "markups: must be a list of numbers; found 'high'"),
        ({"highest_markup": np.inf}, "highest_markup: must be a finite number of at least 0; found inf"),
        ({"by": "arc"}, "by: unknown unit of a provider's decision 'arc'"),
        ({"levers": ["shading"]}, "levers: unknown lever of a provider 'shading'"),
        ({"markup": 3}, r"markup: unknown parameter 'markup'; .*did you mean 'markups'"),
        ("discreet", "form: must be 'continuous' or 'discrete'; found 'discreet'"),
    ],
)  # fmt: skip
def test_a_grid_that_cannot_be_played_is_refused_in_one_line(
    model: TokenMarket, given: Any, said: str
) -> None:
    with pytest.raises(InputError, match=said) as raised:
        encoding_of(model, "provider", "cascade", actions=given)
    assert len(raised.value.faults) == 1
    assert "\n" not in str(raised.value.faults[0])


def test_what_is_wrong_with_an_observation_is_said(model: TokenMarket) -> None:
    with pytest.raises(InputError, match=r"unknown quantity of a provider's observation 'costs'.*'cost'"):
        encoding_of(model, "provider", "cascade", observe=["costs"])
    with pytest.raises(InputError, match="lags: must be a whole number from 1 to 10000; found 0"):
        encoding_of(model, "provider", "cascade", lags=0)
    with pytest.raises(InputError, match="unknown provider 'cascad'"):
        encoding_of(model, "provider", "cascad")
    view = view_of(model, "provider", "cascade")
    view.cost = view.cost.copy()
    view.cost[1, 2] = np.nan
    said = (
        rf"provider 'cascade', period 2: cannot be observed: cost\[{view.assets[1]}, code\] is nan; .* finite"
    )
    with pytest.raises(StrategyError, match=said):
        encoding_of(model, "provider", "cascade").observe(view)


@pytest.mark.parametrize(
    ("form", "action", "said"),
    [
        ("continuous", [0.0], r"has shape \(2,\); found \(1,\)"),
        ("continuous", [0.0, np.inf], "must be finite"),
        ("discrete", 6, "has arms from 0 to 5; found 6"),
        ("discrete", 0.5, "is whole numbers of arms"),
    ],
)
def test_an_action_that_is_none_is_refused(model: TokenMarket, form: str, action: Any, said: str) -> None:
    view = view_of(model, "provider", "cascade")
    with pytest.raises(StrategyError, match=said):
        encoding_of(model, "provider", "cascade", actions=form).submission(view, action)


def test_another_market_is_told_by_what_differs(model: TokenMarket) -> None:
    us5 = load_scenario("us5")
    dallas = Encoding.of(us5.compiled, "provider", "dallas_dc")
    said = dallas.mismatch(view_of(model, "provider", "cascade"))
    assert said.startswith("assets: the policy's 'dallas' is not here, 'cascade/")
    assert "\n" not in said
    assert "nodes: 'atlanta'" in said
    assert dallas.mismatch(view_of(model, "region", "miami")) == "the policy is one of a provider"
    assert "assets: the policy's 'dallas' is not here" in dallas.difference(
        Encoding.of(us5.compiled, "provider", "seattle_dc")
    )
    less = Encoding.of(
        us5.override({"demand.scale": 30}).compiled, "provider", "dallas_dc", actions="discrete"
    )
    assert dallas.difference(less) == (
        "scale of published_demand 0.1715, and 0.147; scale of published_unserved 0.1715, and 0.147;"
        " form of actions 'continuous', and 'discrete'"
    )
    with pytest.raises(InputError, match="cannot be read: lacks 'format'"):
        Encoding.from_config({})
    config = dallas.to_config()
    config["observation"]["quantities"][0]["form"] = "share"
    with pytest.raises(InputError, match="quantity 'cost' has form 'share'; this version has 'ratio'"):
        Encoding.from_config(config)
