"""The page's own widgets: fields, and drawings that the browser makes from plain numbers.

A field sends what was typed or picked with the event itself. A widget that sends its value by the side may have that
value wait in the browser while the server is busy, and the event, or the next click, arrives before it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import solara


@solara.component_vue("vue/text.vue")
def Text(label: str, value: str, event_put: Callable[[str], None], fault: str = "", rows: int = 0) -> None:
    """Take a text, put when Enter is pressed or the field is left; of several lines where `rows` is given."""


@solara.component_vue("vue/choice.vue")
def Choice(label: str, values: list[str], value: str, event_put: Callable[[str], None]) -> None:
    """Take one of some values."""


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
    note: str = "",
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
