"""What a power grid and a market of tokens gain by each other: joint clearing, and awareness of power prices."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import xarray as xr

from tokenflow_sim.errors import Fault, InfeasibleError, InputError, ResultError, unknown_name
from tokenflow_sim.market import Clearer, Market
from tokenflow_sim.market.earned_price import earned_price
from tokenflow_sim.market.grid_rows import BUS_BALANCE, CYCLE_LAW
from tokenflow_sim.model import TokenMarket
from tokenflow_sim.numeric import SECONDS_PER_HOUR, Floats
from tokenflow_sim.results.reading import need_periods
from tokenflow_sim.scenario import Scenario
from tokenflow_sim.study.measures.welfare import welfare_split

MOST_ACTIONS = 4096
"""Most combinations of shares that are tried."""
_MONEY = {"units": "$/period"}


def joint_gain(ds: xr.Dataset, **changes: Any) -> xr.Dataset:
    """Return what clearing tokens and power as one program gains over clearing one after the other.

    Parameters
    ----------
    ds : Dataset
        Results of a run with a grid, cleared either way; the run is played again the other way.
    **changes
        Other arguments of the model, e.g. ``allow_code``.

    Returns
    -------
    Dataset
        Joint less sequential in $/period: `welfare_gain` (period,), never negative where everybody is truthful
        and demand does not depend on past prices, since the joint program has the least cost; `profit_gain` (period,
        provider); `generator_gain` (period, generator), in income less cost; `operator_gain` (period,) of the grid
        operator; `load_gain` (period,), what local load pays less; `demand_gain` (period,), of users, in value of
        service less payments; and `network_gain` (period,) of network owners. Where there are such, also `limit_gain`
        of the payees of further limits, and `state_gain`, of the state that is paid for emissions. All parties' add
        up to `welfare_gain`.

    Raises
    ------
    ResultError
        If the results have no grid, or do not say how they were made.
    """
    needed = ("welfare", "profit", "generator_income", "generation_cost", "load_payment")
    ds = need_periods(ds, needed, "joint_gain")
    fields = Scenario.from_results(ds).grid
    if fields is None:
        raise ResultError("joint_gain needs results of a scenario with a grid")
    other = "sequential" if fields.clearing == "joint" else "joint"
    again = _play_again(ds, {"grid.clearing": other}, changes)
    joint, apart = (ds, again) if fields.clearing == "joint" else (again, ds)
    split, split_apart = (welfare_split(one) for one in (joint, apart))
    surplus = {name: split[name] - split_apart[name] for name in split if name in split_apart}
    generators = (joint["generator_income"] - joint["generation_cost"]) - (
        apart["generator_income"] - apart["generation_cost"]
    )
    load = apart["load_payment"].sum("bus") - joint["load_payment"].sum("bus")
    gains = {
        "welfare_gain": (joint["welfare"] - apart["welfare"], "welfare gained by joint clearing"),
        "profit_gain": (joint["profit"] - apart["profit"], "profit of the provider gained by joint clearing"),
        "generator_gain": (generators, "profit of the generator gained by joint clearing"),
        "operator_gain": (
            surplus["grid_surplus"] - generators.sum("generator") - load,
            "income less costs of the grid operator gained by joint clearing",
        ),
        "load_gain": (load, "payments of local load saved by joint clearing"),
        "demand_gain": (
            surplus["consumer_surplus"],
            "value of service less payments gained by joint clearing",
        ),
        "network_gain": (
            surplus["network_surplus"],
            "income less costs of networks gained by joint clearing",
        ),
    }
    for who in ("limit", "state"):
        if f"{who}_surplus" in surplus:
            text = {"limit": "income of payees of further limits", "state": "carbon payments to the state"}[
                who
            ]
            gains[f"{who}_gain"] = (surplus[f"{who}_surplus"], f"{text} gained by joint clearing")
    return xr.Dataset(
        {name: array.assign_attrs(_MONEY, long_name=text) for name, (array, text) in gains.items()}
    )


def _play_again(ds: xr.Dataset, overrides: dict[str, Any], changes: dict[str, Any]) -> xr.Dataset:
    scenario = Scenario.from_results(ds).override(overrides)
    model = TokenMarket.from_results(ds, **({"scenario": scenario} | changes))
    last = int(ds["period"].max())
    while model.running and model.period <= last:
        model.step()
    return model.results().sel(period=ds["period"].values)


def power_price_gain(
    scenario: Scenario, provider: str, period: int = 0, shares: Sequence[float] = (0.0, 0.25, 0.5, 0.75, 1.0)
) -> xr.Dataset:
    """Return what a provider gains that counts its own effect on the prices of power.

    Parameters
    ----------
    scenario : Scenario
        A scenario with a grid; rivals offer at cost.
    provider : str
        The provider, which chooses how much of each asset's capacity it offers, at cost.
    period : int
        The period.
    shares : sequence of float
        Shares of an asset's capacity between which it chooses.

    Returns
    -------
    Dataset
        `profit` (behaviour,) in $/period of a ``price taker``, who chooses at the bus prices that there are if it
        offers all, and of one who is ``aware`` that its load moves them; `share` (behaviour, asset), what each offers;
        `bus_price` (behaviour, bus) in $/MWh, and `gain`, the difference of the profits, which is never negative.

    Raises
    ------
    InputError
        If there is no grid or no such provider, or there are too many combinations.
    InfeasibleError
        If demand cannot be served even if the provider offers all.

    Notes
    -----
    Both know how their offers move prices of tokens, so that the difference is due to those of power alone: the price
    taker's market has power at fixed prices, the other's has the grid. Profits are those in the market with the grid.
    Every combination of shares is tried, so that the answer is exact among them. Of equal profits the larger offer
    counts.
    """
    faults = []
    if scenario.grid is None:
        faults.append(Fault("power_price_gain needs a scenario with a `grid`"))
    if provider not in scenario.compiled.providers:
        faults.append(Fault(unknown_name("provider", provider, list(scenario.compiled.providers))))
    if faults:
        raise InputError(faults, "arguments")
    joint = scenario.override({"grid.clearing": "joint"})
    rows = joint.compiled.provider_assets[provider]
    actions = np.array(list(product(sorted(shares, reverse=True), repeat=len(rows))))
    if len(actions) > MOST_ACTIONS:
        text = (
            f"{len(actions)} combinations of {len(rows)} assets; at most {MOST_ACTIONS} are tried: give fewer"
        )
        raise InputError([Fault(text, "shares")], "arguments")
    market = joint.market(period)
    trials = _Trials(market, rows)
    whole = trials.clear(market, np.ones(len(rows)))
    if whole is None:
        Clearer(market).clear(market)  # raises what is short
        raise AssertionError("a market that was infeasible was cleared")
    fixed = trials.without_grid(whole[1])
    expected, real = [], []
    for action in actions:
        believed, found = trials.clear(fixed, action), trials.clear(market, action)
        expected.append(-np.inf if believed is None else believed[0])
        real.append((-np.inf, np.full_like(whole[2], np.nan)) if found is None else (found[0], found[2]))
    profit = np.array([one for one, _ in real])
    # What cannot be served at all is known to everybody.
    believed_best = np.where(np.isfinite(profit), np.array(expected), -np.inf)
    chosen = [_first_best(believed_best), _first_best(profit)]
    behaviour = ["price taker", "aware"]
    assets = joint.compiled.layout.assets[rows].astype(str)
    grid = joint.compiled.grid
    assert grid is not None
    buses = list(grid.template.buses)
    gain = float(profit[chosen[1]] - profit[chosen[0]])
    return xr.Dataset(
        {
            "profit": ("behaviour", profit[chosen], _MONEY | {"long_name": "profit of the provider"}),
            "share": (("behaviour", "asset"), actions[chosen], {"units": "1", "long_name": "share offered"}),
            "bus_price": (
                ("behaviour", "bus"),
                np.stack([real[one][1] for one in chosen]),
                {"units": "$/MWh", "long_name": "price of power at the bus"},
            ),
            "gain": ((), gain, _MONEY | {"long_name": "gain by counting one's effect on power prices"}),
        },
        {"behaviour": behaviour, "asset": list(assets), "bus": buses},
    )


def _first_best(profit: Floats) -> int:
    """Return the first of the highest profits, but for rounding."""
    top = float(profit.max())
    return int(np.argmax(profit >= top - 1e-9 * max(1.0, abs(top))))


class _Trials:
    """Clears markets with other offers of one provider."""

    def __init__(self, market: Market, rows: Any) -> None:
        self.market, self.rows = market, rows
        self._clearers: dict[int, Clearer] = {}

    def clear(self, market: Market, action: Floats) -> tuple[float, Floats, Floats] | None:
        """Return profit in $ a period, what power costs in $/Mtok, and bus prices; None where nobody can serve all."""
        capacity = market.arrays.capacity.copy()
        capacity[self.rows] *= action[:, None, None]
        changed = Market.from_arrays(
            market.layout, market.arrays.with_(capacity=capacity), market.hours, check=False
        )
        clearer = self._clearers.setdefault(id(market), Clearer(market))
        try:
            clearing = clearer.clear(changed)
        except InfeasibleError:
            return None
        values, arrays = clearing.values, changed.arrays
        earned = earned_price(arrays, values, market.layout.asset_node[self.rows], self.rows)
        power = np.zeros(values.dispatch.shape[:2])
        for limit in arrays.limits:
            for term in limit.terms if limit.name == BUS_BALANCE else ():
                if term.on == "dispatch":
                    power = power + term.charge(values.rents[limit.rent])
        # With the grid offers are at cost beside power; without it power is in the offer.
        cost = market.arrays.offer_price[self.rows, :, 0]
        rate = float(((earned - cost) * values.dispatch[self.rows].sum(axis=2)).sum())
        bus_price = values.rents.get("bus_price", np.zeros(0)) * SECONDS_PER_HOUR
        return rate * SECONDS_PER_HOUR * market.hours, power, bus_price

    def without_grid(self, power: Floats) -> Market:
        """Return the market with power at fixed prices."""
        arrays = self.market.arrays
        rest = tuple(limit for limit in arrays.limits if limit.name not in (BUS_BALANCE, CYCLE_LAW))
        fixed = arrays.with_(offer_price=arrays.offer_price + power[:, :, None], limits=rest, activities=())
        return Market.from_arrays(self.market.layout, fixed, self.market.hours, check=False)
