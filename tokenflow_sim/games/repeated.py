"""Repeated play of a finite game by learners, in many sessions at once, each the same whatever the others are."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from tokenflow_sim.games.follow import strides_of
from tokenflow_sim.games.learners.base import Learner, Rule, Seat
from tokenflow_sim.games.progress_files import GroupFile
from tokenflow_sim.numeric import Bools, Floats, Ints

SAMPLES = 1000
"""How often the way of play is written down, at most."""
_BLOCK = 512  # periods whose random numbers are drawn together
_BETWEEN = 30.0  # seconds from one checkpoint to the next


@dataclass(frozen=True, slots=True)
class Group:
    """Some sessions that follow each other, for one process to play."""

    position: int
    first: int
    last: int


@dataclass(frozen=True, eq=False)
class RepeatedPlay:
    """What all sessions have in common.

    Parameters
    ----------
    payoff : ndarray
        Dims (profile, player), the last player's action changing fastest.
    sizes : tuple of int
        How many actions each player has.
    rules : tuple of Rule
        Each player's learning rule.
    periods : int
        Most periods of a session.
    stop : int or None
        Periods after which a session ends in which nobody's policy has changed; None plays all periods.
    seed : int
        Every session has a stream of its own, the child of this seed with its number.
    turns : bool
        Whether players move one after the other, instead of all at once.
    window : int
        Last periods that are kept.
    folder : str or None
        Where unfinished play is kept.
    """

    payoff: Floats
    sizes: tuple[int, ...]
    rules: tuple[Rule, ...]
    periods: int
    stop: int | None
    seed: int
    turns: bool
    window: int
    folder: str | None = None

    @property
    def block(self) -> int:
        """Periods whose random numbers are drawn together, which no result depends on."""
        return max(1, min(_BLOCK, self.periods // 100))

    @property
    def sample(self) -> int:
        """Periods from one sample of the way of play to the next: whole blocks."""
        return self.block * max(1, -(-self.periods // (self.block * SAMPLES)))

    @property
    def samples(self) -> int:
        """How many samples there are of a session that plays all periods."""
        return self.periods // self.sample

    @property
    def states(self) -> int:
        """How many different periods a player that remembers one can tell apart."""
        return int(np.prod(self.sizes))

    def seats(self) -> list[Seat]:
        """Return what each player knows of the game."""
        players = len(self.sizes)
        return [
            Seat(
                np.ascontiguousarray(self.payoff[:, player]), self.sizes, player, self.periods,
                players if self.turns else 1,
            )
            for player in range(players)
        ]  # fmt: skip

    def round(self, seats: list[Seat], at: Sessions) -> Round:
        """Return what plays a period."""
        return _Turns(self, seats, at) if self.turns else _AtOnce(self, seats, at)

    def earned(self, track: Ints) -> Floats:
        """Return each player's mean payoff, dims (session, player), over the periods of profiles (period, session)."""
        found: Floats = self.payoff[track].mean(axis=0)
        return found

    def perform(self, job: Group) -> dict[str, Any]:
        """Play the sessions of a group: what one process of an executor does of them."""
        return play(self, job, None)


@dataclass
class Sessions:
    """Where the unfinished sessions of a group stand; every array has the sessions last."""

    learners: list[Learner]
    alive: Ints
    profile: Ints
    settled: Ints
    past: Ints
    before: list[Ints] = field(default_factory=list)
    action: list[Ints] = field(default_factory=list)
    earned: list[Floats] = field(default_factory=list)

    def arrays(self) -> dict[str, Any]:
        """Return everything by name, for a checkpoint."""
        found: dict[str, Any] = {
            name: getattr(self, name) for name in ("alive", "profile", "settled", "past")
        }
        for name in ("before", "action", "earned"):
            found |= {f"{name}.{player}": one for player, one in enumerate(getattr(self, name))}
        for player, learner in enumerate(self.learners):
            found |= {f"learner{player}.{name}": one for name, one in learner.arrays().items()}
        return found

    def restore(self, arrays: dict[str, Any]) -> None:
        """Take up what `arrays` returned."""
        for name in ("alive", "profile", "settled", "past"):
            setattr(self, name, arrays[name])
        for name in ("before", "action", "earned"):
            setattr(self, name, [arrays[f"{name}.{player}"] for player in range(len(getattr(self, name)))])
        for player, learner in enumerate(self.learners):
            head = f"learner{player}."
            learner.restore(
                {name.removeprefix(head): one for name, one in arrays.items() if name.startswith(head)}
            )

    def keep(self, which: Ints) -> None:
        """Go on with some sessions only."""
        found = self.arrays()
        self.restore(
            {
                name: one[which] if name.startswith("learner") else one[..., which]
                for name, one in found.items()
            }
        )


