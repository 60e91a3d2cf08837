"""Finite Markov chains: how often each state comes in the long run."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array, diags_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import spsolve

from tokenflow_sim.numeric import Floats


def long_run(odds: Floats, begin: Floats) -> Floats:
    """Return the share of periods that a chain spends in each state in the long run, dims (state,).

    Parameters
    ----------
    odds : ndarray
        Probabilities of the next state, dims (state, next state).
    begin : ndarray
        Probabilities of the first state, dims (state,).

    Notes
    -----
    The limit of the mean of the first n distributions, which exists for every chain, those that go in circles among
    them. The chain ends in a class of states that it never leaves; each class is reached with a probability that a
    linear system gives, and has one stationary distribution (J. G. Kemeny and J. L. Snell, Finite Markov Chains, 1960,
    chapters 3 and 5).
    """
    count, component = connected_components(csr_array(odds), directed=True, connection="strong")
    leaves = np.zeros(count, dtype=bool)
    source, target = np.nonzero(odds)
    leaves[component[source[component[source] != component[target]]]] = True
    stays = ~leaves[component]
    # What of the beginning comes to each state of a class first: by the visits to all states that are left for good.
    reached = begin.copy()
    passing = np.flatnonzero(~stays)
    if len(passing):
        going = odds[passing]
        going[np.arange(len(passing)), passing] = 0.0
        # The odds of going as a sum, not as one less those of staying: rounding leaves that exact however small it is.
        system = diags_array(going.sum(axis=1)) - csr_array(going[:, passing])
        visits = np.atleast_1d(spsolve(system.T.tocsc(), begin[passing]))
        reached += visits @ going
    found = np.zeros(len(odds))
    for number in np.flatnonzero(~leaves):
        own = np.flatnonzero(component == number)
        found[own] = reached[own].sum() * stationary(odds[np.ix_(own, own)])
    return found / found.sum()


def stationary(odds: Floats) -> Floats:
    """Return the stationary distribution of a chain each of whose states is reached from each, dims (state,).

    Notes
    -----
    States are left out one after the other; no subtraction is needed, so that every share is exact to a few bits
    however seldom some moves are: W. K. Grassmann, M. I. Taksar and D. P. Heyman, "Regenerative Analysis and Steady
    State Distributions for Markov Chains", Operations Research 33 (1985) 1107-1116.
    """
    left = odds.copy()
    for last in range(len(left) - 1, 0, -1):
        left[:last, last] /= left[last, :last].sum()
        left[:last, :last] += np.outer(left[:last, last], left[last, :last])
    found = np.ones(len(left))
    for state in range(1, len(left)):
        found[state] = found[:state] @ left[:state, state]
    return found / found.sum()
