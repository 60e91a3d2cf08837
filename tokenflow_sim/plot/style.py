"""How every figure looks: sizes, type, colours, line styles.

Colours alone never carry a meaning: lines differ in dashes, areas are stacked in the order of the legend and
parted by white edges. Each family of names has its own palette, ordered so that its first entries stay apart
under protanopia, deuteranopia and tritanopia.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from contextvars import ContextVar
from io import BytesIO
from itertools import cycle, islice
from pathlib import Path
from threading import RLock
from typing import Any, Literal, cast

import matplotlib as mpl
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure

from tokenflow_sim.disk import writing

Family = Literal["workload", "provider", "owner", "part", "rank"]
Columns = Literal[1, 2]

WIDTHS: dict[int, float] = {1: 3.5, 2: 7.2}
"""Width in inches of a figure that spans one or two columns of a journal page (89 and 183 mm)."""

# Classes: Okabe and Ito (2008), reordered. Providers: Tol's "muted" scheme with its palest hues darkened, since
# they are also drawn as lines. Owners: greys, for those who only carry.
_OKABE_ITO = ("#0072B2", "#D55E00", "#56B4E9", "#CC79A7", "#009E73", "#E69F00", "#000000")
_MUTED = ("#332288", "#DDAA33", "#117733", "#66B2DD", "#882255", "#CC6677", "#8659B2", "#77B259")
PALETTES: dict[Family, tuple[str, ...]] = {
    "workload": _OKABE_ITO,
    "provider": _MUTED,
    "owner": ("#595959", "#A6A6A6", "#D9D9D9"),
    "part": ("#BBBBBB", "#225522", "#C2850A", "#EECC66", "#EE6677", "#4477AA", "#66CCEE", "#AA3377"),
    "rank": _MUTED,
}
"""Colours of classes, providers, network owners, parts of a price, and of anything ranked by size."""

MOST_NAMED: dict[Family, int] = {family: max(6, len(palette)) for family, palette in PALETTES.items()}
"""How many names a figure tells apart before it takes the rest together."""

OTHER = "#EDEDED"
"""Colour of all that is too small to be named."""
MISSING = "#FFFFFF"
"""Fill of what was not served; always hatched."""
INK = "#1A1A1A"
"""Colour of text, axes and totals."""
SEQUENTIAL = "YlGnBu"
"""Colour map of shares: its lightness falls steadily, so that it reads without red-green vision and in grey."""

DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)), (0, (8, 2)))
"""Line styles, in order."""
HATCHES: tuple[str, ...] = ("", "////", "....", "\\\\\\\\", "xxxx", "----")
"""Hatches, for the rounds after the first through a palette."""

SETTINGS: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.formatter.useoffset": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.labelcolor": INK,
    "axes.labelpad": 3.0,
    "axes.labelsize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlepad": 4.0,
    "axes.titlesize": 8,
    "axes.titleweight": "bold",
    "axes.xmargin": 0.0,
    "figure.constrained_layout.h_pad": 0.04,
    "figure.constrained_layout.w_pad": 0.04,
    "figure.dpi": 120,
    "font.family": ["DejaVu Sans"],
    "font.size": 8,
    "grid.color": "#D0D0D0",
    "grid.linewidth": 0.4,
    "hatch.linewidth": 0.5,
    "legend.borderaxespad": 0.0,
    "legend.borderpad": 0.0,
    "legend.columnspacing": 1.4,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.handlelength": 2.2,
    "legend.handletextpad": 0.5,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "pdf.fonttype": 42,  # text in a PDF stays text, which publishers ask for
    "savefig.dpi": 300,
    "svg.fonttype": "none",
    "svg.hashsalt": "tokenflow_sim",  # else two drawings of one result differ
    "text.color": INK,
    "xtick.color": INK,
    "xtick.labelsize": 7,
    "xtick.major.size": 2.5,
    "xtick.major.width": 0.6,
    "ytick.color": INK,
    "ytick.labelsize": 7,
    "ytick.major.size": 2.5,
    "ytick.major.width": 0.6,
}
"""Settings of matplotlib that make the house style; `changed` changes them."""

# A figure looks the same whatever the user's own settings are; what is no matter of looks stays theirs.
_NOT_LOOKS: tuple[str, ...] = (
    "animation", "backend", "date.epoch", "docstring", "figure.hooks", "figure.max_open_warning",
    "figure.raise_window", "interactive", "keymap", "savefig.directory", "timezone", "tk.", "toolbar", "webagg",
)  # fmt: skip
# rcParams belong to the whole process, and a page may draw from several threads.
_LOCK = RLock()


# What `changed` has laid over the house style, here and now.
_CHANGES: ContextVar[dict[str, Any]] = ContextVar("changes", default={})  # noqa: B039  never changed in place


def _settings() -> dict[str, Any]:
    default = mpl.rcParamsDefault
    looks = {key: default[key] for key in default if not key.startswith(_NOT_LOOKS)}
    return looks | SETTINGS | _CHANGES.get()


@contextmanager
def changed(settings: Mapping[str, Any]) -> Iterator[None]:
    """Change the house style for the figures made inside, e.g. to suit a journal; they keep it.

    Parameters
    ----------
    settings : mapping
        Settings of matplotlib, e.g. ``{"font.family": "serif"}``.

    Raises
    ------
    KeyError, ValueError
        If matplotlib does not know a setting, or not its value.
    """
    with mpl.rc_context(cast(Any, dict(settings))):  # checks them
        pass
    token = _CHANGES.set(_CHANGES.get() | dict(settings))
    try:
        yield
    finally:
        _CHANGES.reset(token)


@contextmanager
def house_style(settings: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Draw in the house style; the settings of matplotlib are as before afterwards.

    Parameters
    ----------
    settings : mapping, optional
        All settings that matter to looks, where a figure brings its own.
    """
    with _LOCK, mpl.rc_context(cast(Any, _settings() if settings is None else settings)):
        yield


