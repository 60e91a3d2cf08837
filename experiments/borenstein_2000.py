"""Repeat Borenstein, Bushnell and Stoft (2000): a line between two monopolies, and how much of it competition needs.

A firm without cost stands at each end of a line of capacity k; demand is a - q at each end. Both choose quantities and
know what these do to the line. Found are the best responses at several capacities, the capacity from which the duopoly
without congestion is an equilibrium, what equilibria there are below it (passive and aggressive firms between unequal
markets; only mixed ones between equal markets), and what consumers pay. All of it is `tf.cournot` with
`congestion="anticipated"`, and `tf.game` for mixed strategies; beside it stands theory, in closed form or from a plain
program below that shares nothing with the package. No open text of the paper's tables was
found; its propositions are tested, not its printed numbers.

    python experiments/borenstein_2000.py [--full] [--figure line.png]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

import tokenflow_sim as tf
from tokenflow_sim.plot.style import PALETTES, HouseFigure, house_style

ENDS = ("north", "south")
A, SMALL = 10.0, 5.0
"""Demand's intercept at both ends of the line, and at the southern one where markets are unequal."""
DUOPOLY = 2 * A / 3
"""What each sells in the duopoly without congestion: inverse demand of both markets together is A - Q / 2."""
THRESHOLD = A * (1 - np.sqrt(8) / 3)
"""Where (A - k)^2 / 4, which a passive monopolist earns, is 2 A^2 / 9, what a duopolist does."""
UNEVEN_FLOW, UNEVEN_THRESHOLD = 2.5, A - np.sqrt(4 * 12.5)
"""What the unequal markets' duopoly sends north (each sells 5 at 2.5), and the line that makes it an equilibrium."""


def market(k: float, small: float = A, capacity: tuple[float, float] = (100.0, 100.0)) -> tf.Market:
    """Return the two markets, joined by a line of capacity k both ways."""
    labels, at = {"asset": list(ENDS), "workload": ["power"]}, {"node": list(ENDS), "workload": ["power"]}
    most = xr.DataArray([[A], [small]], at, ("node", "workload"))
    return tf.Market(
        offer_price=xr.DataArray(np.zeros((2, 1)), labels, ("asset", "workload")),
        capacity=xr.DataArray(np.array(capacity)[:, None], labels, ("asset", "workload")),
        asset_node=list(ENDS),
        demand=most,
        value=most,
        value_slope=1.0,
        link_capacity=xr.DataArray([k, k], {"arc": ["to south", "to north"]}, ("arc",)),
        origin=list(ENDS),
        destination=list(ENDS)[::-1],
        link_unit="Mtok/s",
    )


def reply(k: float, rival: float, small: float = A) -> float:
    """Return the northern firm's best response to a quantity that the southern one sells at whatever price."""
    found = tf.cournot(market(k, small, (100.0, rival)), players=["north"], congestion="anticipated")
    return float(found["sales"].sel(provider="north").sum())


def plain_reply(k: float, rival: float, small: float = A, points: int = 60_001) -> float:
    """Return the same from a plain program: the best of a fine grid of quantities, a line of text for each case."""
    q = np.linspace(0.0, A + k, points)
    even = (A - small + rival - q) / 2  # what flows north where prices are the same
    north = np.clip(even, -k, k)
    sold = q + north
    return float(q[np.argmax(np.where(sold <= A, (A - sold) * q, 0.0))])


def threshold(steps: int) -> float:
    """Return the least line with which the duopoly's quantity is the best reply to itself, by bisection."""
    low, high = 0.2, 1.2
    for _ in range(steps):
        k = 0.5 * (low + high)
        low, high = (low, k) if abs(reply(k, DUOPOLY) - DUOPOLY) < 1e-3 else (k, high)
    return 0.5 * (low + high)


def mixed(k: float, quantities: Sequence[float]) -> xr.Dataset:
    """Return the mixed equilibrium of the game in which both ends have these quantities to choose among."""
    most = max(quantities)
    game = tf.game(
        market(k, capacity=(most, most)), actions=[one / most for one in quantities], play="quantity"
    )
    found = game.mixed_equilibria()
    # Of several the symmetric one: equal firms should not differ.
    apart = abs(found.probability.isel(provider=0) - found.probability.isel(provider=1)).max("choice")
    return found.isel(equilibrium=int(np.argmin(apart.values)))


def settled(k: float, small: float) -> xr.Dataset | None:
    """Return the equilibrium in pure quantities, None where best responses go round."""
    found = tf.cournot(market(k, small), congestion="anticipated")
    return found if found.attrs["converged"] else None


