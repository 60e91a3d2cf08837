"""What is done beside service and flow, in one program with them: further columns of a market.

Power that is generated, or carried by a line; hydrogen that is made; a battery that is charged. An activity has a
price and bounds of its own, and meets what else there is only in shared capacities: a `limits.Term` says what a unit
of it uses of one, or gives. So a market gets a power grid by two groups of rows and two of columns:

>>> import numpy as np
>>> from tokenflow_sim.market.activity import Activity
>>> from tokenflow_sim.market.limits import SharedCapacity, Term
>>> generation = Activity(
...     name="generation",
...     dim="generator",
...     labels=("gas", "wind"),
...     unit="MW",
...     payee="generators",
...     price=np.array([[50.0], [0.0]]) / 3600,
...     most=np.array([[400.0], [150.0]]),
... )
>>> line_flow = Activity(  # either way: from the first bus to the second where it is positive
...     name="line_flow",
...     dim="line",
...     labels=("line",),
...     unit="MW",
...     payee="grid",
...     price=np.zeros((1, 1)),
...     most=np.array([[100.0]]),
...     least=np.array([[-100.0]]),
... )
>>> bus_balance = SharedCapacity(
...     name="bus_balance",
...     rent="bus_price",
...     dim="bus",
...     labels=("north", "south"),
...     equality=True,
...     part="energy",
...     capacity=np.array([-80.0, -200.0]),
...     payee="load",
...     rent_unit="$/MWs",  # minus the local load
...     terms=(
...         Term("generation", np.array([-1.0, -1.0]), np.array([0, 1])),  # gas stands in the north
...         Term("line_flow", np.array([1.0]), np.array([0])),  # leaves the north
...         Term("line_flow", np.array([-1.0]), np.array([1])),  # reaches the south
...     ),
... )

What service draws is a fourth term, on ``dispatch``. A market then has ``limits=(bus_balance,)`` and
``activities=(generation, line_flow)`` among its `Arrays`, its clearing `Values.done` by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from tokenflow_sim.numeric import Floats


@dataclass(eq=False, slots=True, kw_only=True)
class Activity:
    """One group of further columns: what is done beside service and flow, ``least <= q <= most``, at a price.

    Parameters
    ----------
    name : str
        Name of the variable in the linopy model and in results, e.g. ``generation``.
    dim : str
        What its labels are, e.g. ``generator``.
    labels : tuple
        Its labels; the same in all markets that one `Clearer` clears without being built again.
    price : ndarray
        Cost of a unit of each tranche, in $/s per unit, dims (label, tranche); may be negative.
    most : ndarray
        The most of each tranche in the activity's unit, dims (label, tranche); may be infinite.
    least : ndarray, optional
        The least, likewise; finite, and zero by default. May be negative, for what goes both ways.
    payee : str, optional
        Who earns what it is paid; by default one of the activity's own name.
    unit, meaning : str
        Unit and meaning, for labels.
    """

    name: str
    dim: str
    labels: tuple[object, ...]
    price: Floats
    most: Floats
    least: Floats | None = None
    payee: str | None = None
    unit: str = ""
    meaning: str = ""

    @property
    def size(self) -> int:
        """How many labels there are."""
        return len(self.labels)

    @property
    def lowest(self) -> Floats:
        """The least of each tranche, zeros where none is given, dims (label, tranche)."""
        return np.zeros(self.price.shape) if self.least is None else self.least

    def label(self, values: Floats) -> xr.DataArray:
        """Return numbers by label and tranche as a labelled array, without tranches where there is one only."""
        coords: dict[str, Any] = {self.dim: pd.Index(self.labels)}
        if values.shape[1] != 1:
            coords["tranche"] = np.arange(values.shape[1])
        attrs = {"units": self.unit, "long_name": self.meaning}
        shape = [len(labels) for labels in coords.values()]
        return xr.DataArray(values.reshape(shape), coords, tuple(coords), self.name, attrs)

    def freeze(self) -> None:
        """Make all arrays read-only, which unpickled ones are not."""
        for array in (self.price, self.most, self.least):
            if array is not None:
                array.flags.writeable = False

    def same_as(self, other: Activity) -> bool:
        """Whether another one has the same numbers."""
        return (
            self.name == other.name
            and self.labels == other.labels
            and np.array_equal(self.price, other.price)
            and np.array_equal(self.most, other.most)
            and np.array_equal(self.lowest, other.lowest)
        )


def cost_of(activities: tuple[Activity, ...], done: Mapping[str, Floats]) -> float:
    """Return the cost in $/s of what is done."""
    return sum(float(np.add.reduce(one.price * done[one.name], axis=None)) for one in activities)
