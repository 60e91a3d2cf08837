"""Coordinates for made-up nodes."""

from __future__ import annotations

import numpy as np
import xarray as xr


def placed(ds: xr.Dataset) -> xr.Dataset:
    """Give the nodes of results places, spread over the contiguous United States."""
    count = ds.sizes["node"]
    rng = np.random.default_rng(5)
    return ds.assign_coords(
        latitude=("node", rng.uniform(30, 47, count)), longitude=("node", rng.uniform(-120, -75, count))
    )
