"""Where searches for an equilibrium start: profiles far apart, which may end in different ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tokenflow_sim.market import Market
from tokenflow_sim.numeric import Floats
from tokenflow_sim.study.game import MarketGame
from tokenflow_sim.study.search import Search

STARTS = ("cournot", "withheld", "truthful", "monopoly")
"""Kinds of starts that are one profile each."""
_WORK = 750_000
"""Clearings times variables of their program up to which a search makes further starts, unless they are named."""
_LEADERS = 4  # most starts at which one player alone withholds


def start_names(game: MarketGame, asked: Sequence[str] | None, random: int) -> list[str]:
    """Return what the starts of a search are called.

    Parameters
    ----------
    game : MarketGame
        The game.
    asked : sequence of str, optional
        Which of `STARTS`; if left out, those that suit the game: all in quantities; in prices truthful and withheld
        ones, and one at which a player alone withholds, for each of the first four.
    random : int
        How many random ones to add.
    """
    drawn = [f"random {number}" for number in range(1, random + 1)]
    if asked is not None:
        return [*asked, *drawn]
    if game.play == "price":
        leaders = [f"leader {name}" for name in game.players[:_LEADERS]] if len(game.players) > 1 else []
        return ["truthful", "withheld", *leaders, *drawn]
    return [*STARTS, *drawn]


def most_clearings(game: MarketGame) -> int:
    """Return up to how many clearings further starts are made: fewer the larger the market, of theory's all.

    A clearing takes longer the larger its program is, and a best response takes more of them; so it is the product
    that is bounded, and the same number of clearings is so on every machine.
    """
    arrays = game.market.arrays
    return _WORK // max(1, arrays.capacity.size + arrays.route_cost.size)


def start_at(
    game: MarketGame, name: str, seed: int, make: Callable[[MarketGame, str, Floats], Search]
) -> Floats:
    """Return the actions that a start is.

    Parameters
    ----------
    game : MarketGame
        The game.
    name : str
        ``truthful``; ``withheld``: everybody keeps as much from the market as it can, by price or by quantity;
        ``monopoly``: everybody's best response to that; ``cournot``: the middle of the ends of two searches in the
        market without limits of links, in which players move in either order; ``leader NAME``: that player withholds,
        and the others are truthful; ``random N``: the Nth draw.
    seed : int
        Of the draws.
    make : callable
        Makes a search of a game, a name and a start.
    """
    kind, _, rest = name.partition(" ")
    if kind == "withheld":
        return game.withheld.copy()
    if kind == "monopoly":
        found = game.withheld.copy()
        alone = make(game, name, game.withheld.copy())
        for player in range(len(game.players)):
            found[player] = game.with_numbers(player, game.withheld, alone.gain(player)[1])[player]
        return found
    if kind == "cournot":
        endless = np.full_like(game.market.arrays.link_capacity, np.inf)
        arrays = game.market.arrays.with_(link_capacity=endless)
        market = Market.from_arrays(game.market.layout, arrays, game.market.hours, check=False)
        ends = []
        for players in (game.players, game.players[::-1]):
            search = make(game.within(market, players), name, game.start)
            search.run()
            ends.append(search.actions if players == game.players else search.actions[::-1])
        # Who moves first takes the last step of demand. Half of the way between, which alike firms share, is an
        # equilibrium of that market as well, and lies farther from where one of them would rather congest a link.
        return np.mean(ends, axis=0)
    if kind == "leader":
        found, player = game.truthful.copy(), game.players.index(rest)
        found[player] = game.withheld[player]
        return found
    if kind == "random":
        drawn = np.random.default_rng([seed, int(rest)]).random(game.highest.shape)
        ratio = np.array([role.ratio for role in game.roles])[:, None]
        return np.where(ratio, (1 + game.highest) ** drawn - 1, drawn * game.highest)
    return game.truthful.copy()
