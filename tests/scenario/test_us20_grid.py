"""The bundled scenario with a power grid: its tables are what its script makes, and it is whole."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

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
