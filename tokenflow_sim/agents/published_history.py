"""The public record: what the market has published over the latest periods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tokenflow_sim.numeric import Floats
from tokenflow_sim.strategies.base import History


def _read_only_view(array: Floats) -> Floats:
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
        # price, demand and unserved beside each other
        self._use(np.zeros((2 * length, 3, nodes, workloads)), 0)

    def _use(self, buffer: Floats, end: int) -> None:
        """Append to a buffer from a row on, and show what is in it."""
        self._buffer, self._end = buffer, end
        # Slices of the three are taken in every period: a period writes one row each, and shows all that are held.
        self._price, self._demand, self._unserved = (buffer[:, part] for part in range(3))
        self._shown = tuple(map(_read_only_view, (self._price, self._demand, self._unserved)))
        self._history: History | None = None

    def append(self, price: Floats, demand: Floats, unserved: Floats) -> None:
        """Add a period; dims (node, workload)."""
        if self._end == len(self._buffer):
            fresh = np.empty_like(self._buffer)
            keep = self._length - 1
            fresh[:keep] = self._buffer[self._end - keep : self._end]
            self._use(fresh, keep)
        end = self._end
        self._price[end], self._demand[end], self._unserved[end] = price, demand, unserved
        self._end = end + 1
        self._history = None

    @property
    def history(self) -> History:
        """The periods held, read-only."""
        found = self._history
        if found is None:
            end, (price, demand, unserved) = self._end, self._shown
            held = slice(max(0, end - self._length), end)
            found = self._history = History(price[held], demand[held], unserved[held])
        return found

    def get_state(self) -> dict[str, Any]:
        """Return the periods held."""
        return {"held": self._buffer[max(0, self._end - self._length) : self._end].copy()}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go back to what `get_state` returned."""
        held = np.asarray(state["held"])
        buffer = np.zeros_like(self._buffer)
        buffer[: len(held)] = held
        self._use(buffer, len(held))

    def __getstate__(self) -> dict[str, Any]:
        """Leave what shows the buffer out of pickles and copies, in which it would be a copy of it."""
        return {name: vars(self)[name] for name in ("_length", "_buffer", "_end")}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        """Show the buffer again."""
        self._length = state["_length"]
        self._use(state["_buffer"], state["_end"])
