"""Demand that grows over the years, whatever the price."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from tokenflow_sim.strategies.demand import Bid, DemandStrategy, DemandView
from tokenflow_sim.strategies.response import ByClass, by_class, check_numbers

YEAR = 8760.0
"""Hours of a year."""


class Growth(DemandStrategy):
    """Ask for the scenario's demand times a factor that grows from one, at its value.

    After t years the factor is ``(1 + rate)^t``, or with a limit K, by logistic growth,
    ``K / (1 + (K - 1) (1 + rate)^-t)``. Daily and weekly profiles are the scenario's and stay as they are.

    Parameters
    ----------
    rate : float or dict
        Growth a year as a share, above -1; by class, or one for all. A class left out does not grow. With a
        limit, growth while demand is far below it.
    form : {'exponential', 'logistic'}
        Growth without end, or towards a limit.
    limit : float
        Multiple of the first demand that logistic growth tends to, at least 1; exponential growth ignores it.

    Raises
    ------
    ValueError
        If a parameter is out of range.

    References
    ----------
    P.-F. Verhulst, "Notice sur la loi que la population suit dans son accroissement", Correspondance
    mathematique et physique 10 (1838) 113-121. Z. Griliches, "Hybrid corn: an exploration in the economics of
    technological change", Econometrica 25 (1957) 501-522: logistic growth of the use of a technology.
    """

    def __init__(
        self,
        rate: ByClass = 0.5,
        form: Literal["exponential", "logistic"] = "exponential",
        limit: float = 10.0,
    ) -> None:
        check_numbers("rate", rate, -0.999999)
        check_numbers("limit", limit, 1.0)
        if form not in ("exponential", "logistic"):
            raise ValueError(f"form must be exponential or logistic; found {form!r}")
        self.rate = rate
        self.form: Literal["exponential", "logistic"] = form
        self.limit = limit

    def bid(self, view: DemandView) -> Bid:
        """Bid what demand has grown to."""
        rate = by_class("rate", self.rate, view.workloads, 0.0)
        years = view.period * view.hours / YEAR
        if self.form == "exponential":
            factor = (1 + rate) ** years
        else:
            factor = self.limit / (1 + (self.limit - 1) * np.exp(-years * np.log1p(rate)))
        if not np.isfinite(factor).all():
            raise ValueError(
                f"demand has grown beyond all numbers after {math.floor(years)} years at rate {self.rate!r}"
            )
        return Bid(view.demand * factor, view.value)
