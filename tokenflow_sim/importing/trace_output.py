"""What is written and said of a trace's demand: table, summary and YAML lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tokenflow_sim.importing.imported import TABLE, Summary, comment
from tokenflow_sim.importing.trace_bins import INPUT, OUTPUT, REQUESTS, Counts
from tokenflow_sim.importing.trace_nodes import Places
from tokenflow_sim.numerals import counted
from tokenflow_sim.numeric import SECONDS_PER_HOUR, Floats


def frame_of(found: Floats, places: Places, classes: Sequence[str]) -> pd.DataFrame:
    """Return the demand as a table by period and node."""
    size = len(found)
    keys = {
        "period": np.repeat(np.arange(size), len(places.names)),
        "node": np.tile(np.array(places.names, dtype=object), size),
    }
    flat = found.reshape(-1, len(classes))
    return pd.DataFrame(keys | {name: flat[:, column] for column, name in enumerate(classes)})


def summary_of(
    counts: Counts,
    paths: Sequence[Path],
    places: Places,
    classes: Sequence[str],
    weights: tuple[float, float],
    scale: float,
    notes: Sequence[str],
) -> Summary:
    """Return what was read, dropped and assumed.

    Parameters
    ----------
    counts : Counts
        The trace by period and class, cut to the periods of the table.
    paths : sequence of Path
        Its files.
    places : Places
        The nodes.
    classes : sequence of str
        The classes.
    weights : tuple of float
        Weights of input and output tokens.
    scale : float
        Factor on all demand.
    notes : sequence of str
        What was assumed.
    """
    files = f"{len(paths)} files" if len(paths) > 1 else paths[0].name
    requests, tokens_in, tokens_out = (float(counts.sums[which].sum()) for which in (REQUESTS, INPUT, OUTPUT))
    weighed = weights[0] * tokens_in + weights[1] * tokens_out
    factor = "" if scale == 1 else f" x {scale:g}"
    mean = weighed * scale / (counts.periods * counts.hours * SECONDS_PER_HOUR) / 1e6
    kind = (
        f"{requests:,.0f} requests" if float(requests).is_integer() else f"{requests:,.1f} expected requests"
    )
    shares = ", ".join(
        f"{name} {weight:.1%}" for name, weight in zip(places.names[:6], places.weights, strict=False)
    )
    more = f" and {len(places.names) - 6} more" if len(places.names) > 6 else ""
    return Summary(
        f"demand of {', '.join(classes)} from {files} ({counts.title})",
        {
            "rows read": f"{counts.rows:,}",
            "span": f"{counts.span[0]} to {counts.span[1]}",
            "step": f"{counted(counts.periods, 'period')} of {counts.hours:g} h"
            + (f" from {counts.start:%Y-%m-%d %H:%M:%S} UTC" if counts.start else ""),
            "gaps": f"{counted(empty, 'period')} without a request" if (empty := _empty(counts)) else "",
            "tokens": f"{kind}: {tokens_in:,.0f} input x {weights[0]:g} +"
            f" {tokens_out:,.0f} output x {weights[1]:g}{factor}",
            "unit": f"Mtok/s; {mean:.6g} on average over all nodes",
            "nodes": f"{shares}{more} ({places.source})" if places.source else shares,
            "dropped": [f"{count:,} {reason}" for reason, count in counts.dropped.items()],
            "assumed": list(notes),
        },
    )


def _empty(counts: Counts) -> int:
    return int((counts.sums[REQUESTS].sum(axis=1) == 0).sum())


def lines_of(
    counts: Counts, paths: Sequence[Path], places: Places, classes: Sequence[str], notes: Sequence[str]
) -> str:
    """Return the lines of a scenario that use the table."""
    files = ", ".join(path.name for path in paths[:4]) + (" ..." if len(paths) > 4 else "")
    lines = [
        comment(f"Demand of {files} ({counts.title})."),
        *(comment(note) for note in notes),
        comment(f"The scenario needs classes {', '.join(classes)} and nodes {', '.join(places.names[:8])}"
                f"{' ...' if len(places.names) > 8 else ''}."),
    ]  # fmt: skip
    if counts.start is not None:
        lines.append(f'start: "{counts.start:%Y-%m-%d %H:%M:%S}" # UTC')
    lines += [
        f"hours: {counts.hours!r}",
        f"periods: {counts.periods}",
        "demand:",
        "  scale: 1 # factor on the table",
        f"  series: {TABLE}",
    ]
    return "\n".join(lines) + "\n"
