"""What is drawn is what is in the data."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.plot.fake_results import fake_results
from tests.plot.seen import layer, line, outline, words_of
from tokenflow_sim.variables import PRICE_PARTS


def weighted(ds: xr.Dataset, name: str, workload: str) -> np.ndarray:
    """Return the mean over nodes of a price, by period, written apart."""
    chosen = ds.sel(workload=workload)
    return np.asarray((chosen[name] * chosen.demand).sum("node") / chosen.demand.sum("node"))


def legend(figure: Any) -> list[str]:
    (found,) = figure.legends
    return [text.get_text() for text in found.get_texts()]


def test_prices_have_mean_bands_and_peak(day: xr.Dataset) -> None:
    figure = tf.plot.prices(day)
    assert [ax.get_title(loc="left") for ax in figure.axes] == day.workload.values.tolist()
    for ax, name in zip(figure.axes, day.workload.values, strict=True):
        price, mean = day.price.sel(workload=name), weighted(day, "price", name)
        np.testing.assert_allclose(line(ax, name), mean, rtol=1e-12)
        wide, narrow = (outline(area) for area in ax.collections)
        np.testing.assert_allclose(wide, [price.min("node"), price.max("node")])
        np.testing.assert_allclose(narrow, [price.quantile(0.25, "node"), price.quantile(0.75, "node")])
        (mark,) = (each for each in ax.lines if each.get_marker() == "v")
        peak = int(mean.argmax())
        assert (mark.get_xdata()[0], mark.get_ydata()[0]) == (peak + 0.5, mean[peak])
        assert ax.get_title(loc="right").endswith(f"at {peak} h")
        low, high = ax.get_ylim()
        assert low < price.min()
        assert high > price.max()
    assert legend(figure) == ["mean, weighted by demand", "middle half of nodes", "all nodes", "highest mean"]


def test_mean_price_without_any_demand_is_the_plain_mean(day: xr.Dataset) -> None:
    idle = day.assign(demand=day.demand * 0)
    ax = tf.plot.prices(idle, workload="chat").axes[0]
    np.testing.assert_allclose(line(ax, "chat"), day.price.sel(workload="chat").mean("node"))


def test_constant_prices_have_no_peak_and_one_node_has_no_band(day: xr.Dataset) -> None:
    flat = day.assign(price=day.price * 0 + 3.0)
    assert legend(tf.plot.prices(flat)) == ["mean, weighted by demand"]
    assert "highest mean" not in legend(tf.plot.prices(day.isel(period=[5])))
    assert legend(tf.plot.duration(day.isel(node=[2]))) == ["mean, weighted by demand"]


def test_spikes_turn_prices_logarithmic_unless_told(day: xr.Dataset) -> None:
    spiky = day.assign(price=day.price.where(day.period != 7, day.price * 20))
    for draw in (tf.plot.prices, tf.plot.duration):
        assert {ax.get_yscale() for ax in draw(day).axes} == {"linear"}
        assert {ax.get_yscale() for ax in draw(spiky).axes} == {"log"}
        assert {ax.get_yscale() for ax in draw(spiky, log=False).axes} == {"linear"}
        assert "(log)" in draw(day, log=True).axes[0].get_ylabel()
        free = spiky.assign(price=spiky.price.where(spiky.period != 3, 0.0))
        assert {ax.get_yscale() for ax in draw(free).axes} == {"linear"}, "a zero has no logarithm"


def test_a_year_is_thinned_to_days_but_keeps_its_extremes() -> None:
    year = fake_results(periods=8760, nodes=3, classes=1)
    ax = tf.plot.prices(year).axes[0]
    by_day = year.price[:, :, 0].values.reshape(365, -1)
    wide, _ = (outline(area) for area in ax.collections)
    np.testing.assert_allclose(wide, [by_day.min(axis=1), by_day.max(axis=1)])
    assert len(line(ax, "chat")) == 365
    (mark,) = (each for each in ax.lines if each.get_marker() == "v")
    mean = weighted(year, "price", "chat")
    assert mark.get_ydata()[0] == mean.max()
    assert mark.get_xdata()[0] == pytest.approx((mean.argmax() + 0.5) / 24)
    assert "day by day" in ax.get_xlabel()


@pytest.mark.parametrize("results", ["day", "run"])
def test_settlements_stack_up_to_what_demand_pays(results: str, request: pytest.FixtureRequest) -> None:
    ds: xr.Dataset = request.getfixturevalue(results)
    upper, lower = tf.plot.settlements(ds).axes
    scale = {r"[k\$/h]": 1e3, r"[M\$/h]": 1e6}[upper.get_ylabel().split()[-1]]
    np.testing.assert_allclose(
        line(upper, "demand pays") * scale, ds.payment.sum(["node", "workload"]), rtol=1e-9
    )
    earned = ds.revenue.sum("workload").groupby("asset_provider").sum()
    top = np.zeros(ds.sizes["period"])
    for name in [each for each in ds.provider.values if each in earned.asset_provider.values]:
        bottom, above = layer(upper, name)
        np.testing.assert_allclose(bottom, top, atol=1e-9)
        np.testing.assert_allclose(
            (above - bottom) * scale, earned.sel(asset_provider=name), rtol=1e-9, atol=1e-6
        )
        top = above
    assert "residual" not in [area.get_label() for area in upper.collections]
    found = re.fullmatch(r"residual (0|≤ (\S+) of payments)", upper.get_title(loc="right"))
    assert found
    assert found[1] == "0" or float(found[2].replace("\u2212", "-")) < 1e-9
    shown = [area.get_label() for area in lower.collections]
    assert shown == [name for name in ds.owner.values if ds.owner_income.sel(owner=name).sum() > 0]


def test_one_class_settles_on_its_own(run: xr.Dataset) -> None:
    ax = tf.plot.settlements(run.sel(workload="image")).axes[0]
    assert "residual" not in [area.get_label() for area in ax.collections]


def test_money_that_goes_nowhere_is_drawn(day: xr.Dataset) -> None:
    leaky = day.assign(revenue=day.revenue * 0.9)
    figure = tf.plot.settlements(leaky)
    bottom, top = layer(figure.axes[0], "residual")
    lost = 0.1 * day.revenue.sum(["asset", "workload"]).values
    np.testing.assert_allclose((top - bottom) * 1e3, lost, rtol=1e-6)
    assert "residual" in legend(figure)


def test_money_is_by_the_hour_whatever_the_period_and_by_the_period_where_it_is_unknown() -> None:
    quarter = fake_results(periods=4, nodes=3, hours=0.25)
    ax = tf.plot.settlements(quarter).axes[0]
    paid = quarter.payment.sum(["node", "workload"]).values
    assert ax.get_ylabel() == r"Money flow [k\$/h]"
    np.testing.assert_allclose(line(ax, "demand pays"), paid * 4 / 1e3)
    unknown = quarter.copy()
    unknown.attrs = {}
    ax = tf.plot.settlements(unknown).axes[0]
    assert "/period" in ax.get_ylabel()
    assert tf.plot.settlements(unknown).axes[1].get_xlabel() == "Period"
    unknown.attrs = {"hours": 0.25, "scenario": "hours: 9.0"}
    np.testing.assert_allclose(line(tf.plot.settlements(unknown).axes[0], "demand pays"), paid * 4 / 1e3)


@pytest.mark.parametrize("results", ["day", "run"])
@pytest.mark.parametrize("by", ["provider", "node"])
def test_dispatch_and_unserved_make_up_demand(by: str, results: str, request: pytest.FixtureRequest) -> None:
    ds: xr.Dataset = request.getfixturevalue(results)
    figure = tf.plot.dispatch(ds, by=by)
    groups = ds.dispatch.groupby(f"asset_{by}").sum()
    for ax, name in zip(figure.axes, ds.workload.values, strict=True):
        demand = ds.demand.sel(workload=name).sum("node")
        np.testing.assert_allclose(line(ax, "demand"), demand, rtol=1e-9)
        tops, total = [area.get_label() for area in ax.collections], np.zeros(ds.sizes["period"])
        named = [label for label in tops if label in groups[f"asset_{by}"].values]
        assert len(named) >= 3
        for label in tops:
            bottom, top = layer(ax, label) if label != "unserved" else (total, total)
            np.testing.assert_allclose(bottom, total, atol=1e-6 * float(demand.max()))
            if label in named:
                wanted = groups.sel({f"asset_{by}": label, "workload": name})
                np.testing.assert_allclose(top - bottom, wanted, atol=1e-6 * float(demand.max()))
            total = top
        lost = ds.unserved.sel(workload=name).sum("node").values
        np.testing.assert_allclose(total + lost, demand, rtol=1e-6)


def test_unserved_demand_lies_on_top_and_is_told(day: xr.Dataset) -> None:
    figure = tf.plot.dispatch(day, workload="chat")
    (ax,) = figure.axes
    (area,) = (each for each in ax.collections if each.get_label() == "unserved")
    top = max(path.vertices[:, 1].max() for path in area.get_paths())
    assert top == pytest.approx(float(day.demand.sel(workload="chat").sum("node").max()))
    share = float(day.unserved.sel(workload="chat").sum() / day.demand.sel(workload="chat").sum())
    assert ax.get_title(loc="right") == f"{100 * share:.1f} % unserved"
    assert "unserved" in legend(figure)
    served = day.assign(unserved=day.unserved * 0 + 1e-15)
    assert "unserved" not in legend(tf.plot.dispatch(served)), "a solver's zero is a zero"


def test_many_assets_are_taken_together_without_losing_any(week: xr.Dataset) -> None:
    figure = tf.plot.dispatch(week.isel(period=slice(0, 12)), by="asset", workload="image")
    (ax,) = figure.axes
    labels = [area.get_label() for area in ax.collections]
    (others,) = (label for label in labels if "other assets" in label)
    named = [label for label in labels if label != others and label != "unserved"]
    assert int(others.split()[0]) + len(named) == week.sizes["asset"]
    output = week.dispatch.sel(workload="image")[:12]
    np.testing.assert_allclose(layer(ax, others)[1], output.sum("asset"))
    largest = output.sum("period").sortby(output.sum("period"), ascending=False).asset.values[: len(named)]
    assert set(named) == set(largest)


def test_utilisation_maps_shares_and_counts_congested_periods(day: xr.Dataset) -> None:
    figure = tf.plot.utilisation(day)
    links, assets, bar = figure.axes
    rows = [label.get_text() for label in links.get_yticklabels()]
    mean = day.link_use_share.mean("period")
    order = mean.argsort().values[::-1]
    assert rows == [f"{day.origin.values[i]} → {day.destination.values[i]}" for i in order]
    drawn = np.asarray(links.collections[0].get_array())
    np.testing.assert_allclose(drawn, 100 * day.link_use_share.values[:, order].T)
    full = (day.link_use_share >= 1) & (day.congestion_rent > 0)
    counts = full.sum("period").values[order]
    assert [int(text.get_text()) for text in links.texts] == counts[counts > 0].tolist()
    assert counts.any()
    marked = [each for each in links.lines if each.get_linewidth() == 2.0]
    hours = [int(np.isfinite(each.get_ydata()).sum() / 2) for each in marked]
    assert hours == counts[counts > 0].tolist()
    assert bar.get_xlabel() == "Share in use [%]"
    nodes = [label.get_text() for label in assets.get_yticklabels()]
    share = day.dispatch.groupby("asset_node").sum().sum("period") / day.offer_quantity.groupby(
        "asset_node"
    ).sum().sum("period")
    wanted = share.sel(asset_node=nodes, workload=day.workload).transpose("asset_node", "workload")
    np.testing.assert_allclose(np.asarray(assets.collections[0].get_array()), 100 * wanted)
    assert [text.get_text() for text in assets.texts] == [f"{v:.0f}" for v in 100 * wanted.values.ravel()]


def test_full_links_that_earn_no_rent_are_not_congested(day: xr.Dataset) -> None:
    free = day.assign(congestion_rent=day.congestion_rent * 0)
    figure = tf.plot.utilisation(free)
    assert list(figure.axes[0].texts) == []
    assert figure.legends == []


def test_utilisation_without_links_or_with_idle_ones() -> None:
    alone = fake_results(periods=3, nodes=1)
    assert alone.sizes["arc"] == 0
    assert [ax.get_title(loc="left") for ax in tf.plot.utilisation(alone).axes] == ["Nodes [% of offer]"]
    some = fake_results(periods=12, nodes=4)
    idle = some.assign(link_use_share=some.link_use_share * 0)
    assert "no link was used" in [word.text for word in words_of(tf.plot.utilisation(idle))]
    idle = some.assign(link_use_share=some.link_use_share.where(some.arc == some.arc[2], 0.0))
    assert (
        tf.plot.utilisation(idle).axes[0].get_title(loc="left")
        == f"Links, the 1 most used of all {some.sizes['arc']}"
    )
    unoffered = some.assign(offer_quantity=some.offer_quantity * 0)
    assert {text.get_text() for text in tf.plot.utilisation(unoffered).axes[1].texts} == {""}


@pytest.mark.parametrize("results", ["day", "run"])
@pytest.mark.parametrize("node", [None, "dallas"])
def test_the_parts_of_a_price_stack_up_to_it(
    node: str | None, results: str, request: pytest.FixtureRequest
) -> None:
    ds: xr.Dataset = request.getfixturevalue(results)
    figure = tf.plot.decomposition(ds, node)
    label = "price, mean weighted by demand" if node is None else "price at dallas"
    assert set(legend(figure)) == {label, *PRICE_PARTS}  # in rows, column by column
    has_network = len(figure.axes) > ds.sizes["workload"]
    assert has_network == (node is None or results == "day"), "a hub of the run serves itself"
    above, lower = (figure.axes[0::2], figure.axes[1::2]) if has_network else (figure.axes, figure.axes)
    for ax, below, name in zip(above, lower, ds.workload.values, strict=True):
        chosen = ds.sel(workload=name)
        price = weighted(ds, "price", name) if node is None else chosen.price.sel(node=node).values
        np.testing.assert_allclose(line(ax, label), price, rtol=1e-9)
        vertices = np.concatenate(
            [path.vertices[:, 1] for area in ax.collections for path in area.get_paths()]
        )
        assert vertices.max() == pytest.approx(price.max(), rel=1e-9)
        bottom, top = layer(ax, "energy")
        energy = (
            weighted(ds, "price_energy", name) if node is None else chosen.price_energy.sel(node=node).values
        )
        np.testing.assert_allclose(top - bottom, energy, rtol=1e-9)
        assert ax.get_ylim()[0] == 0
        if not has_network:
            continue
        assert below.get_ylabel() in ("", "Network\n[\\$/Mtok]")
        alone = [area for area in below.collections if area.get_label() == "routing"]
        largest = max((path.vertices[:, 1].max() for area in alone for path in area.get_paths()), default=0.0)
        routing = weighted(ds, "price_routing", name) if node is None else chosen.price_routing.sel(node=node)
        assert largest == pytest.approx(float(routing.max()), abs=1e-12)


def test_results_that_know_offers_alone_have_the_offer_in_one_piece(day: xr.Dataset) -> None:
    """Results of early versions, and a clearing: neither tells true cost from mark-up."""
    old = day.drop_vars(["price_running", "price_markup"])
    offer = day.price_energy + day.price_running + day.price_markup
    old["price_energy"] = offer.assign_attrs(units="$/Mtok", long_name="energy part of the price")
    figure = tf.plot.decomposition(old)
    assert legend(figure)[1:] == ["offer", "scarcity", "routing", "congestion"]
    bottom, top = layer(figure.axes[0], "offer")
    chosen = weighted(old, "price_energy", str(day.workload.values[0]))
    np.testing.assert_allclose(top - bottom, chosen, rtol=1e-9)
    clearing = tf.clear(tf.load_scenario("us5").market())
    assert legend(tf.plot.decomposition(clearing))[1:] == ["offer", "scarcity", "routing", "congestion"]
    torn = day.drop_vars("price_markup")
    assert "decomposition" not in tf.plot.figures(torn)
    with pytest.raises(tf.ResultError, match="missing: price_markup"):
        tf.plot.decomposition(torn)


def test_a_negative_part_is_stacked_downwards(day: xr.Dataset) -> None:
    shed = day.assign(
        price_congestion=day.price_congestion * 0 - 0.01, price=day.price - day.price_congestion - 0.01
    )
    ax = tf.plot.decomposition(shed, workload="chat").axes[0]
    lower, upper = layer(ax, "congestion")
    np.testing.assert_allclose(lower, 0.0)
    np.testing.assert_allclose(upper, -0.01)
    assert ax.get_ylim()[0] < -0.01


def test_duration_curves_are_sorted_prices(day: xr.Dataset) -> None:
    figure = tf.plot.duration(day)
    for ax, name in zip(figure.axes, day.workload.values, strict=True):
        np.testing.assert_allclose(line(ax, name), np.sort(weighted(day, "price", name))[::-1])
        curves = np.sort(day.price.sel(workload=name).values, axis=0)[::-1]
        wide, _ = (outline(area) for area in ax.collections)
        np.testing.assert_allclose(wide, [curves.min(axis=1), curves.max(axis=1)])
        assert ax.get_xlim() == (0, 100)


def test_duration_of_a_year_ends_at_the_highest_and_lowest_price() -> None:
    year = fake_results(periods=3000, nodes=2, classes=1)
    drawn = line(tf.plot.duration(year).axes[0], "chat")
    mean = np.sort(weighted(year, "price", "chat"))[::-1]
    assert (drawn[0], drawn[-1]) == (mean[0], mean[-1])
    assert len(drawn) <= 400
    assert np.isin(drawn, mean).all()


@pytest.mark.parametrize("results", ["day", "run"])
def test_profits_by_period_and_summed_up(results: str, request: pytest.FixtureRequest) -> None:
    ds: xr.Dataset = request.getfixturevalue(results)
    left, right = tf.plot.profits(ds).axes
    size = {"[k$]": 1e3, "[M$]": 1e6}
    units = [size[ax.get_ylabel().replace("\\", "").replace("/h", "").split()[-1]] for ax in (left, right)]
    for name in ds.provider.values:
        profit = ds.profit.sel(provider=name).values
        np.testing.assert_allclose(line(left, name) * units[0], profit, atol=1e-6)
        (summed,) = (each for each in right.lines if each.get_label() == name)
        np.testing.assert_allclose(
            np.asarray(summed.get_ydata()) * units[1], [0, *np.cumsum(profit)], atol=1e-6
        )
        assert len(summed.get_xdata()) == ds.sizes["period"] + 1


def test_losses_are_drawn_below_a_line_at_zero(day: xr.Dataset) -> None:
    for ax in tf.plot.profits(day.assign(profit=-abs(day.profit))).axes:
        assert ax.get_ylim()[0] < 0 < ax.get_ylim()[1]
        assert any(list(each.get_ydata()) == [0.0, 0.0] for each in ax.lines)


def test_many_providers_are_drawn_but_only_the_largest_named() -> None:
    ds = fake_results(periods=6, nodes=40, providers=20)
    figure = tf.plot.profits(ds)
    names = legend(figure)
    assert "12 other providers" in names
    assert len(names) == 9
    lines = [each.get_label() for each in figure.axes[1].lines]
    assert lines.count("12 other providers") == 12
    largest = ds.profit.mean("period").sortby(ds.profit.mean("period"), ascending=False).provider.values[:8]
    assert set(names) - {"12 other providers"} == set(largest)


def test_unserved_demand_over_time_and_by_node(day: xr.Dataset) -> None:
    left, right = tf.plot.unserved(day).axes
    for name in day.workload.values:
        chosen = day.sel(workload=name)
        np.testing.assert_allclose(
            line(left, name), 100 * chosen.unserved.sum("node") / chosen.demand.sum("node"), atol=1e-9
        )
    nodes = [label.get_text() for label in right.get_yticklabels()]
    share = day.unserved.sum("period") / day.demand.sum("period")
    assert nodes == share.sum("workload").sortby(share.sum("workload"), ascending=False).node.values.tolist()
    np.testing.assert_allclose(np.asarray(right.collections[0].get_array()), 100 * share.sel(node=nodes))
    assert left.get_ylim()[0] == 0


def test_where_all_is_served_the_figure_says_so(day: xr.Dataset) -> None:
    figure = tf.plot.unserved(day.assign(unserved=day.unserved * 0 + 1e-14))
    assert [word.text for word in words_of(figure)].count("all demand was served") == 1
    assert list(figure.axes[0].lines) == []


def test_the_part_of_further_limits_is_stacked_up_to_the_price() -> None:
    model = tf.TokenMarket("us5", periods=2, rng=1, overrides={"nodes.dallas.grid_mw": 10.0})
    model.run()
    ds = model.results()
    assert float(ds.price_limits.max()) > 0.01
    figure = tf.plot.decomposition(ds)
    assert "limits" in legend(figure)
    tall = len(figure.axes) // ds.sizes["workload"]  # with a panel of the network, or without
    for ax, name in zip(figure.axes[::tall], ds.workload.values, strict=True):
        price = weighted(ds, "price", name)
        areas = [path.vertices[:, 1] for area in ax.collections for path in area.get_paths()]
        assert np.concatenate(areas).max() == pytest.approx(price.max(), rel=1e-9)
        if not weighted(ds, "price_limits", name).any():
            continue
        bottom, top = layer(ax, "limits")
        np.testing.assert_allclose(top - bottom, weighted(ds, "price_limits", name), atol=1e-12)
