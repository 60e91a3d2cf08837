"""A mean with its spread across nodes: a line and two bands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from tokenflow_sim.numeric import Floats
from tokenflow_sim.plot.style import INK

_SPIKE = 5.0


@dataclass(frozen=True, eq=False)
class Spread:
    """A mean and the quartiles around it, each of dims (place, class).

    Parameters
    ----------
    mean : ndarray
        The mean.
    low, quarter, three_quarters, high : ndarray
        Least, first and third quartile, and largest.
    """

    mean: Floats
    low: Floats
    quarter: Floats
    three_quarters: Floats
    high: Floats

    def is_spiky(self, column: int) -> bool:
        """Return whether an extreme value dwarfs the usual ones, so that only a logarithmic axis shows both."""
        usual, least = np.nanmedian(self.mean[:, column]), np.nanmin(self.low[:, column])
        extreme = max(np.nanmax(self.high[:, column]), -least)
        return bool(least != 0 and usual != 0 and extreme > _SPIKE * abs(usual))

    def draw(self, ax: Axes, x: Floats, column: int, colour: str, label: str) -> None:
        """Draw one class as steps; `x` has both ends of every place, and NaN between the pieces of a broken line."""
        for bottom, top, alpha in ((self.low, self.high, 0.3), (self.quarter, self.three_quarters, 0.5)):
            ax.fill_between(
                x,
                _steps(x, bottom[:, column]),
                _steps(x, top[:, column]),
                color=colour,
                alpha=alpha,
                linewidth=0,
            )
        ax.plot(x, _steps(x, self.mean[:, column]), color=colour, label=label)
        ax.margins(y=0.07)

    def legend_entries(self) -> dict[str, Artist]:
        """Return the legend of mean and bands, in no class's colour; without bands where nodes do not differ."""
        line: dict[str, Artist] = {"mean, weighted by demand": Line2D([], [], color=INK)}
        if not (self.high > self.low).any():
            return line
        bands = {"middle half of nodes": "#5A5A5A", "all nodes": "#B3B3B3"}
        return line | {label: Patch(color=grey, linewidth=0) for label, grey in bands.items()}


def quartiles(samples: Floats, axis: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Return least, first and third quartile, and largest along an axis."""
    low, quarter, three_quarters, high = np.quantile(samples, [0.0, 0.25, 0.75, 1.0], axis=axis)
    return low, quarter, three_quarters, high


def _steps(x: Floats, values: Floats) -> Floats:
    """Return ordinates for the ends of the places in `x`."""
    ordinates = np.full(x.shape, np.nan)
    ordinates[~np.isnan(x)] = values.repeat(2)
    return ordinates
