"""What markets and clearings show in a notebook."""

from __future__ import annotations

from html.parser import HTMLParser

import numpy as np
import xarray as xr

import tokenflow_sim as tf


class Cells(HTMLParser):
    """Collects the rows of tables, and checks that tags are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self.open[-1] in ("td", "th"):
            self.rows[-1].append(data)


def market(nodes: int = 3) -> tf.Market:
    names = ["<b>one</b>", *(f"n{i}" for i in range(1, nodes))]
    dims = {"asset": names, "workload": ["chat"]}
    price = xr.DataArray(np.arange(1.0, nodes + 1)[:, None], dims, dims=("asset", "workload"))
    return tf.Market(
        offer_price=price,
        capacity=price * 0 + 2.0,
        demand=xr.DataArray(
            np.ones((nodes, 1)), {"node": names, "workload": ["chat"]}, dims=("node", "workload")
        ),
        asset_node=names,
    )


def test_a_market_shows_its_arrays_with_dims_ranges_and_units() -> None:
    shown = Cells(market()._repr_html_())
    rows = {row[0]: row[1:] for row in shown.rows}
    assert rows["offer_price"] == ["asset: 3, workload: 1", "1 to 3", "$/Mtok"]
    assert rows["value"] == ["node: 3, workload: 1", "all infinite", "$/Mtok"]
    assert any("demand 3 Mtok/s" in word for word in shown.words)


def test_a_clearing_shows_the_dearest_nodes_first_and_says_what_it_leaves_out() -> None:
    shown = Cells(tf.clear(market(15))._repr_html_())
    assert shown.rows[0] == ["node", "chat"]
    assert [row[0] for row in shown.rows[1:]] == [f"n{i}" for i in range(14, 2, -1)]
    assert shown.rows[1][1] == "15"
    assert "... and 3 more" in shown.words
    assert any("432,000.00 $/h" in word for word in shown.words)  # 1 + ... + 15 $/s


def test_names_are_text_and_never_tags() -> None:
    for text in (market()._repr_html_(), tf.clear(market())._repr_html_()):
        assert "<b>one</b>" not in text
        assert any("<b>one</b>" in word for word in Cells(text).words)


def test_a_scenario_shows_providers_and_classes() -> None:
    scenario = tf.load_scenario("us5").override({"market.must_serve": True})
    rows = Cells(scenario._repr_html_()).rows
    firms = {row[0]: row[1:] for row in rows}
    assert set(scenario.providers) | set(scenario.workloads) <= set(firms)
    assert firms["chat"] == ["100", "0.5", "must serve"]
    assert firms["image"][0] == "none"
    name = next(iter(scenario.providers))
    assert firms[name][:2] == [
        scenario.providers[name].strategy.name,
        str(len(scenario.providers[name].assets)),
    ]
