"""The three kinds of participants: compute providers, network owners and demand regions.

Each names the rows of a period's numbers that its strategy sees before it submits (`view`) and after (`receipt`).
"""

from __future__ import annotations

from collections.abc import Sequence

import mesa
import numpy as np

from tokenflow_sim.agents.participant import Participant, RunInfo
from tokenflow_sim.agents.period_result import PeriodResult
from tokenflow_sim.market import Market
from tokenflow_sim.numeric import Floats, Ints, frozen
from tokenflow_sim.scenario.positions import by_asset
from tokenflow_sim.scenario.state import State
from tokenflow_sim.strategies.base import History, Offer, Receipt, Strategy, View
from tokenflow_sim.strategies.demand import Bid, DemandReceipt, DemandStrategy, DemandView
from tokenflow_sim.strategies.network import NetworkReceipt, NetworkStrategy, NetworkView, Tender


class ComputeProvider(Participant[Strategy, View, Offer, Receipt]):
    """A compute provider: offers the service of its assets, and is paid the price at their nodes.

    Parameters
    ----------
    model, name, strategy, run
        As of any participant.
    rows : sequence of int
        Positions of its assets.
    """

    submission = Offer
    kind = "provider"

    def __init__(
        self, model: mesa.Model, name: str, strategy: Strategy, rows: Sequence[int] | Ints, run: RunInfo
    ) -> None:
        super().__init__(model, name, strategy, rows, run)
        layout = run.layout
        self.assets = tuple(map(str, layout.assets[self.rows]))
        self.nodes = tuple(map(str, layout.nodes))
        self.asset_node = frozen(np.array(layout.asset_node[self.rows]))

    @property
    def profit(self) -> float:
        """Profit of the last period in $, zero before the first."""
        return self.last_total("profit")

    def view(
        self,
        period: int,
        state: State,
        last: PeriodResult | None,
        history: History,
        last_market: Market | None,
    ) -> View:
        """Return what the strategy sees."""
        own = self.take_rows
        seen = View.__new__(View)
        self.show_common(seen, period, history, last_market)
        seen.assets, seen.nodes, seen.asset_node = self.assets, self.nodes, self.asset_node
        seen.cost, seen.capacity = own(state.true_cost), own(state.capacity)
        seen.power_use = None if state.power_use is None else own(state.power_use)
        seen.power_limit = None if state.power_limit is None else own(state.power_limit)
        if last is None:
            seen.last_price = seen.last_dispatch = seen.last_profit = None
        else:
            seen.last_price, seen.last_dispatch, seen.last_profit = self._earned(last)
        return seen

    def decide(self, view: View) -> Offer:
        """Ask the strategy for the period's offer."""
        return self.strategy.offer(view)

    def receipt(self, result: PeriodResult, history: History) -> Receipt:
        """Return what the strategy learns from a cleared period."""
        brought = self.contract_income(result)
        if brought is not None:
            brought = frozen(by_asset(brought, self.asset_node, self.strategy.beside))
        made = Receipt.__new__(Receipt)
        made.period, made.history, made.rng, made.market = (
            result.period,
            history,
            self._stream,
            self.published,
        )
        made.price, made.dispatch, made.profit = self._earned(result)
        (
            made.offer_price, made.offer_quantity, made.offer_slope, made.accepted, made.revenue, made.cost,
        ) = self._settled(result)  # fmt: skip
        made.contract_income = brought
        return made

    def _earned(self, result: PeriodResult) -> tuple[Floats, Floats, Floats]:
        """Return what receipts and the next period's views show of a result: price, dispatch and profit."""
        kept = result.kept.get(self)
        if kept is None:
            own = self.take_rows
            kept = own(result.asset_price), own(result.dispatch), own(result.profit)
            result.kept[self] = kept
        return kept

    def _settled(self, result: PeriodResult) -> tuple[Floats, Floats, Floats | None, Floats, Floats, Floats]:
        """Return what only receipts show: price, quantity and slope of the offer, what was taken, revenue and cost."""
        count = self.strategy.blocks
        kept = result.kept.get((self, count))
        if kept is None:
            own, blocks = self.take_rows, slice(count) if count > 1 else 0
            arrays, slope = result.arrays, result.arrays.offer_slope
            kept = (
                own(arrays.offer_price)[:, :, blocks],
                own(arrays.capacity)[:, :, blocks],
                None if slope is None else own(slope)[:, :, blocks],
                own(result.values.dispatch)[:, :, blocks],
                own(result.revenue),
                own(result.cost),
            )
            result.kept[self, count] = kept
        return kept


