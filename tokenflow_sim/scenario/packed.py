"""Long series apart from a scenario's text: as results keep them, once and compressed."""

from __future__ import annotations

import base64
import binascii
import json
import zlib

import numpy as np

from tokenflow_sim.scenario.series import NodeSeries, PeriodSeries, Series

LONG = 10_000
"""How many numbers a series may have and still stand in the text."""


def is_long(series: Series) -> bool:
    """Whether a series is kept apart from the text."""
    return series.values.size > LONG


def pack(series: PeriodSeries | NodeSeries) -> str:
    """Return a series by period as text: a line that says what it holds, and its numbers, compressed."""
    head = {"names": series.names, "shape": series.values.shape}
    if isinstance(series, NodeSeries):
        head["nodes"] = series.nodes
    # Bytes of one significance follow each other: those of like numbers are alike, and compress.
    planes = np.ascontiguousarray(series.values, "<f8").view(np.uint8).reshape(-1, 8).T
    numbers = base64.b64encode(zlib.compress(planes.tobytes(), 6)).decode("ascii")
    return f"{json.dumps(head)}\n{numbers}"


def unpack(text: str) -> PeriodSeries | NodeSeries:
    """Return the series that `pack` made a text of.

    Raises
    ------
    ValueError
        If the text is damaged.
    """
    first, _, numbers = text.partition("\n")
    try:
        head = json.loads(first)
        planes = np.frombuffer(zlib.decompress(base64.b64decode(numbers, validate=True)), np.uint8)
        values = np.ascontiguousarray(planes.reshape(8, -1).T).view("<f8").reshape(head["shape"])
        if "nodes" in head:
            return NodeSeries(head["nodes"], head["names"], values)
        return PeriodSeries(head["names"], values)
    except (ValueError, KeyError, TypeError, zlib.error, binascii.Error) as error:
        raise ValueError(f"the numbers of a series are damaged ({error})") from None
