"""Runs that failed are reported once, with the first cause; a repr never raises."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.study.tiny import tiny
from tokenflow_sim.errors import FailedRunsWarning
from tokenflow_sim.report.study import study_page
from tokenflow_sim.study.compare import Comparison, compare
from tokenflow_sim.study.equilibrium import Equilibrium
from tokenflow_sim.study.messages import listed, warn_failed
from tokenflow_sim.study.sensitivity import Sensitivity, sensitivity
from tokenflow_sim.study.sweep import sweep
from tokenflow_sim.study.swept import Sweep, load_sweep
from tokenflow_sim.study.task import Failure, Task
from tokenflow_sim.study.tournament import Tournament, tournament

SEEDS = [0, 1, 2, 3]


class Sometimes(tf.Strategy):
    """Fails where its stream begins high: under seeds 2 and 3 of 0 to 3."""

    def offer(self, view: tf.View) -> tf.Offer:
        if view.period == 0 and view.rng.random() > 0.7:
            raise ZeroDivisionError("my bug")
        return tf.Offer(price=view.cost * 1.1, quantity=view.capacity)


class Never(tf.Strategy):
    """Fails."""

    def offer(self, view: tf.View) -> tf.Offer:
        raise RuntimeError("my own bug")


def failing() -> list[int]:
    """Return the seeds under which provider b's stream begins high, by the streams alone."""
    from tokenflow_sim.agents.streams import stream

    return [seed for seed in SEEDS if stream(seed, "provider", "b").random() > 0.7]


@pytest.fixture(scope="module")
def compared() -> Comparison:
    with pytest.warns(FailedRunsWarning) as told:
        found = compare(tiny(), ["marginal_cost", Sometimes, "fixed_markup"], "b", SEEDS, 1)
    assert len(told) == 1
    message = str(told[0].message)
    lost = failing()
    assert 0 < len(lost) < 4, "the test needs some seeds of both kinds"
    assert message.startswith(
        f"{len(lost)} of 12 runs failed: {__name__}:Sometimes in {len(lost)} of 4. The first: "
    )
    assert (
        f"seed={lost[0]}: ZeroDivisionError: my bug in provider 'b', period 0, strategy Sometimes()"
        in message
    )
    assert f"means are over {4 - len(lost)} of 4 seeds, which all of them finished" in message
    assert told[0].filename == __file__, "it is told where the study was started"
    return found


def test_means_of_a_comparison_are_over_the_seeds_that_all_strategies_finished(compared: Comparison) -> None:
    good = [seed for seed in SEEDS if seed not in failing()]
    table = compared.table.query("measure == 'profit_rate' and of == 'b'").set_index("strategy")
    for strategy in ("marginal_cost", "fixed_markup"):
        alone = []
        for seed in good:
            model = tf.TokenMarket(tiny(), rng=seed, periods=1, strategies={"providers.b": strategy})
            model.run()
            alone.append(float(model.results()["profit"].sel(provider="b").mean()))
        assert table["mean"][strategy] == pytest.approx(np.mean(alone), rel=1e-12)
    assert (table["pairs"] == len(good)).all()
    assert f"means are over {len(good)} of 4 seeds" in repr(compared)
    figure = compared.plot()
    assert f"{len(good)} of 4 seeds" in figure.get_suptitle()


def test_the_report_of_a_study_says_what_failed_and_takes_the_same_means(compared: Comparison) -> None:
    lost = failing()
    page = study_page(compared.dataset, "study.nc")
    notes = [note.text for note in page.sections[0].blocks[0].items]  # type: ignore[union-attr]
    assert notes[0].startswith(f"{len(lost)} runs failed. The first: ZeroDivisionError: my bug")
    assert notes[1] == f"Means are over {4 - len(lost)} of 4 seeds, which all of them finished."
    tables = [block for block in page.sections[2].blocks if type(block).__name__ == "Table"]
    assert any(f"Means over {4 - len(lost)} seeds" in table.note for table in tables)  # type: ignore[union-attr]


def test_a_tournament_ranks_whoever_can_be_ranked_and_names_the_others() -> None:
    with pytest.warns(FailedRunsWarning, match=r"5 of 9 runs failed(.|\n)*RuntimeError: my own bug") as told:
        found = tournament(tiny(), ["marginal_cost", Never, "fixed_markup"], 1, 1, provider="a")
    assert f"{__name__}:Never in 5 of 5" in str(told[0].message)
    assert found.unranked == [f"{__name__}:Never"]
    assert sorted(found.table.index) == ["fixed_markup", "marginal_cost"]
    plain = tournament(tiny(), ["marginal_cost", "fixed_markup"], 1, 1, provider="a")
    assert found.table["score"].to_dict() == plain.table["score"].to_dict()
    assert "left out: " in repr(found)
    np.testing.assert_array_equal(
        found.payoff.sel(strategy=plain.payoff.strategy, rival=plain.payoff.rival), plain.payoff
    )
    assert np.isnan(found.payoff.sel(strategy=f"{__name__}:Never")).all()
    assert found.plot().axes


