"""``tokenflow game``: the market of a period as a game, what theory says of it, and learners that play it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tokenflow_sim.cli.console import busy, say
from tokenflow_sim.cli.dates import period_of
from tokenflow_sim.cli.game_words import (
    FOUND,
    as_options,
    check_tolerance,
    faults_of_names,
    parse_actions,
    parse_found,
    parse_learners,
    parse_mixture,
)
from tokenflow_sim.cli.guard import CHECK_FAILED
from tokenflow_sim.cli.options import (
    AllowCode,
    Bar,
    Debug,
    Figures,
    Force,
    Overrides,
    Scheduler,
    Workers,
    check_suffix,
    connected,
    make_folder,
    parse_overrides,
    refuse_existing,
)
from tokenflow_sim.errors import Fault, InputError

if TYPE_CHECKING:
    from tokenflow_sim.games.game import Game
    from tokenflow_sim.games.played import Played
    from tokenflow_sim.games.tabulated import Asked


class Plays(StrEnum):
    """What players choose."""

    PRICE = "price"
    QUANTITY = "quantity"


class Ties(StrEnum):
    """Which of equally good answers followers take."""

    STRONG = "strong"
    WEAK = "weak"


class Sense(StrEnum):
    """Which correlated equilibrium is wanted."""

    MAX = "max"
    MIN = "min"


class Moves(StrEnum):
    """When players move."""

    SIMULTANEOUS = "simultaneous"
    ALTERNATING = "alternating"


def game(
    scenario: Annotated[
        str,
        typer.Argument(
            metavar="SCENARIO",
            help="A scenario folder, its file, or a bundled scenario; or a game that --out wrote (.nc).",
        ),
    ],
    actions: Annotated[
        list[str] | None,
        typer.Option(
            "--actions",
            metavar="[NAME=]VALUES",
            help="Actions of all players, or of one: a,b,c or start:stop:step with both ends, each a number or a list"
            " with one for each class; may be repeated. In prices mark-ups on cost, in quantities shares of capacity.",
        ),
    ] = None,
    providers: Annotated[
        str | None,
        typer.Option(
            "--providers",
            metavar="A,B,...",
            help="Who plays: providers, owners.NAME, regions.NAME; if left out, those whose actions are named, or"
            " every provider.",
        ),
    ] = None,
    play: Annotated[Plays, typer.Option("--play", help="What they choose.")] = Plays.PRICE,
    period: Annotated[
        str, typer.Option("--period", help="The period whose market it is: its number, or a date in it.")
    ] = "0",
    most: Annotated[
        int, typer.Option("--most", min=1, metavar="N", help="Profiles up to which a game is tabulated.")
    ] = 1_000_000,
    find: Annotated[
        str, typer.Option("--find", metavar="NAMES", help=f"What to show: {', '.join(FOUND)}; or none.")
    ] = "pure",
    tolerance: Annotated[
        float, typer.Option("--tolerance", help="Gain in $/h that is none, of pure equilibria.")
    ] = 0.0,
    objective: Annotated[
        str | None,
        typer.Option(
            "--objective",
            help="Of correlated equilibria: welfare, payment, payoff (of all), or a player; if left out, welfare,"
            " or payoff where the game has no welfare.",
        ),
    ] = None,
    sense: Annotated[Sense, typer.Option("--sense", help="Whether it is to be large or small.")] = Sense.MAX,
    leaders: Annotated[
        list[str] | None,
        typer.Option(
            "--leader", metavar="NAME", help="Show what follows if this player moves first; may be repeated."
        ),
    ] = None,
    ties: Annotated[
        Ties, typer.Option("--ties", help="Of equally good answers, the best for the leader, or the worst.")
    ] = Ties.STRONG,
    mixture: Annotated[
        list[str] | None,
        typer.Option(
            "--mixture",
            metavar="NAME=P,P,...",
            help="Show what could be gained against these probabilities of a player's actions; once for each player.",
        ),
    ] = None,
    learners: Annotated[
        list[str] | None,
        typer.Option(
            "--learner",
            metavar="[NAME=]LEARNER",
            help="Let learners play it over and over: q_learning(rate=0.15, decay=4e-6), roth_erev, epsilon_greedy,"
            " ucb1, exp3, fictitious_play or best_response; may be repeated, by player.",
        ),
    ] = None,
    sessions: Annotated[int, typer.Option("--sessions", min=1, help="Sessions to play.")] = 1000,
    periods: Annotated[int, typer.Option("--periods", min=1, help="Most periods of a session.")] = 10_000_000,
    stop: Annotated[
        int,
        typer.Option(
            "--stop", min=0, help="Periods without a change of policy that end a session; 0 plays all."
        ),
    ] = 100_000,
    moves: Annotated[Moves, typer.Option("--moves", help="All at once, or in turn.")] = Moves.SIMULTANEOUS,
    deviating: Annotated[
        str | None,
        typer.Option(
            "--deviating", metavar="NAME", help="Show what follows if this player deviates for a period."
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of all sessions.")] = 0,
    assignments: Overrides = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write the game here (NetCDF).")
    ] = None,
    table: Annotated[
        Path | None, typer.Option("--table", metavar="FILE", help="CSV file to write all profiles to.")
    ] = None,
    played: Annotated[
        Path | None, typer.Option("--played", metavar="FILE", help="Write what was played here (NetCDF).")
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(
            "--store",
            metavar="DIR",
            help="Folder that keeps unfinished work: the same command goes on with it.",
        ),
    ] = None,
    figures: Figures = None,
    workers: Workers = 1,
    scheduler: Scheduler = None,
    force: Force = False,
    allow_code: AllowCode = False,
    debug: Debug = False,
) -> None:
    """Tabulate the market of a period as a game, find its equilibria, and let learners play it."""
    saved = scenario.endswith(".nc")
    given: dict[str, Any] = {
        "play": play.value, "most": most, "allow_code": allow_code, "overrides": parse_overrides(assignments),
    }  # fmt: skip
    faults = _without_sense(saved, (actions, providers, assignments), learners, played, deviating)
    wanted, mixed = parse_found(find, faults), parse_mixture(mixture, faults)
    learner = parse_learners(learners, faults)
    choices: Any = None if saved else parse_actions(actions, faults)
    check_tolerance(tolerance, faults)

    from tokenflow_sim.cli.game_tables import show_exploitability, show_found, show_leadership, show_table_of
    from tokenflow_sim.games.game import Game

    tabulated, asked = Game.load(scenario) if saved else None, None
    if not saved and not any(fault.place.startswith("--actions") for fault in faults):
        from tokenflow_sim.games.tabulated import ask

        names = None if providers is None else [name.strip() for name in providers.split(",")]
        at = period_of(scenario, period, given["overrides"])
        asked = ask(scenario, faults, actions=choices, providers=names, period=at, **given)
    # Who is no player is said where it is known who plays.
    is_known = not any(fault.place == "providers" for fault in faults)
    faults = as_options(faults, "--providers" if providers is not None else "--actions")
    if is_known:
        faults += faults_of_names(
            tabulated or asked,
            objective if {"correlated", "coarse"} & {*wanted} else None,
            leaders or (), mixed, learner, deviating,
        )  # fmt: skip
    if faults:
        raise InputError(faults, "the command line")
    drawn = [] if figures is None else _drawn(figures, learner is not None, deviating is not None)
    _check_files({out: ".nc", table: ".csv", played: ".nc"}, drawn, force)
    if store is not None:
        make_folder(store)

    if asked is not None:
        tabulated = _tabulate(asked, store, workers, scheduler)
    assert tabulated is not None, "it is read or tabulated"
    # A store has the table already: files appear when all is done, so that the same command goes on until then.
    if store is None:
        _save(tabulated, out, table, force)
    show_table_of(tabulated)
    for name in wanted:
        with busy(f"finding {name}"):
            show_found(tabulated, name, objective, sense.value, tolerance)
    for name in leaders or ():
        show_leadership(tabulated, name, ties.value)
    if mixed is not None:
        show_exploitability(tabulated, mixed)
    results: dict[str, Any] = {"best_responses": tabulated.dataset}
    if learner is not None:
        how: dict[str, Any] = {
            "sessions": sessions,
            "periods": periods,
            "stop": stop or None,
            "moves": moves.value,
        }
        what = _play(tabulated, learner, store, workers, seed=seed, **how)
        if played is not None:
            from tokenflow_sim.results import save_results

            save_results(what.to_dataset(), played, force)
        results |= _show_play(what, deviating)
    if store is not None:
        _save(tabulated, out, table, force)
    written = [*filter(None, (out, table, played if learner is not None else None))]
    written += [] if figures is None else _draw(tabulated, results, drawn)
    for path in written:
        say(f"wrote {path}")
    if tabulated.dataset.attrs.get("failed", 0):
        raise typer.Exit(CHECK_FAILED)


def _save(game: Game, out: Path | None, table: Path | None, force: bool) -> None:
    """Write a game and the CSV file of its profiles, where they are asked for."""
    if table is not None:
        from tokenflow_sim.results.files import whole_file

        with whole_file(table, force=True) as draft:
            game.table.to_csv(draft, index=False)
    if out is not None:
        game.save(out, force)


def _without_sense(
    saved: bool, of_tabulation: Sequence[object], learners: object, played: Path | None, deviating: str | None
) -> list[Fault]:
    """Return the options that say nothing without another one, or beside it."""
    faults = []
    if saved and any(one is not None for one in of_tabulation):
        text = (
            "a game that is read from a file is tabulated already; leave out --actions, --providers and --set"
        )
        faults.append(Fault(text, "SCENARIO"))
    if learners is None:
        without = {"--played": played, "--deviating": deviating}
        faults += [
            Fault("name who plays (--learner)", name) for name, one in without.items() if one is not None
        ]
    return faults


def _check_files(files: dict[Path | None, str], drawn: Sequence[Path], force: bool) -> None:
    """Refuse what cannot be written, before any work, and make the folders."""
    named = {path: suffix for path, suffix in files.items() if path is not None}
    for path, suffix in named.items():
        check_suffix(path, suffix, "it")
    refuse_existing([*named, *drawn], force)
    for path in [*named, *drawn]:
        make_folder(path.absolute().parent)


def _tabulate(asked: Asked, store: Path | None, workers: int, scheduler: str | None) -> Game:
    with ExitStack() as stack:
        shown = Bar(stack, "clearing", "profiles")
        where = stack.enter_context(connected(workers, scheduler))
        return asked.clear(store=None if store is None else store / "table", progress=shown, **where)


def _play(game: Game, learner: Any, store: Path | None, workers: int, **given: Any) -> Played:
    out = None if store is None else store / "play"
    with ExitStack() as stack:
        shown = Bar(stack, "playing", "periods of all sessions")
        return game.play(learner, out=out, workers=workers or None, progress=shown, **given)


def _show_play(played: Played, deviating: str | None) -> dict[str, Any]:
    """Show what became of play; return the data of its figures by their names."""
    from tokenflow_sim.cli.game_tables import show_answer, show_played

    show_played(played)
    if deviating is None:
        return {"learning": played.dataset}
    if played.dataset.attrs["stop"] and not played.converged.any():
        say(
            "no session converged, so that nobody's answer to a deviation is shown; play more periods, or --stop 0\n"
        )
        return {"learning": played.dataset}
    # Sessions that are not asked to converge count all, as they stand.
    answer = played.impulse_response(deviating, only_converged=bool(played.dataset.attrs["stop"]))
    show_answer(answer, played.game.players)
    return {"learning": played.dataset, "impulse_response": answer}


def _drawn(folder: Path, plays: bool, deviates: bool) -> list[Path]:
    """Return the figures that there may be."""
    names = ["best_responses", *(["learning"] if plays else []), *(["impulse_response"] if deviates else [])]
    return [folder / f"{name}.png" for name in names]


def _draw(game: Game, results: dict[str, Any], files: Sequence[Path]) -> list[Path]:
    """Draw the figures that the game and its play allow; return what was written."""
    import matplotlib as mpl

    mpl.use("Agg")  # figures go to files, on machines without a screen too
    from tokenflow_sim import plot
    from tokenflow_sim.cli.figures import Format, save_figure

    written = []
    for path in files:
        if path.stem == "best_responses" and len(game.players) != 2:
            say(f"{path.name} is of two players; the game has {len(game.players)}")
            continue
        if path.stem not in results:  # nobody answered
            continue
        save_figure(getattr(plot, path.stem)(results[path.stem]), path, Format.PNG)
        written.append(path)
    return written
