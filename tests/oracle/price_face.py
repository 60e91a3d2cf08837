"""All prices that an optimum allows: the face of optimal duals, and derivatives of cost read off it.

At an optimum z the optimal duals are those that are feasible and complementary to z. The derivative of the
market's cost in a direction r of demand is the largest value of r . price over that face (Danskin), also where
the links' charge is quadratic; it is infinite where not even a little more of r can be served. That makes
one linear program per derivative, exact where finite differences are not.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.oracle.linprog_oracle import Program, curved_parts, linprog, program, solve
from tokenflow_sim.market.market import Market

_FAR = 1e6  # in units of the largest cost


class PriceFace:
    """The optimal duals of a market, given any of its optimal dispatches.

    Parameters
    ----------
    market : Market
        The market.
    dispatch, flow, unserved : ndarray
        An optimum of it.
    bought : ndarray
        What it buys of further limits, label by label and step by step.
    tolerance : float
        Relative to the market's largest quantity: what counts as zero, and as full.
    slack : float
        By how much [$/Mtok] a condition that must hold with equality may miss. Zero for an exact optimum; an
        optimum of a congestion-QP is known only to the square root of the precision of its cost.
    """

    def __init__(
        self,
        market: Market,
        dispatch: Any,
        flow: Any,
        unserved: Any,
        bought: Any = (),
        tolerance: float = 1e-8,
        slack: float = 0.0,
    ) -> None:
        p = program(market)
        self.shape = market.arrays.demand.shape[:2]
        z = np.concatenate([np.ravel(part) for part in (dispatch, flow, unserved, bought)])
        small = tolerance * max(1.0, float(p.demand.max(initial=0.0)), float(np.abs(z).max(initial=0.0)))
        used = p.limits @ z
        kappa, loads = curved_parts(market, p)
        slope = loads.T @ (kappa * (loads @ z)) if kappa.size else np.zeros(len(p.cost))
        self.slack, self.paid = slack, bool((market.arrays.offer_price < 0).any())
        self._write(p, z, used, p.cost + slope, small)

    def _write(self, p: Program, z: Any, used: Any, cost: Any, small: float) -> None:
        """Columns: price, rent of each row of limits, rent of each column's upper bound."""
        prices, rows, columns = len(p.demand), len(p.limit), len(z)
        # Row j: price of column j's balance - its use of limits' rents - its own rent <= its cost.
        self.matrix = np.hstack(
            [p.balance.T.toarray(), -p.limits.T.toarray().reshape(columns, rows), -np.eye(columns)]
        )
        self.right = cost
        usable = p.upper > 0
        self.tight = usable & (z > small)
        # A column that can never be used says nothing about prices, its own rent being free; one whose
        # upper bound is zero only because nothing is offered or demanded says nothing either.
        self.loose = usable & ~self.tight
        finite = np.isfinite(p.limit)
        full_row = finite & (used >= np.where(finite, p.limit, 0.0) - small * np.maximum(1.0, used))
        full_column = z >= p.upper - small
        highest = np.concatenate(
            [np.full(prices, np.inf), np.where(full_row, np.inf, 0.0), np.where(full_column, np.inf, 0.0)]
        )
        lowest = np.concatenate([np.full(prices, -np.inf), np.zeros(rows + columns)])
        self.bounds = np.column_stack([lowest, highest])

    def derivative(self, direction: Any, disposable: Any = None) -> float:
        """Return the right-hand derivative of cost [$/s] when demand moves in a direction.

        Parameters
        ----------
        direction : ndarray
            Change of demand, dims (node, workload).
        disposable : ndarray of bool, optional
            Where service may be given away, so that prices below zero do not count.

        Returns
        -------
        float
            Infinite where no move in that direction can be served.
        """
        aim = np.zeros(self.matrix.shape[1])
        aim[: np.size(direction)] = -np.ravel(direction)
        bounds = self.bounds
        if disposable is not None:
            bounds = bounds.copy()
            bounds[: np.size(direction), 0] = np.where(np.ravel(disposable), 0.0, -np.inf)
        # A tight row is written as two inequalities, so that it may miss by the slack.
        above, below = self.matrix[self.loose | self.tight], -self.matrix[self.tight]
        right = np.concatenate(
            [self.right[self.loose | self.tight] + self.slack, -self.right[self.tight] + self.slack]
        )
        # A box far out, since a solver's presolve may take an unbounded program for an infeasible one.
        far = _FAR * max(1.0, float(np.abs(self.right).max(initial=0.0)))
        result = linprog(
            aim, A_ub=np.vstack([above, below]), b_ub=right, bounds=bounds.clip(-far, far), method="highs"
        )
        if result.status != 0:
            raise RuntimeError(f"the oracle's solver: {result.message}")
        return float(-result.fun) if -result.fun < far / 1000 else np.inf

    def interval(self, node: int, workload: int) -> tuple[float, float]:
        """Return the lowest and the highest price that an optimal dual can have there."""
        direction = np.zeros(self.shape)
        direction[node, workload] = 1.0
        return -self.derivative(-direction), self.derivative(direction)

    def rule(self) -> tuple[Any, float]:
        """Return what the price rule of the design fixes.

        One more unit is asked for at every node and of every class that can take one at all, and one less
        of every other; it may be given away where no offer is below zero. Where some is, nothing is given away, and
        what can take neither more nor less is asked for nothing.

        Returns
        -------
        direction : ndarray
            +1, -1 or 0, dims (node, workload).
        derivative : float
            What the published prices, weighted so, must sum to [$/Mtok].
        """
        direction = np.ones(self.shape)
        for spot in np.ndindex(*self.shape):
            alone = np.zeros(self.shape)
            alone[spot] = 1.0
            if np.isinf(self.derivative(alone)):
                idle = self.paid and np.isinf(self.derivative(-alone))
                direction[spot] = 0.0 if idle else -1.0
        return direction, self.derivative(direction, None if self.paid else direction < 0)


def face_of(market: Market, values: Any) -> PriceFace:
    """Return the face of prices of a market of which `values` are an optimum.

    It comes from the oracle's own optimum. With curvature the oracle knows that only to the square root of the
    precision of its cost, so that the face comes from the optimum given.
    """
    if market.is_quadratic:
        return PriceFace(market, values.dispatch, values.flow, values.unserved, tolerance=1e-7, slack=1e-7)
    optimum = solve(market)
    if optimum is None:
        raise RuntimeError("the oracle finds no optimum of a market that was cleared")
    return PriceFace(market, optimum.dispatch, optimum.flow, optimum.unserved, optimum.bought)
