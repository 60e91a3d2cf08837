"""Periods of small markets that were played before: what is submitted again in the same state brings the same.

Two firms that choose among six mark-ups each bring 36 markets, whatever the number of periods. Clearing, settlement
and what follows depend on the state and on what is submitted alone, so that no result depends on what is kept.
"""

from __future__ import annotations

from dataclasses import fields
from operator import attrgetter, is_

from tokenflow_sim.agents.order_book import OrderBook
from tokenflow_sim.agents.period_result import PeriodResult
from tokenflow_sim.market import Clearing
from tokenflow_sim.market.look_ups import LookUps
from tokenflow_sim.scenario.state import State

# Books of more numbers seldom come again, and take longer to look up.
_FEW = 80
_KEPT = 1024
# All of a state but its period. A scenario makes an array once for all periods that share it.
_numbers_of = attrgetter(*(field.name for field in fields(State) if field.name != "period"))


class KnownPeriods:
    """Periods that were cleared and settled, by what was submitted, in the state that still holds."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[Clearing, PeriodResult]] = {}
        self._state: tuple[object, ...] = ()
        self._look_ups = LookUps()

    def find(self, state: State, book: OrderBook) -> tuple[Clearing, PeriodResult] | None:
        """Return clearing and result of a period with the same submissions in the same state, if one is kept."""
        if self._look_ups.are_in_vain:
            self._known.clear()
            return None
        numbers = _numbers_of(state)
        if len(self._state) != len(numbers) or not all(map(is_, self._state, numbers)):
            self._known.clear()
            self._state = numbers
        key = book.key(_FEW)
        found = None if key is None else self._known.get(key)
        self._look_ups.count(found is not None)
        return found

    def keep(self, book: OrderBook, clearing: Clearing, result: PeriodResult) -> None:
        """Keep a period, cleared in the state that was asked for last."""
        if self._look_ups.are_in_vain or (key := book.key(_FEW)) is None:
            return
        if len(self._known) >= _KEPT:
            self._known.clear()
        self._known[key] = clearing, result