def play(spec: RepeatedPlay, group: Group, report: Callable[[int], object] | None) -> dict[str, Any]:
    """Play the sessions of a group to their ends.

    Parameters
    ----------
    spec : RepeatedPlay
        What is played.
    group : Group
        Which sessions.
    report : callable, optional
        Called after each block with the number of periods that all sessions of the group have done or do not need.

    Returns
    -------
    dict
        By session: `converged`, `periods` (played), `settled` (after which no policy changed), `last` (profile),
        `tail` (session, window), `policy.0`, ... (session, profile); and `history` (sample, session, player).
    """
    file = None if spec.folder is None else GroupFile(spec.folder, group.position)
    if file is not None and (done := file.finished()) is not None:
        return done
    count, players, seats = group.last - group.first, len(spec.sizes), spec.seats()
    learners = [rule.learner(seat, count) for rule, seat in zip(spec.rules, seats, strict=True)]
    streams = _Streams(spec.seed, np.arange(group.first, group.last), sum(one.draws for one in learners))
    first = (streams.initial(players) * np.array(spec.sizes)).astype(np.int64) @ strides_of(spec.sizes)
    at = Sessions(
        learners, np.arange(count), first, np.zeros(count, np.int64), np.empty((0, count), np.int64)
    )
    if spec.turns:
        at.before = [first.copy() for _ in range(players)]
        at.action = [np.zeros(count, np.int64) for _ in range(players)]
        at.earned = [np.zeros(count) for _ in range(players)]
    # The number of states of a policy is what the learner says of it.
    shapes = [one.policy(np.zeros(1, np.int64)).shape[1] if count else 1 for one in learners]
    ended = {
        "converged": np.zeros(count, dtype=bool),
        "periods": np.full(count, spec.periods),
        "settled": np.zeros(count, dtype=np.int64),
        "last": np.zeros(count, dtype=np.int64),
        "tail": np.full((count, spec.window), -1, dtype=np.int64),
        "history": np.full((spec.samples, count, players), np.nan),
    } | {f"policy.{player}": np.zeros((count, size), np.int64) for player, size in enumerate(shapes)}
    period = 0
    if file is not None and (kept := file.unfinished()) is not None:
        period = int(kept.pop("period"))
        ended = {name: kept.pop(f"ended.{name}") for name in ended}
        at.restore(kept)
    _play_on(spec, seats, at, ended, streams, period, file, report)
    if file is not None:
        file.finish(ended)
    return ended


