"""Clearers that a thread keeps for markets that are cleared beside the one of the period."""

from __future__ import annotations

import threading
from collections import OrderedDict

from tokenflow_sim.market.clearer import Clearer
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.market import Market

_KEPT = 16


class _Workshop(threading.local):
    """The Clearers of one thread, those used last.

    What they answer is a function of the market alone, so that sharing them changes no result; kept by a strategy
    instead, each would have to be rebuilt in every model and after every restored state.
    """

    def __init__(self) -> None:
        self.clearers: OrderedDict[tuple[Layout, str], Clearer] = OrderedDict()


_workshop = _Workshop()


def shared_clearer(market: Market, use: str = "") -> Clearer:
    """Return this thread's Clearer for the layout of a market, made for it where there is none.

    Parameters
    ----------
    market : Market
        The market.
    use : str
        What it is cleared for: markets of one use lie close to each other, so that each starts from the last optimum.
    """
    clearers, key = _workshop.clearers, (market.layout, use)
    clearer = clearers.get(key)
    if clearer is None:
        clearer = clearers[key] = Clearer(market)
        if len(clearers) > _KEPT:
            clearers.popitem(last=False)
    clearers.move_to_end(key)
    return clearer
