"""Words and numbers on figures: units, escapes, lengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import Formatter

from tokenflow_sim.plot.shorten import short

LONGEST = 22
_MINUS = "\u2212"
_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def plain(text: object) -> str:
    """Return a text that matplotlib prints as it is: two dollar signs would start mathematics."""
    return str(text).replace("$", r"\$")


def name(text: object, longest: int = LONGEST) -> str:
    """Return a name for legends and ticks: escaped, and shortened where it is long, unlike any other of the figure."""
    label = short(" ".join(str(text).split()), longest)
    # A legend leaves out labels that start with an underscore; a word joiner has no width.
    return plain(f"\u2060{label}" if label.startswith("_") else label)


def quantity(attrs: Mapping[str, Any], unit: str | None = None, *, wrap: int = 28) -> str:
    """Return an axis label with its unit from a variable's attributes.

    Parameters
    ----------
    attrs : mapping
        With ``long_name`` and ``units``.
    unit : str, optional
        The unit drawn, where it is not that of the attributes.
    wrap : int
        Length from which the unit goes on a line of its own.
    """
    return labelled(str(attrs["long_name"]), str(attrs["units"]) if unit is None else unit, wrap=wrap)


def labelled(what: str, unit: str, *, wrap: int = 28) -> str:
    """Return ``What [unit]``, in two lines where it is long; no unit is written for pure numbers."""
    what = what[:1].upper() + what[1:]
    if unit in ("", "1"):
        return plain(what)
    gap = "\n" if len(what) + len(unit) > wrap else " "
    return plain(f"{what}{gap}[{unit}]")


def money(largest: float, unit: str, hours: float | None) -> tuple[float, str]:
    """Choose how to draw amounts of money: by the hour, and with few digits.

    Parameters
    ----------
    largest : float
        The largest amount drawn.
    unit : str
        Its unit, e.g. ``$/period``.
    hours : float or None
        Length of a period; where it is unknown, amounts stay by the period.

    Returns
    -------
    factor : float
        What to multiply amounts with.
    unit : str
        E.g. ``k$/h``.
    """
    rate = 1.0
    if unit == "$/period" and hours is not None:
        rate, unit = 1.0 / hours, "$/h"
    factor, prefix = prefixed(largest * rate)
    return rate * factor, prefix + unit


def prefixed(largest: float) -> tuple[float, str]:
    """Return the factor and the prefix (none, k, M or G) that keep an axis below a thousand."""
    for size, prefix in _PREFIXES:
        if np.isfinite(largest) and abs(largest) >= size:
            return 1.0 / size, prefix
    return 1.0, ""


def number(value: float, digits: int = 3) -> str:
    """Return a number with significant digits, thousands parted, and a true minus sign."""
    if value != 0 and not 1e-4 <= abs(value) < 1e6:
        mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
        text = f"{mantissa}e{int(power)}"
    else:
        rounded = float(f"{value:.{digits}g}")
        whole = len(f"{abs(rounded):.0f}") if abs(rounded) >= 1 else 0
        zeros = 0 if rounded == 0 or whole else int(-np.floor(np.log10(abs(rounded)))) - 1
        text = f"{rounded:,.{max(0, digits - whole + zeros)}f}" if rounded else "0"
    return text.replace("-", _MINUS)


class TickNumbers(Formatter):
    """Tick labels with as many decimals as the finest tick needs, the same on all ticks of an axis.

    Parameters
    ----------
    unit : float
        What labels count in, e.g. 1000 where the axis says "thousands".
    """

    def __init__(self, unit: float = 1.0) -> None:
        self.unit = unit

    def __call__(self, value: float, pos: int | None = None) -> str:
        """Return the label of one tick."""
        return self.format_ticks([value])[0]

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        """Return the labels of all ticks of an axis."""
        ticks = np.asarray(values, dtype=float) / self.unit
        largest = float(np.abs(ticks).max(initial=0.0))
        if largest == 0.0:
            return ["0"] * len(ticks)
        if largest < 1e-3 or largest >= 1e6:
            return [
                f"{tick:.4g}".replace("e-0", "e-").replace("e+0", "e").replace("-", _MINUS) for tick in ticks
            ]
        exact = (d for d in range(8) if np.allclose(ticks, np.round(ticks, d), rtol=0.0, atol=1e-6 * largest))
        decimals = next(exact, 8)
        return [f"{0.0 if tick == 0 else tick:,.{decimals}f}".replace("-", _MINUS) for tick in ticks]


def percent(share: float) -> str:
    """Return a share in per cent with two digits, telling something from nothing and nearly all from all."""
    if 0.0 < share < 0.0005:
        return "<0.1"
    if share < 0.0995:
        return f"{100.0 * share:.1f}" if share else "0"
    return ">99" if 0.995 <= share < 1.0 - 1e-9 else f"{100.0 * share:.0f}"
