"""A run on the map, moving."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.animation import AbstractMovieWriter, FFMpegWriter, PillowWriter
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from tokenflow_sim.errors import ResultError
from tokenflow_sim.plot.gallery.dispatch_map import NEEDS, at_position, legend_entries, sheet_of, traffic_of
from tokenflow_sim.plot.geography import PlacesLike
from tokenflow_sim.plot.maps import Sheet, Traffic
from tokenflow_sim.plot.panels import dress_value, head, panels
from tokenflow_sim.plot.registry import Results
from tokenflow_sim.plot.shorten import family_of
from tokenflow_sim.plot.style import INK, colours, dashes, house_style
from tokenflow_sim.results.dates import positions_within
from tokenflow_sim.results.files import whole_file
from tokenflow_sim.results.reading import weighted_mean

MOST_FRAMES = 400
"""More frames than this are more than anyone watches."""
_PRICES = ("price", "demand")


def animate(
    ds: xr.Dataset,
    path: str | Path,
    periods: slice | None = None,
    *,
    workload: str | list[str] | None = None,
    places: PlacesLike | None = None,
    rate: int = 4,
    dpi: int = 110,
    most: int = 10,
) -> Path:
    """Write a film of dispatch and flows on the map, a frame a period, over the prices of the run.

    Pies, curves and marks are those of `dispatch_map`; their scales are the same in all frames, so that growth is
    seen. Below runs the mean price of each class, weighted by demand, as a multiple of its median over the frames.

    Parameters
    ----------
    ds : Dataset
        Results of a run; see `dispatch_map` for what they need.
    path : str or Path
        The file, which is replaced. ``.gif`` always works; ``.mp4`` needs the program ffmpeg.
    periods : slice, optional
        The first and last period, by their numbers or dates in them, e.g. ``slice(24, 47)`` or
        ``slice("2026-01-06", "2026-01-06T18:00")``; all by default.
    workload : str or list of str, optional
        The classes to draw; all by default.
    places : Scenario, Dataset or mapping, optional
        Where to take coordinates from; see `dispatch_map`.
    rate : int
        Frames a second.
    dpi : int
        Dots per inch; the film is 7.2 inches wide.
    most : int
        How many flows to draw at most of each class.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ResultError
        If the results lack what is needed, there are no such periods or more than 400, the file is of another kind or
        cannot be written, or ffmpeg is not found.
    """
    target = Path(path)
    writer = _writer(target, rate)
    results = Results(ds, (*NEEDS, *_PRICES, "period"), "animate")
    ds = results.ds
    known = np.atleast_1d(ds["period"].values)
    first, last = (None, None) if periods is None else (periods.start, periods.stop)
    positions = positions_within(ds, first, last, "animate")
    if not 0 < len(positions) <= MOST_FRAMES:
        raise ResultError(
            f"animate draws 1 to {MOST_FRAMES} periods; found {len(positions)}; choose of {known[0]} to {known[-1]}, "
            f"e.g. periods=slice({known[0]}, {min(known[0] + 23, known[-1])})"
        )
    if len(positions) < len(known):
        results = Results(ds.isel(period=positions), NEEDS, "animate")
    classes = results.names("workload", "dispatch")
    shown = results.choose("workload", workload, "dispatch")
    chosen = [classes.index(name) for name in shown]
    frames = [traffic_of(at_position(results, position), chosen) for position in range(len(positions))]
    largest = Traffic(
        np.stack([frame.processing for frame in frames]).max(axis=0),
        np.stack([frame.flow for frame in frames]).max(axis=0),
        np.any([frame.full for frame in frames], axis=0),
    )
    with house_style(), family_of(ds):
        sheet = sheet_of(results, chosen, largest, most, places)
        drawn = panels(2, None, 2, figure="animate", height=[4.3, 0.8], across=1)
        above, below = drawn.axes
        sheet.prepare(above)
        _draw_prices(results, below, shown)
        drawn.entries = legend_entries(results, shown, sheet, bool(largest.full.any()))
        drawn.legend()
        cursor = below.axvspan(0.0, 0.0, color=INK, alpha=0.25, linewidth=0)
        head(above, "Processing and flows", " ")
        sheet.name_nodes(above, largest)
        keep = set(above.get_children())
        time = results.time
        drawn.figure.set_layout_engine("none")  # else frames would tremble
        # The kind of film goes by the ending of its name.
        with whole_file(target, True, target.suffix) as draft, writer.saving(drawn.figure, str(draft), dpi):
            for step, frame in enumerate(frames):
                _show(above, sheet, frame, keep)
                head(above, f"Processing and flows, {time.name(step)}", "")
                cursor.set_x(float(time.starts[step]))
                cursor.set_width(float(time.ends[step] - time.starts[step]))
                writer.grab_frame()
    return target


def _writer(target: Path, rate: int) -> AbstractMovieWriter:
    if target.suffix == ".gif":
        return PillowWriter(fps=rate)
    if target.suffix != ".mp4":
        raise ResultError(f"{target}: a film is a .gif or an .mp4; give a name that ends in either")
    if not FFMpegWriter.isAvailable():
        raise ResultError(
            f"{target}: an .mp4 needs the program ffmpeg, which is not found; write a .gif instead"
        )
    return FFMpegWriter(fps=rate)


def _show(ax: Axes, sheet: Sheet, frame: Traffic, keep: set[Artist]) -> None:
    """Draw a frame in place of the last one."""
    for artist in ax.get_children():
        if artist not in keep:
            artist.remove()
    sheet.draw(ax, frame)


def _draw_prices(results: Results, ax: Axes, shown: list[str]) -> None:
    time, classes = results.time, results.names("workload", "price")
    colour, dash = colours(classes, "workload"), dashes(classes)
    mean = weighted_mean(results["price"].values, results["demand"].values, axis=1)
    for name in shown:
        price = mean[:, classes.index(name)]
        usual = float(np.median(price))
        multiple = price / abs(usual) if usual != 0 else np.ones_like(price)
        ax.plot(time.line, time.steps(multiple), color=colour[name], linestyle=dash[name], label=name)
    if float(np.nanmax(ax.dataLim.get_points()[:, 1])) > 5.0 and ax.dataLim.y0 > 0:
        ax.set_yscale("log")
    dress_value(ax, "Price,\nmedian = 1", ticks=3)
    ax.set_ylabel("Price,\nmedian = 1")
    time.dress(ax)
