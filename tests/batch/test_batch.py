"""A batch brings what its markets bring alone, to the bit, and reports what it cannot take in one line each."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.batch.markets import alone, assert_same, plain_market


def test_external_agents_see_learn_and_submit_what_they_would_alone() -> None:
    scenario = plain_market(noise=0.2)
    batch = tf.Batch(scenario, seeds=(3, 8, 1), periods=4, external=("a", "north"))
    assert batch.size == len(batch) == 3
    rng = np.random.default_rng(5)
    markups = 1 + rng.random((4, 3, 1, 1))
    while batch.running:
        view, asked = batch.view("a"), batch.view("north")
        assert isinstance(view, tf.View)
        assert isinstance(asked, tf.DemandView)
        assert view.cost.shape == view.capacity.shape == (3, len(view.assets), len(view.workloads))
        batch.submit("a", view.cost * markups[batch.period], view.capacity)
        batch.submit("north", quantity=asked.demand, value=asked.value)
        batch.step()
        receipt = batch.receipt("a")
        assert isinstance(receipt, tf.Receipt)
        np.testing.assert_array_equal(receipt.history.price.shape[:2], (3, batch.period))
        np.testing.assert_array_equal(batch.results().price[:, -1], receipt.history.price[:, -1])

    class Asked(tf.Strategy):
        def __init__(self, seed: int = 0) -> None:
            self.seed = seed

        def offer(self, view: tf.View) -> tf.Offer:
            return tf.Offer(view.cost * markups[view.period, self.seed], view.capacity)

    for number, seed in enumerate(batch.seeds):
        model = tf.TokenMarket(scenario, rng=seed, periods=4, strategies={"a": Asked(number)})
        model.run()
        assert_same(batch.results().sel(seed=seed), model.results())


def test_a_batch_goes_on_from_a_saved_state() -> None:
    def make() -> tf.Batch:
        return tf.Batch(
            plain_market(noise=0.1), seeds=(4, 5), periods=5, strategies={"providers": "roth_erev"}
        )

    whole, half, rest = make(), make(), make()
    whole.run()
    for _ in range(2):
        half.step()
    rest.set_state(pickle.loads(pickle.dumps(half.get_state())))
    rest.run()
    xr.testing.assert_identical(whole.results().isel(period=slice(2, None)), rest.results())
    with pytest.raises(tf.ResultError, match="before its first period"):
        rest.set_state(half.get_state())
    other = tf.Batch(plain_market(), seeds=(4, 6), periods=5)
    with pytest.raises(tf.ResultError, match="other seeds"):
        other.set_state(half.get_state())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seeds": ()}, "seeds: needs one seed or more; found none"),
        ({"seeds": (1, 2, 1)}, "seeds: must be each given once.*repeated 1"),
        ({"seeds": (1, 2.5, -1, True)}, "whole numbers from 0 to 2\\^63 - 1; found 2.5, -1, True"),
        ({"seeds": "12"}, "must be whole numbers, range\\(256\\) for example; found '12'"),
        ({"seeds": 7}, "found 7"),
        ({"seeds": (2**63,)}, "found 9223372036854775808"),
        ({"seeds": (1,), "external": ("nobody",)}, "unknown agent 'nobody'; known agents: a, b"),
        ({"seeds": (1,), "external": 3}, "external: must be names of agents; found 3"),
        ({"seeds": (1,), "record": ("prices",)}, "unknown variable 'prices'"),
    ],
)
def test_faults_of_arguments_are_one_line_each(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(tf.InputError, match=message) as caught:
        tf.Batch(plain_market(), **arguments)
    assert len(str(caught.value).splitlines()) <= 2


def test_faults_of_submissions_name_the_agent_and_the_array() -> None:
    batch = tf.Batch(plain_market(), seeds=(1, 2), external=("a",), periods=2)
    with pytest.raises(tf.ResultError, match="no period was recorded"):
        batch.results()
    with pytest.raises(tf.InputError, match="a: has submitted nothing for period 0"):
        batch.step()
    with pytest.raises(tf.InputError, match="'b' is no external agent; external are: a"):
        batch.view("b")
    with pytest.raises(tf.InputError, match="none before the first period"):
        batch.receipt("a")
    view = batch.view("a")
    assert isinstance(view, tf.View)
    with pytest.raises(tf.InputError, match=r"price: needs shape .*dims \(seed, asset, workload\)") as caught:
        batch.submit("a", view.cost[0], volume=view.capacity)
    assert "quantity: is missing" in str(caught.value)
    assert "volume: is given twice or unknown; it takes price, quantity" in str(caught.value)
    price = view.cost.copy()
    price[1] = np.nan
    batch.submit("a", price, view.capacity)
    with pytest.raises(tf.StrategyError, match="price must be finite; found nan at asset") as failed:
        batch.step()
    assert failed.value.__notes__ == ["in the market of seed 2"]
    with pytest.raises(tf.ResultError, match="ended with an error in period 0"):
        batch.step()


def test_progress_is_reported_and_a_failed_period_leaves_those_before() -> None:
    told: list[tuple[int, int]] = []
    batch = tf.Batch(plain_market(noise=2.0, must_serve=True), seeds=range(4), periods=50)
    with pytest.raises(tf.InfeasibleError) as caught:
        batch.run(lambda done, all_: told.append((done, all_)))
    (note,) = [one for one in caught.value.__notes__ if "seed" in one]
    seed = int(note.rpartition(" ")[2])
    assert told == [(number + 1, 50) for number in range(batch.period)]
    one = alone(plain_market(noise=2.0, must_serve=True), seed, periods=50)
    with pytest.raises(tf.InfeasibleError) as single:
        one.run()
    assert str(single.value) == str(caught.value)
    assert batch.period == one.period
    if batch.period:
        assert batch.results().sizes["period"] == batch.period


@pytest.mark.parametrize("providers", ["q_learning", "best_response"])
def test_a_batch_goes_on_from_its_pickle_and_its_copy(providers: str) -> None:
    batch = tf.Batch(
        plain_market(noise=0.1, nodes=2),
        seeds=(4, 5),
        periods=4,
        strategies={"providers": providers, "regions": {"name": "price_elastic", "reference_price": 1.0}},
        record=("price", "profit"),
    )
    batch.step()
    others = pickle.loads(pickle.dumps(batch)), copy.deepcopy(batch)
    for one in (batch, *others):
        one.run()
        xr.testing.assert_identical(one.results(), batch.results())


def test_results_without_variables_are_refused() -> None:
    batch = tf.Batch(plain_market(), seeds=(4, 5), periods=1, record=())
    batch.run()
    with pytest.raises(tf.ResultError, match="no variable is recorded: name those to keep with record"):
        batch.results()
    model = alone(plain_market(), 4, periods=1, record=())
    model.run()
    with pytest.raises(tf.ResultError, match="no variable is recorded"):
        model.results()
