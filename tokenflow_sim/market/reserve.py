"""Reserve: capacity that is kept free beside what is served, as a limit with its price.

A requirement asks that the headroom of the assets in a zone is at least a margin m of what the zone is served,

    sum_a (C_a - x_a)  >=  m (sum_a x_a + what flows in - what flows out),

class by class in Mtok/s where each class has a capacity of its own, and in MW, over the power that assets draw, where
classes share an asset's power. What is served is written as what reaches the nodes, so that one more unit of demand
asks for 1 + m units of capacity and the price of service is its whole cost. This is the co-optimisation of energy
and reserve of electricity markets with one offer for both: reserve is offered at no cost, its price is what an asset
forgoes by not serving (Stoft 2002, chapter 3-4), and who keeps capacity free is paid it.

References
----------
Stoft (2002), Power System Economics, IEEE Press. Hogan (2005), On an "Energy Only" Electricity Market Design for
Resource Adequacy: a price at which reserve may be missing makes prices rise before service is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.limits import NOBODY, SharedCapacity, Supply, Term
from tokenflow_sim.numeric import Bools, Floats, Ints
from tokenflow_sim.variables import LIMITS as LIMIT_RESULTS

RESERVE = "reserve_limit"
OPERATOR = "reserve"
"""Payee of what is paid for reserve that is missing; all else is the assets'."""


@dataclass(frozen=True, eq=False)
class Requirement:
    """Reserve that has to be held.

    Parameters
    ----------
    name : str
        Its name.
    margin : float
        Headroom per unit served.
    nodes, workloads : ndarray of bool
        What it is about, dims (node,) and (workload,).
    price : float or None
        Price at which reserve may be missing, in $/Mtok or $/s per MW; None where none may.
    """

    name: str
    margin: float
    nodes: Bools
    workloads: Bools
    price: float | None = None


@dataclass(frozen=True, eq=False)
class _Row:
    """One label: which assets hold its reserve, and what it is of (a class, or power)."""

    label: str
    requirement: Requirement
    assets: Bools
    workload: int | None


class ReserveRows:
    """The reserve of one layout, its capacity aside.

    Parameters
    ----------
    layout : Layout
        Where assets stand.
    requirements : sequence of Requirement
        At least one.
    power_use : ndarray
        Power drawn in MW per Mtok/s, dims (asset, workload); zero where an asset does not serve a class.
    shared : bool
        Whether classes share the power of an asset.
    """

    def __init__(
        self, layout: Layout, requirements: Sequence[Requirement], power_use: Floats, shared: bool
    ) -> None:
        self._layout, self._power_use, self._shared = layout, power_use, shared
        self._rows = [row for one in requirements for row in self._rows_of(one)]
        terms = [term for number, row in enumerate(self._rows) for term in self._terms(number, row)]
        meaning = LIMIT_RESULTS["reserve_rent"]
        prices = [row.requirement.price for row in self._rows]
        supply = None
        if any(price is not None for price in prices):
            price = np.array([[0.0 if one is None else one] for one in prices])
            supply = Supply(price, np.array([[0.0 if one is None else np.inf] for one in prices]))
        self._made = SharedCapacity(
            name=RESERVE,
            rent=meaning.name,
            dim="reserve",
            capacity=np.zeros(len(self._rows)),
            terms=tuple(terms),
            supply=supply,
            labels=tuple(row.label for row in self._rows),
            payee=OPERATOR,
            rent_unit="$/s per MW" if shared else "$/Mtok",
            meaning=meaning.long_name,
        )

    def _rows_of(self, one: Requirement) -> list[_Row]:
        there, runs = one.nodes[self._layout.asset_node], self._power_use > 0
        if self._shared:
            return [_Row(one.name, one, there & runs[:, one.workloads].any(axis=1), None)]
        return [
            _Row(f"{one.name}/{self._layout.workloads[k]}", one, there & runs[:, k], k)
            for k in np.flatnonzero(one.workloads).tolist()
        ]

    def _terms(self, number: int, row: _Row) -> list[Term]:
        layout, one, classes = self._layout, row.requirement, len(self._layout.workloads)
        members = np.where(row.assets, number, NOBODY)
        if row.workload is None:
            # Power is counted where it is drawn, whoever is served by it.
            use = self._power_use * (1.0 + one.margin * one.workloads)
            return [Term("dispatch", use, members, kept=self._power_use)]
        only = (np.arange(classes) == row.workload).astype(float)
        kept = np.tile(only, (len(layout.assets), 1))
        terms = [Term("dispatch", (1.0 + one.margin) * kept, members, kept=kept)]
        # An arc carries requests from where they are made: what flows out of a zone is served to it from elsewhere.
        inflow = one.nodes[layout.origin].astype(float) - one.nodes[layout.destination]
        # Assets in the zone that cannot serve the class add nothing to either side.
        if inflow.any():
            across = np.where(inflow != 0, number, NOBODY)
            terms.append(Term("flow", one.margin * inflow[:, None] * only, across))
        return terms

    def at(self, capacity: Floats, power_limit: Floats | None) -> SharedCapacity:
        """Return the limit with what exists in a period.

        Parameters
        ----------
        capacity : ndarray
            What exists in Mtok/s, dims (asset, workload). What a provider does not offer counts as free.
        power_limit : ndarray or None
            Power of each asset in MW, dims (asset,); None where it is not shared.
        """
        held = np.zeros((len(self._rows), *capacity.shape))
        for number, row in enumerate(self._rows):
            if row.workload is None:
                assert power_limit is not None  # classes share power
                runs = self._power_use > 0
                # The headroom of an asset is that of all its classes alike.
                each = power_limit / np.maximum(runs.sum(axis=1), 1)
                held[number] = np.where(row.assets[:, None] & runs, each[:, None], 0.0)
            else:
                held[number, :, row.workload] = np.where(row.assets, capacity[:, row.workload], 0.0)
        return replace(self._made, capacity=held.sum(axis=(1, 2)), held=held)


def without_assets(limit: SharedCapacity, rows: Ints) -> SharedCapacity:
    """Return a limit without the part of its capacity that some assets hold.

    Parameters
    ----------
    limit : SharedCapacity
        Any limit; one whose capacity belongs to nobody stays as it is.
    rows : ndarray of int
        Positions of the assets.
    """
    if limit.held is None:
        return limit
    held = limit.held.copy()
    held[:, rows] = 0.0
    return replace(limit, capacity=held.sum(axis=(1, 2)), held=held)


def held_income(limit: SharedCapacity, rent: Floats, dispatch: Floats) -> Floats:
    """Return what assets are paid for the part of a limit's capacity that is theirs and that they do not use.

    Parameters
    ----------
    limit : SharedCapacity
        A limit whose capacity belongs to assets.
    rent : ndarray
        Its rents, dims (label,).
    dispatch : ndarray
        Dispatch in Mtok/s, dims (asset, workload).

    Returns
    -------
    ndarray
        In $/s, dims (asset, workload).
    """
    if limit.held is None:
        return np.zeros(dispatch.shape)
    income: Floats = np.einsum("l,lak->ak", rent, limit.held)
    for term in limit.terms:
        if term.kept is not None:
            income = income - term.of_members(rent)[:, None] * term.kept * dispatch
    return income
