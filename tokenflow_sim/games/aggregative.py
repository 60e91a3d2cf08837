"""Games of many alike players, in which of the others only the sum of their actions counts, as in Cournot's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from tokenflow_sim.errors import Fault
from tokenflow_sim.games.game import Game
from tokenflow_sim.games.labels import attrs_of
from tokenflow_sim.games.learners.base import Rule
from tokenflow_sim.games.playing import faults_of_play, play_sessions, rules_of
from tokenflow_sim.games.summed import SummedPlay
from tokenflow_sim.numeric import Floats, Ints
from tokenflow_sim.study.arguments import refuse
from tokenflow_sim.study.executor import Progress
from tokenflow_sim.study.store import resolve_links

_EVEN = 1e-9  # of a step, up to which actions are evenly spaced


class AggregativeGame:
    """A game of alike players, each of whom is paid by its own action and by the sum of the others'.

    Six firms with 41 quantities each have 4,750 million profiles, but no firm sees more than 41 times 201 of them:
    such games need no table of profiles.

    Parameters
    ----------
    payoff : callable
        Returns a player's payoffs in $/h for arrays of its own actions and of the others' sums.
    actions : sequence of float
        What each player chooses among: evenly spaced, from low to high.
    players : int
        How many there are, 2 or more.

    Raises
    ------
    InputError
        With everything that is wrong in the arguments.

    Examples
    --------
    >>> import numpy as np
    >>> import tokenflow_sim as tf
    >>> cournot = tf.AggregativeGame(lambda own, others: own * (36 - own - others), np.arange(37), players=3)
    >>> cournot.play("fictitious_play", sessions=2, periods=2000, stop=None).action.values.tolist()
    [[9.0, 9.0, 9.0], [9.0, 9.0, 9.0]]
    """

    def __init__(
        self,
        payoff: Callable[[Floats, Floats], Floats],
        actions: Sequence[float] | Floats | Ints,
        players: int,
    ) -> None:
        faults: list[Fault] = []
        try:
            grid = np.asarray(actions, dtype=np.float64)
        except (TypeError, ValueError):
            grid = np.empty(0)
        if grid.ndim != 1 or len(grid) < 2 or not np.isfinite(grid).all():
            faults.append(Fault(f"must be two or more finite numbers; found {actions!r:.80}", "actions"))
        elif (step := grid[1] - grid[0]) <= 0 or np.ptp(np.diff(grid)) > _EVEN * step:
            faults.append(Fault("must be evenly spaced, from low to high", "actions"))
        if not isinstance(players, (int, np.integer)) or isinstance(players, bool) or players < 2:
            faults.append(Fault(f"must be a whole number from 2 on; found {players!r}", "players"))
        elif not faults and players * np.log2(len(grid)) > 62:
            faults.append(Fault(f"{players} players with {len(grid)} actions are too many", "players"))
        refuse(faults, "game")
        self.actions, self.players = grid, tuple(str(number + 1) for number in range(players))
        """The actions of each player, and the players' names."""
        sums = (players - 1) * grid[0] + (grid[1] - grid[0]) * np.arange((players - 1) * (len(grid) - 1) + 1)
        own, others = np.meshgrid(grid, sums, indexing="ij")
        values = np.asarray(payoff(own, others), dtype=np.float64)
        if values.shape != own.shape or not np.isfinite(values).all():
            what = "numbers that are not finite" if values.shape == own.shape else f"the shape {values.shape}"
            refuse(
                [Fault(f"must return finite numbers of the shape of its arguments; found {what}", "payoff")],
                "game",
            )
        self.payoff = xr.DataArray(
            values, dims=("own", "others"), coords={"own": grid, "others": sums}, attrs=attrs_of("payoff")
        )
        """Payoffs in $/h, dims (own, others), by the own action and the others' sum."""

    def game(self) -> Game:
        """Return the game with the table of all its profiles, on which theory works."""
        count, size = len(self.players), len(self.actions)
        places = np.indices((size,) * count)
        total = places.sum(axis=0)
        table = np.stack([self.payoff.values[own, total - own] for own in places], axis=-1)
        coords: dict[str, Any] = {f"of {name}": self.actions for name in self.players}
        dims = (*coords, "provider")
        return Game.from_payoffs(
            xr.DataArray(table, dims=dims, coords=coords | {"provider": list(self.players)})
        )

    def play(
        self,
        learner: str | Mapping[str, Any] | Rule = "q_learning",
        *,
        sessions: int = 1000,
        periods: int = 1_000_000,
        stop: int | None = None,
        seed: int = 0,
        window: int = 1000,
        out: str | Path | None = None,
        workers: int | None = 1,
        progress: Progress | None = None,
        **parameters: Any,
    ) -> xr.Dataset:
        """Play the game over and over by learners, in many sessions at once.

        Whatever a learner knows of the others is the sum of their actions: one that remembers a period remembers its
        own action and that sum.

        Parameters
        ----------
        learner, sessions, periods, stop, seed, out, workers, progress
            As those of `game.Game.play`; all periods are played where no `stop` is given.
        window : int
            Last periods that results are means of.
        **parameters
            Of the learner.

        Returns
        -------
        Dataset
            By `session`: `action` and `payoff` (provider,) and `total`, the sum of all actions, each a mean of the
            last periods; `converged`, `periods` and `settled`; `history` (sample, provider), mean payoffs over some
            periods.

        Raises
        ------
        InputError
            With everything that is wrong in the arguments.
        ResultError
            If `out` holds other play, or cannot be written.
        """
        faults: list[Fault] = []
        rules = rules_of(learner, self.players, parameters, faults)
        faults += faults_of_play(sessions, periods, window, seed, stop, workers)
        refuse(faults, "play")
        spec = SummedPlay(
            np.ascontiguousarray(self.payoff.values.ravel()), (len(self.actions),) * len(self.players), rules,
            periods, stop, seed, False, min(window, periods), None if out is None else str(resolve_links(out)),
        )  # fmt: skip
        return self._results(spec, play_sessions(spec, sessions, workers, progress))

    def _results(self, spec: SummedPlay, found: dict[str, Any]) -> xr.Dataset:
        tail = found["tail"]
        there = tail >= 0
        places = spec.places(np.maximum(tail, 0))
        weight = there / there.sum(axis=1, keepdims=True)
        action = np.stack([(self.actions[own] * weight).sum(axis=1) for own in places], axis=-1)
        payoff = np.stack(
            [(spec.payoff.take(one) * weight).sum(axis=1) for one in spec.views(places)], axis=-1
        )
        history = found["history"]
        written = int((~np.isnan(history).all(axis=(1, 2))).sum())
        dims = ("session", "provider")
        return xr.Dataset(
            {
                "action": (dims, action, {"long_name": "mean action of the last periods"}),
                "payoff": (dims, payoff, attrs_of("payoff")),
                "total": ("session", action.sum(axis=1), {"long_name": "mean sum of all actions"}),
                "converged": ("session", found["converged"]),
                "periods": ("session", found["periods"], {"long_name": "periods played"}),
                "settled": (
                    "session", found["settled"], {"long_name": "period after which no policy changed"}
                ),
                "history": (("sample", *dims), history[:written], attrs_of("payoff")),
            },
            {
                "session": np.arange(len(tail)),
                "provider": list(self.players),
                "sample": (np.arange(written) + 1) * spec.sample,
            },
            {
                "title": "Repeated play of an aggregative game",
                "learners": " | ".join(repr(rule) for rule in spec.rules),
                "seed": spec.seed,
                "stop": spec.stop or 0,
            },
        )  # fmt: skip
