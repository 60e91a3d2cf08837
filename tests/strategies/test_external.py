"""Strategies whose submissions come from outside."""

from __future__ import annotations

import numpy as np
import pytest

from tokenflow_sim.model import TokenMarket
from tokenflow_sim.strategies import Bid, Offer, Tender
from tokenflow_sim.strategies.external import ExternalBid, ExternalOffer, ExternalTender


def test_what_is_put_is_played_once_and_without_it_an_agent_is_truthful() -> None:
    outside = {"cascade": ExternalOffer, "sierra": ExternalTender, "regions": ExternalBid}
    model = TokenMarket("us20_oligopoly", rng=1, periods=2, strategies=outside, record=["price"])
    truth = TokenMarket(
        "us20_oligopoly", rng=1, periods=2, strategies={"regions": "inelastic"}, record=["price"]
    )
    seen, links, state = model.view("cascade"), model.view("sierra"), model.upcoming
    provider, owner, region = model.providers["cascade"], model.owners["sierra"], model.regions["miami"]
    provider.strategy.put(Offer(2 * seen.cost, seen.capacity / 2))
    owner.strategy.put(Tender(3 * links.route_cost, links.capacity))
    wanted = np.asarray(state.demand[region.rows])
    region.strategy.put(Bid(wanted / 4, state.value[region.rows]))
    for _ in range(2):
        model.step()
        truth.step()
        arrays, plain = model.clearing.market.arrays, truth.clearing.market.arrays
        if model.period == 1:
            assert arrays.offer_price[provider.rows] == pytest.approx(2 * plain.offer_price[provider.rows])
            assert arrays.capacity[provider.rows] == pytest.approx(plain.capacity[provider.rows] / 2)
            assert arrays.route_cost[owner.rows] == pytest.approx(3 * plain.route_cost[owner.rows])
            assert arrays.demand[region.rows] == pytest.approx(plain.demand[region.rows] / 4)
    for name in ("offer_price", "capacity", "route_cost", "demand", "value"):
        assert np.array_equal(getattr(arrays, name), getattr(plain, name)), name


def test_blocks_and_steps_must_be_at_least_one() -> None:
    with pytest.raises(ValueError, match="blocks must be at least 1; found 0"):
        ExternalOffer(blocks=0)
    with pytest.raises(ValueError, match="steps must be at least 1; found 0"):
        ExternalBid(steps=0)
