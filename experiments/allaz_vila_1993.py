"""Repeat Allaz and Vila (1993): duopolists that may sell forward do, and price falls.

Inverse demand is a - Q, marginal cost c. Firms that have sold x forward compete in quantities (`tf.cournot` with
`forward`); before, in N rounds, each chooses how much to sell forward at the price that everybody foresees. The
equilibrium of each round is found by best responses over positions, each position played out to the end. The source's
numbers are closed forms: without forwards the price is (a + 2c) / 3, with one round (a + 4c) / 5, with N rounds

    c + (a - c) / (3 + 2N),

and with n firms c + (a - c) / (1 + n (1 + (n - 1) + ... + (n - 1)^N)). Then what comes out where nobody knows theory:
firms that learn how much to produce while they hold such contracts (`contracts` of a scenario), and firms that learn
how much to sell forward.

    python experiments/allaz_vila_1993.py [--full] [--sessions 2] [--periods 200] [--figure forward.png]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

import tokenflow_sim as tf
from tokenflow_sim.numeric import Floats
from tokenflow_sim.plot.style import PALETTES, HouseFigure, house_style

A, C = 10.0, 1.0
"""Intercept of demand and marginal cost, $/Mtok; the slope is one $/Mtok per Mtok/s."""
LEARNERS = ("epsilon_greedy", "ucb1", "exp3", "roth_erev")
STEP = 0.6
"""Distance of the quantities to learn among, Mtok/s: theory's are 3 without forwards and 3.6 with them."""


def theory(firms: int, rounds: int) -> float:
    """Return the price with so many firms and rounds of forward trading."""
    keen: int = 1 + firms * sum((firms - 1) ** power for power in range(rounds + 1))
    return C + (A - C) / keen


def market(firms: int) -> tf.Market:
    """Return equal firms at one node with affine demand."""
    names = [f"firm {number}" for number in range(1, firms + 1)]
    labels, here = {"asset": names, "workload": ["power"]}, {"node": ["here"], "workload": ["power"]}
    return tf.Market(
        offer_price=xr.DataArray(np.full((firms, 1), C), labels, ("asset", "workload")),
        capacity=xr.DataArray(np.full((firms, 1), 2 * A), labels, ("asset", "workload")),
        demand=xr.DataArray([[A]], here, ("node", "workload")),
        value=A,
        value_slope=1.0,
    )


class Forwards:
    """The game of selling forward in rounds before a Cournot market.

    Parameters
    ----------
    firms : int
        How many there are.
    """

    def __init__(self, firms: int) -> None:
        self.firms, self.market, self.solved = firms, market(firms), 0
        self._rounds: list[tuple[Floats, Floats]] = []  # of each number of rounds to come: offset and slopes

    def spot(self, held: Floats) -> tuple[float, Floats]:
        """Return the price and what each produces where each has sold so much forward."""
        self.solved += 1
        names = [f"firm {number}" for number in range(1, self.firms + 1)]
        found = tf.cournot(self.market, forward=dict(zip(names, held.tolist(), strict=True)))
        return float(found["price"].squeeze()), found["sales"].sum(("node", "workload")).values

    def play_on(self, held: Floats, rounds: int) -> tuple[float, Floats]:
        """Return price and production where so many rounds of forward trading are still to come.

        Where a round leads is affine in what is held before it, since best responses are. So a round is solved once,
        at a few positions, however many positions of the rounds before are tried: the number of Cournot markets is in
        proportion to that of rounds, in place of rising by a power of it. `_affine` checks what it finds.
        """
        for later in range(rounds, 0, -1):
            offset, slopes = self._affine(later)
            held = offset + slopes @ held
        return self.spot(held)

    def _affine(self, rounds: int) -> tuple[Floats, Floats]:
        """Return offset and slopes of where the first of so many rounds leads, from what is held before it."""
        while len(self._rounds) < rounds:
            later, none = len(self._rounds) + 1, np.zeros(self.firms)
            offset = self.traded(none, later)
            slopes = np.column_stack([self.traded(step, later) - offset for step in np.eye(self.firms)])
            elsewhere = np.linspace(0.1, 0.4, self.firms)  # firms that differ
            if np.abs(self.traded(elsewhere, later) - offset - slopes @ elsewhere).max() > 1e-6:
                raise RuntimeError("where a round of forward trading leads is not affine in what is held")
            self._rounds.append((offset, slopes))
        return self._rounds[rounds - 1]

    def traded(self, held: Floats, rounds: int) -> Floats:
        """Return positions after the next round, an equilibrium of it, given those before.

        A firm earns the margin on all that it has not sold before. Best responses to positions are affine, so that one
        step from a firm's replies at a few positions leads to where all reply to each other; that they do is checked.
        """

        def replies(positions: Floats) -> Floats:
            return np.array([self._reply(firm, positions, held, rounds) for firm in range(self.firms)])

        found = _fixed_point(replies, held + 0.1)
        if np.abs(replies(found) - found).max() > 1e-6:
            raise RuntimeError("best responses over forward positions do not meet")
        return found

    def _reply(self, firm: int, positions: Floats, held: Floats, rounds: int) -> float:
        """Return a firm's best position given the others': the top of a parabola, which profit is."""

        def earned(position: float) -> float:
            changed = positions.copy()
            changed[firm] = position
            price, sold = self.play_on(changed, rounds - 1)
            return (price - C) * float(sold[firm] - held[firm])

        now, width = positions[firm], 0.5
        low, mid, high = earned(now - width), earned(now), earned(now + width)
        return float(now + 0.5 * width * (low - high) / (low - 2 * mid + high))

    def price(self, rounds: int) -> float:
        """Return the price with so many rounds."""
        none = np.zeros(self.firms)
        if rounds == 0:
            return self.spot(none)[0]
        return self.play_on(self.traded(none, rounds), rounds - 1)[0]


