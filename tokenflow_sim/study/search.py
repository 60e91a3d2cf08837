"""Iterated best response from one start: who moves where, when it comes to rest, when it goes round in circles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from tokenflow_sim.numeric import Floats
from tokenflow_sim.study.game import MarketGame
from tokenflow_sim.study.moves import Move, moves_of

_SAME = 7  # decimals up to which two profiles are one; best responses come from a grid and repeat exactly
_FINER = 4  # how much finer the grid is on which gains are looked for at the end
_GRID_TICKS = 2.5  # a loop narrower than this many neighbours on a grid is the grid's doing
_FINE = 81  # points of that grid at least
_ZOOMS = 2  # how often it is refined about the best point that it has
_MORE_LEVELS = 3  # beyond those asked for, where somebody still gains more than the tolerance
_GAIN = 1e-9  # share of the money at stake below which a gain is the rounding of a solver
_SLIGHT = (
    5  # rounds in succession in which nobody gains more than the tolerance, after which it is looked closely
)
_TOPS = 3  # of how many candidates it is looked how far a quantity may go before the price falls

Visited = dict[tuple[int, bytes], "Search"]
"""Where searches have been at the end of a round, and at which level of the grid."""


@dataclass(slots=True, eq=False)
class Search:
    """An iteration of best responses over a game.

    Every best response is looked for over the player's whole range: on a grid, up to the quantities at which the price
    would fall, and on finer grids about the best candidate. It is a global one as far as the grids can tell.

    Parameters
    ----------
    game : MarketGame
        The game.
    name : str
        What the start is called.
    by : {'workload', 'provider'}
        Whether a player chooses class by class (and place by place), or one number for all.
    points : int
        Candidates on each grid.
    levels : int
        How often the grid is refined about a point of rest.
    damping : float
        Share of the way to its best response that a player goes, above 0 and at most 1.
    rounds : int
        Most rounds, in each of which every player moves once.
    tolerance : float
        Share of what demand pays below which a gain does not count.
    actions : ndarray
        The start, and later where it stands, dims (player, slot).
    progress : callable, optional
        Called after each round with the number of rounds and the most there may be.
    visited : dict
        Where earlier searches have been; one that comes there too would go on as they did, and ends as they ended. So
        does one that rests beside a point at which an earlier one rested.

    Attributes
    ----------
    profits, moves, gains : list
        Per round: profits after it (player,), actions after it, and the largest gain that a mover saw.
    cycle : int
        Rounds after which the iteration repeats itself; 0 where it does not.
    rested : bool
        Whether a round went by, on the finest grid, in which nobody moved.
    joined : Search or None
        The earlier search whose way it came upon.
    """

    game: MarketGame
    name: str
    by: str
    points: int
    levels: int
    damping: float
    rounds: int
    tolerance: float
    actions: Floats
    progress: Callable[[int, int], object] | None = None
    visited: Visited = field(default_factory=dict)
    profits: list[Floats] = field(default_factory=list)
    moves: list[Floats] = field(default_factory=list)
    gains: list[float] = field(default_factory=list)
    cycle: int = 0
    rested: bool = False
    joined: Search | None = None
    _found: dict[tuple[int, bytes], list[float]] = field(default_factory=dict)
    _level: int = 0
    _fresh: int = 1
    _seen: dict[bytes, int] = field(default_factory=dict)
    _stake: float = 0.0

    def __post_init__(self) -> None:
        """Go to the start."""
        self.actions = np.where(self.game.plays, self.actions, self.game.truthful)
        self._note(0.0)

    def run(self) -> None:
        """Iterate until nobody moves on the finest grid, it repeats itself, or the rounds are used up."""
        while len(self.gains) <= self.rounds:
            moved = self._round()
            if self._joins():
                return
            if not moved and self._is_known():
                return
            if moved:
                loop = self._loop()
                if not loop and not self._creeps():
                    continue
                if loop and not self._is_grids_doing(loop):
                    self.cycle = loop
                    return
            if self._creeps():  # a wide loop or an endless way on which nobody gains anything that counts
                if self._look_further():
                    continue
                self.rested = True
                return
            if self._level < self.levels:
                self._level += 1
                self._seen.clear()
                continue
            if not moved and not self._look_further():
                self.rested = True
                return
            if (
                moved
            ):  # a loop between neighbours on the finest grid: as far as it can be distinguished, a rest
                if self.gains[-1] > self.tolerance * self._stake and self._level < self.levels + _MORE_LEVELS:
                    self._level += 1
                    self._seen.clear()
                    continue
                self.rested = True
                return

    def gain(self, player: int, finer: int = _FINER) -> tuple[float, Floats]:
        """Return the most that a player could gain by moving alone, in $/h, and the numbers to move to.

        One class and place at a time, quantities from one place to another, and all classes together by one number,
        over a grid so many times finer than that of the iteration, points close by at every scale, quantities up to
        where the price falls, and offers just under those of rivals.
        """
        here = self.game.profit(player, self.actions)
        best, where = 0.0, self.game.numbers(player, self.actions).copy()
        fine = max(self.points * finer, _FINE)
        for move in moves_of(self.game.roles[player], self.by, closely=True):
            candidates = self._candidates(player, move, fine, closely=True)
            profit, numbers = self._best(player, move, candidates, max(self.levels, _ZOOMS))
            if profit - here > best:
                best, where = profit - here, numbers
        return best, where

    def _round(self) -> bool:
        """Let every player move once; say whether anybody did."""
        moved, largest = False, 0.0
        for player, role in enumerate(self.game.roles):
            for move in moves_of(role, self.by):
                gain = self._move(player, move)
                moved |= gain > 0
                largest = max(largest, gain)
        self._note(largest)
        if self.progress is not None:
            self.progress(len(self.gains) - 1, self.rounds)
        return moved

    def _move(self, player: int, move: Move) -> float:
        """Move a player towards its best response along a line; return what that gains, 0 where it stays."""
        here = self.game.profit(player, self.actions)
        candidates = self._candidates(player, move, self.points)
        best, where = self._best(player, move, candidates, self._level)
        now = self.game.numbers(player, self.actions)
        if not best > here + _GAIN * self._stake or np.array_equal(where, now):
            return 0.0
        self.actions = self.game.with_numbers(player, self.actions, now + self.damping * (where - now))
        return float(best - here) if np.isfinite(here) else float(self._stake)

    def _best(self, player: int, move: Move, candidates: Floats, zooms: int) -> tuple[float, Floats]:
        """Return the most that a player earns along a line, and its numbers there; of equal ones the first found.

        The candidates are tried, then the best of them up to where the price would fall, then closer about the best.
        """
        now = self.game.numbers(player, self.actions)
        tried: dict[float, float] = {}
        slack: dict[float, Floats] = {}

        def attempt(numbers: Floats) -> None:
            new = [float(number) for number in numbers if float(number) not in tried]
            profiles = [self.game.with_numbers(player, self.actions, move.to(now, number)) for number in new]
            self.game.foresee(profiles)
            for number, profile in zip(new, profiles, strict=True):
                found = self.game.money(profile)
                tried[number] = -np.inf if found is None else float(found.profit[player])
                if found is not None:
                    slack[number] = found.slack
            tops = sorted(new, key=lambda number: -tried[number])[:_TOPS]
            edges = [move.edge(number, slack[number]) for number in tops if number in slack]
            further = [edge for edge in edges if edge is not None and edge not in tried]
            ends = [self.game.with_numbers(player, self.actions, move.to(now, edge)) for edge in further]
            self.game.foresee(ends)
            for edge, profile in zip(further, ends, strict=True):
                tried[edge] = self.game.profit(player, profile)

        attempt(candidates)
        width = move.width(self.points)
        for closer in range(zooms):
            top = max(tried, key=lambda number: tried[number])
            # Half as many as on a grid: the next, closer ones reach half of the way to these neighbours.
            attempt(move.around(top, width * self._zoom**closer, (self.points + 1) // 2))
        # Standing where it stands goes before equal gains elsewhere.
        best = max(tried.values())
        stands = move.at(now)
        slight = _GAIN * self._stake
        good = [number for number, profit in tried.items() if profit >= best - slight]
        chosen = min(good, key=lambda number: (abs(number - stands), number))
        return tried[chosen], move.to(now, chosen)

    def _candidates(self, player: int, move: Move, points: int, closely: bool = False) -> Floats:
        """Return the numbers to try: the whole range, closer about the present one, and what was found to be good."""
        stands = move.at(self.game.numbers(player, self.actions))
        parts = [move.grid(points), np.array([stands])]
        width = move.width(self.points)
        if (
            self.game.play == "price"
        ):  # just under a rival that is close by may be best although all about is not
            for level in range(max(self.levels, _ZOOMS) if closely else self._level):
                parts.append(move.around(stands, width * self._zoom**level, self.points))
        if closely:
            parts.append(self.game.critical(player, move, self.actions))
        parts.append(np.array(self._found.get((player, move.slots.tobytes()), []), dtype=float))
        return np.unique(np.concatenate(parts))

    @property
    def _zoom(self) -> float:
        return 2.0 / (self.points - 1)

    def _look_further(self) -> bool:
        """Look on the finer grid whether anybody could still gain; if so refine once more, or let it move, and go on.

        Finer grids come first: just under a rival's offer is always better by a trifle, and moves there would creep.
        """
        for player, role in enumerate(self.game.roles):
            gain, where = self.gain(player)
            if gain > self.tolerance * self._stake:
                if self._level < self.levels + _MORE_LEVELS:
                    self._level += 1
                    self._fresh = len(self.gains)
                    self._seen.clear()
                    return True
                for move in moves_of(role, self.by):
                    if move.kind != "swap" and (place := move.at(where)) != move.at(
                        self.game.numbers(player, self.actions)
                    ):
                        self._found.setdefault((player, move.slots.tobytes()), []).append(place)
                self.actions = self.game.with_numbers(player, self.actions, where)
                self._note(gain)
                return True
        return False

    def _note(self, gain: float) -> None:
        """Write down where it stands."""
        money = self.game.money(self.actions)
        players = len(self.game.players)
        self.profits.append(np.full(players, np.nan) if money is None else money.profit)
        self.moves.append(self.actions.copy())
        self.gains.append(gain)
        if money is not None:
            self._stake = max(money.payment, np.abs(money.profit).max(initial=0.0))

    def _key(self) -> bytes:
        return np.round(self.actions, _SAME).tobytes()

    def _joins(self) -> bool:
        """Say whether an earlier search was here too; if so, end as it ended."""
        earlier = self.visited.setdefault((self._level, self._key()), self)
        if earlier is self:
            return False
        self._end_as(earlier)
        return True

    def _end_as(self, earlier: Search) -> None:
        self.joined = earlier if earlier.joined is None else earlier.joined
        self.actions, self.cycle, self.rested = self.joined.actions, self.joined.cycle, self.joined.rested

    def _is_known(self) -> bool:
        """Say whether it rests, as far as the present grid can tell, where an earlier search rested."""
        for earlier in dict.fromkeys(self.visited.values()):
            if earlier is self or not earlier.rested or earlier.joined is not None:
                continue
            both = np.array([self.actions, earlier.actions])
            if self._is_close(both.min(axis=0), both.max(axis=0)):
                self._end_as(earlier)
                return True
        return False

    def _loop(self) -> int:
        """Return after how many rounds the iteration repeats itself, 0 where it has not yet."""
        key = self._key()
        before = self._seen.get(key)
        self._seen[key] = len(self.gains)
        return 0 if before is None else len(self.gains) - before

    def _creeps(self) -> bool:
        """Say whether in some rounds in succession everybody moved for less than the tolerance."""
        last = self.gains[self._fresh :][-_SLIGHT:]
        return len(last) == _SLIGHT and max(last) <= self.tolerance * self._stake

    def _is_grids_doing(self, loop: int) -> bool:
        """Say whether a loop only steps between neighbours of the present grid."""
        past = np.array(self.moves[-loop - 1 :])
        return self._is_close(past.min(axis=0), past.max(axis=0))

    def _is_close(self, low: Floats, high: Floats) -> bool:
        """Say whether two profiles are apart by no more than neighbours on the present grid."""
        for player, role in enumerate(self.game.roles):
            for move in moves_of(role, self.by):
                least, most = (move.at(self.game.numbers(player, end)) for end in (low, high))
                spread = (1 + most) / (1 + least) - 1 if role.ratio else most - least
                if spread > _GRID_TICKS * move.width(self.points) * self._zoom**self._level:
                    return False
        return True
