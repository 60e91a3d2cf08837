"""Clearing by merit order: many markets at once whose nodes and classes are separate, as exactly as by the program.

Where nothing joins the (node, class) cells of a market (no links, or links that would carry nothing, no shared limit),
the linear program falls apart into one stack of offers a cell: sorted by price, filled until demand is met. Its only
optimal basis, the one that `engine.Engine` would find, is then known without a solver: the offer at which the
stack meets demand is basic, dearer ones are empty, cheaper ones full.

The numbers are those of the engine to the bit. The same shifted program decides what is cheaper
(`perturbation.Perturbation`); the same margins decide whether its basis is the only optimal one, and optimal for the
true numbers too (`basis.check_basis`); sums are added in the order in which the program's matrix adds them. A market
of which any of this is not certain, that cannot be served, or whose links would carry something, is left to the
engine. Which way a market takes depends on its numbers alone, never on what is cleared beside it or was before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tokenflow_sim.market.basis import MARGIN, TOLERANCE
from tokenflow_sim.market.certificate import CERTIFIED
from tokenflow_sim.market.market import Market
from tokenflow_sim.market.merit_certificate import Routes, Stacks, certify_stacks
from tokenflow_sim.market.perturbation import Perturbation, scales_of
from tokenflow_sim.market.program import Program
from tokenflow_sim.numeric import Bools, Floats, Ints

# What the engine decides by its margins is certain where it holds by this many times as much.
CLEAR = 2.0
# The rounding of a sum of a cell's quantities, relative to it.
ROUNDING = 1e-14
# An offer closer than this to the value of service, in the solver's units, may change what is served at no cost.
LOOSE = 2e-7
# A cost beyond all others, whose differences are numbers.
_FORBIDDEN = 1e300
# How many products of matrices are held at once.
_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class MeritOrderOutcome:
    """What markets clear at, as in `values.Values` with a leading dim `market`.

    Parameters
    ----------
    certain : ndarray of bool
        Whether a market's numbers are those that the engine publishes, dims (market,). All others of it are
        meaningless: the engine has to clear it.
    price : ndarray
        Locational marginal price in $/Mtok, dims (market, node, workload).
    dispatch, scarcity_rent : ndarray
        In Mtok/s and $/Mtok, dims (market, asset, workload, block).
    unserved : ndarray
        In Mtok/s, dims (market, node, workload, step).
    cost : ndarray
        Total cost as offered in $/s, dims (market,).
    certificate : ndarray
        Primal, dual, complementarity and gap residual, dims (market, residual): see `certificate.Certificate`. That of
        a market that is certain is at most `certificate.CERTIFIED`.
    """

    certain: Bools
    price: Floats
    dispatch: Floats
    unserved: Floats
    scarcity_rent: Floats
    cost: Floats
    certificate: Floats


class MeritOrder:
    """Clears markets of one structure by sorting, any number of them at once.

    Parameters
    ----------
    program : Program
        The structure, of a market that `fits`.

    Notes
    -----
    What a market clears at is the same, to the bit, whichever markets are cleared beside it.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        perturbation = Perturbation(program)
        costs, limits, rows = program.split(perturbation.numbers)
        self.asking = rows[program.balance]
        x, y = program.x, program.y
        self._offers = x.stop - x.start
        # Columns of each cell, offers before steps, each in the program's order; short cells end in a column of none.
        own = np.concatenate([np.arange(x.start, x.stop), np.arange(y.start, y.stop)])
        cell = program.met[own, 0]
        self._cells = program.balance.stop
        counts = np.bincount(cell, minlength=self._cells)
        self._width = int(counts.max(initial=1))
        order = np.argsort(cell, kind="stable")
        self._place: Ints = np.full((self._cells, self._width), own.size, dtype=np.int64)
        rank = np.arange(own.size) - np.repeat(np.cumsum(counts) - counts, counts)
        self._place[cell[order], rank] = order
        # Where each column stands in such a table.
        self._spot: Ints = np.empty(own.size, dtype=np.int64)
        self._spot[order] = cell[order] * self._width + rank
        self.cell, self._own = cell, own
        self._is_offer: Bools = self._place < self._offers
        self._cost_shift, self._limit_shift = costs[own], limits[own]
        self._flow_shift = costs[program.f].reshape(program.flow_shape)
        self._link_shift = rows[program.link]

    def columns_by_cell(self) -> list[list[tuple[int, float, float]]]:
        """Return the place of every offer and step of each cell, and how far its cost and bound are shifted."""
        shifts = list(zip(self._cost_shift.tolist(), self._limit_shift.tolist(), strict=True))
        return [
            [(place, *shifts[place]) for place in row if place < len(shifts)] for row in self._place.tolist()
        ]

    @staticmethod
    def fits(market: Market) -> bool:
        """Whether a market has the structure that can be cleared so; what its links would carry is seen later.

        Parameters
        ----------
        market : Market
            Any market.

        Returns
        -------
        bool
            False where its cells share power, or it has further limits, activities, rules for whole paths, losses to
            survive, or links whose charge grows.
        """
        arrays = market.arrays
        return (
            arrays.power_use is None
            and not arrays.limits
            and not arrays.activities
            and arrays.routing is None
            and arrays.expanded is None
            and arrays.security is None
            and arrays.offer_slope is None
            and arrays.value_slope is None
            and not (arrays.link_curvature.size and market.is_quadratic)
        )

    def clear(
        self,
        offer_price: Floats,
        capacity: Floats,
        demand: Floats,
        value: Floats,
        *,
        routes: Routes | None = None,
    ) -> MeritOrderOutcome:
        """Clear markets, as far as it is certain what they clear at.

        Parameters
        ----------
        offer_price, capacity : ndarray
            Offers in $/Mtok and Mtok/s, dims (market, asset, workload, block).
        demand, value : ndarray
            Demand in Mtok/s, and what lost service is worth in $/Mtok, infinite where it must be served, dims (market,
            node, workload, step).
        routes : Routes, optional
            In a structure with links, theirs.

        Returns
        -------
        MeritOrderOutcome
            Arrays of its own.
        """
        program, many = self.program, len(offer_price)
        if program.f.stop == program.f.start:
            routes = None
        elif routes is None:
            raise ValueError("a structure with links needs its routes")
        offers, cells, width = self._offers, self._cells, self._width
        # Prices and bounds of all columns, and in the table of cells; what stands nowhere is forbidden.
        must_serve = value == np.inf
        worth, shed = np.where(must_serve, 0.0, value), np.where(must_serve, 0.0, demand)
        prices, bounds = np.zeros((many, self._own.size + 1)), np.zeros((many, self._own.size + 1))
        prices[:, :offers], prices[:, offers:-1] = offer_price.reshape(many, -1), worth.reshape(many, -1)
        bounds[:, :offers], bounds[:, offers:-1] = capacity.reshape(many, -1), shed.reshape(many, -1)
        quantity, price_unit = scales_of(
            offer_price, capacity, demand, value, None if routes is None else routes.route_cost
        )
        asked_total = (demand[..., 0] if demand.shape[-1] == 1 else demand.sum(axis=-1)).reshape(many, cells)
        costs = prices / price_unit[:, None]
        upper = bounds / quantity[:, None]
        asked = asked_total / quantity[:, None]
        shifted_costs, shifted_upper = costs.copy(), upper.copy()
        shifted_costs[:, :-1] += self._cost_shift
        shifted_upper[:, :-1] += self._limit_shift
        forbidden = upper <= 0.0
        shifted_upper[forbidden] = 0.0
        shifted_costs[forbidden] = _FORBIDDEN
        # The stacks: what is cheaper stands before what is dearer.
        by_cell = shifted_costs[:, self._place]
        order = np.argsort(by_cell, axis=2, kind="stable")
        place = np.take_along_axis(np.broadcast_to(self._place, by_cell.shape), order, axis=2)
        sorted_costs = np.take_along_axis(by_cell, order, axis=2)
        stack = np.cumsum(_taken(shifted_upper, place), axis=2)
        there, true_upper = _taken(upper, place), stack[:, :, -1]
        all_offered = np.add.accumulate(there, axis=2)[:, :, -1]
        # Where one more unit can be served that is asked for; where there is just what is asked for, one less.
        more = asked + self.asking
        margin = CLEAR * MARGIN + ROUNDING * (np.abs(asked) + true_upper)
        exact = np.abs(all_offered - asked) <= ROUNDING * (asked + all_offered)
        servable = true_upper - more >= margin
        full = exact & (more - true_upper >= margin)
        certain = (servable & ~exact) | full
        if routes is not None:
            certain &= servable  # what is short would be brought from elsewhere
        aimed = np.where(full, asked - self.asking, more)
        idle = full & (asked == 0.0) & (all_offered == 0.0)
        # The basic column of every cell stands where the stack meets demand.
        rank = np.minimum((stack <= aimed[:, :, None]).sum(axis=2), width - 1)
        ranks = np.arange(width)
        before = ranks < rank[:, :, None]
        at = rank[:, :, None]
        top = np.take_along_axis(stack, at, axis=2)[:, :, 0]
        bottom = np.max(stack, axis=2, initial=0.0, where=before)
        basic = np.take_along_axis(place, at, axis=2)[:, :, 0]
        own_cost = np.take_along_axis(sorted_costs, at, axis=2)[:, :, 0]
        gaps = np.abs(sorted_costs - own_cost[:, :, None])
        gaps[ranks == at] = np.inf
        true_cost = _taken(costs, place)
        marginal = np.take_along_axis(true_cost, at, axis=2)[:, :, 0]
        beyond = np.where(before, marginal[:, :, None] - true_cost, true_cost - marginal[:, :, None])
        offered = there > 0.0
        beyond[~offered | (ranks == at)] = np.inf
        nearest = beyond.min(axis=2)
        # Where an offer equals a value, what is served may change at no cost, if anything is not, or is on the verge.
        kind = np.take_along_axis(np.broadcast_to(place < offers, place.shape), at, axis=2)
        equal_value = ((beyond <= LOOSE) & ((place < offers) != kind)).any(axis=2)
        values, left = self._fill(upper, asked, before, place, basic)
        equal_value &= ~kind[:, :, 0] | (values[:, offers:-1] > 0.0).any(axis=1)[:, None]
        room = _taken(upper, basic[:, :, None])[:, :, 0] - left
        slack = TOLERANCE / CLEAR
        certain &= idle | (
            (aimed - bottom >= margin)
            & (top - aimed >= margin)
            & (gaps.min(axis=2) >= CLEAR * MARGIN)
            & (nearest >= -slack)
            & ~equal_value
            & (left >= -slack)
            & (room >= -slack)
            & ~((marginal == 0.0) & np.signbit(marginal))
        )
        price = np.where(idle, 0.0, marginal * price_unit[:, None])
        sure = certain.all(axis=1)
        if routes is not None:
            sure &= self._nothing_flows(own_cost, marginal, quantity, price_unit, routes)
        # As published: within bounds, equal offers share, and what is idle has nothing.
        columns = np.maximum(values * quantity[:, None], 0.0)
        dispatch = np.minimum(columns[:, :offers], bounds[:, :offers])
        unserved = np.minimum(columns[:, offers:-1], demand.reshape(many, -1))
        self._share(dispatch, prices, bounds, basic, sure)
        scarcity = np.maximum(price[:, self.cell[:offers]] - prices[:, :offers], 0.0)
        cost = np.add.reduce(prices[:, :offers] * dispatch, axis=1)
        cost = cost + np.add.reduce(prices[:, offers:-1] * unserved, axis=1)
        stacks = Stacks(
            prices[:, :-1], bounds[:, :-1], asked_total, price, dispatch, unserved, scarcity, cost
        )
        residuals, apart = certify_stacks(program, stacks, routes)
        sure &= ~apart & (residuals.max(axis=1) <= CERTIFIED)
        return MeritOrderOutcome(
            certain=sure,
            price=price.reshape(many, *program.nodal_shape),
            dispatch=dispatch.reshape(many, *program.offers_shape),
            unserved=unserved.reshape(many, *program.unserved_shape),
            scarcity_rent=scarcity.reshape(many, *program.offers_shape),
            cost=cost,
            certificate=residuals,
        )

    def _fill(
        self, upper: Floats, asked: Floats, before: Bools, place: Ints, basic: Ints
    ) -> tuple[Floats, Floats]:
        """Return the values of all columns, dims (market, column), and of the basic ones, dims (market, cell).

        What cheaper columns leave of demand is less a sum, whose bits hang on its order from three terms on:
        it is that of the program's own matrix product.
        """
        many = len(asked)
        filled = np.zeros(upper.shape)
        markets = np.arange(many)[:, None]
        np.put_along_axis(
            filled.reshape(many, -1), place.reshape(many, -1), before.reshape(many, -1).astype(float), axis=1
        )
        filled[:, -1] = 0.0
        amounts = np.where(before, _taken(upper, place), 0.0)
        moved = np.add.accumulate(amounts, axis=2)[:, :, -1]
        long = ((amounts > 0.0).sum(axis=2) > 2).any(axis=1).nonzero()[0]
        if long.size:
            moved[long] = self._moved_by(filled[long, :-1] > 0.0, upper[long, :-1])
        left = asked - moved
        values = filled * upper
        values[markets, basic] = left
        values[:, -1] = 0.0
        return values, left

    def _moved_by(self, full: Bools, upper: Floats) -> Floats:
        """Return what full columns add to every balance, dims (market, cell), as the program does."""
        dense, cells = self.program.dense, self._cells
        market, column = full.nonzero()
        if dense is None:
            spot = market * cells + self.cell[column]
            return np.bincount(spot, upper[market, column], len(full) * cells).reshape(-1, cells)
        moved = np.empty((len(full), cells))
        counts = full.sum(axis=1)
        for count in np.unique(counts).tolist():
            alike = (counts == count).nonzero()[0]
            for some in np.array_split(alike, -(-alike.size // _AT_ONCE)):
                chosen = full[some].nonzero()[1].reshape(some.size, count)
                # Two rows, as the shifted and the true program have there: a BLAS may add a single one in another way.
                amounts = np.repeat(np.take_along_axis(upper[some], chosen, axis=1)[:, None], 2, axis=1)
                moved[some] = (amounts @ dense[self._own[chosen]])[:, 1, :cells]
        return moved

    def _share(self, dispatch: Floats, prices: Floats, bounds: Floats, basic: Ints, sure: Bools) -> None:
        """Share what is left to offers of the basic one's price by quantity: see `pro_rata`."""
        markets = np.arange(len(prices))[:, None]
        group = self._is_offer & (prices[:, self._place] == prices[markets, basic][:, :, None])
        group &= bounds[:, self._place] > 0.0
        market, cell = ((group.sum(axis=2) > 1) & sure[:, None]).nonzero()
        if not market.size:
            return
        members = group[market, cell]
        place = np.where(members, self._place[cell], 0)
        offered = np.where(members, bounds[market[:, None], place], 0.0)
        made = np.where(members, dispatch[market[:, None], place], 0.0)
        # One after the other, as in `pro_rata`.
        share = np.add.accumulate(made, axis=1)[:, -1] / np.add.accumulate(offered, axis=1)[:, -1]
        which, rank = members.nonzero()
        dispatch[market[which], place[which, rank]] = np.minimum(share, 1.0)[which] * offered[which, rank]

    def _nothing_flows(
        self,
        shifted_price: Floats,
        price: Floats,
        quantity: Floats,
        price_unit: Floats,
        routes: Routes,
    ) -> Bools:
        """Return whether no flow is worth it at the prices of both programs, and no link is without capacity."""
        layout, many = self.program.layout, len(price)
        cost = routes.route_cost / price_unit[:, None, None]
        found = np.ones(many, dtype=np.bool_)
        for shift, at, least in ((self._flow_shift, shifted_price, CLEAR * MARGIN), (0.0, price, LOOSE)):
            each = at.reshape(many, *self.program.nodal_shape)
            lost = (cost + shift) - (each[:, layout.origin] - each[:, layout.destination])
            found &= ((lost >= least) | ~routes.allowed).all(axis=(1, 2))
        room = routes.link_capacity / quantity[:, None] + self._link_shift
        return found & ((routes.link_capacity > 0.0) & (room >= CLEAR * MARGIN)).all(axis=1)


def _taken(values: Floats, place: Ints) -> Floats:
    """Return numbers by column, dims (market, column), in a table of places, dims (market, cell, rank)."""
    many = len(values)
    return np.take_along_axis(values, place.reshape(many, -1), axis=1).reshape(place.shape)
