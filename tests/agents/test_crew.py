"""Tests for agents that are asked together."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import tokenflow_sim as tf
from tokenflow_sim.agents import ComputeProvider, DemandRegion, NetworkOwner
from tokenflow_sim.agents.crew import crews_of
from tokenflow_sim.strategies.base import Offer, Strategy, View
from tokenflow_sim.strategies.markups import FixedMarkup, MarginalCost


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


@pytest.mark.parametrize(
    ("scenario", "strategies"),
    [("us5", None), ("us20_oligopoly", {"providers": {"name": "fixed_markup", "markup": 0.3}})],
)
def test_agents_asked_together_submit_what_each_would_alone(
    scenario: str, strategies: dict[str, object] | None
) -> None:
    together = tf.TokenMarket(scenario, rng=3, periods=3, strategies=strategies)
    alone = tf.TokenMarket(scenario, rng=3, periods=3, strategies=strategies, agents=_ALONE)
    for kind in ("provider", "owner"):
        assert together.clearing_house._parties[kind][0]
        assert not alone.clearing_house._parties[kind][0]
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
