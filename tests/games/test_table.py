"""Games of tables that users give: labels, what else is known of profiles, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.study.games import one_node
from tokenflow_sim.errors import InputError, ResultError

PAYOFF = np.random.default_rng(0).normal(size=(2, 2, 2))


def labelled(players: list[str], **coords: Any) -> xr.DataArray:
    return xr.DataArray(PAYOFF, dims=("a", "b", "provider"), coords={"provider": players, **coords})


@pytest.mark.parametrize("name", ["payoff", "price", "feasible", "odds"])
def test_a_player_may_have_the_name_of_what_results_have(name: str, tmp_path: Path) -> None:
    game = tf.Game.from_payoffs(labelled([name, "x"]), welfare=PAYOFF.sum(axis=-1), feasible=np.ones((2, 2)))
    plain = tf.Game.from_payoffs(labelled(["p", "x"]), welfare=PAYOFF.sum(axis=-1))
    for one, other in (
        (game.mixed_equilibria().payoff, plain.mixed_equilibria().payoff),
        (game.correlated_equilibrium(name).value, plain.correlated_equilibrium("p").value),
        (game.stackelberg(name).payoff, plain.stackelberg("p").payoff),
        (game.table["welfare"], plain.table["welfare"]),
    ):
        np.testing.assert_array_equal(one, other)
    assert tf.Game.load(game.save(tmp_path / "game.nc")).dataset.identical(game.dataset)


def test_what_else_is_known_is_put_in_order_by_its_dims_and_keeps_its_labels() -> None:
    welfare = xr.DataArray([[1.0, 2.0], [3.0, 4.0]], dims=("b", "a"))
    price = xr.DataArray(
        np.zeros((2, 2, 1, 1)), dims=("a", "b", "hub", "class"), coords={"hub": ["n"], "class": ["k"]}
    )
    game = tf.Game.from_payoffs(labelled(["p", "q"]), welfare=welfare, price=price)
    assert game.dataset["welfare"].values.tolist() == [[1.0, 3.0], [2.0, 4.0]]
    assert "price of k at n" in game.table
    turned = tf.Game.from_payoffs(labelled(["p", "q"]).transpose("provider", "b", "a"))
    np.testing.assert_array_equal(turned.payoff.sel(provider="q"), PAYOFF[:, :, 1].T)


def test_what_is_wrong_with_a_table_is_told_at_once() -> None:
    with pytest.raises(InputError) as raised:
        tf.Game.from_payoffs(
            PAYOFF,
            welfare="high",
            payment=np.full((2, 2), np.nan),
            price=np.zeros((2, 2, 1)),
            node=np.zeros((2, 2)),
        )
    assert [(fault.place, fault.message[:18]) for fault in raised.value.faults] == [
        ("welfare", "must be numbers; f"), ("payment", "must be finite; 4 "), ("price", "has the shape (2, "),
        ("node", "means something el"),
    ]  # fmt: skip
    game = labelled(["p", "q"], a=[0.0, 1.0])
    with pytest.raises(InputError, match="welfare: has other actions along a"):
        tf.Game.from_payoffs(game, welfare=xr.DataArray(np.eye(2), dims=("a", "b"), coords={"a": [1.0, 0.0]}))
    with pytest.raises(InputError, match="names an action of p more than once"):
        tf.Game.from_payoffs(labelled(["p", "q"], a=[0.0, 0.0]))
    with pytest.raises(InputError) as raised:
        tf.Game.from_payoffs(PAYOFF).profit_gain([1.0, 2.0, 3.0], nash="none", collusive=[1.0, np.inf])
    assert [fault.place for fault in raised.value.faults] == ["payoff", "nash", "collusive"]


def test_a_mean_over_what_cannot_be_cleared_is_none() -> None:
    market = one_node([1.0, 2.0], [1.0, 1.0], [np.inf], [1.2])
    game = tf.game(market, actions=[0.5, 1.0], play="quantity")
    assert np.isnan(game.expected([[0.5, 0.5], [0.5, 0.5]]).welfare)
    assert game.expected([[0.0, 1.0], [0.5, 0.5]]).welfare == pytest.approx(
        game.dataset.welfare.isel({game.dims[0]: 1}).mean()
    )
    with pytest.raises(
        ResultError, match="none of 1 profiles can be cleared: what must be served is short in each"
    ):
        tf.game(market, actions=[0.5], play="quantity")
