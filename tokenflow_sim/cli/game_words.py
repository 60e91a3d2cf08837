"""What `tokenflow game` is given in words: actions, mixtures, learners, and what to find.

Each function adds what it cannot read to a list of faults, so that all are reported together.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tokenflow_sim.cli.strategies import parse_strategies
from tokenflow_sim.errors import Fault, InputError, unknown_name

if TYPE_CHECKING:
    from tokenflow_sim.games.game import Game
    from tokenflow_sim.games.tabulated import Asked

FOUND = ("pure", "mixed", "correlated", "coarse", "cycles", "dominated", "collusive", "pareto")
"""What can be found without a parameter of its own."""
_OF_PLAYER = re.compile(r"(?P<name>[^=(]+)=(?P<rest>.*)", re.DOTALL)
_HOW = "write a,b,c or start:stop:step, for one player NAME=a,b,c; one number for each class as [0.1, 0.2]"


def as_options(faults: Sequence[Fault], named_by: str) -> list[Fault]:
    """Return faults that Python's `tf.game` would tell, with its arguments named as the command's options.

    Parameters
    ----------
    faults : sequence of Fault
        What was found.
    named_by : str
        The option that said who plays.
    """
    options = {
        "providers": named_by,
        "actions": "--actions",
        "play": "--play",
        "most": "--most",
        "period": "--period",
    }
    return [
        replace(
            fault,
            place=re.sub(r"^\w+", lambda match: options.get(match[0], match[0]), fault.place),
            message=fault.message.replace("`most`", "--most"),
        )
        for fault in faults
    ]


def parse_actions(texts: Sequence[str] | None, faults: list[Fault]) -> Any:
    """Read the actions: one list for all players, or a list for each by name.

    Parameters
    ----------
    texts : sequence of str or None
        ``0,0.5,1``, ``0:1:0.25`` with both ends, or ``ada=0,0.5`` for one player; a list of numbers, one for each
        class, may stand for a number: ``[0.1, 0.2],[0.3, 0.4]``.
    faults : list of Fault
        Takes everything that cannot be read. What the actions may be, the game checks.
    """
    from tokenflow_sim.study.sampling import Distribution, read_values

    found: dict[str, list[Any]] = {}
    if not texts:
        faults.append(Fault(f"is missing: {_HOW}", "--actions"))
    for text in texts or ():
        name, equals, values = (part.strip() for part in text.rpartition("="))
        place = f"--actions {text}"
        if equals and not name:
            faults.append(Fault(_HOW, place))
            continue
        if name in found:
            who = f"actions of {name}" if name else "actions for all"
            faults.append(Fault(f"the {who} are given more than once", place))
            continue
        found[name] = []
        try:
            read = read_values(values) if values else []
        except InputError as error:
            faults += [Fault(fault.message, place) for fault in error.faults]
            continue
        if isinstance(read, Distribution):
            faults.append(Fault(f"a game has a list of actions, no distribution: {_HOW}", place))
            continue
        found[name] = read
    if "" in found and len(found) > 1:
        faults.append(Fault("give one list for all players, or a list for each by name", "--actions"))
    return found.get("", found)


def parse_mixture(texts: Sequence[str] | None, faults: list[Fault]) -> dict[str, list[float]] | None:
    """Read the probabilities of each player's actions, e.g. ``ada=0.5,0.5``; None where none are given."""
    found: dict[str, list[float]] = {}
    for text in texts or ():
        name, equals, values = (part.strip() for part in text.rpartition("="))
        try:
            numbers = [float(one) for one in values.split(",")]
        except ValueError:
            numbers = []
        if not (equals and name and numbers):
            faults.append(
                Fault("give a player and its probabilities, e.g. NAME=0.5,0.5", f"--mixture {text}")
            )
        elif name in found:
            faults.append(Fault(f"the mixture of {name} is given more than once", f"--mixture {text}"))
        else:
            found[name] = numbers
    return found or None


def parse_learners(texts: Sequence[str] | None, faults: list[Fault]) -> Any:
    """Read who plays: one learner for all players, or one for each by name; None where nothing is to be played.

    Parameters
    ----------
    texts : sequence of str or None
        ``q_learning(rate=0.15, decay=4e-6)``, or ``ada=ucb1`` for one player.
    faults : list of Fault
        Takes everything that cannot be read.
    """
    found: dict[str, Any] = {}
    for text in texts or ():
        match = _OF_PLAYER.fullmatch(text)
        name, written = (match["name"].strip(), match["rest"]) if match else ("", text)
        try:
            read = parse_strategies(written, "--learner")
        except InputError as error:
            faults += error.faults
            continue
        if len(read) > 1:
            faults.append(
                Fault("name one learner; repeat the option, with NAME=, for others", f"--learner {text}")
            )
        if name in found:
            who = f"learner of {name}" if name else "learner of all"
            faults.append(Fault(f"the {who} is given more than once", f"--learner {text}"))
        found[name] = read[0]
    if "" in found and len(found) > 1:
        faults.append(Fault("give one learner for all players, or one for each by name", "--learner"))
    return found.get("", found) if found else None


def parse_found(text: str, faults: list[Fault]) -> list[str]:
    """Read what to find; names that are not known are added to the faults."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if names == ["none"]:
        return []
    faults += [Fault(unknown_name("solution", name, FOUND), "--find") for name in names if name not in FOUND]
    return list(dict.fromkeys(names))


def check_tolerance(tolerance: float, faults: list[Fault]) -> None:
    """Add to the faults a tolerance of pure equilibria that is none."""
    if not 0 <= tolerance < float("inf"):
        faults.append(Fault(f"must be a finite number from 0 on; found {tolerance:g}", "--tolerance"))


def faults_of_names(
    game: Game | Asked | None,
    objective: str | None,
    leaders: Sequence[str],
    mixture: dict[str, list[float]] | None,
    learner: Any,
    deviating: str | None,
) -> list[Fault]:
    """Return what does not fit the players and actions of a game, before anything is cleared or played.

    Parameters
    ----------
    game : Game or Asked
        The game; None where it is not known, and only learners can be checked.
    objective : str or None
        Of correlated equilibria; None where none are wanted, or none was named.
    leaders : sequence of str
        Who moves first.
    mixture, learner
        As read.
    deviating : str or None
        Who deviates.
    """
    from tokenflow_sim.games.given import mixture_of
    from tokenflow_sim.games.playing import rules_of

    if game is None:
        return []
    faults, players = list[Fault](), tuple(game.players)
    moments = ("welfare", "payment")
    goals = (*(name for name in moments if game.has(name)), "payoff", *players)
    if objective is not None and objective not in goals:
        faults.append(Fault(unknown_name("objective", objective, goals), "--objective"))
    for option, names in (("--leader", leaders), ("--deviating", [] if deviating is None else [deviating])):
        faults += [
            Fault(unknown_name("player", name, players), option) for name in names if name not in players
        ]
    own: list[Fault] = []
    if mixture is not None:
        mixture_of(mixture, players, game.sizes, own)
    rules = () if learner is None else rules_of(learner, players, {}, own)
    faults += [Fault(one.message, _option(one.place)) for one in own]
    if deviating is not None and any(not rule.remembers for rule in rules):
        text = "nobody answers to a deviation who remembers nothing: let q_learning play, with a memory"
        faults.append(Fault(text, "--deviating"))
    return faults


def _option(place: str) -> str:
    """Return the place of a fault as an option of the command line."""
    return f"--{place}" if place.startswith(("mixture", "learner")) else f"--learner {place}"
