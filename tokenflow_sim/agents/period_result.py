"""What one period brought: the clearing, who is paid what, and the true costs behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from tokenflow_sim.agents.power_result import PowerResult, settle_power
from tokenflow_sim.market import Arrays, Clearing, Layout
from tokenflow_sim.market.earned_price import earned_price
from tokenflow_sim.market.grid_rows import BUS_BALANCE, CYCLE_LAW
from tokenflow_sim.market.settlement import settle_values
from tokenflow_sim.market.values import Values, supply_cost
from tokenflow_sim.numeric import SECONDS_PER_HOUR, Floats, Ints
from tokenflow_sim.scenario.state import State

ROUNDING = 1e-9  # share of what was asked for up to which what is served is the rounding of a solver


@dataclass(frozen=True, slots=True)
class Ownership:
    """Who owns what.

    Parameters
    ----------
    provider_of : ndarray of int
        Position of each asset's provider, dims (asset,).
    owner_of : ndarray of int
        Position of each arc's owner, dims (arc,).
    providers, owners : int
        How many there are.
    """

    provider_of: Ints
    owner_of: Ints
    providers: int
    owners: int


@dataclass(frozen=True, slots=True)
class PeriodResult:
    """One cleared period as plain read-only arrays; money is $ in the period.

    Parameters
    ----------
    period : int
        The period.
    arrays : Arrays
        The market as submitted.
    values : Values
        Its clearing.
    certificate : float
        Its largest residual.
    asset_price : ndarray
        Price at each asset's node in $/Mtok less what payees of limits get of it, dims (asset, workload): what an
        offer competes with. Where a grid is cleared with the tokens, that is the price less the power in it.
    dispatch : ndarray
        Dispatch over all blocks in Mtok/s, dims (asset, workload).
    bid, served, unserved : ndarray
        Demand over all steps in Mtok/s: all that was bid, and its two parts; dims (node, workload).
    payment : ndarray
        What demand pays, dims (node, workload).
    service_value : ndarray
        What the service is worth to those who were served, dims (node, workload); see `service_value_of`.
    true_cost, running_cost : ndarray
        True cost of a unit of service in $/Mtok, and what of it is running cost, dims (asset, workload).
    revenue, cost, profit : ndarray
        What assets are paid, their true cost, with a grid that of the power bought at their bus, and the difference,
        dims (asset, workload).
    link_income, transport_cost : ndarray
        What links are paid, and the true cost of transport, dims (arc, workload).
    limit_income : ndarray
        What the payees of further limits are paid, dims (limit,), those of a grid aside.
    provider_profit, owner_income : ndarray
        Sums by provider and by owner, dims (provider,) and (owner,).
    link_use_share : ndarray
        Share of each link's offered capacity in use, dims (arc,); zero where that is zero or infinite.
    total_cost : float
        Total cost as offered.
    welfare : float
        Value of what was served less true costs; see `welfare_of`.
    emissions : ndarray or None
        What assets emit in t, dims (asset, workload); None where no carbon intensity is known.
    reserve_payment : ndarray or None
        What of the revenue is paid for capacity kept free, dims (asset,); None in a market without reserve.
    asset_availability, link_availability : ndarray or None
        Shares of capacity that outages leave, dims (asset,) and (arc,); None in a scenario without outages.
    power : PowerResult or None
        What happened on the grid; None without one.
    carbon_price, carbon_cost, carbon_payment : ndarray or None
        Price of emissions in $/t, dims (node,); what of the true cost is paid for them in $/Mtok, and what assets pay
        to the state, dims (asset, workload); None without a price.
    marginal_emissions : ndarray or None
        Emissions of one more unit demanded in t/Mtok, dims (node, workload), where they are asked for.
    delivered : mapping of ndarray
        Latencies and costs of residency by the names of `variables.DELIVERY`, where rules hold along whole paths.
    """

    period: int
    arrays: Arrays
    values: Values
    certificate: float
    asset_price: Floats
    dispatch: Floats
    bid: Floats
    served: Floats
    unserved: Floats
    payment: Floats
    service_value: Floats
    true_cost: Floats
    running_cost: Floats
    revenue: Floats
    cost: Floats
    profit: Floats
    link_income: Floats
    limit_income: Floats
    transport_cost: Floats
    provider_profit: Floats
    owner_income: Floats
    link_use_share: Floats
    total_cost: float
    welfare: float
    emissions: Floats | None = None
    reserve_payment: Floats | None = None
    asset_availability: Floats | None = None
    link_availability: Floats | None = None
    power: PowerResult | None = None
    carbon_price: Floats | None = None
    carbon_cost: Floats | None = None
    carbon_payment: Floats | None = None
    marginal_emissions: Floats | None = None
    delivered: Mapping[str, Floats] = field(default_factory=dict)

    def freeze(self) -> None:
        """Make all arrays read-only, which copies and unpickled ones are not."""
        holders: list[Any] = [self, self.arrays, self.values]
        for holder in holders if self.power is None else [*holders, self.power]:
            for one_field in fields(holder):
                array = getattr(holder, one_field.name)
                for one in array.values() if isinstance(array, dict) else [array]:
                    if isinstance(one, np.ndarray):
                        one.flags.writeable = False
        for limit in self.arrays.limits:
            limit.freeze()
        for activity in self.arrays.activities:
            activity.freeze()

    def record(self) -> dict[str, Any]:
        """Return the period by the names of `variables.RESULTS`, but for the parts of its prices."""
        arrays, values = self.arrays, self.values
        return {
            "price": values.price,
            "demand": arrays.demand,
            "unserved": values.unserved,
            "payment": self.payment,
            "service_value": self.service_value,
            "dispatch": values.dispatch,
            "offer_price": arrays.offer_price,
            "offer_quantity": arrays.capacity,
            "scarcity_rent": values.scarcity_rent,
            **values.rents,
            **{limit.rent: values.rents[limit.rent][0] for limit in arrays.limits if not limit.dim},
            "power_rent": values.power_rent,
            "revenue": self.revenue,
            "cost": self.cost,
            "profit": self.provider_profit,
            "owner_income": self.owner_income,
            "flow": values.flow,
            "link_income": self.link_income,
            "limit_income": self.limit_income,
            "link_use_share": self.link_use_share,
            "total_cost": self.total_cost,
            "welfare": self.welfare,
            "certificate": self.certificate,
            "emissions": self.emissions,
            "reserve_payment": self.reserve_payment,
            "asset_availability": self.asset_availability,
            "link_availability": self.link_availability,
            **({} if self.power is None else self.power.arrays()),
            "emission_price": self.carbon_price,
            "carbon_payment": self.carbon_payment,
            "marginal_emissions": self.marginal_emissions,
            **self.delivered,
        }

    def scalars(self, layout: Layout) -> dict[str, float]:
        """Return a few numbers to watch: mean price paid by class, unserved demand, welfare, total cost, emissions."""
        served = self.served.sum(axis=0)
        paid = (self.values.price * self.served).sum(axis=0)
        # Rounding leaves some 1e-16 of what was asked for where all is shed.
        is_served = served > ROUNDING * self.bid.sum(axis=0)
        means = np.where(is_served, paid / np.where(is_served, served, 1.0), np.nan).tolist()
        scalars = {f"mean_price_{name}": mean for name, mean in zip(layout.workloads, means, strict=True)}
        return {
            **scalars,
            "unserved": float(self.unserved.sum()),
            "welfare": self.welfare,
            "total_cost": self.total_cost,
            **({} if self.emissions is None else {"emissions": float(self.emissions.sum())}),
        }


def settle_period(
    period: int, state: State, worth: Floats, clearing: Clearing, ownership: Ownership
) -> PeriodResult:
    """Work out who is paid what in a cleared period.

    Parameters
    ----------
    period : int
        The period.
    state : State
        Everything exogenous, true costs among it.
    worth : ndarray
        What service is truly worth to those who bid in $/Mtok, dims (node, workload, step).
    clearing : Clearing
        The market's clearing.
    ownership : Ownership
        Who owns what.

    Raises
    ------
    InfeasibleError
        If the grid cannot supply what the market draws.
    """
    market, values = clearing.market, clearing.values
    layout, arrays = market.layout, market.arrays
    seconds = SECONDS_PER_HOUR * market.hours
    money = settle_values(layout, arrays, values)
    payment, revenue, link_income = money.payment, money.revenue, money.link_income
    own = np.array([limit.name not in (BUS_BALANCE, CYCLE_LAW) for limit in arrays.limits], dtype=bool)
    limit_income = money.limit_income[own]
    for rate in (payment, revenue, link_income, limit_income):
        rate *= seconds
    reserve_payment = None
    if money.reserve_payment is not None:
        reserve_payment = money.reserve_payment.sum(axis=1) * seconds
        reserve_payment.flags.writeable = False
    dispatch, unserved = _total(values.dispatch), _total(values.unserved)
    power = None
    if state.grid is None:
        cost = state.true_cost * dispatch
        cost *= seconds
    else:
        power = settle_power(state.grid, values, market.hours)
        beside = state.running_cost if state.carbon_cost is None else state.running_cost + state.carbon_cost
        cost = beside * dispatch * seconds + power.power_cost
        if state.grid.is_joint:  # the program has taken what power costs from revenue
            revenue += power.power_cost
    transport_cost = state.route_cost * values.flow
    transport_cost *= seconds
    profit = revenue - cost
    asset_price = earned_price(arrays, values, layout.asset_node)
    bid = _total(arrays.demand)
    served = bid - unserved
    load = (arrays.link_use * values.flow).sum(axis=1)
    service_value = service_value_of(worth, arrays, values)
    welfare = welfare_of(service_value, arrays, load, cost, transport_cost, seconds)
    welfare -= supply_cost(arrays, values.supplied) * seconds
    if power is not None and state.grid is not None:
        # What is paid for power stays among providers, generators and the grid operator; what it costs does not.
        welfare += float(power.power_cost.sum()) - float(power.generation_cost.sum()) - power.carrying_cost
        if (
            power.generator_emissions is not None
        ):  # what generators pay to the state is in their cost, and none of all
            welfare += state.grid.charge * float(power.generator_emissions.sum())
    service_value *= seconds
    provider_profit = np.bincount(ownership.provider_of, profit.sum(axis=1), ownership.providers)
    owner_income = np.bincount(ownership.owner_of, link_income.sum(axis=1), ownership.owners)
    share = _share(load, arrays.link_capacity)
    emissions = carbon_payment = None
    if state.emission_rate is not None:
        emissions = state.emission_rate * dispatch * seconds
        emissions.flags.writeable = False
    elif power is not None:
        emissions = power.emissions
    if state.carbon_cost is not None:
        carbon_payment = state.carbon_cost * dispatch * seconds
        carbon_payment.flags.writeable = False
        # What is paid to the state is a cost of the asset, and none of everybody together.
        welfare += float(carbon_payment.sum())
    for array in (
        asset_price, dispatch, served, unserved, payment, service_value, revenue, cost, profit, link_income,
        limit_income, transport_cost, provider_profit, owner_income, share,
    ):  # fmt: skip
        array.flags.writeable = False
    return PeriodResult(
        period=period,
        arrays=arrays,
        values=values,
        certificate=clearing.certificate.worst,
        asset_price=asset_price,
        dispatch=dispatch,
        bid=bid,
        served=served,
        unserved=unserved,
        payment=payment,
        service_value=service_value,
        true_cost=state.true_cost,
        running_cost=state.running_cost,
        revenue=revenue,
        cost=cost,
        profit=profit,
        link_income=link_income,
        limit_income=limit_income,
        transport_cost=transport_cost,
        provider_profit=provider_profit,
        owner_income=owner_income,
        link_use_share=share,
        total_cost=values.cost * seconds,
        welfare=welfare,
        emissions=emissions,
        reserve_payment=reserve_payment,
        asset_availability=None if state.availability is None else state.availability[0],
        link_availability=None if state.availability is None else state.availability[1],
        power=power,
        carbon_price=state.carbon_price,
        carbon_cost=state.carbon_cost,
        carbon_payment=carbon_payment,
        delivered=_delivered(state, layout, arrays, values),
    )


def _delivered(state: State, layout: Layout, arrays: Arrays, values: Values) -> Mapping[str, Floats]:
    if state.delivery is None:
        return {}
    exists = state.capacity, state.power_limit, state.link_capacity
    return state.delivery.of(layout, arrays, values, exists)


def service_value_of(worth: Floats, arrays: Arrays, values: Values) -> Floats:
    """Return what the service is worth to those who were served, in $/s, dims (node, workload).

    Notes
    -----
    Demand that must be served has no finite value and counts as zero.
    """
    finite = np.isfinite(worth)
    if not finite.any():
        return np.zeros(values.price.shape)
    value: Floats = (np.where(finite, worth, 0.0) * (arrays.demand - values.unserved)).sum(axis=2)
    return value


def welfare_of(
    service_value: Floats,
    arrays: Arrays,
    load: Floats,
    cost: Floats,
    transport_cost: Floats,
    seconds: float,
) -> float:
    """Return welfare in $: value of what was served, less true cost of service and of transport.

    Notes
    -----
    Demand that must be served has no finite value and counts as zero, so that with nothing but such demand
    welfare is minus the true cost. Offer prices do not enter: a mark-up moves money, it costs nothing by
    itself. The scenario's route cost is the true cost of transport, whatever the owner asks for; with
    curvature, the congestion charge sum_a kappa_a / 2 load_a^2 is a true cost too, as in the objective.
    """
    value = float(service_value.sum())
    if arrays.link_curvature.any():
        value -= 0.5 * float((arrays.link_curvature * load * load).sum())
    return value * seconds - float(cost.sum()) - float(transport_cost.sum())


def _total(values: Floats) -> Floats:
    """Return the sum over blocks or steps, without a copy where there is one only."""
    return values[:, :, 0] if values.shape[2] == 1 else values.sum(axis=2)


def _share(load: Floats, capacity: Floats) -> Floats:
    share = np.zeros_like(load)
    np.divide(load, capacity, out=share, where=capacity > 0)  # x / inf is zero
    return share


def ownership_of(layout: Layout, providers: tuple[str, ...], owners: tuple[str, ...]) -> Ownership:
    """Return who owns what, by position in the given names."""
    provider = {name: position for position, name in enumerate(providers)}
    owner = {name: position for position, name in enumerate(owners)}
    return Ownership(
        np.array([provider[name] for name in layout.provider], dtype=np.int64),
        np.array([owner[name] for name in layout.owner], dtype=np.int64),
        len(providers),
        len(owners),
    )
