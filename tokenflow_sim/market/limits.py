"""The capacities that several offers or flows share: one row of a table for each group of such constraints.

For each of its labels a group says that what dispatch, flows, unserved demand and activities use adds up to no more
than there is of it (or, as an equality, to just that), and names the dual price of that. A group may have a supply:
beyond what is free, more can be had in steps at a cost.
Everything that depends on such groups (the program, both solvers, the perturbation, the clearing's numbers, the
certificate, pro rata shares, decomposition and settlement) loops over `Arrays.every_limit`. To add a group, add its
row to `LIMITS`, and its arrays and its rent to `tokenflow_sim/variables.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from tokenflow_sim.market.layout import Layout
from tokenflow_sim.numeric import Floats, Ints
from tokenflow_sim.variables import LIMITS as LIMIT_RESULTS

NOBODY = -1
SERVICE = ("dispatch", "flow", "unserved")
"""What a term may be on, beside activities."""
# Term, Supply and SharedCapacity are not frozen, though nobody changes them: they are made again in every period, and
# setting the fields of a frozen one takes three times as long.


@dataclass(eq=False, slots=True)
class Term:
    """What dispatch, or flow, uses of a limit.

    Parameters
    ----------
    on : str
        What uses it: ``dispatch``, ``flow``, ``unserved``, or the name of an `activity.Activity`.
    use : ndarray
        Use per unit, dims (asset, workload), (arc, workload) or (node, workload), the same for all blocks or steps;
        for an activity dims (label,), the same for all its tranches. May be negative, for what gives.
    member : ndarray of int, optional
        Position of the label that each asset, arc, node or label of the activity uses, dims (asset,) etc.; `NOBODY`
        where it uses none. By default each uses the label at its own position. What uses several has several terms.
    kept : ndarray, optional
        What of the use is of one's own part of the capacity (see `SharedCapacity.held`), dims as of `use`: what it
        costs stays with the user, also where the limit has a payee.
    """

    on: str
    use: Floats
    member: Ints | None = None
    kept: Floats | None = None

    def charge(self, rent: Floats) -> Floats:
        """Return what a unit of each pays at given rents, with the dims of `use`."""
        own = rent if self.member is None else self.of_members(rent)
        charge: Floats = (own[:, None] if self.use.ndim == 2 else own) * self.use
        return charge

    def used(self, quantity: Floats, size: int) -> Floats:
        """Return what is used of each label, dims (label,).

        Parameters
        ----------
        quantity : ndarray
            What it is on: dispatch (asset, workload, block), flow (arc, workload), unserved (node, workload, step), or
            what is done of the activity (label, tranche).
        size : int
            How many labels there are.
        """
        if self.use.ndim == 1:
            each: Floats = self.use * quantity.sum(axis=1)
        elif quantity.ndim == 2:
            each = np.vecdot(self.use, quantity)
        else:
            each = np.einsum("ak,akb->a", self.use, quantity)
        return self.summed(each, size)

    def summed(self, each: Floats, size: int) -> Floats:
        """Return sums by label of numbers by asset or arc."""
        if self.member is None:
            return each
        there = self.member != NOBODY
        return np.bincount(self.member[there], each[there], size)

    def largest(self, each: Floats, size: int) -> Floats:
        """Return the largest by label of numbers by asset or arc, and never less than zero."""
        if self.member is None:
            return np.maximum(each, 0.0)
        there, largest = self.member != NOBODY, np.zeros(size)
        np.maximum.at(largest, self.member[there], each[there])
        return largest

    def of_members(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return numbers (or flags) by label as numbers by asset or arc; zero for those that use none."""
        if self.member is None:
            return values
        return np.where(self.member == NOBODY, 0, values.take(self.member))


@dataclass(eq=False, slots=True)
class Supply:
    """What can be had of a limit beyond what is free, step by step.

    Parameters
    ----------
    price : ndarray
        Cost of a unit of each step, in $/s per unit of the limit, dims (label, tranche).
    quantity : ndarray
        Size of each step in the limit's unit, dims (label, tranche); may be infinite.
    """

    price: Floats
    quantity: Floats


