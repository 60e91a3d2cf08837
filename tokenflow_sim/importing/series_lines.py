"""The YAML lines by which a scenario reads an imported table by time."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Literal

import pandas as pd

from tokenflow_sim.importing.imported import TABLE, comment
from tokenflow_sim.importing.time_series import Collected

Fill = Literal["hold", "interpolate"] | float | None
"""What a scenario puts where a file has no number; None makes a gap within a run a fault."""


def series_lines(
    place: tuple[str, str],
    title: str,
    *,
    unit: str,
    fill: Fill,
    collected: Collected,
    notes: Sequence[str],
    rate: str | None = None,
) -> str:
    """Return the lines of a series, with a comment for everything that was assumed.

    Parameters
    ----------
    place : tuple of str
        Section and field of the scenario, e.g. ``("electricity", "series")``.
    title : str
        What the series is and where it is from.
    unit : str
        Unit of the table.
    fill : {"hold", "interpolate"} or float or None
        What stands where the file has no number, a number in `unit`.
    collected : Collected
        The table's span, and whether it has gaps.
    notes : sequence of str
        What was assumed or left out.
    rate : str, optional
        Why one unit of another currency counts as one dollar, where it does.
    """
    hours = collected.table.index.to_series().diff().min() / pd.Timedelta(hours=1)
    steps = collected.entries["span"]
    lines = [
        comment(title),
        comment(f"Covers {steps}: start: {collected.start}, hours: {hours:g}"),
        f"{place[0]}:",
        f"  {place[1]}:",
        *(comment(note, 4) for note in notes),
        f"    file: {TABLE}",
        "    time: time",
        f"    unit: {unit}",
    ]
    if rate is not None:
        lines.append(f"    rate: 1 # {rate}")
    if fill is not None:
        lines.append(f"    fill: {_shown(fill)} # what stands where the file has no number")
    elif collected.gaps:
        gaps = collected.entries["gaps"]
        gaps_text = gaps if isinstance(gaps, str) else "; ".join(gaps)
        gaps_text = textwrap.shorten(gaps_text, 400)
        lines.append(
            comment(f"a run over a gap needs `fill`: hold, interpolate or a number ({gaps_text})", 4)
        )
    return "\n".join(lines) + "\n"


def _shown(fill: str | float) -> str:
    return fill if isinstance(fill, str) else f"{fill:.15g}"
