"""Limits of a user's own, and runs of us5 under them."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

import tokenflow_sim as tf

OPEN = {"market.must_serve": False}


class Cap(tf.Limit):
    """Power of all sites together, another one in every second period."""

    rent, rent_unit, unit = "cap_price", "$/s per MW", "MW"

    def __init__(self, most: float = 100.0, payee: str | None = None) -> None:
        self.most = most
        self.payee = payee  # type: ignore[misc]

    def use(self, view: tf.LimitView) -> xr.DataArray:
        assert view.power_use is not None
        return view.power_use

    def capacity(self, view: tf.LimitView) -> float:
        return self.most * (1 + view.period % 2)


class Zones(Cap):
    """Power by zone, the second of which holds two sites, with more of it for sale."""

    dim, rent = "zone", "zone_rent"

    def use(self, view: tf.LimitView) -> xr.DataArray:
        zone = xr.DataArray(["a", "b"], dims="zone", coords={"zone": ["a", "b"]})
        of = xr.where(view.assets["node"].to_xarray() == "dallas", "a", "b")
        assert view.power_use is not None
        return view.power_use * (of == zone)

    def supply(self, view: tf.LimitView) -> tuple[xr.DataArray, xr.DataArray]:
        return xr.DataArray([0.01, 0.02], dims="tranche"), xr.DataArray([1.0, np.inf], dims="tranche")


class Unnamed(Cap):
    """Its dual is called after its name in the scenario."""

    rent = ""


def run(
    periods: int = 2, limits: Any = (), overrides_too: dict[str, Any] | None = None, **overrides: Any
) -> xr.Dataset:
    overrides = OPEN | overrides | (overrides_too or {})
    allow = overrides_too is not None
    model = tf.TokenMarket(
        "us5", rng=1, periods=periods, overrides=overrides, limits=limits, allow_code=allow
    )
    model.run()
    return model.results()
