"""``Game.play``: repeated play of a game by learners, checked, shared among processes, and resumed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tokenflow_sim.disk import write_whole
from tokenflow_sim.errors import Fault, ResultError, unknown_name
from tokenflow_sim.games.learners.bandits import EXP3, UCB1, EpsilonGreedy
from tokenflow_sim.games.learners.base import Rule
from tokenflow_sim.games.learners.belief import BestResponse, FictitiousPlay
from tokenflow_sim.games.learners.q_learning import QLearning
from tokenflow_sim.games.learners.roth_erev import RothErev
from tokenflow_sim.games.played import Played, played_of
from tokenflow_sim.games.repeated import Group, RepeatedPlay, play
from tokenflow_sim.games.table import GameTable
from tokenflow_sim.results.lock import Lock
from tokenflow_sim.results.plan import running_versions
from tokenflow_sim.study.arguments import refuse
from tokenflow_sim.study.executor import Executor, Progress, check_workers
from tokenflow_sim.study.store import begin_folder, remove_parts, resolve_links

RULES: dict[str, type[Any]] = {
    "q_learning": QLearning,
    "roth_erev": RothErev,
    "epsilon_greedy": EpsilonGreedy,
    "ucb1": UCB1,
    "exp3": EXP3,
    "fictitious_play": FictitiousPlay,
    "best_response": BestResponse,
}
"""The learners there are, by the names that strategies have too."""
_WIDEST = 1024  # sessions of a group: more are no faster, and take more memory
_BYTES = 2_000_000_000  # of what the learners of a group remember
_FORMAT = "tokenflow_sim play 1"


def play_game(
    game: GameTable,
    learner: str | Mapping[str, Any] | Rule,
    *,
    sessions: int,
    periods: int,
    stop: int | None,
    seed: int,
    moves: str,
    window: int,
    out: str | Path | None,
    workers: int | None,
    progress: Progress | None,
    parameters: Mapping[str, Any],
) -> Played:
    """Play a game; see `game.Game.play`."""
    faults: list[Fault] = []
    rules = rules_of(learner, game.players, parameters, faults)
    faults += faults_of_play(sessions, periods, window, seed, stop, workers)
    if moves not in ("simultaneous", "alternating"):
        faults.append(Fault(unknown_name("choice", moves, ("simultaneous", "alternating")), "moves"))
    payoff = np.asarray(game.payoff.values, dtype=np.float64).reshape(game.profiles, len(game.players))
    if infeasible := int(np.isnan(payoff).any(axis=1).sum()):
        text = (
            f"{infeasible:,} of {game.profiles:,} profiles are not feasible, and learners would come to them; leave"
            " out the actions that bring them about, or give demand a value"
        )
        faults.append(Fault(text, "game"))
    refuse(faults, "play")
    spec = RepeatedPlay(
        payoff, game.form.actions, rules, periods, stop, seed, moves == "alternating", min(window, periods),
        None if out is None else str(resolve_links(out)),
    )  # fmt: skip
    return played_of(game, spec, play_sessions(spec, sessions, workers, progress))


def faults_of_play(
    sessions: object, periods: object, window: object, seed: object, stop: object, workers: int | None
) -> list[Fault]:
    """Return what is wrong in how much is to be played."""
    faults: list[Fault] = []
    for name, value, least in (
        ("sessions", sessions, 1),
        ("periods", periods, 1),
        ("window", window, 1),
        ("seed", seed, 0),
    ):
        faults += _whole(name, value, least)
    if stop is not None:
        faults += _whole("stop", stop, 1)
    check_workers(workers, faults)
    return faults


def play_sessions(
    spec: RepeatedPlay, sessions: int, workers: int | None, progress: Progress | None
) -> dict[str, Any]:
    """Play so many sessions, on several processes where there are any, and return what became of each.

    Raises
    ------
    ResultError
        If the folder of the play holds other play, or cannot be written.
    """
    with Executor(workers) as executor, _folder(spec, sessions) as width:
        size = width or _width(spec, sessions, executor.size)
        groups = [
            Group(number, first, min(first + size, sessions))
            for number, first in enumerate(range(0, sessions, size))
        ]
        if spec.folder is not None and width is None:
            _begin(spec, sessions, size)
        found = _all(spec, groups, executor, _Count(progress, sessions, spec.periods))
    return {
        name: np.concatenate([one[name] for one in found], axis=1 if name == "history" else 0)
        for name in found[0]
    }


def _all(spec: RepeatedPlay, groups: list[Group], executor: Executor, count: _Count) -> list[dict[str, Any]]:
    """Play all groups, on several processes where there are any."""
    if executor.size < 2 or len(groups) < 2:
        found = []
        for group in groups:
            found.append(play(spec, group, count.within))
            count.end(group)
        return found
    by_position: dict[int, dict[str, Any]] = {}
    for result in executor.run(spec, groups):
        if result.kind:
            raise ResultError(
                f"sessions could not be played: {result.kind}: {result.message}\n{result.trace}"
            )
        by_position[result.position] = result.value
        count.end(groups[result.position])
    return [by_position[group.position] for group in groups]


class _Count:
    """Reports how many periods of all sessions are done, those not needed among them."""

    def __init__(self, progress: Progress | None, sessions: int, periods: int) -> None:
        self._progress, self._periods, self._all = progress, periods, sessions * periods
        self._done = 0

    def within(self, done: int) -> None:
        """Report periods of the group that is being played."""
        if self._progress is not None:
            self._progress(self._done + done, self._all)

    def end(self, group: Group) -> None:
        """Report that a group is finished."""
        self._done += (group.last - group.first) * self._periods
        self.within(0)


def _width(spec: RepeatedPlay, sessions: int, workers: int) -> int:
    """Return how many sessions to play at once: no result depends on it."""
    remembers = [
        size * (spec.states if rule.remembers else 1)
        for rule, size in zip(spec.rules, spec.sizes, strict=True)
    ]
    each = 8 * (sum(remembers) + 2 * spec.window + spec.samples * len(spec.sizes))
    return int(max(1, min(_WIDEST, -(-sessions // workers), _BYTES // each)))


def _whole(name: str, value: object, least: int) -> list[Fault]:
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= least:
        return []
    return [Fault(f"must be a whole number from {least} on; found {value!r:.60}", name)]


def rules_of(
    learner: Any, players: tuple[str, ...], parameters: Mapping[str, Any], faults: list[Fault]
) -> tuple[Rule, ...]:
    """Return each player's rule; what is wrong is added to the faults."""
    if isinstance(learner, Mapping) and "name" not in learner:
        faults += [
            Fault(unknown_name("player", name, players), "learner") for name in learner if name not in players
        ]
        lacking = [name for name in players if name not in learner]
        if lacking:
            faults.append(Fault(f"lacks {', '.join(lacking)}", "learner"))
        chosen = [
            _rule(learner[name], parameters, f"learner[{name!r}]", faults)
            for name in players
            if name in learner
        ]
    else:
        chosen = [_rule(learner, parameters, "learner", faults)] * len(players)
    return tuple(rule for rule in chosen if rule is not None)


