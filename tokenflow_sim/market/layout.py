"""The labels and the incidence of a market: everything about it that is not a number.

Two markets with equal layouts differ only in numbers, so that one solver model serves both.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from tokenflow_sim.numeric import Ints
from tokenflow_sim.variables import COORDINATES, Variable

LinkUnit = Literal["GB/s", "Mtok/s"]


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells that assets and arcs belong to in a table of nodes by classes, numbered row by row.

    Parameters
    ----------
    asset, origin, destination : ndarray of int
        Dims (asset, workload) and twice (arc, workload), flat.
    every : ndarray of int
        The three, one after the other.
    """

    asset: Ints
    origin: Ints
    destination: Ints
    every: Ints


@dataclass(frozen=True, eq=False, kw_only=True)
class Layout:
    """Labels of a market's dimensions and how they hang together.

    Parameters
    ----------
    nodes, workloads, assets, arcs : pandas.Index
        Labels of the four dimensions, each without duplicates.
    asset_node : ndarray of int
        Position in `nodes` of each asset's node, dims (asset,).
    provider : tuple of str
        Name of each asset's provider.
    origin, destination : ndarray of int
        Position in `nodes` of each arc's ends, dims (arc,).
    owner : tuple of str
        Name of each arc's owner.
    blocks, steps : pandas.Index or None
        Labels of the steps of an offer and of demand; None where they have no such dimension.
    link_unit : {'GB/s', 'Mtok/s'}
        How link capacity is measured: physically or in token equivalents.
    """

    nodes: pd.Index[Any]
    workloads: pd.Index[Any]
    assets: pd.Index[Any]
    arcs: pd.Index[Any]
    asset_node: Ints
    provider: tuple[str, ...]
    origin: Ints
    destination: Ints
    owner: tuple[str, ...]
    blocks: pd.Index[Any] | None = None
    steps: pd.Index[Any] | None = None
    link_unit: LinkUnit = "GB/s"

    def __post_init__(self) -> None:
        """Take read-only copies of what could be changed: layouts are compared and hashed by it."""
        for name in ("asset_node", "origin", "destination"):
            array = getattr(self, name)
            if array.flags.writeable:
                array = array.copy()
                array.setflags(write=False)
                object.__setattr__(self, name, array)

    @property
    def many(self) -> int:
        """How many markets stand beside each other: one, but in `beside.LayoutBeside`."""
        return 1

    @property
    def one(self) -> Layout:
        """The layout of each of them."""
        return self

    def by_market(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return an array by node, asset or arc with a leading dim for the market that they are of."""
        return rows.reshape(self.many, len(rows) // self.many, *rows.shape[1:])

    def __getstate__(self) -> dict[str, Any]:
        """Pickle what it was made of."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore it as it was made: unpickled arrays are writable."""
        self.__dict__.update(state)
        self.__post_init__()

    @cached_property
    def key(self) -> tuple[Hashable, ...]:
        """Everything that identifies the layout, hashable."""
        return (
            *(tuple(index) for index in (self.nodes, self.workloads, self.assets, self.arcs)),
            *(None if index is None else tuple(index) for index in (self.blocks, self.steps)),
            *(array.tobytes() for array in (self.asset_node, self.origin, self.destination)),
            self.provider,
            self.owner,
            self.link_unit,
        )

    def __eq__(self, other: object) -> bool:
        """Compare labels and incidence."""
        return self is other or (isinstance(other, Layout) and self.key == other.key)

    def __hash__(self) -> int:
        """Hash by labels and incidence."""
        return hash(self.key)

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Length of every dimension, `block` and `step` among them (1 where absent)."""
        return {
            "node": len(self.nodes),
            "workload": len(self.workloads),
            "asset": len(self.assets),
            "arc": len(self.arcs),
            "block": 1 if self.blocks is None else len(self.blocks),
            "step": 1 if self.steps is None else len(self.steps),
        }

    @cached_property
    def cells(self) -> Cells:
        """Positions of assets and arcs in tables of nodes by classes."""
        workloads = len(self.workloads)
        places = (self.asset_node, self.origin, self.destination)
        cells = [(place[:, None] * workloads + np.arange(workloads)).ravel() for place in places]
        every = np.concatenate(cells)
        for array in (*cells, every):
            array.setflags(write=False)
        return Cells(cells[0], cells[1], cells[2], every)

    def index(self, dim: str) -> pd.Index[Any]:
        """Return the labels of a dimension.

        Raises
        ------
        KeyError
            If the layout has no such dimension.
        """
        found = {
            "node": self.nodes,
            "workload": self.workloads,
            "asset": self.assets,
            "arc": self.arcs,
            "block": self.blocks,
            "step": self.steps,
        }[dim]
        if found is None:
            raise KeyError(dim)
        return found

    @cached_property
    def coords(self) -> xr.Coordinates:
        """All coordinates of the layout, those along `asset` and `arc` among them."""
        along: dict[str, tuple[str, Any]] = {
            "asset_node": ("asset", self.nodes.to_numpy()[self.asset_node]),
            "provider": ("asset", np.asarray(self.provider, dtype=object)),
            "origin": ("arc", self.nodes.to_numpy()[self.origin]),
            "destination": ("arc", self.nodes.to_numpy()[self.destination]),
            "owner": ("arc", np.asarray(self.owner, dtype=object)),
        }
        data: dict[str, Any] = {dim: (dim, self.index(dim)) for dim in ("node", "workload", "asset", "arc")}
        for dim, index in (("block", self.blocks), ("step", self.steps)):
            if index is not None:
                data[dim] = (dim, index)
        data |= {
            name: (dim, values, {"long_name": COORDINATES[name]}) for name, (dim, values) in along.items()
        }
        coords = xr.Dataset(coords=data).coords
        for name in along:
            coords[name].values.setflags(write=False)
        return coords

    @cached_property
    def _templates(self) -> dict[Variable, xr.DataArray]:
        return {}

    def dims_of(self, variable: Variable) -> tuple[str, ...]:
        """Return the dims of a variable here: with `block` or `step` where this layout has them."""
        return variable.dims_among(self._extras)

    @cached_property
    def _extras(self) -> tuple[str, ...]:
        present = (("block", self.blocks), ("step", self.steps))
        return tuple(dim for dim, index in present if index is not None)

    def label(self, variable: Variable, values: np.ndarray[Any, Any]) -> xr.DataArray:
        """Return plain values as a labelled array with unit and meaning.

        Parameters
        ----------
        variable : Variable
            Row of the variables' table.
        values : ndarray
            Its values; a trailing block or step dimension of length one is dropped where the layout has none.

        Returns
        -------
        DataArray
            With the dims `dims_of(variable)`, coordinates, and `units` and `long_name` in its attributes.
        """
        template = self._templates.get(variable)
        if template is None:
            template = self._templates[variable] = self._empty(variable)
        # The labels are shared, not copied: they are the same in every period, and read-only.
        return template.copy(deep=False, data=values.reshape(template.shape))

    def _empty(self, variable: Variable) -> xr.DataArray:
        """Make an empty array with all labels: aligning coordinates again costs ten times what copying them does."""
        dims = self.dims_of(variable)
        coords = {name: coord for name, coord in self.coords.items() if set(coord.dims) <= set(dims)}
        shape = tuple(self.sizes[dim] for dim in dims)
        template = xr.DataArray(
            np.zeros(shape),
            dims=dims,
            coords=coords,
            name=variable.name,
            attrs=variable.attrs(self.link_unit),
        )
        for name in set(template.coords) - set(template.indexes):
            template.coords[name].values.flags.writeable = False  # all arrays of the layout share them
        return template
