"""Iterated best response: who moves where, when it comes to rest, when it goes round in circles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tokenflow_sim.study.game import MarketGame

Floats = NDArray[np.float64]
_SAME = 7  # decimals up to which two profiles are one; best responses come from a grid and repeat exactly
_FINER = 4  # how much finer the grid is on which gains are looked for at the end
_GRID_TICKS = 2.5  # a loop narrower than this many neighbours on a grid is the grid's doing
_FINE = 81  # points of that grid at least
_ZOOMS = 2  # how often it is refined about the best point that it has
_MORE_LEVELS = 3  # beyond those asked for, where somebody still gains more than the tolerance
_GAIN = 1e-9  # share of the money at stake below which a gain is the rounding of a solver


@dataclass(slots=True)
class Search:
    """An iteration of best responses over a game.

    Parameters
    ----------
    game : MarketGame
        The game.
    by : {'workload', 'provider'}
        Whether a player chooses class by class, or one number for all its classes.
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
    progress : callable, optional
        Called after each round with the number of rounds and the most there may be.
    start : float, optional
        Everybody's action at the start; `MarketGame.start` if left out.

    Attributes
    ----------
    actions : ndarray
        Where it stands, dims (player, workload).
    profits, moves, gains : list
        Per round: profits after it (player,), actions after it, and the largest gain that a mover saw.
    cycle : int
        Rounds after which the iteration repeats itself; 0 where it does not.
    rested : bool
        Whether a round went by, on the finest grid, in which nobody moved.
    """

    game: MarketGame
    by: str
    points: int
    levels: int
    damping: float
    rounds: int
    tolerance: float
    progress: Callable[[int, int], object] | None = None
    start: float | None = None
    actions: Floats = field(init=False)
    profits: list[Floats] = field(default_factory=list)
    moves: list[Floats] = field(default_factory=list)
    gains: list[float] = field(default_factory=list)
    cycle: int = 0
    rested: bool = False
    _found: dict[tuple[int, int], list[float]] = field(default_factory=dict)
    _level: int = 0
    _seen: dict[bytes, int] = field(default_factory=dict)
    _stake: float = 0.0

    def __post_init__(self) -> None:
        """Go to the start."""
        game = self.game
        self.actions = game.start if self.start is None else np.minimum(self.start, game.highest)
        self.actions = np.where(game.plays, self.actions, game.truthful)
        self._note(0.0)

    def run(self) -> None:
        """Iterate until nobody moves on the finest grid, it repeats itself, or the rounds are used up."""
        while len(self.gains) <= self.rounds:
            moved = self._round()
            if moved:
                loop = self._loop()
                if not loop:
                    continue
                if not self._is_grids_doing(loop):
                    self.cycle = loop
                    return
            if self._level < self.levels:
                self._level += 1
                self._seen.clear()
                continue
            if not moved and not self._look_further():
                self.rested = True
                return
            if moved:  # a loop between neighbours on the finest grid: as far as it can be told apart, a rest
                self.rested = True
                return

    def gain(self, player: int, finer: int = _FINER) -> tuple[float, Floats]:
        """Return the most that a player could gain by moving alone, in $/h, and where to.

        One class at a time, and all classes together by one number, over a grid so many times finer than that of the
        iteration, points close by at every scale, and offers just under those of rivals.
        """
        here = self.game.profit(player, self.actions)
        best, where = 0.0, self.actions[player].copy()
        fine = max(self.points * finer, _FINE)
        for columns in self._columns(player, together=True):
            candidates = self._candidates(player, columns, fine, closely=True)
            widest = self._widest(player, columns)
            width = self.game.width(player, widest, fine)
            for closer in range(1 + _ZOOMS):
                top, at = -np.inf, self.actions[player, widest]
                for action, tried in zip(candidates, self._tried(player, columns, candidates), strict=True):
                    profit = self.game.profit(player, tried)
                    if profit > top:
                        top, at = profit, action
                    if profit - here > best:
                        best, where = profit - here, tried[player]
                candidates = self.game.around(
                    player, widest, float(at), width * self._zoom**closer, self.points
                )
        return best, where

    def _round(self) -> bool:
        """Let every player move once; say whether anybody did."""
        moved, largest = False, 0.0
        for player in range(len(self.game.players)):
            for columns in self._columns(player):
                gain = self._move(player, columns)
                moved |= gain > 0
                largest = max(largest, gain)
        self._note(largest)
        if self.progress is not None:
            self.progress(len(self.gains) - 1, self.rounds)
        return moved

    def _move(self, player: int, columns: NDArray[np.int64]) -> float:
        """Move a player towards its best response; return what that gains, 0 where it stays."""
        here = self.game.profit(player, self.actions)
        best, where = here, None
        for tried in self._tried(player, columns, self._candidates(player, columns, self.points)):
            profit = self.game.profit(player, tried)
            if profit > best + (_GAIN * self._stake if where is None else 0.0):
                best, where = profit, tried[player, columns]
        if where is None:
            return 0.0
        now = self.actions[player, columns]
        self.actions[player, columns] = now + self.damping * (where - now)
        return float(best - here) if np.isfinite(here) else float(self._stake)

    def _tried(self, player: int, columns: NDArray[np.int64], candidates: Floats) -> list[Floats]:
        """Return the profiles at which a player plays each candidate while the others stay, all cleared at once."""
        profiles = []
        for action in candidates:
            tried = self.actions.copy()
            tried[player, columns] = np.minimum(action, self.game.highest[player, columns])
            profiles.append(tried)
        self.game.foresee(profiles)
        return profiles

    def _columns(self, player: int, together: bool = False) -> list[NDArray[np.int64]]:
        """Return the classes that move together."""
        classes = np.flatnonzero(self.game.plays[player])
        if self.by == "provider":
            return [classes] if len(classes) else []
        single = [classes[k : k + 1] for k in range(len(classes))]
        return [*single, classes] if together and len(classes) > 1 else single

    def _candidates(
        self, player: int, columns: NDArray[np.int64], points: int, closely: bool = False
    ) -> Floats:
        """Return the actions to try: the whole range, closer about the present one, and what was found to be good."""
        game = self.game
        widest = self._widest(player, columns)
        parts = [game.grid(player, widest, points)]
        present, width = float(self.actions[player, widest]), game.width(player, widest, self.points)
        for level in range(max(self.levels, _ZOOMS) if closely else self._level):
            parts.append(game.around(player, widest, present, width * self._zoom**level, self.points))
        if closely:
            parts += [game.critical(player, int(k), self.actions) for k in columns]
        parts.append(np.array(self._found.get((player, widest), []), dtype=float))
        return np.unique(np.concatenate(parts))

    def _widest(self, player: int, columns: NDArray[np.int64]) -> int:
        """Return the class, of those that move together, with the widest range of actions."""
        return int(columns[np.argmax(self.game.highest[player, columns])])

    @property
    def _zoom(self) -> float:
        return 2.0 / (self.points - 1)

    def _look_further(self) -> bool:
        """Look on the finer grid whether anybody could still gain; if so refine once more, or let it move, and go on.

        Finer grids come first: just under a rival's offer is always better by a trifle, and moves there would creep.
        """
        for player in range(len(self.game.players)):
            gain, where = self.gain(player)
            if gain > self.tolerance * self._stake:
                if self._level < self.levels + _MORE_LEVELS:
                    self._level += 1
                    self._seen.clear()
                    return True
                for k in np.flatnonzero(where != self.actions[player]):
                    self._found.setdefault((player, int(k)), []).append(float(where[k]))
                self.actions[player] = where
                self._note(gain)
                return True
        return False

    def _note(self, gain: float) -> None:
        """Write down where it stands."""
        money = self.game.money(self.actions)
        players = len(self.game.players)
        self.profits.append(np.full(players, np.nan) if money is None else money[0])
        self.moves.append(self.actions.copy())
        self.gains.append(gain)
        if money is not None:
            self._stake = max(money[1], np.abs(money[0]).max(initial=0.0))

    def _loop(self) -> int:
        """Return after how many rounds the iteration repeats itself, 0 where it has not yet."""
        key = np.round(self.actions, _SAME).tobytes()
        before = self._seen.get(key)
        self._seen[key] = len(self.gains)
        return 0 if before is None else len(self.gains) - before

    def _is_grids_doing(self, loop: int) -> bool:
        """Say whether a loop only steps between neighbours of the present grid."""
        past = np.array(self.moves[-loop - 1 :])
        spread = self.game.distance(past.min(axis=0), past.max(axis=0))
        players, workloads = self.actions.shape
        tick = np.array(
            [[self.game.width(p, k, self.points) for k in range(workloads)] for p in range(players)]
        )
        return bool((spread <= _GRID_TICKS * tick * self._zoom**self._level).all())
