"""Rewards: an agent's money of a period, as it is, normalised, or adjusted for risk."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from tokenflow_sim.errors import Fault, InputError, unknown_name

Measure = Literal["profit", "normalised", "mean_variance", "cvar"]


@dataclass(frozen=True)
class Reward:
    """What an agent is rewarded for in a period.

    With m the agent's money of the period in $ and M what all that it has would cost to serve for a period (the
    encoding's ``money``), x = m / M.

    Parameters
    ----------
    measure : {'normalised', 'profit', 'mean_variance', 'cvar'}
        ``profit`` is m; ``normalised`` is x; the other two are adjusted for risk, as in the notes.
    aversion : float
        Weight of risk: lambda below, not negative; of ``cvar`` at most 1.
    level : float
        The share of worst periods that ``cvar`` looks at, above 0 and at most 1: alpha below.
    memory : int
        How many past periods of the episode the running mean, or the quantile, is made of.

    Raises
    ------
    InputError
        If a parameter is out of range.

    Notes
    -----
    Both adjusted rewards depend on the episode so far alone, and start anew with each.

    ``mean_variance``: ``x_t - lambda (x_t - mu_t)**2``, with ``mu_t`` the running mean of earlier x (``x_t`` itself in
    the first period), moved by ``(x_t - mu_t) / min(t + 1, memory)``. Its mean tends to E[x] - lambda Var[x]: the
    penalty on reward volatility of L. Bisi et al., "Risk-averse trust region optimization for reward-volatility
    reduction", IJCAI (2020).

    ``cvar``: ``(1 - lambda) x_t + lambda (nu_t - max(nu_t - x_t, 0) / alpha)``, with ``nu_t`` the alpha-quantile of
    the last x. At the true quantile its mean is (1 - lambda) E[x] + lambda CVaR_alpha[x], the mean of the worst share
    alpha: R. T. Rockafellar and S. Uryasev, "Optimization of conditional value-at-risk", Journal of Risk 2 (2000).
    """

    measure: Measure = "normalised"
    aversion: float = 0.5
    level: float = 0.1
    memory: int = 168

    def __post_init__(self) -> None:
        """Check the parameters."""
        faults = []
        if self.measure not in get_args(Measure):
            faults.append(Fault(unknown_name("measure", str(self.measure), get_args(Measure)), "measure"))
        most = 1.0 if self.measure == "cvar" else math.inf
        numbers = {name: isinstance(getattr(self, name), (int, float)) for name in ("aversion", "level")}
        if not (numbers["aversion"] and math.isfinite(self.aversion) and 0.0 <= self.aversion <= most):
            limit = " and at most 1" if most == 1.0 else ""
            faults.append(
                Fault(f"must be a finite number of at least 0{limit}; found {self.aversion!r}", "aversion")
            )
        if not (numbers["level"] and 0.0 < self.level <= 1.0):
            faults.append(Fault(f"must be above 0 and at most 1; found {self.level!r}", "level"))
        if isinstance(self.memory, bool) or not isinstance(self.memory, int) or self.memory < 1:
            faults.append(Fault(f"must be a whole number of at least 1; found {self.memory!r}", "memory"))
        if faults:
            raise InputError(faults, "reward")

    @classmethod
    def of(cls, given: Reward | Measure | Mapping[str, Any]) -> Reward:
        """Return a reward as it is given, made from a measure or from a mapping of parameters.

        Raises
        ------
        InputError
            If it is something else, or a parameter is unknown or out of range.
        """
        if isinstance(given, Reward):
            return given
        if isinstance(given, str):
            return cls(given)
        if not isinstance(given, Mapping):
            fault = Fault(f"must be a measure or a mapping of parameters; found {given!r:.80}")
            raise InputError([fault], "reward")
        known = [field.name for field in fields(cls)]
        if strange := [str(name) for name in given if name not in known]:
            raise InputError(
                [Fault(unknown_name("parameter", name, known), name) for name in strange], "reward"
            )
        return cls(**given)

    def start(self, unit: float) -> RunningReward:
        """Return the rewards of an episode of an agent whose money is measured in `unit`, in $."""
        return RunningReward(self, unit)


class RunningReward:
    """The rewards of one episode of one agent.

    Parameters
    ----------
    rule : Reward
        What it is rewarded for.
    unit : float
        The money that normalises, in $.
    """

    def __init__(self, rule: Reward, unit: float) -> None:
        self.rule, self.unit = rule, unit
        self._mean, self._count = 0.0, 0
        self._sorted: list[float] = []
        self._window: deque[float] = deque()

    def __call__(self, money: float) -> float:
        """Return the reward for the money of the next period in $."""
        rule = self.rule
        if rule.measure == "profit":
            return money
        x = money / self.unit
        if rule.measure == "normalised":
            return x
        if rule.measure == "mean_variance":
            mean = self._mean if self._count else x
            self._count += 1
            self._mean = mean + (x - mean) / min(self._count, rule.memory)
            return x - rule.aversion * (x - mean) ** 2
        # The smallest of n numbers that a share alpha of them is not above.
        count = len(self._sorted)
        quantile = self._sorted[max(0, math.ceil(rule.level * count) - 1)] if count else x
        insort(self._sorted, x)
        self._window.append(x)
        if len(self._window) > rule.memory:
            del self._sorted[bisect_left(self._sorted, self._window.popleft())]
        tail = quantile - max(quantile - x, 0.0) / rule.level
        return (1.0 - rule.aversion) * x + rule.aversion * tail
