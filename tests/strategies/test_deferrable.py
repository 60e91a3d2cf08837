"""Work that waits: hand-worked bids, deadlines, and that nothing is lost between served, shed and waiting."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.strategies.toys import demand_view, scarce_node
from tokenflow_sim.errors import StrategyError
from tokenflow_sim.model import TokenMarket
from tokenflow_sim.strategies.composed import ByWorkload, Chain
from tokenflow_sim.strategies.deferrable import Deferrable, slack_groups
from tokenflow_sim.strategies.demand import Bid, DemandReceipt, DemandStrategy, DemandView
from tokenflow_sim.strategies.registry import make

HOUR = 3600.0


def receipt_of(view: DemandView, bid: Bid, price: float, part: float = 1.0) -> DemandReceipt:
    """Return what a market does that serves all bids above a price, and a part of those at it."""
    served = bid.quantity * np.where(bid.value > price, 1.0, np.where(bid.value == price, part, 0.0))
    prices = np.full(view.demand.shape, price)
    return DemandReceipt(
        period=view.period,
        price=prices,
        bid_quantity=bid.quantity,
        bid_value=bid.value,
        served=served,
        unserved=bid.quantity - served,
        payment=prices * served.reshape(*view.demand.shape, -1).sum(axis=2) * HOUR * view.hours,
        history=view.history,
        rng=view.rng,
    )


def play(
    strategy: DemandStrategy, demand: list[float], prices: list[float], **seen: Any
) -> list[tuple[Bid, DemandReceipt]]:
    """Play a strategy of one node and class against given prices."""
    played: list[tuple[Bid, DemandReceipt]] = []
    for period, (wanted, price) in enumerate(zip(demand, prices, strict=True)):
        past = np.array(prices[:period])[:, None, None]
        last = past[-1] if period else None
        view = demand_view([[wanted]], value=10.0, period=period, past=past, last_price=last, **seen)
        bid = strategy.bid(view)
        receipt = receipt_of(view, bid, price)
        strategy.learn(receipt)
        played.append((bid, receipt))
    return played


def test_waiting_work_is_bid_higher_as_its_deadline_nears() -> None:
    # Four hours, nothing served before the end: bid at 10 (0.2 + 0.8 u) with u = 0, 1/3, 2/3, 1.
    strategy = Deferrable(1.0, deadline=4, start=0.2, tiers=4)
    played = play(strategy, [1.0, 0.0, 0.0, 0.0, 0.0], [9.9] * 5)
    seen = []
    for bid, _ in played:
        step = int(bid.quantity[0, 0].argmax())
        seen.append((float(bid.quantity[0, 0, step]), float(bid.value[0, 0, step])))
        assert bid.worth[0, 0, 1:].tolist() == [10.0] * 4
    assert seen[:4] == [pytest.approx((1.0, v)) for v in (2.0, 2 + 8 / 3, 2 + 16 / 3, 10.0)]
    assert seen[4][0] == 0.0


def test_what_cannot_wait_is_bid_at_once() -> None:
    bid = Deferrable({"chat": 0.25}, deadline=3).bid(demand_view([[8.0]], value=10.0))
    assert (bid.quantity[0, 0, 0], bid.value[0, 0, 0]) == (6.0, 10.0)
    assert bid.quantity.sum() == 8.0


def test_the_earliest_deadline_goes_first() -> None:
    strategy = Deferrable(1.0, deadline=3, tiers=2)
    played = play(strategy, [1.0, 1.0], [9.0, 9.0])
    assert strategy.backlog is not None
    bid = played[-1][0]
    served = np.zeros_like(bid.quantity)
    view = demand_view([[1.0]], value=10.0, period=2, last_price=np.array([[9.0]]), past=[[[9.0]], [[9.0]]])
    bid = strategy.bid(view)
    assert bid.quantity[0, 0].tolist() == [0.0, 1.0, 2.0]  # one is due, two wait in one tier
    served[0, 0] = [0.0, 1.0, 1.5]
    strategy.learn(replace(receipt_of(view, bid, 0.0), served=served))
    assert strategy._queue is not None
    assert strategy._queue.waiting[:, 0, 0] / HOUR == pytest.approx([0.0, 0.5, 0.0])


def test_work_waits_while_the_price_is_above_the_threshold() -> None:
    strategy = Deferrable(1.0, deadline=100, rule="threshold", quantile=0.5)
    prices = [4.0, 6.0, 5.0, 3.0, 3.0]
    bids = [float(bid.quantity.sum()) for bid, _ in play(strategy, [1.0] * 5, prices)]
    # Medians so far: none, 4, 5, 5, 4.5; last prices: none, 4, 6, 5, 3. The bid of 4 is not served at 6; that of 5 is.
    assert bids == [0.0, 2.0, 0.0, 4.0, 1.0]


@pytest.mark.parametrize(
    ("past", "penalty", "bids", "shed", "waits"),
    [("shed", 0.0, 10.0, 1.0, 0.0), ("pay", 5.0, 15.0, 1.0, 0.0), ("serve", 0.0, 10.0, 0.0, 1.0)],
)
def test_past_its_deadline_work_is_shed_paid_for_or_waits_on(
    past: Any, penalty: float, bids: float, shed: float, waits: float
) -> None:
    strategy = Deferrable(1.0, deadline=2, past=past, penalty=penalty)
    played = play(strategy, [1.0, 0.0], [20.0, 20.0])
    due = played[1][0]
    assert (due.quantity[0, 0, 1], due.value[0, 0, 1], due.worth[0, 0, 1]) == (1.0, bids, 10.0)
    assert strategy.shed is not None
    assert strategy.backlog is not None
    assert float(strategy.shed[0, 0]) == shed * HOUR
    assert float(strategy.backlog[0, 0]) == waits * HOUR
    last = play(strategy, [0.0], [5.0])[0][1]
    assert float(last.served.sum()) == waits


@settings(max_examples=40, deadline=None)
@given(
    demand=st.lists(st.floats(0, 1e3), min_size=1, max_size=30),
    rule=st.sampled_from(["rising", "threshold"]),
    past=st.sampled_from(["shed", "serve"]),
    share=st.floats(0, 1),
    deadline=st.floats(0.5, 12),
    hours=st.sampled_from([0.25, 1.0, 3.0]),
    seed=st.integers(0, 99),
)
def test_what_was_wanted_was_served_or_lost_or_still_waits(
    demand: list[float], rule: Any, past: Any, share: float, deadline: float, hours: float, seed: int
) -> None:
    strategy = Deferrable(share, deadline=deadline, rule=rule, past=past, tiers=3)
    prices = np.random.default_rng(seed).uniform(0, 12, len(demand)).tolist()
    lost = 0.0
    served = 0.0
    seconds = HOUR * hours
    for period, (wanted, price) in enumerate(zip(demand, prices, strict=True)):
        view = demand_view(
            [[wanted]],
            value=10.0,
            period=period,
            hours=hours,
            past=np.array(prices[:period])[:, None, None],
            last_price=np.array([[prices[period - 1]]]) if period else None,
        )
        bid = strategy.bid(view)
        receipt = receipt_of(view, bid, price)
        strategy.learn(receipt)
        assert strategy.shed is not None
        assert strategy.backlog is not None
        served += float(receipt.served.sum()) * seconds
        lost += float(receipt.unserved[0, 0, 0]) * seconds + float(strategy.shed.sum())
        total = sum(demand[: period + 1]) * seconds
        assert served + lost + float(strategy.backlog.sum()) == pytest.approx(total, rel=1e-9, abs=1e-6)
        assert float(strategy.backlog.min()) >= 0


@pytest.mark.parametrize("periods", [1, 2, 3, 24, 25])
@pytest.mark.parametrize("tiers", [2, 4, 9])
def test_tiers_cover_every_slack_once(periods: int, tiers: int) -> None:
    groups = slack_groups(periods, tiers)
    assert groups[0] == (0, 0)
    assert len(groups) <= tiers
    assert [slack for low, high in groups for slack in range(low, high + 1)] == list(range(periods))


def test_in_a_market_waiting_lowers_the_peak_and_loses_nothing() -> None:
    # One cheap fleet of 1 Mtok/s; demand 1.5 in even hours and 0.3 in odd ones: what waits fits in between.
    scenario = scarce_node(demand=1.5, cheap=(1.0, 1.0), dear=(3.0, 0.2), hourly=[1.0, 0.2])
    runs = {}
    for strategy in (Chain(), Deferrable(0.4, deadline=6, tiers=5)):
        model = TokenMarket(scenario, rng=1, periods=24, strategies={"regions": strategy})
        model.run()
        runs[type(strategy).__name__] = model.results()
    fixed, flexible = runs["Chain"], runs["Deferrable"]
    assert float(fixed.price.max()) == pytest.approx(10.0)
    assert float(flexible.price.max()) < 10.0
    wanted = float(fixed.demand.sum()) * HOUR
    served = float((flexible.demand - flexible.unserved).sum()) * HOUR
    waits = float(flexible.backlog.isel(period=-1).sum())
    assert served + float(flexible.shed.sum()) + waits == pytest.approx(wanted, rel=1e-9)
    assert float(flexible.shed.sum()) == pytest.approx(0.0, abs=1e-6)
    # Work counts once, when it is served: welfare is its value less true cost, summed over the run.
    cost = float(flexible.cost.sum())
    assert float(flexible.welfare.sum()) == pytest.approx(10.0 * served - cost, rel=1e-9)
    assert float(flexible.welfare.sum()) > float(fixed.welfare.sum())
    assert "backlog" not in fixed
    assert (flexible.backlog.dims, flexible.backlog.units) == (("period", "node", "workload"), "Mtok")


def test_a_backlog_is_recorded_where_it_is_asked_for() -> None:
    model = TokenMarket(scarce_node(), rng=1, periods=2, record=["price", "backlog"])
    model.run()
    assert list(model.results().data_vars) == ["price", "backlog"]
    assert float(model.results().backlog.sum()) == 0.0


def test_work_that_must_be_served_needs_a_value_of_its_own() -> None:
    endless = demand_view([[1.0]], value=math.inf)
    with pytest.raises(
        StrategyError, match="needs a finite value, and chat must be served here: give `value`"
    ):
        Deferrable(0.5).bid(endless)
    bid = Deferrable(0.5, value=4.0, deadline=1).bid(endless)
    assert bid.value[0, 0, :2].tolist() == [math.inf, 4.0]


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"name": "deferrable", "share": 1.5}, "share must be a finite number between 0 and 1; found 1.5"),
        ({"name": "deferrable", "deadline": 0}, "deadline must be positive"),
        ({"name": "deferrable", "penalty": 2}, "a penalty is for past: pay; found past: shed"),
        ({"name": "deferrable", "tiers": 1}, "tiers must be at least 2"),
        ({"name": "chain", "strategies": ["price_elastic", "growth"]}, "strategies[0] bids in steps"),
        ({"name": "chain", "strategies": ["growht"]}, "did you mean 'growth'"),
        ({"name": "chain", "strategies": [{"name": "growth", "rat": 1}]}, "strategies[0].rat: "),
        ({"name": "by_workload", "classes": {"chat": "evil:Code"}}, "runs no code unless you allow it"),
    ],
)
def test_parameters_out_of_range_are_told(spec: dict[str, Any], told: str) -> None:
    with pytest.raises(StrategyError, match=re.escape(told)):
        make("region", spec)


def test_a_chain_hands_on_what_is_wanted() -> None:
    chain = Chain([{"name": "growth", "rate": 1.0}, {"name": "growth", "rate": 0.5}, "inelastic"])
    bid = chain.bid(demand_view([[2.0]], value=7.0, period=8760))
    assert bid.quantity.tolist() == [[6.0]]
    assert bid.value.tolist() == [[7.0]]


def test_a_chain_that_ends_in_a_backlog_keeps_it() -> None:
    chain = Chain([{"name": "growth", "rate": 1.0}, Deferrable(1.0, deadline=9, start=0.0)])
    play(chain, [1.0, 2.0], [9.0, 9.0])
    assert chain.keeps_backlog
    assert chain.backlog is not None
    assert float(chain.backlog.sum()) == pytest.approx(3.0 * HOUR, rel=1e-3)  # it grew for an hour


def test_each_class_plays_its_own_strategy() -> None:
    parts = ByWorkload(
        {"batch": Deferrable(1.0, deadline=2, tiers=2), "code": {"name": "growth", "rate": 1.0}}
    )
    assert (parts.steps, parts.keeps_backlog) == (3, True)
    view = demand_view([[1.0, 2.0, 3.0]], value=10.0, workloads=("batch", "chat", "code"), period=8760)
    bid = parts.bid(view)
    assert bid.quantity[0].tolist() == [[0.0, 0.0, 1.0], [2.0, 0.0, 0.0], [6.0, 0.0, 0.0]]
    assert bid.value[0, :, 0].tolist() == [10.0, 10.0, 10.0]
    parts.learn(receipt_of(view, bid, 9.0))
    assert parts.backlog is not None
    assert parts.backlog[0].tolist() == [HOUR, 0.0, 0.0]
    with pytest.raises(StrategyError, match="classes: unknown workload 'batsch'"):
        ByWorkload({"batsch": "growth"}).bid(view)