class NetworkOwner(Participant[NetworkStrategy, NetworkView, Tender, NetworkReceipt]):
    """A network owner: offers its links, and is paid route cost and congestion rent.

    Parameters
    ----------
    model, name, strategy, run
        As of any participant.
    rows : sequence of int
        Positions of its arcs.
    """

    submission = Tender
    kind = "owner"

    def __init__(
        self,
        model: mesa.Model,
        name: str,
        strategy: NetworkStrategy,
        rows: Sequence[int] | Ints,
        run: RunInfo,
    ) -> None:
        super().__init__(model, name, strategy, rows, run)
        layout = run.layout
        self.arcs = tuple(map(str, layout.arcs[self.rows]))
        self.origin = tuple(map(str, layout.nodes[layout.origin[self.rows]]))
        self.destination = tuple(map(str, layout.nodes[layout.destination[self.rows]]))
        self.transfer = self.take_rows(frozen(run.transfer))
        self._kept: dict[str, tuple[Floats, Floats]] = {}

    @property
    def income(self) -> float:
        """Income of the last period in $, zero before the first."""
        return self.last_total("link_income")

    def view(
        self,
        period: int,
        state: State,
        last: PeriodResult | None,
        history: History,
        last_market: Market | None,
    ) -> NetworkView:
        """Return what the strategy sees."""
        own = self.take_rows
        seen = NetworkView.__new__(NetworkView)
        self.show_common(seen, period, history, last_market)
        seen.arcs, seen.origin, seen.destination = self.arcs, self.origin, self.destination
        seen.route_cost = self._take_kept("route_cost", state.route_cost)
        seen.transfer = self.transfer
        seen.link_use = self._take_kept("link_use", state.link_use)
        seen.capacity = self._take_kept("link_capacity", state.link_capacity)
        seen.last_flow = None if last is None else own(last.values.flow)
        seen.last_congestion_rent = None if last is None else own(last.values.congestion_rent)
        seen.last_income = None if last is None else own(last.link_income)
        return seen

    def decide(self, view: NetworkView) -> Tender:
        """Ask the strategy for the period's tender."""
        return self.strategy.tender(view)

    def _take_kept(self, name: str, array: Floats) -> Floats:
        """Return the owner's rows of an array that seldom changes: its arcs are scattered, and copies cost time."""
        kept = self._kept.get(name)
        if kept is None or kept[0] is not array:
            kept = self._kept[name] = (array, self.take_rows(array))
        return kept[1]

    def receipt(self, result: PeriodResult, history: History) -> NetworkReceipt:
        """Return what the strategy learns from a cleared period, which is its own results."""
        own = self.take_rows
        return NetworkReceipt(
            period=result.period,
            route_cost=own(result.arrays.route_cost),
            capacity=own(result.arrays.link_capacity),
            flow=own(result.values.flow),
            congestion_rent=own(result.values.congestion_rent),
            income=own(result.link_income),
            cost=own(result.transport_cost),
            history=history,
            rng=self._stream,
            contract_income=self.contract_income(result),
        )


class DemandRegion(Participant[DemandStrategy, DemandView, Bid, DemandReceipt]):
    """A demand region: asks for service at its nodes, and pays the price there for what is served.

    Parameters
    ----------
    model, name, strategy, run
        As of any participant.
    rows : sequence of int
        Positions of its nodes.
    """

    submission = Bid
    kind = "region"

    def __init__(
        self, model: mesa.Model, name: str, strategy: DemandStrategy, rows: Sequence[int] | Ints, run: RunInfo
    ) -> None:
        super().__init__(model, name, strategy, rows, run)
        self.nodes = tuple(map(str, run.layout.nodes[self.rows]))
        self.node = frozen(np.array(rows, dtype=np.int64))
        self._all_reference_prices = run.reference_price
        self._reference: Floats | None = None

    def reference_price(self) -> Floats:
        """Return the scenario's reference price at the region's nodes in $/Mtok, dims (node, workload)."""
        if self._reference is None:
            self._reference = self.take_rows(self._all_reference_prices())
        return self._reference

    @property
    def payment(self) -> float:
        """Payment of the last period in $, zero before the first."""
        return self.last_total("payment")

    def view(
        self,
        period: int,
        state: State,
        last: PeriodResult | None,
        history: History,
        last_market: Market | None,
    ) -> DemandView:
        """Return what the strategy sees."""
        own = self.take_rows
        seen = DemandView.__new__(DemandView)
        self.show_common(seen, period, history, last_market)
        seen.nodes, seen.node = self.nodes, self.node
        seen.demand, seen.value = own(state.demand), own(state.value)
        seen.last_price = None if last is None else own(last.values.price)
        seen.last_served = None if last is None else own(last.served)
        seen.last_unserved = None if last is None else own(last.unserved)
        seen.last_payment = None if last is None else own(last.payment)
        seen.reference = self.reference_price
        return seen

    def decide(self, view: DemandView) -> Bid:
        """Ask the strategy for the period's bid."""
        return self.strategy.bid(view)

    def receipt(self, result: PeriodResult, history: History) -> DemandReceipt:
        """Return what the strategy learns from a cleared period, which is its own results."""
        own = self.take_rows
        steps = slice(self.strategy.steps) if self.strategy.steps > 1 else 0
        bid, unserved = own(result.arrays.demand)[:, :, steps], own(result.values.unserved)[:, :, steps]
        slope = result.arrays.value_slope
        return DemandReceipt(
            period=result.period,
            price=own(result.values.price),
            bid_quantity=bid,
            bid_value=own(result.arrays.value)[:, :, steps],
            bid_slope=None if slope is None else own(slope)[:, :, steps],
            served=frozen(bid - unserved),
            unserved=unserved,
            payment=own(result.payment),
            history=history,
            rng=self._stream,
            contract_income=self.contract_income(result),
        )
