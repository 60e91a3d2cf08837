"""Markets that were cleared before: learners that choose among few offers bring the same market again and again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from tokenflow_sim.market.clearing import Clearing
from tokenflow_sim.market.look_ups import LookUps
from tokenflow_sim.market.market import Market
from tokenflow_sim.market.values import Values

_KEPT = 512


class KnownMarkets:
    """What markets of one layout clear at, by their numbers; those met last are kept.

    What a market clears at is a function of its numbers alone, so that no result depends on what is known. Where
    markets hardly ever come again, as with noise, they are no longer looked up.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, tuple[Values, float]] = OrderedDict()
        self._look_ups = LookUps()

    def clear(self, market: Market, clear: Callable[[Market], Clearing]) -> tuple[Values, float]:
        """Return what a market without further limits and activities clears at, and its largest residual.

        Parameters
        ----------
        market : Market
            The market.
        clear : callable
            Clears one that is not known; what it raises is raised, and nothing kept.
        """
        if self._look_ups.are_in_vain:
            self._known.clear()
            return _numbers(clear(market))
        key = b"".join(
            part for name, array in market.arrays.items() for part in (name.encode(), array.tobytes())
        )
        known = self._known.get(key)
        self._look_ups.count(known is not None)
        if known is None:
            known = self._known[key] = _numbers(clear(market))
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(key)
        return known


def _numbers(clearing: Clearing) -> tuple[Values, float]:
    """Return a clearing's numbers without its market, whose arrays are parts of those of many."""
    return clearing.values, clearing.certificate.worst
