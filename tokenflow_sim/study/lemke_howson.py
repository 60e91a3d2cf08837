"""Equilibria of two-player games by the algorithm of Lemke and Howson, with lexicographic pivots."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tokenflow_sim.study.normal_form import Floats, Mixture, NormalForm

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
        rounding lost the way, which the gain at the end tells, nothing is yielded for that label.

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
