"""Regret matching: everybody plays an action the more often the more it regrets not having played it."""

from __future__ import annotations

import numpy as np

from tokenflow_sim.study.normal_form import Floats, Mixture, NormalForm

_LOOK = 50  # rounds between looks at what is still to be gained


def regret_matching(
    game: NormalForm, rounds: int = 5_000, tolerance: float = 0.0, seed: int = 0
) -> tuple[Mixture, int]:
    """Let all players match regrets, and return the mixture on their way that leaves least to gain.

    Parameters
    ----------
    game : NormalForm
        Any number of players.
    rounds : int
        Most rounds.
    tolerance : float
        Gain at which it is left off.
    seed : int
        Of the mixtures to begin with.

    Returns
    -------
    mixture : tuple of ndarray
        Probabilities of each player's actions: of the average ones (over all rounds, and over the latter half of them)
        and the present ones that were looked at, those with the least exploitability.
    rounds : int
        Rounds played.

    Notes
    -----
    In every round each player plays its actions in proportion to the positive part of its regret: what an action
    would have brought in all rounds so far, less what was earned. Payoffs are expected ones, so that nothing is drawn
    but the start. Average regrets vanish, and with them what anybody could gain by one action in place of all it
    played: the joint play approaches the set of coarse correlated equilibria (Hannan's set), which for two players of
    a zero-sum game is that of Nash equilibria and in other games is larger. The product of the average mixtures, which
    is returned, need therefore not be a Nash equilibrium: its exploitability tells how far from one it is.

    References
    ----------
    S. Hart and A. Mas-Colell, "A Simple Adaptive Procedure Leading to Correlated Equilibrium", Econometrica 68 (2000)
    1127-1150: the procedure above is that of its section 4 (unconditional regrets; theorem B); the paper's main one
    compares pairs of actions and leads to correlated equilibria. J. Hannan, "Approximation to Bayes Risk in Repeated
    Play", Contributions to the Theory of Games 3 (1957) 97-139.
    """
    rng = np.random.default_rng(seed)
    mixture = [rng.dirichlet(np.ones(count)) for count in game.actions]
    regret: list[Floats] = [np.zeros(count) for count in game.actions]
    total: list[Floats] = [np.zeros(count) for count in game.actions]
    mark: list[Floats] = [np.zeros(count) for count in game.actions]
    best: Mixture = tuple(mixture)
    least, marked = float(game.gains(best).max()), 0
    for played in range(1, rounds + 1):
        values = [game.values(player, mixture) for player in range(game.players)]
        for player, (value, own) in enumerate(zip(values, mixture, strict=True)):
            regret[player] += value - value @ own
            total[player] += own
        if played % _LOOK == 0:
            averages = [tuple(one / played for one in total)]
            if played > marked:
                averages.append(
                    tuple((one - old) / (played - marked) for one, old in zip(total, mark, strict=True))
                )
            for candidate in (*averages, tuple(mixture)):
                gain = float(game.gains(candidate).max())
                if gain < least:
                    best, least = tuple(own.copy() for own in candidate), gain
            if least <= tolerance:
                return best, played
            if played >= 2 * max(marked, _LOOK):  # forget the first half, in which all are far off
                mark, marked = [one.copy() for one in total], played
        mixture = [_matched(one) for one in regret]
    return best, rounds


def _matched(regret: Floats) -> Floats:
    """Return probabilities in proportion to positive regrets; all alike where there is none."""
    positive = np.maximum(regret, 0.0)
    total = float(positive.sum())
    return positive / total if total > 0 else np.full(len(regret), 1.0 / len(regret))
