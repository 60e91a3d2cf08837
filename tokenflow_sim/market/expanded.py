"""What a market that was made from another one, with more nodes and with paths for arcs, has beside its arrays."""

from __future__ import annotations

from dataclasses import dataclass

from tokenflow_sim.market.limits import SharedCapacity
from tokenflow_sim.numeric import Bools, Floats


@dataclass(frozen=True, eq=False, kw_only=True)
class Expanded:
    """What of an expanded market its arrays do not say.

    Parameters
    ----------
    limits : tuple of SharedCapacity
        The limits of the links and of shared power, in place of those that are made of arrays: a path uses many links.
    asked : ndarray of bool
        The balances that are asked for one more unit by the price rule, dims (node,): those of demand. The others, of
        servers and of what passes through, are asked for a trifle less.
    path_numbers : ndarray
        Generic numbers of the costs of the last arcs, which are paths, dims (path,).
    """

    limits: tuple[SharedCapacity, ...]
    asked: Bools
    path_numbers: Floats
