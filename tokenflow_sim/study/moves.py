"""One-dimensional moves of a player: a number for some of its slots, and the grids on which it is looked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from tokenflow_sim.numeric import Floats, Ints
from tokenflow_sim.study.roles import Role, Seller

Kind = Literal["each", "spread", "swap"]
_INSIDE = 1e-9
"""How far inside a step of demand to end, as a share: on its very edge rounding would choose the price."""


@dataclass(frozen=True, eq=False)
class Move:
    """A line through a player's numbers.

    Parameters
    ----------
    role : Role
        The player.
    slots : ndarray of int
        The numbers that move.
    kind : {'each', 'spread', 'swap'}
        Whether all are set to one number; a share of a class's capacity is spread over places, where it costs
        least first; or a quantity goes from the first of two places to the second.
    """

    role: Role
    slots: Ints
    kind: Kind

    @property
    def low(self) -> float:
        """The lowest number."""
        return -1.0 if self.kind == "swap" else 0.0

    @property
    def high(self) -> float:
        """The highest number."""
        if self.kind == "swap":
            return 1.0
        if self.kind == "each":
            return float(self.role.highest[self.slots].max())
        top = [self._share(slots, self.role.highest[slots]) for slots in self._classes()]
        return max(top)

    def at(self, numbers: Floats) -> float:
        """Return where a player stands on the line."""
        if self.kind == "swap":
            return 0.0
        if self.kind == "each":
            return float(numbers[self.slots[np.argmax(self.role.highest[self.slots])]])
        return max(self._share(slots, numbers[slots]) for slots in self._classes())

    def to(self, numbers: Floats, number: float) -> Floats:
        """Return the player's numbers with this one chosen."""
        found, highest = numbers.copy(), self.role.highest
        if self.kind == "each":
            found[self.slots] = np.minimum(number, highest[self.slots])
        elif self.kind == "spread":
            assert isinstance(self.role, Seller)
            for slots in self._classes():
                found[slots] = self.role.spread(slots, number)
        else:
            assert isinstance(self.role, Seller)
            (one, other), capacity = self.slots, self.role.capacity
            by = number * min(capacity[one], capacity[other])
            room = np.array([found[one], highest[other] - found[other]]) * capacity[[one, other]]
            back = np.array([highest[one] - found[one], found[other]]) * capacity[[one, other]]
            by = float(np.clip(by, -back.min(), room.min()))
            found[one] = np.clip(found[one] - by / capacity[one], 0.0, highest[one])
            found[other] = np.clip(found[other] + by / capacity[other], 0.0, highest[other])
        return found

    def grid(self, points: int) -> Floats:
        """Return so many numbers over the whole range: mark-ups in equal ratios of price, others in equal steps."""
        if self.role.ratio:
            return np.geomspace(1.0, 1.0 + self.high, points) - 1.0
        return np.linspace(self.low, self.high, points)

    def around(self, number: float, width: float, points: int) -> Floats:
        """Return numbers about one of them: within `width`, mark-ups within that ratio of price."""
        if self.role.ratio:
            near = (1.0 + number) * np.geomspace(1.0 / (1.0 + width), 1.0 + width, points) - 1.0
        else:
            near = np.linspace(number - width, number + width, points)
        return np.unique(np.clip(near, self.low, self.high))

    def width(self, points: int) -> float:
        """Return the distance of neighbours on such a grid, as `around` takes it."""
        if self.role.ratio:
            return float((1.0 + self.high) ** (1.0 / (points - 1)) - 1.0)
        return (self.high - self.low) / (points - 1)

    def edge(self, number: float, slack: Floats) -> float | None:
        """Return the number up to which the price would stay, for a quantity of one class.

        Parameters
        ----------
        number : float
            Where the player stands.
        slack : ndarray
            What could be sold more at each place before its price falls in Mtok/s, dims (node, workload).
        """
        role = self.role
        if not isinstance(role, Seller) or role.ratio or self.kind == "swap" or len(self._classes()) > 1:
            return None
        more = slack[role.node[self.slots], role.workload[self.slots]].max()
        end = min(self.high, number + float(more) * (1 - _INSIDE) / float(role.capacity[self.slots].sum()))
        return end if end > number else None

    def _classes(self) -> list[Ints]:
        workload = self.role.workload[self.slots]
        return [self.slots[workload == k] for k in np.unique(workload)]

    def _share(self, slots: Ints, numbers: Floats) -> float:
        assert isinstance(self.role, Seller)
        capacity = self.role.capacity[slots]
        return float((numbers * capacity).sum() / capacity.sum())


def moves_of(role: Role, by: str, closely: bool = False) -> list[Move]:
    """Return the moves that a player looks for better numbers along.

    Parameters
    ----------
    role : Role
        The player.
    by : {'workload', 'provider'}
        Class by class and place by place, or one number for all classes.
    closely : bool
        Whether to look along those too that only the end of a search needs: all classes together, and quantities
        that go from one place to another. Where demand has steps, neither a little more here nor a little less
        there may gain although both together do.
    """
    slots = np.flatnonzero(role.plays)
    if not len(slots):
        return []
    together = Move(role, slots, _common(role))
    if by == "provider":
        return [together]
    by_class = [slots[role.workload[slots] == k] for k in np.unique(role.workload[slots])]
    found = [Move(role, slots[place : place + 1], "each") for place in range(len(slots))]
    found += [Move(role, own, "spread") for own in by_class if len(own) > 1]
    if closely:
        found += [Move(role, np.array(pair), "swap") for own in by_class for pair in combinations(own, 2)]
        found += [together] if len(by_class) > 1 else []
    return found


def common_move(role: Role) -> Move | None:
    """Return the move by one number for everything that a player chooses; None where it has no choice."""
    slots = np.flatnonzero(role.plays)
    return Move(role, slots, _common(role)) if len(slots) else None


def _common(role: Role) -> Kind:
    return "spread" if isinstance(role, Seller) and not role.ratio else "each"


def padded(rows: Sequence[Floats], width: int) -> Floats:
    """Return one array of rows of unequal length, zero behind their ends."""
    found = np.zeros((len(rows), width))
    for place, row in enumerate(rows):
        found[place, : len(row)] = row
    return found
