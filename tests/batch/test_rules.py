"""Pricing rules, contracts, mitigation and bidding regions stepped as arrays bring what each market brings alone."""

from __future__ import annotations

from typing import Any

import pytest

import tokenflow_sim as tf
from tests.batch.markets import alone, assert_same, check_alone, plain_market

SEEDS = (0, 2**40)
_LEARNS = {"name": "roth_erev", "variant": "modified", "recency": 0.1, "experimentation": 0.2}
_BIDS = {"name": "bid_shading", "learner": _LEARNS, "schedule": [[0.6, 9.0], [0.4, 4.0]]}
_MARKUPS = [0.0, 0.2, 0.5, 1.0]
_CONTRACTS = {
    "one": {
        "seller": "a",
        "buyer": "north",
        "node": "north",
        "workload": "chat",
        "quantity": 0.2,
        "price": 3.0,
    },
    "two": {
        "seller": "a",
        "node": "south",
        "workload": "batch",
        "quantity": [0.1] * 12,
        "price": 1.0,
        "first": 2,
    },
    "three": {
        "buyer": "b",
        "seller": "north",
        "node": "south",
        "workload": "chat",
        "quantity": 0.3,
        "price": 5.0,
    },
}
_AUCTION = {"market.pricing": "k_double_auction", "market.k": 0.3}
_TEST = {"pivotal_suppliers": 3, "adder": 0.1}


@pytest.mark.parametrize(
    ("market", "more", "providers", "regions"),
    [
        ({}, _AUCTION, {**_LEARNS, "markups": _MARKUPS, "by": "class"}, _BIDS),
        (
            {}, {**_AUCTION, "market.double_auction": "uniform", "market.publish_offers": False},
            {"name": "q_learning", "markups": _MARKUPS},
            {"name": "bid_shading", "learner": "q_learning", "by": "bid", "context": "scarcity"},
        ),
        (
            {"nodes": 2}, {"market.pricing": "pay_as_bid", "contracts": _CONTRACTS},
            {"name": "exp3", "markups": _MARKUPS}, {"name": "bid_shading", "learner": "ucb1", "by": "node"},
        ),
        (
            {"must_serve": True}, {"market.pricing": "vcg", "market.pivotal_value": 30.0},
            {"name": "ucb1", "markups": _MARKUPS, "baseline": "truthful"}, {"name": "fixed_shading"},
        ),
        (
            {}, {"market.mitigation": {**_TEST, "price_cap": 8.0, "offer_cap": 2.0}},
            {"name": "roth_erev", "markups": [0.0, 1.0, 8.0]},
            {"name": "chain", "strategies": [{"name": "churn", "reference_price": 2.0}, _BIDS]},
        ),
        (
            {"nodes": 2}, {"market.mitigation": _TEST}, {"name": "fixed_markup", "markup": 0.5},
            {"name": "by_workload", "classes": {
                "chat": {"name": "bid_shading", "shadings": [0.0, 0.5]},
                "batch": {"name": "deferrable", "deadline": 4.0, "rule": "threshold", "share": 0.5},
            }},
        ),
    ],
    ids=["auction", "uniform", "pay_as_bid", "vcg", "caps", "pivotal"],
)  # fmt: skip
def test_as_alone(market: dict[str, Any], more: dict[str, Any], providers: Any, regions: Any) -> None:
    scenario = plain_market(noise=0.3, **market, **more)
    strategies = {"providers": providers, "regions": regions}
    batch = tf.Batch(scenario, seeds=SEEDS, periods=9, strategies=strategies)
    assert batch.unvectorised == ()
    check_alone(batch, scenario, strategies=strategies)
    if more.get("market.mitigation") == _TEST:
        assert batch.results().mitigated.sum() > 0


@pytest.mark.parametrize(
    ("more", "strategies", "error", "message"),
    [
        (_AUCTION, {}, tf.MarketError, "k_double_auction needs a finite value of every bid"),
        ({"market.pricing": "vcg"}, {}, tf.InfeasibleError, "without provider 'a'"),
        (
            {"market.mitigation": {"price_cap": 1.0}, "market.must_serve": False},
            {"north": {"name": "price_elastic", "form": "affine", "reference_price": 3.0}},
            tf.MarketError, "no meaning for affine bids",
        ),
    ],
    ids=["auction", "vcg", "mitigation"],
)  # fmt: skip
def test_errors_are_those_of_the_first_market_at_fault(
    more: dict[str, Any], strategies: dict[str, Any], error: type[Exception], message: str
) -> None:
    scenario = plain_market(noise=0.2, must_serve=True, **more)
    batch = tf.Batch(scenario, seeds=SEEDS, periods=4, strategies=strategies)
    assert batch.unvectorised == ()
    with pytest.raises(error) as caught:
        batch.run()
    notes = getattr(caught.value, "__notes__", [])
    (seed,) = [int(note.rpartition(" ")[2]) for note in notes if note.startswith("in the market of seed")]
    model = alone(scenario, seed, periods=4, strategies=strategies)
    with pytest.raises(error) as single:
        model.run()
    assert model.period == batch.period
    assert str(caught.value) == str(single.value)
    assert message in "\n".join([str(caught.value), *notes])
    assert {*getattr(single.value, "__notes__", [])} <= {*notes}


def test_who_holds_contracts_sees_them_from_outside_too() -> None:
    scenario = plain_market(nodes=2, contracts=_CONTRACTS, noise=0.1)
    batch = tf.Batch(scenario, seeds=SEEDS, periods=4, external=("a", "north"))
    while batch.running:
        view, asked = batch.view("a"), batch.view("north")
        assert isinstance(view, tf.View)
        assert isinstance(asked, tf.DemandView)
        assert view.contracts is not None
        assert view.contracts.contracts == ("one", "two")
        assert view.contracts.sold.tolist() == [0.2, 0.1 if batch.period >= 2 else 0.0]
        batch.submit("a", view.cost, view.capacity)
        batch.submit("north", quantity=asked.demand, value=asked.value)
        batch.step()
        receipt = batch.receipt("a")
        assert isinstance(receipt, tf.Receipt)
        assert receipt.contract_income is not None
        assert receipt.contract_income.shape == view.cost.shape
    for seed in SEEDS:
        model = alone(scenario, seed, periods=4)
        model.run()
        assert_same(batch.results().sel(seed=seed), model.results())
