"""Stackelberg's game: one player commits itself, the others answer what is best for them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog

from tokenflow_sim.numeric import Floats
from tokenflow_sim.study.normal_form import NormalForm


@dataclass(frozen=True, eq=False)
class Commitment:
    """What a leader commits itself to, and how the others answer.

    Parameters
    ----------
    profile : tuple of int
        The actions that are played; of a leader that mixes, the one it plays most.
    mixture : ndarray
        Probabilities of the leader's actions.
    payoff : ndarray
        Dims (player,).
    ties : int
        How many answers were open to the followers, all equally good to them (of several followers: how many
        equilibria among them).
    unanswered : int
        Actions of the leader to which several followers have no answer that is an equilibrium in pure strategies; they
        were left out.
    """

    profile: tuple[int, ...]
    mixture: Floats
    payoff: Floats
    ties: int
    unanswered: int


def commit(form: NormalForm, leader: int, strong: bool) -> Commitment | None:
    """Return the leader's best single action; None where the followers have no answer to any.

    Parameters
    ----------
    form : NormalForm
        The game.
    leader : int
        Who commits itself.
    strong : bool
        Whether followers to whom several answers are equally good choose the one that is best for the leader
        (strong Stackelberg equilibrium), or the one that is worst for it (weak).
    """
    best: Commitment | None = None
    unanswered = 0
    for action in range(form.actions[leader]):
        answers = _answers(form, leader, action)
        if not answers:
            unanswered += 1
            continue
        paid = [float(form.payoff[(*one, leader)]) for one in answers]
        place = int(np.argmax(paid) if strong else np.argmin(paid))
        if best is None or paid[place] > best.payoff[leader]:
            one = answers[place]
            mixture = np.eye(form.actions[leader])[action]
            best = Commitment(one, mixture, form.payoff[one].copy(), len(answers), 0)
    if best is None:
        return None
    return Commitment(best.profile, best.mixture, best.payoff, best.ties, unanswered)


def _answers(form: NormalForm, leader: int, action: int) -> list[tuple[int, ...]]:
    """Return the profiles in which all others answer an action of the leader, each best for itself."""
    followers = [player for player in range(form.players) if player != leader]
    rest = NormalForm(np.take(form.payoff, action, axis=leader)[..., followers])
    return [(*one[:leader], action, *one[leader:]) for one in rest.pure_equilibria()]


def commit_mixed(form: NormalForm, leader: int) -> Commitment:
    """Return the best mixture that a leader can commit itself to before one follower (strong Stackelberg).

    Notes
    -----
    For each answer of the follower a linear program finds the mixture that is best for the leader among those to which
    that answer is best (V. Conitzer and T. Sandholm, "Computing the Optimal Strategy to Commit to", ACM Conference on
    Electronic Commerce 2006, 82-90). The follower breaks ties in the leader's favour, which the leader
    can bring about by an arbitrarily small change (B. von Stengel and S. Zamir, "Leadership Games with Convex Strategy
    Sets", Games and Economic Behavior 69, 2010, 446-457).
    """
    follower = 1 - leader
    ours, theirs = (np.moveaxis(form.payoff[..., who], leader, 0) for who in (leader, follower))
    span = max(float(np.ptp(theirs)), 1e-300)
    best: tuple[float, Floats, int] | None = None
    for answer in range(form.actions[follower]):
        others = np.arange(form.actions[follower]) != answer
        gain = (theirs[:, others] - theirs[:, [answer]]).T / span
        solved = linprog(
            -ours[:, answer],
            A_ub=gain if len(gain) else None,
            b_ub=np.zeros(len(gain)) if len(gain) else None,
            A_eq=np.ones((1, len(ours))),
            b_eq=[1.0],
            method="highs",
        )
        if solved.fun is None or solved.x is None:
            continue  # nothing makes this answer best
        if best is None or -solved.fun > best[0]:
            best = (-float(solved.fun), solved.x / solved.x.sum(), answer)
    assert best is not None, "some answer is best to some mixture"
    _, mixture, answer = best
    payoff = np.array([0.0, 0.0])
    payoff[leader], payoff[follower] = mixture @ ours[:, answer], mixture @ theirs[:, answer]
    profile = (int(mixture.argmax()), answer) if leader == 0 else (answer, int(mixture.argmax()))
    worth = mixture @ theirs
    ties = int((worth >= worth[answer] - 1e-9 * span).sum())
    return Commitment(profile, mixture, payoff, ties, 0)
