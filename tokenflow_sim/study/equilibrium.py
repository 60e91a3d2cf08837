"""``equilibrium``: offers from which nobody gains by moving alone, by best responses from many starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenflow_sim.errors import Fault, unknown_name
from tokenflow_sim.market import Market
from tokenflow_sim.scenario import Scenario
from tokenflow_sim.study.arguments import refuse
from tokenflow_sim.study.equilibrium_dataset import dataset_of
from tokenflow_sim.study.executor import Executor, Progress, check_workers
from tokenflow_sim.study.found import Equilibrium as Equilibrium
from tokenflow_sim.study.game import MarketGame
from tokenflow_sim.study.messages import warn
from tokenflow_sim.study.mixed import MOST_PROFILES, small_game
from tokenflow_sim.study.one_period import market_of, players_of
from tokenflow_sim.study.roles import Play
from tokenflow_sim.study.search import Search, Visited
from tokenflow_sim.study.starts import STARTS, most_clearings, start_at, start_names

if TYPE_CHECKING:
    from distributed import Client

    from tokenflow_sim.numeric import Floats


def equilibrium(
    scenario: str | Path | Scenario | Market,
    providers: Sequence[str] | None = None,
    *,
    play: Play = "price",
    by: str = "workload",
    period: int = 0,
    overrides: Mapping[str, Any] | None = None,
    points: int = 21,
    levels: int = 3,
    damping: float = 1.0,
    rounds: int = 100,
    tolerance: float = 1e-3,
    ceiling: float = 10.0,
    start: float | None = None,
    starts: Sequence[str] | None = None,
    random: int = 1,
    seed: int = 0,
    mixed: int = 0,
    clearings: int | None = None,
    workers: int | None = 1,
    client: Client | None = None,
    allow_code: bool = False,
    progress: Progress | None = None,
) -> Equilibrium:
    """Look for offers from which nobody gains by moving alone, in one period's market.

    From each start players move one after the other, in the order of their names, each to the candidate that brings it
    most while the others stay (Gauss-Seidel). Where nobody moves any more, the grid of candidates is refined about
    that point, and the iteration goes on; at the end every player looks for something better on a finer grid over the
    whole range. Where the iteration repeats itself, that is reported. All distinct equilibria that were found are
    listed.

    Parameters
    ----------
    scenario : str, Path, Scenario or Market
        A scenario, whose market of expected demand in `period` is taken; or a market whose offers are true costs.
    providers : sequence of str, optional
        Who chooses, the others being truthful: providers by name, network owners as ``owners.NAME`` and demand regions
        as ``regions.NAME`` (in a market without a scenario, a node). All providers if left out.
    play : {'price', 'quantity'}
        Prices: providers choose mark-ups on cost with all capacity on offer, owners tariffs (as a share of the highest
        value of service), regions by how much their bids are below what service is worth to them. Quantities:
        providers choose how much to sell of each class at each place, owners and regions the share of their links or
        demand.
    by : {'workload', 'provider'}
        Whether a player chooses class by class, one after the other, or one number for all classes.
    period : int
        The period.
    overrides : mapping, optional
        Other values for the scenario, by dotted path.
    points : int
        Candidates on each grid, at least 5.
    levels : int
        How often the grid is refined, each time (points - 1) / 2 times closer.
    damping : float
        Share of the way to its best response that a player goes: above 0, at most 1.
    rounds : int
        Most rounds from each start.
    tolerance : float
        Share of what demand pays up to which a gain does not count against convergence.
    ceiling : float
        Highest mark-up where demand must be served, so that no value limits it.
    start : float, optional
        Everybody's mark-up or share at the only start; several starts if left out.
    starts : sequence of str, optional
        Which of ``cournot`` (the end of a search without limits of links), ``withheld`` (the highest price, or no
        quantity), ``truthful`` and ``monopoly`` (everybody's best response to withheld) to start from. If left out,
        all in quantities; in prices truthful and withheld, and for each of the first four players the start at which
        it alone withholds.
    random : int
        How many starts to draw beside those.
    seed : int
        Of what is drawn.
    mixed : int
        Actions of each player in a small game of which mixed equilibria are looked for too; 0 does not. Each player
        has so many numbers for all that it chooses, and the market is cleared for all profiles, at most 100,000.
    clearings : int, optional
        Up to how many clearings in all another start is made; the first start is always played to its end. If left
        out, all starts where `starts` or `start` name them, else 750,000 divided by the numbers of dispatch and
        flow in the market: of markets of a few nodes all are played, of large ones fewer, which the verdict reports.
    workers, client
        Where the candidates that a player weighs are tried, as every study takes them: the same bits everywhere,
        and sooner on several processes where one clearing takes some milliseconds or more.
    allow_code : bool
        Whether limits of the scenario given as ``module:Class`` may be imported.
    progress : callable, optional
        Called after each round with the number of rounds and the most there may be.

    Warns
    -----
    FailedRunsWarning
        If the market could not be cleared for some profiles for another reason than that demand which must be served
        cannot be. Nobody moves there; `dataset.attrs` has the numbers of both.

    Returns
    -------
    Equilibrium
        With `.converged`, `.epsilon`, `.cycle`, `.offers`, `.equilibria`, `.mixed`, `.exploitability`, `.history`,
        `.table` and `.plot()`. It shows the equilibrium that the earliest start led to; where there is none, the
        profile, of those that the searches ended with, at which least is to be gained.

    Raises
    ------
    InputError
        With everything that is wrong in the arguments.
    InfeasibleError
        If the truthful market cannot serve what it must; it states what is short.

    Notes
    -----
    A quantity is made by the cheapest assets of its place first, within what power they share, and is sold whatever
    the price: Cournot's game. (Where some of a class must be served whatever it costs, quantities are offered at
    cost.)

    An equilibrium in pure strategies need not exist: between two places with a thin link each provider prefers to
    keep the other out when that one is aggressive, and to export when it is not (Borenstein, Bushnell and Stoft).
    Nor need it be unique: at a uniform price one pivotal provider sets the price and the others offer low, and any
    of them may be that one (von der Fehr and Harbord). Equilibria count as one where no profit differs by more than
    two per cent of what demand pays. That others exist is never excluded.

    `epsilon` is honest about the candidates tried: one mark-up for all of a provider's assets, or a quantity for each
    place; class by class, quantities from one place to another, and all classes together. Mark-ups asset by asset are
    not looked at. Where values come in steps, profits have jumps, at which a best response is only approached.

    Mixed equilibria of two players are found by the algorithm of Lemke and Howson, exactly; of more by regret
    matching, which in general leads to coarse correlated equilibria only: the product of its average mixtures is shown
    with its exploitability, which says how far from an equilibrium it is.

    References
    ----------
    A. A. Cournot, "Recherches sur les principes mathématiques de la théorie des richesses", 1838; J. Bertrand, Journal
    des Savants, 1883; F. Y. Edgeworth, "The Pure Theory of Monopoly", 1925 (1897); J. M. Ortega and W. C. Rheinboldt,
    "Iterative Solution of Nonlinear Equations in Several Variables", 1970 (Gauss-Seidel); C. E. Lemke and J. T.
    Howson, J. SIAM 12, 1964; S. Hart and A. Mas-Colell, Econometrica 68, 2000.

    Examples
    --------
    >>> import tokenflow_sim as tf
    >>> found = tf.equilibrium("us5", ["dallas_dc"], by="provider", points=5, levels=0)
    >>> found.offers.offer_price.dims
    ('asset', 'workload')
    """
    name, market, regions, standing = market_of(scenario, period, overrides, allow_code)
    faults: list[Fault] = []
    players = players_of(providers, market, regions, faults)
    _check(faults, play=play, by=by, starts=starts)
    _check_counts(faults, points=points, levels=levels, rounds=rounds, random=random, seed=seed, mixed=mixed)
    if clearings is not None:
        _check_counts(faults, clearings=clearings)
    _check_numbers(faults, damping=damping, tolerance=tolerance, ceiling=ceiling, start=start)
    check_workers(workers, faults)
    count = len(set(market.layout.provider)) if players is None else len(players)
    if not faults and mixed**count > MOST_PROFILES:
        text = f"{mixed} actions of each of {count} players are {mixed**count:,} profiles; at most {MOST_PROFILES:,}"
        faults.append(Fault(text, "mixed"))
    refuse(faults, "equilibrium")
    game = MarketGame(market, play, players, ceiling, regions, standing)
    truthful = game.must_clear()
    visited: Visited = {}
    names = ["given"] if start is not None else start_names(game, starts, random)
    named = start is not None or starts is not None
    budget = (
        np.inf if clearings is None and named else most_clearings(game) if clearings is None else clearings
    )
    done = dearest = 0

    def report_round(round_: int, most: int) -> None:
        if progress is not None:
            progress(done + round_, most * len(names))

    def make(which: MarketGame, label: str, actions: Floats) -> Search:
        own = visited if which is game else {}
        return Search(
            which, label, by, points, levels, damping, rounds, tolerance, actions, report_round, own
        )

    with Executor(workers, client) as executor:
        game.executor = executor
        searches: list[Search] = []
        for label in names:
            before = game.tally.profiles
            if searches and before + dearest > budget:
                break  # it would hardly come to its end
            given = None if start is None else np.minimum(start, game.highest)
            actions = start_at(game, label, seed, make) if given is None else given
            search = make(game, label, actions)
            search.run()
            searches.append(search)
            done += len(search.gains) - 1
            dearest = max(dearest, game.tally.profiles - before)
        small = small_game(game, mixed, seed, tolerance) if mixed else None
        dataset = dataset_of(game, searches, truthful.profit, small, name)
    tally = game.tally
    dataset.attrs |= {
        "clearings": tally.profiles,
        "infeasible": tally.infeasible,
        "failed": len(tally.causes),
        "first_failure": next(iter(tally.causes), ""),
        "starts_left": len(names) - len(searches),
    }
    if tally.causes:
        warn(
            f"{len(tally.causes)} of {tally.profiles:,} profiles could not be cleared. The first: {tally.causes[0]}\n"
            "  Nobody moves there: what could be gained at such a profile is not known."
        )
    return Equilibrium(dataset)


def _check(faults: list[Fault], play: object, by: object, starts: object) -> None:
    """Add the faults of the options that are words."""
    for label, given, options in (
        ("play", play, ("price", "quantity")),
        ("by", by, ("workload", "provider")),
    ):
        if given not in options:
            faults.append(Fault(unknown_name("choice", given, options), label))
    if starts is None:
        return
    if isinstance(starts, str) or not isinstance(starts, Sequence) or not len(starts):
        text = f"must be a list of some of {', '.join(STARTS)}; found {starts!r:.80}"
        faults.append(Fault(text, "starts"))
        return
    for chosen in starts:
        if chosen not in STARTS:
            faults.append(Fault(unknown_name("start", chosen, STARTS), "starts"))


def _check_counts(faults: list[Fault], **given: object) -> None:
    """Add the faults of the options that are whole numbers."""
    least = {"points": 5, "levels": 0, "rounds": 1, "random": 0, "seed": 0, "mixed": 0, "clearings": 0}
    for label, number in given.items():
        whole = isinstance(number, (int, np.integer)) and not isinstance(number, bool)
        if not whole or number < least[label]:  # type: ignore[operator]  # mypy forgets what was asked
            faults.append(Fault(f"must be a whole number from {least[label]} on; found {number!r}", label))
    if given.get("mixed") == 1:
        faults.append(Fault("one action is no choice; give 2 or more, or 0 for none", "mixed"))


def _check_numbers(faults: list[Fault], **given: object) -> None:
    """Add the faults of the options that are numbers of any size; `start` may be left out."""
    for label, number in given.items():
        is_number = isinstance(number, (int, float, np.number)) and not isinstance(number, bool)
        value = float(number) if is_number else np.nan  # type: ignore[arg-type]  # mypy forgets what was asked
        if label == "damping" and not 0 < value <= 1:
            faults.append(Fault(f"must be a number above 0 and at most 1; found {number!r}", label))
        elif label == "start" and number is not None and not 0 <= value < np.inf:
            faults.append(Fault(f"must be a number from 0 on; found {number!r}", label))
        elif label in ("tolerance", "ceiling") and not 0 < value < np.inf:
            faults.append(Fault(f"must be a positive number; found {number!r}", label))
