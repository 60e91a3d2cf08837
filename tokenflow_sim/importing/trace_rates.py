"""ServeGen's rate tables: requests per second of each client, window by window, and the tokens of its requests."""

from __future__ import annotations

import ast
import csv
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from tokenflow_sim.importing.faults import Faults, refuse
from tokenflow_sim.importing.trace_bins import MOST_CELLS, Counts
from tokenflow_sim.importing.trace_formats import open_text
from tokenflow_sim.numeric import SECONDS_PER_HOUR, Floats

TRACE, DATASET = "-trace.csv", "-dataset.json"
"""Endings of a client's files: its rates, and beside them the distributions of its token counts."""
TITLE = "ServeGen rate tables"


@dataclass(frozen=True)
class Client:
    """One client.

    Parameters
    ----------
    edges : ndarray
        Seconds at which its windows begin, and the end of the last, dims (window + 1,).
    flows : ndarray
        Requests, input tokens and output tokens per second, dims (3, window).
    """

    edges: Floats
    flows: Floats


def rate_files(path: Path) -> list[Path]:
    """Return the rate tables of a path: itself, or those in a folder.

    Raises
    ------
    DataError
        If the folder holds none.
    """
    if not path.is_dir():
        return [path]
    found = sorted(path.glob(f"*{TRACE}"))
    if not found:
        raise refuse("the trace", f"holds no rate table (*{TRACE})", file=path)
    return found


def read_rates(
    files: Sequence[tuple[Path, str]],
    hours: float,
    start: datetime | None,
    tokens: tuple[float, float] | None,
) -> Counts:
    """Count the expected requests and tokens of clients by period.

    Parameters
    ----------
    files : sequence of tuple
        Path and class of each client's rate table.
    hours : float
        Length of a period.
    start : datetime or None
        When second 0 of the tables is.
    tokens : tuple of float or None
        Input and output tokens of a request; if left out, the means of the client's `*-dataset.json` beside its
        table, by window.

    Raises
    ------
    DataError
        If a table has faults, or nothing says how many tokens a request has.

    Notes
    -----
    A rate holds from its row's start to the next row's; the last one as long as the one before. Of the token counts'
    distribution the mean counts, that of the last window of the dataset that begins no later than the rate's
    (`ClientPoolView` of github.com/alibaba/ServeGen does the same). How requests arrive within a window
    (coefficient of variation, distribution) does not matter to the expected rate.
    """
    faults = Faults("the trace")
    clients = [client for path, _ in files if (client := _read_client(path, tokens, faults)) is not None]
    faults.check()
    length = hours * SECONDS_PER_HOUR
    begin = min(client.edges[0] for client in clients)
    end = max(client.edges[-1] for client in clients)
    low, high = math.floor(begin / length), math.ceil(end / length)
    classes = list(dict.fromkeys(workload for _, workload in files))
    if (high - low) * len(classes) > MOST_CELLS:
        raise refuse(
            "the trace", f"covers {high - low} periods, too many: take longer ones by hours (--hours)"
        )
    cuts = np.arange(low, high + 1) * length
    sums = np.zeros((3, high - low, len(classes)))
    for client, (_, workload) in zip(clients, files, strict=True):
        held = client.flows * np.diff(client.edges)
        total = np.concatenate([np.zeros((3, 1)), np.cumsum(held, axis=1)], axis=1)
        # Rates are constant within windows, so their integral is linear between edges: exact at every cut.
        for which in range(3):
            sums[which, :, classes.index(workload)] += np.diff(np.interp(cuts, client.edges, total[which]))
    last = high - 1
    whole = (end - begin) / length
    covered = (low + 1 - begin / length, end / length - last) if high - low > 1 else (whole, whole)
    notes = ["the mean rate of each window counts; how requests arrive within it (cv, distribution) does not"]
    if tokens is not None:
        notes.append(
            f"every request has {tokens[0]:g} input and {tokens[1]:g} output tokens; tokens (--tokens) says others"
        )
    else:
        notes.append(f"a request has the mean tokens of its client's dataset (*{DATASET}), by window")
    return Counts(
        title=TITLE,
        classes=classes,
        sums=sums,
        hours=hours,
        start=None if start is None else start + timedelta(seconds=low * length),
        since=low * hours,
        covered=covered,
        rows=sum(client.flows.shape[1] for client in clients),
        span=(f"{begin:g} s", f"{end:g} s"),
        notes=notes,
    )


