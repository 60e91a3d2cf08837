"""The plain numbers of a clearing, and how they follow from the program's basic solution."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tokenflow_sim.market.activity import cost_of
from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.basis import BasicSolution
from tokenflow_sim.market.limits import SharedCapacity, Term
from tokenflow_sim.market.path_pool import PathFlows
from tokenflow_sim.market.pro_rata import share_ties
from tokenflow_sim.market.program import Program
from tokenflow_sim.numeric import ZERO, Bools, Floats, quickly


@dataclass(frozen=True, eq=False, kw_only=True)
class Values:
    """A clearing's numbers without labels; `block` and `step` always exist, with length one where unused.

    Parameters
    ----------
    price : ndarray
        Locational marginal price in $/Mtok, dims (node, workload).
    dispatch : ndarray
        Dispatch in Mtok/s, dims (asset, workload, block).
    flow : ndarray
        Flow in Mtok/s, dims (arc, workload).
    unserved : ndarray
        Unserved demand in Mtok/s, dims (node, workload, step).
    scarcity_rent : ndarray
        Scarcity rent in $/Mtok, dims (asset, workload, block).
    rents : dict of ndarray
        Rent of every limit by `SharedCapacity.rent`, dims (label,), in $/s per unit of the limit. That of links is
        their whole marginal charge beyond route cost, eta + kappa * load, in $/GB or $/Mtok.
    supplied : dict of ndarray
        What was had of a limit beyond what is free, by `SharedCapacity.name`, dims (label, tranche), in its unit.
    cost : float
        Total cost as offered, in $/s.
    done : dict of ndarray
        What is done of every activity, by `Activity.name`, dims (label, tranche), in its unit.
    paid : ndarray or None
        What assets at a node are paid in $/Mtok, dims (node, workload), where that is not the price of demand there:
        where demand takes paths; see `service_price`.
    along : PathFlows or None
        What flows along which path, where demand takes paths.
    """

    price: Floats
    dispatch: Floats
    flow: Floats
    unserved: Floats
    scarcity_rent: Floats
    rents: dict[str, Floats]
    supplied: dict[str, Floats]
    cost: float
    done: dict[str, Floats] = field(default_factory=dict)
    paid: Floats | None = None
    along: PathFlows | None = None

    @property
    def service_price(self) -> Floats:
        """What assets at a node are paid in $/Mtok, dims (node, workload)."""
        return self.price if self.paid is None else self.paid

    @property
    def quantities(self) -> dict[str, Floats]:
        """All that may use a limit, by what a `Term` is on."""
        return {"dispatch": self.dispatch, "flow": self.flow, "unserved": self.unserved, **self.done}

    @property
    def congestion_rent(self) -> Floats:
        """Rent of every link, dims (arc,)."""
        return self.rents["congestion_rent"]

    @property
    def power_rent(self) -> Floats:
        """Power rent of every asset in $/s per MW, dims (asset,); zero where power is not shared."""
        found = self.rents.get("power_rent")
        if found is None:
            found = np.zeros(len(self.dispatch))
            found.setflags(write=False)
        return found

    def freeze(self) -> None:
        """Make the arrays read-only."""
        for array in (
            self.price, self.dispatch, self.flow, self.unserved, self.scarcity_rent, *self.rents.values(),
            *self.supplied.values(), *self.done.values(),
        ):  # fmt: skip
            array.setflags(write=False)
        if self.paid is not None:
            self.paid.setflags(write=False)
        if self.along is not None:
            self.along.freeze()


def values_of(program: Program, arrays: Arrays, solution: BasicSolution) -> Values:
    """Turn a basic solution of the program into a clearing's numbers.

    Parameters
    ----------
    program : Program
        The structure.
    arrays : Arrays
        The market's numbers.
    solution : BasicSolution
        Values in Mtok/s and duals in $/Mtok and $ per unit of each limit.

    Returns
    -------
    Values
        With offers that tie at a node sharing pro rata.
    """
    columns = np.maximum(solution.values, ZERO)
    price = solution.duals[program.balance].reshape(program.nodal_shape)
    dispatch = np.minimum(columns[program.x].reshape(program.offers_shape), arrays.capacity)
    flow = columns[program.f].reshape(program.flow_shape)
    unserved = np.minimum(columns[program.y].reshape(program.unserved_shape), arrays.demand)
    layout = program.layout
    at_asset = price.take(layout.asset_node, axis=0)
    margin = at_asset[:, :, None] - arrays.offer_price
    rents: dict[str, Floats] = {}
    supplied: dict[str, Floats] = {}
    held = np.zeros(len(margin), dtype=np.bool_)
    done = {}
    for own, activity in program.done_in(arrays):
        beyond = columns[own.columns].reshape(activity.price.shape) * own.unit
        done[activity.name] = np.minimum(
            beyond if activity.least is None else beyond + activity.least, activity.most
        )
    closed = []
    for placed, limit in program.numbers_of(arrays):
        rent = -solution.duals[placed.rows]
        if not limit.equality:
            rent = np.maximum(rent, ZERO)
        if placed.unit != 1.0:
            rent /= placed.unit
        if limit.supply is not None:
            bought = columns[placed.supply].reshape(limit.supply.price.shape) * placed.unit
            supplied[limit.name] = np.minimum(bought, limit.supply.quantity)
        rents[limit.rent] = rent
        if placed.closes and np.count_nonzero(limit.capacity) < limit.size:
            closed.append(limit)
            continue
        margin = _charged(margin, limit, rent, held)
    if closed:
        gain = price[layout.origin] - price[layout.destination] - arrays.route_cost
        for _, limit in program.numbers_of(arrays):
            if limit.name not in {other.name for other in closed}:
                gain = _carried(gain, limit, rents[limit.rent])
    for limit in closed:
        # A limit without capacity is left out of the program; its rent is the least at which nobody gains by using it.
        rent, nothing = rents[limit.rent], limit.capacity == 0
        for term in limit.terms:
            least = _least(term, arrays, gain, margin, limit)
            rent = np.where(nothing, np.maximum(rent, least), rent)
        rents[limit.rent] = rent
        margin, gain = _charged(margin, limit, rent, held), _carried(gain, limit, rent)
    scarcity = np.maximum(margin, ZERO)
    quantities = {"dispatch": dispatch, "flow": flow, "unserved": unserved, **done}
    dispatch = share_ties(program, arrays, quantities, held)
    return quickly(
        Values,
        price=price,
        dispatch=dispatch,
        flow=flow,
        unserved=unserved,
        scarcity_rent=scarcity,
        rents=rents,
        supplied=supplied,
        cost=total_cost(arrays, dispatch, flow, unserved, supplied, done),
        done=done,
    )


def _charged(margin: Floats, limit: SharedCapacity, rent: Floats, held: Bools) -> Floats:
    """Take the rent of what a class uses off its margin, before the scarcity rent of its own limit (equation 8).

    Assets that pay a rent are marked in `held`.
    """
    for term in limit.terms:
        if term.on == "dispatch":
            margin = margin - term.charge(rent)[:, :, None]
            if not limit.equality:  # those who pay alike share alike: see `pro_rata`
                held |= term.of_members(rent) > 0
    return margin


def _carried(gain: Floats, limit: SharedCapacity, rent: Floats) -> Floats:
    """Take the rent of what a flow uses off what it gains, dims (arc, workload)."""
    for term in limit.terms:
        if term.on == "flow":
            gain = gain - term.charge(rent)
    return gain


def _least(term: Term, arrays: Arrays, gain: Floats, margin: Floats, limit: SharedCapacity) -> Floats:
    """Return the least rent of every label at which nobody gains from using it, dims (label,)."""
    if term.on == "flow":
        worth = gain
        usable = arrays.allowed & (term.use > 0)
    else:
        offered = arrays.capacity > 0
        worth = np.where(offered, margin, 0.0).max(axis=2)
        usable = offered.any(axis=2) & (term.use > 0)
    least = np.where(usable, worth / np.where(usable, term.use, 1.0), 0.0).max(axis=1, initial=0.0)
    return term.largest(least, limit.size)


def total_cost(
    arrays: Arrays,
    dispatch: Floats,
    flow: Floats,
    unserved: Floats,
    supplied: Mapping[str, Floats],
    done: Mapping[str, Floats] | None = None,
) -> float:
    """Return the cost of all that is done, of lost service, curvature and slopes in $/s: (1a), (10a)."""
    cost = dot(arrays.offer_price, dispatch) + dot(arrays.route_cost, flow)
    if np.count_nonzero(unserved):
        cost += dot(arrays.worth, unserved)
    if arrays.is_curved:
        load = link_loads(arrays, flow)
        cost += 0.5 * dot(arrays.link_curvature, load * load)
    if arrays.is_sloped:  # what is lost of demand is what its last units are worth
        if arrays.value_slope is not None:
            cost -= dot(arrays.value_slope * arrays.demand, unserved)
        cost += arrays.slope_cost(dispatch, unserved)
    if arrays.activities and done is not None:
        cost += cost_of(arrays.activities, done)
    return float(cost + supply_cost(arrays, supplied)) if arrays.limits else float(cost)


def link_loads(arrays: Arrays, flow: Floats) -> Floats:
    """Return the load of every link in GB/s (or Mtok/s), dims (arc,)."""
    if arrays.expanded is None:
        return np.asarray((arrays.link_use * flow).sum(axis=1))
    links = arrays.links  # a path loads many
    return sum((term.used(flow, links.size) for term in links.terms), np.zeros(links.size))


def supply_cost(arrays: Arrays, supplied: Mapping[str, Floats]) -> float:
    """Return the cost in $/s of what was had of limits beyond what is free."""
    return sum(
        dot(limit.supply.price, supplied[limit.name]) for limit in arrays.limits if limit.supply is not None
    )


def dot(one: Floats, other: Floats) -> float:
    """Return the sum of products, summed by numpy itself: a BLAS may split it over threads, and change its bits."""
    return float(np.add.reduce(one * other, axis=None))
