"""The contract of a strategy: what it sees, what it returns, what it learns from.

A strategy is one class with one required method. The market calls it once a period with a view of what its
owner would see in a real market (its own data, its own last results, what the market publishes, its own stream
of random numbers) and takes what it returns. This module has what all strategies share and the providers' side;
`demand` and `network` have the other two sides in the same pattern.
"""

from __future__ import annotations

import copy
import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike

from tokenflow_sim.errors import StrategyError
from tokenflow_sim.market import Market
from tokenflow_sim.numeric import Floats, Ints
from tokenflow_sim.scenario.positions import Positions

_FLOAT = np.dtype(np.float64)
Kind = Literal["provider", "owner", "region"]


@dataclass(slots=True, eq=False)
class History:
    """What the market has published, oldest period first; the same for everyone, and read-only.

    Parameters
    ----------
    price : ndarray
        Locational marginal prices in $/Mtok, dims (period, node, workload).
    demand : ndarray
        Demand bid in Mtok/s, dims (period, node, workload).
    unserved : ndarray
        Demand not served in Mtok/s, dims (period, node, workload).

    Notes
    -----
    It holds the latest periods only (a week of hours, unless the model is given another number); before the first
    clearing its arrays have length zero. The last row is the last period cleared.
    """

    price: Floats
    demand: Floats
    unserved: Floats

    def __len__(self) -> int:
        """Return the number of periods held."""
        return len(self.price)


@dataclass(slots=True, eq=False, kw_only=True)
class View:
    """What a compute provider sees when it makes its offer. All arrays are read-only.

    Parameters
    ----------
    name : str
        The provider.
    period, periods : int
        This period, from 0, and how many there are.
    hours : float
        Length of a period.
    assets, workloads : tuple of str
        Names of the rows and columns of the arrays below.
    nodes : tuple of str
        Names of all nodes, the middle dim of `history`.
    asset_node : ndarray of int
        Position in `nodes` of each asset's node: ``view.history.price[:, view.asset_node]`` is the history of
        prices at the provider's own assets. Dims (asset,).
    cost : ndarray
        True cost of service this period in $/Mtok, dims (asset, workload). Where a power grid is cleared with the
        tokens, what service costs beside the power that it draws, which the clearing adds at the price of its bus.
    capacity : ndarray
        Most that each class could be served with this period in Mtok/s, dims (asset, workload).
    power_use, power_limit : ndarray or None
        Power drawn by each class in MW per Mtok/s, dims (asset, workload), and the power that an asset's
        classes share in MW, dims (asset,); None where power is not shared.
    last_price : ndarray or None
        Price at each asset's node in the last period in $/Mtok, less what payees of limits got of it (of power that is
        cleared with the tokens, its price), dims (asset, workload): what compares with `cost` and with offers. None in
        the first.
    last_dispatch : ndarray or None
        One's own dispatch in the last period in Mtok/s, dims (asset, workload); None in the first.
    last_profit : ndarray or None
        One's own profit in the last period in $, revenue less true cost, dims (asset, workload); None in the
        first.
    history : History
        What the market has published.
    rng : numpy.random.Generator
        This provider's own stream of random numbers. Draw from no other source.
    last_market : Market or None
        The last period's market as it was submitted: everybody's offers, bids and tenders, as markets such as
        Australia's publish them after the clearing. One's own rows are those of `assets` in `last_market.layout`.
        None in the first period, and where the scenario says ``market.publish_offers: false``.
    contracts : Positions or None
        One's own forward contracts this period: net quantity sold by node and class, and prices. None where one holds
        none.
    """

    name: str
    period: int
    periods: int
    hours: float
    assets: tuple[str, ...]
    workloads: tuple[str, ...]
    nodes: tuple[str, ...]
    asset_node: Ints
    cost: Floats
    capacity: Floats
    power_use: Floats | None
    power_limit: Floats | None
    last_price: Floats | None
    last_dispatch: Floats | None
    last_profit: Floats | None
    history: History
    rng: np.random.Generator
    last_market: Market | None = None
    contracts: Positions | None = None


class Offer:
    """What a provider offers: service up to a quantity, at a price.

    Parameters
    ----------
    price : array_like
        Offer price in $/Mtok, finite, dims (asset, workload) or (asset, workload, block).
    quantity : array_like
        Quantity offered in Mtok/s, same dims, not negative; the blocks of one asset and class add up to no
        more than `View.capacity`.
    slope : array_like, optional
        By how much the price rises with each unit taken in $/Mtok per Mtok/s, same dims, not negative: of an offer of
        which x is taken the next unit costs ``price + slope x``. Without it prices are constant. A strategy whose
        offers may have one says so in `Strategy.offers_slopes`.

    Raises
    ------
    StrategyError
        If any is not an array of numbers.
    """

    __slots__ = ("price", "quantity", "slope")

    def __init__(self, price: ArrayLike, quantity: ArrayLike, *, slope: ArrayLike | None = None) -> None:
        self.price = as_floats("price", price)
        self.quantity = as_floats("quantity", quantity)
        self.slope = None if slope is None else as_floats("slope", slope)

    def __repr__(self) -> str:
        """Show its arrays."""
        slope = "" if self.slope is None else f", slope={self.slope!r}"
        return f"Offer(price={self.price!r}, quantity={self.quantity!r}{slope})"


