"""Correlated and coarse correlated equilibria of a game, as linear programs."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array, csr_array, vstack

from tokenflow_sim.errors import ResultError
from tokenflow_sim.numeric import Floats
from tokenflow_sim.study.normal_form import NormalForm


def correlated(form: NormalForm, objective: Floats, coarse: bool) -> Floats:
    """Return the probabilities of profiles, dims (profile,), that are an equilibrium and maximise an objective.

    Parameters
    ----------
    form : NormalForm
        The game.
    objective : ndarray
        What is maximised, by profile, flat.
    coarse : bool
        Whether a player decides before it is told its action (Moulin and Vial), or after (Aumann).

    Raises
    ------
    ResultError
        If the program cannot be solved.

    Notes
    -----
    With u_i the payoff of player i and p the probability of profiles, for every player and all of its actions a, b

        sum over profiles with a_i = a of p(a) (u_i(a) - u_i(b, a_-i)) >= 0;

    coarse: the sum over all profiles, for every b. The program always has a solution, since a Nash equilibrium is one.

    References
    ----------
    R. J. Aumann, "Subjectivity and Correlation in Randomized Strategies", Journal of Mathematical Economics 1 (1974)
    67-96. H. Moulin and J.-P. Vial, "Strategically Zero-Sum Games", International Journal of Game Theory 7 (1978)
    201-221.
    """
    count = int(np.prod(form.actions))
    rows = vstack([_rows(form, player, coarse) for player in range(form.players)]).tocsr()
    scale = max(float(np.abs(objective).max()), 1e-300)
    solved = linprog(  # type: ignore[call-overload]  # its stub knows no sparse arrays, which it takes
        -objective / scale,
        A_ub=rows,
        b_ub=np.zeros(rows.shape[0]),
        A_eq=csr_array(np.ones((1, count))),
        b_eq=[1.0],
        method="highs",
    )
    if solved.status != 0:
        raise ResultError(f"the program of correlated equilibria could not be solved: {solved.message}")
    found: Floats = np.maximum(solved.x, 0.0)
    return found / found.sum()


def _rows(form: NormalForm, player: int, coarse: bool) -> coo_array:
    """Return what a player would gain by another action than it is told: dims (constraint, profile), at most zero."""
    own = np.moveaxis(form.payoff[..., player], player, 0)
    actions = len(own)
    at = np.moveaxis(np.arange(own.size).reshape(form.actions), player, 0).reshape(actions, -1)
    flat = own.reshape(actions, -1)
    span = max(float(np.ptp(own)), 1e-300)  # rows of a like size, whatever the unit of payoffs
    if coarse:
        gain = (flat[:, None, :] - flat[None, :, :]) / span  # other action, told action, rest
        row = np.broadcast_to(np.arange(actions)[:, None, None], gain.shape)
        column = np.broadcast_to(at[None], gain.shape)
        return coo_array((gain.ravel(), (row.ravel(), column.ravel())), shape=(actions, own.size))
    told, other = np.nonzero(~np.eye(actions, dtype=bool))
    gain = (flat[other] - flat[told]) / span
    row = np.broadcast_to(np.arange(len(told))[:, None], gain.shape)
    return coo_array((gain.ravel(), (row.ravel(), at[told].ravel())), shape=(len(told), own.size))


def gains(form: NormalForm, probability: Floats, coarse: bool) -> Floats:
    """Return the most that each player could gain in all by not doing what it is told, dims (player,)."""
    found = []
    for player in range(form.players):
        span = max(float(np.ptp(form.payoff[..., player])), 1e-300)
        gain = (_rows(form, player, coarse) @ probability) * span
        count = form.actions[player]
        if coarse or count == 1:
            found.append(max(float(gain.max(initial=0.0)), 0.0))
        else:  # the best other action for each that it may be told
            found.append(float(np.maximum(gain.reshape(count, count - 1).max(axis=1), 0.0).sum()))
    return np.array(found)
