"""The Dataset of a search for equilibria: labels on what the searches found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from tokenflow_sim.numeric import Floats
from tokenflow_sim.study.game import MarketGame
from tokenflow_sim.study.mixed import SmallGame
from tokenflow_sim.study.roles import Buyer, Owner
from tokenflow_sim.study.search import Search
from tokenflow_sim.variables import CLEARING, MARKET

_ACTIONS = {
    "price": "mark-up over true cost (tariff over highest value of owners, shading of bids of regions)",
    "quantity": "share of capacity (or demand) offered",
}
_APART = 0.02  # of what demand pays: two equilibria are distinct where somebody's profit differs by more


def dataset_of(
    game: MarketGame, searches: Sequence[Search], truthful: Floats, small: SmallGame | None, name: str
) -> xr.Dataset:
    """Label what the searches found.

    Parameters
    ----------
    game : MarketGame
        The game.
    searches : sequence of Search
        One a start, each run to its end.
    truthful : ndarray
        Profits where everybody is truthful, in $/h, dims (player,).
    small : SmallGame or None
        The game of few actions, where mixed equilibria were asked for.
    name : str
        The scenario's name.

    Returns
    -------
    Dataset
        As in `Equilibrium`.
    """
    gains = _all_gains(game, searches)
    epsilons = np.array([gain.max() for gain in gains])
    stands, number = _distinct(game, searches, epsilons)
    first = stands[0] if stands else int(np.nanargmin(epsilons))
    chosen = searches[first]
    payoff = game.must_clear(chosen.actions)  # nobody moves to where the market cannot be cleared
    action = {"units": "1", "long_name": _ACTIONS[game.play]}
    own = ("provider",)
    data: dict[str, Any] = {
        "action": ((*own, "workload"), game.shown(chosen.actions), action),
        "profit": (own, payoff.profit, _rate("profit")),
        "truthful_profit": (own, truthful, _rate("profit where everybody is truthful")),
        "gain": (own, gains[first], _rate("what the player could still gain by moving alone")),
        "history_action": (
            ("round", *own, "workload"), np.array([game.shown(one) for one in chosen.moves]), action,
        ),
        "history_profit": (("round", *own), np.array(chosen.profits), _rate("profit")),
        "history_gain": (("round",), np.array(chosen.gains), _rate("largest gain of a mover")),
        "start_equilibrium": (("start",), number, _count("equilibrium that the start led to, 0 for none")),
        "start_rounds": (("start",), np.array([len(one.gains) - 1 for one in searches]), _count("rounds played")),
        "start_cycle": (("start",), np.array([one.cycle for one in searches]), _count("rounds of a loop, 0 for none")),
        "start_rested": (("start",), np.array([int(one.rested) for one in searches]), _count("whether it rested")),
        "start_epsilon": (("start",), epsilons, _rate("what somebody could still gain at the end")),
    }  # fmt: skip
    coords: dict[str, Any] = {
        "provider": list(game.players),
        "workload": list(game.workloads),
        "round": np.arange(len(chosen.gains)),
        "start": [one.name for one in searches],
    }
    offers = _offers(game, chosen.actions, payoff.clearing.values.price.copy())
    data |= _listed(game, searches, stands, gains, action)
    if stands:
        coords["equilibrium"] = np.arange(1, len(stands) + 1)
    if small is not None and small.found:
        data |= _mixed(game, small, action)
        coords["mixed"] = np.arange(1, len(small.found) + 1)
        coords["choice"] = np.arange(data["choice_action"][1].shape[1])
    attrs = {
        "title": f"{name}: equilibrium in {'mark-ups' if game.play == 'price' else 'quantities'}",
        "study": "equilibrium",
        "play": game.play,
        "by": chosen.by,
        "rested": int(chosen.rested),
        "cycle": chosen.cycle,
        "tolerance": chosen.tolerance,
        "payment": payoff.payment,
        "points": chosen.points,
        "levels": chosen.levels,
        "scenario_name": name,
    }
    return xr.Dataset(data, coords, attrs).assign(offers)


def _all_gains(game: MarketGame, searches: Sequence[Search]) -> list[Floats]:
    """Return what everybody could still gain at each search's end; that of a joined search is the other's.

    Where some came to rest, NaN for those that did not: what they leave to gain answers no question then.
    """
    some = any(search.rested for search in searches)
    found: dict[int, Floats] = {}
    for search in searches:
        end = search if search.joined is None else search.joined
        if id(end) not in found:
            found[id(end)] = np.full(len(game.players), np.nan)
            if end.rested or not some:
                found[id(end)] = np.array([end.gain(player)[0] for player in range(len(game.players))])
    return [found[id(search if search.joined is None else search.joined)] for search in searches]


def _distinct(
    game: MarketGame, searches: Sequence[Search], epsilons: Floats
) -> tuple[list[int], NDArray[np.int64]]:
    """Return the searches that first led to each distinct equilibrium, and each start's equilibrium from 1 on."""
    stands: list[int] = []
    number = np.zeros(len(searches), dtype=np.int64)
    for place, search in enumerate(searches):
        here = game.money(search.actions)
        if not search.rested or here is None or epsilons[place] > search.tolerance * here.payment:
            continue
        for known, other in enumerate(stands):
            there = game.money(searches[other].actions)
            if there is not None and np.abs(here.profit - there.profit).max() <= _APART * here.payment:
                number[place] = known + 1
                break
        else:
            stands.append(place)
            number[place] = len(stands)
    return stands, number


