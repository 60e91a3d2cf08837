"""How a budget of emissions is divided over the periods of a run, by rules that look at no later clearing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tokenflow_sim.numeric import Floats
from tokenflow_sim.scenario.carbon import CarbonBudget


class BudgetPlan:
    """Shares of a budget, and the price that adapts to what is spent.

    Parameters
    ----------
    budget : CarbonBudget
        The budget and its rule.
    periods : int
        Periods over which it is spent.
    expected : callable
        Returns the emissions that a period's expected demand would cause, in any unit: what `forecast` goes by.

    Notes
    -----
    With B tonnes for T periods, of which S are spent before period t:

    - `even`: the period may emit ``(B - S) / (T - t)``. What one leaves is shared by those after it.
    - `forecast`: it may emit ``(B - S) w_t / sum_{u >= t} w_u``, where w is what expected demand would emit at the
      mean emission rate of what is installed.
    - `adaptive_price`: it pays ``p_t = max(0, p_{t-1} + gain * (e_{t-1} T / B - 1))`` in $/t, an integral
      controller of the emissions e: the price follows what was emitted beyond an even share so far. It is the
      carbon-deficit queue of Ren and He, ``q_t = max(0, q_{t-1} + e_{t-1} - B/T)``, with ``gain * T / B`` as the
      price of a tonne of deficit. Nothing holds the sum at B: added up, the rule says that it ends at no more than
      ``B (1 + (p_T - p_0) / (gain T))``, and at just that where no price was cut off at zero. The larger the gain, the
      less is spent beyond B; but where emissions fall by s tonnes with one more $/t, the price settles only for
      ``gain < 2 B / (T s)``, without swinging for half of that.

    References
    ----------
    S. Ren and Y. He, "COCA: Online Distributed Resource Management for Cost Minimization and Carbon Neutrality in Data
    Centers", SC 2013. M. J. Neely, Stochastic Network Optimization, Morgan and Claypool, 2010, section 4.
    """

    def __init__(self, budget: CarbonBudget, periods: int, expected: Callable[[int], float]) -> None:
        self.budget, self.periods, self._expected = budget, periods, expected
        self._weights: Floats | None = None
        # What the weights from each period on add up to.
        self._left: Floats | None = None

    def share(self, period: int, spent: float | None = None) -> float:
        """Return what a period may emit, in tonnes; infinite beyond the last.

        Parameters
        ----------
        period : int
            The period.
        spent : float, optional
            Tonnes emitted before; by default as planned at the start.
        """
        if period >= self.periods:
            return np.inf
        tonnes = self.budget.tonnes
        if self.budget.rule == "forecast":
            weights, left = self._by_expectation()
            whole = left[0] if spent is None else left[period]
            part = weights[period] / whole if whole > 0 else 1.0 / (self.periods - period)
        else:
            part = 1.0 / (self.periods if spent is None else self.periods - period)
        return max(0.0, tonnes - (spent or 0.0)) * float(part)

    def next_price(self, price: float, emitted: float) -> float:
        """Return the price in $/t of the period after one that emitted so many tonnes at a price.

        Where the budget is zero, any tonne counts as one more than its share.
        """
        even = self.budget.tonnes / self.periods
        excess = emitted / even - 1.0 if even > 0 else emitted
        return max(0.0, price + self.budget.gain * excess)

    def _by_expectation(self) -> tuple[Floats, Floats]:
        if self._weights is None or self._left is None:
            self._weights = np.array([self._expected(period) for period in range(self.periods)])
            self._left = np.cumsum(self._weights[::-1])[::-1]
        return self._weights, self._left
