"""Tests for agents that are asked together."""

from __future__ import annotations

import copy
import pickle
import re

import numpy as np
import pytest
import xarray as xr

import tokenflow_sim as tf
from tokenflow_sim.agents import ComputeProvider, DemandRegion, NetworkOwner
from tokenflow_sim.agents.crew import crews_of
from tokenflow_sim.strategies.base import Offer, Strategy, View
from tokenflow_sim.strategies.markups import FixedMarkup, MarginalCost
from tokenflow_sim.strategies.roth_erev import RothErev


class _Provider(ComputeProvider):
    """Asked alone, since what a class of one's own sees is its own business."""


class _Owner(NetworkOwner):
    """Likewise."""


class _Region(DemandRegion):
    """Likewise."""


_ALONE = {"providers": _Provider, "owners": _Owner, "regions": _Region}


class Odd(MarginalCost):
    """Derives from what follows the state, and does not itself: it looks at the period."""

    def offer(self, view: View) -> Offer:
        """Ask more every period."""
        return Offer(price=view.cost * (1 + view.period), quantity=view.capacity)


class Fails(Strategy):
    """Says that it follows the state, and fails for one provider's costs."""

    follows_state = True

    def offer(self, view: View) -> Offer:
        """Offer what there is unless it is asked for the second row."""
        if view.cost.shape[0] > 1 or view.name == "dallas_dc":
            raise ValueError("no such thing")
        return Offer(price=view.cost, quantity=view.capacity)


class ByList(Strategy):
    """Ask a mark-up by class from a list that a user may change in a run."""

    follows_state = True

    def __init__(self, markups: list[float] | None = None) -> None:
        self.markups = [0.1] * 4 if markups is None else markups

    def offer(self, view: View) -> Offer:
        """Offer at the mark-ups, which stand in the order of classes."""
        return Offer(price=view.cost * (1 + np.array(self.markups)), quantity=view.capacity)


class ByArray(Strategy):
    """Keeps an array, of which nobody can say with == that it is another one's."""

    follows_state = True

    def __init__(self, markup: float = 0.2) -> None:
        self.markup = markup
        self.markups = np.full(4, markup)

    def offer(self, view: View) -> Offer:
        """Offer at the mark-ups."""
        return Offer(price=view.cost * (1 + self.markups), quantity=view.capacity)


class Slanted(Strategy):
    """Offers along a line, which falls where somebody has one asset alone."""

    follows_state = True

    def __init__(self, slope: float = -1.0) -> None:
        self.slope = slope

    def offer(self, view: View) -> Offer:
        """Offer along the line."""
        return Offer(view.cost, view.capacity, slope=np.full(view.cost.shape, self.slope))


class Leaves(Strategy):
    """Asks Python to exit."""

    follows_state = True

    def offer(self, view: View) -> Offer:
        """Leave."""
        raise SystemExit(3)


class Meddles(Strategy):
    """Writes into what it sees."""

    follows_state = True

    def offer(self, view: View) -> Offer:
        """Offer at a cost of its own making."""
        view.cost[...] = 0.0
        return Offer(view.cost, view.capacity)


@pytest.mark.parametrize(
    ("scenario", "strategies"),
    [("us5", None), ("us20_oligopoly", {"providers": {"name": "fixed_markup", "markup": 0.3}})],
)
def test_agents_asked_together_submit_what_each_would_alone(
    scenario: str, strategies: dict[str, object] | None
) -> None:
    together = tf.TokenMarket(scenario, rng=3, periods=3, strategies=strategies)
    alone = tf.TokenMarket(scenario, rng=3, periods=3, strategies=strategies, agents=_ALONE)
    for side in ("providers", "owners"):
        crews, others = crews_of([*getattr(together, side).values()])
        assert crews
        assert not others
        assert crews_of([*getattr(alone, side).values()]) == ([], [*getattr(alone, side).values()])
    together.run()
    alone.run()
    xr.testing.assert_identical(together.results().drop_attrs(), alone.results().drop_attrs())


