"""Games in normal form, and their mixed equilibria by Lemke and Howson or by regret matching."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from tokenflow_sim.numeric import Floats as Floats

Mixture = tuple[Floats, ...]
"""A probability for each action of each player."""


@dataclass(frozen=True, eq=False)
class NormalForm:
    """A finite game.

    Parameters
    ----------
    payoff : ndarray
        Dims (action of the first player, ..., action of the last, player); all finite.
    """

    payoff: Floats

    @property
    def actions(self) -> tuple[int, ...]:
        """How many actions each player has."""
        return self.payoff.shape[:-1]

    @property
    def players(self) -> int:
        """How many players there are."""
        return int(self.payoff.shape[-1])

    @cached_property
    def _by_player(self) -> tuple[Floats, ...]:
        """Payoffs of each player, dims (own action, actions of the others in their order)."""
        return tuple(
            np.ascontiguousarray(np.moveaxis(self.payoff[..., player], player, 0))
            for player in range(self.players)
        )

    def values(self, player: int, mixture: Sequence[Floats]) -> Floats:
        """Return what each action of a player brings against the mixtures of the others, dims (action,)."""
        found = self._by_player[player]
        for other in reversed(range(self.players)):
            if other != player:
                own = mixture[other]
                found = found.reshape(-1, len(own)) @ own
        return found

    def expected(self, mixture: Sequence[Floats]) -> Floats:
        """Return expected payoffs, dims (player,)."""
        return np.array(
            [float(self.values(player, mixture) @ mixture[player]) for player in range(self.players)]
        )

    def gains(self, mixture: Sequence[Floats]) -> Floats:
        """Return what each player could gain by moving alone to its best action, dims (player,).

        The largest of them is the mixture's exploitability, or Nash gap: zero at an equilibrium and nowhere else.
        """
        best = [self.values(player, mixture).max() for player in range(self.players)]
        return np.maximum(np.array(best) - self.expected(mixture), 0.0)

    def pure_equilibria(self, tolerance: float = 0.0) -> list[tuple[int, ...]]:
        """Return all profiles of single actions at which nobody gains more than the tolerance by moving alone."""
        stable = np.ones(self.actions, dtype=bool)
        for player in range(self.players):
            own = self.payoff[..., player]
            stable &= own >= own.max(axis=player, keepdims=True) - tolerance
        return [tuple(int(place) for place in found) for found in np.argwhere(stable)]

    def pure(self, profile: Sequence[int]) -> Mixture:
        """Return the mixture that plays a profile for certain."""
        return tuple(np.eye(count)[place] for count, place in zip(self.actions, profile, strict=True))


_PENALTY = 10.0  # times the range of payoffs


def penalised(payoff: Floats) -> Floats:
    """Return payoffs with a penalty where they are not a number, since the market could not be cleared.

    What leaves demand unserved that must be served is worse than all that does not, by ten times their range.
    """
    if not np.isnan(payoff).any():
        return payoff
    low, high = float(np.nanmin(payoff)), float(np.nanmax(payoff))
    return np.where(np.isnan(payoff), low - _PENALTY * max(high - low, 1.0), payoff)


def profiles(actions: Sequence[int]) -> list[tuple[int, ...]]:
    """Return all profiles of so many actions each, the last player's changing fastest."""
    return list(product(*(range(count) for count in actions)))


def alike(one: Mixture, other: Mixture, within: float) -> bool:
    """Say whether no probability differs by more than so much."""
    return all(bool(np.abs(a - b).max() <= within) for a, b in zip(one, other, strict=True))


_PIVOTS = 100_000
_TINY = 1e-11  # a pivot below it, in a table whose entries are about 1, is a zero after rounding
_GOOD = 1e-7  # gain, as a share of the range of payoffs, above which rounding has lost the way


def lemke_howson(game: NormalForm, labels: int | None = None) -> Iterator[Mixture]:
    """Find equilibria of a game of two, one from each label that is dropped first.

    Parameters
    ----------
    game : NormalForm
        Two players with m and n actions.
    labels : int, optional
        How many of the m + n labels to drop, evenly over both players' actions; all if left out.

    Yields
    ------
    tuple of ndarray
        Probabilities of both players' actions; m + n times at most, the same one many times over as a rule. Where
        rounding lost the way, which the gain at the end shows, nothing is yielded for that label.

    Raises
    ------
    ValueError
        If there are not two players.

    Notes
    -----
    Every game has an equilibrium that is found from each label; equilibria that no path from the artificial one
    reaches are not found. Ratio tests are lexicographic, since games of markets are degenerate: several best replies
    to one action are the rule where prices come in steps, and pivots on ties may go in circles.

    References
    ----------
    C. E. Lemke and J. T. Howson, "Equilibrium Points of Bimatrix Games", Journal of the Society for Industrial and
    Applied Mathematics 12 (1964) 413-423. B. von Stengel, "Computing Equilibria for Two-Person Games", Handbook of
    Game Theory 3 (2002) ch. 45: polytopes and labels (section 2.3), lexicographic pivots (section 2.6).
    """
    if game.players != 2:
        raise ValueError(f"Lemke and Howson's algorithm is for two players; found {game.players}")
    first, second = game.payoff[..., 0], game.payoff[..., 1]
    span = max(float(np.ptp(first)), float(np.ptp(second)), 1e-300)
    # Positive payoffs of a like size: neither a constant nor a unit changes an equilibrium.
    ours, theirs = ((pay - pay.min()) / max(float(np.ptp(pay)), 1e-300) + 1.0 for pay in (first, second))
    count = sum(game.actions)
    dropped = np.linspace(0, count - 1, count if labels is None else min(labels, count)).round()
    for label in dict.fromkeys(dropped.astype(int).tolist()):
        found = _path(ours, theirs, label)
        if found is not None and float(game.gains(found).max()) <= _GOOD * span:
            yield found


