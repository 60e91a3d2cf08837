"""The model: the period loop, its results, and what a Mesa user expects of it."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import mesa
import numpy as np
import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.strategies.samples import CongestionTariff, Elastic, Learner, Undercut
from tokenflow_sim.model import TokenMarket
from tokenflow_sim.scenario import Scenario, load_scenario
from tokenflow_sim.variables import PRICE_PARTS, RESULT_COORDINATES, RESULTS

PERIODS = 12


@pytest.fixture(scope="module")
def oligopoly() -> Scenario:
    return load_scenario("us20_oligopoly_v1", {"periods": PERIODS})


@pytest.fixture(scope="module")
def played(oligopoly: Scenario) -> TokenMarket:
    model = TokenMarket(oligopoly, rng=42)
    model.run()
    return model


@pytest.fixture(scope="module")
def results(played: TokenMarket) -> xr.Dataset:
    return played.results()


def again(played: TokenMarket, **changes: object) -> TokenMarket:
    """Make another model of the same market, sparing the time to build what clears it."""
    given = {"scenario": played.settings, "rng": 42, "clearer": played.clearing_house.clearer, **changes}
    return TokenMarket(**given)  # type: ignore[arg-type]


def assert_same(one: xr.Dataset, other: xr.Dataset) -> None:
    """Compare to the last bit, dtypes and attributes included."""
    xr.testing.assert_identical(one, other)
    for name in one.variables:
        assert one[name].dtype == other[name].dtype, name
        assert one[name].values.tobytes() == other[name].values.tobytes(), name


def test_results_hold_every_variable_with_unit_and_meaning(results: xr.Dataset) -> None:
    assert list(results.data_vars) == list(RESULTS)
    for name, variable in RESULTS.items():
        assert results[name].dims == variable.dims
        assert results[name].attrs == variable.attrs("GB/s")
        assert np.isfinite(results[name]).all(), name
    # Those of stepped offers and of options that this scenario does not ask for are not there.
    asked_for = {"block", "step", "queue", "bound", "rule", "carbon_zone", "asset_bus"} | {
        name for name in RESULT_COORDINATES if name.startswith(("bus", "contract", "generator", "line"))
    }
    coordinates = set(RESULT_COORDINATES) - asked_for
    assert set(results.coords) == coordinates
    assert all(results[name].attrs["long_name"] for name in coordinates)
    assert results.sizes["period"] == PERIODS
    assert float(results.certificate.max()) < 1e-7


def test_results_say_how_to_make_them_again(results: xr.Dataset, played: TokenMarket) -> None:
    attrs = results.attrs
    assert attrs["seed"] == 42
    assert attrs["tokenflow_sim_version"] == tf.__version__
    assert {"highspy", "linopy", "numpy", "scipy", "xarray", "mesa", "python"} <= set(
        json.loads(attrs["versions"])
    )
    assert Scenario.from_yaml(attrs["scenario"]) == played.settings
    repeated = TokenMarket.from_results(results, clearer=played.clearing_house.clearer)
    repeated.run()
    assert_same(repeated.results(), results)


def test_money_in_is_money_out_every_period(results: xr.Dataset) -> None:
    paid = results.payment.sum(("node", "workload"))
    earned = results.revenue.sum(("asset", "workload")) + results.link_income.sum(("arc", "workload"))
    assert float(paid.min()) > 0
    assert float((abs(paid - earned) / paid).max()) < 1e-9


def test_sums_by_party_are_those_of_their_parts(results: xr.Dataset) -> None:
    by_asset = (results.revenue - results.cost).sum("workload").groupby("asset_provider").sum()
    by_arc = results.link_income.sum("workload").groupby("arc_owner").sum()
    profit = results.profit.sel(provider=by_asset.asset_provider.values)
    income = results.owner_income.sel(owner=by_arc.arc_owner.values)
    np.testing.assert_allclose(profit, by_asset.transpose("period", ...), rtol=1e-9)
    np.testing.assert_allclose(income, by_arc.transpose("period", ...), rtol=1e-9)
    assert set(results.provider.values) == set(results.asset_provider.values)


def test_the_parts_of_a_price_sum_to_it_and_are_those_of_the_core(
    results: xr.Dataset, played: TokenMarket
) -> None:
    parts = [f"price_{part}" for part in PRICE_PARTS]
    np.testing.assert_allclose(sum(results[part] for part in parts), results.price, rtol=1e-12)
    last = played.clearing
    assert last is not None
    core = tf.decompose(last.market, last)
    for part in ("scarcity", "routing", "congestion"):
        np.testing.assert_allclose(results[f"price_{part}"][-1], core[part], atol=1e-12)
    offer = (results.price_energy + results.price_running + results.price_markup)[-1]
    np.testing.assert_allclose(offer, core.energy, rtol=1e-12)


def test_the_offer_in_a_price_parts_into_electricity_running_cost_and_mark_up(oligopoly: Scenario) -> None:
    """Each by hand from the scenario: price of a kWh times kWh/Mtok, $/MW-h over Mtok/MW-h, a fifth of the two."""
    with_markup = {"providers": {"name": "fixed_markup", "markup": 0.2}}
    model = TokenMarket(oligopoly, rng=1, periods=3, strategies=with_markup)
    model.run()
    ds, compiled = model.results(), oligopoly.compiled
    hardware = {
        name: oligopoly.hardware[kind]
        for name, kind in zip(compiled.layout.assets, compiled.asset_hardware, strict=True)
    }
    checked = 0
    for period in range(3):
        kwh = compiled.state(period).electricity_price
        for node in map(str, ds.node.values):
            for name in map(str, ds.workload.values):
                here = ds.sel(period=period, workload=name)
                serving = here.dispatch.where(here.asset_node == node, 0.0)
                if float(serving.max()) <= 0:
                    continue
                # Served at home: the dearest asset that runs is the one on the margin.
                offers = here.offer_price.where(serving > 0, -np.inf)
                asset = str(offers.asset.values[int(offers.values.argmax())])
                kind, place = hardware[asset], list(ds.node.values).index(node)
                electricity = kwh[place] * kind.energy[name]
                adder = kind.running_cost + oligopoly.rules.opex_adder
                running = adder / (kind.throughput[name] * 3600 / 1e6)
                spot = here.sel(node=node)
                assert float(spot.price_energy) == pytest.approx(electricity, rel=1e-9)
                assert float(spot.price_running) == pytest.approx(running, rel=1e-9)
                assert float(spot.price_markup) == pytest.approx(0.2 * (electricity + running), rel=1e-9)
                checked += 1
    assert checked > 20


def test_results_are_those_of_the_core(results: xr.Dataset, played: TokenMarket) -> None:
    last = played.clearing
    assert last is not None
    hours, final = played.hours, results.isel(period=-1)
    settlement = tf.settle(last.market, last)
    np.testing.assert_array_equal(final.price, last.price)
    np.testing.assert_array_equal(final.dispatch, last.dispatch)
    np.testing.assert_array_equal(final.congestion_rent, last.congestion_rent)
    np.testing.assert_allclose(final.payment, settlement.payment * hours, rtol=1e-12)
    np.testing.assert_allclose(final.revenue, settlement.revenue * hours, rtol=1e-12)
    np.testing.assert_allclose(final.link_income, settlement.link_income * hours, rtol=1e-12)
    assert float(final.total_cost) == pytest.approx(last.total_cost * hours, rel=1e-12)
    cleared = tf.clear(last.market)
    np.testing.assert_array_equal(cleared.price, last.price)


def test_true_cost_and_offer_are_kept_apart(
    oligopoly: Scenario, played: TokenMarket, results: xr.Dataset
) -> None:
    model = again(played, strategies={"atlas": {"name": "fixed_markup", "markup": 0.5}})
    model.run()
    dear = model.results()
    atlas = (dear.asset_provider == "atlas").values
    np.testing.assert_allclose(dear.offer_price[:, atlas], 1.5 * results.offer_price[:, atlas], rtol=1e-12)
    np.testing.assert_array_equal(dear.offer_price[:, ~atlas], results.offer_price[:, ~atlas])
    true = np.stack([oligopoly.compiled.state(period).true_cost for period in range(PERIODS)])
    np.testing.assert_allclose(dear.cost, true * dear.dispatch * 3600 * model.hours, rtol=1e-12)
    # A mark-up can only lose welfare: the truthful clearing is its optimum.
    assert (dear.welfare <= results.welfare * (1 + 1e-9)).all()
    assert float(dear.welfare.sum()) < float(results.welfare.sum())


def test_welfare_is_shared_out_completely(results: xr.Dataset, oligopoly: Scenario) -> None:
    value = np.array([workload.value for workload in oligopoly.workloads.values()])
    served = results.demand - results.unserved
    surplus = (served * value).sum(("node", "workload")) * 3600 * oligopoly.hours
    consumers = surplus - results.payment.sum(("node", "workload"))
    true = oligopoly.compiled.state(0).route_cost
    transport = (results.flow * true).sum(("arc", "workload")) * 3600 * oligopoly.hours
    networks = results.owner_income.sum("owner") - transport
    np.testing.assert_allclose(
        consumers + results.profit.sum("provider") + networks, results.welfare, rtol=1e-9
    )


def test_where_all_demand_must_be_served_welfare_is_minus_true_cost() -> None:
    model = TokenMarket(
        "us5", rng=1, periods=2, strategies={"providers": {"name": "fixed_markup", "markup": 0.2}}
    )
    model.run()
    ds = model.results()
    transport = (ds.flow * model.settings.compiled.state(0).route_cost).sum(("arc", "workload")) * 3600
    np.testing.assert_allclose(ds.welfare, -(ds.cost.sum(("asset", "workload")) + transport), rtol=1e-12)
    assert (ds.total_cost > -ds.welfare).all()  # cost as offered has the mark-up in it


def test_us5_plays_the_papers_operating_point() -> None:
    model = TokenMarket("us5", rng=1, periods=1)
    model.run()
    ds = model.results()
    assert float(ds.total_cost[0]) == pytest.approx(123635.32, abs=0.01)
    assert float(ds.payment.sum()) == pytest.approx(139446.09, abs=0.01)
    assert float(ds.revenue.sum()) == pytest.approx(137612.52, abs=0.01)
    assert float(ds.owner_income.sum()) == pytest.approx(1833.57, abs=0.01)
    assert float(ds.link_use_share.max()) == pytest.approx(1.0)


# Seeds and streams


def test_the_same_seed_gives_the_same_bits_and_another_does_not(
    played: TokenMarket, results: xr.Dataset
) -> None:
    same, other = again(played, rng="42"), again(played, rng=43)
    same.run()
    other.run()
    assert_same(same.results(), results)
    assert not np.array_equal(other.results().demand, results.demand)


def test_no_seed_draws_one_that_is_recorded(played: TokenMarket) -> None:
    first, second = again(played, rng=None, periods=2), again(played, rng=None, periods=2)
    assert first.seed != second.seed
    first.run()
    repeated = again(played, rng=int(first.results().attrs["seed"]), periods=2)
    repeated.run()
    assert_same(repeated.results(), first.results())


CODE = """
import sys
import numpy as np
from tests.strategies.samples import Elastic, Learner
from tokenflow_sim.model import TokenMarket
seed, target = sys.argv[1:]
strategies = {"atlas": Learner(), "denver": Elastic()}
model = TokenMarket("us20_oligopoly_v1", rng=seed, periods=4, strategies=strategies, out=target)
model.run()
"""


def test_two_processes_with_one_seed_write_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path(__file__).resolve().parents[1]
    files = [tmp_path / "one.nc", tmp_path / "two.nc"]
    # At the same time, as studies do it: one begins from nothing, and this one has played much before.
    other = subprocess.Popen([sys.executable, "-c", CODE, "5", str(files[0])], cwd=root)
    monkeypatch.setattr(sys, "argv", ["-c", "5", str(files[1])])
    exec(CODE, {})
    assert other.wait(timeout=300) == 0
    with tf.load_results(files[0]) as left, tf.load_results(files[1]) as right:
        assert_same(left, right)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_one_agents_draws_shift_nobody_elses(played: TokenMarket) -> None:
    quiet = again(played, strategies={"boreal": Learner()}, clearer=None, periods=3)
    loud = again(
        played,
        strategies={"boreal": Learner(), "ember": Learner(), "denver": Elastic()},
        clearer=None,
        periods=3,
    )
    quiet.run()
    loud.run()
    one, other = quiet.results(), loud.results()
    np.testing.assert_array_equal(one.demand.sel(node="dallas"), other.demand.sel(node="dallas").isel(step=0))
    boreal = (one.asset_provider == "boreal").values
    # Its first offer comes from its own stream alone; later ones from what it learnt in another market.
    np.testing.assert_array_equal(one.offer_price[0, boreal], other.offer_price[0, boreal])


def test_the_order_of_agents_does_not_matter(played: TokenMarket) -> None:
    strategies = {"providers": Undercut, "transcon": CongestionTariff}
    model, turned = (again(played, strategies=strategies, periods=4) for _ in range(2))
    house = turned.clearing_house
    for agents in (house.providers, house.owners, house.regions):
        agents.reverse()
    model.run()
    turned.run()
    assert_same(turned.results(), model.results())


# Adapting


def test_strategies_adapt_to_what_they_see(played: TokenMarket) -> None:
    model = again(played, strategies={"providers": Undercut(step=0.01)})
    model.run()
    ds = model.results()
    at_asset = ds.price.sel(node=ds.asset_node)
    cost = np.stack([model.settings.compiled.state(period).true_cost for period in range(PERIODS)])
    np.testing.assert_allclose(
        ds.offer_price[1:].values, np.maximum(cost[1:], 0.99 * at_asset[:-1].values), rtol=1e-12
    )


def test_an_agent_sees_its_own_data_and_the_public_prices_only(played: TokenMarket) -> None:
    views = []

    class Watcher(Undercut):
        def offer(self, view: tf.View) -> tf.Offer:
            views.append(view)
            return super().offer(view)

    model = again(played, strategies={"cascade": Watcher}, periods=3)
    model.run()
    ds, own = model.results(), (model.results().asset_provider == "cascade").values
    assert [view.period for view in views] == [0, 1, 2]
    first, last = views[0], views[-1]
    assert first.last_price is first.last_dispatch is first.last_profit is None
    assert len(first.history) == 0
    assert last.assets == tuple(ds.asset.values[own])
    assert last.workloads == tuple(ds.workload.values)
    np.testing.assert_array_equal(last.last_price, ds.price.sel(node=ds.asset_node[own])[1])
    np.testing.assert_array_equal(last.last_dispatch, ds.dispatch[1, own])
    np.testing.assert_array_equal(last.last_profit, (ds.revenue - ds.cost)[1, own])
    np.testing.assert_array_equal(last.history.price, ds.price[:2])
    np.testing.assert_array_equal(last.history.demand, ds.demand[:2])
    np.testing.assert_array_equal(
        last.history.price[:, last.asset_node], ds.price.sel(node=ds.asset_node[own])[:2]
    )
    for name in ("cost", "capacity", "last_price", "last_dispatch", "last_profit"):
        array = getattr(last, name)
        assert array.shape == (own.sum(), 4)
    with pytest.raises(ValueError, match="read-only"):
        last.history.price[:] = 0


def test_blocks_and_steps_come_with_the_strategies_that_need_them(played: TokenMarket) -> None:
    model = again(played, strategies={"providers": Learner, "regions": Elastic}, clearer=None, periods=3)
    model.run()
    ds = model.results()
    assert ds.offer_price.dims == ds.dispatch.dims == ("period", "asset", "workload", "block")
    assert ds.demand.dims == ds.unserved.dims == ("period", "node", "workload", "step")
    assert ds.price.dims == ("period", "node", "workload")
    assert ds.sizes["block"] == ds.sizes["step"] == 2
    paid = ds.payment.sum(("node", "workload"))
    earned = ds.revenue.sum(("asset", "workload")) + ds.link_income.sum(("arc", "workload"))
    np.testing.assert_allclose(paid, earned, rtol=1e-9)
    np.testing.assert_allclose(ds.offer_quantity[0].sum("block"), model.settings.compiled.state(0).capacity)


def test_a_run_goes_on_from_its_state_to_the_same_bits(played: TokenMarket) -> None:
    strategies = {"providers": Learner, "denver": Elastic, "transcon": CongestionTariff}
    whole = again(played, strategies=strategies, clearer=None, periods=8)
    whole.run()
    half = again(played, strategies=strategies, clearer=None, periods=8)
    half.run_for(5)
    state = pickle.loads(pickle.dumps(half.get_state()))
    rest = again(played, strategies=strategies, clearer=None, periods=8)
    rest.set_state(state)
    assert rest.period == 5
    rest.run()
    tail = rest.results()
    expected = whole.results().isel(period=slice(5, None))
    assert_same(tail, expected)
    with pytest.raises(tf.ResultError, match="only before its first period"):
        rest.set_state(state)
    with pytest.raises(tf.ResultError, match="another seed"):
        again(played, rng=1, strategies=strategies, clearer=None, periods=8).set_state(state)


# What a Mesa user expects


def test_run_for_plays_that_many_periods_and_stops_at_the_last(played: TokenMarket) -> None:
    model = again(played, periods=5)
    model.run_for(2)
    assert (model.period, model.running, model.time) == (2, True, 2)
    model.step()
    assert model.results().sizes["period"] == 3
    model.run_for(100)
    assert (model.period, model.running) == (5, False)
    model.step()  # there is nothing left to play, and no harm in asking
    assert model.period == 5
    assert model.results().sizes["period"] == 5


def test_the_datacollector_holds_scalars(played: TokenMarket, results: xr.Dataset) -> None:
    frame = played.datacollector.get_model_vars_dataframe()
    names = [f"mean_price_{name}" for name in results.workload.values]
    assert list(frame) == [*names, "unserved", "welfare", "total_cost"]
    served = results.demand - results.unserved
    paid = (results.price * served).sum("node") / served.sum("node")
    np.testing.assert_allclose(frame[names], paid, rtol=1e-12)
    np.testing.assert_allclose(frame["unserved"], results.unserved.sum(("node", "workload")), rtol=1e-12)
    np.testing.assert_array_equal(frame["welfare"], results.welfare)
    np.testing.assert_array_equal(frame["total_cost"], results.total_cost)


@pytest.mark.parametrize("processes", [1, 2])
def test_batch_run_works(processes: int) -> None:
    rows = mesa.batch_run(
        TokenMarket,
        {"scenario": "us5", "demand.scale": [20, 35], "periods": 2},
        number_processes=processes,
        rng=[1, 2],
        data_collection_period=1,
        display_progress=False,
    )
    assert len(rows) == 2 * 2 * 2
    by_scale = {row["demand.scale"]: row["mean_price_image"] for row in rows}
    market = load_scenario("us5").market()
    price, asked = (array.sel(workload="image") for array in (tf.clear(market).price, market.demand))
    assert by_scale[35] == pytest.approx(float((price * asked).sum() / asked.sum()))
    assert by_scale[20] < by_scale[35]


def test_models_are_agents_worlds_as_mesa_knows_them(played: TokenMarket) -> None:
    assert isinstance(played, mesa.Model)
    assert len(played.agents) == len(played.providers) + len(played.owners) + len(played.regions) + 1
    atlas = played.providers["atlas"]
    assert isinstance(atlas, mesa.Agent)
    assert atlas.rng is not played.rng
    assert atlas.profit == pytest.approx(float(played.results().profit.sel(provider="atlas")[-1]))
    assert played.owners["transcon"].income == pytest.approx(
        float(played.results().owner_income.sel(owner="transcon")[-1])
    )
    assert played.regions["denver"].payment == pytest.approx(
        float(played.results().payment.sel(node="denver")[-1].sum())
    )


def test_mesas_page_can_make_the_model_again() -> None:
    # On reset the page puts a scenario of Mesa's own in the place of ours, unless the model has none.
    model = TokenMarket("us5", rng=1)
    assert model.scenario is None
    assert model.settings.name == "us5"


def test_parameters_have_defaults_and_can_be_pickled() -> None:
    import inspect

    parameters = inspect.signature(TokenMarket).parameters
    named = [p for p in parameters.values() if p.kind is not p.VAR_KEYWORD]
    assert all(p.default is not p.empty for p in named)
    assert "seed" not in parameters  # mesa.batch_run would pass that instead of rng
    given = {"scenario": load_scenario("us5"), "rng": 3, "strategies": {"providers": Undercut(0.05)}}
    model = TokenMarket(**pickle.loads(pickle.dumps(given)), periods=1)
    model.run()
    assert not model.running


# Bad input


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"scenario": "us6"}, "us5"),
        ({"scenario": "us5", "demand.scall": 3}, "scale"),
        ({"scenario": "us5", "period": 3}, "periods"),
        ({"scenario": "us5", "periods": 0}, "periods"),
        ({"scenario": "us5", "rng": "many"}, "a seed is a whole number"),
        ({"scenario": "us5", "record": ["prize"]}, "did you mean 'price'"),
        ({"scenario": "us5", "strategies": {"dallas_dc": "fixed_markupp"}}, "did you mean 'fixed_markup'"),
        ({"scenario": "us5", "strategies": {"dalas_dc": "fixed_markup"}}, "did you mean 'dallas_dc'"),
        ({"scenario": "us5", "strategies": {"dallas_dc": "a:B"}}, "allow_code=True"),
    ],
)
def test_bad_arguments_are_told(given: dict[str, object], told: str) -> None:
    with pytest.raises(tf.InputError) as caught:
        TokenMarket(**given)  # type: ignore[arg-type]
    assert told in str(caught.value)


def test_faults_of_strategies_in_a_scenario_are_told_together() -> None:
    changes = {
        "providers.dallas_dc.strategy": {"name": "fixed_markup", "markdown": 1},
        "providers.seattle_dc.strategy": {"name": "no_such"},
    }
    with pytest.raises(tf.ScenarioError) as caught:
        TokenMarket("us5", overrides=changes)
    assert "providers.dallas_dc.strategy.markdown" in str(caught.value)
    assert "providers.seattle_dc.strategy.name" in str(caught.value)


def test_an_infeasible_market_names_what_cannot_be_met() -> None:
    model = TokenMarket("us5", rng=1, overrides={"demand.scale": 50})
    with pytest.raises(tf.InfeasibleError, match="image"):
        model.run()


def test_results_need_a_period() -> None:
    with pytest.raises(tf.ResultError, match="no period was recorded yet"):
        TokenMarket("us5", rng=1).results()


def test_importing_the_package_is_quick_and_brings_no_mesa() -> None:
    code = (
        "import sys, tokenflow_sim as tf; assert 'mesa' not in sys.modules and 'xarray' not in sys.modules;"
        "tf.ScenarioError; assert 'mesa' not in sys.modules;"
        "tf.load_results; assert not {'mesa', 'linopy', 'highspy'} & set(sys.modules);"
        "assert 'TokenMarket' in dir(tf); tf.TokenMarket; assert 'mesa' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_all_of_the_core_is_there_without_the_extra_learning() -> None:
    code = (
        "import sys\n"
        "extra = 'gymnasium', 'pettingzoo', 'onnxruntime', 'safetensors'\n"
        "sys.modules.update(dict.fromkeys(extra))\n"
        "from tokenflow_sim import *\n"
        "import tokenflow_sim.cli\n"
        "try:\n    import tokenflow_sim.env\n"
        "except ModuleNotFoundError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "environments need the extra `learning`" in done.stdout


def test_every_public_name_is_there() -> None:
    for name in tf.__all__:
        assert getattr(tf, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Markett'"):
        tf.Markett  # noqa: B018


def test_looking_ahead_shows_what_will_be_played_and_changes_nothing() -> None:
    plain, ahead = (tf.TokenMarket("us20", rng=3, periods=4) for _ in range(2))
    while ahead.running:
        shown = ahead.upcoming.demand
        view = ahead.view(next(iter(ahead.regions)))
        assert ahead.upcoming.demand is shown
        state = ahead.get_state()
        ahead.step()
        assert ahead.clearing_house.result is not None
        np.testing.assert_array_equal(ahead.clearing_house.result.bid, shown)
        assert view.period == ahead.period - 1
        again = tf.TokenMarket("us20", rng=3, periods=4)
        again.set_state(state)
        np.testing.assert_array_equal(again.upcoming.demand, shown)
    plain.run()
    xr.testing.assert_identical(plain.results(), ahead.results())
    with pytest.raises(tf.InputError, match="unknown provider, owner or region 'nobody'"):
        ahead.view("nobody")


def test_scalars_are_collected_by_choice() -> None:
    model = TokenMarket("us5", rng=1, periods=2, collect=["welfare", "mean_price_chat"])
    model.run()
    assert list(model.datacollector.get_model_vars_dataframe()) == ["mean_price_chat", "welfare"]
    np.testing.assert_array_equal(model.datacollector.model_vars["welfare"], model.results().welfare)
    with pytest.raises(tf.InputError, match=r"unknown scalar 'welfar'.*did you mean 'welfare'"):
        TokenMarket("us5", collect=["welfar"])


def test_one_name_to_record_is_a_list_of_one() -> None:
    model = TokenMarket("us5", rng=1, periods=1, record="price")
    model.run()
    assert list(model.results().data_vars) == ["price"]
