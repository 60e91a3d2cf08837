"""Losses that a schedule is quickly seen to survive, so that no program has to be solved for them.

A *base* is any dispatch and flows that serve what has to be served before a loss. After a loss, what is missing at a
node is served there, by the assets that are left in proportion to their room, class by class, and what is too much
there is not made. Where that keeps all limits, the loss is survived: it is a schedule after the loss, so that the
test is sufficient. It is not necessary, since flows stay as they are: the losses left are for `contingency.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.losses import Security
from tokenflow_sim.numeric import Bools, Floats, Ints

_ROUNDING = 1e-10  # of service at a node, in the solver's units, whose tolerance is 1e-9


@dataclass(frozen=True, eq=False)
class Room:
    """What each asset can serve after a loss of another, in the solver's units.

    Parameters
    ----------
    upper : ndarray
        At most so much of each class, dims (asset, workload).
    power_use : ndarray or None
        Power drawn per unit, dims (asset, workload); None where classes do not share it.
    power : ndarray or None
        At most so much power, dims (asset,).
    """

    upper: Floats
    power_use: Floats | None
    power: Floats | None


def survives_in_place(
    layout: Layout, security: Security, losses: Ints, room: Room, served: Floats, base: tuple[Floats, Floats]
) -> Bools:
    """Return which losses are survived by serving at each node what the loss takes from it.

    Parameters
    ----------
    layout : Layout
        Where assets stand and arcs lead.
    security : Security
        The losses.
    losses : ndarray of int
        Positions of the losses in question.
    room : Room
        What assets can serve.
    served : ndarray
        What has to be served, dims (node, workload).
    base : tuple of ndarray
        Dispatch and flow of a base, dims (asset, workload) and (arc, workload); its flows keep all limits.

    Returns
    -------
    ndarray of bool
        Dims (loss,), in the order of `losses`. A loss that is not seen to be survived may well be.
    """
    dispatch, flow = base
    gone, cut = security.assets[losses], security.arcs[losses]
    needs = _needed(layout, flow, served)
    # A flow that is cut leaves its requests where they come from, and is missed where it led to.
    places = np.zeros((len(losses), *served.shape))
    loss, arc = np.nonzero(cut)
    np.add.at(places, (loss, layout.origin[arc]), flow[arc])
    np.subtract.at(places, (loss, layout.destination[arc]), flow[arc])
    hit = (places != 0).any(axis=2)
    loss, asset = np.nonzero(gone)
    hit[loss, layout.asset_node[asset]] = True
    # Nodes that a loss leaves alone serve what they have to as in the base, if they can.
    every = np.ones((1, len(served)), dtype=np.bool_)
    whole = _serves(layout, every, np.zeros((1, len(dispatch)), dtype=np.bool_), room, needs[None], dispatch)
    there = _serves(layout, hit, gone, room, needs[None] + places, dispatch)
    found: Bools = (there | (whole & ~hit)).all(axis=1)
    return found


def _needed(layout: Layout, flow: Floats, served: Floats) -> Floats:
    """Return what has to be made at each node, dims (node, workload), at given flows."""
    needs = served.copy()
    np.subtract.at(needs, layout.origin, flow)
    np.add.at(needs, layout.destination, flow)
    return needs


def _serves(layout: Layout, pairs: Bools, gone: Bools, room: Room, needs: Floats, dispatch: Floats) -> Bools:
    """Return at which nodes, of which losses, the assets left can make what is needed, dims (loss, node)."""
    found = np.zeros(pairs.shape, dtype=np.bool_)
    # One entry for each asset at a node of a pair: few, since a loss hits few nodes.
    pair_loss, pair_node = np.nonzero(pairs)
    number = np.full(pairs.shape, -1)
    number[pair_loss, pair_node] = np.arange(len(pair_loss))
    loss, asset = np.nonzero(pairs[:, layout.asset_node] & ~gone)
    pair = number[loss, layout.asset_node[asset]]
    need = np.broadcast_to(needs, (len(pairs), *needs.shape[1:]))[pair_loss, pair_node]
    count = len(pair_loss)
    good = (need >= -_ROUNDING).all(axis=1)
    need = np.maximum(need, 0.0)
    # What is made there already comes first, as far as it is needed: then the rest in proportion to what is left.
    now = np.minimum(dispatch[asset], room.upper[asset])
    made = _by_pair(pair, now, count)
    now *= np.divide(need, made, out=np.ones(need.shape), where=made > need)[pair]
    missing = np.maximum(need - made, 0.0)
    power = None
    if room.power is not None and room.power_use is not None:
        use = room.power_use[asset]
        power = room.power[asset] - (use * now).sum(axis=1)
        good &= np.bincount(pair, power < -_ROUNDING * use.max(axis=1), count) == 0
    for k in range(dispatch.shape[1]):
        free = room.upper[asset, k] - now[:, k]
        if power is not None:
            # The classes take what power is left one after the other.
            free = np.minimum(free, np.divide(power, use[:, k], out=free.copy(), where=use[:, k] > 0))
        free = np.maximum(free, 0.0)
        total = np.bincount(pair, free, count)
        good &= missing[:, k] <= total + _ROUNDING
        if power is not None:
            raised = np.divide(missing[:, k], total, out=np.zeros(count), where=total > 0)
            power = power - use[:, k] * free * np.minimum(raised, 1.0)[pair]
    found[pair_loss, pair_node] = good
    return found


def _by_pair(pair: Ints, values: Floats, count: int) -> Floats:
    """Return sums by pair of values by entry, dims (pair, workload)."""
    classes = values.shape[1]
    place = pair[:, None] * classes + np.arange(classes)
    return np.bincount(place.ravel(), values.ravel(), count * classes).reshape(count, classes)
