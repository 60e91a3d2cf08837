"""Mixed equilibria of a finite game: exact ones for two players, and for more those that regret matching points to."""

from __future__ import annotations

from itertools import combinations, pairwise, product
from math import prod

import numpy as np
from scipy.optimize import least_squares

from tokenflow_sim.numeric import Floats, Ints
from tokenflow_sim.study.normal_form import Mixture, NormalForm, alike, lemke_howson, regret_matching

_SAME = 1e-6  # probabilities up to which two equilibria are one
_NEAR = 0.02  # the same of two approximate ones
_EXACT = 1e-9  # gain, as a share of the range of payoffs, up to which an equilibrium is exact
_PLAYED = (1e-2, 1e-3, 5e-2)  # probability from which an action may belong to the support
_SUPPORTS = 20_000  # pairs of supports that are tried at most
_TRIED = 3_000  # supports of more than two players that are tried at most, a millisecond each
_STEPS = 25  # of Newton's method
_SOLVED = 1e-13  # by how much its equations may not hold, of payoffs that range over one
_FAR = 10.0  # where no probability comes back from


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

    def exact(mixture: Mixture, bounded: bool = False) -> Mixture | None:
        """Return the equilibrium that a mixture points to; None where it points to none."""
        near = polished(form, mixture, bounded)
        return near if near is not None and float(form.gains(near).max()) <= _EXACT * span else None

    for beginning in range(starts if form.players > 1 else 0):
        # Supports show long before averages have come near: what they point to is tried on the way.
        mixture, played = regret_matching(form, rounds, 0.0, seed + beginning, exact)
        ended = mixture if played < rounds else exact(mixture, bounded=True)
        if ended is not None:
            _add(found, ended, "support", _SAME)
        else:
            _add(found, mixture, "regret_matching", _NEAR)
    if form.players > 1 and all(method == "regret_matching" for _, method in found):
        found += [(mixture, "support") for mixture in _by_supports(form, _EXACT * span)]
    return sorted(found, key=lambda one: float(form.gains(one[0]).max()))


def _add(found: list[tuple[Mixture, str]], mixture: Mixture, method: str, within: float) -> None:
    if not any(alike(mixture, other, within) for other, _ in found):
        found.append((mixture, method))


def _by_supports(form: NormalForm, tolerance: float) -> list[Mixture]:
    """Return the first equilibrium that is found where all supports are tried, small ones first; none if many are."""
    if prod(2**count - 1 for count in form.actions) > _TRIED:
        return []
    every = [
        [own for size in range(1, count + 1) for own in combinations(range(count), size)]
        for count in form.actions
    ]
    for supports in sorted(product(*every), key=lambda one: sum(map(len, one))):
        even = tuple(
            np.isin(np.arange(count), own) / len(own)
            for count, own in zip(form.actions, supports, strict=True)
        )
        found = _solved(form, even, [np.array(own) for own in supports], bounded=False)
        if found is not None and float(form.gains(found).max()) <= tolerance:
            return [found]
    return []


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


def polished(form: NormalForm, mixture: Mixture, bounded: bool = True) -> Mixture | None:
    """Return the mixture near another one that makes every player indifferent among what it plays there.

    Several thresholds for what counts as played are tried; the result is the one with the least left to gain, and need
    not be an equilibrium. None where no system of equations could be solved.

    Parameters
    ----------
    form : NormalForm
        The game.
    mixture : tuple of ndarray
        The mixture to begin at.
    bounded : bool
        Whether, where Newton's method finds no probabilities, the least squares of what remains are taken within
        bounds, which takes some ten times as long.
    """
    best: tuple[float, Mixture] | None = None
    tried: set[tuple[tuple[int, ...], ...]] = set()
    for threshold in _PLAYED:
        supports = [np.flatnonzero(own > threshold) for own in mixture]
        key = tuple(tuple(own.tolist()) for own in supports)
        if key in tried or not all(key):
            continue
        tried.add(key)
        found = _solved(form, mixture, supports, bounded)
        if found is None:
            continue
        gain = float(form.gains(found).max())
        if best is None or gain < best[0]:
            best = (gain, found)
    return None if best is None else best[1]


def _solved(form: NormalForm, mixture: Mixture, supports: list[Ints], bounded: bool) -> Mixture | None:
    """Solve for the mixture of supports at which everybody is indifferent among its own."""
    system = _Indifference(form, supports)
    start = [own[place] / own[place].sum() for own, place in zip(mixture, supports, strict=True)]
    values = system.newton(np.concatenate(start))
    if values is None and bounded:
        values = least_squares(
            system.residual,
            np.concatenate(start),
            system.slopes,
            (0.0, 1.0),
            xtol=1e-15,
            ftol=1e-15,
            gtol=1e-15,
        ).x
    if values is None:
        return None
    found = []
    for own, place, part in zip(mixture, supports, system.parts(values), strict=True):
        whole = np.zeros(len(own))
        whole[place] = part
        found.append(whole / whole.sum() if whole.sum() > 0 else own)
    return tuple(found)


class _Indifference:
    """The equations of a support: what each player plays is equally good to it, and its probabilities add up to one.

    Parameters
    ----------
    form : NormalForm
        The game.
    supports : list of ndarray of int
        What each player plays.
    """

    def __init__(self, form: NormalForm, supports: list[Ints]) -> None:
        payoff = form.payoff[np.ix_(*supports)]
        span = np.ptp(form.payoff.reshape(-1, form.players), axis=0)
        self.form = NormalForm(payoff / np.maximum(span, 1e-300))
        self.bounds = np.cumsum([0, *self.form.actions])

    def parts(self, values: Floats) -> Mixture:
        """Return the probabilities of each player."""
        return tuple(values[first:last] for first, last in pairwise(self.bounds.tolist()))

    def residual(self, values: Floats) -> Floats:
        """Return by how much the equations do not hold, dims (equation,)."""
        parts, rest = self.parts(values), list[Floats]()
        for player, part in enumerate(parts):
            value = self.form.values(player, parts)
            rest += [value[1:] - value[:1], np.array([part.sum() - 1.0])]
        return np.concatenate(rest)

    def slopes(self, values: Floats) -> Floats:
        """Return the derivatives of what `residual` returns, dims (equation, probability)."""
        parts = self.parts(values)
        found = np.zeros((len(values), len(values)))
        for player, size in enumerate(self.form.actions):
            first = int(self.bounds[player])
            for other in range(self.form.players):
                if other == player:
                    continue
                slope = self.form.payoff[..., player]
                for third in reversed(range(self.form.players)):
                    if third not in (player, other):
                        slope = np.tensordot(slope, parts[third], axes=(third, 0))
                slope = slope if player < other else slope.T
                at = slice(int(self.bounds[other]), int(self.bounds[other + 1]))
                found[first : first + size - 1, at] = slope[1:] - slope[:1]
            found[first + size - 1, first : first + size] = 1.0
        return found

    def newton(self, values: Floats) -> Floats | None:
        """Solve the equations from a beginning on; None where that fails, or leads out of the probabilities."""
        for _ in range(_STEPS):
            rest = self.residual(values)
            if np.abs(rest).max() <= _SOLVED:
                return np.maximum(values, 0.0) if values.min() >= -_SOLVED else None
            try:
                values = values - np.linalg.solve(self.slopes(values), rest)
            except np.linalg.LinAlgError:
                return None
            if not np.abs(values).max() <= _FAR:
                return None
        return None
