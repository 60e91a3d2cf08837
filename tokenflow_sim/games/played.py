"""What came of repeated play: where sessions ended, what they earn there, and how they answer to a deviation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from tokenflow_sim.errors import Fault, ResultError, unknown_name
from tokenflow_sim.games.collusion import profit_gain
from tokenflow_sim.games.follow import cycles, follow, strides_of
from tokenflow_sim.games.labels import attrs_of
from tokenflow_sim.games.policies import MemoryOne, as_mixtures
from tokenflow_sim.games.repeated import RepeatedPlay
from tokenflow_sim.games.table import MOMENTS, GameTable
from tokenflow_sim.numeric import Floats, Ints
from tokenflow_sim.study.arguments import refuse

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BANDS = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, eq=False)
class Played:
    """Repeated play of a game in many sessions.

    Parameters
    ----------
    game : GameTable
        The game.
    dataset : Dataset
        By `session`: `converged`, `periods` (played), `settled` (the period after which no policy changed),
        `cycle_length` (periods that play repeats at its end, where policies say so; else 0), `payoff` (provider,) and,
        of a market's game, `payment`, `welfare` and `price` (node, workload): means over that cycle, or over the last
        periods that were played; `end` (step,), the profiles that these are means of, -1 beyond them; `history`
        (sample, provider), mean payoffs over some periods that end with `period`.
    policies : tuple of ndarray
        What each player thinks best after each profile, dims (session, profile), or (session, 1) whatever happened.
    turns : bool
        Whether players move in turn.
    """

    game: GameTable
    dataset: xr.Dataset
    policies: tuple[Ints, ...]
    turns: bool

    def to_dataset(self) -> xr.Dataset:
        """Return everything in one Dataset: also `policy` (session, provider, profile), positions of actions."""
        states = max(own.shape[1] for own in self.policies)
        policy = np.stack([np.broadcast_to(own, (len(own), states)) for own in self.policies], axis=1)
        dim = "profile" if states > 1 else "always"
        meaning = {"long_name": "position of the action that is thought best after each profile"}
        return self.dataset.assign(policy=(("session", "provider", dim), policy.astype(np.int32), meaning))

    @property
    def converged(self) -> xr.DataArray:
        """Whether each session ended since nobody's policy had changed for as long as was asked."""
        return self.dataset["converged"]

    @property
    def share_converged(self) -> float:
        """Share of sessions that converged."""
        return float(self.converged.mean())

    @property
    def paths(self) -> xr.DataArray:
        """What is played at the end: the actions of each session's last periods, dims (session, step, provider)."""
        return self._actions(self.dataset["end"].values, ("session", "step"))

    @cached_property
    def table(self) -> pd.DataFrame:
        """Means over sessions, standard deviations and quantiles: periods, payoffs, payment, welfare and prices."""
        ds, rows = self.dataset, {}
        for name in ("converged", "periods", "settled", "cycle_length"):
            rows[name] = ds[name].values.astype(float)
        for who in self.game.players:
            rows[f"payoff of {who}"] = ds["payoff"].sel(provider=who).values
        for name in ("payment", "welfare"):
            if name in ds:
                rows[name] = ds[name].values
        if "price" in ds:
            for node in ds["node"].values:
                for workload in ds["workload"].values:
                    rows[f"price of {workload} at {node}"] = (
                        ds["price"].sel(node=node, workload=workload).values
                    )
        frame = pd.DataFrame(
            {name: [own.mean(), _deviation(own), *np.quantile(own, _BANDS)] for name, own in rows.items()},
            index=["mean", "deviation", *(f"{100 * one:g} %" for one in _BANDS)],
        )
        return frame.T

    def profit_gain(self, *, nash: Any = None, collusive: Any = None) -> xr.DataArray:
        """Return the average profit gain Delta of each session; parameters as those of `game.Game.profit_gain`."""
        return profit_gain(self.game.form, self.dataset["payoff"], nash, collusive)

    def impulse_response(
        self,
        player: str,
        deviation: Any = "best",
        periods: int = 15,
        *,
        lasting: int = 1,
        only_converged: bool = True,
    ) -> xr.Dataset:
        """Make a player deviate from what it has learnt, and return how all go on.

        Parameters
        ----------
        player : str
            Who deviates, in period 1.
        deviation : action or 'best'
            One of its actions, or the one that pays best in that period against what the others then do.
        periods : int
            Periods to follow all from the deviation on.
        lasting : int
            Periods for which the deviation lasts.
        only_converged : bool
            Whether sessions that did not converge are left out.

        Returns
        -------
        Dataset
            `place` (session, period, provider), positions of actions; `action`, where these are numbers; `payoff`; and
            `undisturbed`, payoffs without the deviation. Period 0 is the last before it. Attributes: `player`,
            `deviation`, and `returned`, the share of sessions that are back at their cycle at the end.

        Raises
        ------
        InputError
            If the player or its action is not known.
        ResultError
            If the learners have no policies, or no session converged.
        """
        who, action = self._deviation(player, deviation, periods, lasting)
        chosen = np.flatnonzero(self.converged.values) if only_converged else np.arange(len(self.converged))
        if not len(chosen):
            raise ResultError(
                "no session converged; play more periods, or take all with only_converged=False"
            )
        policies = [own[chosen] for own in self.policies]
        sizes, ds = self.game.form.actions, self.dataset
        last = ds["end"].values[chosen, ds["cycle_length"].values[chosen] - 1]
        turn = ds["turn"].values[chosen] if self.turns else None
        stride, size = int(strides_of(sizes)[who]), sizes[who]
        undisturbed = np.concatenate([last[None], follow(policies, sizes, last, periods, turn)])
        path, at = [last], last
        for period in range(1, periods + 1):
            turned = None if turn is None else (turn + period - 1) % len(sizes)
            usual = follow(policies, sizes, at, 1, turned)[0]
            if period <= lasting:
                others = (
                    usual if turned is None else at
                )  # where it moves in turn, nobody else moves beside it
                own = self._best(others, who) if action is None else np.full(len(at), action)
                deviated = others + (own - (others // stride) % size) * stride
                usual = deviated if turned is None else np.where(turned == who, deviated, usual)
            path.append(usual)
            at = usual
        found = np.array(path).T
        dims = ("session", "period")
        places = np.stack(np.unravel_index(found, sizes), axis=-1)
        payoff = self.game.form.payoff.reshape(-1, len(sizes))
        result = xr.Dataset(
            {
                "place": ((*dims, "provider"), places, {"long_name": "position of the action"}),
                "payoff": ((*dims, "provider"), payoff[found], attrs_of("payoff")),
                "undisturbed": ((*dims, "provider"), payoff[undisturbed.T], attrs_of("payoff")),
            },
            {
                "session": ds["session"].values[chosen],
                "period": np.arange(periods + 1),
                "provider": list(self.game.players),
            },
            {
                "player": player,
                "deviation": str(deviation),
                "lasting": lasting,
                "returned": self._returned(chosen, found[:, -1]),
            },
        )
        numbers = self._actions(found, dims)
        return result.assign(action=numbers) if numbers.dtype.kind == "f" else result

    def _deviation(self, player: str, deviation: Any, periods: int, lasting: int) -> tuple[int, int | None]:
        """Validate what is asked of an impulse response; return who deviates and to what, None for the best."""
        faults: list[Fault] = []
        game, who, action = self.game, 0, None
        if player not in game.players:
            faults.append(Fault(unknown_name("player", player, game.players), "player"))
        else:
            who, own = game.players.index(player), game.actions[player]
            if isinstance(deviation, str) and deviation == "best":
                action = None
            elif deviation in own:
                action = own.index(deviation)
            else:
                faults.append(Fault(unknown_name(f"action of {player}", deviation, own), "deviation"))
        for name, value in (("periods", periods), ("lasting", lasting)):
            if not isinstance(value, int) or value < 1:
                faults.append(Fault(f"must be a whole number from 1 on; found {value!r}", name))
        refuse(faults, "impulse response")
        if not self.dataset.attrs["remembers"]:
            raise ResultError(
                "these learners answer to nothing: only policies that remember the last period do"
            )
        return who, action

    def _best(self, profile: Ints, who: int) -> Ints:
        """Return the best action of a player against what the others do in a profile."""
        own = np.moveaxis(self.game.form.payoff[..., who], who, -1)
        sizes = self.game.form.actions
        others = tuple(one for place, one in enumerate(np.unravel_index(profile, sizes)) if place != who)
        best: Ints = own[others].argmax(axis=-1)
        return best

    def _returned(self, chosen: Ints, last: Ints) -> float:
        return float((self.dataset["end"].values[chosen] == last[:, None]).any(axis=1).mean())

    def exploitability(self, discount: float = 0.95) -> xr.Dataset:
        """Return what each player could gain, a period, by its best deviation from the policies of each session.

        Parameters
        ----------
        discount : float
            What a payoff of the next period is worth now.

        Returns
        -------
        Dataset
            `gain` and `gain_anywhere` (session, provider) in $/h: mean over the states that are played at the end
            (zero in a Nash equilibrium of the repeated game), and the largest over all states (zero in a
            subgame-perfect one).

        Raises
        ------
        ResultError
            If players move in turn, or have no policies.
        """
        if self.turns or not self.dataset.attrs["remembers"]:
            raise ResultError(
                "the best deviation is worked out for policies that remember, of players that move at once"
            )
        players = len(self.game.players)
        gain = np.zeros((2, len(self.policies[0]), players))
        states, end = self.game.profiles, self.dataset["end"].values
        for session, path in enumerate(end):
            tables = [
                as_mixtures(np.broadcast_to(own[session], states), size)
                for own, size in zip(self.policies, self.game.form.actions, strict=True)
            ]
            chain = MemoryOne(self.game.form, tables, discount)
            for player in range(players):
                ahead = np.maximum(
                    (1.0 - discount) * (chain.best_reply(player)[1] - chain.value(player)), 0.0
                )
                gain[:, session, player] = ahead[path[path >= 0]].mean(), ahead.max()
        dims = ("session", "provider")
        names = {"gain": "gain by the best deviation", "gain_anywhere": "the same, where it is largest"}
        return xr.Dataset(
            {
                name: (dims, one, {"units": "$/h", "long_name": text})
                for (name, text), one in zip(names.items(), gain, strict=True)
            },
            {"session": self.dataset["session"].values, "provider": list(self.game.players)},
        )

    def _actions(self, profile: Ints, dims: tuple[str, ...]) -> xr.DataArray:
        """Return the actions of profiles by player; not a number, or empty, where there is no profile."""
        places = np.stack(np.unravel_index(np.maximum(profile, 0), self.game.form.actions), axis=-1)
        columns = [
            np.array(self.game.actions[name], dtype=object)[places[..., who]]
            for who, name in enumerate(self.game.players)
        ]
        labels = np.stack(columns, axis=-1)
        numeric = all(isinstance(one, (int, float)) for own in self.game.actions.values() for one in own)
        values: Any = labels.astype(np.float64) if numeric else labels
        values = np.where((profile >= 0)[..., None], values, np.nan if numeric else "")
        return xr.DataArray(values, dims=(*dims, "provider"), coords={"provider": list(self.game.players)})

    def plot(self, **options: Any) -> Figure:
        """Draw the way of play; options are those of `tokenflow_sim.plot.learning`."""
        from importlib import import_module

        drawn: Figure = import_module("tokenflow_sim.plot").learning(self.dataset, **options)
        return drawn

    def __repr__(self) -> str:
        """Summarise the play in one line."""
        ds = self.dataset
        share = f"{100 * self.share_converged:.3g} % converged" if ds.attrs["stop"] else "no stop"
        mean = ", ".join(
            f"{name} {float(one):,.4g}"
            for name, one in zip(self.game.players, ds["payoff"].mean("session"), strict=True)
        )
        return f"<Played: {ds.sizes['session']:,} sessions, {share}; mean payoffs in $/h: {mean}>"


def _deviation(values: np.ndarray[Any, Any]) -> float:
    """Return the standard deviation, exactly zero where all are equal, which rounding of their mean would hide."""
    if len(values) < 2:
        return float("nan")
    return float(values.std(ddof=1)) if np.ptp(values) else 0.0


def played_of(game: GameTable, spec: RepeatedPlay, found: dict[str, Any]) -> Played:
    """Return the results of all sessions, with what players do at the end, and what that brings."""
    players, count = len(spec.sizes), len(found["periods"])
    policies = tuple(found[f"policy.{player}"] for player in range(players))
    remembers = all(rule.remembers for rule in spec.rules)
    turn = found["periods"] % players
    if remembers:
        end, length = cycles(policies, spec.sizes, found["last"], turn if spec.turns else None)
        if spec.turns:  # a round has whole turns, so that only the way to it matters
            turn = (turn + game.profiles * players) % players
    else:
        end, length = found["tail"], np.zeros(count, dtype=np.int64)
    there = end >= 0
    weight = there / there.sum(axis=1, keepdims=True)
    means: dict[str, Any] = {}
    for name in ("payoff", *(name for name in MOMENTS if name in game.dataset)):
        array = game.dataset[name]
        dims = array.dims[players:]
        flat = np.asarray(array.values, dtype=np.float64).reshape(game.profiles, -1)
        mean = np.einsum("ns,nsk->nk", weight, flat[np.maximum(end, 0)])
        shape = (count, *(array.sizes[dim] for dim in dims))
        means[name] = (("session", *dims), mean.reshape(shape), attrs_of(name))
    history: Floats = found["history"]
    written = int((~np.isnan(history).all(axis=(1, 2))).sum())
    coords = {
        "session": np.arange(count),
        "provider": list(game.players),
        "sample": (np.arange(written) + 1) * spec.sample,
    } | {dim: game.dataset[dim].values for dim in ("node", "workload") if dim in game.dataset.coords}
    told = {
        "converged": "whether the session ended since no policy had changed for as long as was asked",
        "periods": "periods played",
        "settled": "period after which no policy changed",
    }
    return Played(
        game,
        xr.Dataset(
            {name: ("session", found[name], {"long_name": text}) for name, text in told.items()}
            | {
                "cycle_length": ("session", length, {"long_name": "periods that play repeats at its end"}),
                "end": (("session", "step"), end, {"long_name": "profiles at the end"}),
                "turn": ("session", turn, {"long_name": "whose turn it is after the end"}),
                "history": (
                    ("sample", "session", "provider"),
                    history[:written],
                    {"units": "$/h", "long_name": f"mean payoff over {spec.block} periods"},
                ),
            }
            | means,
            coords,
            {
                "title": f"Repeated play of {game.dataset.attrs.get('title', 'a game')}",
                "learners": " | ".join(repr(rule) for rule in spec.rules),
                "seed": spec.seed,
                "stop": spec.stop or 0,
                "moves": "alternating" if spec.turns else "simultaneous",
                "remembers": int(remembers),
            },
        ),
        policies,
        spec.turns,
    )
