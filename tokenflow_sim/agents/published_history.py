"""The public record: what the market has published over the latest periods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tokenflow_sim.numeric import Floats
from tokenflow_sim.strategies.base import History


def frozen(array: Floats) -> Floats:
    """Return a view of an array that cannot be written to."""
    view = array.view()
    view.flags.writeable = False
    return view


class PublishedHistory:
    """Keeps the latest published periods and hands them out without copying.

    Parameters
    ----------
    nodes, workloads : int
        Numbers of nodes and of classes.
    length : int
        How many periods to hold.

    Notes
    -----
    Rows are appended to a buffer of twice the length; once it is full, a new buffer starts with the periods
    still held. A row that was handed out is thus never written to again, so that it may be kept.
    """

    def __init__(self, nodes: int, workloads: int, length: int) -> None:
        self._length = length
        self._end = 0
        # price, demand and unserved beside each other: one row to append
        self._buffer = np.zeros((2 * length, 3, nodes, workloads))
        self._history: History | None = None

    def append(self, price: Floats, demand: Floats, unserved: Floats) -> None:
        """Add a period; dims (node, workload)."""
        if self._end == len(self._buffer):
            fresh = np.empty_like(self._buffer)
            keep = self._length - 1
            fresh[:keep] = self._buffer[self._end - keep : self._end]
            self._buffer, self._end = fresh, keep
        row = self._buffer[self._end]
        row[0], row[1], row[2] = price, demand, unserved
        self._end += 1
        self._history = None

    @property
    def history(self) -> History:
        """The periods held, read-only."""
        found = self._history
        if found is None:
            held = frozen(self._buffer[max(0, self._end - self._length) : self._end])
            found = self._history = History(held[:, 0], held[:, 1], held[:, 2])
        return found

    def get_state(self) -> dict[str, Any]:
        """Return the periods held."""
        return {"held": self._buffer[max(0, self._end - self._length) : self._end].copy()}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go back to what `get_state` returned."""
        held = np.asarray(state["held"])
        self._buffer = np.zeros_like(self._buffer)
        self._end, self._history = len(held), None
        self._buffer[: self._end] = held
