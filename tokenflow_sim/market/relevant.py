"""Relevant markets: the nodes that links with room join, class by class."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tokenflow_sim.numeric import Bools, Floats, Ints

FREE = 1e-9
"""Share of a price up to which a congestion charge is the rounding of a solver."""
FULL = 1 - 1e-9
"""Share of a link's capacity from which it is full."""


def full_links(
    price: Floats,
    rent: Floats,
    share: Floats,
    capacity: Floats,
    link_use: Floats,
    curvature: Floats,
    ends: tuple[Ints, Ints],
) -> Bools:
    """Return whether a link has no room for a class, dims (period, arc, workload).

    Parameters
    ----------
    price : ndarray
        Locational marginal prices in $/Mtok, dims (period, node, workload).
    rent, share, capacity : ndarray
        Congestion rent, share of the offered capacity in use, and capacity that exists, dims (period, arc).
    link_use : ndarray
        Link use of one unit of service, dims (arc, workload).
    curvature : ndarray
        Slope of the congestion charge, dims (arc,): where it is positive, a charge does not say that a link is full.
    ends : tuple of ndarray
        Positions of origins and destinations, dims (arc,).
    """
    charge = rent[:, :, None] * link_use
    dearest = np.maximum(price[:, ends[0]], price[:, ends[1]])
    # Without curvature only a full link charges for congestion; one that is withheld or out has no share in use.
    charges = (charge > FREE * dearest) & (curvature == 0)[:, None]
    is_full = (share >= FULL) | (capacity == 0)
    full: Bools = is_full[:, :, None] | charges
    return full


def joined_nodes(
    price: Floats, full: Bools, allowed: Bools, origin: Ints, destination: Ints, within: float
) -> Ints:
    """Return the market of each node: nodes that are joined, directly or through others, are one.

    Two nodes are joined if links that a class may use lead from one to the other and have room, in every direction in
    which there are such links, and the prices at the two differ by no more than `within`. A direction has room unless
    all its links are full.

    Parameters
    ----------
    price : ndarray
        Locational marginal prices in $/Mtok, dims (period, node, workload).
    full : ndarray of bool
        Whether a link has no room, dims (period, arc, workload).
    allowed : ndarray of bool
        Whether the class may use it, dims (arc, workload) or (period, arc, workload).
    origin, destination : ndarray of int
        Positions of the ends of links, dims (arc,).
    within : float
        Share of the lower price by which prices at the ends of a link may differ; infinite where they do not matter.

    Returns
    -------
    ndarray of int
        Position of the first node of each node's market, dims (period, node, workload).
    """
    periods, nodes, classes = price.shape
    # Links with the same ends, whatever their direction, are one border between two nodes.
    low, high = np.minimum(origin, destination), np.maximum(origin, destination)
    border, of = np.unique(low * nodes + high, return_inverse=True)
    way = 2 * of + (origin > destination)
    usable = np.broadcast_to(allowed, full.shape)
    some, room = (_any_by(found, way, 2 * len(border)) for found in (usable, usable & ~full))
    some, room = (found.reshape(periods, len(border), 2, classes) for found in (some, room))
    is_open = (room | ~some).all(axis=2) & some.any(axis=2)
    one, other = price[:, border // nodes], price[:, border % nodes]
    lower, upper = np.minimum(one, other), np.maximum(one, other)
    gap = upper - lower
    # Where prices do not matter, a missing one still parts: nothing is known of its node.
    is_near = np.isfinite(gap) if np.isinf(within) else gap <= within * lower + FREE * upper
    joined = is_open & is_near
    # Classes are graphs of their own, as periods are: one search for all.
    rows = joined.swapaxes(1, 2).reshape(periods * classes, len(border))
    found = _components(rows, border // nodes, border % nodes, nodes)
    return found.reshape(periods, classes, nodes).swapaxes(1, 2)


def _any_by(found: Bools, group: Ints, size: int) -> Bools:
    """Return whether any link of each group has something, dims (period, group, workload)."""
    there = np.zeros((size, found.shape[0], found.shape[2]), dtype=bool)
    np.logical_or.at(there, group, found.swapaxes(0, 1))
    return there.swapaxes(0, 1)


def _components(joined: Bools, origin: Ints, destination: Ints, nodes: int) -> Ints:
    """Label the connected nodes of every row at once: one graph that has each row as a block of its own."""
    rows = len(joined)
    row, arc = np.nonzero(joined)
    edges = (row * nodes + origin[arc], row * nodes + destination[arc])
    graph = coo_array((np.ones(len(row)), edges), shape=(rows * nodes,) * 2)
    _, label = connected_components(graph, directed=False)
    _, first, inverse = np.unique(label, return_index=True, return_inverse=True)
    members: Ints = (first[inverse] % nodes).reshape(rows, nodes)
    return members