def _read_client(path: Path, tokens: tuple[float, float] | None, faults: Faults) -> Client | None:
    """Read a client's rates and tokens; note what is wrong."""
    starts: list[float] = []
    rates: list[float] = []
    try:
        with open_text(path) as file:
            reader = csv.reader(file)
            for row in reader:
                if not row:
                    continue
                line = reader.line_num
                if len(row) != 6:
                    faults.add(
                        f"has {len(row)} cells where a rate table has 6 (start, rate, cv, distribution, parameters)",
                        file=path,
                        line=line,
                    )
                    return None
                start, rate = _number(row[0]), _number(row[1])
                if start is None or (starts and start <= starts[-1]):
                    faults.add(
                        f"must be a time in s that rises; found {row[0]!r}",
                        file=path,
                        line=line,
                        column="start",
                    )
                    return None
                if rate is None or rate < 0:
                    faults.add(
                        f"must be requests per second; found {row[1]!r}", file=path, line=line, column="rate"
                    )
                    return None
                starts.append(start)
                rates.append(rate)
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        faults.add(f"cannot be read: {error}", file=path)
        return None
    if len(starts) < 2:
        faults.add("has fewer than two rows, so that nothing says how long a rate holds", file=path)
        return None
    edges = np.array([*starts, 2 * starts[-1] - starts[-2]])
    means = _means(path, np.array(starts), faults) if tokens is None else np.tile(tokens, (len(starts), 1)).T
    if means is None:
        return None
    requests = np.array(rates)
    return Client(edges, np.stack([requests, *(requests * means)]))


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _means(path: Path, starts: Floats, faults: Faults) -> Floats | None:
    """Return the mean input and output tokens of a client's requests, dims (2, window)."""
    beside = path.with_name(path.name.removesuffix(TRACE) + DATASET)
    if not path.name.endswith(TRACE) or not beside.is_file():
        faults.add(
            "gives rates of requests but no tokens: say how many a request has by tokens"
            " (--tokens input=430,output=150), or put ServeGen's dataset of the client beside it"
            f" (NAME{TRACE}, NAME{DATASET})",
            file=path,
        )
        return None
    at: list[float] = []
    means: list[tuple[float, float]] = []
    try:
        for second, fields in json.loads(beside.read_text(encoding="utf-8")).items():
            pair = tuple(_mean(fields[name]) for name in ("input_tokens", "output_tokens"))
            if all(
                math.isfinite(value) for value in pair
            ):  # a window without requests has an empty distribution
                at.append(float(second))
                means.append((pair[0], pair[1]))
    except (OSError, ValueError, SyntaxError, KeyError, TypeError, AttributeError, RecursionError) as error:
        faults.add(f"is no dataset of ServeGen: {type(error).__name__}: {error}", file=beside)
        return None
    if not at:
        faults.add("has no window with token counts", file=beside)
        return None
    order = np.argsort(at, kind="stable")
    # Before the first window there is none: the first one counts.
    window = np.maximum(np.searchsorted(np.array(at)[order], starts, side="right") - 1, 0)
    return np.asarray(np.array(means)[order][window].T)


def _mean(field: Any) -> float:
    """Return the mean of a distribution, a mapping (or its text) of counts to shares; NaN where it is empty."""
    shares = ast.literal_eval(field) if isinstance(field, str) else field
    total = math.fsum(float(share) for share in shares.values())
    return (
        math.fsum(float(count) * float(share) for count, share in shares.items()) / total
        if total
        else math.nan
    )
