"""Markets of one layout that stand beside each other as one, and are cleared each as if it were alone.

Their rows follow each other: all nodes, assets and arcs of the first market, then those of the second. What is done
row by row is done for all of them at once; what is the sum over a market is not, and stands with whoever sums.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from tokenflow_sim.errors import CertificateError, InfeasibleError
from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.bases_beside import BasesBeside
from tokenflow_sim.market.certificate import CERTIFIED
from tokenflow_sim.market.clearer import Clearer
from tokenflow_sim.market.known_markets import KnownMarkets
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.market import Market
from tokenflow_sim.market.merit_certificate import Routes
from tokenflow_sim.market.merit_order import MeritOrder
from tokenflow_sim.market.pool_order import PoolOrder
from tokenflow_sim.market.program import Program
from tokenflow_sim.market.side_by_side import layout_side_by_side
from tokenflow_sim.market.values import Values
from tokenflow_sim.numeric import Bools, Floats, Ints

_KEPT = 4
_ROWS = (
    "offer_price", "capacity", "demand", "value", "route_cost", "link_use", "allowed", "link_capacity",
    "link_curvature", "power_use", "power_limit", "offer_slope", "value_slope",
)  # fmt: skip


class LayoutBeside(Layout):
    """The layout of markets that stand beside each other."""

    _one: Layout
    _many: int
    called: tuple[object, ...]  # the seed of each

    @property
    def one(self) -> Layout:
        """The layout of each."""
        return self._one

    @property
    def many(self) -> int:
        """How many there are."""
        return self._many

    @classmethod
    def of(cls, one: Layout, labels: tuple[object, ...]) -> LayoutBeside:
        """Return the layout of so many markets as there are labels, by which nodes, assets and arcs are named."""
        joined = layout_side_by_side(one, [str(label) for label in labels])
        found = cls(**{part.name: getattr(joined, part.name) for part in fields(joined)})
        object.__setattr__(found, "_one", one)
        object.__setattr__(found, "_many", len(labels))
        object.__setattr__(found, "called", labels)
        return found

    def __getstate__(self) -> dict[str, Any]:
        """Pickle what it was made of, and how many markets of which layout that is."""
        return {**super().__getstate__(), "_one": self._one, "_many": self._many, "called": self.called}


@dataclass(frozen=True, eq=False)
class ClearedBeside:
    """What markets beside each other clear at.

    Parameters
    ----------
    values : Values
        Of all of them, with a `cost` for each, dims (market,). Of a market that could not be cleared all numbers are
        not-a-number.
    worst : ndarray
        Largest residual of each, dims (market,).
    sorted : ndarray of bool
        Which of them were cleared by merit order, dims (market,).
    failed : mapping
        Why the others could not be cleared, by the number of the market.
    """

    values: Values
    worst: Floats
    sorted: Bools
    failed: Mapping[int, InfeasibleError | CertificateError] = field(default_factory=dict)


class ClearerBeside:
    """Clears markets beside each other: by merit order or a known basis where that is certain, the rest one by one."""

    def __init__(self, layout: LayoutBeside) -> None:
        self.layout = layout
        self._clearer: Clearer | None = None
        self._known = KnownMarkets()
        self._order: MeritOrder | PoolOrder | None = None
        self._bases: BasesBeside | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave the solver's model out of pickles and copies: it is made again, and results do not depend on it."""
        return {
            "layout": self.layout,
            "_clearer": None,
            "_order": None,
            "_bases": None,
            "_known": KnownMarkets(),
        }

    def clear(self, market: Market, *, stop: bool = False) -> ClearedBeside:
        """Clear markets.

        Parameters
        ----------
        market : Market
            The markets beside each other, without further limits, activities or rules for whole paths.
        stop : bool
            Whether to clear no more markets after one that could not be.

        Returns
        -------
        ClearedBeside
            To the bit what `Clearer.clear` finds for each.
        """
        arrays, many = market.arrays, self.layout.many
        values, worst, done = _blank(arrays, many), np.full(many, np.nan), np.zeros(many, dtype=np.bool_)
        if MeritOrder.fits(market):
            if self._order is None:
                one = self.one(market, 0)
                self._order = PoolOrder(one) if PoolOrder.fits(one) else MeritOrder(Program(one))
            if isinstance(self._order, PoolOrder):
                done = self._pool(self._order, arrays, values, worst)
            else:
                done = self._sort(self._order, arrays, values, worst)
        by_merit = done
        if BasesBeside.fits(market):
            self._bases = self._bases or BasesBeside(self.one(market, 0))
            done = done | self._prove(self._bases, market, (~done).nonzero()[0], values, worst)
        failed: dict[int, InfeasibleError | CertificateError] = {}
        for number in (~done).nonzero()[0].tolist():
            one = self.one(market, number)
            if self._clearer is None:
                self._clearer = Clearer(one)
            try:
                _place(values, worst, number, *self._known.clear(one, self._clearer.clear))
            except (InfeasibleError, CertificateError) as error:
                failed[number] = error
                if stop:
                    break
            if self._bases is not None and (basis := self._clearer.last_basis()) is not None:
                self._bases.keep(basis.columns, basis.tight)
        values.freeze()
        return ClearedBeside(values, worst, by_merit, failed)

    def one(self, market: Market, number: int) -> Market:
        """Return one of the markets."""
        arrays, many = market.arrays, self.layout.many
        own: dict[str, Any] = {
            name: None if array is None else array.reshape(many, -1, *array.shape[1:])[number]
            for name in _ROWS
            for array in [getattr(arrays, name)]
        }
        return Market.from_arrays(self.layout.one, Arrays(**own), market.hours, check=False)

    def _prove(self, bases: BasesBeside, market: Market, which: Ints, values: Values, worst: Floats) -> Bools:
        """Clear those that end in a remembered basis; return which these are."""
        done, each = np.zeros(len(worst), dtype=np.bool_), self.layout.by_market
        found = bases.clear(market.arrays, len(worst), which)
        if found is not None:
            good = ~found.apart & (found.worst <= CERTIFIED)
            numbers = found.which[good]
            for name in ("price", "dispatch", "flow", "unserved", "scarcity_rent", "congestion_rent"):
                each(getattr(values, name))[numbers] = getattr(found.values, name)[good]
            values.cost[numbers] = found.values.cost[good]  # type: ignore[index]  # dims (market,) here
            worst[numbers], done[numbers] = found.worst[good], True
        return done

    def _pool(self, order: PoolOrder, arrays: Arrays, values: Values, worst: Floats) -> Bools:
        found = order.clear(arrays, self.layout.many)
        sure = found.certain
        for name in ("price", "dispatch", "flow", "unserved", "scarcity_rent"):
            self.layout.by_market(getattr(values, name))[sure] = getattr(found, name)[sure]
        values.cost[sure] = found.cost[sure]  # type: ignore[index]  # dims (market,) here
        worst[sure] = found.certificate[sure].max(axis=1)
        for rent in values.rents.values():
            self.layout.by_market(rent)[sure] = 0.0
        return sure

    def _sort(self, order: MeritOrder, arrays: Arrays, values: Values, worst: Floats) -> Bools:
        many = self.layout.many

        def each[A: (Floats, Bools)](array: A) -> A:
            return array.reshape(many, -1, *array.shape[1:])

        routes = None
        if len(self.layout.one.arcs):
            routes = Routes(each(arrays.route_cost), each(arrays.allowed), each(arrays.link_capacity))
        found = order.clear(
            each(arrays.offer_price),
            each(arrays.capacity),
            each(arrays.demand),
            each(arrays.value),
            routes=routes,
        )
        sure = found.certain
        for name in ("price", "dispatch", "unserved", "scarcity_rent"):
            each(getattr(values, name))[sure] = getattr(found, name)[sure]
        values.cost[sure] = found.cost[sure]  # type: ignore[index]  # dims (market,) here
        worst[sure] = found.certificate[sure].max(axis=1)
        each(values.flow)[sure] = 0.0
        for rent in values.rents.values():
            each(rent)[sure] = 0.0
        return sure


