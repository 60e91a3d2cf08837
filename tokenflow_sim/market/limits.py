"""The capacities that several offers or flows share: one row of a table for each group of such constraints.

For each of its labels a group says that what dispatch and flows use adds up to no more than there is of it, and
names the dual price of that. A group may have a supply: beyond what is free, more can be had in steps at a cost.
Everything that depends on such groups (the program, both solvers, the perturbation, the clearing's numbers, the
certificate, pro rata shares, decomposition and settlement) loops over `Arrays.every_limit`. To add a group, add its
row to `LIMITS`, and its arrays and its rent to `tokenflow_sim/variables.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.shared_capacity import SharedCapacity, Term
from tokenflow_sim.numeric import Floats
from tokenflow_sim.variables import LIMITS as LIMIT_RESULTS


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
        return SharedCapacity(self.name, self.rent, self.dim, capacity, (term,))


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
    return SharedCapacity(SITE, row.name, "node", power, (term,), rent_unit=row.unit, meaning=row.long_name)


OWN_UNITS = frozenset(group.name for group in LIMITS)
"""Groups whose rows the solver is given in the units of the market's arrays."""


def groups_of(arrays: object) -> tuple[SharedCapacity, ...]:
    """Return every group of limits that is made of a market's own arrays; the links come first."""
    return tuple([limit for group in LIMITS if (limit := group.of(arrays)) is not None])
