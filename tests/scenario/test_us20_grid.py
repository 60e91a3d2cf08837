"""The bundled scenario with a power grid: its tables are what its script makes, and it is whole."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy.optimize import linprog

from tokenflow_sim.model import TokenMarket
from tokenflow_sim.scenario import Scenario, load_scenario

CHECKOUT = Path(__file__).resolve().parents[2]
FOLDER = CHECKOUT / "scenarios" / "us20_grid"


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return load_scenario("us20_grid")


def test_the_script_makes_these_very_tables_byte_for_byte(tmp_path: Path) -> None:
    script = runpy.run_path(str(CHECKOUT / "experiments" / "data" / "make_us20_grid.py"))
    made = script["write"](tmp_path)
    assert sorted(path.name for path in made) == sorted(path.name for path in FOLDER.glob("*.csv"))
    for path in made:
        assert path.read_bytes() == (FOLDER / path.name).read_bytes(), path.name


def test_the_market_of_tokens_is_that_of_us20_oligopoly(scenario: Scenario) -> None:
    other = load_scenario("us20_oligopoly")
    for section in (
        "workloads",
        "nodes",
        "network",
        "hardware",
        "providers",
        "owners",
        "regions",
        "demand",
        "rules",
    ):
        assert getattr(scenario, section) == getattr(other, section), section


def test_every_area_can_feed_its_load_in_every_period_and_supply_is_steps_of_rising_cost(
    scenario: Scenario,
) -> None:
    grid = scenario.grid
    assert grid is not None
    assert (len(grid.buses), grid.clearing) == (30, "joint")
    assert set(scenario.nodes) <= set(grid.buses)
    carriers = {one.carrier for one in grid.generators.values()}
    assert carriers >= {"wind", "solar", "gas_cc", "gas_ct", "coal", "nuclear"}
    assert grid.load is not None
    assert grid.availability is not None
    load = grid.load.over(scenario.start, scenario.hours, scenario.periods)
    share = dict(
        zip(grid.availability.names, grid.availability.over(scenario.start, 1.0, 168).T, strict=True)
    )
    supply = sum(one.capacity * share.get(name, np.ones(168)) for name, one in grid.generators.items())
    # Data centres at full power, cooling included, must find what local load leaves.
    sites = sum(float(node.power_mw or 0.0) for node in scenario.nodes.values())
    assert (supply - load.sum(axis=1) > 1.25 * sites).all()
    assert all((one >= 0).all() and (one <= 1).all() for one in share.values())
    night = np.array([(hour - 5) % 24 < 6 for hour in range(168)])
    assert not any(values[night].any() for name, values in share.items() if name == "ashburn solar")


@pytest.fixture(scope="module")
def evening() -> xr.Dataset:
    """Give the first evening of the west and the night of the east."""
    model = TokenMarket("us20_grid", rng=1, periods=3)
    model.run()
    return model.results()


def test_it_clears_certified_and_what_is_paid_for_power_is_received(evening: xr.Dataset) -> None:
    assert float(evening.certificate.max()) < 1e-7
    paid = evening.load_payment.sum("bus") + evening.power_cost.sum(["asset", "workload"])
    received = evening.generator_income.sum("generator") + evening.line_income.sum("line")
    np.testing.assert_allclose(paid, received, rtol=1e-9)
    users = evening.payment.sum(["node", "workload"])
    earned = evening.revenue.sum(["asset", "workload"]) + evening.link_income.sum(["arc", "workload"])
    np.testing.assert_allclose(users, earned, rtol=1e-9)
    assert float(evening.line_rent.sel(line="susquehanna-new_york").min()) > 0
    assert float(evening.unserved.sum()) < 0.9 * float(evening.demand.sum())


def test_generation_costs_what_a_program_of_angles_says_with_the_same_draw(
    scenario: Scenario, evening: xr.Dataset
) -> None:
    # DC power flow by voltage angles, not by cycles, on another solver's front.
    grid = scenario.grid
    assert grid is not None
    assert grid.load is not None
    assert grid.availability is not None
    buses, lines = list(grid.buses), list(grid.lines.values())
    place = {bus: number for number, bus in enumerate(buses)}
    made = list(grid.generators.items())
    generators, wires = len(made), len(lines)
    balance = np.zeros((len(buses), generators + wires + len(buses)))
    for number, (_, one) in enumerate(made):
        balance[place[one.bus], number] = 1.0
    angles = []
    for number, line in enumerate(lines, generators):
        ends = place[line.from_bus], place[line.to_bus]
        balance[ends[0], number] -= 1.0
        balance[ends[1], number] += 1.0
        if grid.kind_of(line) == "dc":
            row = np.zeros(balance.shape[1])
            row[[number, generators + wires + ends[0], generators + wires + ends[1]]] = line.reactance, -1, 1
            angles.append(row)
    cost = np.r_[[one.cost for _, one in made], np.zeros(wires + len(buses))]
    drawn = evening.power_drawn.groupby("asset_bus").sum().reindex(asset_bus=buses, fill_value=0.0)
    for period in range(3):
        share = dict(zip(grid.availability.names, grid.availability.values[period], strict=True))
        local = dict(zip(grid.load.names, grid.load.values[period], strict=True))
        load = np.array([local[bus] for bus in buses]) + drawn.isel(period=period).values
        bounds = [(0.0, one.capacity * share.get(name, 1.0)) for name, one in made]
        bounds += [(-line.limit_mw, line.limit_mw) for line in lines] + [(None, None)] * len(buses)
        found = linprog(
            cost, A_eq=np.vstack([balance, *angles]), b_eq=np.r_[load, np.zeros(len(angles))], bounds=bounds
        )
        assert found.fun == pytest.approx(float(evening.generation_cost[period].sum()), rel=1e-7)
