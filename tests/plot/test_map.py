"""Maps: where nodes stand, what pies and curves say, what is told where places are missing."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import xarray as xr
from matplotlib.patches import FancyArrowPatch, Wedge

import tokenflow_sim as tf
from tests.plot.places import placed
from tests.plot.seen import overlaps, words_of
from tokenflow_sim.plot.geography import chart, coordinates, state_outlines
from tokenflow_sim.scenario.geography import haversine


def test_the_projection_keeps_areas_and_nearly_distances() -> None:
    cities = {"seattle": (47.61, -122.33), "miami": (25.76, -80.19), "dallas": (32.78, -96.80)}
    here = chart(xr.Dataset(), list(cities), "the map", cities)
    for i, j in ((0, 1), (1, 2), (0, 2)):
        one, other = (list(cities.values())[k] for k in (i, j))
        km = float(haversine(one[0], one[1], other[0], other[1]))
        assert np.hypot(here.x[i] - here.x[j], here.y[i] - here.y[j]) == pytest.approx(km, rel=0.02)
    # Colorado is bounded by meridians and parallels: R^2 dlambda (sin phi_2 - sin phi_1), here 269 thousand km^2.
    rim = [(37 + t, -109.05) for t in np.linspace(0, 4, 50)] + [
        (41, -109.05 + t) for t in np.linspace(0, 7, 50)
    ]
    rim += [(41 - t, -102.05) for t in np.linspace(0, 4, 50)] + [
        (37, -102.05 - t) for t in np.linspace(0, 7, 50)
    ]
    shape = chart(
        xr.Dataset(), [str(i) for i in range(len(rim))], "the map", {str(i): p for i, p in enumerate(rim)}
    )
    area = 0.5 * abs(np.dot(shape.x, np.roll(shape.y, 1)) - np.dot(shape.y, np.roll(shape.x, 1)))
    exact = 6371.0**2 * np.radians(7) * (np.sin(np.radians(41)) - np.sin(np.radians(37)))
    assert area == pytest.approx(exact, rel=1e-3)


def test_the_outlines_hold_the_states() -> None:
    points = np.vstack(state_outlines())
    assert np.ptp(points[:, 0]) == pytest.approx(4600, rel=0.05), "4 600 km from coast to coast"
    assert np.ptp(points[:, 1]) == pytest.approx(2900, rel=0.05)
    assert len(points) < 6000
    steps = [np.hypot(*np.diff(line, axis=0).T).max() for line in state_outlines()]
    assert max(steps) < 150, "no line leaps across the country"


def test_places_elsewhere_have_coasts_beneath_and_the_date_line_parts_nobody() -> None:
    cities = {"fiji": (-18.1, 178.4), "samoa": (-13.8, -171.8), "tonga": (-21.1, -175.2)}
    here = chart(xr.Dataset(), list(cities), "the map", cities)
    assert here.turn is None
    assert here.outlines
    km = float(haversine(-18.1, 178.4, -21.1, -175.2))
    assert np.hypot(here.x[0] - here.x[2], here.y[0] - here.y[2]) == pytest.approx(km, rel=0.02)
    west, south, east, north = chart(xr.Dataset(), ["a"], "the map", {"a": (50.0, 8.0)}).bounds
    assert west < east
    assert south < north


@pytest.fixture(scope="module")
def drawn(run: xr.Dataset) -> Any:
    return tf.plot.dispatch_map(run, period=20)


def test_pies_are_sized_by_processing_and_cut_by_class(drawn: Any, run: xr.Dataset) -> None:
    wedges = [patch for patch in drawn.axes[0].patches if isinstance(patch, Wedge)]
    output = run.dispatch.sel(period=20).groupby("asset_node").sum()
    total = output.sum("workload")
    areas, shares = {}, {}
    for wedge in wedges:
        node = str(wedge.get_gid()).removeprefix("pie ")
        areas[node] = wedge.r**2
        shares.setdefault(node, []).append((wedge.theta2 - wedge.theta1) / 360)
    assert set(areas) == set(total.asset_node.values[total.values > 0].tolist())
    ratio = [areas[node] / float(total.sel(asset_node=node)) for node in areas]
    np.testing.assert_allclose(ratio, ratio[0])
    for node, parts in shares.items():
        wanted = output.sel(asset_node=node) / total.sel(asset_node=node)
        np.testing.assert_allclose(parts, [share for share in wanted.values if share > 0], atol=1e-9)


def test_curves_are_the_largest_flows_of_each_class(drawn: Any, run: xr.Dataset) -> None:
    flow = run.flow.sel(period=20).values
    curves: dict[int, dict[int, float]] = {}
    for patch in drawn.axes[0].patches:
        if isinstance(patch, FancyArrowPatch):
            _, k, arc = str(patch.get_gid()).split()
            curves.setdefault(int(k), {})[int(arc)] = patch.get_linewidth()
    for k, widths in curves.items():
        order = np.argsort(-flow[:, k], kind="stable")[:12]
        wanted = [arc for arc in order if flow[arc, k] >= 0.03 * flow[:, k].max()]
        assert set(widths) == set(wanted)
        assert all(widths[a] >= widths[b] for a, b in pairwise(wanted))
        assert widths[wanted[0]] == pytest.approx(3.4)
    assert len(curves) == 4


def test_full_links_are_marked_on_their_curve(drawn: Any, run: xr.Dataset) -> None:
    marks = {
        int(str(line.get_gid()).split()[1]): (float(line.get_xdata()[0]), float(line.get_ydata()[0]))
        for line in drawn.axes[0].lines
        if str(line.get_gid()).startswith("full")
    }
    full = np.flatnonzero(run.link_use_share.sel(period=20).values >= 1 - 1e-6)
    assert set(marks) == set(full.tolist())
    assert len(full) > 0
    for patch in drawn.axes[0].patches:
        if isinstance(patch, FancyArrowPatch):
            arc = int(str(patch.get_gid()).split()[2])
            if arc in marks:
                middle = np.array([0.25, 0.5, 0.25]) @ patch._path_original.vertices
                bend = np.hypot(*(middle - marks[arc]))
                assert bend < 700, "within the bundle of its classes' curves"


def test_the_map_names_its_nodes_and_says_its_scales(drawn: Any, run: xr.Dataset) -> None:
    words = words_of(drawn)
    assert overlaps(words) == []
    assert set(run.node.values.tolist()) <= {word.text for word in words}
    most = run.flow.sel(period=20, workload="chat").max().item()
    (entry,) = (word.text for word in words if word.text.startswith("chat: flows up to"))
    assert float(entry.split()[-2]) == pytest.approx(most, rel=0.01)
    assert drawn.axes[0].get_title(loc="left") == "2026-02-23 20:00"


def test_missing_places_are_told_and_may_be_given(day: xr.Dataset) -> None:
    assert "dispatch_map" not in tf.plot.figures(day)
    with pytest.raises(
        tf.ResultError, match=r"latitude and longitude .* missing for all 5: ashburn, dallas,"
    ):
        tf.plot.dispatch_map(day)
    places = {str(node): (40.0 + i, -90.0 + 3 * i) for i, node in enumerate(day.node.values)}
    assert tf.plot.dispatch_map(day, places=places).axes
    assert "dispatch_map" in tf.plot.figures(placed(day))
    scenario = tf.load_scenario("us5")
    assert coordinates(day, scenario) == {
        name: (node.latitude, node.longitude) for name, node in scenario.nodes.items()
    }


def test_a_node_without_coordinates_is_named_below_the_map_and_left_out(day: xr.Dataset) -> None:
    places = {str(node): (-30.0 - i, 140.0 + 3 * i) for i, node in enumerate(day.node.values)}
    del places["chicago"], places["seattle"]
    figure = tf.plot.dispatch_map(day, places=places)
    texts = [word.text for word in words_of(figure)]
    assert "Not on the map, without coordinates: chicago, seattle" in texts
    assert not {"chicago", "seattle"} & set(texts)
    arcs = {
        int(str(patch.get_gid()).split()[2])
        for patch in figure.axes[0].patches
        if isinstance(patch, FancyArrowPatch)
    }
    lost = day.origin.isin(["chicago", "seattle"]) | day.destination.isin(["chicago", "seattle"])
    assert arcs
    assert not arcs & set(np.flatnonzero(lost.values).tolist())
    assert overlaps(words_of(figure)) == []


def test_a_flow_whose_shorter_way_leaves_the_world_map_comes_in_at_the_other_side(day: xr.Dataset) -> None:
    cities = {
        "tokyo": (35.7, 139.7),
        "los angeles": (34.05, -118.2),
        "london": (51.5, -0.1),
        "sao paulo": (-23.5, -46.6),
    }
    here = chart(xr.Dataset(), list(cities), "the map", cities)
    assert here.turn is not None
    west, south, east, north = here.bounds
    assert len(here.ways(0, 1)) == 1, "over the Pacific, which is the middle of this map"
    (first, beyond), (before, last) = here.ways(2, 0)
    assert beyond[0] > east, "leaves London eastwards"
    assert before[0] < west, "and comes to Tokyo from the west"
    np.testing.assert_allclose([*first, *last], [here.x[2], here.y[2], here.x[0], here.y[0]])
    for line in (*here.outlines, *here.borders):
        assert (line >= np.array([west, south]) - 1e-6).all()
        assert (line <= np.array([east, north]) + 1e-6).all()
        assert np.hypot(*np.diff(line, axis=0).T).max() < 200, "no streak across the map"
    places = dict(zip(map(str, day.node.values), [*cities.values(), (-33.9, 151.2)], strict=True))
    figure = tf.plot.dispatch_map(day, places=places)
    ends: dict[str, int] = {}
    for patch in figure.axes[0].patches:
        if isinstance(patch, FancyArrowPatch):
            ends[str(patch.get_gid())] = ends.get(str(patch.get_gid()), 0) + 1
    assert set(ends.values()) == {1, 2}


def test_unknown_periods_are_told(day: xr.Dataset) -> None:
    with pytest.raises(tf.ResultError, match="unknown period 99; known periods: 0, 1"):
        tf.plot.dispatch_map(placed(day), period=99)