def _fixed_point(function: Callable[[Floats], Floats], start: Floats) -> Floats:
    """Return the fixed point of an affine function."""
    base = function(start)
    slopes = np.column_stack([function(start + step) - base for step in np.eye(start.size)])
    return start + np.linalg.solve(np.eye(start.size) - slopes, base - start)


def equilibrium_table(most_rounds: int, most_firms: int) -> tuple[pd.DataFrame, list[int]]:
    """Return prices by firms and rounds beside theory's, and how many Cournot markets each number of firms took."""
    rows, solved = [], []
    for firms in range(2, most_firms + 1):
        game = Forwards(firms)
        for rounds in range(most_rounds + 1):
            rows.append((firms, rounds, theory(firms, rounds), game.price(rounds)))
        solved.append(game.solved)
    frame = pd.DataFrame(rows, columns=["firms", "rounds", "paper", "ours"])
    return frame.assign(difference=(frame.ours - frame.paper).abs().map("{:.0e}".format)), solved


def scenario(learner: str, periods: int, forward: bool) -> tf.Scenario:
    """Return the duopoly as a market of agents that learn quantities, with theory's contracts or without."""
    quantities = 1.8 + STEP * np.arange(6)
    sold, agreed = (A - C) / 5, theory(2, 1)
    strategy = {
        "name": learner, "markups": [0.0], "shares": (quantities / quantities.max()).tolist(), "baseline": "none",
    }  # fmt: skip
    contract = {"node": "here", "workload": "power", "quantity": sold, "price": agreed}
    whole: dict[str, Any] = {
        "format": 1, "name": "allaz_vila_1993", "periods": periods,
        "market": {"bandwidth": "none", "must_serve": False, "publish_offers": False},
        # At an elasticity of -1 where 5 Mtok/s are asked for at 5 $/Mtok, the line is 10 - Q.
        "workloads": {"power": {"base_demand": 5e6, "payload": 1, "value": 100}},
        "nodes": {"here": {"demand_weight": 1, "electricity_price": 0}},
        "hardware": {"plant": {"throughput": {"power": 1e6}, "energy": {"power": 0}, "running_cost": C * 3600}},
        "providers": {
            name: {
                "strategy": strategy,
                "assets": [{"node": "here", "hardware": "plant", "power_mw": float(quantities.max())}],
            }
            for name in ("one", "two")
        },
        "regions": {
            "users": {
                "nodes": ["here"],
                "strategy": {"name": "price_elastic", "elasticity": -1, "reference_price": 5, "form": "affine"},
            }
        },
    }  # fmt: skip
    if forward:
        whole["contracts"] = {name: {"seller": name, **contract} for name in ("one", "two")}
    return tf.Scenario.from_yaml(json.dumps(whole))


