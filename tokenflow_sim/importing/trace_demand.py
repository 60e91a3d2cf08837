"""Request traces of serving systems -> demand by period, node and class."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np

from tokenflow_sim.errors import unknown_name
from tokenflow_sim.importing.faults import Faults, refuse
from tokenflow_sim.importing.imported import Imported
from tokenflow_sim.importing.names import is_name, map_names, renamed
from tokenflow_sim.importing.trace_bins import REQUESTS, Counts
from tokenflow_sim.importing.trace_formats import recognise
from tokenflow_sim.importing.trace_nodes import Places, by_shares, read_places, read_profiles, split
from tokenflow_sim.importing.trace_output import frame_of, lines_of, summary_of
from tokenflow_sim.importing.trace_rates import rate_files, read_rates
from tokenflow_sim.importing.trace_rows import Grid, read_requests
from tokenflow_sim.numeric import SECONDS_PER_HOUR, Floats
from tokenflow_sim.scenario.clock import MONDAY
from tokenflow_sim.scenario.zone import offset_hours

Partial = Literal["keep", "drop", "scale"]
FILE, MODEL = "file", "model"
"""Values of `by` that name no column."""
_WHOLE = 0.999  # a period that is covered so far counts as covered


@dataclass(frozen=True)
class _Options:
    """The options of :func:`trace` that several of its steps use, checked."""

    weights: tuple[float, float]
    told_weights: bool
    tokens: tuple[float, float] | None


def trace(
    files: str | Path | Iterable[str | Path],
    *,
    format: str | None = None,
    columns: Mapping[str, str] | None = None,
    time_unit: str | None = None,
    time_zone: str = "UTC",
    hours: float = 1.0,
    start: datetime | str | None = None,
    periods: int | None = None,
    partial: Partial = "keep",
    weights: Mapping[str, float] | None = None,
    scale: float = 1.0,
    workload: str = "chat",
    by: str | None = None,
    map: Mapping[str, str] | None = None,
    node: str = "world",
    shares: Mapping[str, float] | None = None,
    nodes: str | Path | None = None,
    profile: str | Path | None = None,
    tokens: Mapping[str, float] | None = None,
) -> Imported:
    """Make demand in Mtok/s by period, node and class of a trace of requests.

    Parameters
    ----------
    files : path or iterable of path
        The trace, plain or compressed by gzip; several files of one trace are read as one. A folder of ServeGen stands
        for the rate tables in it.
    format : str, optional
        ``azure``, ``burstgpt``, ``mooncake``, ``vidur``, ``servegen`` or ``generic``; found by the
        columns if left out.
    columns : mapping, optional
        Columns of a trace of another form: ``time``, ``input``, ``output``, and perhaps ``model``.
    time_unit : str, optional
        What its time counts: ``s``, ``ms``, ``us``, ``ns``, ``min``, ``h``, or ``stamp`` for dates; the
        format's if left out.
    time_zone : str
        Time zone of dates that name none.
    hours : float
        Length of a period.
    start : datetime or str, optional
        When a period begins (UTC if it names no zone), from which periods are counted; requests before it are dropped.
        Period 0 is that of the first request. If left out, periods are counted from midnight UTC. For a trace that
        counts time from an unknown moment: when that was.
    periods : int, optional
        Keep so many periods.
    partial : {"keep", "drop", "scale"}
        What to do with a first and a last period that the trace covers in part: keep them, too low as they are; drop
        them; or divide them by what is covered.
    weights : mapping, optional
        Weight of an ``input`` and an ``output`` token; one each if left out.
    scale : float
        Factor on all demand.
    workload : str
        The class of all requests.
    by : str, optional
        Make classes of the values of this column; of the models (``model``), or of the files (``file``).
    map : mapping, optional
        Class by name in the trace; several may share one.
    node : str
        The node of all demand.
    shares : mapping, optional
        Share of each node, in place of `node`.
    nodes : path, optional
        Table of nodes with a weight (``population`` or ``demand_weight``) and perhaps ``time_zone``, in place of
        `node`.
    profile : path, optional
        Table of factors by local hour (``hour``, and ``factor`` or one column a class), which move demand within a
        period to the nodes of `nodes` where it is that hour.
    tokens : mapping, optional
        ``input`` and ``output`` tokens of a request, for rate tables that say none.

    Returns
    -------
    Imported
        With the table ``demand.csv`` (period, node, a column a class) and the lines of `demand.series`.

    Raises
    ------
    DataError
        If an argument or a file has faults; names file, row and column.
    ResultError
        If pyarrow is not installed.

    Notes
    -----
    Rate of a class in a period: ``scale * (w_in * input + w_out * output) / (3600 * hours) / 1e6`` in Mtok/s. A
    request counts, with all of its tokens, when it arrives.
    """
    paths = [Path(files)] if isinstance(files, (str, Path)) else [Path(file) for file in files]
    origin = _as_time(start)
    options = _check(hours, periods, partial, weights, scale, workload, node, map, time_zone, tokens)
    counts = _read(
        paths, format, columns, time_unit, Grid(hours, origin, time_zone), workload, by, options.tokens
    )
    notes = [*counts.notes, *_window(counts, origin, periods)]
    rates = counts.rates(options.weights, scale)
    rates, more = _edges(counts, rates, partial)
    notes += more
    names = map_names(counts.classes, map)
    classes, rates = _merge(rates, [names[name] for name in counts.classes])
    places = _places(node, shares, nodes)
    if profile is not None and nodes is None:
        raise refuse("the trace", "needs a table of nodes (--nodes) where there is a profile by local hour")
    factors = None if profile is None else list(read_profiles(Path(profile), classes).values())
    if factors is not None:
        notes.append(f"a node's share moves with its local hour, by {Path(profile or '').name}")
        if counts.start is None:
            notes.append(
                "the trace has no date: its time zero is taken for a Monday's midnight UTC ; start (--start) says when"
            )
    found = split(rates, places, factors, counts.start, counts.since, hours)
    if changed := renamed(names):
        notes.append(f"names of classes: {changed}")
    if not options.told_weights:
        notes.append(
            "input and output tokens count alike ; weights (--weights input=0.2,output=1) weighs them"
        )
    frame = frame_of(found, places, classes)
    summary = summary_of(counts, paths, places, classes, options.weights, scale, notes)
    return Imported("demand", {"demand.csv": frame}, lines_of(counts, paths, places, classes, notes), summary)


def _as_time(start: datetime | str | None) -> datetime | None:
    if isinstance(start, str):
        try:
            start = datetime.fromisoformat(start)
        except ValueError:
            message = f"must be a date and time such as 2024-05-10 00:00; found {start!r}"
            raise refuse("the trace", message, file="start") from None
    if start is None:
        return None
    return start.replace(tzinfo=UTC) if start.tzinfo is None else start.astimezone(UTC)


def _pair(given: Mapping[str, float] | None, what: str, faults: Faults) -> tuple[float, float]:
    """Return the numbers of an input and an output token, one each where they are not given."""
    given = given or {}
    for name, value in given.items():
        if name not in ("input", "output"):
            faults.add(unknown_name("kind of token", name, ["input", "output"]), file=what)
        elif not (math.isfinite(value) and value >= 0):
            faults.add(f"of {name} must be zero or more; found {value:g}", file=what)
    return given.get("input", 1.0), given.get("output", 1.0)


def _check(
    hours: float,
    periods: int | None,
    partial: str,
    weights: Mapping[str, float] | None,
    scale: float,
    workload: str,
    node: str,
    map: Mapping[str, str] | None,
    time_zone: str,
    tokens: Mapping[str, float] | None,
) -> _Options:
    """Check what needs no file, and say all of it at once."""
    faults = Faults("the trace")
    if not (math.isfinite(hours) and hours * SECONDS_PER_HOUR >= 1e-3):
        faults.add(f"must be above zero; found {hours:g}", file="hours")
    if periods is not None and periods < 1:
        faults.add(f"must be one or more; found {periods}", file="periods")
    if partial not in ("keep", "drop", "scale"):
        faults.add(unknown_name("choice", partial, ["keep", "drop", "scale"]), file="partial")
    if not (math.isfinite(scale) and scale >= 0):
        faults.add(f"must be zero or more; found {scale:g}", file="scale")
    for name in (workload, node, *(map or {}).values()):
        if not is_name(name):
            faults.add(f"no scenario takes {name!r} for a name")
    try:
        offset_hours(time_zone, MONDAY)
    except ValueError as error:
        faults.add(str(error), file="time_zone")
    pair = _pair(weights, "weights", faults)
    per_request = None if tokens is None else _pair(tokens, "tokens", faults)
    if tokens is not None and set(tokens) != {"input", "output"}:
        faults.add("needs both input and output", file="tokens")
    faults.check()
    return _Options(pair, weights is not None, per_request)


def _read(
    paths: Sequence[Path],
    name: str | None,
    columns: Mapping[str, str] | None,
    unit: str | None,
    grid: Grid,
    workload: str,
    by: str | None,
    tokens: tuple[float, float] | None,
) -> Counts:
    """Read the files, all requests or all rates."""
    if not paths:
        raise refuse("the trace", "needs a file")
    forms = {path: None if path.is_dir() else recognise(path, name, columns, unit) for path in paths}
    rated = [path for path, form in forms.items() if form is None]
    if rated and len(rated) < len(forms):
        raise refuse(
            "the trace", "is a rate table, and others are requests: import them apart", file=rated[0]
        )
    stem_of = {path: path.name.partition(".")[0] for path in paths}
    if rated:
        if by not in (None, FILE):
            raise refuse(
                "the trace",
                f'has no column {by!r}: rate tables have one class, or one a file (by="file", --by-file)',
            )
        tables = [
            (file, stem_of[path] if by == FILE else workload) for path in rated for file in rate_files(path)
        ]
        return read_rates(tables, grid.hours, grid.start, tokens)
    requests = [
        (path, form, stem_of[path] if by == FILE else workload) for path, form in forms.items() if form
    ]
    column = by if by != FILE else None
    if by == MODEL:
        models = {form.model for _, form, _ in requests}
        if len(models) > 1 or models == {""}:
            bare = next(path for path, form, _ in requests if not form.model)
            raise refuse("the trace", "has no column of models: name one as by (--by COLUMN)", file=bare)
        column = models.pop()
    return read_requests(requests, grid, column)


def _window(counts: Counts, origin: datetime | None, periods: int | None) -> list[str]:
    """Drop the periods before the start and after the last that was asked for."""
    first = 0
    if origin is not None and counts.start is not None and counts.start < origin:
        first = min(
            round((origin - counts.start).total_seconds() / SECONDS_PER_HOUR / counts.hours), counts.periods
        )
    last = counts.periods if periods is None else min(counts.periods, first + periods)
    if last <= first:
        raise refuse(
            "the trace", f"has no request from {origin:%Y-%m-%d %H:%M} UTC on; it ends {counts.span[1]}"
        )
    for reason, part in (("before the start", slice(0, first)), ("after the last period", slice(last, None))):
        lost = round(float(counts.sums[REQUESTS, part].sum()))
        if lost:
            counts.dropped[reason] = lost
    covered = (counts.covered[0] if first == 0 else 1.0, counts.covered[1] if last == counts.periods else 1.0)
    short = periods is not None and last - first < periods
    counts.cut(first, last)
    counts.covered = covered
    return [f"the trace has only {counts.periods} of the {periods} periods asked for"] if short else []


def _edges(counts: Counts, rates: Floats, partial: Partial) -> tuple[Floats, list[str]]:
    """Keep, drop or scale the first and the last period where the trace covers them in part."""
    first, last = counts.covered
    ends = {0: first} if counts.periods == 1 else {0: first, counts.periods - 1: last}
    ends = {period: share for period, share in ends.items() if share < _WHOLE}
    if not ends:
        return rates, []
    said = " and ".join(
        f"{share:.1%} of the {'first' if period == 0 else 'last'} period" for period, share in ends.items()
    )
    if partial == "scale":
        if min(ends.values()) <= 0:
            raise refuse("the trace", "has a period with one moment of arrivals: nothing to scale by")
        rates = rates.copy()
        for period, share in ends.items():
            rates[period] /= share
        return rates, [f"the trace covers {said}: rates there are divided by that"]
    if partial == "drop":
        kept = [period for period in range(counts.periods) if period not in ends]
        if not kept:
            raise refuse(
                "the trace",
                f"covers {said}, and no other: nothing is left; partial (--partial keep) keeps them",
            )
        lost = round(float(counts.sums[REQUESTS, list(ends)].sum()))
        counts.dropped["in periods covered in part"] = lost
        counts.cut(kept[0], kept[-1] + 1)
        return rates[kept], [f"the trace covers {said}: left out"]
    return rates, [
        f"the trace covers {said}: kept as they are, so demand there is too low; partial"
        " (--partial drop or scale) mends it"
    ]


def _merge(rates: Floats, names: Sequence[str]) -> tuple[list[str], Floats]:
    """Add up classes that share a name."""
    classes = list(dict.fromkeys(names))
    merged = np.zeros((len(rates), len(classes)))
    for column, name in enumerate(names):
        merged[:, classes.index(name)] += rates[:, column]
    return classes, merged


def _places(node: str, shares: Mapping[str, float] | None, nodes: str | Path | None) -> Places:
    if shares is not None and nodes is not None:
        raise refuse("the split over nodes", "takes shares or a table of nodes, not both")
    if shares is not None:
        return by_shares(shares)
    if nodes is not None:
        return read_places(Path(nodes))
    return Places((node,), np.ones(1), ("UTC",), "")
