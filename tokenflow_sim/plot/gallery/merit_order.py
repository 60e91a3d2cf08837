"""The merit order of a market, and where it clears."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import wrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from tokenflow_sim.plot import text
from tokenflow_sim.plot.gallery.dispatch_map import at_period, at_position
from tokenflow_sim.plot.panels import OneOrMore, dress_value, head, panels
from tokenflow_sim.plot.registry import Results, figure
from tokenflow_sim.plot.sloped_offers import offers_of
from tokenflow_sim.plot.style import INK, MOST_NAMED, OTHER, Columns, colours
from tokenflow_sim.results.dates import Period
from tokenflow_sim.results.reading import NOISE

_SENT = "#E4E4E4"
_IDLE = 0.28  # opacity of what was offered and not used


@figure(
    "offer_price", "offer_quantity", "dispatch", "demand", "unserved", "price", "payment", "flow", "power_rent",
    "asset_node", "asset_provider", "origin", "destination",
)  # fmt: skip
def merit_order(
    results: Results,
    node: str | None = None,
    workload: str | None = None,
    *,
    period: Period | None = None,
    columns: Columns = 2,
    ax: OneOrMore | None = None,
) -> Figure:
    """Merit order at a node for a class, with demand and the clearing point.

    Bars are what can serve the class at the node, by rising price: the offers of its own assets, and the demand that
    is sent over links to other nodes, at the price there. What is used is opaque, what is not is pale. The line is
    demand: the node's own and what other nodes send here, less what is left unserved. It meets the price at the
    clearing point. Where an asset's power is used up, only what it leaves for the class is drawn. A bar for demand
    sent ends below the price by what the way costs: route cost and congestion. Where demand of the class takes paths
    of its own (rules from origin to server), the bars are the offers of the node's assets alone, the line is what is
    served here, wherever it was asked for, and the price is the one that assets here are paid.

    Parameters
    ----------
    ds : Dataset or Clearing
        Results of a run, or of a single clearing.
    node : str, optional
        By default the one with the largest payment.
    workload : str, optional
        By default the class with the node's largest payment.
    period : int, str or datetime, optional
        The period, by its number or a date in it; by default the one with the largest payment for the class at the
        node.
    columns : {1, 2}
        Columns of a printed page that the figure spans: 89 or 183 mm.
    ax : Axes, optional
        Draw here instead of in a new figure.

    Returns
    -------
    Figure

    Raises
    ------
    ResultError
        If the results lack what is needed, or the node, class or period is unknown.
    """
    nodes, classes = results.names("node", "price"), results.names("workload", "price")
    paid = results["payment"].values
    i = nodes.index(results.choose("node", node, "price")[0]) if node else int(paid.sum(axis=(0, 2)).argmax())
    if workload:
        k = classes.index(results.choose("workload", workload, "price")[0])
    else:
        k = int(paid[:, i].sum(axis=0).argmax())
    is_one = period is not None or results.ds.sizes.get("period", 1) > 1
    if period is not None:
        results = at_period(results, period)
    elif is_one:
        results = at_position(results, int(paid[:, i, k].argmax()))
    on_paths = _on_paths(results, k)
    supply, sent = _own(results, nodes[i], k), [] if on_paths else _sent(results, nodes, i, k)
    bars = sorted([*supply, *sent], key=lambda bar: (bar.price, bar.label))
    price = float(results["service_price" if on_paths else "price"].values[0, i, k])
    served = sum(bar.used for bar in bars)

    drawn = panels(1, ax, columns, figure="merit_order", height=2.3)
    ax_ = drawn.axes[0]
    colour = colours(results.providers, "provider")
    named = [bar.label for bar in sorted(supply, key=lambda bar: -bar.quantity)]
    named = [name for name in results.providers if name in dict.fromkeys(named[: MOST_NAMED["provider"]])]
    fills = {name: colour[name] for name in named}
    _draw(ax_, bars, fills, price)
    ax_.axvline(served, color=INK, linewidth=1.0)
    ax_.plot(
        [served],
        [price],
        marker="o",
        color=INK,
        markersize=5,
        clip_on=False,
        zorder=6,
        label="clearing point",
    )
    ax_.set_xlim(0.0, max(1.04 * sum(bar.quantity for bar in bars), served * 1.04) or 1.0)
    gap = "\n" if columns == 1 and results.time.unit == "dates" else " "
    when = f",{gap}{results.time.name(0)}" if is_one else ""
    unit = str(results.attrs("price")["units"])
    price_text = f"price {text.number(price)} {text.plain(unit)}"
    longest = 12 if columns == 1 else 18
    head(ax_, f"{text.name(classes[k], longest)} at {text.name(nodes[i], longest)}{when}", price_text)
    dress_value(ax_, text.labelled("Price", unit), from_zero=True)
    words = f"served here {text.number(served)}" if on_paths else _balance(results, i, k, sent)
    balance = "\n".join(wrap(words, 50 if columns == 1 else 110))
    ax_.set_xlabel(f"{text.labelled('Quantity', str(results.attrs('dispatch')['units']))}\n{balance}")
    ax_.xaxis.set_major_formatter(text.TickNumbers())
    drawn.entries = {text.name(name): Patch(facecolor=fill, linewidth=0) for name, fill in fills.items()}
    if any(bar.label not in fills for bar in supply):
        drawn.entries["other providers"] = Patch(facecolor=OTHER, linewidth=0)
    if sent:
        drawn.entries["sent to other nodes"] = Patch(
            facecolor=_SENT, hatch="////", edgecolor="#808080", linewidth=0.4
        )
    if any(bar.quantity > bar.used for bar in bars):
        drawn.entries["not used"] = Patch(facecolor="#808080", alpha=_IDLE, linewidth=0)
    drawn.entries["served here" if on_paths else "demand"] = Line2D([], [], color=INK, linewidth=1.0)
    drawn.entries["clearing point"] = Line2D([], [], color=INK, marker="o", linestyle="none")
    drawn.legend()
    return drawn.figure


def _on_paths(results: Results, k: int) -> bool:
    """Whether what assets are paid for a class is not the price of demand somewhere: flows then have many origins."""
    if "service_price" not in results.ds:
        return False
    price, paid = (results[name].values[0, :, k] for name in ("price", "service_price"))
    return bool((np.abs(price - paid) > NOISE * np.abs(price)).any())


@dataclass(frozen=True)
class _Bar:
    """Something that serves demand: whose it is, how much, at which price, and how much of it is used."""

    label: str
    price: float
    quantity: float
    used: float
    sent_to: str = ""


def _own(results: Results, node: str, k: int) -> list[_Bar]:
    """Return the offers of a node's assets for a class, a bar a block, and as many as fit in print for a line."""
    price, offered, used = offers_of(results, k)
    used_up = np.nan_to_num(results["power_rent"].values[0]) > 0
    at, firms = results.along("asset_node"), results.along("asset_provider")
    bars = []
    for s in (s for s, place in enumerate(at) if place == node):
        for block in range(price.shape[1]):
            quantity = float(used[s, block] if used_up[s] else offered[s, block])
            if quantity > 0 and np.isfinite(price[s, block]):
                bars.append(_Bar(firms[s], float(price[s, block]), quantity, float(used[s, block])))
    return bars


