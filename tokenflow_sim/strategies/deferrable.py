"""Work that waits: a queue by deadline for each node and class, with nothing lost between its parts."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tokenflow_sim.errors import StrategyError
from tokenflow_sim.numeric import SECONDS_PER_HOUR, Floats
from tokenflow_sim.strategies.by_class import ByClass, by_class, check_numbers
from tokenflow_sim.strategies.demand import Bid, DemandReceipt, DemandStrategy, DemandView


class Backlog:
    """Work that waits, by the periods it can still wait.

    Parameters
    ----------
    periods : int
        Most periods in which work may be served, the one it arrives in included; at least 1.
    nodes, workloads : int
        Numbers of nodes and classes.
    keeps_overdue : bool
        Whether work past its deadline stays; if not, it is lost.

    Attributes
    ----------
    waiting : ndarray
        Work in Mtok by the number of periods that it could still wait after this one, dims (slack, node, workload);
        at slack zero it is due now (or overdue).
    lost : ndarray
        Work lost at the end of the last period in Mtok, dims (node, workload).

    Notes
    -----
    Over any span of periods, ``arrived = served + lost + (waiting at its end - waiting at its start)``.
    """

    def __init__(self, periods: int, nodes: int, workloads: int, keeps_overdue: bool = False) -> None:
        self.waiting = np.zeros((periods, nodes, workloads))
        self.lost = np.zeros((nodes, workloads))
        self.keeps_overdue = keeps_overdue

    @property
    def total(self) -> Floats:
        """All work that waits in Mtok, dims (node, workload)."""
        total: Floats = self.waiting.sum(axis=0)
        return total

    def arrive(self, work: Floats) -> None:
        """Add work that may wait longest, in Mtok, dims (node, workload)."""
        self.waiting[-1] += work

    def serve(self, first: int, last: int, work: Floats) -> None:
        """Take out served work, the earliest deadline first.

        Parameters
        ----------
        first, last : int
            Least and largest slack of the work that was bid.
        work : ndarray
            What was served of it in Mtok, dims (node, workload).
        """
        left = np.maximum(work, 0.0)
        for slack in range(first, last + 1):
            taken = np.minimum(left, self.waiting[slack])
            self.waiting[slack] -= taken
            left -= taken

    def age(self) -> None:
        """End the period: what was due is lost or overdue, all else is a period closer to its deadline."""
        due = self.waiting[0].copy()
        self.waiting[:-1] = self.waiting[1:]
        self.waiting[-1] = 0.0
        self.lost = np.zeros_like(due)
        if self.keeps_overdue:
            self.waiting[0] += due
        else:
            self.lost = due


class Deferrable(DemandStrategy):
    """Let a share of some classes wait in a backlog, and bid it higher as its deadline nears or when it is cheap.

    What may wait enters the backlog in the period in which its users want it, and may be served in that period or
    any later one before its deadline, the earliest deadline first. All else is bid at its value at once. With V the
    value of lost service and u the share of the waiting time that is over, waiting work is bid by rule

    - ``rising``: all of it, at ``V (start + (1 - start) u)``, the ages in `tiers` groups at their mean;
    - ``threshold``: only if the last price was no higher than a quantile of the published prices at the node, at that
      quantile; before there are any, it waits.

    Work that is due, which could not wait any longer, is bid at V whatever the rule. If it is not served even
    so, it is lost (`shed`), lost and paid for at `penalty` (`pay`; it is then bid at V plus the penalty), or stays
    in the backlog and is bid at V until it is served (`serve`).

    Parameters
    ----------
    share : float, dict or None
        Share of demand that may wait, from 0 to 1; by class, or one for all. A class left out cannot wait. None means
        all of the class ``batch``, where there is one.
    deadline : float
        Hours within which it must be done, in whole periods, at least one.
    rule : {'rising', 'threshold'}
        How waiting work is bid.
    start : float
        Share of its value that work is bid at when it arrives, from 0 to 1; rule ``rising``.
    quantile : float
        Quantile of the published prices, from 0 to 1; rule ``threshold``.
    past : {'shed', 'pay', 'serve'}
        What becomes of work past its deadline.
    penalty : float
        Compensation to users for lost work in $/Mtok, ``past: pay`` only. It moves money from the region to its
        users and is no part of welfare or of the market's payments.
    value : float, dict or None
        Value V of work that may wait in $/Mtok; None takes the scenario's value of lost service, which must be finite.
    tiers : int
        Number of steps that waiting work is bid in, at least 2: what is due, and the ages of the rest.

    Raises
    ------
    ValueError
        If a parameter is out of range.

    Notes
    -----
    The worth of work is V whenever it is served, so that waiting costs no welfare by itself, and work counts in
    welfare once, in the period in which it is served. `unserved` in results is what was bid and not served, work
    that goes on waiting included; `backlog` is what waits at the end of a period, `shed` what was lost in it. Over
    any run, what users wanted is what was served, what was shed or unserved for good, and what still waits.

    Bids are never negative: at a negative price all that is bid is served, and by the rule ``threshold`` a
    negative threshold bids at zero.

    References
    ----------
    A. Papavasiliou and S. S. Oren, "Large-scale integration of deferrable demand and renewable energy sources",
    IEEE Transactions on Power Systems 29 (2014) 489-499: demand with deadlines in a market. Z. Liu, M. Lin,
    A. Wierman, S. H. Low and L. L. H. Andrew, "Greening geographical load balancing", SIGMETRICS (2011) 233-244.
    C. L. Liu and J. W. Layland, "Scheduling algorithms for multiprogramming in a hard-real-time environment",
    Journal of the ACM 20 (1973) 46-61: earliest deadline first.
    """

    keeps_backlog = True

    def __init__(
        self,
        share: ByClass | None = None,
        deadline: float = 24.0,
        rule: Literal["rising", "threshold"] = "rising",
        start: float = 0.2,
        quantile: float = 0.25,
        past: Literal["shed", "pay", "serve"] = "shed",
        penalty: float = 0.0,
        value: ByClass | None = None,
        tiers: int = 4,
    ) -> None:
        check_numbers("share", share, 0.0, 1.0)
        check_numbers("start", start, 0.0, 1.0)
        check_numbers("quantile", quantile, 0.0, 1.0)
        check_numbers("penalty", penalty, 0.0)
        check_numbers("value", value, 0.0)
        if not (math.isfinite(deadline) and deadline > 0):
            raise ValueError(f"deadline must be positive and finite; found {deadline!r}")
        if rule not in ("rising", "threshold"):
            raise ValueError(f"rule must be rising or threshold; found {rule!r}")
        if past not in ("shed", "pay", "serve"):
            raise ValueError(f"past must be shed, pay or serve; found {past!r}")
        if penalty and past != "pay":
            raise ValueError(f"a penalty is for past: pay; found past: {past}")
        if tiers < 2:
            raise ValueError(f"tiers must be at least 2; found {tiers!r}")
        self.share = share
        self.deadline = deadline
        self.rule: Literal["rising", "threshold"] = rule
        self.start, self.quantile = start, quantile
        self.past: Literal["shed", "pay", "serve"] = past
        self.penalty, self.value, self.tiers = penalty, value, tiers
        self.steps = 1 + tiers
        self._queue: Backlog | None = None
        self._mtok = 0.0
        self._groups: list[tuple[int, int]] = []

    @property
    def backlog(self) -> Floats | None:
        """Work that waits in Mtok, dims (node, workload)."""
        return None if self._queue is None else self._queue.total

    @property
    def shed(self) -> Floats | None:
        """Work lost at its deadline in the last period in Mtok, dims (node, workload)."""
        return None if self._queue is None else self._queue.lost.copy()

    def bid(self, view: DemandView) -> Bid:
        """Bid what cannot wait, what is due, and what waits.

        Raises
        ------
        StrategyError
            If work that may wait has no finite value.
        """
        share = self._shares(view)
        worth = self._worth(view, share)
        self._mtok = SECONDS_PER_HOUR * view.hours
        if self._queue is None:
            periods = max(1, round(self.deadline / view.hours))
            self._queue = Backlog(periods, len(view.nodes), len(view.workloads), self.past == "serve")
            self._groups = slack_groups(periods, self.tiers)
        queue = self._queue
        queue.arrive(view.demand * share * self._mtok)
        quantity = np.zeros((*view.demand.shape, self.steps))
        value, truth = np.zeros_like(quantity), np.zeros_like(quantity)
        quantity[:, :, 0] = view.demand * (1 - share)
        value[:, :, 0] = truth[:, :, 0] = view.value
        truth[:, :, 1:] = worth[:, :, None]
        threshold = self._threshold(view)
        span = len(queue.waiting) - 1
        for step, (first, last) in enumerate(self._groups, start=1):
            work = queue.waiting[first : last + 1].sum(axis=0) / self._mtok
            if first == 0:
                quantity[:, :, step], value[:, :, step] = work, worth + self.penalty
            elif threshold is None:
                urgency = 1 - 0.5 * (first + last) / span
                quantity[:, :, step] = work
                value[:, :, step] = worth * (self.start + (1 - self.start) * urgency)
            else:
                limit, opens = threshold
                quantity[:, :, step] = np.where(opens, work, 0.0)
                value[:, :, step] = np.maximum(np.minimum(limit, worth), 0.0)
        return Bid(quantity, value, truth)

    def learn(self, receipt: DemandReceipt) -> None:
        """Take what was served out of the backlog, and end the period."""
        queue = self._queue
        if queue is None:
            raise StrategyError("a receipt came before any bid")
        for step, (first, last) in enumerate(self._groups, start=1):
            queue.serve(first, last, receipt.served[:, :, step] * self._mtok)
        queue.age()

    def _shares(self, view: DemandView) -> Floats:
        if self.share is None:
            return np.array([float(name == "batch") for name in view.workloads])
        return by_class("share", self.share, view.workloads, 0.0)

    def _worth(self, view: DemandView, share: Floats) -> Floats:
        """Return the value of work that may wait, dims (node, workload); zero where none may."""
        worth = view.value
        if self.value is not None:
            own = by_class("value", self.value, view.workloads, math.nan)
            worth = np.where(np.isnan(own), worth, own)
        endless = [
            name
            for name, column in zip(
                view.workloads, (np.isinf(worth) & (view.demand * share > 0)).T, strict=True
            )
            if column.any()
        ]
        if endless:
            raise StrategyError(
                f"work that may wait needs a finite value, and {', '.join(endless)} must be served here: give `value`"
                " in $/Mtok, or the scenario `market.must_serve: false`"
            )
        return np.where((share > 0) & np.isfinite(worth), worth, 0.0)

    def _threshold(self, view: DemandView) -> tuple[Floats, NDArray[np.bool_]] | None:
        """Return the threshold and where the last price was no higher; None by the other rule."""
        if self.rule == "rising":
            return None
        if view.last_price is None or not len(view.history):
            return np.zeros(view.demand.shape), np.zeros(view.demand.shape, dtype=np.bool_)
        limit: Floats = np.quantile(view.history.price[:, view.node], self.quantile, axis=0)
        return limit, view.last_price <= limit


def slack_groups(periods: int, tiers: int) -> list[tuple[int, int]]:
    """Split the slacks of a backlog into groups to bid together: what is due, and the rest as evenly as can be.

    Parameters
    ----------
    periods : int
        Number of slacks, from 0.
    tiers : int
        Most groups.

    Returns
    -------
    list of (int, int)
        Least and largest slack of each group, the first (0, 0).
    """
    rest = periods - 1
    parts = min(tiers - 1, rest)
    edges = [1 + part * rest // parts for part in range(parts + 1)] if parts else []
    return [(0, 0), *((low, high - 1) for low, high in pairwise(edges))]
