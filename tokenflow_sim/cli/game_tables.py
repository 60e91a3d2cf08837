"""What `tokenflow game` prints: profiles, mixtures, and what became of play."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tokenflow_sim.cli.console import say, share, show_table, significant
from tokenflow_sim.errors import ResultError
from tokenflow_sim.numerals import counted

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from tokenflow_sim.games.game import Game
    from tokenflow_sim.games.played import Played

ROWS = 60
"""Profiles that a table shows."""
_SHOWN_FROM = 1e-6  # probability of what is shown of a mixture
_ROUNDING = 1e-12  # of the largest payoff


def show_frame(game: Game, title: str, frame: pd.DataFrame, more: tuple[str, ...] = ()) -> None:
    """Show profiles: the action of each player, payoffs, and further columns that there are."""
    money = [f"payoff of {name}" for name in game.players]
    more = tuple(name for name in more if name in frame)
    heads = [
        "",
        *(f"{name}\naction" for name in game.players),
        *(f"{name}\npayoff, $/h" for name in game.players),
    ]
    rows = [
        [
            str(number),
            *(_action(row[name]) for name in game.players),
            *(significant(float(row[name]), 5) for name in (*money, *more)),
        ]
        for number, (_, row) in enumerate(frame.head(ROWS).iterrows(), 1)
    ]
    show_table(title, [*heads, *(f"{name}\n$/h" for name in more)], rows)
    if len(frame) > ROWS:
        say(f"... and {len(frame) - ROWS:,} more")


def show_table_of(game: Game) -> None:
    """Show the table of the game itself, where it is short enough to be read."""
    say(f"{game.dataset.attrs.get('title', 'Game')}: {_size(game)}")
    if "feasible" in game.dataset and (lacking := int((~game.dataset["feasible"]).sum())):
        say(f"{counted(lacking, 'profile')} cannot be served, and count below all others")
    say()
    if game.profiles <= ROWS:
        show_frame(game, "All profiles", game.table, ("payment", "welfare"))


def _size(game: Game) -> str:
    sizes = " x ".join(map(str, game.form.actions))
    return f"{', '.join(game.players)} have {sizes} actions, {counted(game.profiles, 'profile')}"


def show_found(game: Game, name: str, objective: str | None, sense: str, tolerance: float) -> None:
    """Work out one solution of the game, and show it."""
    if name == "pure":
        found = game.pure_equilibria(tolerance)
        frame = game.frame_of(found)
        if not len(frame):
            say("There is no equilibrium in pure strategies; --find mixed,cycles shows what there is.\n")
        show_frame(game, "Equilibria in pure strategies", _with(frame, found), ("payment", "welfare"))
    elif name == "mixed":
        _show_mixed(game)
    elif name in ("correlated", "coarse"):
        _show_correlated(game, name, objective, sense)
    elif name == "cycles":
        for number, frame in enumerate(game.best_response_cycles(), 1):
            kind = "a pure equilibrium" if len(frame) == 1 else counted(len(frame), "profile")
            show_frame(game, f"Best responses end in set {number}: {kind}", frame)
    elif name == "dominated":
        gone = {who: own for who, own in game.dominated().items() if own}
        for who, own in gone.items():
            say(f"strictly dominated, of {who}: {', '.join(map(_action, own))}")
        if not gone:
            say("no action is strictly dominated")
        say()
    elif name == "collusive":
        one = game.collusive().expand_dims("equilibrium")
        show_frame(game, "Highest joint payoff", _with(game.frame_of(one), one), ("payment", "welfare"))
    else:
        show_frame(
            game, "Efficient profiles: nobody gets more without another getting less", game.pareto_front()
        )


def _with(frame: pd.DataFrame, found: xr.Dataset) -> pd.DataFrame:
    """Return profiles with their payment and welfare, where the game has them."""
    there = {name: found[name].values for name in ("payment", "welfare") if name in found}
    return frame.assign(**there)


def _show_mixed(game: Game) -> None:
    found = game.mixed_equilibria()
    for number in found["equilibrium"].values:
        one = found.sel(equilibrium=number)
        how, gap = one["method"].item().replace("_", " "), _money(game, float(one["exploitability"]))
        show_mixture(game, f"Mixed equilibrium {number} ({how}); exploitability {gap} $/h", one)


def show_mixture(game: Game, title: str, found: xr.Dataset) -> None:
    """Show how likely each action is, what each player expects, and what it could gain by moving alone."""
    rows = []
    for name in game.players:
        own = found.sel(provider=name)
        expected = [_money(game, float(own[part])) for part in ("payoff", "gain")]
        if "probability" not in found:
            rows.append([name, *expected])
            continue
        odds = own["probability"].fillna(0.0).values
        for row, place in enumerate(np.flatnonzero(odds > _SHOWN_FROM)):
            cells = [_action(game.actions[name][int(place)]), significant(100 * float(odds[place]), 4)]
            rows.append(["", *cells, "", ""] if row else [name, *cells, *expected])
    heads = ["action", "probability\n%"] if "probability" in found else []
    show_table(title, ["", *heads, "payoff\n$/h", "could gain\n$/h"], rows)


def _show_correlated(game: Game, name: str, objective: str | None, sense: str) -> None:
    objective = objective or ("welfare" if "welfare" in game.dataset else "payoff")
    find = game.correlated_equilibrium if name == "correlated" else game.coarse_correlated_equilibrium
    found = find(objective, sense=sense)  # type: ignore[arg-type]  # checked there
    odds = found["odds"].values.ravel()
    shown = np.argsort(-odds, kind="stable")[: min(ROWS, int((odds > _SHOWN_FROM).sum()))]
    actions = game.frame_of(game.at_profiles(game.unravel(shown), "profile"))
    rows = [
        [*(_action(row[who]) for who in game.players), significant(100 * odds[place], 4)]
        for place, (_, row) in zip(shown, actions.iterrows(), strict=True)
    ]
    kind = "Correlated equilibrium" if name == "correlated" else "Coarse correlated equilibrium"
    most = "highest" if sense == "max" else "lowest"
    title = f"{kind} of the {most} {objective}: {_money(game, float(found['value']))} $/h"
    show_table(title, [*(f"{who}\naction" for who in game.players), "probability\n%"], rows, words=0)
    show_mixture(game, "What players expect, and could gain by not doing what they are told", found)


def show_leadership(game: Game, leader: str, ties: str) -> None:
    """Show what a leader commits itself to, and the answers."""
    try:
        found = game.stackelberg(leader, ties=ties)  # type: ignore[arg-type]  # checked there
    except ResultError as error:
        say(f"Stackelberg: {error}\n")
        return
    rows = [
        [
            name,
            "leads" if name == leader else "follows",
            _action(found["action"].sel(provider=name).item()),
            significant(float(found["payoff"].sel(provider=name)), 5),
        ]
        for name in game.players
    ]
    show_table(f"Stackelberg: {leader} moves first", ["", "", "action", "payoff\n$/h"], rows, words=2)
    if found.attrs["ties"] > 1:
        which = "best" if ties == "strong" else "worst"
        say(f"{counted(found.attrs['ties'], 'answer')} were open; the {which} for {leader} is shown\n")


def show_played(played: Played) -> None:
    """Show where sessions ended: means, deviations and bands, and how near to collusion."""
    table = played.table
    rows = [
        [str(name), *(significant(float(one), 5) for one in row)] for name, row in table.head(ROWS).iterrows()
    ]
    sessions = counted(played.dataset.sizes["session"], "session")
    show_table(f"Repeated play, {sessions}; payoffs in $/h at the end", ["", *map(str, table.columns)], rows)
    if len(table) > ROWS:
        say(f"... and {len(table) - ROWS:,} more")
    if played.dataset.attrs["stop"]:
        say(f"{share(played.share_converged, 1.0)} of sessions converged")
    try:
        gain = played.profit_gain().values
    except ResultError as error:
        say(f"profit gain: {error}")
    else:
        low, high = np.quantile(gain, (0.05, 0.95))
        band = f"{significant(low, 3)} to {significant(high, 3)} in nine sessions of ten"
        say(f"profit gain {significant(float(gain.mean()), 3)}, {band} (0: Nash, 1: joint maximum)")
    say()


def show_answer(found: xr.Dataset, players: tuple[str, ...]) -> None:
    """Show means over sessions of what follows on a deviation."""
    numeric = "action" in found
    acted = found["action" if numeric else "place"].mean("session")
    payoff, usual = found["payoff"].mean("session"), found["undisturbed"].mean("session")
    rows = []
    for period in found["period"].values:
        parts = (acted.sel(period=period), payoff.sel(period=period), usual.sel(period=period))
        cells = [significant(float(part.sel(provider=who)), 4) for part in parts for who in players]
        rows.append([str(period), *cells])
    words = ("action" if numeric else "position of\nthe action", "payoff, $/h", "undisturbed, $/h")
    title = f"After {found.attrs['player']} deviates in period 1: means over sessions"
    show_table(title, ["period", *(f"{who}\n{word}" for word in words for who in players)], rows)
    say(f"at the end {share(found.attrs['returned'], 1.0)} of sessions are back where they were before\n")


def show_exploitability(game: Game, mixture: Any) -> None:
    """Show what could be gained against a mixture."""
    found = game.expected(mixture)
    show_mixture(game, f"Exploitability {_money(game, float(found['exploitability']))} $/h", found)


def _money(game: Game, amount: float) -> str:
    """Return an amount in $/h, and nothing where it is the rounding of the game's payoffs."""
    size = float(np.nanmax(np.abs(game.payoff.values), initial=0.0))
    return significant(0.0 if abs(amount) <= _ROUNDING * size else amount, 5)


def _action(value: Any) -> str:
    return value if isinstance(value, str) else f"{float(value):g}"
