"""Equal offers at one node share what is left to them in proportion to the quantity offered.

A simplex gives everything to one of two equal offers, always the same one, which no market would do.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.program import Program
from tokenflow_sim.numeric import Bools, Floats, Ints

_RELATIVE = 1e-9


def share_ties(program: Program, arrays: Arrays, quantities: Mapping[str, Floats], held: Bools) -> Floats:
    """Share the dispatch of equal offers for a class at a node pro rata to quantity.

    Parameters
    ----------
    program : Program
        The structure.
    arrays : Arrays
        The market's numbers.
    quantities : mapping of ndarray
        Any optimal dispatch, dims (asset, workload, block), in Mtok/s, with all else, by what terms are on.
    held : ndarray of bool
        Assets of which a shared limit binds, dims (asset,): their offers keep what they have, since they are not
        equal once that is priced.

    Returns
    -------
    ndarray
        Dispatch of equal cost, dims (asset, workload, block).
    """
    dispatch = quantities["dispatch"]
    if not program.offers_compete:
        return dispatch
    groups = offer_groups(program, arrays)
    if int(groups.max(initial=-1)) + 1 == groups.size:  # no two offers are equal
        return dispatch
    limits = [
        (limit, [term for term in limit.terms if term.on == "dispatch"])
        for _, limit in program.numbers_of(arrays)
    ]
    # Offers of one group meet equalities alike, so that no share breaks one.
    limits = [(limit, terms) for limit, terms in limits if terms and not limit.equality]
    for _ in range(held.size + 1):
        shared = _shared(dispatch, arrays, groups, held)
        over = np.zeros_like(held)
        for limit, terms in limits:
            exceeded = limit.used({**quantities, "dispatch": shared}) > limit.capacity + _RELATIVE * np.abs(
                limit.capacity
            )
            for term in terms:
                over |= (term.of_members(exceeded) != 0) & ~held
        if not over.any():
            break
        held = held | over  # a limit of its own stands in the way of an equal share
    return shared


def offer_groups(program: Program, arrays: Arrays) -> Ints:
    """Return a number for each group of offers with one node, class and price, which use all equalities alike."""
    price = arrays.offer_price.ravel()
    keys = [price, program.met[program.x, 0]]  # the balance of the node and class
    if (
        arrays.offer_slope is not None
    ):  # what is taken of a sloped offer is decided by its slope: it shares with none
        keys.append(np.where(arrays.offer_slope.ravel() > 0, np.arange(price.size), -1))
    for placed in program.limits:
        for term in placed.limit.terms if placed.limit.equality else ():
            if term.on == "dispatch":
                member = np.arange(len(term.use)) if term.member is None else term.member
                keys += [program.spread(term, member[:, None]), program.spread(term, term.use)]
    order = np.lexsort(keys)
    fresh = np.ones(order.size, dtype=np.int64)
    fresh[1:] = ~np.logical_and.reduce([key[order][1:] == key[order][:-1] for key in keys])
    groups = np.empty(order.size, dtype=np.int64)
    groups[order] = np.cumsum(fresh) - 1
    return groups


def _shared(dispatch: Floats, arrays: Arrays, groups: Ints, held: Bools) -> Floats:
    shape = dispatch.shape
    takes_part = np.broadcast_to(~held[:, None, None], shape).ravel()
    flat, offered = dispatch.ravel(), arrays.capacity.ravel()
    members = np.where(takes_part, offered, 0.0)
    count = int(groups.max()) + 1
    total = np.bincount(groups, np.where(takes_part, flat, 0.0), count)
    quantity = np.bincount(groups, members, count)
    partners = np.bincount(groups, takes_part & (offered > 0), count)
    share = np.divide(total, quantity, out=np.zeros(count), where=quantity > 0)
    spread = takes_part & (partners[groups] > 1)
    return np.where(spread, np.minimum(share[groups], 1.0) * offered, flat).reshape(shape)
