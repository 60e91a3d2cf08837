"""What players do who follow their policies and try nothing: paths of play, and the cycles in which they end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tokenflow_sim.numeric import Ints


def strides_of(sizes: Sequence[int]) -> Ints:
    """Return by how much a player's next action raises the number of a profile, dims (player,)."""
    return np.array([int(np.prod(sizes[player + 1 :])) for player in range(len(sizes))], dtype=np.int64)


def replies(policies: Sequence[Ints], profile: Ints) -> list[Ints]:
    """Return what each player does after a profile, dims (session,) each.

    Parameters
    ----------
    policies : sequence of ndarray of int
        Each player's action after each profile, dims (session, profile); (session, 1) where it is always the same.
    profile : ndarray of int
        What was played last, dims (session,).
    """
    every = np.arange(len(profile))
    return [own[every, profile] if own.shape[1] > 1 else own[:, 0] for own in policies]


def follow(
    policies: Sequence[Ints], sizes: Sequence[int], profile: Ints, steps: int, turn: Ints | None = None
) -> Ints:
    """Return the profiles that policies lead to, dims (step, session).

    Parameters
    ----------
    policies : sequence of ndarray of int
        As in `replies`.
    sizes : sequence of int
        How many actions each player has.
    profile : ndarray of int
        What was played last, dims (session,).
    steps : int
        How many periods to follow them.
    turn : ndarray of int, optional
        Whose turn it is, dims (session,), where players move one after the other; all move at once if left out.
    """
    strides, players = strides_of(sizes), len(sizes)
    path = np.empty((steps, len(profile)), dtype=np.int64)
    for step in range(steps):
        actions = replies(policies, profile)
        if turn is None:
            profile = sum(
                (own * stride for own, stride in zip(actions, strides, strict=True)), np.zeros_like(profile)
            )
        else:
            moved = [
                profile + (own - (profile // stride) % size) * stride
                for own, stride, size in zip(actions, strides, sizes, strict=True)
            ]
            profile = np.choose((turn + step) % players, moved)
        path[step] = profile
    return path


def cycles(
    policies: Sequence[Ints], sizes: Sequence[int], profile: Ints, turn: Ints | None = None
) -> tuple[Ints, Ints]:
    """Return the profiles that play repeats for ever, and how many they are.

    Returns
    -------
    path : ndarray of int
        Profiles of one round, dims (session, step), -1 beyond its end.
    length : ndarray of int
        Periods of a round, dims (session,).
    """
    players = len(sizes)
    # After as many periods as there are states every path has come to its cycle, whose length is no larger.
    states = int(np.prod(sizes)) * (1 if turn is None else players)
    length, at = np.ones(len(profile), dtype=np.int64), profile
    turned = turn
    reached = follow(policies, sizes, profile, states, turn)[-1]
    if turn is not None:
        turned = (turn + states) % players
    unit = 1 if turn is None else players  # a round has a whole number of turns of everybody
    found = np.zeros(len(profile), dtype=bool)
    path = np.empty((0, len(profile)), dtype=np.int64)
    at, ahead = reached, max(16, 2 * unit)
    while not found.all():
        more = follow(policies, sizes, at, ahead, None if turned is None else (turned + len(path)) % players)
        path = np.concatenate([path, more])
        back = path[unit - 1 :: unit] == reached
        found = back.any(axis=0)
        length = np.where(found, (back.argmax(axis=0) + 1) * unit, 0)
        at = path[-1]
    longest = int(length.max(initial=1))
    path = path[:longest].T.copy()
    path[np.arange(longest)[None, :] >= length[:, None]] = -1
    return path, length
