"""What markets and clearings show in a notebook: short tables, as HTML without styles or scripts of their own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from tokenflow_sim.variables import MARKET

if TYPE_CHECKING:
    from tokenflow_sim.market.clearing import Clearing
    from tokenflow_sim.market.market import Market

MOST_ROWS = 12
"""Rows of a table that are shown."""


def table(
    title: str,
    head: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    count: int | None = None,
    note: str = "",
) -> str:
    """Return a table as HTML; all text is escaped.

    Parameters
    ----------
    title : str
        What stands above it.
    head : sequence of str
        Names of the columns.
    rows : iterable of sequences
        The cells; the first of a row is its name.
    count : int, optional
        How many rows there are, where not all are given.
    note : str
        What stands below it.
    """
    cells = [[escape(str(cell)) for cell in row] for row in rows]
    body = "".join(
        f'<tr><th style="text-align:left">{row[0]}</th>'
        + "".join(f'<td style="text-align:right">{cell}</td>' for cell in row[1:])
        + "</tr>"
        for row in cells
    )
    names = "".join(
        f'<th style="text-align:{"right" if i else "left"}">{escape(n)}</th>' for i, n in enumerate(head)
    )
    left_out = (count or 0) - len(cells)
    foot = [*([f"... and {left_out} more"] if left_out > 0 else []), *([note] if note else [])]
    below = "".join(f"<div>{escape(line)}</div>" for line in foot)
    return (
        f"<div><div><b>{escape(title)}</b></div><table><thead><tr>{names}</tr></thead>"
        f"<tbody>{body}</tbody></table>{below}</div>"
    )


def market_html(market: Market) -> str:
    """Return a market's arrays with their dims, units and ranges."""
    layout = market.layout
    rows = []
    for name, values in market.arrays.items():
        variable = MARKET[name]
        finite = values[np.isfinite(values)].astype(float)
        span = f"{finite.min():.4g} to {finite.max():.4g}" if finite.size else "none"
        span += f"; {values.size - finite.size} infinite" if finite.size < values.size else ""
        dims = ", ".join(f"{dim}: {layout.sizes[dim]}" for dim in layout.dims_of(variable))
        rows.append(
            (name, dims, span if finite.size else "all infinite", variable.unit_for(layout.link_unit))
        )
    labels = [
        (f"{dim}s", ", ".join(str(label) for label in index[:8]) + (", ..." if len(index) > 8 else ""))
        for dim, index in (("node", layout.nodes), ("workload", layout.workloads))
    ]
    note = "; ".join(f"{name}: {listed}" for name, listed in labels)
    return table(repr(market).strip("<>"), ("array", "dims", "range", "unit"), rows, note=note)


def clearing_html(clearing: Clearing) -> str:
    """Return a clearing's prices by node and class, the dearest nodes first, with what it costs and its proof."""
    layout, price = clearing.market.layout, clearing.values.price
    scale = np.abs(price.mean(axis=0))
    scale = np.where(scale > 0, scale, 1.0)
    order = np.argsort(-(price / scale).mean(axis=1), kind="stable")[:MOST_ROWS]
    rows = [(layout.nodes[i], *(f"{value:.4g}" for value in price[i])) for i in order]
    unserved, worst = clearing.values.unserved.sum(), clearing.certificate.worst
    note = f"unserved {unserved:.4g} Mtok/s; certificate {worst:.1e}"
    full = int((clearing.values.congestion_rent > 0).sum())
    note += f"; {full} of {len(layout.arcs)} links with a congestion rent" if len(layout.arcs) else ""
    title = f"Clearing: {clearing.status}, {clearing.total_cost:,.2f} $/h; price in $/Mtok, the dearest nodes first"
    return table(title, ("node", *map(str, layout.workloads)), rows, count=len(layout.nodes), note=note)
