from __future__ import annotations

import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.plot.fake_results import fake_results


@pytest.fixture(scope="session")
def week() -> xr.Dataset:
    return fake_results(periods=168, nodes=20)


@pytest.fixture(scope="session")
def day() -> xr.Dataset:
    return fake_results(periods=24, nodes=5)


@pytest.fixture(scope="session")
def hour() -> xr.Dataset:
    return fake_results(periods=1, nodes=5)


@pytest.fixture(scope="session")
def run() -> xr.Dataset:
    """Return a day of the market that users start from, as the model records it."""
    model = tf.TokenMarket("us20_oligopoly_v1", rng=7, periods=24)
    model.run()
    return model.results()
