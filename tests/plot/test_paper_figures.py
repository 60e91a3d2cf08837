"""The paper's four figures from our numbers."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from matplotlib.patches import Rectangle

from tests.plot.seen import outside, overlaps, words_of
from tokenflow_sim.plot.paper import FIGURES, figure2, figure3, figure4
from tokenflow_sim.study.paper import figures
from tokenflow_sim.study.paper.cases import Cases


@pytest.fixture(scope="module")
def data() -> dict[str, xr.Dataset]:
    five = Cases("us5")
    return {
        "figure1": figures.dispatch_map(Cases("us20")),
        "figure2": figures.dispatch_map(five),
        "figure3": five.sweep([1.0, 10.0, 35.0, 40.0, 45.0]),
        "figure4": figures.bottlenecks(five),
    }


@pytest.mark.parametrize("name", FIGURES)
def test_words_are_apart_and_inside(name: str, data: dict[str, xr.Dataset]) -> None:
    figure = FIGURES[name](data[name])
    words = words_of(figure)
    assert overlaps(words) == []
    assert outside(words, figure) == []
    assert min(word.points for word in words) >= 6.0
    nodes = set(data[name].coords["node"].values.tolist())
    if name != "figure3":
        assert nodes <= {part for word in words for part in word.text.split("\n")}


def test_figure_2_tells_that_silicon_valley_is_priced_out(data: dict[str, xr.Dataset]) -> None:
    _, centre, right = figure2(data["figure2"]).axes
    rows = [label.get_text() for label in centre.get_yticklabels()]
    assert rows[2] == "silicon_valley\n(0.18)"
    told = [text.get_text() for text in centre.texts]
    assert told[8:12] == ["0"] * 4
    shares = np.asarray(right.collections[0].get_array())
    np.testing.assert_allclose(shares, 100 * data["figure2"].utilisation)
    assert shares[4, 1:].tolist() == pytest.approx([100] * 3), "Seattle is full but for chat"


def test_figure_3_has_the_prices_the_cost_and_both_counts(data: dict[str, xr.Dataset]) -> None:
    ds = data["figure3"]
    left, right, counts = figure3(ds).axes
    assert left.get_yscale() == "log"
    for line, name in zip(left.lines, ds.workload.values, strict=True):
        assert line.get_label() == name
        np.testing.assert_allclose(line.get_ydata(), ds.mean_price.sel(workload=name))
    np.testing.assert_allclose(np.asarray(right.lines[0].get_ydata()) * 1e3, ds.total_cost)
    assert right.get_ylabel() == "Total operating cost [k\\$/h]"
    scarce, congested = counts.lines
    assert list(scarce.get_ydata()) == ds.scarce_pairs.values.tolist()
    assert list(congested.get_ydata()) == [0, 1, 1, 1, 1]


def test_figure_4_has_four_full_links_and_the_rise_at_silicon_valley(data: dict[str, xr.Dataset]) -> None:
    left, right = figure4(data["figure4"]).axes
    share = data["figure4"].link_use_share.values
    widths = [patch.get_width() for patch in left.patches if isinstance(patch, Rectangle)]
    np.testing.assert_allclose(widths, 100 * np.sort(share[share > 0])[::-1])
    assert left.get_title(loc="right") == "4 full"
    assert "+117 %" in [text.get_text() for text in right.texts]
