"""Network owners: tariffs that follow congestion or answer it best, and capacity held back, against worked numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import xarray as xr

from tests.strategies.toys import two_nodes
from tokenflow_sim.errors import StrategyError
from tokenflow_sim.model import TokenMarket
from tokenflow_sim.scenario import Scenario
from tokenflow_sim.strategies.registry import make
from tokenflow_sim.strategies.tariffs import (
    AdaptiveLinkWithholding,
    BestResponseTariff,
    CongestionTariff,
    LinkWithholding,
)

OUTAGE = [{"provider": "near", "first": 0, "last": 10}]


def run(
    scenario: Scenario, strategy: Any, periods: int, overrides: Mapping[str, Any] | None = None
) -> xr.Dataset:
    model = TokenMarket(
        scenario, rng=1, periods=periods, strategies={"owners": strategy}, overrides=overrides
    )
    model.run()
    return model.results()


def earned(results: xr.Dataset, tariff: float = 0.1) -> np.ndarray[Any, Any]:
    """Return income less true cost of transport in $/s by period."""
    cost = tariff * results.flow.sum(["arc", "workload"])
    return np.asarray(results.owner_income.sum("owner") / 3600 - cost)


def test_a_congestion_tariff_rises_after_congestion_and_falls_without() -> None:
    # Demand of 5 over a link of 4 in even hours, of 2 in odd ones.
    strategy = CongestionTariff(rise=0.5, fall=0.2, most=2.0)
    model = TokenMarket(
        two_nodes(link=4.0, hourly=[1.0, 0.4]), rng=1, periods=6, strategies={"net": strategy}
    )
    asked = []
    for _ in range(6):
        model.step()
        assert model.clearing is not None
        asked.append(float(model.clearing.market.arrays.route_cost[0, 0]))
    assert asked == pytest.approx([0.1 * f for f in (1, 1.5, 1.25, 1.875, 1.5625, 2.0)])


def test_a_congestion_tariff_earns_more_than_a_fixed_one() -> None:
    # While the link is full, the owner earns the gap of prices anyhow, as rent or as tariff; in the slack hours after
    # that the tariff is still up, and a fixed one would earn cost.
    scenario = two_nodes(link=4.0, hourly=[1.0, 0.4])
    fixed = earned(run(scenario, "fixed_tariff", 48))
    following = earned(run(scenario, CongestionTariff(rise=0.5, fall=0.1), 48))
    assert fixed[::2] == pytest.approx(4 * (2 - 0.1))
    assert fixed[1::2] == pytest.approx(0.0, abs=1e-9)
    assert following[::2] == pytest.approx(4 * (2 - 0.1))
    assert following[1::2].mean() > 2 * 0.3


def test_a_link_without_cost_starts_from_the_base_tariff() -> None:
    scenario = two_nodes(link=4.0, tariff=0.0)
    results = run(scenario, CongestionTariff(rise=1.0, base=0.25, most=5.0), 4)
    assert float(results.link_income.isel(period=-1).sum()) / 3600 == pytest.approx(4 * 2.0)
    assert (run(scenario, CongestionTariff(rise=1.0, base=0.0), 4).congestion_rent == 2.0).all()


@pytest.mark.parametrize("by", ["owner", "arc"])
def test_the_best_response_of_a_monopoly_link_is_the_gap_of_prices(by: Any) -> None:
    # The link could carry everything: at cost it earns nothing, up to 3 - 1 it carries everything, beyond nothing.
    results = run(two_nodes(), BestResponseTariff(by=by), 3)
    profit = earned(results)
    assert profit[0] == pytest.approx(0.0, abs=1e-9)
    assert profit[1:] == pytest.approx(5 * (2 - 0.1), rel=0.02)
    assert results.flow.values[1:, 0, 0] == pytest.approx([5.0, 5.0])
    assert (results.price.values[1:, 1] <= 3.0).all()


def test_a_finer_search_comes_closer_to_the_gap() -> None:
    gaps = [
        5 * 1.9 - earned(run(two_nodes(), BestResponseTariff(candidates=6, rounds=rounds), 2))[1]
        for rounds in (0, 2, 5)
    ]
    assert gaps[0] > gaps[1] > gaps[2] >= -1e-9
    assert gaps[2] < 0.005 * 9.5


def test_no_tariff_is_higher_than_the_most() -> None:
    # Demand that must be served and has no other fleet nearby would bear any tariff.
    results = run(two_nodes(must_serve=True), BestResponseTariff(most=7.0), 3, {"outages": OUTAGE})
    assert earned(results)[-1] == pytest.approx(5 * 7.0)


def test_of_tariffs_that_earn_the_same_the_lowest_is_asked() -> None:
    # A full link earns the gap whatever its tariff.
    model = TokenMarket(two_nodes(link=4.0), rng=1, periods=3, strategies={"net": BestResponseTariff()})
    model.run()
    assert model.owners["net"].strategy.tariff.tolist() == [0.0]
    assert float(model.results().link_income.isel(period=-1).sum()) / 3600 == pytest.approx(8.0)


def test_without_published_offers_the_best_response_is_the_cost() -> None:
    results = run(two_nodes(), BestResponseTariff(), 3, {"market.publish_offers": False})
    assert earned(results) == pytest.approx(np.zeros(3), abs=1e-9)


def test_capacity_held_back_makes_a_link_scarce() -> None:
    scenario = two_nodes(link=6.0)
    assert earned(run(scenario, LinkWithholding(0.0), 1))[0] == pytest.approx(0.0, abs=1e-9)
    assert earned(run(scenario, LinkWithholding(0.5, ["b->a"]), 1))[0] == pytest.approx(3 * 1.9)
    assert float(run(scenario, LinkWithholding(1.0), 1).flow.sum()) == 0.0


def test_adaptive_withholding_finds_the_most_that_is_scarce() -> None:
    # Of 10, just under the 5 that are wanted earns most: 5 times the gap.
    results = run(two_nodes(link=10.0), AdaptiveLinkWithholding(step=0.05, every=1), 60)
    late = earned(results)[-20:]
    assert late.max() == pytest.approx(5 * 1.9, rel=1e-6)
    assert late.mean() > 0.6 * 5 * 1.9
    assert earned(results)[0] == pytest.approx(0.0, abs=1e-9)


def test_adaptive_withholding_turns_round_when_profit_falls_and_at_its_bounds() -> None:
    # Of 10, 9.9 are wanted. Profits over the gap of 1.9: 0 at 10, 7 at 7, 4 at 4: on, on, back; and at 10 back again.
    strategy = AdaptiveLinkWithholding(step=0.3, least=0.4, every=2)
    model = TokenMarket(two_nodes(link=10.0, demand=9.9), rng=1, periods=14, strategies={"net": strategy})
    offered = []
    while model.running:
        model.step()
        assert model.clearing is not None
        offered.append(float(model.clearing.market.arrays.link_capacity[0]))
    assert offered == pytest.approx([10, 10, 7, 7, 4, 4, 7, 7, 10, 10, 7, 7, 4, 4])


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (
            {"name": "congestion_tariff", "rise": -0.1},
            "rise must be a finite number of at least 0; found -0.1",
        ),
        (
            {"name": "congestion_tariff", "least": 3, "most": 2},
            "most must be a finite number of at least 3; found 2",
        ),
        ({"name": "best_response_tariff", "by": "link"}, "'owner' or 'arc'"),
        ({"name": "best_response_tariff", "candidates": 1}, "candidates must be at least 2; found 1"),
        (
            {"name": "link_withholding", "share": 1.1},
            "share must be a finite number between 0 and 1; found 1.1",
        ),
        ({"name": "adaptive_link_withholding", "step": 0}, "step must be positive"),
        ({"name": "adaptive_link_withholding", "every": 0}, "every must be at least 1; found 0"),
    ],
)
def test_parameters_out_of_range_are_told(spec: dict[str, Any], told: str) -> None:
    with pytest.raises(StrategyError, match=re.escape(told)):
        make("owner", spec)


def test_a_link_that_is_not_ones_own_is_told() -> None:
    with pytest.raises(
        StrategyError, match=r"arcs: unknown arc 'b->c'; known arcs: b->a \(did you mean 'b->a'"
    ):
        run(two_nodes(), LinkWithholding(0.5, ["b->c"]), 1)
