"""What an agent has sold and bought forward, as it stands in one period, and what it brings at a price."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokenflow_sim.numeric import SECONDS_PER_HOUR, Floats, Ints


@dataclass(frozen=True, slots=True, eq=False)
class Positions:
    """The forward contracts of one agent in a period. All arrays are read-only.

    Parameters
    ----------
    contracts : tuple of str
        Names of the contracts, one a row of the arrays below.
    node, workload : ndarray of int
        Positions of node and class among all nodes and all classes, dims (contract,).
    sold : ndarray
        Quantity sold forward in Mtok/s, negative where it was bought, dims (contract,). Zero outside of the periods
        of a contract.
    price : ndarray
        Price of the contract in $/Mtok, dims (contract,).
    shape : tuple of int
        How many nodes and classes there are.
    hours : float
        Length of a period.
    """

    contracts: tuple[str, ...]
    node: Ints
    workload: Ints
    sold: Floats
    price: Floats
    shape: tuple[int, int]
    hours: float

    @property
    def quantity(self) -> Floats:
        """Net quantity sold forward in Mtok/s, negative where more was bought, dims (node, workload)."""
        return self._sum(self.sold)

    def income(self, price: Floats) -> Floats:
        """Return what the contracts bring at the market's prices.

        Parameters
        ----------
        price : ndarray
            Locational marginal prices in $/Mtok, dims (node, workload).

        Returns
        -------
        ndarray
            (contract price - market price) x quantity sold, in $ a period, dims (node, workload).
        """
        paid = (self.price - price[self.node, self.workload]) * self.sold
        return self._sum(paid * (SECONDS_PER_HOUR * self.hours))

    def _sum(self, values: Floats) -> Floats:
        found = np.zeros(self.shape)
        np.add.at(found, (self.node, self.workload), values)
        return found


def by_asset(income: Floats, asset_node: Ints, many: int = 1) -> Floats:
    """Share out what contracts bring among a provider's assets, so that learners by asset or class count it.

    Parameters
    ----------
    income : ndarray
        What the contracts bring in $, dims (node, workload).
    asset_node : ndarray of int
        Position of each asset's node, dims (asset,).
    many : int
        How many markets stand beside each other in both, with as many of the rows each.

    Returns
    -------
    ndarray
        Dims (asset, workload), adding up to `income`: that at a node goes to the provider's assets there, in equal
        parts, and where it has none there, to all of its assets.
    """
    node, each = asset_node[: len(asset_node) // many], income.reshape(many, -1, income.shape[1])
    count = np.bincount(node, minlength=each.shape[1])
    local = each / np.maximum(count, 1)[:, None]
    elsewhere = each.compress(count == 0, axis=1).sum(axis=1) / len(node)
    shared: Floats = local[:, node] + elsewhere[:, None]
    return shared.reshape(len(asset_node), -1)
