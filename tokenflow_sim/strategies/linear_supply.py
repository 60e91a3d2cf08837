"""Offers along a given line: the linear supply function of an equilibrium, played in a run."""

from __future__ import annotations

import numpy as np

from tokenflow_sim.strategies.base import Offer, Strategy, View
from tokenflow_sim.strategies.by_class import ByClass, by_class, check_numbers


class LinearSupply(Strategy):
    """Offer along one line for each class: what is supplied is slope x (price - intercept).

    The line is the provider's: its assets share the slope by their capacity, so that together they supply it as long
    as none is full. `tf.supply_function_equilibrium` finds such lines; its `supply_slope` and `supply_intercept` are
    these parameters.

    Parameters
    ----------
    slope : float or dict
        Supply for each $/Mtok of price in Mtok/s per $/Mtok, positive: one number for all classes, or a number by
        class; a class that is left out is offered at cost.
    intercept : float, dict or None
        Price at which supply begins in $/Mtok, likewise; None stands for true cost, asset by asset, as does a class
        that is left out.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Notes
    -----
    Lines are offered as `Offer.slope`, exactly, and do not change: nothing is learned. An intercept below true cost is
    played as it is given.

    References
    ----------
    P. D. Klemperer and M. A. Meyer, "Supply Function Equilibria in Oligopoly under Uncertainty", Econometrica 57
    (1989) 1243-1277.

    Examples
    --------
    >>> import tokenflow_sim as tf
    >>> line = {"name": "linear_supply", "slope": {"chat": 40.0}}
    >>> run = tf.TokenMarket("us5", rng=1, periods=1, overrides={"providers.dallas_dc.strategy": line})
    >>> run.run()
    """

    offers_slopes = True

    def __init__(self, slope: ByClass = 1.0, intercept: ByClass | None = None) -> None:
        check_numbers("slope", slope, np.finfo(float).tiny)
        check_numbers("intercept", intercept, -np.inf)
        self.slope = slope
        self.intercept = intercept

    def offer(self, view: View) -> Offer:
        """Offer all capacity along the line of each class."""
        slope = by_class("slope", self.slope, view.workloads, np.inf)
        start = by_class(
            "intercept", {} if self.intercept is None else self.intercept, view.workloads, np.nan
        )
        price = np.where(np.isnan(start), view.cost, start)
        # Beside each other in a batch, each market has its own total.
        each = view.capacity.reshape(self.beside, -1, slope.size)
        total = np.broadcast_to(each.sum(axis=1, keepdims=True), each.shape).reshape(view.capacity.shape)
        there = view.capacity > 0
        # An asset with a share of the provider's capacity has that share of its slope.
        steep = np.where(there, total / slope / np.where(there, view.capacity, 1.0), 0.0)
        return Offer(price, view.capacity, slope=steep)