def test_only_equal_strategies_of_the_same_class_act_together() -> None:
    strategies = {
        "ashburn_dc": {"name": "fixed_markup", "markup": 0.1},
        "dallas_dc": {"name": "fixed_markup", "markup": 0.2},
        "chicago_dc": {"name": "fixed_markup", "markup": 0.1},
        "seattle_dc": Odd,
        "silicon_valley_dc": "marginal_cost",
    }
    model = tf.TokenMarket("us5", rng=1, periods=1, strategies=strategies)
    crews, alone = crews_of(list(model.providers.values()))
    assert sorted(sorted(agent.name for agent in crew.members) for crew in crews) == [
        ["ashburn_dc", "chicago_dc"],
        ["dallas_dc"],
        ["silicon_valley_dc"],
    ]
    assert [agent.name for agent in alone] == ["seattle_dc"]


def test_a_parameter_and_a_strategy_that_change_in_a_run_count_from_the_next_period_on() -> None:
    model = tf.TokenMarket(
        "us5", rng=1, periods=4, strategies={"providers": {"name": "fixed_markup", "markup": 0.0}}
    )
    model.step()
    model.providers["dallas_dc"].strategy.markup = 0.5
    model.step()
    model.providers["seattle_dc"].strategy = FixedMarkup(2.0)
    model.step()
    state = model.settings.compiled
    asked = model.results().offer_price
    for period, markups in enumerate([{}, {"dallas_dc": 0.5}, {"dallas_dc": 0.5, "seattle_dc": 2.0}]):
        cost = state.state(period).true_cost
        factor = np.array([[1.0 + markups.get(str(name), 0.0)] for name in asked.asset_provider.values])
        np.testing.assert_array_equal(asked.isel(period=period).values, cost * factor)


def test_what_fails_together_is_reported_of_the_agent_that_fails_alone() -> None:
    model = tf.TokenMarket("us5", rng=1, periods=1, strategies={"providers": Fails})
    with pytest.raises(ValueError, match="no such thing") as found:
        model.step()
    assert "provider 'dallas_dc', period 0" in "".join(found.value.__notes__)


def test_what_changes_inside_a_parameter_counts_too_and_what_cannot_be_compared_is_asked_alone() -> None:
    model = tf.TokenMarket("us5", rng=1, periods=3, strategies={"providers": ByList([0.1] * 4)})
    model.step()
    for agent in model.providers.values():  # of all alike, so that they stay alike
        agent.strategy.markups[0] = 3.0
    model.step()
    model.providers["dallas_dc"].strategy.markups = np.full(4, 0.5)
    model.step()
    asked, cost = model.results().offer_price, model.settings.compiled.state(0).true_cost
    np.testing.assert_array_equal(asked[0].values, cost * 1.1)
    np.testing.assert_array_equal(asked[1].values, cost * (1 + np.array([3.0, 0.1, 0.1, 0.1])))
    dallas = asked.asset_provider.values == "dallas_dc"
    np.testing.assert_array_equal(asked[2].values[dallas], cost[dallas] * 1.5)
    arrays = tf.TokenMarket("us5", rng=1, periods=1, strategies={"providers": ByArray})
    assert crews_of([*arrays.providers.values()]) == ([], [*arrays.providers.values()])
    arrays.run()
    np.testing.assert_array_equal(arrays.results().offer_price[0].values, cost * 1.2)


@pytest.mark.parametrize(
    ("strategy", "told"),
    [
        (
            Slanted,
            "provider 'ashburn_dc', period 0, strategy Slanted(slope=-1.0): slope must be finite and not",
        ),
        (Leaves, "strategy Leaves(): asked Python to exit; raise an error instead"),
        (Meddles, "read-only"),
    ],
)
def test_whoever_is_at_fault_together_is_told_as_alone(strategy: type[Strategy], told: str) -> None:
    model = tf.TokenMarket("us5", rng=1, periods=1, strategies={"providers": strategy})
    with pytest.raises(Exception, match=re.escape(told)):
        model.run()


def test_a_learner_that_takes_over_in_a_run_learns() -> None:
    def played(pickled: bool) -> xr.Dataset:
        model = tf.TokenMarket("us5", rng=1, periods=6)
        model.step()
        model.step()
        model.providers["dallas_dc"].strategy = RothErev(markups=[0.0, 1.0])
        model.step()
        if pickled:
            model = pickle.loads(pickle.dumps(copy.deepcopy(model)))
        model.run()
        assert np.ptp(model.providers["dallas_dc"].strategy.q) > 0  # even before it has learnt
        return model.results().drop_attrs()

    xr.testing.assert_identical(played(False), played(True))
