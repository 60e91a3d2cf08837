"""The map of a market as an environment renders it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Literal

import numpy as np
import xarray as xr
from matplotlib import get_backend
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tokenflow_sim.errors import Fault, InputError
from tokenflow_sim.model import TokenMarket
from tokenflow_sim.plot.gallery.dispatch_map import NEEDS, dispatch_map
from tokenflow_sim.variables import RESULTS

RenderMode = Literal["rgb_array", "human"]
MODES: tuple[RenderMode, ...] = ("rgb_array", "human")
DPI = 100
_ROOM = 60  # pixels
_WITHOUT_WINDOWS = {"agg", "cairo", "pdf", "pgf", "ps", "svg", "template"}


def last_period(model: TokenMarket) -> xr.Dataset:
    """Return what a map shows of the last period, zero before the first: a Dataset like those of results."""
    plan, house = model.ledger.plan, model.clearing_house
    result = house.result
    ds = xr.Dataset(attrs=plan.attrs)
    sizes = plan.layout.sizes
    for name in NEEDS:
        if name not in RESULTS:
            continue
        row = RESULTS[name]
        shape = tuple(sizes[dim] for dim in row.dims[1:])
        values = np.zeros(shape) if result is None else np.asarray(result.recorded(name))
        if values.ndim > len(shape):
            values = values.sum(axis=-1)  # over blocks
        ds[name] = (row.dims, values[None], row.attrs(plan.layout.link_unit))
    return ds.assign_coords({**plan.coords, "period": [max(0, model.period - 1)]})


def draw(model: TokenMarket) -> Figure:
    """Draw the map of the last period.

    Raises
    ------
    ResultError
        If no node has coordinates.
    """
    period = max(0, model.period - 1)
    return dispatch_map(last_period(model), period, places=model.settings)


def pixels(figure: Figure) -> NDArray[np.uint8]:
    """Return a figure as an image, dims (height, width, 3)."""
    figure.set_dpi(DPI)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    image: NDArray[np.uint8] = np.asarray(canvas.buffer_rgba())[:, :, :3].copy()  # type: ignore[no-untyped-call]
    return image


class Screen:
    """Where a human sees the map: image files of a folder, or a window that is drawn again each period.

    Parameters
    ----------
    mode : {'rgb_array', 'human'} or None
        How it is rendered; only `human` needs a screen.
    folder : str or Path, optional
        Where to write the images, ``period_0000.png`` and so on; without it, a window.

    Warns
    -----
    UserWarning
        If no window can be opened and no folder was given: then nothing is shown.

    Raises
    ------
    InputError
        If there is no such mode.
    """

    def __init__(self, mode: str | None, folder: str | Path | None) -> None:
        self.folder = None if folder is None else Path(folder)
        if mode is not None and mode not in MODES:
            fault = Fault(f"must be 'rgb_array', 'human' or None; found {mode!r}", "render_mode")
            raise InputError([fault], "environment")
        # No error, as of matplotlib's own `show`: what trains and tests on machines without a screen goes on.
        self._shows = self.folder is not None or get_backend().lower() not in _WITHOUT_WINDOWS
        if mode == "human" and not self._shows:
            backend = f"matplotlib's backend {get_backend()!r}"
            text = f"render_mode='human': {backend} opens no windows, so that nothing is shown"
            warnings.warn(f"{text}; give render_to=FOLDER for image files", UserWarning, stacklevel=3)
        self._window: Figure | None = None
        self._height = 0

    def image(self, model: TokenMarket) -> NDArray[np.uint8]:
        """Return the map of the last period as an image, dims (height, width, 3); all have the same size."""
        image = pixels(draw(model))
        # Legends differ from period to period by a line or two, and films take images of one size.
        self._height = self._height or len(image) + _ROOM
        frame = np.full((self._height, *image.shape[1:]), 255, dtype=np.uint8)
        frame[: len(image)] = image[: self._height]
        return frame

    def show(self, model: TokenMarket) -> None:
        """Show the map of the last period; nothing where there is neither window nor folder."""
        if not self._shows:
            return
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            draw(model).savefig(self.folder / f"period_{max(0, model.period - 1):04d}.png", dpi=DPI)
            return
        from matplotlib import pyplot  # only a window needs it: it touches the user's own figures

        image = self.image(model)
        if self._window is None:
            self._window = pyplot.figure(figsize=(image.shape[1] / DPI, image.shape[0] / DPI), dpi=DPI)
        self._window.clear()
        self._window.figimage(image)
        self._window.canvas.draw_idle()
        pyplot.pause(0.001)

    def close(self) -> None:
        """Close the window."""
        if self._window is not None:
            from matplotlib import pyplot

            pyplot.close(self._window)
            self._window = None
