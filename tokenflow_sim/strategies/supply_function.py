"""Offers along a line: a linear supply function, in steps or as a line, whose intercept and slope are learned."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from tokenflow_sim.numeric import Floats
from tokenflow_sim.strategies.base import Offer, Strategy, View
from tokenflow_sim.strategies.reclearing import Rehearsal, groups

_SAME = 1e-9
_SIZES = (1.0, 5.0, 25.0)


class SupplyFunction(Strategy):
    """Offer each asset's capacity along a line that is learned for each class, in blocks of rising price or as such.

    The price of block b of B is cost x (intercept + slope x (b + 1/2) / B), b from 0, so that the line runs from
    the intercept for the first unit to intercept + slope for the last. After each period the last market is cleared
    again with the intercept and the slope of a class a step higher and lower, and the best of the five is kept.
    Steps come in three sizes, one each period in turn: the small one finds the place, the large ones leave a level on
    which small ones change nothing.

    Parameters
    ----------
    blocks : int
        Steps of the line, at least 1.
    step : float
        Size of the small step, as a share of the intercept; the others are 5 and 25 times as large.
    intercept : float
        Intercept to begin with, as a multiple of true cost, at least 1.
    slope : float
        Slope to begin with, likewise, not negative.
    form : {'steps', 'affine'}
        Whether the line is offered in blocks, or as such (`Offer.slope`): at cost x (intercept + slope x share) where
        a share of the capacity is taken. As a line, `blocks` has no say in it.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Attributes
    ----------
    line : ndarray or None
        Intercept and slope of each class as multiples of true cost, dims (2, workload); None before the first
        period.

    Notes
    -----
    What it is: a direct search for a good line against the last market, one move a period. What it is not: a supply
    function equilibrium of Klemperer and Meyer. There a firm's function is the best reply at every realisation of
    uncertain demand, and comes from a differential equation; here each move replies to one realisation, the last, so
    that only the inertia of the line spreads it over the demands that were met: with demand that varies, it ends
    between the replies to each. With demand that does not vary, what is learned is a price on the residual demand,
    of which Klemperer and Meyer say that any between the competitive price and Cournot's can be one of an
    equilibrium; the tests hold that range. Prices never lie under true cost. Where the market does not publish
    offers, the line
    stays as it began.

    Where cost is negative, the line is ``cost + (intercept - 1 + slope (b + 1/2) / B) |cost|``, which rises as
    well.

    References
    ----------
    P. D. Klemperer and M. A. Meyer, "Supply Function Equilibria in Oligopoly under Uncertainty", Econometrica 57
    (1989) 1243-1277. B. F. Hobbs, C. B. Metzler and J.-S. Pang, "Strategic Gaming Analysis for Electric Power
    Systems: An MPEC Approach", IEEE Transactions on Power Systems 15 (2000) 638-645: linear supply functions in
    a network, each replying to the others. R. Hooke and T. A. Jeeves, "Direct Search Solution of Numerical and
    Statistical Problems", Journal of the ACM 8 (1961) 212-229: the steps.
    """

    def __init__(
        self,
        blocks: int = 4,
        step: float = 0.05,
        intercept: float = 1.0,
        slope: float = 0.0,
        form: Literal["steps", "affine"] = "steps",
    ) -> None:
        if form not in ("steps", "affine"):
            raise ValueError(f"form must be steps or affine; found {form!r}")
        if blocks < 1:
            raise ValueError(f"blocks must be at least 1; found {blocks!r}")
        if not 0 < step < 1:
            raise ValueError(f"step must lie between 0 and 1; found {step!r}")
        if not (math.isfinite(intercept) and intercept >= 1):
            raise ValueError(f"intercept must be finite and at least 1; found {intercept!r}")
        if not (math.isfinite(slope) and slope >= 0):
            raise ValueError(f"slope must be finite and not negative; found {slope!r}")
        self.form: Literal["steps", "affine"] = form
        self.blocks = blocks if form == "steps" else 1
        self.offers_slopes = form == "affine"
        self.step = step
        self.intercept = intercept
        self.slope = slope
        self.line: Floats | None = None

    def offer(self, view: View) -> Offer:
        """Offer blocks along the line of each class."""
        if self.line is None:
            self.line = np.tile([[self.intercept], [self.slope]], len(view.workloads))
        if view.last_market is not None:
            step = self.step * _SIZES[view.period % len(_SIZES)]
            self.line = self._improved(Rehearsal(view, [view.last_market]), self.line, step)
        price, quantity, slope = self._along(view, self.line)
        return Offer(price, quantity, slope=slope)

    def _along(self, view: View, line: Floats) -> tuple[Floats, Floats, Floats | None]:
        """Return prices, quantities and slopes along a line, dims as of an offer."""
        if self.form == "affine":
            size, there = np.abs(view.cost), view.capacity > 0
            slope = np.where(there, line[1] * size / np.where(there, view.capacity, 1.0), 0.0)
            return view.cost + (line[0] - 1.0) * size, view.capacity, slope
        place = (np.arange(self.blocks) + 0.5) / self.blocks
        factor = line[0][:, None] + line[1][:, None] * place
        cost = view.cost[:, :, None]
        # Below zero the line rises by shares of the size of cost as well.
        price = cost * np.where(cost < 0, 2.0 - factor, factor)
        quantity = np.repeat(view.capacity[:, :, None] / self.blocks, self.blocks, axis=2)
        return (price[:, :, 0], quantity[:, :, 0], None) if self.blocks == 1 else (price, quantity, None)

    def _improved(self, rehearsal: Rehearsal, line: Floats, step: float) -> Floats:
        """Return the line with each class's best move of five; without a gain it stays."""
        profit = rehearsal.trial(*self._along(rehearsal.view, line)).profit
        for _, workload in groups(rehearsal.view, "workload"):
            best = line
            for move in moves_of(line[:, workload], step):
                tried = line.copy()
                tried[:, workload] = move
                trial = rehearsal.trial(*self._along(rehearsal.view, tried)).profit
                if not math.isfinite(profit) or trial > profit + _SAME * (1 + abs(profit)):
                    best, profit = tried, trial
            line = best
        return line


def moves_of(now: Floats, step: float) -> list[tuple[float, float]]:
    """Return the lines a step away from one, as pairs of intercept and slope.

    Parameters
    ----------
    now : ndarray
        Intercept and slope as multiples of true cost.
    step : float
        Size of the step, as a share of the intercept.
    """
    intercept, slope = map(float, now)
    by = step * intercept
    moves = [
        (max(1.0, intercept - by), slope),
        (intercept, max(0.0, slope - by)),
        (intercept + by, slope),
        (intercept, slope + by),
    ]
    return [move for move in moves if move != (intercept, slope)]
