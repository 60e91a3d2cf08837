"""Results as tables of pandas: variables of the same dims side by side, one row a label."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import xarray as xr

from tokenflow_sim.errors import ResultError, unknown_name


def to_frame(results: xr.Dataset, names: str | Sequence[str]) -> pd.DataFrame:
    """Return variables of results as one tidy, long table.

    Parameters
    ----------
    results : Dataset
        Results of a run, a study's `dataset`, or any other Dataset.
    names : str or sequence of str
        One variable, or several that have the same dims, in any order.

    Returns
    -------
    DataFrame
        A row for each combination of labels: a column for each dim (``period``, ``node``, ...), ``time`` [UTC] where
        the results have it, and a column for each variable. ``attrs["units"]`` holds the unit by variable.

    Raises
    ------
    ResultError
        If a variable is unknown, or if the variables do not share their dims: the table would hold every combination
        of labels that have nothing to do with each other.

    Examples
    --------
    >>> import tokenflow_sim as tf
    >>> model = tf.TokenMarket("us5", periods=2, rng=1)
    >>> _ = model.run()
    >>> tf.to_frame(model.results(), "price").columns.tolist()
    ['period', 'node', 'workload', 'price']
    """
    if not isinstance(results, xr.Dataset):
        raise ResultError(f"to_frame takes an xarray.Dataset of results; found {type(results).__name__}")
    wanted = [names] if isinstance(names, str) else list(dict.fromkeys(names))
    unknown = [name for name in wanted if name not in results.data_vars]
    if unknown or not wanted:
        variables = list(results.data_vars)
        raise ResultError(
            "; ".join(unknown_name("variable", name, variables, 40) for name in unknown) or "name a variable"
        )
    shapes = {name: tuple(map(str, results[name].dims)) for name in wanted}
    first = shapes[wanted[0]]
    if any(set(dims) != set(first) for dims in shapes.values()):
        raise ResultError(_apart(results, shapes))
    if not first:
        return _with_units(pd.DataFrame({name: [results[name].item()] for name in wanted}), results)
    part = xr.Dataset({name: results[name].variable.transpose(*first) for name in wanted})
    part = part.assign_coords({dim: results[dim] for dim in first if dim in results.coords})
    # Other coordinates along a dim (places of nodes, owners of links) stay out: they can be joined by label.
    frame = part.drop_vars([name for name in part.coords if name not in first]).to_dataframe(
        dim_order=[*first]
    )
    frame = frame.reset_index()
    time = results.coords.get("time")
    if time is not None and time.dims == ("period",) and "period" in first:
        frame.insert(1 + first.index("period"), "time", time.to_series().reindex(frame["period"]).to_numpy())
    return _with_units(frame[[*frame.columns.difference(wanted, sort=False), *wanted]], results)


def _with_units(frame: pd.DataFrame, results: xr.Dataset) -> pd.DataFrame:
    names = [str(name) for name in frame.columns if name in results.data_vars]
    frame.attrs["units"] = {name: str(results[name].attrs.get("units", "")) for name in names}
    return frame


def _apart(results: xr.Dataset, shapes: dict[str, tuple[str, ...]]) -> str:
    rows = 1
    for dim in dict.fromkeys(dim for dims in shapes.values() for dim in dims):
        rows *= results.sizes[dim]
    dims = "; ".join(
        f"{name} has ({', '.join(dims)}), {results[name].size:,} rows" for name, dims in shapes.items()
    )
    return (
        f"these variables do not share their dims: {dims}. As one table they would make {rows:,} rows of unrelated"
        " labels; take a table for each, and join them by the labels that they share"
    )
