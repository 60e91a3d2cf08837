"""What the three kinds of participants show their strategies."""

from __future__ import annotations

import copy
import pickle
from dataclasses import fields, replace
from typing import Any

import numpy as np

import tokenflow_sim as tf
from tokenflow_sim.agents import ComputeProvider
from tokenflow_sim.agents.period_result import PeriodResult
from tokenflow_sim.strategies import (
    Bid,
    DemandStrategy,
    DemandView,
    NetworkStrategy,
    NetworkView,
    Offer,
    Strategy,
    Tender,
    View,
)
from tokenflow_sim.strategies.base import History, Receipt
from tokenflow_sim.strategies.demand import DemandReceipt
from tokenflow_sim.strategies.network import NetworkReceipt


class Keeps(Strategy):
    """Keeps what it is shown, and offers at cost in equal blocks."""

    def __init__(self, blocks: int = 2) -> None:
        self.blocks = blocks
        self.shown: list[Any] = []

    def offer(self, view: View) -> Offer:
        """Offer at cost."""
        self.shown.append(view)
        price, quantity = (np.repeat(one[:, :, None], self.blocks, 2) for one in (view.cost, view.capacity))
        return Offer(price, quantity / self.blocks)

    def learn(self, receipt: Receipt) -> None:
        """Keep the receipt."""
        self.shown.append(receipt)


class KeepsLinks(NetworkStrategy):
    """The same of links."""

    def __init__(self) -> None:
        self.shown: list[Any] = []

    def tender(self, view: NetworkView) -> Tender:
        """Offer them at cost."""
        self.shown.append(view)
        return Tender(view.route_cost, view.capacity)

    def learn(self, receipt: NetworkReceipt) -> None:
        """Keep the receipt."""
        self.shown.append(receipt)


class KeepsBids(DemandStrategy):
    """The same of demand."""

    def __init__(self) -> None:
        self.shown: list[Any] = []

    def bid(self, view: DemandView) -> Bid:
        """Bid what it is worth."""
        self.shown.append(view)
        return Bid(view.demand, view.value)

    def learn(self, receipt: DemandReceipt) -> None:
        """Keep the receipt."""
        self.shown.append(receipt)


def test_every_field_is_shown_and_can_be_copied_and_exchanged() -> None:
    kinds = {"providers": Keeps, "owners": KeepsLinks, "regions": KeepsBids}
    model = tf.TokenMarket("us5", rng=1, periods=3, strategies=kinds)
    model.run()
    for side in kinds:
        shown = next(iter(getattr(model, side).values())).strategy.shown
        assert [one.period for one in shown] == [0, 0, 1, 1, 2, 2]
        for one in shown:
            values = {field.name: getattr(one, field.name) for field in fields(one)}
            for made in (type(one)(**values), replace(one), copy.copy(one)):
                assert all(getattr(made, name) is value for name, value in values.items())
            # All but a function of the model, which a region's view has, can be pickled.
            whole = replace(one, reference=None) if side == "regions" and one in shown[::2] else one
            assert pickle.loads(pickle.dumps(whole)).history.price.tolist() == one.history.price.tolist()
    state = model.settings.compiled.state(2)
    assert all(hasattr(state, field.name) for field in fields(state))


class Counting(ComputeProvider):
    """Looks at what it is shown, and passes it on with its own mark."""

    def view(self, *seen: Any) -> View:
        """Count the views."""
        self.views = getattr(self, "views", 0) + 1
        return replace(super().view(*seen), name="a view of one's own")

    def receipt(self, result: PeriodResult, history: History) -> Receipt:
        """Double the profit."""
        made = super().receipt(result, history)
        made.profit = 2 * made.profit
        return made


def test_agents_of_ones_own_show_what_they_like_in_every_period() -> None:
    model = tf.TokenMarket(
        "us5",
        rng=1,
        periods=4,
        agents={"dallas_dc": Counting},
        strategies={"dallas_dc": Keeps, "ashburn_dc": Keeps},
    )
    model.run()
    dallas, ashburn = (model.providers[name] for name in ("dallas_dc", "ashburn_dc"))
    assert dallas.views == 4
    assert {view.name for view in dallas.strategy.shown[::2]} == {"a view of one's own"}
    for agent, times in ((dallas, 2.0), (ashburn, 1.0)):
        views, receipts = agent.strategy.shown[::2], agent.strategy.shown[1::2]
        for view, receipt in zip(views[1:], receipts, strict=False):
            assert receipt.period == view.period - 1
            assert np.array_equal(receipt.profit, times * view.last_profit)
            assert np.array_equal(receipt.dispatch, view.last_dispatch)
            assert receipt.accepted.shape == (1, 4, 2)
            np.testing.assert_allclose(receipt.accepted.sum(axis=2), receipt.dispatch)
    profit = model.results().profit.sel(provider="dallas_dc")[:3]
    np.testing.assert_allclose([view.last_profit.sum() for view in dallas.strategy.shown[2::2]], profit)
