"""Mixed equilibria of a market's game in which every player has a few actions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tokenflow_sim.numeric import Floats
from tokenflow_sim.study.game import MarketGame
from tokenflow_sim.study.moves import common_move
from tokenflow_sim.study.normal_form import (
    Mixture,
    NormalForm,
    alike,
    lemke_howson,
    penalised,
    profiles,
    regret_matching,
)

MOST_PROFILES = 100_000
"""Profiles whose market is cleared at most for one game."""
_LABELS = 48  # of Lemke and Howson's paths, most that are followed
_BEGINNINGS = 3  # of regret matching
_SAME = 1e-6  # probabilities up to which two exact equilibria are one
_NEAR = 0.02  # the same of two approximate ones
_FINER = 4  # how much finer the grid is on which it is looked for gains beyond the game's own actions
_COUNTS = 1e-6  # probability from which an action is looked at


@dataclass(frozen=True, slots=True, eq=False)
class Mixed:
    """A mixture of actions, and what anybody could gain against it.

    Parameters
    ----------
    mixture : tuple of ndarray
        Probabilities of each player's actions.
    method : str
        How it was found: ``pure`` (by trying every profile), ``lemke_howson`` or ``regret_matching``.
    profit : ndarray
        Expected profits in $/h, dims (player,).
    gain : ndarray
        What each could gain by another of the game's actions, in $/h, dims (player,).
    beyond : ndarray
        What each could gain by an action between them, on a grid some times finer, in $/h, dims (player,).
    price : ndarray
        Expected prices in $/Mtok, dims (node, workload).
    payment : float
        What demand is expected to pay, in $/h.
    """

    mixture: Mixture
    method: str
    profit: Floats
    gain: Floats
    beyond: Floats
    price: Floats
    payment: float


@dataclass(frozen=True, slots=True, eq=False)
class SmallGame:
    """A game of few actions, and its equilibria that were found.

    Parameters
    ----------
    numbers : tuple of ndarray
        Each player's actions as numbers of all its slots, dims (action, slot).
    form : NormalForm
        The payoffs, in $/h.
    found : list of Mixed
        The equilibria; of those by regret matching the best approximations.
    """

    numbers: tuple[Floats, ...]
    form: NormalForm
    found: list[Mixed]


def small_game(game: MarketGame, count: int, seed: int, tolerance: float) -> SmallGame:
    """Give every player a grid of so many actions, one number for all that it chooses, and find equilibria.

    Parameters
    ----------
    game : MarketGame
        The market's game.
    count : int
        Actions of each player.
    seed : int
        Of regret matching's beginnings.
    tolerance : float
        Share of payment at which regret matching is left off.
    """
    numbers = tuple(_grid(game, player, count) for player in range(len(game.players)))
    form, payment = _tensor(game, numbers)
    mixtures: list[tuple[Mixture, str]] = [(form.pure(one), "pure") for one in form.pure_equilibria()]
    if form.players == 2:
        for mixture in lemke_howson(form, _LABELS):
            if not any(alike(mixture, other, _SAME) for other, _ in mixtures):
                mixtures.append((mixture, "lemke_howson"))
    elif form.players > 2 and not mixtures:
        for beginning in range(_BEGINNINGS):
            mixture, _ = regret_matching(form, tolerance=0.1 * tolerance * payment, seed=seed + beginning)
            if not any(alike(mixture, other, _NEAR) for other, _ in mixtures):
                mixtures.append((mixture, "regret_matching"))
        mixtures.sort(key=lambda found: float(form.gains(found[0]).max()))
    found = [_appraised(game, numbers, form, mixture, method) for mixture, method in mixtures]
    return SmallGame(numbers, form, found)


def _grid(game: MarketGame, player: int, count: int) -> Floats:
    move, own = common_move(game.roles[player]), game.numbers(player, game.truthful)
    if move is None:
        return own[None].copy()
    return np.unique(np.array([move.to(own, number) for number in move.grid(count)]), axis=0)


def _tensor(game: MarketGame, numbers: tuple[Floats, ...]) -> tuple[NormalForm, float]:
    """Clear the market for every profile; return the payoffs, and the highest payment."""
    sizes = [len(own) for own in numbers]
    listed = profiles(sizes)
    actions = [
        _profile(game, [own[place] for own, place in zip(numbers, one, strict=True)]) for one in listed
    ]
    game.foresee(actions)
    payoff, payment = np.full((*sizes, len(numbers)), np.nan), 0.0
    for one, profile in zip(listed, actions, strict=True):
        found = game.money(profile)
        if found is not None:
            payoff[one], payment = found.profit, max(payment, found.payment)
    return NormalForm(penalised(payoff)), payment


def _profile(game: MarketGame, rows: list[Floats]) -> Floats:
    profile = game.truthful.copy()
    for player, row in enumerate(rows):
        profile[player, : len(row)] = row
    return profile


def _appraised(
    game: MarketGame, numbers: tuple[Floats, ...], form: NormalForm, mixture: Mixture, method: str
) -> Mixed:
    support = [np.flatnonzero(own > _COUNTS) for own in mixture]
    price, payment = np.zeros(game.market.arrays.demand.shape[:2]), 0.0
    for place in profiles([len(own) for own in support]):
        chosen = [own[at] for own, at in zip(support, place, strict=True)]
        odds = float(np.prod([own[at] for own, at in zip(mixture, chosen, strict=True)]))
        found = game.money(_profile(game, [own[at] for own, at in zip(numbers, chosen, strict=True)]))
        if found is not None:
            price, payment = price + odds * found.price, payment + odds * found.payment
    profit = form.expected(mixture)
    beyond = (
        np.array([_beyond(game, numbers, mixture, support, player) for player in range(form.players)])
        - profit
    )
    gain = form.gains(mixture)
    return Mixed(mixture, method, profit, gain, np.maximum(beyond, gain), price, payment)


def _beyond(
    game: MarketGame,
    numbers: tuple[Floats, ...],
    mixture: Mixture,
    support: list[NDArray[np.int64]],
    player: int,
) -> float:
    """Return the most that a player earns by any action of a finer grid against the mixture of the others."""
    fine = _grid(game, player, _FINER * (len(numbers[player]) - 1) + 1)
    others = [own if place != player else np.zeros(1, dtype=np.int64) for place, own in enumerate(support)]
    value = np.zeros(len(fine))
    for place in profiles([len(own) for own in others]):
        chosen = [own[at] for own, at in zip(others, place, strict=True)]
        odds = float(
            np.prod(
                [own[at] for who, (own, at) in enumerate(zip(mixture, chosen, strict=True)) if who != player]
            )
        )
        rows = [own[at] for own, at in zip(numbers, chosen, strict=True)]
        tried = [_profile(game, [*rows[:player], row, *rows[player + 1 :]]) for row in fine]
        game.foresee(tried)
        value += odds * np.array([game.profit(player, profile) for profile in tried])
    return float(value.max())
