"""A custom constraint: a class that says what uses a limit, how much there is, and what its dual is called.

It clears in the engine like the market's own limits do: by the price rule, certified, with its rent in results, its
part in the prices and its payment in the settlement.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import xarray as xr

from tokenflow_sim.market.layout import Layout


def snake_case(name: str) -> str:
    """Return a class's name in snake_case: ``FixedMarkup`` becomes ``fixed_markup``, ``UCB`` ``ucb``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


@dataclass(frozen=True, eq=False, kw_only=True)
class LimitView:
    """What a limit may look at.

    Parameters
    ----------
    period : int
        The period; 0 for a market that stands alone.
    hours : float
        Length of the period.
    layout : Layout
        Labels and incidence of the market.
    power_use : DataArray or None
        Power drawn per unit of service in MW per Mtok/s, dims (asset, workload); None where a market does not say.
    electricity_price : DataArray or None
        In $/kWh, dims (node,); None for a market that stands alone, and where power is cleared with the tokens, whose
        price nobody knows before.
    """

    period: int
    hours: float
    layout: Layout
    power_use: xr.DataArray | None = None
    electricity_price: xr.DataArray | None = None

    @property
    def nodes(self) -> pd.Index[Any]:
        """Labels of the nodes."""
        return self.layout.nodes

    @property
    def workloads(self) -> pd.Index[Any]:
        """Labels of the classes."""
        return self.layout.workloads

    @property
    def assets(self) -> pd.DataFrame:
        """Node and provider of every asset, one row an asset."""
        layout = self.layout
        columns = {"node": layout.nodes[layout.asset_node], "provider": list(layout.provider)}
        return pd.DataFrame(columns, index=layout.assets.rename("asset"))

    @property
    def arcs(self) -> pd.DataFrame:
        """Origin, destination and owner of every arc, one row an arc."""
        layout = self.layout
        columns = {
            "origin": layout.nodes[layout.origin],
            "destination": layout.nodes[layout.destination],
            "owner": list(layout.owner),
        }
        return pd.DataFrame(columns, index=layout.arcs.rename("arc"))

    def per_service(self, value: float = 1.0) -> xr.DataArray:
        """Return one number for every asset and class, dims (asset, workload), to build a use from."""
        coords = {"asset": self.layout.assets, "workload": self.layout.workloads}
        shape = (len(self.layout.assets), len(self.layout.workloads))
        return xr.DataArray(np.full(shape, value), coords, ("asset", "workload"))

    def per_flow(self, value: float = 1.0) -> xr.DataArray:
        """Return one number for every arc and class, dims (arc, workload), to build a use from."""
        coords = {"arc": self.layout.arcs, "workload": self.layout.workloads}
        shape = (len(self.layout.arcs), len(self.layout.workloads))
        return xr.DataArray(np.full(shape, value), coords, ("arc", "workload"))


class Limit(ABC):
    """Base of limits of a user, ``sum of use * quantity <= capacity + supplied`` for each label.

    Attributes
    ----------
    dim : str
        What has a capacity: ``node``, ``asset``, ``arc``, a dimension of its own that `use` and `capacity` have, or an
        empty text for one limit over the whole market. Limits that share a dimension of their own have the same labels
        along it, in the same order.
    rent : str
        Name of its dual in results; by default `name` and ``_rent``.
    unit : str
        Unit of the capacity, e.g. ``kg/s``.
    rent_unit : str
        Unit of the dual: $/s per unit of the capacity, e.g. ``$/kg``.
    meaning : str
        What the dual means, as an axis label.
    payee : str or None
        Who is paid the rent; None, and not an empty text, leaves it with the asset, or the link, that uses the limit.
        What has a supply is paid for: without a payee, to one of the limit's own name.
    """

    dim: ClassVar[str] = ""
    rent: ClassVar[str] = ""
    unit: ClassVar[str] = "1"
    rent_unit: ClassVar[str] = "$/s per unit"
    meaning: ClassVar[str] = ""
    payee: ClassVar[str | None] = None

    @abstractmethod
    def use(self, view: LimitView) -> xr.DataArray | Sequence[xr.DataArray]:
        """Return what a unit of service, or of flow, uses of the limit; asked for once.

        Returns
        -------
        DataArray or several
            With the dim ``asset`` for what dispatch uses or ``arc`` for what flows use, with ``workload`` unless all
            classes use the same, and with the limit's own dim if it has one. A limit by ``node`` without that dim is
            used by each asset at its node. In the limit's unit per Mtok/s; may be negative, for what gives instead of
            taking.
        """

    @abstractmethod
    def capacity(self, view: LimitView) -> xr.DataArray | float:
        """Return how much there is in a period, a number or dims (dim,); not negative, infinite for no limit."""

    def supply(self, view: LimitView) -> tuple[xr.DataArray, xr.DataArray] | None:
        """Return price and quantity of what more can be had in a period, dims ([dim,] tranche), or None.

        The price is in `rent_unit`, the quantity in `unit`. As many steps in every period, and none in any period if
        there are none in the first; a step that a period lacks has a quantity of zero.
        """
        return None

    @property
    def name(self) -> str:
        """What results call it: its name in the scenario, or the class's, in snake case.

        A class may say ``name = "..."`` instead. No two limits of a market have one name, nor that of a constraint
        that the market has already, e.g. ``link_limit``.
        """
        given: str | None = getattr(self, "_name", None)
        return given or snake_case(type(self).__name__)

    @name.setter
    def name(self, name: str) -> None:
        self._name = re.sub(r"\W+", "_", name).lower()
