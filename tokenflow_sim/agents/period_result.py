"""What one period brought: the clearing, who is paid what, and the true costs behind it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import fields
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from tokenflow_sim.agents.ownership import Ownership
from tokenflow_sim.agents.power_result import PowerResult, settle_power
from tokenflow_sim.agents.welfare import service_value_of, welfare_of
from tokenflow_sim.market import Clearing
from tokenflow_sim.market.arrays import total
from tokenflow_sim.market.earned_price import earned_price
from tokenflow_sim.market.grid_rows import BUS_BALANCE, CYCLE_LAW
from tokenflow_sim.market.money import Money
from tokenflow_sim.market.pricing_rules import settle_values
from tokenflow_sim.market.values import supply_cost
from tokenflow_sim.market.wanted import wanted
from tokenflow_sim.numeric import SECONDS_PER_HOUR, Floats, frozen
from tokenflow_sim.scenario.state import State

ROUNDING = 1e-9  # share of what was asked for up to which what is served is the rounding of a solver
# Where the variables of results stand that have another name here, or stand in the market or its clearing.
_PLACES: dict[str, tuple[str, str]] = {
    **{name: ("values", name) for name in ("price", "dispatch", "scarcity_rent", "power_rent", "flow")},
    "offer_price": ("arrays", "offer_price"),
    "offer_quantity": ("arrays", "capacity"),
}
_RENAMED = {"profit": "provider_profit", "emission_price": "carbon_price"}
_WANTED = {"demand": 0, "unserved": 1}
_sum: Callable[..., Floats] = np.add.reduce  # a method's way here takes as long as adding up a small market


class PeriodResult:
    """One cleared period as plain read-only arrays, worked out when first asked for; money is $ in the period.

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
        If the grid cannot supply what the market draws, or `vcg` takes away a provider without which demand that must
        be served cannot be.
    MarketError
        If the pricing rule is not defined for such a market.

    Attributes
    ----------
    period : int
        The period.
    arrays : Arrays
        The market as submitted.
    values : Values
        Its clearing.
    certificate : float
        Its largest residual.
    true_cost, running_cost : ndarray
        True cost of a unit of service in $/Mtok, and what of it is running cost, dims (asset, workload).
    carbon_price, carbon_cost : ndarray or None
        Price of emissions in $/t, dims (node,), and what of the true cost is paid for them in $/Mtok, dims (asset,
        workload); None without a price.
    asset_availability, link_availability : ndarray or None
        Shares of capacity that outages leave, dims (asset,) and (arc,); None in a scenario without outages.
    power : PowerResult or None
        What happened on the grid; None without one.
    marginal_emissions : ndarray or None
        Emissions of one more unit demanded in t/Mtok, dims (node, workload), where they are asked for.
    beside : dict of ndarray
        What contracts and mitigation brought, by the names of `variables.CONTRACTS` and `variables.MITIGATION`.
    """

    # What of it is asked for by nobody, neither recorded nor seen by an agent, costs nothing.
    COMPUTED: ClassVar[tuple[str, ...]] = (
        "asset_price", "dispatch", "bid", "served", "unserved", "payment", "service_value", "revenue", "cost",
        "profit", "link_income", "limit_income", "transport_cost", "provider_profit", "owner_income", "link_use_share",
        "total_cost", "welfare", "emissions", "reserve_payment", "carbon_payment", "delivered", "operator_budget",
    )  # fmt: skip

    came_again = False
    """Whether an earlier period brought the same."""

    def __init__(
        self, period: int, state: State, worth: Floats, clearing: Clearing, ownership: Ownership
    ) -> None:
        market = clearing.market
        self.period, self.arrays, self.values = period, market.arrays, clearing.values
        self.certificate = clearing.certificate.worst
        self.true_cost, self.running_cost = state.true_cost, state.running_cost
        self.carbon_price, self.carbon_cost = state.carbon_price, state.carbon_cost
        left: tuple[Floats | None, Floats | None] = state.availability or (None, None)
        self.asset_availability, self.link_availability = left
        self.marginal_emissions: Floats | None = None
        self.beside: dict[str, Floats] = {}
        self._state, self._worth, self._ownership = state, worth, ownership
        self._layout, self._seconds = market.layout, SECONDS_PER_HOUR * market.hours
        self.power: PowerResult | None = None
        if state.grid is not None:
            self.power = settle_power(state.grid, self.values, market.hours)
        if self.arrays.pricing is not None:
            self._money  # noqa: B018  # at once, since the rule may find that it cannot settle the market

    @property
    def _is_plain(self) -> bool:
        """Whether assets are paid the price for what they serve, and nothing else."""
        arrays = self.arrays
        return not arrays.limits and not arrays.activities and arrays.pricing is None

    @cached_property
    def _money(self) -> Money:
        return settle_values(self._layout, self.arrays, self.values)

    def again(self, period: int, state: State) -> PeriodResult:
        """Return the same for a later period, with all that is worked out already."""
        made = object.__new__(type(self))
        known = vars(self).copy()
        known["period"], known["_state"], known["beside"] = period, state, self.beside.copy()
        known["came_again"] = True
        made.__dict__ = known
        return made

    @cached_property
    def kept(self) -> dict[Hashable, Any]:
        """What participants and the ledger have made of it, by whom: the same in all periods that brought the same."""
        return {}

    @cached_property
    def operator_budget(self) -> float | Floats | None:
        """What the operator keeps under a pricing rule, below zero what it adds; None at prices."""
        return None if self.arrays.pricing is None else self._money.budget * self._seconds

    @cached_property
    def asset_price(self) -> Floats:
        """Price at each asset's node less what payees of limits get of it, $/Mtok, dims (asset, workload).

        What an offer competes with: where a grid is cleared with the tokens, the price less the power in it.
        """
        return frozen(earned_price(self.arrays, self.values, self._layout.asset_node))

    @property
    def offer_slope(self) -> Floats:
        """Slope of the offers that were cleared in $/Mtok per Mtok/s, dims (asset, workload, block)."""
        slope = self.arrays.offer_slope
        return frozen(np.zeros_like(self.arrays.offer_price)) if slope is None else slope

    @property
    def value_slope(self) -> Floats:
        """Slope of the value of demand in $/Mtok per Mtok/s, dims (node, workload, step)."""
        slope = self.arrays.value_slope
        return frozen(np.zeros_like(self.arrays.value)) if slope is None else slope

    @cached_property
    def dispatch(self) -> Floats:
        """Dispatch over all blocks in Mtok/s, dims (asset, workload)."""
        return frozen(total(self.values.dispatch))

    @property
    def _wanted(self) -> tuple[Floats, Floats]:
        return wanted(self.arrays, self.values.unserved)

    @cached_property
    def unserved(self) -> Floats:
        """Demand over all steps that was wanted and not served in Mtok/s, dims (node, workload)."""
        return frozen(total(self._wanted[1]))

    @cached_property
    def bid(self) -> Floats:
        """Demand over all steps in Mtok/s, of lines what was wanted at the price, dims (node, workload)."""
        return total(self._wanted[0])

    @cached_property
    def served(self) -> Floats:
        """What of it was served in Mtok/s, dims (node, workload)."""
        return frozen(self.bid - self.unserved)

    @cached_property
    def payment(self) -> Floats:
        """What demand pays, dims (node, workload)."""
        return frozen(self._money.payment * self._seconds)

    @cached_property
    def link_income(self) -> Floats:
        """What links are paid, dims (arc, workload)."""
        return frozen(self._money.link_income * self._seconds)

    @cached_property
    def limit_income(self) -> Floats:
        """What the payees of further limits are paid, dims (limit,), those of a grid aside."""
        limits = self.arrays.limits
        own = np.array([limit.name not in (BUS_BALANCE, CYCLE_LAW) for limit in limits], dtype=bool)
        return frozen(self._money.limit_income[own] * self._seconds)

    @cached_property
    def reserve_payment(self) -> Floats | None:
        """What of the revenue is paid for capacity kept free, dims (asset,); None in a market without reserve."""
        paid = self._money.reserve_payment
        return None if paid is None else frozen(paid.sum(axis=1) * self._seconds)

    @cached_property
    def revenue(self) -> Floats:
        """What assets are paid, dims (asset, workload)."""
        if self._is_plain:
            revenue = self.asset_price * self.dispatch
            revenue *= self._seconds
            return frozen(revenue)
        revenue = self._money.revenue * self._seconds
        grid = self._state.grid
        if grid is not None and grid.is_joint and self.power is not None:
            revenue += self.power.power_cost  # the program has taken what power costs from revenue
        return frozen(revenue)

    @cached_property
    def cost(self) -> Floats:
        """True cost of what assets serve, with a grid that of power bought at their bus, dims (asset, workload)."""
        if self.power is None:
            cost = self.true_cost * self.dispatch
            cost *= self._seconds
            return frozen(cost)
        beside = self.running_cost if self.carbon_cost is None else self.running_cost + self.carbon_cost
        return frozen(beside * self.dispatch * self._seconds + self.power.power_cost)

    @cached_property
    def profit(self) -> Floats:
        """Revenue less true cost, dims (asset, workload)."""
        return frozen(self.revenue - self.cost)

    @cached_property
    def transport_cost(self) -> Floats:
        """True cost of transport, dims (arc, workload)."""
        cost = self._state.route_cost * self.values.flow
        cost *= self._seconds
        return frozen(cost)

    @cached_property
    def _load(self) -> Floats:
        load: Floats = _sum(self.arrays.link_use * self.values.flow, axis=1)
        return load

    @cached_property
    def link_use_share(self) -> Floats:
        """Share of each link's offered capacity in use, dims (arc,); zero where that is zero or infinite."""
        return frozen(_share(self._load, self.arrays.link_capacity))

    @cached_property
    def provider_profit(self) -> Floats:
        """Profit by provider, dims (provider,)."""
        owned = self._ownership
        return frozen(np.bincount(owned.provider_of, _sum(self.profit, axis=1), owned.providers))

    @cached_property
    def owner_income(self) -> Floats:
        """Income of links by owner, dims (owner,)."""
        owned = self._ownership
        return frozen(np.bincount(owned.owner_of, _sum(self.link_income, axis=1), owned.owners))

    @cached_property
    def total_unserved(self) -> float:
        """Demand that was wanted and not served, over the whole market, in Mtok/s."""
        return float(_sum(self.unserved, axis=None))

    @cached_property
    def total_cost(self) -> float:
        """Total cost as offered."""
        return self.values.cost * self._seconds

    @cached_property
    def _service_rate(self) -> Floats:
        return service_value_of(self._worth, self.arrays, self.values)

    @cached_property
    def service_value(self) -> Floats:
        """What the service is worth to those who were served, dims (node, workload); see `service_value_of`."""
        return frozen(self._service_rate * self._seconds)

    @cached_property
    def welfare(self) -> float:
        """Value of what was served less true costs; see `welfare_of`."""
        costs = self.cost, self.transport_cost
        welfare = welfare_of(self._service_rate, self.arrays, self._load, *costs, self._seconds, self.total)
        welfare -= supply_cost(self.arrays, self.values.supplied) * self._seconds
        grid, power = self._state.grid, self.power
        if grid is not None and power is not None:
            # What is paid for power stays among providers, generators and the grid operator; what it costs does not.
            welfare += (
                float(power.power_cost.sum()) - float(power.generation_cost.sum()) - power.carrying_cost
            )
            if power.generator_emissions is not None:
                # What generators pay to the state is in their cost, and none of all together.
                welfare += grid.charge * float(power.generator_emissions.sum())
        if self.carbon_payment is not None:
            # What is paid to the state is a cost of the asset, and none of everybody together.
            welfare += self.total(self.carbon_payment)
        return welfare

    def total(self, amounts: Floats) -> float:
        """Return the sum of amounts over the market."""
        return float(_sum(amounts, axis=None))

    @cached_property
    def emissions(self) -> Floats | None:
        """What assets emit in t, dims (asset, workload); None where no carbon intensity is known."""
        rate = self._state.emission_rate
        if rate is not None:
            return frozen(rate * self.dispatch * self._seconds)
        return None if self.power is None else self.power.emissions

    @cached_property
    def carbon_payment(self) -> Floats | None:
        """What assets pay to the state for emissions, dims (asset, workload); None without a price."""
        cost = self.carbon_cost
        return None if cost is None else frozen(cost * self.dispatch * self._seconds)

    @cached_property
    def delivered(self) -> Mapping[str, Floats]:
        """Latencies and costs of residency as in `variables.DELIVERY`, where rules hold along whole paths."""
        state = self._state
        if state.delivery is None:
            return {}
        exists = state.capacity, state.power_limit, state.link_capacity
        return state.delivery.of(self._layout, self.arrays, self.values, exists)

    def __getstate__(self) -> dict[str, Any]:
        """Return all that is known of the period, worked out, without what it was worked out from."""
        for name in self.COMPUTED:
            getattr(self, name)
        return {
            name: value for name, value in vars(self).items() if not (name.startswith("_") or name == "kept")
        }

    def freeze(self) -> None:
        """Make all arrays read-only, which copies and unpickled ones are not."""
        self.arrays.freeze()
        holders = [vars(self), _fields_of(self.values)]
        for holder in holders if self.power is None else [*holders, _fields_of(self.power)]:
            for array in holder.values():
                for one in array.values() if isinstance(array, dict) else [array]:
                    if isinstance(one, np.ndarray):
                        one.flags.writeable = False

    def recorded(self, name: str) -> Any:
        """Return the period's numbers of a variable of `variables.RESULTS`, but for the parts of prices."""
        if name in _PLACES:
            holder, attribute = _PLACES[name]
            return getattr(getattr(self, holder), attribute)
        if name in _WANTED:
            return self._wanted[_WANTED[name]]
        if name in self._grid_arrays:  # bus prices are rents, too, in $/s
            return self._grid_arrays[name]
        if name in self.values.rents:
            rent = self.values.rents[name]
            has_one = any(limit.rent == name and not limit.dim for limit in self.arrays.limits)
            return rent[0] if has_one else rent
        if name in self.beside:
            return self.beside[name]
        return self.delivered[name] if name in self.delivered else getattr(self, _RENAMED.get(name, name))

    @cached_property
    def _grid_arrays(self) -> Mapping[str, Any]:
        return {} if self.power is None else self.power.arrays()

    @cached_property
    def mean_prices(self) -> list[float]:
        """Mean price paid by class, weighted by what was served, in $/Mtok; NaN where nothing was."""
        served = _sum(self.served, axis=0)
        if self.arrays.pricing is None:
            paid = _sum(self.values.price * self.served, axis=0)
        else:
            paid = _sum(self.payment, axis=0) / self._seconds
        # Rounding leaves some 1e-16 of what was asked for where all is shed.
        is_served = served > ROUNDING * _sum(self.bid, axis=0)
        if not is_served.all():
            paid, served = np.where(is_served, paid, np.nan), np.where(is_served, served, 1.0)
        means: list[float] = (paid / served).tolist()
        return means


def _fields_of(holder: Any) -> dict[str, Any]:
    return {one.name: getattr(holder, one.name) for one in fields(holder)}


def _share(load: Floats, capacity: Floats) -> Floats:
    share = np.zeros_like(load)
    np.divide(load, capacity, out=share, where=capacity > 0)  # x / inf is zero
    return share
