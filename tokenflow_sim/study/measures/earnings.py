"""What providers earn: profit, and what forward contracts brought."""

from __future__ import annotations

import xarray as xr

from tokenflow_sim.results.reading import need_periods


def earnings(ds: xr.Dataset) -> xr.DataArray:
    """Return the profit of each provider with what its forward contracts brought.

    Parameters
    ----------
    ds : Dataset
        Results of a run.

    Returns
    -------
    DataArray
        ``profit + contract_income`` in $ a period, dims (period, provider); `profit` in a run without contracts.

    Raises
    ------
    ResultError
        If the results lack profits.
    """
    ds = need_periods(ds, ("profit",), "earnings")
    found = ds["profit"] + ds["contract_income"] if "contract_income" in ds else ds["profit"]
    return found.rename("earnings").assign_attrs(units="$/period", long_name="profit with forward contracts")
