"""A finite game with all its payoffs: what theory says of it, and repeated play."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from tokenflow_sim.errors import Fault, ResultError, unknown_name
from tokenflow_sim.games.collusion import collusive, efficient, profit_gain
from tokenflow_sim.games.correlated import correlated, gains
from tokenflow_sim.games.given import check_search, check_tolerance, policies_of
from tokenflow_sim.games.labels import attrs_of
from tokenflow_sim.games.leadership import Commitment, commit, commit_mixed
from tokenflow_sim.games.learners.base import Rule
from tokenflow_sim.games.mixed import mixed_equilibria
from tokenflow_sim.games.played import Played
from tokenflow_sim.games.playing import play_game
from tokenflow_sim.games.policies import MemoryOne
from tokenflow_sim.games.responses import dominated, sinks
from tokenflow_sim.games.table import GameTable
from tokenflow_sim.study.arguments import refuse
from tokenflow_sim.study.executor import Progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Game(GameTable):
    """A finite game, of a market or of anything else.

    Parameters
    ----------
    dataset : Dataset
        `payoff`, with a dim for each player in their order, whose coordinate has its actions, and the dim `provider`
        with the players' names; and, where the game is a market's, `payment`, `welfare` in $/h, `price` (..., node,
        workload) in $/Mtok and `feasible`. A profile that is not feasible has no payoffs (NaN).

    Notes
    -----
    `tokenflow_sim.game` makes one of a market, `Game.from_payoffs` of any table. Where a profile is not feasible,
    theory counts payoffs below all others, and means of payment, welfare and price with it are NaN; play refuses it.
    """

    def pure_equilibria(self, tolerance: float = 0.0) -> xr.Dataset:
        """Return all profiles at which nobody gains more than `tolerance` ($/h) by moving alone, by `equilibrium`.

        Raises
        ------
        InputError
            If the tolerance is no finite number from 0 on.
        """
        check_tolerance(tolerance)
        return self.at_profiles(np.array(self.form.pure_equilibria(tolerance), dtype=np.int64), "equilibrium")

    def mixed_equilibria(self, *, seed: int = 0, starts: int = 4, rounds: int = 5_000) -> xr.Dataset:
        """Return equilibria in mixed strategies, pure ones among them, by `equilibrium`.

        Two players: from every label by the algorithm of Lemke and Howson, and by trying supports of the same size.
        More: from several starts by regret matching, and by solving for the mixture that makes everybody indifferent
        on the support that it points to; where that is no equilibrium, the approximation is shown with its
        `exploitability`. Where none is exact, all supports are tried, if they are no more than 3,000.

        Parameters
        ----------
        seed, starts, rounds : int
            Of regret matching: of the mixtures to begin with, how many of them, and most rounds of each.

        Returns
        -------
        Dataset
            `probability` (equilibrium, provider, choice), `payoff` and `gain` (equilibrium, provider), what each could
            gain by moving alone, `exploitability` and `method` (equilibrium,); and expected `payment`, `welfare`,
            `price`.

        Raises
        ------
        InputError
            If a number is out of range.
        """
        check_search(seed, starts, rounds)
        found = mixed_equilibria(self.form, seed, starts, rounds)
        parts = [self.expected(mixture).assign(method=method) for mixture, method in found]
        if not parts:
            return xr.Dataset(coords={"equilibrium": np.arange(0)})
        joined = xr.concat(parts, pd.RangeIndex(1, len(parts) + 1, name="equilibrium"))
        return joined.assign_coords(equilibrium=np.arange(1, len(parts) + 1))

    def best_response_cycles(self) -> list[pd.DataFrame]:
        """Return the sets of profiles that are never left where players move one at a time, each to a best response.

        Returns
        -------
        list of DataFrame
            A row a profile, with the action of each player and its payoff: a single row is a pure equilibrium; several
            are a cycle (or several that meet), in the order of a walk. From every profile one of them is reached.
        """
        return [self.at_profiles(self.unravel(one), "step").pipe(self.frame_of) for one in sinks(self.form)]

    def dominated(self) -> dict[str, list[Any]]:
        """Return the actions of each player that do not survive the repeated removal of strictly dominated ones."""
        return {
            name: [self.actions[name][place] for place in gone]
            for name, gone in zip(self.players, dominated(self.form), strict=True)
        }

    def stackelberg(
        self, leader: str, *, ties: Literal["strong", "weak"] = "strong", mixed: bool = False
    ) -> xr.Dataset:
        """Return what a player commits itself to that moves first, and how the others answer.

        Parameters
        ----------
        leader : str
            Who moves first.
        ties : {'strong', 'weak'}
            Whether followers to whom several answers are equally good take the one that is best for the leader, or
            worst. Several followers answer with a pure equilibrium among themselves.
        mixed : bool
            Whether the leader may commit itself to a mixture, of two players; ties are strong then.

        Returns
        -------
        Dataset
            `action`, `payoff` (provider,), `commitment` (choice,), payment, welfare and price; attributes `ties`, the
            number of answers that were open, and `unanswered`, the leader's actions to which there was none in pure
            strategies.

        Raises
        ------
        InputError
            If the leader is not known, or `mixed` is asked for with other than two players.
        ResultError
            If the followers have no answer in pure strategies to any action.
        """
        faults: list[Fault] = []
        if leader not in self.players:
            faults.append(Fault(unknown_name("player", leader, self.players), "leader"))
        if ties not in ("strong", "weak"):
            faults.append(Fault(unknown_name("choice", ties, ("strong", "weak")), "ties"))
        if mixed and len(self.players) != 2:
            faults.append(Fault(f"is for two players; the game has {len(self.players)}", "mixed"))
        refuse(faults, "stackelberg")
        place = self.players.index(leader)
        found: Commitment | None
        found = commit_mixed(self.form, place) if mixed else commit(self.form, place, ties == "strong")
        if found is None:
            raise ResultError(
                f"no action of {leader} is answered by an equilibrium in pure strategies among the others; give them"
                " other actions, or name one follower"
            )
        shown = self.at_profiles(np.array([found.profile]), "equilibrium").isel(equilibrium=0, drop=True)
        odds = [np.eye(size)[one] for size, one in zip(self.form.actions, found.profile, strict=True)]
        odds[place] = found.mixture
        whole = odds[0]
        for own in odds[1:]:
            whole = np.multiply.outer(whole, own)
        shown = shown.assign(self.moments(whole) | {"payoff": ("provider", found.payoff, attrs_of("payoff"))})
        shown["commitment"] = ("choice", found.mixture, {"long_name": "probability of the leader's actions"})
        attrs = {"leader": leader, "ties": found.ties, "unanswered": found.unanswered}
        return shown.assign_attrs(attrs | {"rule": "strong" if mixed else ties})

    def correlated_equilibrium(
        self, objective: str = "welfare", *, sense: Literal["max", "min"] = "max"
    ) -> xr.Dataset:
        """Return the correlated equilibrium (Aumann) at which an objective is largest, or smallest.

        Parameters
        ----------
        objective : str
            ``welfare``, ``payment``, ``payoff`` (the sum of all players' payoffs) or the name of a player, whose
            payoff counts.
        sense : {'max', 'min'}
            Whether it is to be large or small.

        Returns
        -------
        Dataset
            `odds` (a dim for each player), the probability of each profile; `payoff`, `gain` (provider,), what a
            player could gain by not doing what it is told; expected payment, welfare and price; `value` of the
            objective.
        """
        return self._correlated(objective, sense, coarse=False)

    def coarse_correlated_equilibrium(
        self, objective: str = "welfare", *, sense: Literal["max", "min"] = "max"
    ) -> xr.Dataset:
        """Return the coarse correlated equilibrium (Moulin and Vial) at which an objective is largest, or smallest.

        Nobody gains by leaving before it is told its action; parameters and result as in `correlated_equilibrium`.
        """
        return self._correlated(objective, sense, coarse=True)

    def _correlated(self, objective: str, sense: str, coarse: bool) -> xr.Dataset:
        faults: list[Fault] = []
        there = [name for name in ("welfare", "payment") if name in self.dataset]
        if objective not in (*there, "payoff", *self.players):
            options = [*there, "payoff", *self.players]
            faults.append(Fault(unknown_name("objective", objective, options), "objective"))
        if sense not in ("max", "min"):
            faults.append(Fault(unknown_name("choice", sense, ("max", "min")), "sense"))
        refuse(faults, "correlated equilibrium")
        if objective in self.players:
            worth = self.form.payoff[..., self.players.index(objective)]
        elif objective == "payoff":
            worth = self.form.payoff.sum(axis=-1)
        else:
            worth = np.asarray(self.dataset[objective].values)
            worst = np.nanmin(worth) if sense == "max" else np.nanmax(worth)
            worth = np.where(np.isnan(worth), worst, worth)
        odds = correlated(self.form, (worth if sense == "max" else -worth).ravel(), coarse)
        payoff = odds @ self.form.payoff.reshape(-1, len(self.players))
        gain = gains(self.form, odds, coarse)
        shaped = odds.reshape(self.form.actions)
        coords = {dim: self.dataset[dim].values for dim in self.dims} | {"provider": list(self.players)}
        return xr.Dataset(
            {
                "odds": (self.dims, shaped, {"long_name": "probability of each profile"}),
                "payoff": ("provider", payoff, attrs_of("payoff")),
                "gain": (
                    "provider",
                    gain,
                    {"units": "$/h", "long_name": "gain by not doing what one is told"},
                ),
                "value": ((), float(odds @ worth.ravel()), {"long_name": f"{sense} of {objective}"}),
            },
            coords,
        ).assign(self.moments(shaped))

    def exploitability(
        self,
        mixture: Any = None,
        *,
        policies: Any = None,
        discount: float = 0.95,
        start: Sequence[Any] | None = None,
    ) -> xr.Dataset:
        """Return what each player could gain by its best deviation from a mixture, or from policies with memory.

        Parameters
        ----------
        mixture : mapping or sequence, optional
            Probabilities of each player's actions, played in every period.
        policies : mapping or sequence, optional
            Each player's action (its position in the list of actions) after each profile of the last period, dims
            (profile,), the last player's action changing fastest; or probabilities, dims (profile, action).
        discount : float
            With policies, what a payoff of the next period is worth now, from 0 to less than 1.
        start : sequence, optional
            With policies, the profile (each player's action) that play starts after; any, evenly, if left out.

        Returns
        -------
        Dataset
            `payoff` and `gain` (provider,) in $/h, `exploitability`, the largest gain. With policies both are means a
            period (the discounted sum times one less the discount), over the states that come in the long run; beside
            them `gain_anywhere`, the largest over all states (zero where the policies are subgame-perfect), and
            `reply` (provider, profile), the best reply.
        """
        if (mixture is None) == (policies is None):
            refuse([Fault("give a mixture, or policies", "mixture")], "exploitability")
        if policies is None:
            return self.expected(mixture)[["payoff", "gain", "exploitability"]]
        faults: list[Fault] = []
        given = policies_of(policies, self.players, self.form.actions, faults)
        if not isinstance(discount, (int, float)) or not 0 <= discount < 1:
            faults.append(Fault(f"must be a number from 0 to less than 1; found {discount!r}", "discount"))
        first = None if start is None else np.array([self.number_of(start, faults)])
        refuse(faults, "exploitability")
        chain = MemoryOne(self.form, given, float(discount))
        share = chain.long_run(first)
        values = [chain.value(player) for player in range(len(self.players))]
        best = [chain.best_reply(player) for player in range(len(self.players))]
        scale = 1.0 - discount
        gain = np.array([scale * (top - own) for (_, top), own in zip(best, values, strict=True)])
        gain = np.maximum(gain, 0.0)
        return xr.Dataset(
            {
                "payoff": ("provider", scale * np.array(values) @ share, attrs_of("payoff")),
                "gain": (
                    "provider",
                    gain @ share,
                    {"units": "$/h", "long_name": "gain by the best deviation"},
                ),
                "gain_anywhere": (
                    "provider",
                    gain.max(axis=1),
                    {"units": "$/h", "long_name": "gain, anywhere"},
                ),
                "exploitability": ((), float((gain @ share).max()), {"units": "$/h"}),
                "reply": (("provider", "profile"), np.array([reply for reply, _ in best])),
            },
            {"provider": list(self.players)},
        )

    def pareto_front(self) -> pd.DataFrame:
        """Return the profiles at which nobody can get more without another one getting less."""
        return self.frame_of(self.at_profiles(self.unravel(efficient(self.form)), "profile"))

    def collusive(self) -> xr.Dataset:
        """Return the profile at which all players together earn most (of several, one with the most even payoffs)."""
        place = np.array([collusive(self.form)])
        return self.at_profiles(self.unravel(place), "equilibrium").isel(equilibrium=0, drop=True)

    def profit_gain(self, payoff: Any, *, nash: Any = None, collusive: Any = None) -> xr.DataArray:
        """Return the average profit gain Delta: 0 at competition, 1 at perfect collusion.

        Parameters
        ----------
        payoff : DataArray or array
            Payoffs, with the dim `provider` (an array: last).
        nash, collusive : float or array, optional
            What counts as competition and as collusion: payoffs of each player, or their mean. If left out, the pure
            equilibrium with the lowest joint payoff (without any, the mixed one), and the profile of the highest.

        Notes
        -----
        Delta = (mean payoff - mean at Nash) / (mean at the joint maximum - mean at Nash), as in Calvano, Calzolari,
        Denicolo and Pastorello (2020).

        Raises
        ------
        InputError, ResultError
            If payoffs are not those of the players, or the joint maximum is no more than competition.
        """
        return profit_gain(self.form, payoff, nash, collusive)

    def play(
        self,
        learner: str | Mapping[str, Any] | Rule = "q_learning",
        *,
        sessions: int = 1000,
        periods: int = 10_000_000,
        stop: int | None = 100_000,
        seed: int = 0,
        moves: Literal["simultaneous", "alternating"] = "simultaneous",
        window: int = 1000,
        out: str | Path | None = None,
        workers: int | None = 1,
        progress: Progress | None = None,
        **parameters: Any,
    ) -> Played:
        """Play the game over and over by learners, in many sessions at once.

        Parameters
        ----------
        learner : str, mapping or rule
            Who plays: ``q_learning``, ``roth_erev``, ``epsilon_greedy``, ``ucb1``, ``exp3``, ``fictitious_play`` or
            ``best_response``; a mapping from players to such names gives each its own, ``{"name": ..., parameter:
            ...}`` in the place of a name with parameters.
        sessions, periods : int
            How many sessions, and most periods of each.
        stop : int, optional
            Periods after which a session ends in which nobody's policy, what it thinks best in every state, has
            changed; None plays all periods.
        seed : int
            Session n takes its numbers from the n-th child of this seed, so that it is the same whatever others are
            played.
        moves : {'simultaneous', 'alternating'}
            Whether all players move at once, or one after the other, while the others stay at what they did last.
        window : int
            Last periods whose means are the results of learners without a policy.
        out : str or Path, optional
            A folder that keeps what was played, every half minute: whatever interrupts play, the same call goes on
            with it, to the same bits.
        workers : int, optional
            Processes that play; None takes as many as there are cores.
        progress : callable, optional
            Called with the number of periods done and of all, over all sessions.
        **parameters
            Of the learner, e.g. ``rate=0.15, discount=0.95, decay=4e-6, memory=1`` of Q-learning; those of each are
            listed in `tokenflow_sim.games.learners`.

        Raises
        ------
        InputError
            With everything that is wrong in the arguments.
        ResultError
            If `out` holds other play, or cannot be written.

        Notes
        -----
        A session starts after a profile that is drawn. The stopping rule is that of Calvano et al. (2020), who ask for
        100,000 periods.
        """
        return play_game(
            self, learner, sessions=sessions, periods=periods, stop=stop, seed=seed, moves=moves, window=window,
            out=out, workers=workers, progress=progress, parameters=parameters,
        )  # fmt: skip

    def plot(self, **options: Any) -> Figure:
        """Draw payoffs and best responses of two players; options are those of `tokenflow_sim.plot.best_responses`."""
        from importlib import import_module

        drawn: Figure = import_module("tokenflow_sim.plot").best_responses(self.dataset, **options)
        return drawn