class HouseFigure(Figure):
    """A figure that keeps the style it was made in when it is drawn, saved or shown, which may be much later.

    It belongs to no window and to no global list of figures, so that a script can make thousands.
    """

    _only_lays_out = False
    """Whether the next drawing is the one onto nothing by which matplotlib finds the layout of what it saves."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._settings = _settings()

    def draw(self, renderer: RendererBase) -> None:
        """Draw; ticks, for one, are only made now and read the settings of this moment."""
        with house_style(self._settings):
            engine = self.get_layout_engine()
            if self._only_lays_out and engine is not None:
                self._only_lays_out = False
                with suppress(ValueError):  # as `Figure.draw` does
                    engine.execute(self)
            else:
                super().draw(renderer)

    def savefig(self, fname: Any, **options: Any) -> None:
        """Save, 300 dots per inch where the format has dots.

        Raises
        ------
        ResultError
            If the file cannot be written.
        """
        named = isinstance(fname, (str, Path))
        # The layout is all that matplotlib's first drawing is for, unless the page is cut to what was drawn.
        whole = (options.get("bbox_inches") or self._settings["savefig.bbox"]) is None
        self._only_lays_out = whole and self.get_layout_engine() is not None
        try:
            with house_style(self._settings), writing(fname) if named else nullcontext():
                super().savefig(fname, **options)
        finally:
            self._only_lays_out = False

    def _repr_png_(self) -> bytes:
        """Show in a notebook, where only figures of pyplot show themselves."""
        buffer = BytesIO()
        self.savefig(buffer, format="png", dpi=160)
        return buffer.getvalue()


def colours(names: Sequence[str], family: Family) -> dict[str, str]:
    """Return the colour of each name.

    Parameters
    ----------
    names : sequence of str
        All names of the family in the results, in their order there, not only those drawn: that is what
        keeps a provider's colour the same in every figure.
    family : {'workload', 'provider', 'owner', 'part', 'rank'}
        Which palette.

    Returns
    -------
    dict
        Colour by name; where there are more names than colours, `hatches` tells the rounds apart.
    """
    return dict(zip(names, cycle(PALETTES[family]), strict=False))


def hatches(names: Sequence[str], family: Family) -> dict[str, str]:
    """Return the hatch of each name: none in the palette's first round, another one in each later round."""
    size = len(PALETTES[family])
    return {name: HATCHES[(place // size) % len(HATCHES)] for place, name in enumerate(names)}


def dashes(names: Sequence[str]) -> dict[str, Any]:
    """Return the line style of each name."""
    return dict(zip(names, islice(cycle(DASHES), len(names)), strict=True))
