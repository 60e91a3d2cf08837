"""Offers, supply and demand, links, sites, backlog: what is drawn is what is in the data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

import tokenflow_sim as tf
from tests.plot.seen import layer, line, words_of
from tokenflow_sim.plot.gallery.residual_demand import supply_curve
from tokenflow_sim.results.single import results_of
from tokenflow_sim.results.site_use import site_use
from tokenflow_sim.variables import BACKLOG, RESULTS


@pytest.fixture(scope="module")
def clearing() -> tf.Clearing:
    return tf.clear(tf.load_scenario("us5").market())


def bars(ax: Any) -> list[Rectangle]:
    return [patch for patch in ax.patches if isinstance(patch, Rectangle)]


def test_the_merit_order_rises_and_clears_where_demand_meets_the_price(run: xr.Dataset) -> None:
    (ax,) = tf.plot.merit_order(run, "dallas", "batch", period=12).axes
    now = run.sel(period=12, workload="batch")
    used = [bar for bar in bars(ax) if bar.get_gid() == "used"]
    heights = [bar.get_height() for bar in bars(ax)]
    assert heights == sorted(heights)
    own = now.dispatch.values[run.asset_node.values == "dallas"].sum()
    sent = now.flow.values[run.origin.values == "dallas"].sum()
    received = now.flow.values[run.destination.values == "dallas"].sum()
    demand = now.demand.sel(node="dallas").item() - now.unserved.sel(node="dallas").item()
    assert sum(bar.get_width() for bar in used) == pytest.approx(own + sent)
    assert own + sent == pytest.approx(demand + received), "the balance of the node"
    (point,) = (each for each in ax.lines if each.get_label() == "clearing point")
    price = now.price.sel(node="dallas").item()
    assert (point.get_xdata()[0], point.get_ydata()[0]) == (pytest.approx(own + sent), price)
    assert all(bar.get_height() <= price * (1 + 1e-9) for bar in used), (
        "nothing dearer than the price is used"
    )
    idle = [bar for bar in bars(ax) if bar.get_gid() == "idle"]
    assert idle
    assert all(bar.get_height() >= price * (1 - 1e-9) for bar in idle), "nothing cheaper is left"


def test_what_a_node_sends_stands_at_the_price_there(clearing: tf.Clearing) -> None:
    (ax,) = tf.plot.merit_order(clearing, "silicon_valley", "chat").axes
    flow = clearing.flow.sel(workload="chat")
    sent = flow[(flow.origin == "silicon_valley") & (flow > 0)]
    drawn = {
        bar.get_label(): (bar.get_width(), bar.get_height()) for bar in bars(ax) if bar.get_gid() == "used"
    }
    wanted = {
        str(there): (float(amount), clearing.price.sel(node=there, workload="chat").item())
        for there, amount in zip(sent.destination.values, sent.values, strict=True)
    }
    assert {name: drawn[name] for name in wanted} == wanted
    assert "sent away" in ax.get_xlabel()


def test_the_merit_order_draws_blocks_one_by_one() -> None:
    def array(values: Any, **dims: Any) -> xr.DataArray:
        return xr.DataArray(values, {**dims, "workload": ["chat"]}, dims=(*dims, "workload"))

    price = (
        array([[1.0], [4.0]], block=[0, 1]).expand_dims(asset=["a"]).transpose("asset", "workload", "block")
    )
    market = tf.Market(
        offer_price=price, capacity=price * 0 + 2.0, demand=array([[3.0]], node=["here"]), asset_node="here"
    )
    clearing = tf.clear(market)
    (ax,) = tf.plot.merit_order(clearing).axes
    drawn = [(bar.get_height(), bar.get_width(), bar.get_gid()) for bar in bars(ax)]
    assert drawn == [(1.0, 2.0, "used"), (4.0, 1.0, "used"), (4.0, 1.0, "idle")]
    ds = results_of(clearing)
    (table,) = (ax.collections[0] for ax in tf.plot.sites(ds).axes[1:2])
    np.testing.assert_allclose(np.asarray(table.get_array()), [[75.0]])


def test_a_clearing_is_drawn_like_a_run_of_one_period(clearing: tf.Clearing) -> None:
    model = tf.TokenMarket("us5", rng=1, periods=1)
    model.run()
    ran, single = model.results(), results_of(clearing)
    for name in single.data_vars:
        if name == "certificate":
            continue
        np.testing.assert_allclose(single[name], ran[name], rtol=1e-9, atol=1e-9, err_msg=str(name))
        assert single[name].dims == ran[name].dims
        # A market knows no true costs: what a run splits into electricity, running cost and mark-up is one offer.
        assert name == "price_energy" or single[name].attrs == ran[name].attrs
    assert single.price_energy.attrs["long_name"].startswith("offer")
    unknown = {"service_value", "cost", "profit", "welfare", "price_running", "price_markup"}
    assert set(RESULTS) - set(single) == unknown
    assert "prices" in tf.plot.figures(clearing)
    assert tf.plot.prices(clearing, workload="chat").axes


def test_supply_is_cumulated_and_residual_demand_is_what_others_leave(run: xr.Dataset) -> None:
    (ax,) = tf.plot.residual_demand(run, "atlas", "image", period=12).axes
    now = run.sel(period=12, workload="image")
    own = run.asset_provider.values == "atlas"
    spent = run.power_rent.sel(period=12).values > 0
    offered = np.where(spent, now.dispatch.values, now.offer_quantity.values)
    supply, residual = (
        next(each for each in ax.lines if each.get_label() == name) for name in ("supply", "residual demand")
    )
    assert supply.get_xdata().max() == pytest.approx(offered[own].sum())
    assert residual.get_xdata()[0] == pytest.approx(float(now.demand.sum()))
    # Offers at one price make several corners, of which the last counts.
    corners = dict(
        zip(residual.get_ydata()[1::2].tolist(), residual.get_xdata()[2::2].tolist(), strict=False)
    )
    assert len(corners) > 10
    for price, left in corners.items():
        others = offered[~own & (now.offer_price.values <= price)].sum()
        assert left == pytest.approx(max(float(now.demand.sum()) - others, 0.0), abs=1e-6)
    (point,) = (each for each in ax.lines if each.get_marker() == "o")
    assert point.get_xdata()[0] == pytest.approx(now.dispatch.values[own].sum())
    with pytest.raises(tf.ResultError, match="unknown provider 'atlass'; known providers: atlas"):
        tf.plot.residual_demand(run, "atlass")


def test_a_supply_curve_has_a_corner_at_each_price() -> None:
    reached, price = supply_curve(np.array([[2.0], [1.0], [9.0]]), np.array([[1.0], [3.0], [5.0]]), 4.0)
    assert reached.tolist() == [0, 0, 3, 3, 4, 4]
    assert price.tolist() == [0, 1, 1, 2, 2, 4]


def test_offers_and_markups_of_what_was_dispatched() -> None:
    model = tf.TokenMarket(
        "us5", rng=1, periods=2, strategies={"dallas_dc": {"name": "fixed_markup", "markup": 0.1}}
    )
    model.run()
    ds = model.results()
    figure = tf.plot.offers(ds)
    left, right = figure.axes[2:4]
    assert left.get_title(loc="left") == "image: offers"
    np.testing.assert_allclose(line(right, "dallas_dc"), 10.0)
    np.testing.assert_allclose(line(right, "seattle_dc"), 0.0, atol=1e-9)
    wanted = ds.offer_price.sel(workload="image", asset=ds.asset[ds.asset_provider == "dallas_dc"]).squeeze(
        "asset"
    )
    np.testing.assert_allclose(line(left, "dallas_dc"), wanted)
    assert np.isnan(line(figure.axes[1], "silicon_valley_dc")).all(), "what is not dispatched has no mark-up"


def test_links_are_ranked_with_range_and_time_full(day: xr.Dataset) -> None:
    (ax,) = tf.plot.links(day).axes
    mean = day.link_use_share.mean("period")
    order = mean.argsort().values[::-1]
    np.testing.assert_allclose([bar.get_width() for bar in bars(ax)], 100 * mean.values[order])
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == [f"{day.origin.values[i]} → {day.destination.values[i]}" for i in order]
    low, high = day.link_use_share.min("period").values, day.link_use_share.max("period").values
    spans = [each.get_xdata() for each in ax.lines]
    np.testing.assert_allclose(spans, 100 * np.column_stack([low, high])[order])
    full = (day.link_use_share >= 1).mean("period").values[order]
    assert len(ax.texts) == np.count_nonzero(full)
    idle = day.assign(link_use_share=day.link_use_share * 0)
    assert "no link was used" in [word.text for word in words_of(tf.plot.links(idle))]


def test_shares_of_power_add_up_over_the_classes_that_share_it(run: xr.Dataset) -> None:
    from tokenflow_sim.plot.registry import Results

    use = site_use(Results(run, (), "sites"))
    market = tf.load_scenario("us20_oligopoly_v1").market()
    drawn = (run.dispatch.mean("period") * market.power_use).sum("workload").groupby("asset_node").sum()
    limit = market.power_limit.groupby("asset_node").sum()
    wanted = (drawn / limit).sel(asset_node=use.nodes)
    assert use.of_power
    np.testing.assert_allclose(use.share[:, -1], wanted, rtol=1e-9)
    np.testing.assert_allclose(use.share[:, :-1].sum(axis=1), use.share[:, -1])
    assert use.share.max() <= 1 + 1e-9
    busiest = [use.nodes[i] for i in use.busiest]
    assert busiest == wanted.sortby(wanted, ascending=False).asset_node.values.tolist()
    table = tf.plot.utilisation(run).axes[1]
    assert [label.get_text() for label in table.get_yticklabels()] == busiest
    assert table.get_title(loc="left") == "Nodes [% of power]"
    assert [label.get_text() for label in table.get_xticklabels()][-1] == "all"


def test_sites_tell_processing_and_use(day: xr.Dataset) -> None:
    left, _ = tf.plot.sites(day).axes
    output = day.dispatch.mean("period").groupby("asset_node").sum()
    order = output.sum("workload").sortby(output.sum("workload"), ascending=False).asset_node.values.tolist()
    assert [label.get_text() for label in left.get_yticklabels()] == order
    told = np.array([float(text.get_text().replace(",", "")) for text in left.texts])
    wanted = (
        output.sel(asset_node=order, workload=day.workload).transpose("asset_node", "workload").values.ravel()
    )
    np.testing.assert_allclose(told, wanted, rtol=5e-3)
    assert left.get_title(loc="left") == "Processing [Mtok/s]"


@pytest.fixture(scope="module")
def waiting(day: xr.Dataset) -> xr.Dataset:
    work = xr.zeros_like(day.demand)
    work.loc[{"workload": "batch"}] = np.arange(24.0)[:, None] * 2000
    return day.assign(
        backlog=work.assign_attrs(BACKLOG["backlog"].attrs()),
        shed=(work * 0.5).assign_attrs(BACKLOG["shed"].attrs()),
    )


def test_backlog_and_what_is_lost(waiting: xr.Dataset, day: xr.Dataset) -> None:
    above, middle, below = tf.plot.backlog(waiting).axes
    assert above.get_ylabel() == "Work [Gtok]"
    assert [area.get_label() for area in above.collections] == ["batch"]
    np.testing.assert_allclose(layer(above, "batch")[1] * 1e3, waiting.backlog.sum(["node", "workload"]))
    np.testing.assert_allclose(layer(middle, "batch")[1] * 3600, waiting.shed.sum(["node", "workload"]))
    tops = [path.vertices[:, 1].max() for area in below.collections for path in area.get_paths()]
    assert max(tops) == pytest.approx(float(waiting.unserved.sum(["node", "workload"]).max()))
    assert "backlog" not in tf.plot.figures(day)
    idle = waiting.assign(backlog=waiting.backlog * 0, shed=waiting.shed * 0)
    assert {"no work waits", "no work was shed"} <= {word.text for word in words_of(tf.plot.backlog(idle))}


def test_price_changes_are_ranked_and_told_in_per_cent(day: xr.Dataset) -> None:
    dearer = day.assign(price=day.price.where(day.node != "seattle", day.price * 2))
    (ax,) = tf.plot.price_change(dearer, day, "code").axes
    assert ax.get_yticklabels()[0].get_text() == "seattle"
    assert [text.get_text() for text in ax.texts] == ["+100 %", "0 %", "0 %", "0 %", "0 %"]
    old, new = np.split(np.array([bar.get_width() for bar in bars(ax)]), 2)
    mean = day.price.sel(workload="code").mean("period")
    assert (old[0], new[0]) == (pytest.approx(mean.sel(node="seattle").item()), pytest.approx(2 * old[0]))
    with pytest.raises(tf.ResultError, match="price_change needs nodes that both results have"):
        tf.plot.price_change(day, day.assign_coords(node=list("abcde")))
    assert "price_change" not in tf.plot.figures(day)


def test_peaks_are_cut_off_and_told(day: xr.Dataset) -> None:
    peak = day.period[int(day.profit.max("provider").argmax("period"))]
    spiky = day.assign(profit=day.profit.where(day.period != peak, day.profit * 40))
    left = tf.plot.profits(spiky).axes[0]
    (told,) = left.texts
    assert told.get_text().startswith("▲ ")
    height = float(told.get_text().split()[1].replace(",", ""))
    drawn = max(float(np.nanmax(each.get_ydata())) for each in left.lines)
    assert height == pytest.approx(drawn, rel=0.01)
    assert left.get_ylim()[1] < height / 5
    whole = tf.plot.profits(spiky, cut=False).axes[0]
    assert list(whole.texts) == []
    assert whole.get_ylim()[1] >= drawn
    assert list(tf.plot.profits(day, cut=None).axes[0].texts) == []


def test_classes_and_nodes_that_were_served_are_named_as_such(day: xr.Dataset) -> None:
    lost = day.unserved.where((day.workload == "batch") & (day.node == "dallas"), 0.0)
    left, right = tf.plot.unserved(day.assign(unserved=lost)).axes
    assert [each.get_label() for each in left.lines] == ["batch"]
    assert left.get_title(loc="right") == "all served: chat, image, code"
    assert [label.get_text() for label in right.get_yticklabels()] == ["dallas"]
    assert right.get_xlabel() == "4 other nodes: all served"


def test_a_column_that_is_cut_off_keeps_the_shares_of_its_parts(day: xr.Dataset) -> None:
    money = ("revenue", "payment", "link_income")
    where = int(day["payment"].sum(("node", "workload")).values.argmax())
    times = xr.where(day["period"] == day["period"][where], 60.0, 1.0)
    spiky = day.assign({name: day[name] * times for name in money})

    def heights(ds: xr.Dataset) -> tuple[np.ndarray, Axes]:
        ax = tf.plot.settlements(ds).axes[0]
        lines = [layer.get_paths()[0].vertices for layer in ax.collections]
        at = [
            line[np.abs(line[:, 0] - np.unique(line[:, 0])[where : where + 2].mean()) < 0.51, 1]
            for line in lines
        ]
        return np.array([np.unique(np.round(each, 9))[-1] for each in at]), ax

    whole, _ = heights(day)
    cut, ax = heights(spiky)
    assert [text.get_text()[0] for text in ax.texts] == ["\u25b2"]
    assert cut / cut[-1] == pytest.approx(whole / whole[-1], rel=1e-6)
    assert cut[-1] == pytest.approx(ax.get_ylim()[1], rel=1e-6)
