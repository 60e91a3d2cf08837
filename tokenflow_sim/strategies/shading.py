"""Strategies of regions that bid less than service is worth to them: by a fixed share, or one that they learn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from tokenflow_sim.numeric import SECONDS_PER_HOUR, Floats
from tokenflow_sim.scenario.positions import by_asset
from tokenflow_sim.strategies.actions import ArmLearner, By, ladder, within
from tokenflow_sim.strategies.base import Receipt, View
from tokenflow_sim.strategies.demand import Bid, DemandReceipt, DemandStrategy, DemandView
from tokenflow_sim.strategies.elastic import SteppedDemand
from tokenflow_sim.strategies.registry import find, make
from tokenflow_sim.strategies.rewards import Context

Schedule = list[tuple[float, float | None]] | dict[str, list[tuple[float, float | None]]]
"""Pairs of a share of demand and what it is worth in $/Mtok, for all classes or by class."""

Unit = Literal["region", "class", "node", "bid"]
"""The unit of a decision: all of a region, each class, each node, or each class at each node."""

_BY: dict[Unit, By] = {"region": "provider", "class": "class", "node": "asset", "bid": "offer"}
_OWN = ("markups", "shares", "by", "price_cap", "context", "levels", "baseline")

SHADINGS = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8)
"""Shares of worth to choose among, unless others are given: truthful, then about twofold."""

LEVELS = (0.4, 0.8)
"""Last price over worth at which one state of scarcity ends and the next begins, unless others are given."""


class FixedShading(DemandStrategy):
    """Bid all demand at a fixed share less than it is worth.

    Parameters
    ----------
    shading : float
        What is taken off the worth, as a share of it, from 0 to 1.
    schedule : list of pairs, or dict of such lists
        What service is worth, as `stepped_demand` takes it; None is the scenario's value of lost service.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Notes
    -----
    Welfare and consumer surplus count the worth; the market sees the bid. Demand that must be served has no value to
    shade, and is bid as it is.

    References
    ----------
    R. Wilson, "A Bidding Model of Perfect Competition", Review of Economic Studies 44 (1977) 511-518: buyers shade
    their bids.
    """

    def __init__(self, shading: float = 0.1, schedule: Schedule | None = None) -> None:
        self.shading = within("shading", shading, 0.0, 1.0)
        self.schedule = schedule
        self.truth = SteppedDemand(schedule)
        self.steps = self.truth.steps

    def bid(self, view: DemandView) -> Bid:
        """Bid demand at its shaded worth."""
        truth = self.truth.bid(view)
        kept = np.where(np.isinf(truth.value), 1.0, 1.0 - self.shading)
        return Bid(truth.quantity, truth.value * kept, truth.value)


class BidShading(DemandStrategy):
    """Learn how far to bid below worth, by the rule of any learning strategy of providers.

    Parameters
    ----------
    learner : str or dict
        The rule: name of a learning strategy of providers (``roth_erev``, ``q_learning``, ``ucb1``,
        ``epsilon_greedy``, ``exp3``), or a mapping of its name and those of its parameters that are its rule's own,
        e.g. ``recency``.
    shadings : sequence of float
        Shares of worth to choose among that are taken off it, from 0 to 1.
    shares : sequence of float
        Shares of demand to choose among; every shading is joined with every share.
    by : {'region', 'class', 'node', 'bid'}
        The unit of a decision: the region, each class, each node, or each class at each node. With a schedule, each
        step of a node or bid is a unit by itself.
    context : {'none', 'hour', 'scarcity', 'both'} or None
        What it has a table of its own for; None takes the learner's default.
    levels : sequence of float
        Where one state of scarcity ends and the next begins: last price over worth, rising.
    schedule : list of pairs, or dict of such lists
        What service is worth, as `stepped_demand` takes it; None is the scenario's value of lost service.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or the learner is none.
    StrategyError
        If the learner or one of its parameters is not known.

    Notes
    -----
    With worth v, demand d and arm (s, m), the bid is ``(1 - s) v`` for ``m d``, and the reward of the period is the
    buyer's surplus in $: worth of what was served less what was paid for it, whatever the pricing rule, and what its
    forward contracts brought, shared out as providers share it (`Receipt.contract_income`). To a learner,
    a buyer is a seller of cost -v whose offer is the bid with its sign turned: the mark-up s asks ``-v + s v``, and
    revenue less cost is the surplus. So rules and their parameters are those of the providers' pages, with rewards as
    under ``baseline: none`` there. What was paid at a node stands on the steps of a bid by what of each was served.
    Demand that must be served has no value to shade: it is bid as it is, and nothing is learnt from it.

    ``q_learning`` with ``preset: calvano`` takes the market's price at the region's nodes for its rivals' choice.

    References
    ----------
    J. Nicolaisen, V. Petrov and L. Tesfatsion, "Market Power and Efficiency in a Computational Electricity Market
    with Discriminatory Double-Auction Pricing", IEEE Transactions on Evolutionary Computation 5 (2001) 504-523:
    buyers and sellers that learn by the same rule, in a double auction (`market.pricing: k_double_auction`).

    Examples
    --------
    >>> BidShading({"name": "roth_erev", "recency": 0.04}, schedule=[(0.5, 37.0), (0.5, 17.0)]).steps
    2
    """

    def __init__(
        self,
        learner: str | dict[str, Any] = "roth_erev",
        shadings: Sequence[float] = SHADINGS,
        shares: Sequence[float] = (1.0,),
        by: Unit = "region",
        context: Context | None = None,
        levels: Sequence[float] = LEVELS,
        schedule: Schedule | None = None,
    ) -> None:
        self.shadings = ladder("shadings", shadings, 1.0)
        self.shares = ladder("shares", shares, 1.0)
        self.levels = ladder("levels", levels, 2.0)
        if by not in _BY:
            raise ValueError(f"by must be one of {', '.join(_BY)}; found {by!r}")
        self.learner, self.by, self.context, self.schedule = learner, by, context, schedule
        self.truth = SteppedDemand(schedule)
        self.steps = self.truth.steps
        self.rule = self._rule()

    def _rule(self) -> ArmLearner:
        """Make the learner, a seller whose cost is the worth with its sign turned."""
        given = {"name": self.learner} if isinstance(self.learner, str) else dict(self.learner)
        name = str(given.get("name"))
        # Code of a user's own is loaded for agents alone.
        if ":" in name or not issubclass(find("provider", name), ArmLearner):
            raise ValueError(
                "learner must be a learning strategy of providers: roth_erev, q_learning, ucb1, epsilon_greedy or"
                f" exp3; found {name!r}"
            )
        if twice := [name for name in _OWN if name in given]:
            raise ValueError(
                f"learner takes the parameters of its rule alone; found {', '.join(twice)}: shadings, shares, by,"
                " context and levels stand beside it"
            )
        # Price over worth r is one plus the mark-up 1 - r of a seller of negative cost: see `one_plus_markup`.
        given |= {
            "markups": self.shadings, "shares": self.shares, "by": _BY[self.by], "baseline": "none",
            "levels": tuple(sorted(2.0 - level for level in self.levels)),
        }  # fmt: skip
        if self.context is not None:
            given["context"] = self.context
        rule = make("provider", given, place="learner")
        assert isinstance(rule, ArmLearner)
        return rule

    def bid(self, view: DemandView) -> Bid:
        """Bid at the shadings of the arms that were chosen."""
        truth = self.truth.bid(view)
        self.rule.beside = self.beside
        self.shape = (*view.demand.shape, self.steps)
        self.worth, quantity = (self._rows(array) for array in (truth.value, truth.quantity))
        self.plays = np.isfinite(self.worth)
        cost = np.where(self.plays, -self.worth, 0.0)
        names = tuple(f"{node}/{step}" for node in view.nodes for step in range(self.steps))
        where = np.repeat(np.arange(len(view.nodes)), self.steps)
        self.row_node = view.node[where]
        offer = self.rule.offer(
            View(
                name=view.name, period=view.period, periods=view.periods, hours=view.hours, assets=names,
                workloads=view.workloads, nodes=view.nodes, asset_node=where,
                cost=cost, capacity=np.where(self.plays, quantity, 0.0), power_use=None, power_limit=None,
                last_price=None, last_dispatch=None, last_profit=None, history=view.history, rng=view.rng,
            )
        )  # fmt: skip
        value = np.where(self.plays, np.maximum(-offer.price, 0.0), self.worth)
        asked = np.where(self.plays, offer.quantity, quantity)
        return Bid(self._as_bid(asked), self._as_bid(value), self._as_bid(self.worth))

    def learn(self, receipt: DemandReceipt) -> None:
        """Learn from the surplus."""
        served = self._rows(receipt.served)
        total = receipt.served if self.steps == 1 else receipt.served.sum(axis=2)
        mean = np.divide(receipt.payment, total, out=np.zeros_like(receipt.payment), where=total > 0)
        paid = np.repeat(mean, self.steps, axis=0) * served
        worth = np.where(self.plays, self.worth, 0.0) * served * (SECONDS_PER_HOUR * self.rule.hours)
        bid, asked = self._rows(receipt.bid_value), self._rows(receipt.bid_quantity)
        brought = receipt.contract_income
        self.rule.learn(
            Receipt(
                period=receipt.period, price=-np.repeat(receipt.price, self.steps, axis=0), offer_price=-bid,
                offer_quantity=asked, accepted=served, dispatch=served, revenue=-paid, cost=-worth,
                profit=worth - paid, history=receipt.history, rng=receipt.rng,
                contract_income=None if brought is None else by_asset(brought, self.row_node, self.beside),
            )
        )  # fmt: skip

    def _rows(self, array: Floats) -> Floats:
        """Return an array by node, class and perhaps step as rows of nodes and their steps, dims (row, workload)."""
        return array if array.ndim == 2 else array.transpose(0, 2, 1).reshape(-1, array.shape[1])

    def _as_bid(self, rows: Floats) -> Floats:
        """Return such rows as a bid."""
        if self.steps == 1:
            return rows
        nodes, classes, steps = self.shape
        return np.ascontiguousarray(rows.reshape(nodes, steps, classes).transpose(0, 2, 1))
