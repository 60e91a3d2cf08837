"""Speeds of links as maps of networks write them: ``OC-192``, ``10 Gbps``, ``< 100 Mbps``, ``2 x 10GE``."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from tokenflow_sim.errors import unknown_name

BITS_PER_BYTE = 8
GIGABYTE = 1e9 * BITS_PER_BYTE
"""Bits of a gigabyte."""
UNITS: dict[str, float] = {
    "bit/s": 1.0, "kbit/s": 1e3, "Mbit/s": 1e6, "Gbit/s": 1e9, "Tbit/s": 1e12,
    "B/s": 8.0, "kB/s": 8e3, "MB/s": 8e6, "GB/s": 8e9, "TB/s": 8e12,
}  # fmt: skip
"""Bits per second of each unit that a column of numbers may have."""
# ITU-T G.707 and ANSI T1.105: STM-1 is OC-3; ITU-T G.702 for the older hierarchies.
OC, STM = 51.84e6, 155.52e6
_NAMED = {
    "t1": 1.544e6, "ds1": 1.544e6, "e1": 2.048e6, "t2": 6.312e6, "e2": 8.448e6, "e3": 34.368e6, "t3": 44.736e6,
    "ds3": 44.736e6, "e4": 139.264e6, "fastethernet": 1e8, "fe": 1e8, "gigabitethernet": 1e9, "gigabit": 1e9,
    "gige": 1e9, "gbe": 1e9, "ge": 1e9, "ethernet": 1e7,
}  # fmt: skip
_PREFIX = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12}
_HIERARCHY = re.compile(r"\b(oc|stm)[\s-]*(\d+)c?\b")
_NUMBER = r"(\d+(?:\.\d+)?)"
_RATE = re.compile(
    rf"{_NUMBER}(?:\s*(?:-|to|/)\s*{_NUMBER})?\s*(?:([kmgt])\s*(?:bits?|b)?(?:/s|ps|/sec)?|(?:bits?|b)(?:/s|ps))"
    rf"(?:ige|be|e)?\b"
)
_TIMES = re.compile(rf"(?:^|\s){_NUMBER}\s*(?:x|\*|\u00d7)\s*(?=[\doegfsdt])")
_PLAIN = re.compile(
    r"\b(t[123]|ds-?[13]|e[1234]|fast\s*ethernet|gigabit(?:\s*ethernet)?|gig-?e|gbe|ge|fe|ethernet)\b"
)


@dataclass(frozen=True)
class Speed:
    """A link's speed.

    Parameters
    ----------
    bits : float
        Bits per second, each way.
    rough : bool
        Whether it was said as a bound or a range: a bound is taken for the speed, of a range the lower end.
    """

    bits: float
    rough: bool = False

    @property
    def gigabytes(self) -> float:
        """Gigabytes per second."""
        return self.bits / GIGABYTE


def parse_speed(text: str) -> Speed | None:
    """Read a speed out of a text; None where there is none.

    Parameters
    ----------
    text : str
        E.g. ``OC-48c``, ``2.5G``, ``<10 Mbps``, ``10-20Gbps``, ``2 x STM-16``, ``Gigabit Ethernet``. A unit always
        means bits, as is usual for links, also where it is written with a large B.

    Notes
    -----
    OC-n is n times 51.84 Mbit/s, STM-n n times 155.52 Mbit/s, at the line: what a protocol adds is not taken off.
    """
    low = " ".join(text.lower().replace(",", ".").split())
    times = _TIMES.search(low)
    count = float(times[1]) if times else 1.0
    rest = low[times.end() :] if times else low
    rough = bool(re.search(r"[<>~≤≥]|\b(?:up to|about|max|at least|ca)\b", low))
    if found := _HIERARCHY.search(rest):
        bits = (OC if found[1] == "oc" else STM) * float(found[2])
    elif found := _RATE.search(rest):
        bits = float(found[1]) * _PREFIX[found[3] or ""]
        rough = rough or found[2] is not None
    elif found := _PLAIN.search(rest):
        bits = _NAMED[re.sub(r"[\s-]", "", found[1])]
    else:
        return None
    return Speed(bits * count, rough) if bits * count > 0 else None


def unit_factor(unit: str) -> float:
    """Return the bits per second of one of a unit.

    Raises
    ------
    ValueError
        If the unit is unknown.
    """
    spelled = unit.strip().replace("bps", "bit/s").replace("b/s", "bit/s")
    if spelled in UNITS:
        return UNITS[spelled]
    folded = {name.lower(): factor for name, factor in UNITS.items() if "bit" in name}
    if spelled.lower() in folded:
        return folded[spelled.lower()]
    raise ValueError(unknown_name("unit", unit, list(UNITS)))


def number(value: object) -> float | None:
    """Return a finite number of a cell; None where it is none."""
    try:
        found = float(str(value))
    except ValueError:
        return None
    return found if math.isfinite(found) else None