def symmetric_table(bisections: int, lines: Sequence[float], points: int) -> pd.DataFrame:
    """Return threshold and prices between equal markets beside theory."""
    rows = [("capacity from which the duopoly holds", THRESHOLD, threshold(bisections))]
    alone = settled(0.0, A)
    assert alone is not None
    rows.append(("price without a line", A / 2, float(alone["price"].max())))
    for k in lines:
        quantities = np.linspace(A / 2 - 0.5, DUOPOLY + 0.5, points)
        rows.append(
            (f"mean price, mixed, k = {k:g}", np.nan, float(mixed(k, quantities.tolist()).price.mean()))
        )
    joined = settled(THRESHOLD + 0.01, A)
    assert joined is not None
    rows.append(("price at the threshold", A / 3, float(joined["price"].max())))
    rows.append(("flow at the threshold", 0.0, abs(float(joined["flow"].sum()))))
    return pd.DataFrame(rows, columns=["between equal markets", "theory", "ours"])


def uneven_table(lines: Sequence[float]) -> pd.DataFrame:
    """Return equilibria between unequal markets: who sells what, what flows, and what theory says of it."""
    rows = []
    for k in lines:
        found = settled(k, SMALL)
        thick = k >= UNEVEN_THRESHOLD
        known = (5.0, 5.0) if thick else ((A - k) / 2, (SMALL + k) / 2)
        row: dict[str, object] = {"k": k}
        if found is None:
            row |= {"regime": "no pure equilibrium"}
        else:
            sold = found["sales"].sum(("node", "workload")).values
            price = found["price"].values.ravel()
            row |= {
                "regime": "duopoly" if abs(price[0] - price[1]) < 1e-6 else "passive / aggressive",
                "theory": f"{known[0]:.4f}, {known[1]:.4f}",
                "ours": f"{sold[0]:.4f}, {sold[1]:.4f}",
                "prices": f"{price[0]:.3f}, {price[1]:.3f}",
                "flow north": round(float(found["consumption"].values[0, 0] - sold[0]), 4),
            }
        rows.append(row)
    return pd.DataFrame(rows).fillna("-")


def curves(lines: Sequence[float], rivals: Sequence[float]) -> pd.DataFrame:
    """Return the best responses of the product and of the plain program, a row for each line and rival's quantity."""
    return pd.DataFrame(
        [(k, rival, plain_reply(k, rival), reply(k, rival)) for k in lines for rival in rivals],
        columns=["k", "rival", "plain", "ours"],
    )


def draw(found: pd.DataFrame) -> Figure:
    """Draw both firms' best responses at each capacity of the line, as the paper does."""
    with house_style():
        lines = list(found.k.unique())
        figure = HouseFigure(figsize=(2.5 * len(lines), 3.0), layout="constrained")
        for ax, k in zip(np.atleast_1d(figure.subplots(1, len(lines), sharey=True)), lines, strict=True):
            rivals = np.linspace(0.0, 14.0, 281)
            replies = np.array([plain_reply(k, rival, points=8001) for rival in rivals])
            # A curve jumps where a firm turns from aggressive or duopolist to passive: no line is drawn across.
            shown = np.where(np.abs(np.diff(replies, append=replies[-1])) > 0.3, np.nan, replies)
            own = found[found.k == k]
            for x, y, dots, shade, name in (
                (rivals, shown, (own.rival, own.ours), PALETTES["provider"][0], "south's reply"),
                (shown, rivals, (own.ours, own.rival), PALETTES["provider"][1], "north's reply"),
            ):
                ax.plot(x, y, color=shade, lw=1.2, label=name)
                ax.plot(*dots, "o", color=shade, ms=3.0)
            ax.plot([A / 2], [A / 2], "x", color="#777777", label="two monopolies")
            ax.plot([DUOPOLY], [DUOPOLY], "+", color="#000000", ms=8, label="duopoly")
            ax.set_title(f"Line of {k:g}")
            ax.set_xlim(3, 10.5)
            ax.set_ylim(3, 10.5)
            ax.set_xlabel("north sells, Mtok/s")
        figure.axes[0].set_ylabel("south sells, Mtok/s")
        figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def main() -> None:
    """Find, print the tables and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--full", action="store_true", help="finer curves, mixtures and more capacities")
    parser.add_argument("--figure", type=Path, help="file to draw into")
    given = parser.parse_args()
    full = given.full
    lines = (0.3, THRESHOLD, 1.5) if full else (0.3, 1.5)
    rivals = np.linspace(3.0, 10.5, 11) if full else np.array([3.5, 5.0, 6.5, 9.0])
    found = curves([round(k, 3) for k in lines], rivals.tolist())
    print(symmetric_table(*((20, (0.05, 0.1, 0.2, 0.3, 0.4, 0.5), 23) if full else (9, (0.3,), 9))))
    uneven = (0.25, 0.5, 1.0, 1.5, 2.0, 2.5, 2.8, 3.0, 4.0) if full else (0.5, 1.5, 3.0)
    print(uneven_table(uneven).to_string(index=False))
    worst = found.iloc[int(np.argmax((found.plain - found.ours).abs()))]
    print(f"{len(found)} best responses, farthest from the plain program's: {abs(worst.plain - worst.ours):.1e}"
          f" at k = {worst.k:g}, rival {worst.rival:g}")  # fmt: skip
    if given.figure:
        draw(found).savefig(given.figure, dpi=150)
        print(given.figure)


if __name__ == "__main__":
    main()
