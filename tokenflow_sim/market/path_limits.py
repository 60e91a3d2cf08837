"""Whether a market has paths, which of its arcs are open to them, and which limits cannot hold beside them."""

from __future__ import annotations

from tokenflow_sim.errors import Fault, MarketError
from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.market import Market
from tokenflow_sim.numeric import Bools


def takes_paths(market: Market) -> bool:
    """Whether some demand of a market takes paths."""
    routing = market.arrays.routing
    return routing is not None and bool(routing.needs_paths(market.layout.sizes["node"]).any())


def open_arcs(arrays: Arrays) -> Bools:
    """Return which arcs each class may use, dims (arc, workload): allowed, and closed by no limit without capacity."""
    found = arrays.allowed.copy()
    for limit in arrays.every_limit:
        shut = limit.capacity <= 0
        gives = any((term.use < 0).any() for term in limit.terms)
        if limit.supply is None and not gives and shut.any():
            for term in limit.terms:
                if term.on == "flow":
                    found &= ~((term.of_members(shut)[:, None] != 0) & (term.use != 0))
    return found


def check_limits(market: Market) -> None:
    """Refuse limits under which a way in circles could be the cheapest."""
    faults = []
    for limit in market.arrays.every_limit:
        on_flow = [term for term in limit.terms if term.on == "flow"]
        if limit.equality and any(term.use.any() for term in on_flow):
            faults.append(Fault("an equality on flow cannot hold beside rules for whole paths", limit.name))
        elif any((term.use < 0).any() for term in on_flow):
            rule = "a flow that gives of a limit instead of taking cannot be cleared beside rules for whole paths"
            faults.append(Fault(rule, limit.name))
    if faults:
        raise MarketError(faults, "market")
