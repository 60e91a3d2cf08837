"""The best-response graph of a game: where players who move one at a time come to rest, or go in circles."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tokenflow_sim.numeric import Ints
from tokenflow_sim.study.normal_form import NormalForm


def moves(form: NormalForm) -> tuple[Ints, Ints, Ints]:
    """Return the edges of the best-response graph: from which profile, to which, and who moves.

    A player moves from a profile where that raises its payoff, to each of its best responses.
    """
    numbers = np.arange(np.prod(form.actions)).reshape(form.actions)
    begin, end, who = [], [], []
    for player in range(form.players):
        own = np.moveaxis(form.payoff[..., player], player, -1)
        at = np.moveaxis(numbers, player, -1)
        best = own.max(axis=-1, keepdims=True)
        gains, replies = own < best, own == best
        # every profile from which a move gains, joined with every best response in its line
        line, source = np.nonzero(gains.reshape(-1, gains.shape[-1]))
        flat_replies, flat_at = replies.reshape(-1, replies.shape[-1]), at.reshape(-1, at.shape[-1])
        row, target = np.nonzero(flat_replies[line])
        begin.append(flat_at[line[row], source[row]])
        end.append(flat_at[line[row], target])
        who.append(np.full(len(row), player))
    return np.concatenate(begin), np.concatenate(end), np.concatenate(who)


def sinks(form: NormalForm) -> list[Ints]:
    """Return the sets of profiles that best responses, one player at a time, never leave once they are there.

    Returns
    -------
    list of ndarray
        Numbers of profiles, the last player's action changing fastest: a single one is a pure equilibrium; of several
        each is reached from each other, and they stand in the order of a walk, as far as one passes them all.

    Notes
    -----
    These are the sink components of the graph whose edges are strict improvements to best responses. From every
    profile one of them is reached with certainty where who moves is drawn (H. P. Young, "The Evolution of
    Conventions", Econometrica 61, 1993, 57-84). Where best responses tie, a walk may also stay where it is: no edge
    stands for that.
    """
    count = int(np.prod(form.actions))
    begin, end, _ = moves(form)
    graph = coo_array((np.ones(len(begin), dtype=np.int8), (begin, end)), shape=(count, count)).tocsr()
    _, component = connected_components(graph, directed=True, connection="strong")
    left = np.zeros(component.max(initial=0) + 1, dtype=bool)
    left[component[begin[component[begin] != component[end]]]] = True
    found = []
    order = np.argsort(component, kind="stable")
    bounds = np.flatnonzero(np.diff(component[order])) + 1
    for members in np.split(order, bounds):
        if not left[component[members[0]]]:
            found.append(_walk(members, graph.indptr.astype(np.int64), graph.indices.astype(np.int64)))
    return sorted(found, key=lambda one: (len(one), int(one[0])))


def _walk(members: Ints, starts: Ints, ends: Ints) -> Ints:
    """Put the profiles of a component in the order in which a walk of best responses meets them first."""
    order: dict[int, None] = {}
    waiting = [int(members.min())]
    while waiting:
        at = waiting.pop()
        if at not in order:
            order[at] = None
            following = ends[starts[at] : starts[at + 1]]
            waiting += [int(one) for one in following[::-1] if int(one) not in order]
    return np.array(list(order), dtype=np.int64)


def dominated(form: NormalForm) -> list[list[int]]:
    """Return each player's actions that do not survive the repeated removal of strictly dominated ones."""
    alive = [list(range(count)) for count in form.actions]
    changed = True
    while changed:
        changed = False
        for player in range(form.players):
            own = form.payoff[np.ix_(*alive, [player])][..., 0]
            rows = np.moveaxis(own, player, 0).reshape(len(alive[player]), -1)
            beaten = (rows[None] > rows[:, None]).all(axis=2).any(axis=1)
            if beaten.any():
                alive[player] = [one for one, gone in zip(alive[player], beaten, strict=True) if not gone]
                changed = True
    return [sorted(set(range(count)) - set(kept)) for count, kept in zip(form.actions, alive, strict=True)]
