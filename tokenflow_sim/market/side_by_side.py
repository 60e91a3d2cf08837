"""Several markets as one: those of the periods of a window, say, which a limit across them then couples.

Nodes, assets and arcs stand there once for each market, and nothing leads from one to another, so that without a
further limit each clears as it would alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from tokenflow_sim.errors import Fault, MarketError
from tokenflow_sim.market.activity import Activity
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.limits import NOBODY, SharedCapacity, Supply, Term
from tokenflow_sim.market.market import Market
from tokenflow_sim.numeric import Ints

_DIMS = ("node", "asset", "arc")


def side_by_side(markets: Sequence[Market], labels: Sequence[object] | None = None) -> Market:
    """Join markets of one layout and one length of period into a market of them all.

    Parameters
    ----------
    markets : sequence of Market
        The markets, with the same labels, limits and activities, which differ in numbers alone.
    labels : sequence, optional
        What each is called; by default its number. Nodes, assets and arcs are named by it, ``<label>: <name>``.

    Returns
    -------
    Market
        Of nodes x markets, assets x markets and arcs x markets, those of the first market first.

    Raises
    ------
    MarketError
        If there is none, they differ in more than numbers, or rules for whole paths hold in one.
    """
    called = (
        [str(number) for number in range(len(markets))] if labels is None else [str(one) for one in labels]
    )
    if not markets or len(called) != len(markets):
        raise MarketError([Fault("needs one market or more, and a label for each")], "markets side by side")
    first = markets[0]
    faults = [
        Fault(f"has {what} than the first", f"market {name}")
        for name, market in zip(called, markets, strict=True)
        for what in _differences(first, market)
    ]
    if first.arrays.routing is not None:
        faults.append(Fault("rules for whole paths hold, which are cleared for one market at a time"))
    if faults:
        raise MarketError(faults, "markets side by side")
    arrays, layout = first.arrays, first.layout
    stacked = {
        name: np.concatenate([getattr(market.arrays, name) for market in markets])
        for name, _ in arrays.items()
    }
    joined = arrays.with_(
        **stacked,
        limits=tuple(
            _limit([market.arrays.limits[place] for market in markets], called, layout)
            for place in range(len(arrays.limits))
        ),
        activities=tuple(
            _activity([market.arrays.activities[place] for market in markets], called)
            for place in range(len(arrays.activities))
        ),
    )
    return Market.from_arrays(layout_side_by_side(layout, called), joined, first.hours, check=False)


def _differences(first: Market, other: Market) -> list[str]:
    mine, theirs = first.arrays, other.arrays
    found = ["other labels"] if first.layout != other.layout else []
    found += ["another length of period"] if first.hours != other.hours else []
    names = [name for name, _ in mine.items()]
    found += ["other arrays"] if names != [name for name, _ in theirs.items()] else []
    if [(one.name, one.size, len(one.terms)) for one in mine.limits] != [
        (one.name, one.size, len(one.terms)) for one in theirs.limits
    ]:
        found.append("other limits")
    if [(one.name, one.labels) for one in mine.activities] != [
        (one.name, one.labels) for one in theirs.activities
    ]:
        found.append("other activities")
    return found


def layout_side_by_side(layout: Layout, called: Sequence[str]) -> Layout:
    """Return the layout of several markets of one layout as one.

    Parameters
    ----------
    layout : Layout
        That of each.
    called : sequence of str
        What each market is called; nodes, assets and arcs are named by it.
    """
    count = len(called)
    nodes = np.arange(count) * len(layout.nodes)

    def places(own: Ints) -> Ints:
        found: Ints = (nodes[:, None] + own).ravel()
        return found

    return Layout(
        nodes=_labels(layout.nodes, called),
        workloads=layout.workloads,
        assets=_labels(layout.assets, called),
        arcs=_labels(layout.arcs, called),
        asset_node=places(layout.asset_node),
        provider=layout.provider * count,
        origin=places(layout.origin),
        destination=places(layout.destination),
        owner=layout.owner * count,
        blocks=layout.blocks,
        steps=layout.steps,
        link_unit=layout.link_unit,
    )


def _labels(own: pd.Index[Any], called: Sequence[str]) -> pd.Index[Any]:
    return pd.Index([f"{name}: {label}" for name in called for label in own], name=own.name, dtype=object)


def _limit(each: Sequence[SharedCapacity], called: Sequence[str], layout: Layout) -> SharedCapacity:
    """Join one group of limits: each market's labels one after the other."""
    first, size = each[0], each[0].size
    own = tuple(map(str, first.labels or ("",) * size))
    terms = tuple(_term([limit.terms[place] for limit in each], size) for place in range(len(first.terms)))
    supply = None
    if first.supply is not None:
        supplies = [limit.supply for limit in each if limit.supply is not None]
        supply = Supply(
            np.concatenate([one.price for one in supplies]),
            np.concatenate([one.quantity for one in supplies]),
        )
    by_market = first.dim in _DIMS
    return replace(
        first,
        # What is one for the whole market is one for each of them here.
        dim=first.dim if first.dim else f"{first.name}_of",
        capacity=np.concatenate([limit.capacity for limit in each]),
        terms=terms,
        supply=supply,
        labels=()
        if by_market
        else tuple(f"{name}: {label}".rstrip(": ") for name in called for label in own),
    )


def _term(each: Sequence[Term], size: int) -> Term:
    first = each[0]
    member = None
    if first.member is not None:
        member = np.concatenate(
            [
                np.where(term.member == NOBODY, NOBODY, term.member + number * size)
                for number, term in enumerate(each)
                if term.member is not None
            ]
        )
    return Term(first.on, np.concatenate([term.use for term in each]), member)


def _activity(each: Sequence[Activity], called: Sequence[str]) -> Activity:
    first = each[0]
    return replace(
        first,
        labels=tuple(f"{name}: {label}" for name in called for label in first.labels),
        price=np.concatenate([one.price for one in each]),
        most=np.concatenate([one.most for one in each]),
        least=None if first.least is None else np.concatenate([one.lowest for one in each]),
    )
