"""Figures of the power grid: what they draw is what the results hold, and their words are legible."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_hex

import tokenflow_sim as tf
from tests.plot.fake_results import fake_results
from tests.plot.seen import layer, outside, overlaps, words_of
from tokenflow_sim.plot.gallery.grid_map import LOADING
from tokenflow_sim.variables import GRID

FIGURES = ("generation", "grid_map", "load_duration", "power_prices")


@pytest.fixture(scope="module")
def grid() -> xr.Dataset:
    """Give made-up results on the buses, lines and generators of a bundled scenario."""
    scenario = tf.load_scenario("us20_grid")
    fields = scenario.grid
    assert fields is not None
    ds = fake_results(periods=48, nodes=20)
    hubs = dict(zip(ds.node.values.tolist(), scenario.nodes, strict=True))
    rename = {
        name: [hubs[one] for one in ds[name].values]
        for name in ("node", "asset_node", "origin", "destination")
    }
    ds = ds.assign_coords(
        {name: (ds[name].dims, labels) for name, labels in rename.items()}
        | {
            "bus": list(fields.buses), "generator": list(fields.generators), "line": list(fields.lines),
            "generator_bus": ("generator", [one.bus for one in fields.generators.values()]),
            "line_from": ("line", [one.from_bus for one in fields.lines.values()]),
            "line_to": ("line", [one.to_bus for one in fields.lines.values()]),
            "asset_bus": ("asset", rename["asset_node"]),
        }
    )  # fmt: skip
    rng = np.random.default_rng(3)
    sizes = np.array([one.capacity for one in fields.generators.values()])
    made = rng.uniform(0.2, 1.0, (48, len(sizes))) * sizes
    limits = np.array([one.limit_mw or 0.0 for one in fields.lines.values()])
    loading = np.resize([-0.2, 0.6, -0.9, 1.0], len(limits))
    arrays = {
        "bus_price": rng.uniform(20, 90, (48, 30)), "local_load": rng.uniform(3e3, 15e3, (48, 30)),
        "generation": made, "curtailment": 0.1 * made, "line_flow": np.tile(loading * limits, (48, 1)),
        "power_drawn": rng.uniform(0, 300, (48, ds.sizes["asset"])),
    }  # fmt: skip
    for name, values in arrays.items():
        ds[name] = (GRID[name].dims, values, {"units": GRID[name].unit, "long_name": GRID[name].long_name})
    ds.attrs["scenario"] = scenario.to_yaml()
    return ds


@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize("name", FIGURES)
def test_words_are_legible_apart_and_inside(name: str, columns: int, grid: xr.Dataset) -> None:
    figure = tf.plot.figures(grid)[name](grid, columns=columns)
    words = words_of(figure)
    assert overlaps(words) == []
    assert outside(words, figure) == []
    assert min(word.points for word in words) >= 6.0
    assert figure.get_figheight() < 9.0


def test_generation_stacks_up_by_carrier_with_what_is_curtailed_on_top(grid: xr.Dataset) -> None:
    (ax,) = tf.plot.generation(grid).axes
    fields = tf.load_scenario("us20_grid").grid
    assert fields is not None
    carrier = xr.DataArray([one.carrier for one in fields.generators.values()], dims="generator")
    made = grid.generation.groupby(carrier.rename("carrier")).sum() / 1000
    for name in ("nuclear", "coal", "wind", "emergency"):
        lower, upper = layer(ax, name)
        np.testing.assert_allclose(upper - lower, made.sel(carrier=name))
    _, top = layer(ax, "curtailed")
    np.testing.assert_allclose(top, (grid.generation + grid.curtailment).sum("generator") / 1000)
    (line,) = ax.lines
    np.testing.assert_allclose(line.get_ydata()[::2], grid.local_load.sum("bus") / 1000)
    alone = tf.plot.generation(grid, bus="columbia").axes[0]
    here = grid.generation.where(grid.generator_bus == "columbia", drop=True).sum("generator")
    np.testing.assert_allclose(layer(alone, "emergency")[1], here / 1000)
    with pytest.raises(tf.ResultError, match="did you mean 'columbia'"):
        tf.plot.generation(grid, bus="colombia")


def test_load_is_sorted_with_and_without_data_centres(grid: xr.Dataset) -> None:
    whole, ashburn = tf.plot.load_duration(grid, bus=["dallas", "ashburn"]).axes
    drawn = grid.power_drawn.groupby("asset_bus").sum().rename(asset_bus="bus")
    for ax, bus in ((whole, "dallas"), (ashburn, "ashburn")):
        with_them, without = (line.get_ydata()[::2] for line in ax.lines)
        local = grid.local_load.sel(bus=bus)
        np.testing.assert_allclose(without, np.sort(local)[::-1] / 1000)
        np.testing.assert_allclose(with_them, np.sort(local + drawn.sel(bus=bus))[::-1] / 1000)
    titles = [ax.get_title(loc="left") for ax in tf.plot.load_duration(grid).axes]
    assert titles[0] == "All buses"
    energy = drawn.sum("period") / (drawn + grid.local_load).sum("period")
    assert titles[1:] == energy.sortby(energy, ascending=False).bus.values[:3].tolist()


def test_lines_have_the_colour_of_their_share_of_the_limit(grid: xr.Dataset) -> None:
    (ax,) = tf.plot.grid_map(grid).axes
    drawn = {line.get_gid(): to_hex(line.get_color()).upper() for line in ax.lines if line.get_gid()}
    assert len([gid for gid in drawn if gid.startswith("line ")]) == grid.sizes["line"]
    colours = [colour.upper() for _, colour in LOADING]
    for number in range(grid.sizes["line"]):
        assert drawn[f"line {number}"] == colours[number % 4]
    with pytest.raises(tf.ResultError, match="grid_map needs latitude and longitude of the buses"):
        tf.plot.grid_map(grid.drop_attrs(deep=False))


def test_power_and_tokens_of_the_same_nodes(grid: xr.Dataset) -> None:
    power, tokens = tf.plot.power_prices(grid, workload="code", node=["dallas", "miami"]).axes
    for line, node in zip(power.lines, ("dallas", "miami"), strict=True):
        np.testing.assert_allclose(line.get_ydata()[::2], grid.bus_price.sel(bus=node))
    for line, node in zip(tokens.lines, ("dallas", "miami"), strict=True):
        np.testing.assert_allclose(line.get_ydata()[::2], grid.price.sel(node=node, workload="code"))
    assert len(tf.plot.power_prices(grid).axes[0].lines) == 4
