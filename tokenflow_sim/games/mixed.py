"""Mixed equilibria of a finite game: exact ones for two players, and for more those that regret matching points to."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from scipy.optimize import least_squares

from tokenflow_sim.numeric import Floats, Ints
from tokenflow_sim.study.normal_form import Mixture, NormalForm, alike, lemke_howson, regret_matching

_SAME = 1e-6  # probabilities up to which two equilibria are one
_NEAR = 0.02  # the same of two approximate ones
_EXACT = 1e-9  # gain, as a share of the range of payoffs, up to which an equilibrium is exact
_PLAYED = (1e-2, 1e-3, 5e-2)  # probability from which an action may belong to the support
_SUPPORTS = 20_000  # pairs of supports that are tried at most


def mixed_equilibria(form: NormalForm, seed: int, starts: int, rounds: int) -> list[tuple[Mixture, str]]:
    """Return equilibria and how each was found: ``pure``, ``lemke_howson``, ``support`` or ``regret_matching``.

    Parameters
    ----------
    form : NormalForm
        The game.
    seed : int
        Of regret matching's beginnings.
    starts, rounds : int
        How many beginnings, and rounds of each at most.
    """
    found: list[tuple[Mixture, str]] = [(form.pure(one), "pure") for one in form.pure_equilibria()]
    if form.players == 2:
        for mixture in lemke_howson(form):
            _add(found, mixture, "lemke_howson", _SAME)
        for mixture in support_enumeration(form):
            _add(found, mixture, "support", _SAME)
        return found
    span = np.array([float(np.ptp(form.payoff[..., player])) for player in range(form.players)]).max()
    for beginning in range(starts if form.players > 1 else 0):
        mixture, _ = regret_matching(form, rounds, 0.0, seed + beginning)
        exact = polished(form, mixture)
        if exact is not None and float(form.gains(exact).max()) <= _EXACT * span:
            _add(found, exact, "support", _SAME)
        else:
            _add(found, mixture, "regret_matching", _NEAR)
    return sorted(found, key=lambda one: float(form.gains(one[0]).max()))


def _add(found: list[tuple[Mixture, str]], mixture: Mixture, method: str, within: float) -> None:
    if not any(alike(mixture, other, within) for other, _ in found):
        found.append((mixture, method))


def support_enumeration(form: NormalForm) -> list[Mixture]:
    """Return the equilibria of two players whose supports have equally many actions: of a regular game, all.

    Supports are tried from small to large, up to a bound on their number; for each pair the probabilities are those
    that make the other player indifferent among its own support.

    References
    ----------
    R. Porter, E. Nudelman and Y. Shoham, "Simple Search Methods for Finding a Nash Equilibrium", Games and Economic
    Behavior 63 (2008) 642-662. B. von Stengel, "Equilibrium Computation for Two-Player Games in Strategic
    and Extensive Form", in N. Nisan et al. (eds.), Algorithmic Game Theory (2007), chapter 3.
    """
    if form.players != 2:
        raise ValueError(f"supports are enumerated for two players; found {form.players}")
    first, second = form.payoff[..., 0], form.payoff[..., 1]
    span = max(float(np.ptp(first)), float(np.ptp(second)), 1e-300)
    found: list[Mixture] = []
    tried = 0
    for size in range(2, min(form.actions) + 1):
        for ours in combinations(range(form.actions[0]), size):
            for theirs in combinations(range(form.actions[1]), size):
                tried += 1
                if tried > _SUPPORTS:
                    return found
                cells = np.ix_(ours, theirs)
                one = _indifferent(second[cells].T)
                other = _indifferent(first[cells])
                if one is None or other is None:
                    continue
                mixture = (_spread(one, ours, form.actions[0]), _spread(other, theirs, form.actions[1]))
                if float(form.gains(mixture).max()) <= _EXACT * span:
                    found.append(mixture)
    return found


def _indifferent(payoff: Floats) -> Floats | None:
    """Return the positive mixture of columns that makes all rows equally good; None where there is not just one."""
    size = payoff.shape[1]
    matrix = np.vstack([payoff[1:] - payoff[:1], np.ones((1, size))])
    scale = max(float(np.abs(matrix).max()), 1.0)
    if np.linalg.matrix_rank(matrix / scale) < size:
        return None
    found = np.linalg.solve(matrix, np.eye(size)[-1])
    return found if found.min() > 0 else None


def _spread(mixture: Floats, support: tuple[int, ...], count: int) -> Floats:
    found = np.zeros(count)
    found[list(support)] = mixture / mixture.sum()
    return found


def polished(form: NormalForm, mixture: Mixture) -> Mixture | None:
    """Return the mixture near another one that makes every player indifferent among what it plays there.

    Several thresholds for what counts as played are tried; the result is the one with the least left to gain, and need
    not be an equilibrium. None where no system of equations could be solved.
    """
    best: tuple[float, Mixture] | None = None
    for threshold in _PLAYED:
        supports = [np.flatnonzero(own > threshold) for own in mixture]
        if any(len(own) == 0 for own in supports):
            continue
        found = _solved(form, mixture, supports)
        gain = float(form.gains(found).max())
        if best is None or gain < best[0]:
            best = (gain, found)
    return None if best is None else best[1]


def _solved(form: NormalForm, mixture: Mixture, supports: list[Ints]) -> Mixture:
    sizes = [len(own) for own in supports]
    bounds = np.cumsum([0, *sizes])
    span = [max(float(np.ptp(form.payoff[..., player])), 1e-300) for player in range(form.players)]

    def whole(values: Floats) -> Mixture:
        parts = []
        for player, own in enumerate(supports):
            part = np.zeros(form.actions[player])
            part[own] = values[bounds[player] : bounds[player + 1]]
            parts.append(part)
        return tuple(parts)

    def residual(values: Floats) -> Floats:
        parts, rest = whole(values), []
        for player, own in enumerate(supports):
            value = form.values(player, parts)[own] / span[player]
            rest += [value[1:] - value[:1], np.array([parts[player].sum() - 1.0])]
        return np.concatenate(rest)

    start = np.concatenate(
        [own[place] / own[place].sum() for own, place in zip(mixture, supports, strict=True)]
    )
    solved = least_squares(residual, start, bounds=(0.0, 1.0), xtol=1e-15, ftol=1e-15, gtol=1e-15)
    return tuple(
        own / own.sum() if own.sum() > 0 else one for own, one in zip(whole(solved.x), mixture, strict=True)
    )
