from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from tokenflow_sim.study.statistics import described


@pytest.mark.parametrize("lazy", [False, True])
def test_statistics_are_those_of_numpy_without_the_nans(lazy: bool) -> None:
    rng = np.random.default_rng(1)
    numbers = rng.normal(size=(6, 5, 3))
    numbers[1, 2] = np.nan
    numbers[:, :, 2] = np.nan
    array = xr.DataArray(numbers, dims=("seed", "point", "node"), attrs={"units": "$"})
    given = array.chunk({"seed": 1}) if lazy else array
    found = described(given, ["seed", "point"], (0.0, 0.1, 0.5, 1.0))
    assert (found.chunks is not None) == lazy
    assert found.attrs == array.attrs
    for node in (0, 1):
        flat = numbers[:, :, node].ravel()
        flat = flat[~np.isnan(flat)]
        expected = [flat.mean(), flat.std(ddof=1), len(flat), *np.quantile(flat, [0.0, 0.1, 0.5, 1.0])]
        np.testing.assert_allclose(found.isel(node=node), expected, rtol=1e-12)
    assert float(found.sel(statistic="count").isel(node=2)) == 0
    assert bool(found.isel(node=2).drop_sel(statistic="count").isnull().all())


def test_one_number_has_a_mean_and_no_spread() -> None:
    found = described(xr.DataArray([3.0], dims="seed"), ["seed"], (0.5,))
    assert found.sel(statistic=["mean", "q50"]).values.tolist() == [3.0, 3.0]
    assert np.isnan(float(found.sel(statistic="std")))
