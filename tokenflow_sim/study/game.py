"""One period's market as a game: what its players choose goes in, what each earns comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tokenflow_sim.errors import InfeasibleError
from tokenflow_sim.market import Clearer, Clearing, Market
from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.pricing_rules import settle_values
from tokenflow_sim.numeric import SECONDS_PER_HOUR, Floats, Ints
from tokenflow_sim.strategies.actions import markups_to, raised
from tokenflow_sim.study.moves import Move, padded
from tokenflow_sim.study.roles import Buyer, Changes, Owner, Play, Role, Seller
from tokenflow_sim.study.standing import Standing

if TYPE_CHECKING:
    from tokenflow_sim.study.executor import Executor

_UNDER = 1e-6  # share by which an offer is under another one, to be taken before it
_SAME = 1e-9
_MOST_CRITICAL = 24


class Outcome(NamedTuple):
    """What a profile of actions brings, as it is remembered.

    Parameters
    ----------
    profit : ndarray
        In $/h, dims (player,).
    payment : float
        What demand pays, in $/h.
    price : ndarray
        In $/Mtok, dims (node, workload).
    slack : ndarray
        What could be sold more at each node before its price falls, in Mtok/s, dims (node, workload).
    """

    profit: Floats
    payment: float
    price: Floats
    slack: Floats


class Uncleared(NamedTuple):
    """That the market could not be cleared for a profile.

    Parameters
    ----------
    cause : str
        Why; empty where demand that must be served could not be.
    """

    cause: str = ""


class Tally(NamedTuple):
    """How many profiles a market was cleared for, and what came of it.

    Parameters
    ----------
    profiles : int
        All that were tried.
    infeasible : int
        Those at which demand that must be served could not be.
    causes : list of str
        Why others could not be cleared, one each.
    """

    profiles: int
    infeasible: int
    causes: list[str]


@dataclass(frozen=True, slots=True)
class Payoff:
    """What a profile of actions brings.

    Parameters
    ----------
    profit : ndarray
        In $/h, dims (player,).
    payment : float
        What demand pays, in $/h.
    welfare : float
        What the service is truly worth to those who were served, less all true costs, in $/h; demand that must be
        served counts as zero. What is paid for emissions stays with the state, and is none of these costs.
    clearing : Clearing
        The market's clearing.
    """

    profit: Floats
    payment: float
    welfare: float
    clearing: Clearing


@dataclass(frozen=True, slots=True)
class Profiles:
    """Some profiles of actions for one process of an executor to clear the market for."""

    position: int
    actions: tuple[Floats, ...]


class MarketGame:
    """A market some of whose participants choose.

    Parameters
    ----------
    market : Market
        The market with truthful offers: its offer prices, route costs and values are true, its quantities what exists.
    play : {'price', 'quantity'}
        Providers choose a mark-up on cost by class, or a quantity by class and place; owners a tariff by class, or
        the share of their links' capacity on offer; regions by how much to shade their bids, or how much to ask for.
    players : sequence of str, optional
        Who chooses, all others being truthful: providers by name, ``owners.NAME``, ``regions.NAME``. All
        providers, in the order of their names, if left out.
    ceiling : float
        Highest mark-up where demand must be served, and no value limits it.
    regions : mapping, optional
        Positions of each region's nodes; every node is a region of its own if left out.
    standing : Standing, optional
        Forward contracts, whose income is part of what players earn, the rules that markets are cleared under, and
        what is paid to the state.

    Attributes
    ----------
    roles : tuple of Role
        The players.
    workloads : tuple of str
        The classes.
    truthful, highest, withheld : ndarray
        Numbers of truthful players, the highest sensible ones, and those that keep most from the market, dims
        (player, slot).
    plays : ndarray of bool
        Whether a slot is anything to choose, dims (player, slot).
    executor : Executor, optional
        Who shares the work where many profiles are to be tried.
    """

    def __init__(
        self,
        market: Market,
        play: Play = "price",
        players: Sequence[str] | None = None,
        ceiling: float = 10.0,
        regions: Mapping[str, Ints] | None = None,
        standing: Standing | None = None,
    ) -> None:
        self.market, self.play, self._ceiling = market, play, ceiling
        names = sorted(set(market.layout.provider)) if players is None else list(players)
        own = region_nodes(market) if regions is None else regions
        self.regions = own
        self.standing = Standing() if standing is None else standing
        self.roles: tuple[Role, ...] = tuple(_role(market, name, play, ceiling, own) for name in names)
        self.players = tuple(names)
        self.workloads = tuple(map(str, market.layout.workloads))
        width = max((len(role.truthful) for role in self.roles), default=0)
        self.truthful = padded([role.truthful for role in self.roles], width)
        self.highest = padded([role.highest for role in self.roles], width)
        self.withheld = padded([role.withheld for role in self.roles], width)
        self.plays = padded([role.plays.astype(float) for role in self.roles], width) > 0
        self._fringe = np.ones(len(market.layout.assets), dtype=bool)
        for role in self.roles:
            if isinstance(role, Seller):
                self._fringe[role.rows] = False
        self._clearer = Clearer(market)
        self._known: dict[bytes, Outcome | Uncleared] = {}
        self._family = [self._known]  # with those of games in other markets that this one led to
        self.executor: Executor | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return what another process needs to play the game: not the solver's model, nor what was cleared."""
        return {
            name: value
            for name, value in vars(self).items()
            if name not in ("_clearer", "executor", "_family")
        } | {"_known": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Make the game again."""
        vars(self).update(state)
        self._clearer, self.executor, self._family = Clearer(self.market), None, [self._known]

    def within(self, market: Market, players: Sequence[str]) -> MarketGame:
        """Return the game of these players in another market of the same layout."""
        other = MarketGame(market, self.play, players, self._ceiling, self.regions, self.standing)
        self._family.append(other._known)
        other._family = self._family
        return other

    @property
    def tally(self) -> Tally:
        """What came of all profiles so far, also in the games that `within` made."""
        unknown = [one for known in self._family for one in known.values() if isinstance(one, Uncleared)]
        causes = [one.cause for one in unknown if one.cause]
        return Tally(sum(map(len, self._family)), len(unknown) - len(causes), causes)

    @property
    def start(self) -> Floats:
        """Where a search starts first: truthful prices, or no quantity at all.

        With all capacity on offer, a seller that is too dear is indifferent to its quantity, and the others would
        find it there for ever as a price taker. Where demand must be served, all capacity is the start nevertheless:
        with none the market cannot be cleared.
        """
        if self.play == "quantity" and self.money(self.withheld) is not None:
            return self.withheld.copy()
        return self.truthful.copy()

    def numbers(self, player: int, actions: Floats) -> Floats:
        """Return a player's own numbers, dims (slot,)."""
        return actions[player, : len(self.roles[player].truthful)]

    def with_numbers(self, player: int, actions: Floats, numbers: Floats) -> Floats:
        """Return the profile with one player's numbers exchanged."""
        changed = actions.copy()
        changed[player, : len(numbers)] = numbers
        return changed

    def shown(self, actions: Floats) -> Floats:
        """Return the actions by class, dims (player, workload)."""
        return np.array([role.shown(self.numbers(place, actions)) for place, role in enumerate(self.roles)])

    def played(self, actions: Floats) -> Market:
        """Return the market that a profile of actions makes."""
        market, arrays = self.market, self.market.arrays
        names = ("offer_price", "capacity", "route_cost", "link_capacity", "demand", "value")
        changes: Changes = {name: getattr(arrays, name).copy() for name in names}
        slopes = {"offer_slope": arrays.offer_slope, "value_slope": arrays.value_slope}
        changes |= {name: slope.copy() for name, slope in slopes.items() if slope is not None}
        for place, role in enumerate(self.roles):
            role.submit(self.numbers(place, actions), changes)
        return Market.from_arrays(market.layout, arrays.with_(**changes), market.hours, check=False)

    def must_clear(self, actions: Floats | None = None) -> Payoff:
        """Clear the market for a profile of actions; as it is, everybody truthful, if left out.

        Raises
        ------
        InfeasibleError
            If demand that must be served then cannot be.
        """
        played = self.market if actions is None else self.played(actions)
        clearing = self.standing.clear(self.market, played, self._clearer.clear)
        values, arrays = clearing.values, clearing.market.arrays
        money = settle_values(self.market.layout, arrays, values)
        profit = np.array([role.profit(money, values, arrays) for role in self.roles]) * SECONDS_PER_HOUR
        if self.standing.positions:
            profit += self.standing.income(self.players, values.price)
        payment = float(money.payment.sum()) * SECONDS_PER_HOUR
        welfare = self._welfare(arrays, clearing) + self.standing.paid_to_state(values)
        return Payoff(profit, payment, welfare, clearing)

    def _welfare(self, asked: Arrays, clearing: Clearing) -> float:
        """Return welfare in $/h: the program's objective, with true prices in the place of those submitted."""
        true, values = self.market.arrays, clearing.values
        wanted, bid = np.isfinite(true.value), np.isfinite(asked.value)
        served, lost, dispatch = asked.demand - values.unserved, values.unserved, values.dispatch
        worth = (true.value[wanted] * served[wanted]).sum()
        objective = clearing.total_cost / SECONDS_PER_HOUR  # also of curvature, supplies and activities
        objective -= (asked.value[bid] * lost[bid]).sum()
        objective -= ((asked.offer_price - true.offer_price) * dispatch).sum()
        if true.value_slope is not None and asked.value_slope is not None:  # areas under lines
            worth -= 0.5 * (true.value_slope * served * served).sum()
            objective -= (asked.value_slope * lost * (0.5 * lost - asked.demand)).sum()
        if true.offer_slope is not None and asked.offer_slope is not None:
            objective -= 0.5 * ((asked.offer_slope - true.offer_slope) * dispatch * dispatch).sum()
        objective -= ((asked.route_cost - true.route_cost) * values.flow).sum()
        return float(worth - objective) * SECONDS_PER_HOUR

    def money(self, actions: Floats) -> Outcome | None:
        """Clear the market for a profile of actions; None where it cannot be, which `tally` counts.

        What was cleared once is known: at rest, and in a loop, every candidate is tried again against the same offers.
        """
        key = actions.tobytes()
        if key not in self._known:
            self._known[key] = self._outcome(actions)
        found = self._known[key]
        return None if isinstance(found, Uncleared) else found

    def _outcome(self, actions: Floats) -> Outcome | Uncleared:
        try:
            found = self.must_clear(actions)
        except InfeasibleError:
            return Uncleared()
        except (
            Exception
        ) as error:  # one profile of thousands; reported at the end, as a study's failed runs are
            return Uncleared(f"{type(error).__name__}: {error}")
        price = found.clearing.values.price.copy()
        return Outcome(found.profit, found.payment, price, self._slack(found.clearing))

    def _slack(self, clearing: Clearing) -> Floats:
        """Return what could be sold more at each node before the price there falls.

        That is demand that goes unserved at its value, and what those that do not choose sell at their price, at all
        nodes of the same price. With transport to pay for it is a guess.
        """
        values, arrays, layout = clearing.values, clearing.market.arrays, clearing.market.layout
        price = values.price
        if self.play == "price":
            return np.zeros_like(price)
        near = _SAME * (1.0 + np.abs(price))
        at_value = np.abs(arrays.value - price[:, :, None]) <= near[:, :, None]
        margin = np.where(at_value, values.unserved, 0.0).sum(axis=2)
        node = layout.asset_node
        at_offer = np.abs(arrays.offer_price - price[node][:, :, None]) <= near[node][:, :, None]
        at_offer &= self._fringe[:, None, None]
        np.add.at(margin, node, np.where(at_offer, values.dispatch, 0.0).sum(axis=2))
        alike = np.abs(price[:, None] - price[None]) <= near[None]  # node, other node, workload
        slack: Floats = (alike * margin[None]).sum(axis=1)
        return slack

    def perform(self, job: Profiles) -> list[Outcome | Uncleared]:
        """Return the outcomes of several profiles of actions: what one process of an executor does of them."""
        return [self._outcome(actions) for actions in job.actions]

    def foresee(self, profiles: Sequence[Floats]) -> None:
        """Clear the market for several profiles of actions at once, where there is an executor to share them.

        What a clearing brings is a function of the profile alone, so that it does not matter who worked it out.
        """
        if self.executor is None or (size := self.executor.size) < 2:
            return
        unknown = list(
            {key: actions for actions in profiles if (key := actions.tobytes()) not in self._known}.values()
        )
        jobs = [Profiles(number, tuple(unknown[number::size])) for number in range(min(size, len(unknown)))]
        for result in self.executor.run(self, jobs):
            if not result.kind:  # what failed is tried again here, where it raises its own error
                actions = jobs[result.position].actions
                self._known |= zip((one.tobytes() for one in actions), result.value, strict=True)

    def profit(self, player: int, actions: Floats) -> float:
        """Return one player's profit in $/h; minus infinity where the market could not be cleared."""
        found = self.money(actions)
        return -np.inf if found is None else float(found.profit[player])

    def critical(self, player: int, move: Move, actions: Floats) -> Floats:
        """Return the numbers at which what a player earns jumps: just past rivals' offers and values of service.

        Transport between the two is not taken off: that is what the other candidates are for.
        """
        role = self.roles[player]
        if self.play == "quantity" or not isinstance(role, Seller | Buyer):
            return np.zeros(0)
        arrays, played = self.market.arrays, self.played(actions).arrays
        found: list[Floats] = []
        for k in np.unique(role.workload[move.slots]):
            others = np.ones(len(arrays.offer_price), dtype=bool)
            if isinstance(role, Seller):
                others[role.rows] = False
            asked = played.offer_price[others, k][played.capacity[others, k] > 0]
            bid = played.value[:, k][(played.demand[:, k] > 0) & np.isfinite(played.value[:, k])]
            if isinstance(role, Seller):
                cost = arrays.offer_price[role.rows, k]
                cost = np.unique(cost[(cost != 0) & (arrays.capacity[role.rows, k] > 0)])
                levels = raised(np.unique(np.concatenate([asked, bid])), -_UNDER)
                found.append(markups_to(levels[:, None], cost[None, :]).ravel())
            else:
                worth = arrays.value[role.rows, k]
                worth = np.unique(worth[(arrays.demand[role.rows, k] > 0) & (worth > 0)])
                levels = raised(np.unique(asked), _UNDER)
                found.append((1.0 - levels[:, None] / worth[None, :]).ravel())
        numbers = np.unique(np.concatenate(found))
        numbers = numbers[(numbers >= 0) & (numbers <= move.high)]
        if len(numbers) > _MOST_CRITICAL:  # a large market: an even selection
            numbers = numbers[np.linspace(0, len(numbers) - 1, _MOST_CRITICAL).round().astype(int)]
        return numbers


def region_nodes(market: Market) -> dict[str, Ints]:
    """Return every node as a region of its own: what a market without a scenario has."""
    return {str(name): np.array([place]) for place, name in enumerate(market.layout.nodes)}


def _role(market: Market, name: str, play: Play, ceiling: float, regions: Mapping[str, Ints]) -> Role:
    kind, _, rest = name.partition(".")
    if name not in market.layout.provider:  # a provider's own name goes before what it looks like
        if kind == "owners":
            return Owner(market, rest, play)
        if kind == "regions":
            return Buyer(market, rest, regions[rest], play)
    return Seller(market, name.removeprefix("providers."), play, ceiling)