def _path(ours: Floats, theirs: Floats, label: int) -> Mixture | None:
    """Follow the path of one dropped label; None where it does not end."""
    m, n = ours.shape
    # Labels: 0 to m - 1 are the first player's actions, m to m + n - 1 the second's. The first table is the polytope
    # of the first player's mixtures, theirs' x <= 1, with slacks for the second's actions; the second the other way.
    tables = [
        np.hstack([theirs.T, np.eye(n), np.ones((n, 1))]),
        np.hstack([np.eye(m), ours, np.ones((m, 1))]),
    ]
    slacks = [np.arange(m, m + n), np.arange(m)]
    bases = [np.arange(m, m + n), np.arange(m)]
    entering, side = label, 0 if label < m else 1
    for _ in range(_PIVOTS):
        row = _leaving(tables[side], entering, slacks[side])
        if row is None:
            return None
        leaving = int(bases[side][row])
        _pivot(tables[side], row, entering)
        bases[side][row] = entering
        if leaving == label:
            return _mixture(tables, bases, m, n)
        entering, side = leaving, 1 - side
    return None


def _leaving(table: Floats, column: int, slacks: np.ndarray[tuple[int], np.dtype[np.int64]]) -> int | None:
    """Return the row of the least ratio, ties by the columns that began as the unit matrix, one after the other."""
    rows = np.flatnonzero(table[:, column] > _TINY)
    if not len(rows):
        return None
    for place in (-1, *slacks):
        ratio = table[rows, place] / table[rows, column]
        rows = rows[ratio <= ratio.min() + _TINY * (1.0 + abs(float(ratio.min())))]
        if len(rows) == 1:
            break
    return int(rows[0])


def _pivot(table: Floats, row: int, column: int) -> None:
    table[row] /= table[row, column]
    others = np.arange(len(table)) != row
    table[others] -= np.outer(table[others, column], table[row])


def _mixture(
    tables: list[Floats], bases: list[np.ndarray[tuple[int], np.dtype[np.int64]]], m: int, n: int
) -> Mixture | None:
    weights = np.zeros(m + n)
    for side, (low, high) in enumerate(((0, m), (m, m + n))):
        own = (bases[side] >= low) & (bases[side] < high)
        weights[bases[side][own]] = np.maximum(tables[side][own, -1], 0.0)
    one, other = weights[:m], weights[m:]
    if one.sum() <= 0 or other.sum() <= 0:
        return None
    return one / one.sum(), other / other.sum()


_LOOK = 50  # rounds between looks at what is still to be gained


def regret_matching(
    game: NormalForm,
    rounds: int = 5_000,
    tolerance: float = 0.0,
    seed: int = 0,
    finish: Callable[[Mixture], Mixture | None] | None = None,
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
    finish : callable, optional
        Asked after 50 rounds, 100, 200, 400 and so on what equilibrium the best mixture so far points to; the first
        that it returns ends the search, None lets it go on.

    Returns
    -------
    mixture : tuple of ndarray
        Probabilities of each player's actions: what `finish` returned, or of the average ones (over all rounds, and
        over the latter half of them) and the present ones that were looked at, those with the least exploitability.
    rounds : int
        Rounds played.

    Notes
    -----
    In every round each player plays its actions in proportion to the positive part of its regret: what an action
    would have brought in all rounds so far, less what was earned. Payoffs are expected ones, so that nothing is drawn
    but the start. Average regrets vanish, and with them what anybody could gain by one action in place of all it
    played: the joint play approaches the set of coarse correlated equilibria (Hannan's set), which for two players of
    a zero-sum game is that of Nash equilibria and in other games is larger. The product of the average mixtures, which
    is returned, need therefore not be a Nash equilibrium: its exploitability measures how far from one it is.

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
    least, marked, asked = float(game.gains(best).max()), 0, _LOOK
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
            if finish is not None and played >= asked:
                if (ended := finish(best)) is not None:
                    return ended, played
                asked = 2 * played
            if played >= 2 * max(marked, _LOOK):  # forget the first half, in which all are far off
                mark, marked = [one.copy() for one in total], played
        mixture = [_matched(one) for one in regret]
    return best, rounds


def _matched(regret: Floats) -> Floats:
    """Return probabilities in proportion to positive regrets; all alike where there is none."""
    positive = np.maximum(regret, 0.0)
    total = float(positive.sum())
    return positive / total if total > 0 else np.full(len(regret), 1.0 / len(regret))