class _Workshop(threading.local):
    """What one thread clears markets beside each other with again, those used last: see `shared_clearer`."""

    def __init__(self) -> None:
        self.clearers: OrderedDict[LayoutBeside, ClearerBeside] = OrderedDict()


_workshop = _Workshop()


def clearer_beside(layout: LayoutBeside) -> ClearerBeside:
    """Return this thread's clearer for markets beside each other, made where there is none."""
    clearers = _workshop.clearers
    clearer = clearers.get(layout)
    if clearer is None:
        clearer = clearers[layout] = ClearerBeside(layout)
        if len(clearers) > _KEPT:
            clearers.popitem(last=False)
    clearers.move_to_end(layout)
    return clearer


def _blank(arrays: Arrays, many: int) -> Values:
    def nothing(like: Floats) -> Floats:
        return np.full(like.shape, np.nan)

    rents = {"congestion_rent": nothing(arrays.link_capacity)}
    if arrays.power_limit is not None:
        rents["power_rent"] = nothing(arrays.power_limit)
    return Values(
        price=nothing(arrays.demand[:, :, 0]),
        dispatch=nothing(arrays.capacity),
        flow=nothing(arrays.route_cost),
        unserved=nothing(arrays.demand),
        scarcity_rent=nothing(arrays.capacity),
        rents=rents,
        supplied={},
        cost=np.full(many, np.nan),  # type: ignore[arg-type]
    )


def _place(values: Values, worst: Floats, number: int, own: Values, residual: float) -> None:
    """Write what one market cleared at beside the others."""
    many = len(worst)
    pairs = [
        (getattr(values, name), getattr(own, name))
        for name in ("price", "dispatch", "flow", "unserved", "scarcity_rent")
    ]
    for whole, part in [*pairs, *((values.rents[name], rent) for name, rent in own.rents.items())]:
        whole.reshape(many, -1, *whole.shape[1:])[number] = part
    values.cost[number] = own.cost  # type: ignore[index]
    worst[number] = residual
