"""Iterated best response reaches the equilibria of textbooks, and says where there is none."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.study.games import firms_at, linear, one_node, small, two_nodes
from tokenflow_sim.errors import CertificateError, FailedRunsWarning
from tokenflow_sim.market import Clearer
from tokenflow_sim.study.equilibrium import Equilibrium
from tokenflow_sim.study.game import MarketGame
from tokenflow_sim.study.starts import most_clearings

STEPS = 50
QUICK = {"points": 11, "levels": 1}
ONE = {"starts": ["withheld"], "random": 0, **QUICK}


def sold(found: Equilibrium) -> np.ndarray:
    return found.offers.offer_quantity.sel(workload="chat").values


@pytest.mark.parametrize(
    ("costs", "expected"),
    [
        ([1.0], [4.5]),  # monopoly: (a - c) / 2
        ([1.0, 2.0], [10 / 3, 7 / 3]),  # (a - 2 c_i + c_j) / 3
        ([1.0, 1.5, 2.0], [2.625, 2.125, 1.625]),  # (a - 4 c_i + sum c) / 4
    ],
)
def test_cournot_quantities_are_the_analytic_ones(costs: list[float], expected: list[float]) -> None:
    market = one_node(costs, [10.0] * len(costs), *linear(10.0, 1.0, STEPS))
    found = tf.equilibrium(market, play="quantity", **ONE)
    assert found.converged, found
    # Demand comes in steps of 0.2, of which a firm sells whole ones.
    np.testing.assert_allclose(sold(found), expected, atol=0.2)
    price = float(found.dataset.price.squeeze())
    assert price == pytest.approx(10 - sum(expected), abs=0.3)
    profit = (price - np.array(costs)) * sold(found) * 3600
    np.testing.assert_allclose(found.dataset.profit, profit, rtol=1e-9)


def test_damping_reaches_the_same_point() -> None:
    market = one_node([1.0, 2.0], [10.0, 10.0], *linear(10.0, 1.0, STEPS))
    found = tf.equilibrium(market, play="quantity", damping=0.8, **ONE)
    np.testing.assert_allclose(sold(found), [10 / 3, 7 / 3], atol=0.25)


def test_bertrand_with_spare_capacity_falls_from_high_prices_to_marginal_cost() -> None:
    market = one_node([1.0, 1.0], [2.0, 2.0], [10.0], [1.0])
    found = tf.equilibrium(market, start=8.0, **QUICK)
    assert found.converged, found
    assert float(found.dataset.price.squeeze()) == pytest.approx(1.0, abs=0.02)
    assert float(found.history.action[0, 0, 0]) == 8.0


def test_bertrand_with_unequal_costs_ends_at_the_dearer_cost() -> None:
    found = tf.equilibrium(one_node([1.0, 2.0], [2.0, 2.0], [10.0], [1.0]), start=8.0, **QUICK)
    assert float(found.dataset.price.squeeze()) == pytest.approx(2.0, abs=0.02)
    assert float(found.dataset.profit.sel(provider="p0")) == pytest.approx(3600.0, rel=0.02)


def test_a_pivotal_monopolist_asks_for_the_value_of_service() -> None:
    found = tf.equilibrium(one_node([1.0], [2.0], [10.0], [1.0]), **QUICK)
    assert float(found.dataset.price.squeeze()) == pytest.approx(10.0, rel=0.01)
    assert found.converged


def test_of_two_pivotal_providers_one_sets_the_price_and_the_other_earns_more() -> None:
    # von der Fehr and Harbord (1993): at a uniform price there is an equilibrium, and it is not symmetric.
    found = tf.equilibrium(one_node([1.0, 1.0], [0.7, 0.7], [10.0], [1.0]), **QUICK)
    assert found.converged, found
    high, low = found.dataset.profit.values
    assert float(found.dataset.price.squeeze()) == pytest.approx(10.0, rel=0.01)
    assert low / high == pytest.approx(0.7 / 0.3, rel=0.01)
    # Either may be the one, and both equilibria are listed: what each earns in one the other earns in the other.
    assert found.equilibria.sizes["equilibrium"] == 2
    np.testing.assert_allclose(found.equilibria.profit[0], found.equilibria.profit[1][::-1], rtol=0.01)
    assert "2 distinct equilibria from 5 starts" in found.verdict
    assert list(found.equilibria_table.index[0]) == [1, "p0"]
    assert (found.equilibria.gain.max("provider") <= 1e-3 * 36000).all()
    assert found.dataset.attrs["starts_left"] == 0, "a small market gets all its starts"


@pytest.mark.parametrize(("link", "quantity"), [(0.0, 4.75), (5.0, 19 / 3)])
def test_two_places_are_two_monopolies_or_one_duopoly(link: float, quantity: float) -> None:
    found = tf.equilibrium(two_nodes(link), play="quantity", starts=["cournot"], random=0, **QUICK)
    assert found.converged, found
    np.testing.assert_allclose(sold(found), quantity, atol=0.21)


def test_a_thin_link_has_no_equilibrium_and_the_loop_is_told() -> None:
    # Borenstein, Bushnell and Stoft (2000).
    found = tf.equilibrium(
        two_nodes(0.5), play="quantity", starts=["withheld"], random=0, points=21, levels=1
    )
    assert not found.converged
    assert found.cycle > 0
    assert found.epsilon_relative > 1e-3
    assert f"repeat themselves every {found.cycle} rounds" in found.verdict
    last = found.history.action.values
    np.testing.assert_allclose(last[-1], last[-1 - found.cycle])


def test_epsilon_is_what_an_independent_search_still_gains() -> None:
    market = one_node([1.0, 2.0], [10.0, 10.0], *linear(10.0, 1.0, STEPS))
    found = tf.equilibrium(
        market, play="quantity", points=5, levels=0, rounds=1, starts=["withheld"], random=0
    )
    assert not found.converged
    shares = found.dataset.action.values
    values, widths = linear(10.0, 1.0, STEPS)

    def profit(quantity: float, other: float, cost: float) -> float:
        step = min(int(np.ceil((quantity + other) / widths[0] - 1e-9)) - 1, STEPS - 1)
        return max(values[step] - cost, 0.0) * quantity * 3600

    mine, theirs = 10 * shares[0, 0], 10 * shares[1, 0]
    best = max(profit(q, theirs, 1.0) for q in np.linspace(0, 10 - theirs, 2001))
    gain = best - profit(mine, theirs, 1.0)
    assert float(found.dataset.gain[0]) == pytest.approx(gain, rel=0.05, abs=100)


def test_providers_that_do_not_choose_stay_truthful() -> None:
    scenario = small()
    found = tf.equilibrium(scenario, ["ada"], by="provider", points=5, levels=0)
    offers, truth = found.offers, scenario.market()
    others = offers.asset_provider.values != "ada"
    np.testing.assert_array_equal(offers.offer_price.values[others], truth.offer_price.values[others])
    assert list(found.table.index) == ["ada"]
    assert float(found.dataset.profit[0]) >= float(found.dataset.truthful_profit[0])
    assert found.dataset.gain.attrs["units"] == "$/h"
    assert found.rounds == found.history.sizes["round"] - 1


def test_withholding_is_refused_where_all_demand_must_be_served() -> None:
    market = one_node([1.0, 1.0], [0.6, 0.6], [np.inf], [1.0])
    game = MarketGame(market, "quantity")
    np.testing.assert_array_equal(game.start, np.ones((2, 1)))
    assert game.profit(0, np.array([[0.1], [1.0]])) == -np.inf
    short = one_node([1.0], [0.6], [np.inf], [1.0])
    with pytest.raises(tf.InfeasibleError, match=r"0\.4 Mtok/s short"):
        tf.equilibrium(short)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(tf.InputError) as told:
        tf.equilibrium(
            small(),
            ["eve"],
            play="prices",
            by="x",
            points=2,
            levels=-1,
            damping="x",
            rounds=0,
            tolerance=None,
            ceiling=True,
            start=-1,
            starts=["cournot", "nowhere"],
            random=-1,
            mixed=1,
            workers=0,
        )  # type: ignore[arg-type]
    assert len(told.value.faults) == 14
    assert "damping: must be a number above 0 and at most 1; found 'x'" in str(told.value)
    assert "unknown provider 'eve'; known providers: ada, bob, cyd" in str(told.value)
    with pytest.raises(tf.InputError, match="must be a list of providers"):
        tf.equilibrium(small(), "ada")


def test_the_dataset_goes_through_a_file(tmp_path: object) -> None:
    found = tf.equilibrium(two_nodes(0.5), play="quantity", points=5, levels=0, mixed=5, random=0)
    path = f"{tmp_path}/found.nc"
    found.dataset.to_netcdf(path)
    with xr.open_dataset(path) as again:
        assert Equilibrium(again).verdict == found.verdict


def test_a_network_owner_alone_takes_all_that_transport_is_worth() -> None:
    # A seller at cost 1 in the north, a buyer of one unit at 10 in the south: a tariff just under 9 earns 9 $/s.
    assets = [("seller", "north", 1.0, 5.0), ("nobody", "south", 9.9, 0.0)]
    market = firms_at(assets, np.array([10.0]), np.array([1.0]), link=5.0)
    owner = f"owners.{market.layout.owner[0]}"
    found = tf.equilibrium(market, [owner], **QUICK)
    assert found.converged, found
    assert list(found.dataset.provider.values) == [owner]
    assert float(found.dataset.profit.squeeze()) / 3600 == pytest.approx(9.0, rel=0.02)
    assert float(found.dataset.truthful_profit.squeeze()) == pytest.approx(0.0, abs=1e-6)
    assert "route_cost" in found.dataset
    withheld = tf.equilibrium(market, [owner], play="quantity", **ONE)
    assert float(withheld.dataset.profit.squeeze()) >= float(withheld.dataset.truthful_profit.squeeze())


def test_a_region_alone_bids_less_than_service_is_worth() -> None:
    # Two units at 10, one on offer at 1 and one at 8. Both for 8 leave 4; one for little more than 1 leaves 9.
    market = one_node([1.0, 8.0], [1.0, 1.0], [10.0], [2.0])
    found = tf.equilibrium(market, ["regions.here"], **QUICK)
    assert found.converged, found
    assert float(found.dataset.truthful_profit.squeeze()) / 3600 <= 4.0 + 1e-6
    assert float(found.dataset.profit.squeeze()) / 3600 == pytest.approx(9.0, rel=0.02)
    assert float(found.dataset.price.squeeze()) == pytest.approx(1.0, abs=0.1)
    with pytest.raises(tf.InputError, match="unknown region 'there'"):
        tf.equilibrium(market, ["regions.there", "owners.x"])


def test_large_markets_get_fewer_starts_and_the_verdict_says_so() -> None:
    market = one_node([1.0, 1.0], [0.7, 0.7], [10.0], [1.0])
    quick = {"points": 5, "levels": 0}
    first = tf.equilibrium(market, clearings=0, **quick)
    assert list(first.dataset.start.values) == ["truthful"], "the first start is always played"
    assert "4 further starts left out after" in first.verdict
    assert most_clearings(MarketGame(market)) > 100_000


def test_profiles_that_cannot_be_cleared_are_counted_and_failures_warned_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Each alone can serve 0.6 of the 1.0 that must be served: whoever withholds more than 0.2 leaves some unserved.
    market = one_node([1.0, 1.0], [0.6, 0.6], [np.inf], [1.0])
    found = tf.equilibrium(market, play="quantity", starts=["truthful"], random=0, points=5, levels=0)
    assert found.dataset.attrs["infeasible"] > 0
    assert "demand that must be served could not be" in found.verdict
    assert found.dataset.attrs["failed"] == 0
    clear = Clearer.clear

    def refuse(self: Clearer, played: tf.Market) -> tf.Clearing:
        """Stand for a solver that gives up where somebody asks for more than 3 $/Mtok."""
        if played.arrays.offer_price.max() > 3.0:
            raise CertificateError("not certified")
        return clear(self, played)

    monkeypatch.setattr(Clearer, "clear", refuse)
    market = one_node([1.0], [2.0], [10.0], [1.0])
    with pytest.warns(FailedRunsWarning, match=r"profiles could not be cleared. The first: Certif") as told:
        found = tf.equilibrium(market, starts=["truthful"], random=0, points=11, levels=1)
    assert told[0].filename == __file__
    assert found.dataset.attrs["failed"] > 0
    assert found.dataset.attrs["infeasible"] == 0
    assert "could not be cleared: CertificateError: not certified" in found.verdict
    assert float(found.dataset.price.squeeze()) <= 3.0
