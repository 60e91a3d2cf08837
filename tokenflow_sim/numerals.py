"""Numbers as people read them: significant digits, money, shares, counted things."""

from __future__ import annotations

import math
from collections.abc import Iterable


def significant(value: float, digits: int = 4) -> str:
    """Write a number with so many significant digits, e.g. ``0.0748``, ``41.89``, ``123,635``, ``1.2e-13``."""
    if not math.isfinite(value):
        return "-" if math.isnan(value) else ("inf" if value > 0 else "-inf")
    if value == 0:
        return "0"
    rounded = f"{value:.{digits - 1}e}"
    size = int(rounded.partition("e")[2])
    if size < -4:
        return f"{value:.{min(digits, 2) - 1}e}"
    return f"{value:,.{max(0, digits - 1 - size)}f}"


def fixed(value: float, decimals: int) -> str:
    """Write a number with so many decimals; a dash for what is none, and no ``-0.00``."""
    # adding 0.0 turns the -0.0 of a rounded loss of nothing into 0.0
    return f"{round(value, decimals) + 0.0:,.{decimals}f}" if math.isfinite(value) else "-"


def money(values: Iterable[float]) -> list[str]:
    """Write sums of money alike: whole dollars where the largest has five digits or more, else cents."""
    sums = list(values)
    largest = max((abs(value) for value in sums if math.isfinite(value)), default=0.0)
    return [fixed(value, 0 if largest >= 10_000 else 2) for value in sums]


def compact(value: float, unit: str) -> str:
    """Write an amount with four digits and a prefix to its unit, e.g. ``229.4 M$``, ``385.7 Ttok``."""
    if math.isnan(value):
        return "-"
    for prefix, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= 0.99995 * size:
            return f"{significant(value / size)} {prefix}{unit}"
    return f"{significant(value)} {unit}"


def share(part: float, whole: float) -> str:
    """Write a part of a whole in per cent, e.g. ``3.2 %``; a dash where there is no whole, or no number."""
    if not whole or not math.isfinite(part) or not math.isfinite(whole):
        return "-"
    percent = 100 * part / whole
    return f"{percent:.1f} %" if percent == 0 or abs(percent) >= 0.05 else f"{significant(percent, 1)} %"


def counted(number: int, thing: str) -> str:
    """Return a number of things in words, e.g. ``1 node``, ``3 classes``."""
    plural = f"{thing}es" if thing.endswith("s") else f"{thing}s"
    return f"{number:,} {thing if number == 1 else plural}"
