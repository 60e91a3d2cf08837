"""Results of many markets as one Dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from tokenflow_sim.results import Plan

_OF_ONE = ("title", "seed")


def labelled(
    plan: Plan, seeds: Sequence[int], values: Mapping[str, np.ndarray[Any, Any]], first: int
) -> xr.Dataset:
    """Label the values of all variables.

    Parameters
    ----------
    plan : Plan
        What the results of one market look like.
    seeds : sequence of int
        The markets' seeds.
    values : mapping of ndarray
        By the name of the variable, dims (seed, period, ...).
    first : int
        The first period of them.

    Returns
    -------
    Dataset
        That of one market, with a leading dim `seed`; what holds for one seed alone is left out of its attributes.
    """
    one = plan.dataset({name: array[0] for name, array in values.items()}, first)
    attrs = {name: value for name, value in one.attrs.items() if name not in _OF_ONE}
    title = str(one.attrs["title"]).rpartition(", seed")[0]
    labels = xr.Variable("seed", np.array(seeds, dtype=np.int64), {"long_name": "seed"})
    variables = {name: (("seed", *one[name].dims), values[name], one[name].attrs) for name in values}
    return xr.Dataset(
        variables, {"seed": labels, **one.coords}, {"title": f"{title}, {len(seeds)} seeds", **attrs}
    )
