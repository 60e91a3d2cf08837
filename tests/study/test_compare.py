"""Comparisons and tournaments: common random numbers, labels, failures, rankings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.strategies import samples
from tests.study.games import small
from tokenflow_sim.errors import FailedRunsWarning
from tokenflow_sim.strategies.markups import FixedMarkup
from tokenflow_sim.study.arguments import label_of
from tokenflow_sim.study.compare import Comparison, differences
from tokenflow_sim.study.statistics import ranking
from tokenflow_sim.study.tournament import Tournament
from tokenflow_sim.variables import MEASURES

STRATEGIES = ["marginal_cost", {"name": "fixed_markup", "markup": 0.3}, samples.Learner]


@pytest.fixture(scope="module")
def compared() -> Comparison:
    return tf.compare(small(), STRATEGIES, provider="ada", seeds=[4, 7, 8], periods=3)


@pytest.fixture(scope="module")
def played() -> Tournament:
    return tf.tournament(small(), STRATEGIES[:2], seeds=2, periods=2)


def test_every_run_is_that_of_the_model_alone(compared: Comparison) -> None:
    strategies = {"ada": {"name": "fixed_markup", "markup": 0.3}}
    model = tf.TokenMarket(small(), rng=7, periods=3, strategies=strategies)
    model.run()
    ds, run = model.results(), compared.dataset.sel(strategy="fixed_markup(markup=0.3)", seed=7)
    np.testing.assert_allclose(run.profit_rate, ds.profit.mean("period"), rtol=1e-12)
    assert float(run.welfare_rate) == pytest.approx(float(ds.welfare.mean()))
    assert set(compared.dataset.data_vars) == set(MEASURES)


def test_others_draw_the_same_numbers_whatever_one_draws(compared: Comparison) -> None:
    offers = compared.dataset.offer_markup.sel(provider=["bob", "cyd"])
    np.testing.assert_allclose(offers, 0.0, atol=1e-12)
    demand = []
    for strategy in ("marginal_cost", samples.Learner):
        model = tf.TokenMarket(small(), rng=7, periods=3, strategies={"ada": strategy})
        model.run()
        demand.append(model.results().demand.values)
    np.testing.assert_array_equal(*demand)


def test_differences_are_paired_by_seed(compared: Comparison) -> None:
    profit = compared.dataset.profit_rate.sel(provider="bob")
    gain = profit.sel(strategy="fixed_markup(markup=0.3)") - profit.sel(strategy="marginal_cost")
    found = compared.differences["profit_rate"].sel(provider="bob", strategy="fixed_markup(markup=0.3)")
    assert float(found["mean"]) == pytest.approx(float(gain.mean()))
    row = compared.table.query(
        "measure == 'profit_rate' and of == 'bob' and strategy == 'fixed_markup(markup=0.3)'"
    )
    assert float(row.difference.iloc[0]) == pytest.approx(float(gain.mean()))
    base = compared.table[compared.table.strategy == compared.baseline]
    assert (base[["difference", "lower", "upper"]] == 0).all(axis=None)
    assert compared.provider == "ada"
    assert "ada plays marginal_cost" in repr(compared)


def test_everyone_plays_where_no_provider_is_named(tmp_path: Path) -> None:
    found = tf.compare(small(), STRATEGIES[:2], seeds=2, periods=2, baseline="fixed_markup(markup=0.3)")
    assert found.provider is None
    offers = found.dataset.offer_markup
    np.testing.assert_allclose(offers.sel(strategy="fixed_markup(markup=0.3)"), 0.3)
    assert found.baseline == "fixed_markup(markup=0.3)"
    found.dataset.to_netcdf(tmp_path / "found.nc")
    with xr.open_dataset(tmp_path / "found.nc") as again:
        xr.testing.assert_allclose(differences(again)["welfare_rate"], found.differences["welfare_rate"])


def test_rivals_may_play_something_else() -> None:
    found = tf.compare(small(), STRATEGIES[:2], "ada", seeds=1, periods=1, rivals={"bob": FixedMarkup(1.0)})
    np.testing.assert_allclose(found.dataset.offer_markup.sel(provider="bob"), 1.0)


def test_runs_that_fail_are_told_and_left_out() -> None:
    with pytest.warns(FailedRunsWarning, match="samples:NotANumber in 2 of 2. The first: .*StrategyError"):
        found = tf.compare(small(), ["marginal_cost", samples.NotANumber], "ada", seeds=2, periods=3)
    assert [failure.task.label["strategy"] for failure in found.failures] == [
        "tests.strategies.samples:NotANumber"
    ] * 2
    assert found.dataset.welfare_rate.sel(strategy="marginal_cost").notnull().all()
    assert found.dataset.welfare_rate.isel(strategy=1).isnull().all()
    assert "2 runs failed" in repr(found)
    with pytest.raises(tf.ResultError, match="every run failed; the first: "):
        tf.compare(small(), [samples.NotANumber, samples.NoOffer], "ada", seeds=1, periods=3)


def test_strategies_are_labelled_by_what_was_given() -> None:
    assert label_of("exp3") == "exp3"
    assert label_of({"name": "fixed_markup", "markup": 0.2}) == "fixed_markup(markup=0.2)"
    assert label_of(FixedMarkup(0.2)) == "fixed_markup(markup=0.2)"
    assert label_of(FixedMarkup()) == label_of(FixedMarkup) == "fixed_markup"
    assert label_of(samples.Undercut) == "tests.strategies.samples:Undercut"


@pytest.mark.parametrize("study", [tf.compare, tf.tournament])
def test_all_faults_are_told_at_once(study: object) -> None:
    wrong = [
        "marginal_cots",
        {"name": "fixed_markup", "mark": 1},
        3,
        "fixed_markup",
        FixedMarkup(),
        "m:C",
        samples.Sloppy,
    ]
    with pytest.raises(tf.InputError) as told:
        study(small(), wrong, provider="adda", seeds=[1, 1], confidence=2)  # type: ignore[operator]
    text = str(told.value)
    for part in (
        "did you mean 'marginal_cost'?", "unknown parameter 'mark'", "found 3", "'fixed_markup' is there twice",
        "--allow-code", "has no default for step", "unknown provider 'adda'; known providers: ada, bob, cyd",
        "seeds: seed 1 is given twice", "confidence: must lie between 0 and 1",
    ):  # fmt: skip
        assert part in text
    with pytest.raises(tf.InputError, match="at least 2 strategies"):
        study(small(), ["marginal_cost"])  # type: ignore[operator]
    with pytest.raises(tf.InputError, match="must be a list of strategies"):
        study(small(), "marginal_cost")  # type: ignore[operator]


def test_a_tournament_plays_every_provider_against_all_others(played: Tournament) -> None:
    payoff = played.dataset.payoff
    assert payoff.dims == ("strategy", "rival", "seed", "provider")
    strategies = {"providers": {"name": "fixed_markup", "markup": 0.3}, "bob": "marginal_cost"}
    model = tf.TokenMarket(small(), rng=1, periods=2, strategies=strategies)
    model.run()
    cell = payoff.sel(strategy="marginal_cost", rival="fixed_markup(markup=0.3)", seed=1, provider="bob")
    assert float(cell) == pytest.approx(float(model.results().profit.sel(provider="bob").mean()))
    assert payoff.notnull().all()
    assert played.table.index[0] in repr(played)


def test_the_ranking_follows_the_payoffs_and_says_how_sure_it_is() -> None:
    rng = np.random.default_rng(0)
    names, worth = ["a", "b", "c"], np.array([1.0, 3.0, 2.999])
    values = worth[:, None, None, None] + rng.normal(0, 0.1, (3, 3, 20, 1)) + rng.normal(0, 5, (1, 1, 20, 1))
    coords = {"strategy": names, "rival": names, "seed": range(20), "provider": ["p"]}
    ds = xr.Dataset(
        {"payoff": (("strategy", "rival", "seed", "provider"), values)}, coords, {"confidence": 0.95}
    )
    table = ranking(ds)
    assert table.loc["a", "rank"] == table.loc["a", "rank_lower"] == table.loc["a", "rank_upper"] == 3
    assert (table.loc["b", "rank_lower"], table.loc["b", "rank_upper"]) == (1, 2), (
        "b and c cannot be told apart"
    )
    assert table.advantage.sum() == pytest.approx(0.0)
    assert table.loc["a", "upper"] < 0, "what all seeds have in common does not widen the interval"
    assert not table.loc["a", "stable"]
    ds.payoff[0, 0, 3] = np.nan
    assert ranking(ds).loc["a", "rank"] == 3
    with pytest.raises(tf.ResultError, match="not the dataset of a tournament"):
        ranking(xr.Dataset())
    with pytest.raises(tf.ResultError, match="not the dataset of a comparison"):
        differences(ds)


def test_a_strategy_that_loses_least_against_itself_is_stable() -> None:
    losses = np.array([[-1.0, -2.0], [-3.0, -4.0]])[:, :, None, None]
    coords = {"strategy": ["a", "b"], "rival": ["a", "b"], "seed": [0], "provider": ["p"]}
    dims = ("strategy", "rival", "seed", "provider")
    table = ranking(xr.Dataset({"payoff": (dims, losses)}, coords, {"confidence": 0.95}))
    assert table.loc["a", "stable"]
    assert not table.loc["b", "stable"]


def test_rivals_who_would_lose_their_strategy_are_refused() -> None:
    for provider, name in (("ada", "ada"), ("ada", "providers.ada"), (None, "providers")):
        with pytest.raises(tf.InputError, match="plays the strategies to compare"):
            tf.compare(small(), STRATEGIES, provider, seeds=1, rivals={name: "fixed_markup"})
    with pytest.raises(tf.InputError, match="must be a mapping from agents") as caught:
        tf.compare(small(), STRATEGIES, seeds=1, rivals=["bob"], confidence="x")  # type: ignore[arg-type]
    assert "confidence: must lie between 0 and 1; found 'x'" in str(caught.value)