def learned(learner: str, sessions: int, periods: int) -> pd.DataFrame:
    """Return mean prices of the last third of the periods, a row a session, without contracts and with them."""
    rows = []
    for forward in (False, True):
        market_of_agents = scenario(learner, periods, forward)
        batch = tf.Batch(market_of_agents, seeds=range(sessions), record=["price"])
        batch.run()
        late = batch.results().price.isel(period=slice(-(periods // 3), None))
        for seed, price in enumerate(late.mean(("period", "node", "workload")).values.tolist()):
            rows.append({"learner": learner, "contracts": forward, "session": seed, "price": price})
    return pd.DataFrame(rows)


def learned_table(runs: pd.DataFrame) -> pd.DataFrame:
    """Return means and 5 to 95 % bands of learnt prices beside theory's."""
    rows = []
    for key, own in runs.groupby(["learner", "contracts"], sort=False):
        learner, forward = cast("tuple[str, bool]", key)
        low, high = own.price.quantile([0.05, 0.95])
        name = "with contracts" if forward else "without"
        rows.append((learner, name, theory(2, int(forward)), own.price.mean(), f"{low:.2f} to {high:.2f}"))
    return pd.DataFrame(rows, columns=["quantities learnt by", "contracts", "paper", "ours", "band"])


def positions_game(points: int) -> tf.Game:
    """Return the duopoly's game of forward positions from 0 to what is sold in the end, as a table."""
    forwards, grid = Forwards(2), np.linspace(0.0, 3.6, points)
    payoff = np.empty((points, points, 2))
    for i, j in np.ndindex(points, points):
        price, sold = forwards.spot(np.array([grid[i], grid[j]]))
        payoff[i, j] = (price - C) * sold
    return tf.Game.from_payoffs(
        xr.DataArray(
            payoff,
            {"one": grid.round(6), "two": grid.round(6), "provider": ["one", "two"]},
            ("one", "two", "provider"),
        )
    )


def positions_learned(points: int, sessions: int, decay: float) -> pd.DataFrame:
    """Return what positions firms end with whose trials end at a rate, beside theory's; who moves tells why.

    Q-learning of both; of one beside a rival that tries as often and otherwise stays at the equilibrium, since it
    learns at a rate of zero; and fictitious play of both, which knows what each position would have earned.
    """
    game = positions_game(points)
    grid = np.asarray(game.actions["one"], dtype=float)
    (nash,) = game.pure_equilibria().action.values.tolist()
    table = game.dataset.payoff.values
    learns = {"name": "q_learning", "memory": 0, "discount": 0.0, "decay": decay, "rate": 0.1}
    both = {"periods": round(20 / decay), "stop": round(2 / decay)}
    cases: dict[str, tuple[dict[str, Any], dict[str, Any], int]] = {
        "Q-learning": ({"one": learns, "two": learns}, both, 2),
        "Q-learning beside a rival that stays": ({"one": learns, "two": {**learns, "rate": 0.0}}, both, 1),
        "fictitious play": (
            {"one": "fictitious_play", "two": "fictitious_play"}, {"periods": 2000, "stop": None}, 2,
        ),
    }  # fmt: skip
    rows = []
    for name, (rules, given, learners) in cases.items():
        played = game.play(rules, sessions=sessions, **given)
        # The profile of the last period; Q-learners' trials are over by then.
        last = np.column_stack(np.divmod(played.dataset.end.values[:, -1], points))
        held = grid[last[:, :learners]].mean(axis=1)
        price = (A + 2 * C - grid[last].sum(axis=1)) / 3  # the spot market's, checked to rounding above
        earned = table[last[:, 0], last[:, 1]]
        # What the learners' best replies to where the other ended would have brought.
        best = np.column_stack([table[:, last[:, 1], 0].max(axis=0), table[last[:, 0], :, 1].max(axis=1)])
        forgone = (best / earned - 1)[:, :learners]
        rows.append(
            {
                "positions learnt by": name,
                "paper": (A - C) / 5,
                "Nash on the grid": nash[0],
                "ours": held.mean(),
                "band": "{:.2f} to {:.2f}".format(*np.quantile(held, [0.05, 0.95])),
                "price": price.mean(),
                "price's band": "{:.2f} to {:.2f}".format(*np.quantile(price, [0.05, 0.95])),
                "both earn, $/s": earned.sum(axis=1).mean(),
                "best reply, % more": 100 * forgone.mean(),
            }
        )
    return pd.DataFrame(rows)


def draw(exact: pd.DataFrame, runs: pd.DataFrame) -> Figure:
    """Draw prices by rounds and by firms with theory's lines, and what learners come to."""
    with house_style():
        figure = HouseFigure(figsize=(7.2, 3.0), layout="constrained")
        left, middle, right = figure.subplots(1, 3, sharey=True, width_ratios=[1, 1, 1.3])
        shades = PALETTES["provider"]
        rounds = range(9)
        left.plot(rounds, [theory(2, n) for n in rounds], color="#999999", lw=0.9, label="closed form")
        two = exact[exact.firms == 2]
        left.plot(two.rounds, two.ours, "o", color=shades[0], ms=4, label="best responses")
        left.set_title("Two firms")
        left.set_xlabel("rounds of forward trading")
        left.set_ylabel("price, $/Mtok")
        words = ("no forwards", "one round", "two rounds", "three rounds")
        for n, word, shade in zip(sorted(exact.rounds.unique()), words, shades, strict=False):
            firms = range(2, 7)
            middle.plot(firms, [theory(f, n) for f in firms], color="#999999", lw=0.9)
            own = exact[exact.rounds == n]
            middle.plot(own.firms, own.ours, "o", color=shade, ms=4, label=word)
        middle.set_title("More firms")
        middle.set_xlabel("firms")
        names = list(dict.fromkeys(runs.learner))
        for forward, shade in zip((False, True), shades, strict=False):
            for place, name in enumerate(names):
                own = runs[(runs.learner == name) & (runs.contracts == forward)].price
                x = place + (0.12 if forward else -0.12)
                right.vlines(x, own.quantile(0.05), own.quantile(0.95), color=shade, lw=1.2)
                right.plot([x], [own.mean()], "o", color=shade, ms=4)
            right.axhline(theory(2, int(forward)), color=shade, lw=0.8, ls=":")
        right.set_xticks(range(len(names)), [name.replace("_", "\n") for name in names])
        right.set_xlim(-0.5, len(names) - 0.5)
        right.set_title("Learners, with contracts and without")
        for ax in (left, middle):
            ax.axhline(C, color="#bbbbbb", lw=0.8, ls="--")
            ax.margins(x=0.06)
            ax.legend(loc="upper right")
    return figure


def main() -> None:
    """Find, learn, print the tables and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--full", action="store_true", help="three rounds, five firms, 20 sessions of 3,000 periods"
    )
    parser.add_argument("--sessions", type=int, help="sessions of learners")
    parser.add_argument("--periods", type=int, help="periods of each session")
    parser.add_argument("--figure", type=Path, help="file to draw into")
    given = parser.parse_args()
    sessions = given.sessions or (20 if given.full else 2)
    periods = given.periods or (3000 if given.full else 200)
    exact, solved = equilibrium_table(3 if given.full else 2, 5 if given.full else 3)
    print(exact.to_string(index=False))
    print(f"{sum(solved)} Cournot markets solved")
    runs = pd.concat(
        [learned(name, sessions, periods) for name in (LEARNERS if given.full else LEARNERS[:2])]
    )
    print(learned_table(runs).to_string(index=False))
    print(positions_learned(*((19, 1000, 1e-4) if given.full else (9, 50, 1e-3))).to_string(index=False))
    if given.figure:
        draw(exact, runs).savefig(given.figure, dpi=150)
        print(given.figure)


if __name__ == "__main__":
    main()
