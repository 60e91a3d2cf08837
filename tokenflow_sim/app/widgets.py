"""The page's own drawings, which the browser makes from plain numbers: a map, charts, a table of price parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import solara


@solara.component_vue("vue/map.vue")
def Map(
    nodes: list[dict[str, Any]],
    links: list[dict[str, Any]],
    outlines: list[str],
    width: float,
    height: float,
    selected: str | None,
    tints: list[str],
    ends: list[str],
    caption: str,
    event_pick: Callable[[str], None],
) -> None:
    """Draw nodes and links; a click on a node picks it."""


@solara.component_vue("vue/chart.vue")
def Chart(
    title: str,
    unit: str,
    periods: list[float],
    lines: list[dict[str, Any]],
    end: int,
    event_pick: Callable[[float], None],
    bounds: list[float] | None = None,
    marker: float | None = None,
    log: bool = False,
    note: str = "",
) -> None:
    """Draw lines over periods; a click picks a period."""


@solara.component_vue("vue/parts.vue")
def Parts(node: str, period: int, rows: list[dict[str, Any]]) -> None:
    """Show what the prices of a node are made of."""