@dataclass(slots=True, eq=False, kw_only=True)
class Receipt:
    """What a provider learns after the clearing. All arrays are read-only; money is $ in the period.

    Parameters
    ----------
    period : int
        The period that was cleared.
    price : ndarray
        Price at each asset's node in $/Mtok, less what payees of limits got of it, as `View.last_price` is, dims
        (asset, workload).
    offer_price, offer_quantity : ndarray
        The offer that was made in $/Mtok and Mtok/s, dims as offered; where it rises along a line, its first price.
    accepted : ndarray
        How much of it was taken in Mtok/s, dims as offered.
    dispatch : ndarray
        The same over all blocks in Mtok/s, dims (asset, workload).
    revenue, cost, profit : ndarray
        Revenue, true cost and their difference, dims (asset, workload).
    history : History
        What the market has published, this period included.
    rng : numpy.random.Generator
        The provider's own stream of random numbers.
    market : Market or None
        The cleared market as it was submitted, which `View.last_market` will show in the next period; None where
        the scenario says ``market.publish_offers: false``.
    contract_income : ndarray or None
        What one's own forward contracts brought, (contract price - market price) x quantity sold, shared out among
        the assets at the node (among all, where there is none), dims (asset, workload); None where one holds none.
        `profit` does not contain it.
    offer_slope : ndarray or None
        By how much the offer price rises with each unit taken in $/Mtok per Mtok/s, dims as offered; None where no
        offer in the market does.
    """

    period: int
    price: Floats
    offer_price: Floats
    offer_quantity: Floats
    accepted: Floats
    dispatch: Floats
    revenue: Floats
    cost: Floats
    profit: Floats
    history: History
    rng: np.random.Generator
    market: Market | None = None
    contract_income: Floats | None = None
    offer_slope: Floats | None = None

    @property
    def earnings(self) -> Floats:
        """Profit and what forward contracts brought in $, dims (asset, workload): what a learner is rewarded by."""
        return self.profit if self.contract_income is None else self.profit + self.contract_income


class BaseStrategy(ABC):
    """What the strategies of providers, owners and regions have in common.

    Notes
    -----
    The parameters of ``__init__`` are the strategy's parameters in a scenario: each needs an annotation and a
    default, is described in the class's docstring, and is kept as an attribute of the same name. Whatever else
    a strategy remembers from period to period is an attribute too, so that it is saved, restored and pickled
    with the rest.

    Attributes
    ----------
    beside : int
        How many markets it plays at once, whose rows follow each other in all that it sees: one, except in a batch,
        where what a built-in strategy does row by row is done for the agents of one name in all markets together.
    follows_state : bool
        Whether what it submits depends, row by row, on its parameters and two numbers of the view alone: cost and
        capacity, route cost and capacity, or demand and value. Agents that are alike are then asked together, and not
        again as long as these numbers stay what they were. Each class says so for itself: it is not inherited.
    """

    kind: ClassVar[Kind]
    follows_state: ClassVar[bool] = False
    beside: int = 1

    def get_state(self) -> dict[str, Any]:
        """Return everything the strategy remembers, parameters included, apart from the strategy itself."""
        return copy.deepcopy(self.__dict__)

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go back to what `get_state` returned."""
        self.__dict__.clear()
        self.__dict__.update(copy.deepcopy(dict(state)))

    def __repr__(self) -> str:
        """Show the class and its parameters."""
        shown = (f"{name}={getattr(self, name)!r}" for name in parameters(type(self)) if hasattr(self, name))
        return f"{type(self).__name__}({', '.join(shown)})"


class Strategy(BaseStrategy):
    """A compute provider's strategy.

    Attributes
    ----------
    blocks : int
        How many blocks its offers may have; set it on the class or in ``__init__``. With one block, offers
        have the dims (asset, workload).
    offers_slopes : bool
        Whether its offers may rise along lines (`Offer.slope`); set it likewise. Results have `offer_slope` where any
        provider's strategy says so.

    Examples
    --------
    >>> class Undercut(Strategy):
    ...     def __init__(self, step: float = 0.02):
    ...         self.step = step
    ...
    ...     def offer(self, view):
    ...         if view.last_price is None:
    ...             return Offer(price=view.cost, quantity=view.capacity)
    ...         price = np.maximum(view.cost, view.last_price * (1 - self.step))
    ...         return Offer(price=price, quantity=view.capacity)
    """

    kind = "provider"
    blocks: int = 1
    offers_slopes: bool = False

    @abstractmethod
    def offer(self, view: View) -> Offer:
        """Make the offer of one period."""

    def learn(self, receipt: Receipt) -> None:
        """Learn from what the clearing brought; called once after every period. Does nothing by default."""


def parameters(cls: type[Any]) -> dict[str, inspect.Parameter]:
    """Return the parameters that a strategy takes, by name, with annotation and default."""
    if cls.__init__ is object.__init__:
        return {}
    signature = inspect.signature(cls.__init__)
    own = list(signature.parameters.values())[1:]
    return {p.name: p for p in own if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}


def as_floats(name: str, values: ArrayLike) -> Floats:
    """Return values as an array of floats.

    Raises
    ------
    StrategyError
        If they are not numbers.
    """
    if type(values) is np.ndarray and values.dtype is _FLOAT:
        return values
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise StrategyError(f"{name} must be an array of numbers; found {values!r:.80} ({error})") from error