def _rule(given: Any, parameters: Mapping[str, Any], place: str, faults: list[Fault]) -> Rule | None:
    """Return the rule of a name, of a name with parameters, or a rule as it is."""
    own = dict(parameters)
    if isinstance(given, Mapping):
        own |= given
        given = own.pop("name", None)
    if isinstance(given, str):
        if given not in RULES:
            faults.append(Fault(unknown_name("learner", given, list(RULES)), place))
            return None
        kind = RULES[given]
        rule: Any = None
    elif is_dataclass(given) and not isinstance(given, type) and hasattr(given, "learner"):
        kind, rule = type(given), given
    else:
        faults.append(Fault(f"must be a learner's name, or one for each player; found {given!r:.80}", place))
        return None
    known = [field.name for field in fields(kind)]
    unknown = [name for name in own if name not in known]
    if unknown:
        faults += [
            Fault(unknown_name(f"parameter of {kind.__name__}", name, known), place) for name in unknown
        ]
        return None
    made: Rule = kind(**own) if rule is None else replace(rule, **own)
    faults += [
        Fault(one.message, one.place if place == "learner" else f"{place}.{one.place}")
        for one in made.faults()
    ]
    return made


@contextmanager
def _folder(spec: RepeatedPlay, sessions: int) -> Iterator[int | None]:
    """Hold the folder that play is kept in; yield the width of its groups, where it is gone on with.

    Raises
    ------
    ResultError
        If it holds other play, or something else.
    """
    if spec.folder is None:
        yield None
        return
    folder = Path(spec.folder)
    with Lock(folder):
        file = folder / "play.json"
        if not file.exists():
            begin_folder(folder, "play")
            yield None
            return
        remove_parts(folder)
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
            width = int(found.pop("width"))
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise ResultError(
                f"{file}: cannot be read ({error}); remove {folder}, or choose another name"
            ) from None
        head = _head(spec, sessions)
        differing = [name for name in head if found.get(name) != head[name]]
        if differing:
            raise ResultError(
                f"{folder}: holds other play: {', '.join(differing)} differ; choose another name, or remove it"
            )
        yield width


def _head(spec: RepeatedPlay, sessions: int) -> dict[str, Any]:
    """Return what all results depend on."""
    return {
        "format": _FORMAT,
        "versions": running_versions(),
        "payoffs": hashlib.blake2b(spec.payoff.tobytes(), digest_size=16).hexdigest(),
        "actions": list(spec.sizes),
        "learners": [repr(rule) for rule in spec.rules],
        "sessions": sessions,
        "periods": spec.periods,
        "stop": spec.stop,
        "seed": spec.seed,
        "moves": "alternating" if spec.turns else "simultaneous",
        "window": spec.window,
    }


def _begin(spec: RepeatedPlay, sessions: int, width: int) -> None:
    assert spec.folder is not None
    write_whole(
        Path(spec.folder) / "play.json", json.dumps(_head(spec, sessions) | {"width": width}).encode()
    )
