"""``game``: the market of one period as a finite game, with the payoffs of all profiles of actions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import xarray as xr

from tokenflow_sim.errors import Fault, ResultError, unknown_name
from tokenflow_sim.games.actions import Grids, grids_of, label_of, labels_of, numbers_of
from tokenflow_sim.games.game import Game
from tokenflow_sim.games.labels import attrs_of, dims_of
from tokenflow_sim.games.store import FolderRows
from tokenflow_sim.games.table import MOMENTS
from tokenflow_sim.games.tabulation import CLEARED, Tabulation, tabulate
from tokenflow_sim.market import Market
from tokenflow_sim.numeric import Ints
from tokenflow_sim.scenario import Scenario
from tokenflow_sim.study.arguments import refuse
from tokenflow_sim.study.executor import Executor, Progress, check_workers
from tokenflow_sim.study.game import MarketGame
from tokenflow_sim.study.messages import warn
from tokenflow_sim.study.one_period import market_of, players_of
from tokenflow_sim.study.roles import Play

PLAYS = get_args(Play)

if TYPE_CHECKING:
    from distributed import Client


def game(
    scenario: str | Path | Scenario | Market,
    *,
    actions: Sequence[Any] | Mapping[str, Sequence[Any]],
    providers: Sequence[str] | None = None,
    play: Play = "price",
    period: int = 0,
    overrides: Mapping[str, Any] | None = None,
    store: str | Path | None = None,
    workers: int | None = 1,
    client: Client | None = None,
    most: int = 1_000_000,
    allow_code: bool = False,
    progress: Progress | None = None,
) -> Game:
    """Clear a market once for every profile of its players' actions, and return the game that this makes.

    Parameters
    ----------
    scenario : str, Path, Scenario or Market
        A scenario, whose market of expected demand in `period` is taken; or a market whose offers are true costs.
    actions : sequence, or mapping of sequences
        What players choose among: one list for all, or a list for each by name. In prices an action is a provider's
        mark-up on cost (0.5 asks one and a half times cost), an owner's tariff as a share of the highest value of
        service, or the share by which a region bids less than service is worth to it; in quantities the share of
        capacity, or of demand. One number counts for all classes; a sequence has one for each class.
    providers : sequence of str, optional
        Who chooses, the others being truthful: providers by name, network owners as ``owners.NAME`` and demand regions
        as ``regions.NAME`` (in a market without a scenario, a node). All providers if left out, or, where `actions` is
        a mapping, those that it names.
    play : {'price', 'quantity'}
        Prices (Bertrand's and Edgeworth's game, with all capacity on offer), or quantities that are sold whatever the
        price (Cournot's); as in `tokenflow_sim.equilibrium`.
    period : int
        The period.
    overrides : mapping, optional
        Other values for the scenario, by dotted path.
    store : str or Path, optional
        A folder that keeps the table while it is made. Whatever interrupts that, the same call goes on with it, and
        once it is whole reads it.
    workers, client
        Processes, or the Dask cluster, that clear the market; None takes all cores. The same bits everywhere.
    most : int
        Profiles up to which the table is made.
    allow_code : bool
        Whether limits of the scenario given as ``module:Class`` may be imported.
    progress : callable, optional
        Called with the number of profiles done and of all.

    Warns
    -----
    FailedRunsWarning
        If the market could not be cleared for some profiles for another reason than that demand which must be served
        cannot be. Both count as not feasible.

    Returns
    -------
    Game

    Raises
    ------
    InputError
        With everything that is wrong in the arguments: empty lists, numbers that are not finite or come twice, unknown
        players, or more than `most` profiles.
    InfeasibleError
        If the truthful market cannot serve what it must; it states what is short.
    ResultError
        If no profile can be cleared; or if `store` holds another game, was begun by other versions, or cannot be
        written.

    Examples
    --------
    >>> import tokenflow_sim as tf
    >>> game = tf.game("us5", actions={"ashburn_dc": [0.0, 0.5], "dallas_dc": [0.0, 0.5]})
    >>> game.payoff.shape
    (2, 2, 2)
    """
    faults: list[Fault] = []
    asked = ask(
        scenario, faults, actions=actions, providers=providers, play=play, period=period, overrides=overrides,
        most=most, allow_code=allow_code,
    )  # fmt: skip
    check_workers(workers, faults)
    refuse(faults, "game")
    return asked.clear(store=store, workers=workers, client=client, progress=progress)


@dataclass(frozen=True, eq=False)
class Asked:
    """A market's game before its profiles are cleared.

    Parameters
    ----------
    name : str
        What is asked about.
    period : int
        The period.
    played : MarketGame
        The market and its players.
    grids : tuple of tuple
        The actions of each player.
    """

    name: str
    period: int
    played: MarketGame
    grids: Grids

    @property
    def players(self) -> tuple[str, ...]:
        """Who plays."""
        return self.played.players

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many actions each player has."""
        return tuple(map(len, self.grids))

    def has(self, name: str) -> bool:
        """Say whether the game of a market has something beside payoffs: all that there is."""
        return name in MOMENTS

    def clear(
        self,
        *,
        store: str | Path | None = None,
        workers: int | None = 1,
        client: Client | None = None,
        progress: Progress | None = None,
    ) -> Game:
        """Clear the market for every profile; parameters, warnings and errors as those of `game`."""
        played, grids = self.played, self.grids
        played.must_clear()  # a market that cannot be cleared at all is refused at once, with what is short
        classes = len(played.workloads)
        numbers = tuple(
            numbers_of(role, grid, classes) for role, grid in zip(played.roles, grids, strict=True)
        )
        table = Tabulation(played, numbers)
        described = {
            "play": played.play,
            "players": list(played.players),
            "actions": [[label_of(one) for one in grid] for grid in grids],
        }
        kept = (
            nullcontext()
            if store is None
            else FolderRows(store, table.digest(), table.count, table.width, table.stretch, described)
        )
        with kept as rows, Executor(workers, client) as executor:
            values, causes = tabulate(table, rows, executor, progress)
        if causes:
            warn(
                f"{len(causes)} of {table.count:,} profiles could not be cleared. The first: {causes[0]}\n"
                "  They count as not feasible."
            )
        if not (values[:, 0] == CLEARED).any():
            why = (
                causes[0]
                if causes
                else "what must be served is short in each; give demand a value, or players"
            )
            more = "" if causes else " other actions"
            raise ResultError(f"none of {table.count:,} profiles can be cleared: {why}{more}")
        labels = [labels_of(grid) for grid in grids]
        return Game(_dataset(table, values, labels, self.name, self.period, len(causes)))


def ask(
    scenario: str | Path | Scenario | Market,
    faults: list[Fault],
    *,
    actions: Sequence[Any] | Mapping[str, Sequence[Any]],
    providers: Sequence[str] | None,
    play: Play,
    period: int,
    overrides: Mapping[str, Any] | None,
    most: int,
    allow_code: bool,
) -> Asked:
    """Return the game that is asked for; parameters as those of `game`, and what is wrong is added to the faults."""
    name, market, regions, standing = market_of(scenario, period, overrides, allow_code)
    before = len(faults)
    named = list(actions) if providers is None and isinstance(actions, Mapping) and actions else providers
    players = players_of(named, market, regions, faults)
    if play not in PLAYS:
        faults.append(Fault(unknown_name("choice", play, PLAYS), "play"))
    if not isinstance(most, int) or isinstance(most, bool) or most < 1:
        faults.append(Fault(f"must be a whole number from 1 on; found {most!r}", "most"))
    # Actions of players that are not known cannot be looked at, those of all others are.
    known = players and [name for name in players if not _faults_of(name, market, regions)]
    played = MarketGame(market, play if play in PLAYS else "price", known, regions=regions, standing=standing)
    grids = grids_of(actions, played, [] if players is None else players, faults)
    sizes = [len(grid) for grid in grids]
    if len(faults) == before and math.prod(sizes) > most:
        faults.append(Fault(_too_many(played.players, sizes, most), "actions"))
    return Asked(name, period, played, grids)


def _faults_of(name: str, market: Market, regions: Mapping[str, Ints]) -> list[Fault]:
    """Return what is wrong with the name of a player."""
    faults: list[Fault] = []
    players_of([name], market, regions, faults)
    return faults


def _too_many(players: Sequence[str], sizes: Sequence[int], most: int) -> str:
    """Say how many profiles there are, and what would fit."""
    count = math.prod(sizes)
    each, top = 1, max(sizes)
    while top - each > 1:  # the most actions of a player that fit, some having fewer anyway
        middle = (each + top) // 2
        each, top = (
            (middle, top) if math.prod(min(size, middle) for size in sizes) <= most else (each, middle)
        )
    fewer, product = 0, 1
    for size in sorted(sizes):
        product *= size
        fewer += product <= most
    what = "of each of" if each <= min(sizes) else "at most of each of"
    fits = [f"{each} actions {what} {len(players)} players"] if each > 1 else []
    fits += [f"{fewer} of the players"] if fewer else []
    return (
        f"{' x '.join(map(str, sizes))} actions are {count:,} profiles; at most {most:,} are cleared: take"
        f" {' or '.join(fits)}, or raise `most`"
    )


def _dataset(
    table: Tabulation,
    rows: np.ndarray[Any, Any],
    labels: list[list[Any]],
    name: str,
    period: int,
    failed: int,
) -> xr.Dataset:
    players, layout = table.game.players, table.game.market.layout
    dims, sizes, count = dims_of(players), table.sizes, len(players)
    nodes, classes = len(layout.nodes), len(layout.workloads)
    feasible = rows[:, 0] == CLEARED
    return xr.Dataset(
        {
            "payoff": (
                (*dims, "provider"),
                rows[:, 1 : 1 + count].reshape(*sizes, count),
                attrs_of("payoff"),
            ),
            "payment": (dims, rows[:, 1 + count].reshape(sizes), attrs_of("payment")),
            "welfare": (dims, rows[:, 2 + count].reshape(sizes), attrs_of("welfare")),
            "price": (
                (*dims, "node", "workload"),
                rows[:, 3 + count :].reshape(*sizes, nodes, classes),
                attrs_of("price"),
            ),
            "feasible": (dims, feasible.reshape(sizes), attrs_of("feasible")),
        },
        coords={
            **{dim: np.array(own) for dim, own in zip(dims, labels, strict=True)},
            "provider": list(players),
            "node": list(map(str, layout.nodes)),
            "workload": list(map(str, layout.workloads)),
        },
        attrs={
            "title": f"Game in {'prices' if table.game.play == 'price' else 'quantities'} of {name}",
            "play": table.game.play,
            "scenario_name": name,
            "game_period": period,
            "failed": failed,
            "digest": table.digest(),
        },
    )
