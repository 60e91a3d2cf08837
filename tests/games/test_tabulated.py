"""A market's table: every profile cleared once, shared, kept, resumed and refused."""

from __future__ import annotations

import itertools
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.market.small import array
from tests.study.games import one_node, small
from tests.study.tiny import prices, tiny
from tokenflow_sim.errors import InputError, ResultError
from tokenflow_sim.games.tabulation import Cleared, Stretch, Tabulation
from tokenflow_sim.study.runner import run_tasks
from tokenflow_sim.study.task import Task

MARKUPS = [0.0, 0.2, 0.5]


def test_each_profile_is_the_market_cleared_with_its_offers() -> None:
    scenario = small()
    market = scenario.market(period=1)
    game = tf.game(scenario, actions={"bob": MARKUPS, "ada": [(0.1, 0.3), 0.0]}, period=1)
    assert game.players == ("ada", "bob")
    assert game.actions["ada"] == ["0.1/0.3", "0"]
    offers = market.offer_price
    for place, markup in ((0, xr.DataArray([0.1, 0.3], dims="workload")), (1, 0.0)):
        for number, own in enumerate(MARKUPS):
            ada, bob = offers.provider == "ada", offers.provider == "bob"
            price = offers * (1 + xr.where(ada, 1, 0) * markup + xr.where(bob, own, 0.0))
            asked = tf.Market.from_arrays(
                market.layout,
                market.arrays.with_(
                    offer_price=np.ascontiguousarray(price.transpose("asset", "workload").values[:, :, None])
                ),
                market.hours,
            )
            clearing = tf.clear(asked)
            at = game.dataset.isel(ada=place, bob=number)
            np.testing.assert_allclose(at.price, clearing.price, rtol=1e-9)
            revenue = tf.settle(asked, clearing).by_party().revenue
            cost = (offers * clearing.dispatch).sum("workload").groupby("provider").sum() * 3600
            for name in ("ada", "bob"):
                expected = float(revenue.sel(provider=name) - cost.sel(provider=name))
                assert float(at.payoff.sel(provider=name)) == pytest.approx(expected, rel=1e-9, abs=1e-6)


def test_processes_and_stores_bring_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    market = one_node([1.0, 2.0, 3.0], [1.0, 1.0, 1.0], [10.0, 5.0], [1.0, 1.0])
    actions = list(np.linspace(0, 2, 5))
    plain = tf.game(market, actions=actions)
    store, seen = tmp_path / "store", list[tuple[int, int]]()

    class Killed(BaseException):
        pass

    def stop(done: int, count: int) -> None:
        seen.append((done, count))
        if 0 < done < count:
            raise Killed

    with pytest.raises(Killed):
        tf.game(market, actions=actions, store=store, progress=stop)
    assert seen == [(0, 125), (16, 125)]
    (store / "000000.npy").write_bytes(b"damaged")
    perform = Tabulation.perform

    def elsewhere(table: Tabulation, job: Stretch) -> Cleared:
        """Clear as another process does, which gets and returns copies."""
        found: Cleared = pickle.loads(pickle.dumps(perform(pickle.loads(pickle.dumps(table)), job)))
        return found

    monkeypatch.setattr(Tabulation, "perform", elsewhere)
    with pytest.warns(UserWarning, match="a stretch of profiles is damaged"):
        shared = tf.game(market, actions=actions, store=store)
    xr.testing.assert_identical(plain.dataset, shared.dataset)
    # Once it is whole, nothing is cleared again.
    monkeypatch.setattr(Tabulation, "perform", None)
    xr.testing.assert_identical(tf.game(market, actions=actions, store=store).dataset, plain.dataset)
    with pytest.raises(ResultError, match="another game: actions differ"):
        tf.game(market, actions=[0.0, 1.0], store=store)
    other = one_node([1.0, 2.0, 3.5], [1.0, 1.0, 1.0], [10.0, 5.0], [1.0, 1.0])
    with pytest.raises(ResultError, match="its market differs in some numbers"):
        tf.game(other, actions=actions, store=store)


