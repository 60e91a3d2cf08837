"""What a market can still serve after a loss: the program, and the row that a shortage yields.

After a loss, what reached every node (s) has to be served by another dispatch x' and other flows f',

    minimise  sum v    over  x', f', v >= 0
    subject to   x' + what flows in - what flows out + v = s   at every node, for every class,
                 x'_ak <= c_ak  and  x'_ak <= x_ak + response c_ak   at every asset that is left,
                 the limits of links, power, sites and a user's own limits,

and nothing on what was lost. Where classes share an asset's power, the response is counted in power. Limits that hold
over longer times than a loss lasts (reserve, which is there to be used then, and carbon) do not count, nor do those of
a grid. Where the least shortage is positive, the duals of the program prove it for every schedule that is alike, which
is a row of the market.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tokenflow_sim.errors import CertificateError
from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.carbon import CARBON, WINDOW
from tokenflow_sim.market.highs import Solver
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.limits import OWN_UNITS, SharedCapacity
from tokenflow_sim.market.losses import Security
from tokenflow_sim.market.market import Market
from tokenflow_sim.market.perturbation import Scale
from tokenflow_sim.market.program import Program
from tokenflow_sim.market.reserve import RESERVE
from tokenflow_sim.market.survival import Room, survives_in_place
from tokenflow_sim.numeric import Floats

NOT_AFTER_A_LOSS = frozenset({RESERVE, CARBON, WINDOW})
"""Limits that a schedule after a loss need not keep."""
_NOTHING = 1e-9  # of a dual, whose largest is one


@dataclass(frozen=True, eq=False)
class Cut:
    """A row ``dispatch * x + flow * f <= right`` that every secure schedule keeps.

    Parameters
    ----------
    number : int
        Position of the loss.
    node : ndarray
        What a unit that reaches a node adds, dims (node, workload); the largest is one.
    dispatch, flow : ndarray
        What a unit of dispatch and of flow adds, dims (asset, workload) and (arc, workload).
    right : float
        The right-hand side.
    held : ndarray
        What of it is capacity of assets, dims (asset, workload).
    """

    number: int
    node: Floats
    dispatch: Floats
    flow: Floats
    right: float
    held: Floats

    @property
    def key(self) -> bytes:
        """What tells rows with other coefficients apart."""
        return b"".join((self.number.to_bytes(4), self.dispatch.tobytes(), self.flow.tobytes()))


def after_a_loss(limit: SharedCapacity) -> bool:
    """Whether a limit has to be kept after a loss: one on dispatch and flows alone, none of `NOT_AFTER_A_LOSS`."""
    uses = {term.on for term in limit.terms}
    return limit.name not in NOT_AFTER_A_LOSS and uses <= {"dispatch", "flow"} and not limit.equality


class ContingencyProgram:
    """The programs after each loss of markets with one structure.

    Parameters
    ----------
    market : Market
        Any market of the structure.
    """

    def __init__(self, market: Market) -> None:
        self._program = Program(self._plain(market))
        # Other limits than these may not let a node serve what a loss takes from it.
        self._in_place = {placed.limit.name for placed in self._program.limits} <= OWN_UNITS
        self._solver = Solver(self._program.matrix)
        costs = np.zeros(self._program.columns)
        costs[self._program.v] = 1.0
        self._solver.set_costs(costs)

    @staticmethod
    def _plain(market: Market) -> Market:
        """Return the market without blocks, steps and what does not count after a loss."""
        layout: Layout = replace(market.layout, blocks=None, steps=None)
        arrays = market.arrays
        plain = arrays.with_(
            offer_price=np.zeros_like(arrays.offer_price[:, :, :1]),
            capacity=arrays.capacity.sum(axis=2, keepdims=True),
            demand=arrays.demand.sum(axis=2, keepdims=True),
            value=np.zeros_like(arrays.value[:, :, :1]),
            offer_slope=None,
            value_slope=None,
            limits=tuple(limit for limit in arrays.limits if after_a_loss(limit)),
            activities=(),
            security=None,
        )
        return Market.from_arrays(layout, plain, market.hours, check=False)

    def serves(self, market: Market) -> bool:
        """Whether a market has this structure."""
        return self._program.serves(self._plain(market))

    def violated(
        self,
        market: Market,
        security: Security,
        dispatch: Floats,
        flow: Floats,
        tolerance: float,
        first: Sequence[int] = (),
        most: int = 0,
    ) -> list[Cut]:
        """Return a row for losses that a schedule does not survive, none if it survives all.

        Parameters
        ----------
        market : Market
            The market.
        security : Security
            The losses.
        dispatch, flow : ndarray
            The schedule in Mtok/s, dims (asset, workload) and (arc, workload).
        tolerance : float
            Shortage up to which a schedule counts as secure, where the market's mean demand is 64.
        first : sequence of int
            Positions of losses to check before all others; these follow by how much they take away.
        most : int
            After how many rows to stop; by default there is one for every loss.

        Raises
        ------
        CertificateError
            If HiGHS cannot tell what can be served after a loss.
        """
        program, arrays = self._program, self._plain(market).arrays
        scale = Scale.of(market.arrays).quantity
        _, upper, rows = program.split(program.fill(arrays))
        upper, rows = upper / scale, rows / scale
        upper[program.y], upper[program.v] = 0.0, np.inf
        limits = _Responses(program, arrays, security.response, dispatch / scale, scale)
        rows[program.balance] = _reaching(program, dispatch, flow).ravel() / scale
        upper[program.x] = limits.upper.ravel()
        if limits.power is not None:
            rows[limits.power_rows] = limits.power
        floor = np.full(program.rows, -np.inf)
        floor[program.balance] = rows[program.balance]
        # Started cold, and then in the order of the losses: what is found depends on the schedule alone.
        self._solver.forget()
        self._solver.set_rows(floor, rows)
        # What carries nothing is not missed: the schedule itself survives its loss.
        busy = security.assets @ (dispatch.sum(axis=1) > tolerance * scale) + security.arcs @ (
            flow.sum(axis=1) > tolerance * scale
        )
        found: list[Cut] = []
        taken = security.assets @ dispatch.sum(axis=1) + security.arcs @ flow.sum(axis=1)
        taken[list(first)] = np.inf
        left = np.argsort(-taken, kind="stable")
        left = left[busy[left]]
        served = rows[program.balance].reshape(program.nodal_shape)
        bases = [(dispatch / scale, flow / scale)]
        while left.size:
            if bases and self._in_place:
                base = bases.pop()
                left = left[~survives_in_place(program.layout, security, left, limits.room, served, base)]
                continue
            number, left = int(left[0]), left[1:]
            bounds = upper.copy()
            bounds[program.x].reshape(limits.upper.shape)[security.assets[number]] = 0.0
            bounds[program.f].reshape(flow.shape)[security.arcs[number]] = 0.0
            self._solver.set_columns(np.zeros(program.columns), bounds)
            if not self._solver.run():
                self._solver.forget()
                if not self._solver.run():
                    raise CertificateError(
                        f"no optimum was found after the loss of {security.labels[number]}"
                    )
            values = self._solver.column_values()
            if values[program.v].sum() > tolerance:
                found.append(self._cut(number, bounds, rows, limits, scale))
                if len(found) == most:
                    break
            else:
                # A schedule after this loss may show that others are survived.
                bases.append(
                    (values[program.x].reshape(limits.upper.shape), values[program.f].reshape(flow.shape))
                )
        return found

    def _cut(self, number: int, upper: Floats, rows: Floats, limits: _Responses, scale: float) -> Cut:
        program, layout = self._program, self._program.layout
        solution = self._solver.highs.getSolution()
        duals = _cleared(np.array(solution.row_dual))
        # A column at its upper bound is worth more than it costs.
        worth = _cleared(np.maximum(-np.array(solution.col_dual), 0.0))
        node = duals[program.balance].reshape(program.nodal_shape)
        largest = node.max()
        rent = np.where(np.isfinite(rows), np.maximum(-duals, 0.0), 0.0)
        rent[program.balance] = 0.0
        shape = limits.upper.shape
        worth_x = np.where(upper[program.x] > 0, worth[program.x], 0.0).reshape(shape)
        # What of a bound is capacity, and what follows what was served before.
        responding = worth_x * limits.responds
        held = worth_x * np.where(limits.responds, limits.response * limits.capacity, limits.capacity)
        dispatch = node[layout.asset_node] - responding
        right = float(held.sum())
        if limits.power is not None:
            each = rent[limits.power_rows]
            dispatch -= (each * limits.power_responds)[:, None] * limits.power_use
            share = np.where(limits.power_responds, limits.response * limits.power_limit, limits.power_limit)
            runs = limits.power_use > 0
            held += np.where(runs, (each * share / np.maximum(runs.sum(axis=1), 1))[:, None], 0.0)
            right += float(each @ share)
            rent[limits.power_rows] = 0.0
        bought = np.where(np.isfinite(upper[program.w]), worth[program.w], 0.0)
        right += float(rent @ np.where(rent > 0, rows, 0.0))
        right += float(bought @ np.where(bought > 0, upper[program.w], 0.0))
        return Cut(
            number=number,
            node=node / largest,
            dispatch=dispatch / largest,
            flow=(node[layout.origin] - node[layout.destination]) / largest,
            right=right * scale / largest,
            held=held * scale / largest,
        )


class _Responses:
    """What each asset can serve after a loss of another, in the solver's units.

    Attributes
    ----------
    capacity, upper : ndarray
        What it has, and what it can serve so soon, dims (asset, workload).
    responds : ndarray of bool
        Where the response is what limits it.
    power, power_limit, power_responds, power_use
        The same of its power where classes share it.
    room : Room
        The bounds of both.
    """

    def __init__(
        self, program: Program, arrays: Arrays, response: float, dispatch: Floats, scale: float
    ) -> None:
        self.response = response
        self.capacity = arrays.capacity[:, :, 0] / scale
        self.upper = self.capacity
        self.responds = np.zeros(self.capacity.shape, dtype=np.bool_)
        self.power: Floats | None = None
        if arrays.power_use is None or arrays.power_limit is None:
            reach = dispatch + response * self.capacity
            self.responds = reach < self.capacity
            self.upper = np.where(self.responds, reach, self.capacity)
            self.room = Room(self.upper, None, None)
            return
        self.power_use, self.power_limit = arrays.power_use, arrays.power_limit / scale
        reach = (arrays.power_use * dispatch).sum(axis=1) + response * self.power_limit
        self.power_responds = reach < self.power_limit
        self.power = np.where(self.power_responds, reach, self.power_limit)
        self.room = Room(self.upper, self.power_use, self.power)
        self.power_rows = next(placed.rows for placed in program.limits if placed.limit.name == "power_limit")


def _reaching(program: Program, dispatch: Floats, flow: Floats) -> Floats:
    """Return what reaches every node in Mtok/s, dims (node, workload)."""
    layout = program.layout
    reaching = np.zeros(program.nodal_shape)
    np.add.at(reaching, layout.asset_node, dispatch)
    np.add.at(reaching, layout.origin, flow)
    np.add.at(reaching, layout.destination, -flow)
    return np.maximum(reaching, 0.0)


def _cleared(duals: Floats) -> Floats:
    return np.where(np.abs(duals) > _NOTHING, duals, 0.0)