def _listed(
    game: MarketGame,
    searches: Sequence[Search],
    stands: Sequence[int],
    gains: Sequence[Floats],
    action: dict[str, str],
) -> dict[str, Any]:
    """Return the variables of all distinct equilibria."""
    if not stands:
        return {}
    outcomes = [game.must_clear(searches[place].actions) for place in stands]
    own = ("equilibrium", "provider")
    price = np.array([one.clearing.values.price for one in outcomes])
    return {
        "equilibrium_action": (
            (*own, "workload"), np.array([game.shown(searches[place].actions) for place in stands]), action,
        ),
        "equilibrium_profit": (own, np.array([one.profit for one in outcomes]), _rate("profit")),
        "equilibrium_gain": (own, np.array([gains[place] for place in stands]), _rate("what it could still gain")),
        "equilibrium_price": (("equilibrium", "node", "workload"), price, _price("price")),
    }  # fmt: skip


def _mixed(game: MarketGame, small: SmallGame, action: dict[str, str]) -> dict[str, Any]:
    """Return the variables of the game of few actions; a player with fewer than others has NaN in their place."""
    players, most = len(game.players), max(len(own) for own in small.numbers)
    chosen = np.full((players, most, len(game.workloads)), np.nan)
    odds = np.full((len(small.found), players, most), np.nan)
    for player, numbers in enumerate(small.numbers):
        for place, row in enumerate(numbers):
            chosen[player, place] = game.roles[player].shown(row)
        for place, one in enumerate(small.found):
            odds[place, player, : len(numbers)] = one.mixture[player]
    own = ("mixed", "provider")

    def stacked(name: str) -> Floats:
        return np.array([getattr(one, name) for one in small.found])

    return {
        "choice_action": (("provider", "choice", "workload"), chosen, action),
        "mixed_probability": (
            (*own, "choice"),
            odds,
            {"units": "1", "long_name": "probability of the action"},
        ),
        "mixed_profit": (own, stacked("profit"), _rate("expected profit")),
        "mixed_gain": (own, stacked("gain"), _rate("what it could gain by another of the actions")),
        "mixed_gain_beyond": (
            own,
            stacked("beyond"),
            _rate("what it could gain by an action between them too"),
        ),
        "mixed_price": (("mixed", "node", "workload"), stacked("price"), _price("expected price")),
        "mixed_payment": (("mixed",), stacked("payment"), _rate("expected payment")),
        "mixed_method": (
            ("mixed",),
            np.array([one.method for one in small.found]),
            {"long_name": "how it was found"},
        ),
    }


def _offers(game: MarketGame, actions: Floats, price: Floats) -> dict[str, xr.DataArray]:
    """Return what is submitted, and the price; what owners and regions submit too where they play."""
    layout, played = game.market.layout, game.played(actions).arrays
    # A quantity that is sold whatever the price is shown at its true cost.
    asked = played.offer_price if game.play == "price" else game.market.arrays.offer_price
    found = {
        "offer_price": layout.label(MARKET["offer_price"], asked),
        "offer_quantity": layout.label(MARKET["capacity"], played.capacity).rename("offer_quantity"),
        "price": layout.label(CLEARING["price"], price),
    }
    if any(isinstance(role, Owner) for role in game.roles):
        for name in ("route_cost", "link_capacity"):
            found[name] = layout.label(MARKET[name], getattr(played, name))
    if any(isinstance(role, Buyer) for role in game.roles):
        for name in ("demand", "value"):
            found[name] = layout.label(MARKET[name], getattr(played, name))
    return {
        key: array.drop_vars("provider", errors="ignore").assign_coords(
            asset_provider=("asset", np.array(layout.provider, dtype=np.str_))
        )
        if "asset" in array.dims
        else array
        for key, array in found.items()
    }


def _rate(text: str) -> dict[str, str]:
    return {"units": "$/h", "long_name": text}


def _price(text: str) -> dict[str, str]:
    return {"units": "$/Mtok", "long_name": text}


def _count(text: str) -> dict[str, str]:
    return {"units": "1", "long_name": text}