def test_a_folder_of_a_process_that_was_killed_while_it_began_is_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    game = tf.Game.from_payoffs([[[3, 0], [5, 1]], [[3, 5], [0, 1]]])
    kinds: dict[str, Callable[[Path], object]] = {
        "game": lambda path: tf.game(small(), actions=[0.0, 0.2], store=path),
        "play": lambda path: game.play("ucb1", sessions=2, periods=4, stop=None, out=path),
        "runs": lambda path: run_tasks([Task(tiny(), 1)], prices, store=path),
    }
    for holds, begin in kinds.items():
        path = tmp_path / holds

        class Killed(BaseException):
            pass

        def die(*_: object, killed: type[BaseException] = Killed) -> None:
            raise killed

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", die)
            patch.setattr("tokenflow_sim.disk.remove", lambda path: None)
            with pytest.raises(Killed):
                begin(path)
        assert [part.suffix for part in path.iterdir()] == [".part"]
        begin(path)
        assert not list(path.glob(".*"))
        foreign = tmp_path / f"foreign {holds}"
        foreign.mkdir()
        (foreign / "text").touch()
        with pytest.raises(ResultError, match=f"exists already and holds no {holds}"):
            begin(foreign)


def test_all_faults_are_reported_at_once() -> None:
    market = one_node([1.0, 2.0], [1.0, 1.0], [10.0], [1.0])
    with pytest.raises(InputError) as caught:
        tf.game(
            market, actions={"p0": [], "p1": [0.1, 0.1, np.inf, "x", (1, 2), -2], "pp": [0]}, play="prize"
        )
    text = str(caught.value)
    for line in (
        "unknown provider 'pp'",
        "unknown choice 'prize'",
        "actions['p0']: is empty",
        "actions['p1'][2]: must be finite; found inf",
        "actions['p1'][3]: must be a number",
        "actions['p1'][4]: has 2 numbers where there are 1 classes",
        "actions['p1'][5]: a mark-up must be at least -1",
        "actions['p1']: names 0.1 more than once",
    ):
        assert line in text
    assert len(caught.value.faults) == 8
    with pytest.raises(
        InputError, match=r"9 profiles; at most 8 are cleared: take 2 actions of each of 2 players"
    ):
        tf.game(market, actions=[0, 1, 2], most=8)
    with pytest.raises(InputError, match=r"lacks the actions of p1"):
        tf.game(market, actions={"p0": [0]}, providers=["p0", "p1"])


def test_what_cannot_be_served_is_not_feasible_and_never_chosen() -> None:
    market = one_node([1.0, 2.0], [1.0, 1.0], [np.inf], [1.2])
    game = tf.game(market, actions=[0.5, 1.0], play="quantity")
    assert game.dataset.feasible.values.tolist() == [[False, True], [True, True]]
    assert np.isnan(game.payoff[0, 0]).all()
    with pytest.raises(InputError, match="1 of 4 profiles are not feasible"):
        game.play(sessions=1)
    for found in game.pure_equilibria().place.values:
        assert tuple(found) != (0, 0)


def test_players_along_lines_earn_areas() -> None:
    """Marginal cost c + s q and worth v - b q, each marked up as a whole: payoffs and welfare by hand."""
    cost, slope, there = (
        np.array([10.0, 20.0]),
        np.array([1.0, 2.0]),
        {"node": ["here"], "workload": ["chat"]},
    )
    firms = {"asset": ["one", "two"], "workload": ["chat"]}
    market = tf.Market(
        offer_price=array(cost[:, None], **firms), offer_slope=array(slope[:, None], **firms),
        capacity=array(np.full((2, 1), 200.0), **firms), demand=array([[100.0]], **there), value=100.0,
        value_slope=1.0,
    )  # fmt: skip
    players = ["one", "two", "regions.here"]
    game = tf.game(market, actions={"one": [0.0, 0.5], "two": [0.3], "regions.here": [0.0, 0.2]})
    for one, shade in itertools.product((0.0, 0.5), (0.0, 0.2)):
        up = 1 + np.array([one, 0.3])
        price = ((1 - shade) * 100 + (1 - shade) * (cost / slope).sum()) / (
            1 + (1 - shade) * (1 / (slope * up)).sum()
        )
        sold = (price - cost * up) / (slope * up)
        spent = cost * sold + slope * sold**2 / 2
        worth = 100 * sold.sum() - sold.sum() ** 2 / 2
        found = game.dataset.sel({"one": one, "regions.here": shade}).isel(two=0).sel(provider=players)
        expected = [*(price * sold - spent), worth - price * sold.sum()]
        np.testing.assert_allclose(found.payoff, 3600 * np.array(expected), rtol=1e-9)
        np.testing.assert_allclose(found.welfare, 3600 * (worth - spent.sum()), rtol=1e-9)
    shares = tf.game(market, actions={"one": [0.1], "two": [0.1, 0.15]}, play="quantity")
    sold = np.array([[20.0, 20.0], [20.0, 30.0]])
    earned = (100 - sold.sum(axis=1, keepdims=True)) * sold - cost * sold - slope * sold**2 / 2
    np.testing.assert_allclose(shares.payoff[0], 3600 * earned, rtol=1e-9, atol=1e-6)
