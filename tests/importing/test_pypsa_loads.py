"""A market's power as loads of a PyPSA network: the energy that its assets are billed for, bus by bus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.importing.test_pypsa_prices import network
from tokenflow_sim.errors import DataError
from tokenflow_sim.importing import power_drawn, pypsa_load
from tokenflow_sim.importing.pypsa_files import quiet, read_network, write_network
from tokenflow_sim.scenario import Scenario, write_template


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    folder = tmp_path_factory.mktemp("market") / "market"
    write_template(folder)
    model = tf.TokenMarket(str(folder), rng=1, overrides={"start": "2024-03-01 00:00"}, periods=3)
    model.run()
    return model.results()


def test_power_is_the_energy_that_is_paid(played: xr.Dataset) -> None:
    power = power_drawn(played)
    assert power.index.tolist() == pd.date_range("2024-03-01", periods=3, freq="h").tolist()
    own = Scenario.from_yaml(played.attrs["scenario"])
    for period in range(3):
        expected = dict.fromkeys(power.columns, 0.0)
        for asset in played["asset"].to_numpy():
            provider, node, hardware = str(asset).split("/")
            assert provider in own.providers
            for workload, energy in own.hardware[hardware].energy.items():
                rate = float(played["dispatch"].sel(period=period, asset=asset, workload=workload))
                expected[node] += rate * energy * 3600 / 1000
        for node, megawatts in expected.items():
            assert power[node].iloc[period] == pytest.approx(megawatts, rel=1e-12)
    assert power.to_numpy().max() > 0


def test_a_new_network_has_a_bus_and_a_load_a_node(tmp_path: Path, played: xr.Dataset) -> None:
    made = pypsa_load(played)
    power = power_drawn(played)
    assert made.buses.index.tolist() == power.columns.tolist()
    for name in ("loads", "loads.nc"):
        write_network(made, tmp_path / name)
        again = read_network(tmp_path / name)
        found = again.loads_t.p_set
        np.testing.assert_allclose(
            found[[f"{node} computing" for node in power]].to_numpy(), power, rtol=1e-12
        )
        assert again.snapshots.tolist() == power.index.tolist()
    assert (tmp_path / "loads" / "loads-p_set.csv").is_file()


def test_loads_of_a_grid_raise_its_demand(played: xr.Dataset) -> None:
    power = power_drawn(played)
    grid = network()
    buses = dict(zip(power.columns, ["b/2", "Ham & Burg", "b/2"], strict=False))
    pypsa_load(played, grid, map=buses)
    with quiet():
        grid.optimize(solver_name="highs", log_to_console=False)
    served = grid.generators_t.p.sum(axis=1).to_numpy()
    np.testing.assert_allclose(served, np.array([40.0, 90, 120]) + power.sum(axis=1).to_numpy(), rtol=1e-6)
    with pytest.raises(DataError, match=r"loads called .* already"):
        pypsa_load(played, grid, map=buses)


def test_what_does_not_fit_is_said(played: xr.Dataset) -> None:
    with pytest.raises(DataError, match=r"the run has 1 fault:.*\n.*carry none"):
        power_drawn(played.drop_attrs())
    with pytest.raises(DataError, match=r"node 'coast': unknown bus 'coast'.*--map coast=BUS"):
        pypsa_load(played, network())
    buses: dict[str, Any] = dict.fromkeys(power_drawn(played).columns, "b/2")
    with pytest.raises(DataError, match="unknown node 'cost'"):
        pypsa_load(played, network(), map=buses | {"cost": "b/2"})
    later = network(pd.date_range("2024-03-01 02:00", periods=3, freq="h"))
    with pytest.raises(DataError, match="2 snapshots that are no period of the run, from 2024-03-01 03:00"):
        pypsa_load(played, later, map=buses)