def _play_on(
    spec: RepeatedPlay,
    seats: list[Seat],
    at: Sessions,
    ended: dict[str, Any],
    streams: _Streams,
    period: int,
    file: GroupFile | None,
    report: Callable[[int], object] | None,
) -> None:
    """Play on from a period until every session has ended."""
    table = spec.round(seats, at)
    count, written = len(ended["periods"]), time.monotonic()
    stop = spec.periods + 1 if spec.stop is None else spec.stop
    due = period + 1 if spec.stop is not None else spec.periods + 1
    while period < spec.periods and len(at.alive):
        block = min(spec.block, spec.periods - period)
        uniform = streams.block(at.alive, period, block)
        track = np.empty((block, len(at.alive)), dtype=np.int64)
        playing = np.ones(len(at.alive), dtype=bool)
        for step in range(block):
            changed = table.period(period, uniform[step])
            period += 1
            at.settled[changed] = period
            track[step] = at.profile
            if period >= due:
                done = playing & (period - at.settled >= stop)
                if done.any():
                    _end(spec, at, ended, np.flatnonzero(done), period, track[: step + 1], converged=True)
                    playing &= ~done
                due = int(at.settled[playing].min(initial=spec.periods)) + stop
        at.past = np.concatenate([at.past, track])[-spec.window :]
        if period % spec.sample == 0:
            mean = spec.earned(track)  # over the block that ends here
            ended["history"][period // spec.sample - 1, at.alive[playing]] = mean[playing]
        if not playing.all():
            at.keep(np.flatnonzero(playing))
        if report is not None:
            report(period * len(at.alive) + spec.periods * (count - len(at.alive)))
        if file is not None and time.monotonic() - written > _BETWEEN:
            state = {f"ended.{name}": one for name, one in ended.items()}
            file.write(at.arrays() | state | {"period": np.array(period)})
            written = time.monotonic()
    left = np.arange(len(at.alive))
    _end(spec, at, ended, left, spec.periods, np.empty((0, len(left)), np.int64), converged=False)


def _end(
    spec: RepeatedPlay,
    at: Sessions,
    ended: dict[str, Any],
    which: Ints,
    period: int,
    track: Ints,
    *,
    converged: bool,
) -> None:
    """Write down what became of some sessions that end with this period."""
    to = at.alive[which]
    ended["converged"][to], ended["periods"][to] = converged, period
    ended["settled"][to], ended["last"][to] = at.settled[which], at.profile[which]
    tail = np.concatenate([at.past[:, which], track[:, which]])[-spec.window :]
    if len(tail):
        ended["tail"][to, -len(tail) :] = tail.T
    for player, learner in enumerate(at.learners):
        ended[f"policy.{player}"][to] = learner.policy(which)


class _Streams:
    """Uniform numbers of each session, from a stream of its own that any period can be looked up in.

    Parameters
    ----------
    seed : int
        Of all sessions.
    sessions : ndarray of int
        Their numbers.
    width : int
        Numbers that a session takes in a period.
    """

    def __init__(self, seed: int, sessions: Ints, width: int) -> None:
        self._seeds = [np.random.SeedSequence(seed, spawn_key=(int(one),)) for one in sessions]
        self._width, self._head = width, 0
        self._open: dict[int, np.random.Generator] = {}
        self._next = -1

    def initial(self, count: int) -> Floats:
        """Return the first numbers of each session, dims (session, number)."""
        self._head = count
        found = [np.random.Generator(np.random.PCG64(seed)).random(count) for seed in self._seeds]
        return np.array(found).reshape(len(self._seeds), count)

    def block(self, alive: Ints, period: int, count: int) -> Floats:
        """Return the numbers of so many periods, dims (period, number, session)."""
        if period != self._next:  # resumed: one number of a stream is one step of its generator
            self._open = {
                int(one): np.random.Generator(
                    np.random.PCG64(self._seeds[one]).advance(self._head + period * self._width)
                )
                for one in alive
            }
        self._next = period + count
        if not self._width:
            return np.empty((count, 0, len(alive)))
        drawn = np.empty((len(alive), count * self._width))
        for row, one in zip(drawn, alive.tolist(), strict=True):
            self._open[one].random(out=row)
        return np.ascontiguousarray(drawn.T).reshape(count, self._width, len(alive))


class Round(Protocol):
    """What plays a period of unfinished sessions."""

    def period(self, period: int, uniform: Floats) -> Bools:
        """Play a period, and return where somebody's policy has changed."""


def slices_of(learners: list[Learner]) -> list[slice]:
    """Return which uniform numbers of a period are each learner's."""
    bounds = np.cumsum([0, *(one.draws for one in learners)]).tolist()
    return [slice(low, high) for low, high in pairwise(bounds)]


class _AtOnce:
    """Periods in which all players move at once."""

    def __init__(self, spec: RepeatedPlay, seats: list[Seat], at: Sessions) -> None:
        self.at, self.strides = at, strides_of(spec.sizes).tolist()
        self.slices = slices_of(at.learners)

    def period(self, period: int, uniform: Floats) -> Bools:
        """Play a period, and return where somebody's policy has changed."""
        at, before = self.at, self.at.profile
        actions = [
            learner.choose(period, before, uniform[own])
            for learner, own in zip(at.learners, self.slices, strict=True)
        ]
        after = actions[0] * self.strides[0]
        for action, stride in zip(actions[1:], self.strides[1:], strict=True):
            after += action * stride
        changed = at.learners[0].learn(before, actions[0], after, None)
        for learner, action in zip(at.learners[1:], actions[1:], strict=True):
            changed = changed | learner.learn(before, action, after, None)
        at.profile = after
        return changed


class _Turns:
    """Periods in which one player moves, in turn, and the others stay at what they did last."""

    def __init__(self, spec: RepeatedPlay, seats: list[Seat], at: Sessions) -> None:
        self.at, self.seats, self.strides = at, seats, strides_of(spec.sizes).tolist()
        self.slices = slices_of(at.learners)

    def period(self, period: int, uniform: Floats) -> Bools:
        """Play a period, and return where the mover's policy has changed."""
        at, players = self.at, len(self.seats)
        mover = period % players
        learner, stride, size = at.learners[mover], self.strides[mover], self.seats[mover].actions
        changed = np.zeros(len(at.profile), dtype=bool)
        if period >= players:  # its last move has brought what it brought
            changed = learner.learn(at.before[mover], at.action[mover], at.profile, at.earned[mover])
        at.before[mover] = at.profile
        action = learner.choose(period, at.profile, uniform[self.slices[mover]])
        at.action[mover] = action
        at.profile = at.profile + (action - (at.profile // stride) % size) * stride
        for player, seat in enumerate(self.seats):
            since = (period - player) % players  # periods since its own last move
            discount = at.learners[player].discount
            worth = 1.0 / players if discount is None else discount**since
            reward = worth * seat.payoff.take(at.profile)
            at.earned[player] = reward if since == 0 else at.earned[player] + reward
        return changed
