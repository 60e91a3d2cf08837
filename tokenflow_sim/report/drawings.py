"""Figures for a page: as vectors that need neither a network nor the reader's fonts."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator
from io import BytesIO

import xarray as xr
from matplotlib.figure import Figure

from tokenflow_sim.errors import TokenflowError
from tokenflow_sim.plot import registry, style
from tokenflow_sim.report.blocks import Block, Drawing, Note, Notes

FIRST = (
    "prices",
    "decomposition",
    "settlements",
    "profits",
    "dispatch",
    "dispatch_map",
    "utilisation",
    "unserved",
)
"""What is looked at first; other figures follow by name."""

_LARGEST_VECTOR = 700_000
"""Bytes of a drawing beyond which a picture of dots is lighter, and quicker to show."""


def drawings(ds: xr.Dataset) -> Iterator[Block]:
    """Draw every figure that results allow; report those that could not be drawn."""
    entries = registry.entries()
    names = [name for name in registry.figures(ds) if entries[name].is_own]
    failed: list[Note] = []
    for name in sorted(names, key=lambda name: (FIRST.index(name) if name in FIRST else len(FIRST), name)):
        try:
            yield drawing(name, entries[name].summary, entries[name].draw, ds)
        except TokenflowError as error:
            failed.append(Note("note", f"The figure {name} cannot be drawn from these results: {error}"))
    if failed:
        yield Notes(failed)


def drawing(name: str, caption: str, draw: Callable[[xr.Dataset], Figure], ds: xr.Dataset) -> Drawing:
    """Draw one figure as an image within the page."""
    # Outlines in place of text: the page looks the same where the fonts of the figures are not installed.
    with style.changed({"svg.fonttype": "path"}):
        figure = draw(ds)
        width = float(figure.get_figwidth())
        data, kind = _saved(figure, "svg"), "svg+xml"
        if len(data) > _LARGEST_VECTOR:
            data, kind = _saved(figure, "png"), "png"
    return Drawing(f"data:image/{kind};base64,{b64encode(data).decode()}", caption, name, width)


def _saved(figure: Figure, format: str) -> bytes:
    target = BytesIO()
    # A date in the file would make two reports of one run differ.
    metadata = {"Date": None} if format == "svg" else {}
    figure.savefig(target, format=format, metadata=metadata, dpi=200)
    return target.getvalue()
