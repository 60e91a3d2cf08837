"""Measures against their definitions, written apart, and against what theory says of them."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.study.games import small
from tokenflow_sim.study import measures
from tokenflow_sim.variables import MARKET_POWER, MEASURES

MARKED_UP = {
    "providers": {"name": "fixed_markup", "markup": 0.5},
    "ada": {"name": "fixed_markup", "markup": 2.0},
}


def play(strategies: dict | None = None, **overrides: object) -> xr.Dataset:
    model = tf.TokenMarket(small(**overrides), rng=3, strategies=strategies)
    model.run()
    return model.results()


@pytest.fixture(scope="module")
def plain() -> xr.Dataset:
    return play()


@pytest.fixture(scope="module")
def marked() -> xr.Dataset:
    return play(MARKED_UP)


@pytest.fixture(scope="module")
def competitive(marked: xr.Dataset) -> xr.Dataset:
    return measures.truthful(marked)


@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"demand.scale": 3},
        {"market.congestion_curvature": 0.5},
        {"market.must_serve": True},
        {"market.shared_power": True},
    ],
)
def test_the_split_adds_up_to_welfare(overrides: dict) -> None:
    ds = play(MARKED_UP, **{"owners.network.strategy": {"name": "fixed_tariff", "markup": 0.5}, **overrides})
    split = measures.welfare_split(ds)
    np.testing.assert_allclose(split.welfare, ds.welfare, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(split.producer_surplus, ds.profit.sum("provider"), rtol=1e-9)
    value = xr.DataArray([8.0, 4.0], dims="workload") if not overrides.get("market.must_serve") else 0.0
    served = (ds.demand - ds.unserved) * 3600
    np.testing.assert_allclose(
        split.consumer_surplus, ((value - ds.price) * served).sum(["node", "workload"]), rtol=1e-9, atol=1e-6
    )


def test_truthful_bidding_attains_the_optimum_exactly(plain: xr.Dataset) -> None:
    xr.testing.assert_equal(measures.truthful(plain)[["price", "welfare"]], plain[["price", "welfare"]])
    np.testing.assert_array_equal(measures.deadweight_loss(plain, measures.truthful(plain)), 0.0)
    assert measures.price_of_anarchy(plain, plain) == 1.0


def test_markups_cost_welfare_only_where_they_change_who_serves(
    marked: xr.Dataset, competitive: xr.Dataset
) -> None:
    loss = measures.deadweight_loss(marked, competitive)
    assert (loss >= -1e-6).all()
    assert float(loss.sum()) > 0
    ratio = measures.price_of_anarchy(marked, competitive)
    assert ratio == pytest.approx(float(competitive.welfare.sum() / marked.welfare.sum()))
    assert ratio > 1
    assert (measures.price_markup(marked, competitive) > 0).all()


def test_a_replay_keeps_the_periods_of_a_selection(marked: xr.Dataset, competitive: xr.Dataset) -> None:
    part = measures.truthful(marked.isel(period=[1, 2]))
    np.testing.assert_array_equal(part.price, competitive.price.isel(period=[1, 2]))
    with pytest.raises(tf.ResultError, match="other periods"):
        measures.deadweight_loss(marked, part)


def test_conduct_is_told_from_outcome(plain: xr.Dataset, marked: xr.Dataset) -> None:
    np.testing.assert_allclose(measures.offer_markup(plain), 0.0, atol=1e-12)
    np.testing.assert_allclose(measures.offer_markup(marked).sel(provider="ada"), 2.0)
    np.testing.assert_allclose(measures.offer_markup(marked).sel(provider="bob"), 0.5)
    lerner, markup = measures.lerner(marked), measures.markup(marked)
    np.testing.assert_allclose(lerner, markup / (1 + markup))
    mine = (marked.asset_provider == "bob").values
    revenue, cost = (marked[name][:, mine].sum(["asset", "workload"]) for name in ("revenue", "cost"))
    np.testing.assert_allclose(lerner.sel(provider="bob"), (revenue - cost) / revenue)
    assert measures.lerner(marked, by="asset").dims == ("period", "asset", "workload")
    assert measures.lerner(marked, by="market").dims == ("period",)
    with pytest.raises(tf.ResultError, match="by must be"):
        measures.markup(marked, by="node")


def test_markets_are_what_links_leave(plain: xr.Dataset) -> None:
    markets = measures.relevant_markets(plain, within=np.inf)
    # Chat may not use the link to the south, which is slower than its limit.
    assert (markets.sel(workload="chat", node="south") == 2).all()
    for period in range(plain.sizes["period"]):
        full = (plain.congestion_rent[period] > 0).values
        parted = {
            tuple(sorted((str(plain.origin.values[a]), str(plain.destination.values[a]))))
            for a in range(4)
            if full[a]
        }
        row = markets.sel(workload="batch")[period]
        for one, other in (("north", "middle"), ("middle", "south")):
            same = bool(row.sel(node=one) == row.sel(node=other))
            assert same == (tuple(sorted((one, other))) not in parted)
    strict = measures.relevant_markets(plain, within=0.0)
    assert (strict >= markets).all()
    with pytest.raises(tf.ResultError, match="within"):
        measures.relevant_markets(plain, within=-1)


def test_hhi_is_the_sum_of_squared_shares(plain: xr.Dataset) -> None:
    index, markets = measures.hhi(plain), measures.relevant_markets(plain)
    for period, node, workload in [(0, "north", "chat"), (2, "south", "chat"), (3, "middle", "batch")]:
        here = markets.sel(node=node, workload=workload)[period]
        nodes = [str(n) for n in plain.node.values if markets.sel(node=n, workload=workload)[period] == here]
        sold: dict[str, float] = {}
        for asset in range(plain.sizes["asset"]):
            if str(plain.asset_node.values[asset]) in nodes:
                firm = str(plain.asset_provider.values[asset])
                sold[firm] = sold.get(firm, 0.0) + float(plain.dispatch.sel(workload=workload)[period, asset])
        whole = sum(sold.values())
        if whole == 0:  # all of it comes in over a full link
            assert np.isnan(index.sel(node=node, workload=workload)[period])
            continue
        expected = 1e4 * sum((q / whole) ** 2 for q in sold.values())
        assert float(index.sel(node=node, workload=workload)[period]) == pytest.approx(expected)
    assert (measures.hhi(plain, of="offer_quantity") <= 1e4 + 1e-9).all()
    with pytest.raises(tf.ResultError, match="of must be"):
        measures.hhi(plain, of="profit")


def test_the_mean_price_is_what_was_paid_for_a_mtok(plain: xr.Dataset) -> None:
    paid = plain.payment.sum(["period", "node"])
    sold = (plain.demand - plain.unserved).sum(["period", "node"]) * 3600
    np.testing.assert_allclose(measures.mean_price(plain), paid / sold, rtol=1e-9)
    np.testing.assert_array_equal(measures.summarise(plain).mean_price, measures.mean_price(plain))
    assert measures.mean_price(plain, ("node", "workload")).dims == ("period",)
    chat = plain.workload == "chat"
    shed = plain.assign(unserved=plain.demand.where(chat, plain.unserved))
    assert measures.mean_price(shed).isnull().values.tolist() == [True, False]
    idle = play(**{"demand.scale": 0})
    assert measures.summarise(idle).mean_price.isnull().all()


def test_what_is_missing_stays_missing(plain: xr.Dataset) -> None:
    """A missing number is no zero: whatever would have counted it is NaN, and nothing else."""
    spot = (plain.period == 1) & (plain.node == "north") & (plain.workload == "chat")
    priceless = plain.assign(price=plain.price.where(~spot), payment=plain.payment.where(~spot))
    for index in (measures.hhi(priceless), measures.delivered_price_hhi(priceless)):
        assert np.isnan(index.sel(node="north", workload="chat")[1])
        assert index.sel(node="north", workload="chat")[0].notnull()
    summary = measures.summarise(priceless)
    assert summary.mean_price.isnull().values.tolist() == [True, False]
    assert np.isnan(summary.consumer_surplus_rate)
    split = measures.welfare_split(priceless)
    assert split.consumer_surplus.isnull().values.tolist() == [False, True, False, False]
    assert np.isnan(measures.revenue_adequacy(priceless).payment[1])
    assert np.isnan(measures.price_markup(priceless, plain).sel(workload="chat")[1])
    index = measures.lerner(plain.assign(revenue=plain.revenue.where(plain.asset != plain.asset[0])))
    owner = str(plain.asset_provider.values[0])
    assert index.isnull().all("period").values.tolist() == [name == owner for name in plain.provider.values]
    gone = plain.assign(demand=plain.demand.where(~spot))
    assert np.isnan(measures.residual_supply_index(gone).sel(workload="chat")[1]).all()
    assert np.isnan(measures.local_residual_supply_index(gone).sel(workload="chat", node="north")[1]).all()
    broke = measures.profit_concentration(plain.assign(profit=plain.profit * np.nan))
    assert np.isnan([float(broke.hhi), float(broke.gini), *broke.share.values]).all()


def test_gini_of_known_distributions() -> None:
    assert measures.gini([1, 1, 1]) == pytest.approx(0.0)
    assert measures.gini([0, 0, 0, 5]) == pytest.approx(0.75)
    assert measures.gini([1, 3]) == pytest.approx(0.25)
    assert np.isnan(measures.gini([0, 0]))
    with pytest.raises(tf.ResultError, match="not negative"):
        measures.gini([-1, 1])


def test_profit_concentration(plain: xr.Dataset) -> None:
    found = measures.profit_concentration(plain)
    profit = plain.profit.sum("period").clip(min=0)
    np.testing.assert_allclose(found.share, profit / profit.sum())
    assert float(found.hhi) == pytest.approx(1e4 * float((found.share**2).sum()))


def test_residual_supply_and_pivotal_providers() -> None:
    scarce = play(**{"demand.scale": 1.0})
    index = measures.residual_supply_index(scarce)
    chip = 0.25  # Mtok/s of chat a MW
    others = {"ada": chip * (4 + 10 + 5), "bob": chip * (6 + 5 + 5), "cyd": chip * (6 + 5 + 4 + 10)}
    asked = scarce.demand.sel(workload="chat").sum("node")
    for name, supply in others.items():
        np.testing.assert_allclose(index.sel(provider=name, workload="chat"), supply / asked)
    pivotal = measures.pivotal(scarce)
    # Whoever cannot be done without by numbers cannot be done without in the network either.
    assert (pivotal | (index >= 1)).all()
    # In the south, which chat cannot leave or reach, each is pivotal though the index of the whole is not below 1.
    south = scarce.demand.sel(workload="chat", node="south") > chip * 5
    assert (pivotal.sel(provider="cyd", workload="chat") == south).all()
    assert bool((index.sel(provider="cyd", workload="chat") > 1).any())


def test_steps_that_would_not_have_paid_the_price_are_missed_by_nobody() -> None:
    steps = {"name": "stepped_demand", "schedule": [[1.0, None], [0.7, 1e-6]]}
    plain, stepped = play({"regions": "inelastic"}), play({"regions": steps})
    assert stepped.sizes["step"] == 2
    for measure in (
        measures.residual_supply_index,
        measures.local_residual_supply_index,
        measures.shortfall_without,
    ):
        np.testing.assert_allclose(measure(stepped), measure(plain), rtol=1e-9, atol=1e-12)


def test_nobody_is_pivotal_with_plenty_even_where_all_must_be_served() -> None:
    ds = play(**{"demand.scale": 0.2, "market.must_serve": True})
    assert not measures.pivotal(ds).any()
    assert (measures.residual_supply_index(ds) > 1).all()


def test_shared_power_counts_once() -> None:
    ds = play(**{"market.shared_power": True})
    index = measures.residual_supply_index(ds, of="power")
    drawn = (ds.dispatch * xr.DataArray([4.0, 2.5], dims="workload")).sum(
        ["asset", "workload"]
    )  # MW per Mtok/s
    lost = (ds.unserved * xr.DataArray([4.0, 2.5], dims="workload")).sum(["node", "workload"])
    np.testing.assert_allclose(index.sel(provider="cyd"), 25 / (drawn + lost))
    own = play()
    assert (measures.residual_supply_index(ds) <= measures.residual_supply_index(own) + 1e-9).all()
    with pytest.raises(tf.ResultError, match="do not share power"):
        measures.residual_supply_index(own, of="power")


def test_volatility(plain: xr.Dataset) -> None:
    found, price = measures.volatility(plain), plain.price
    np.testing.assert_allclose(found.standard_deviation, price.std("period", ddof=1))
    np.testing.assert_allclose(found.log_return, np.log(price).diff("period").std("period", ddof=1))
    flat = measures.volatility(plain.isel(period=[0]))
    assert np.isnan(flat.standard_deviation).all()


def test_congestion_and_routing_pay_for_the_links(marked: xr.Dataset) -> None:
    found = measures.revenue_adequacy(marked)
    np.testing.assert_allclose(found.coverage, 1.0, rtol=1e-9)
    np.testing.assert_allclose(found.residual, 0.0, atol=1e-6)
    np.testing.assert_allclose(found.routing_income, found.transport_cost, rtol=1e-9)
    assert (found.congestion_income >= -1e-9).all()


def test_the_summary_has_the_variables_of_the_table(marked: xr.Dataset) -> None:
    found = measures.summarise(marked)
    assert {name: found[name].dims for name in found.data_vars} == {
        name: row.dims for name, row in MEASURES.items()
    }
    assert all(found[name].attrs["units"] == MEASURES[name].unit for name in MEASURES)
    parts = ("consumer_surplus_rate", "producer_surplus_rate", "network_surplus_rate")
    assert sum(float(found[name]) for name in parts) == pytest.approx(float(found.welfare_rate))
    np.testing.assert_allclose(found.profit_rate, marked.profit.mean("period"))
    power = measures.market_power(marked)
    assert {name: power[name].dims for name in power.data_vars} == {
        name: row.dims for name, row in MARKET_POWER.items()
    }


def test_what_results_lack_is_told(plain: xr.Dataset) -> None:
    with pytest.raises(tf.ResultError, match=r"lerner needs .*; missing: revenue"):
        measures.lerner(plain.drop_vars("revenue"))
    with pytest.raises(tf.ResultError, match="found str"):
        measures.lerner("run.nc")  # type: ignore[arg-type]
    with pytest.raises(tf.ResultError, match=r"ds.isel\(period=\[0\]\)"):
        measures.lerner(plain.isel(period=0))
    with pytest.raises(tf.ResultError, match="attribute 'scenario'"):
        measures.hhi(plain.drop_attrs())
    with pytest.raises(tf.ResultError, match="not all of their scenario's"):
        measures.hhi(plain.isel(asset=[0, 1]))