def test_where_nothing_is_left_the_error_has_the_first_cause() -> None:
    other = type("Other", (Never,), {"__module__": __name__})
    for study in (compare, tournament):
        with pytest.raises(tf.ResultError, match="RuntimeError: my own bug in provider"):
            study(tiny(), [Never, other], provider="a", seeds=1, periods=1)  # type: ignore[operator]
    attrs = {"confidence": 0.95, "failures": '[[0, "RuntimeError", "my own bug"]]'}
    holed = xr.Dataset(
        {"payoff": (("strategy", "rival", "seed", "provider"), np.full((1, 1, 1, 1), np.nan))},
        {"strategy": ["x"], "rival": ["x"], "seed": [0], "provider": ["p"]},
        attrs,
    )
    with pytest.raises(
        tf.ResultError, match="none can be ranked; the first failed run: RuntimeError: my own"
    ):
        _ = Tournament(holed).table


def test_a_sweep_warns_when_it_is_played_and_when_it_is_resumed(tmp_path: Path) -> None:
    vary = {"demand.scale": [2.0, 9.0]}
    text = r"2 of 4 runs failed: demand.scale=9.0 in 2 of 2. The first: demand.scale=9.0, seed=0: Infeasible"
    for more in ({}, {"resume": True}):
        with pytest.warns(FailedRunsWarning, match=text):
            found = sweep(tiny(), vary, seeds=2, periods=1, out=tmp_path / "s.zarr", **more)  # type: ignore[arg-type]
    assert "left out: demand.scale=9.0; means are over 2 of 2 seeds" in repr(found)
    count = load_sweep(tmp_path / "s.zarr").summary()["welfare_rate"].sel(statistic="count")
    assert count.values.tolist() == [2.0, 0.0]


def test_a_summary_is_over_the_seeds_that_all_points_finished() -> None:
    with pytest.warns(FailedRunsWarning):
        found = sweep(
            tiny(),
            {"providers.b.strategy": ["marginal_cost", Sometimes]},
            seeds=SEEDS,
            periods=1,
            record=["welfare"],
        )
    good = [seed for seed in SEEDS if seed not in failing()]
    summary = found.summary(quantiles=())
    welfare = found.dataset["welfare_rate"].sel(seed=good)
    np.testing.assert_allclose(summary["welfare_rate"].sel(statistic="mean"), welfare.mean("seed"))
    assert (summary["welfare"].sel(statistic="count") == len(good)).all()
    assert summary.attrs["means"] == f"means are over {len(good)} of 4 seeds, which all of them finished"
    alone = found.summary(quantiles=(), common=False)["welfare_rate"].sel(statistic="count")
    assert alone.values.tolist() == [4, len(good)]


def test_outputs_of_a_sensitivity_study_that_are_not_defined_everywhere_are_named() -> None:
    vary = {"demand.scale": "uniform(1, 1.1)", "nodes.west.electricity_price": "uniform(0.01, 0.4)"}
    with pytest.warns(UserWarning, match=r"outputs without indices .NaN.*: markup\[.\] at \d+ of 6 points"):
        found = sensitivity(
            tiny(), vary, kind="morris", samples=2, periods=1, outputs=["markup", "mean_price"]
        )
    assert found.dataset["mu_star"].sel(output="mean_price[chat]").notnull().all()


@pytest.mark.parametrize("kind", [Comparison, Tournament, Sweep, Equilibrium])
def test_a_repr_never_raises(kind: type) -> None:
    assert "cannot be summarised (" in repr(kind(xr.Dataset()))
    assert repr(Sensitivity(xr.Dataset(), Sweep(xr.Dataset()))).startswith("<Sensitivity: cannot be")


def test_reprs_of_studies_in_which_all_failed(compared: Comparison) -> None:
    holed = compared.dataset.map(lambda array: array * np.nan, keep_attrs=True).assign_attrs(
        compared.dataset.attrs
    )
    assert "no run was finished" in repr(Comparison(holed))
    assert np.isnan(Comparison(holed).table["mean"]).all()


def test_many_names_are_cut_and_nothing_is_said_where_nothing_failed() -> None:
    assert listed("abcdefghij") == "a, b, c, d, e, f, g, h, ... (10 in all)"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_failed([], [], lambda task: [])
    task = Task(tiny(), 3, {"strategy": "x", "seed": 3})
    with pytest.warns(
        FailedRunsWarning, match="1 of 1 runs failed: x in 1 of 1. The first: strategy=x, seed=3: E: m"
    ):
        warn_failed([Failure(0, task, "E", "m")], [task], lambda task: ["x"])


def test_an_exception_without_a_text_is_one_failed_run() -> None:
    class Odd(Exception):
        def __str__(self) -> str:
            raise RuntimeError("not even that")

    class Fails(tf.Strategy):
        """Raises what cannot be read."""

        def offer(self, view: tf.View) -> tf.Offer:
            raise Odd

    with pytest.warns(FailedRunsWarning, match="its text cannot be read"):
        found = tf.compare(
            "us5", ["marginal_cost", Fails], provider="dallas_dc", seeds=1, periods=1, workers=1
        )
    assert len(found.failures) == 1
