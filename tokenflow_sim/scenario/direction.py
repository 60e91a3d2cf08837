"""A hint for networks that were drawn from plant to load, while arcs run from demand to server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tokenflow_sim.numeric import Bools

if TYPE_CHECKING:
    from tokenflow_sim.market import Market

_NEARLY_NONE = 0.05
"""Share of a node's own demand below which capacity there hardly counts."""


def direction_hint(market: Market) -> str:
    """Say where demand finds no server, while turning arcs round would give it some.

    Parameters
    ----------
    market : Market
        A market; only what it is made of is looked at, nothing is cleared.

    Returns
    -------
    str
        One line; empty where every demand finds a server, or where turning arcs round would be of no use.

    Notes
    -----
    Demand is stranded if no capacity of its class can be reached from its node along arcs that may carry the class.
    It is worth a hint if from some other node with capacity to spare there is a way to it, so that the reverse of that
    way would serve it. Where all arcs come in pairs, both are the same, and nothing is said.
    """
    layout, arrays = market.layout, market.arrays
    shape = len(layout.nodes), len(layout.workloads)
    wanted = arrays.demand.sum(axis=2)
    capacity = np.zeros(shape)
    np.add.at(capacity, layout.asset_node, arrays.capacity.sum(axis=2))
    usable = arrays.allowed & (arrays.link_capacity > 0)[:, None]
    origin, destination = layout.origin, layout.destination
    served = _spread(capacity > _NEARLY_NONE * wanted, usable, destination, origin)
    stranded = (wanted > 0) & ~served
    if not stranded.any():
        return ""
    fed = _spread(capacity > wanted, usable, origin, destination)
    # An arc on which capacity that stands idle would be reached, if it ran the other way.
    wrong = usable & fed[origin] & stranded[destination]
    if not wrong.any():
        return ""
    arc = int(np.flatnonzero(wrong.any(axis=1))[0])
    tail, head = (str(layout.nodes[int(end[arc])]) for end in (origin, destination))
    others = len(np.unique(destination[wrong.any(axis=1)])) - 1
    more = f", nor that at {others} other node{'s' if others > 1 else ''}" if others else ""
    classes = ", ".join(str(layout.workloads[k]) for k in np.flatnonzero(wrong[arc]).tolist())
    return (
        "hint: arcs run from where requests are made to where they are served; "
        f"{_named(layout.arcs[arc], tail, head)} takes requests from {tail} to {head}, so that demand at {head}"
        f" ({classes}) finds no server{more}: try the reverse, '{head}->{tail}'"
    )


def _named(label: Any, tail: str, head: str) -> str:
    plain = f"'{tail}->{head}'"
    return plain if str(label) == plain.strip("'") else f"'{label}' ({tail}->{head})"


def _spread(nodes: Bools, usable: Bools, start: NDArray[np.int64], end: NDArray[np.int64]) -> Bools:
    """Return the nodes, by class, that are marked or are reached from a marked one by arcs from `start` to `end`."""
    marked = nodes.copy()
    for _ in range(len(marked)):
        new = usable & marked[start] & ~marked[end]
        if not new.any():
            break
        arcs, classes = np.nonzero(new)
        marked[end[arcs], classes] = True
    return marked