def _sent(results: Results, nodes: list[str], i: int, k: int) -> list[_Bar]:
    """Return what a node sends to others, at their prices."""
    flow, price = results["flow"].values[0, :, k], results["price"].values[0, :, k]
    ends = zip(results.along("origin"), results.along("destination"), flow.tolist(), strict=True)
    sent = [(there, amount) for here, there, amount in ends if here == nodes[i] and amount > 0]
    return [_Bar("", float(price[nodes.index(there)]), amount, amount, there) for there, amount in sent]


def _draw(ax: Axes, bars: list[_Bar], fills: dict[str, str], price: float) -> None:
    start, prices = 0.0, [0.0, price, *(bar.price for bar in bars)]
    top = max(prices)
    width = sum(bar.quantity for bar in bars)
    for bar in bars:
        for base, size, opacity in (
            (start, bar.used, 1.0),
            (start + bar.used, bar.quantity - bar.used, _IDLE),
        ):
            if size <= 0:
                continue
            look: dict[str, Any] = {"facecolor": fills.get(bar.label, OTHER), "edgecolor": "white"}
            if bar.sent_to:
                look = {"facecolor": _SENT, "edgecolor": "#808080", "hatch": "////"}
            rectangle = Rectangle(
                (base, 0.0), size, bar.price, alpha=opacity, linewidth=0.3, label=bar.sent_to or bar.label,
                gid="used" if opacity == 1.0 else "idle", **look,
            )  # fmt: skip
            ax.add_patch(rectangle)
        if bar.sent_to and bar.quantity > 0.09 * width:
            ax.annotate(
                text.name(bar.sent_to, 14), (start + bar.quantity / 2, 0.03 * top), fontsize=6.0, ha="center",
                va="bottom", rotation=90, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
            )  # fmt: skip
        start += bar.quantity
    ax.update_datalim([(0.0, min(prices)), (start, top)])


def _balance(results: Results, i: int, k: int, sent: list[_Bar]) -> str:
    """Say how much demand is the node's own, how much comes from and goes elsewhere, and how much is unserved."""
    demand, unserved = (float(results[name].values[0, i, k]) for name in ("demand", "unserved"))
    node = results.names("node", "price")[i]
    arrived = sum(
        amount
        for there, amount in zip(
            results.along("destination"), results["flow"].values[0, :, k].tolist(), strict=True
        )
        if there == node
    )
    words = [f"own demand {text.number(demand)}"]
    words += [f"sent here {text.number(arrived)}"] if arrived > 0 else []
    words += [f"sent away {text.number(sum(bar.used for bar in sent))}"] if sent else []
    words += [f"unserved {text.number(unserved)}"] if unserved > NOISE * demand else []
    return ", ".join(words)