@dataclass(eq=False, slots=True, kw_only=True)
class SharedCapacity:
    """One group of shared capacities with its numbers, ``sum use * quantity <= capacity + supplied`` for each label.

    As an equality it is a balance, of power at each bus for example, or a law of nature.

    Parameters
    ----------
    name : str
        Name of the constraint in the linopy model.
    rent : str
        Name of the dual.
    dim : str
        What its labels are: ``node``, ``asset``, ``arc``, or a dimension of its own.
    capacity : ndarray
        How much there is of it, dims (label,); may be infinite. May be negative where something gives: of a bus it is
        minus the local load.
    terms : tuple of Term
        What uses it.
    supply : Supply, optional
        What more can be had at a cost.
    labels : tuple, optional
        Its labels, where `dim` is none of the market's.
    payee : str, optional
        Who is paid the rent; by default it stays with the asset, or the link's owner, that uses the limit.
    unit, rent_unit, meaning : str
        Unit of the capacity, unit and meaning of the dual, for labels.
    equality : bool
        Whether all of it has to be used, ``sum use * quantity == capacity``. The dual may have either sign then: it is
        the cost of one more unit *taken* (of one unit less capacity), like a price. It has no supply: that is an
        activity.
    law : bool
        Of an equality: whether nobody can ask for more of it, as of Kirchhoff's voltage law around a cycle. Its dual
        does not count in the price rule (of several sets of duals, the one in which one more unit of everything costs
        most), and what is infeasible is not put down to it.
    held : ndarray, optional
        Whose the capacity is, dims (label, asset, workload): the rent of what of it an asset does not use itself is
        paid to the asset, as for reserve.
    part : {'limits', 'energy'}
        Which part of a price its charge is: the bus price times the energy of a token is that token's energy part.
    like : SharedCapacity, optional
        The group whose terms say how its rows are measured and shifted, where its own depend on which paths are known;
        by default its own do.
    """

    name: str
    rent: str
    dim: str
    capacity: Floats
    terms: tuple[Term, ...]
    supply: Supply | None = None
    labels: tuple[object, ...] = ()
    payee: str | None = None
    unit: str = ""
    rent_unit: str = ""
    meaning: str = ""
    equality: bool = False
    law: bool = False
    held: Floats | None = None
    part: Literal["limits", "energy"] = "limits"
    like: SharedCapacity | None = None

    def same_as(self, other: SharedCapacity) -> bool:
        """Whether another one has the same numbers."""
        mine, theirs = self._arrays(), other._arrays()
        return (
            self.name == other.name
            and (self.equality, self.law) == (other.equality, other.law)
            and [term.on for term in self.terms] == [term.on for term in other.terms]
            and len(mine) == len(theirs)
            and all(map(np.array_equal, mine, theirs))
        )

    def freeze(self) -> None:
        """Make all arrays read-only, which unpickled ones are not."""
        for array in self._arrays():
            array.flags.writeable = False

    def _arrays(self) -> list[NDArray[Any]]:
        arrays: list[NDArray[Any]] = [self.capacity, *(term.use for term in self.terms)]
        arrays += [term.member for term in self.terms if term.member is not None]
        arrays += [term.kept for term in self.terms if term.kept is not None]
        arrays += [] if self.held is None else [self.held]
        return arrays if self.supply is None else [*arrays, self.supply.price, self.supply.quantity]

    def add_charges(self, rent: Floats, sums: dict[str, Floats]) -> None:
        """Add what a unit of each quantity pays at given rents.

        Parameters
        ----------
        rent : ndarray
            Rents of the labels, dims (label,).
        sums : dict of ndarray
            What is added to, by what terms are on; what is not in it is left out. Dims of the quantity, or without its
            blocks, steps or tranches. Replaced, not written into.
        """
        for term in self.terms:
            before = sums.get(term.on)
            if before is not None:
                charge = term.charge(rent)
                sums[term.on] = before + (charge if charge.ndim == before.ndim else charge[..., None])

    @property
    def size(self) -> int:
        """How many labels there are."""
        return len(self.capacity)

    @property
    def measure(self) -> SharedCapacity:
        """The group whose terms say how its rows are measured and shifted."""
        return self if self.like is None else self.like

    def label(self, rent: Floats, layout: Layout) -> xr.DataArray:
        """Return rents as a labelled array, without a dim where the limit has none."""
        attrs = {"units": self.rent_unit, "long_name": self.meaning}
        if not self.dim:
            return xr.DataArray(rent[0], name=self.rent, attrs=attrs)
        labels = pd.Index(self.labels) if self.labels else layout.index(self.dim)
        return xr.DataArray(rent, {self.dim: labels}, (self.dim,), self.rent, attrs)

    @property
    def paid_to(self) -> str | None:
        """Who is paid the rent; where an activity uses or gives some, everybody pays: to the limit's own name."""
        own = any(term.on not in SERVICE for term in self.terms)
        return self.name if self.payee is None and own else self.payee

    def used(self, quantities: Mapping[str, Floats]) -> Floats:
        """Return what is used of each label, dims (label,).

        Parameters
        ----------
        quantities : mapping
            Quantities by what terms are on: `values.Values.quantities`.
        """
        if len(self.terms) == 1:
            return self.terms[0].used(quantities[self.terms[0].on], self.size)
        first, *others = (term.used(quantities[term.on], self.size) for term in self.terms)
        for other in others:
            first = first + other
        return first


