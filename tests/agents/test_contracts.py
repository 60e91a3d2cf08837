"""Forward contracts in runs: money, views, receipts, and agents who count what they hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.strategies.oligopoly import HEIGHT, INTERCEPT, linear_demand, oligopoly
from tests.study.tiny import tiny
from tokenflow_sim.scenario.positions import Positions, by_asset
from tokenflow_sim.strategies.capacity_withholding import CapacityWithholding
from tokenflow_sim.strategies.cournot import Cournot
from tokenflow_sim.strategies.pivotal_markup import PivotalMarkup

CONTRACTS: dict[str, Any] = {
    "hedge": {
        "seller": "a",
        "buyer": "region:east",
        "node": "east",
        "workload": "chat",
        "quantity": 1.5,
        "price": 9,
    },
    "bank": {
        "seller": "b",
        "node": "west",
        "workload": "chat",
        "quantity": [1, 0, 2, 3],
        "price": 30,
        "first": 1,
    },
    "swap": {
        "seller": "b",
        "buyer": "a",
        "node": "west",
        "workload": "chat",
        "quantity": 0.25,
        "price": 1,
        "last": 2,
    },
    "cable": {"seller": "network", "node": "east", "workload": "chat", "quantity": 2, "price": 5},
}
BASE = {"periods": 4, "market.must_serve": False, "hours": 0.5}


class Watcher(tf.Strategy):
    """Keep what it sees and learns."""

    def offer(self, view: tf.View) -> tf.Offer:
        self.seen = [*getattr(self, "seen", []), view.contracts]
        return tf.Offer(view.cost * 1.5, view.capacity)

    def learn(self, receipt: tf.Receipt) -> None:
        self.earned = [*getattr(self, "earned", []), receipt.earnings]


class Buyer(tf.DemandStrategy):
    """Bid what is wanted, and keep what it sees and learns."""

    def bid(self, view: tf.DemandView) -> tf.Bid:
        self.seen = [*getattr(self, "seen", []), view.contracts]
        return tf.Bid(view.demand, view.value)

    def learn(self, receipt: tf.DemandReceipt) -> None:
        self.income = [*getattr(self, "income", []), receipt.contract_income]


def run(contracts: dict[str, Any], **given: Any) -> tuple[tf.TokenMarket, xr.Dataset]:
    model = tf.TokenMarket(tiny(), rng=2, overrides=BASE | {"contracts": contracts}, **given)
    model.run()
    return model, model.results()


def test_payments_are_differences_of_prices_and_all_sides_see_their_own() -> None:
    model, ds = run(CONTRACTS, strategies={"a": Watcher, "b": Watcher, "east": Buyer, "west": Buyer})
    quantity = np.array([[1.5, 0, 0.25, 2], [1.5, 0, 0.25, 2], [1.5, 2, 0.25, 2], [1.5, 3, 0, 2]])
    assert ds["contract_quantity"].values.tolist() == quantity.tolist()
    price = ds["price"].sel(workload="chat").sel(node=ds["contract_node"]).values
    paid = (price - [9, 30, 1, 5]) * quantity * 1800
    assert ds["contract_payment"].values == pytest.approx(paid, rel=1e-12)
    # Each payment is one party's income and another's cost: with all parties in the market they would come to nothing.
    a, b = ds["contract_income"].values.T
    assert a == pytest.approx(paid[:, 2] - paid[:, 0], rel=1e-12)
    assert b == pytest.approx(-paid[:, 1] - paid[:, 2], rel=1e-12)
    assert ds["contract_seller"].values.tolist() == [
        "provider:a",
        "provider:b",
        "provider:b",
        "owner:network",
    ]
    assert ds["contract_buyer"].values.tolist() == ["region:east", "", "provider:a", ""]
    # The market clears as if there were none.
    _, plain = run({}, strategies={"a": Watcher, "b": Watcher})
    assert ds[list(plain)].equals(plain)
    watcher: Any = model.providers["a"].strategy
    assert watcher.seen[0].contracts == ("hedge", "swap")
    assert watcher.seen[0].quantity.tolist() == [[1.5], [-0.25]]
    assert watcher.seen[3].sold.tolist() == [1.5, 0.0]
    profit = (ds["profit"] + ds["contract_income"]).sel(provider="a").values
    assert [one.sum() for one in watcher.earned] == pytest.approx(profit.tolist(), rel=1e-12)
    buyer: Any = model.regions["east"].strategy
    assert [one.sum() for one in buyer.income] == pytest.approx(paid[:, 0].tolist(), rel=1e-12)
    assert buyer.seen[0].quantity.sum() == -1.5
    assert model.regions["west"].strategy.seen == [None] * 4  # type: ignore[attr-defined]
    network = tf.TokenMarket(model.settings, rng=2).view("network")
    assert network.contracts is not None
    assert network.contracts.contracts == ("cable",)


def test_runs_with_contracts_are_saved_streamed_resumed_and_made_again(tmp_path: Path) -> None:
    learn = {"providers": {"name": "q_learning"}}
    _, whole = run(CONTRACTS, strategies=learn)
    _, streamed = run(CONTRACTS, strategies=learn, out=tmp_path / "run.nc")
    assert streamed.load().equals(whole)
    streamed.close()
    scenario = tiny().override(BASE | {"contracts": CONTRACTS})
    assert tf.Scenario.from_results(whole).contracts == scenario.contracts
    models = [tf.TokenMarket.from_results(whole) for _ in range(2)]
    models[0].step()
    models[1].set_state(models[0].get_state())
    models[1].run()
    assert models[1].results().equals(whole.isel(period=slice(1, None)))
    swept = tf.sweep(scenario, vary={"contracts.bank.price": [10, 20]}, seeds=1)
    found = swept.dataset
    assert found.sizes["contracts.bank.price"] == 2


def test_cournot_players_with_forwards_reach_the_equilibrium_of_allaz_and_vila() -> None:
    """B. Allaz and J.-L. Vila (1993): p - c - b (q - x) = 0, and with x = (a - c) / 5 the price is (a + 4c) / 5.

    Without contracts it is (a + 2c) / 3 = 4, as tests of theory have it.
    """
    cost, sold = 1.0, 1.8
    scenario = oligopoly({"one": (cost, 10.0, "here"), "two": (cost, 10.0, "here")}, periods=10)
    contract = {"node": "here", "workload": "chat", "quantity": sold, "price": 3.0}
    contracts = {name: contract | {"seller": name} for name in ("one", "two")}
    strategies = {"one": Cournot(), "two": Cournot(), "regions": linear_demand()}
    model = tf.TokenMarket(scenario, rng=1, strategies=strategies, overrides={"contracts": contracts})
    model.run()
    last = model.results().isel(period=-1)
    price = (INTERCEPT + 4 * cost) / 5
    assert float(last["price"].squeeze()) == pytest.approx(price, abs=1.5 * HEIGHT)
    for made in last["dispatch"].values.ravel():
        assert price - cost - (made - sold) == pytest.approx(0.0, abs=2 * HEIGHT)


def view_of(quantity: float) -> tf.View:
    """Return the view of the first firm of a duopoly with a contract, in the second period."""
    scenario = oligopoly({"one": (1.0, 6.0, "here"), "two": (2.0, 4.0, "here")}, value=20.0, demand=6.0)
    contracts = {
        "c": {"seller": "one", "node": "here", "workload": "chat", "quantity": quantity, "price": 3.0}
    }
    model = tf.TokenMarket(scenario, rng=1, overrides={"contracts": contracts} if quantity else None)
    model.step()
    view = model.view("one")
    assert isinstance(view, tf.View)
    return view


def test_rules_of_thumb_count_only_what_is_not_sold_forward() -> None:
    # (4 + F) / 6 with F sold forward: at 4/6 the firm is pivotal, with 3 sold forward it is not.
    bare, hedged = PivotalMarkup().offer(view_of(0.0)), PivotalMarkup().offer(view_of(3.0))
    assert hedged.price == pytest.approx(1.0 + (1.2 - 7 / 6))
    assert bare.price > hedged.price
    strategy = CapacityWithholding(share=0.5)
    assert strategy.offer(view_of(0.0)).quantity == pytest.approx(3.0)
    assert strategy.offer(view_of(4.5)).quantity == pytest.approx(4.5)
    assert strategy.offer(view_of(9.0)).quantity == pytest.approx(6.0)


def test_what_contracts_bring_is_shared_out_without_a_remainder() -> None:
    income = np.array([[6.0, 0.0], [4.0, -2.0], [3.0, 9.0]])
    shared = by_asset(income, np.array([0, 0, 1]))
    assert shared.tolist() == [[4.0, 3.0], [4.0, 3.0], [5.0, 1.0]]
    assert shared.sum(axis=0) == pytest.approx(income.sum(axis=0))
    held = Positions(
        ("x", "y"),
        np.array([1, 1]),
        np.array([0, 0]),
        np.array([2.0, -0.5]),
        np.array([3.0, 1.0]),
        (2, 1),
        2.0,
    )
    assert held.quantity.tolist() == [[0.0], [1.5]]
    assert held.income(np.array([[9.0], [4.0]])).tolist() == [[0.0], [(-1 * 2 + 3 * 0.5) * 7200]]
