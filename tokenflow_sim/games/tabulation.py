"""Clearing a market once for every profile of actions, on several processes, and keeping what each brought."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
import pandas as pd

from tokenflow_sim.errors import InfeasibleError
from tokenflow_sim.games.store import MemoryRows, Rows
from tokenflow_sim.numeric import Floats
from tokenflow_sim.study.executor import Executor, Progress
from tokenflow_sim.study.game import MarketGame

CLEARED, INFEASIBLE, FAILED = 1.0, 0.0, -1.0
"""What became of a profile, in the first column of its row."""
_MOST, _LEAST = 512, 16  # profiles of one job: few enough that an interruption costs seconds


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some profiles that follow each other, for one process to clear the market for."""

    position: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Cleared:
    """What a stretch brought: a row a profile, and why profiles failed otherwise than by being infeasible."""

    rows: Floats
    causes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Tabulation:
    """All profiles of a market's game.

    Parameters
    ----------
    game : MarketGame
        The market and its players.
    numbers : tuple of ndarray
        What each player's actions make of its slots, dims (action, slot).

    Notes
    -----
    Profiles are numbered with the last player's action changing fastest. A profile's row has what became of it, the
    players' payoffs, the payment and the welfare in $/h, and the prices in $/Mtok, dims (node, workload), flat.
    """

    game: MarketGame
    numbers: tuple[Floats, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many actions each player has."""
        return tuple(map(len, self.numbers))

    @property
    def count(self) -> int:
        """How many profiles there are."""
        return math.prod(self.sizes)

    @property
    def width(self) -> int:
        """Numbers of a profile's row."""
        nodes, classes, _ = self.game.market.arrays.demand.shape
        return 3 + len(self.numbers) + int(nodes * classes)

    @property
    def stretch(self) -> int:
        """Profiles of one job; it depends on the game alone, so that any process may resume another's work."""
        return min(max(self.count // 64, _LEAST), _MOST)

    def stretches(self) -> list[Stretch]:
        """Return all jobs."""
        size = self.stretch
        return [
            Stretch(number, first, min(first + size, self.count))
            for number, first in enumerate(range(0, self.count, size))
        ]

    def profile(self, number: int) -> Floats:
        """Return the players' numbers in a profile, dims (player, slot)."""
        actions = self.game.truthful.copy()
        for player, place in enumerate(np.unravel_index(number, self.sizes)):
            own = self.numbers[player]
            actions[player, : own.shape[1]] = own[place]
        return actions

    def perform(self, job: Stretch) -> Cleared:
        """Clear the market for the profiles of a job: what one process of an executor does of them."""
        rows, causes = np.full((job.last - job.first, self.width), np.nan), []
        players = len(self.numbers)
        for row, number in zip(rows, range(job.first, job.last), strict=True):
            try:
                found = self.game.must_clear(self.profile(number))
            except InfeasibleError:
                row[0] = INFEASIBLE
            except Exception as error:  # one profile of thousands; reported at the end, like a failed run
                row[0] = FAILED
                causes.append(f"{type(error).__name__}: {error}".partition("\n")[0])
            else:
                row[0], row[1 : 1 + players] = CLEARED, found.profit
                row[1 + players : 3 + players] = found.payment, found.welfare
                row[3 + players :] = found.clearing.values.price.ravel()
        return Cleared(rows, tuple(causes))

    def digest(self) -> str:
        """Return a digest of all that the rows depend on: market, players and actions."""
        parts = (self.game.market.layout.key, self.game.market.arrays, self.game.market.hours)
        regions = sorted((name, nodes) for name, nodes in self.game.regions.items())
        own = (self.game.play, self.game.players, regions, self.numbers)
        found = blake2b(digest_size=16)
        held = [(name, self.game.standing.positions[name]) for name in sorted(self.game.standing.positions)]
        standing = self.game.standing
        charge = 0.0 if standing.grid is None else standing.grid.charge
        for piece in _pieces((*parts, *own, held, standing.mitigation, standing.carbon_cost, charge)):
            found.update(piece)
        return found.hexdigest()


def _pieces(value: Any) -> Iterator[bytes]:
    """Yield the bytes of a value and of everything in it, with types and shapes, in an order that never changes."""
    if isinstance(value, np.ndarray):
        yield f"{value.dtype.str}{value.shape}".encode()
        yield value.tobytes() if value.dtype.kind != "O" else repr(value.tolist()).encode()
    elif isinstance(value, pd.Index):
        yield repr(value.tolist()).encode()
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield field.name.encode()
            yield from _pieces(getattr(value, field.name))
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from _pieces((name, one))
    elif isinstance(value, tuple | list):
        yield f"{type(value).__name__}{len(value)}".encode()
        for one in value:
            yield from _pieces(one)
    else:
        yield repr(value).encode()


def tabulate(
    table: Tabulation, rows: Rows | None, executor: Executor, progress: Progress | None
) -> tuple[Floats, list[str]]:
    """Clear the market for every profile that is not yet in the store.

    Parameters
    ----------
    table : Tabulation
        The profiles.
    rows : Rows, optional
        Keeps the rows, and may have some already; memory alone if left out.
    executor : Executor
        Who shares the work.
    progress : callable, optional
        Called with the number of profiles done and of all.

    Returns
    -------
    rows : ndarray
        Dims (profile, column).
    causes : list of str
        Why profiles failed otherwise than by being infeasible; these are tried again when the store is used again.
    """
    kept: Rows = MemoryRows(table.count, table.width) if rows is None else rows
    jobs = table.stretches()
    waiting = [job for job in jobs if not kept.has(job.position)]
    done, causes = table.count - sum(job.last - job.first for job in waiting), list[str]()
    if progress is not None:
        progress(done, table.count)
    for result in executor.run(table, waiting):
        job = jobs[result.position]
        if result.kind:
            raise RuntimeError(f"profiles {job.first} to {job.last - 1}: {result.kind}: {result.message}")
        cleared: Cleared = result.value
        causes += cleared.causes
        kept.keep(job.position, job.first, cleared.rows, for_good=not cleared.causes)
        done += job.last - job.first
        if progress is not None:
            progress(done, table.count)
    return kept.rows, causes