@dataclass(frozen=True)
class _Group:
    """A group of limits that is made of the market's own arrays.

    Parameters
    ----------
    name, rent, dim
        As in `SharedCapacity`.
    capacity, use : str
        Names of the market's arrays with how much there is, and with what a unit of service uses.
    on : {'dispatch', 'flow'}
        What uses it.
    """

    name: str
    rent: str
    dim: str
    capacity: str
    use: str
    on: Literal["dispatch", "flow"]

    def of(self, arrays: object) -> SharedCapacity | None:
        """Return the group with a market's numbers, None where the market does not have it."""
        capacity = getattr(arrays, self.capacity)
        if capacity is None:
            return None
        term = Term(self.on, getattr(arrays, self.use))
        return SharedCapacity(name=self.name, rent=self.rent, dim=self.dim, capacity=capacity, terms=(term,))


LINK = "link_limit"
LIMITS: tuple[_Group, ...] = (
    # Links, equations (1d), (10d).
    _Group(LINK, "congestion_rent", "arc", "link_capacity", "link_use", "flow"),
    # The power that an asset's classes share.
    _Group("power_limit", "power_rent", "asset", "power_limit", "power_use", "dispatch"),
)

SITE = "site_limit"


def site_limit(layout: Layout, power_use: Floats, power: Floats) -> SharedCapacity:
    """Return the limit on what all assets at a node draw together, ``sum_{s at n, k} h_sk x_sk <= P_n``.

    Parameters
    ----------
    layout : Layout
        Where assets stand.
    power_use : ndarray
        In MW per Mtok/s, dims (asset, workload).
    power : ndarray
        Grid connection of each node in MW, dims (node,); infinite where there is no limit.
    """
    row = LIMIT_RESULTS["site_rent"]
    term = Term("dispatch", power_use, layout.asset_node)
    return SharedCapacity(
        name=SITE,
        rent=row.name,
        dim="node",
        capacity=power,
        terms=(term,),
        rent_unit=row.unit,
        meaning=row.long_name,
    )


OWN_UNITS = frozenset(group.name for group in LIMITS)
"""Groups whose rows the solver is given in the units of the market's arrays."""

BUILT_IN = OWN_UNITS | {SITE, "link_delay", "site_delay", "balance", "load_is_use"}
"""Names of all constraints that a market's program may have without limits of a user."""


def groups_of(arrays: object) -> tuple[SharedCapacity, ...]:
    """Return every group of limits that is made of a market's own arrays; the links come first."""
    return tuple([limit for group in LIMITS if (limit := group.of(arrays)) is not None])
