"""Latitudes and longitudes as people write them: decimal degrees, or degrees, minutes and seconds."""

from __future__ import annotations

import math
import re

# Signs that stand for degrees, minutes, seconds and minus in documents of all kinds, by their code points.
_MARKS = {
    **dict.fromkeys((0xBA, 0x2DA), "°"),
    **dict.fromkeys((0x2018, 0x2019, 0x2032, 0x60), "'"),
    **dict.fromkeys((0x201C, 0x201D, 0x2033), '"'),
    **dict.fromkeys((0x2212, 0x2013), "-"),
    0xA0: " ",
}
_DECIMAL = re.compile(
    r"(?P<sign>[-+]?)(?P<degrees>\d+(?:\.\d*)?|\.\d+)\s*°?\s*(?P<side>[NSEW]?)", re.IGNORECASE
)
_SEXAGESIMAL = re.compile(
    r"""(?P<sign>[-+]?)(?P<degrees>\d{1,3})\s*[°:\s]\s*
    (?P<minutes>\d{1,2}(?:\.\d*)?)\s*(?:'|:|\s|$)?\s*
    (?:(?P<seconds>\d{1,2}(?:\.\d*)?)\s*(?:"|'')?)?\s*(?P<side>[NSEW]?)""",
    re.IGNORECASE | re.VERBOSE,
)
_SIDE_FIRST = re.compile(r"([NSEW])\s*(.+)", re.IGNORECASE)


def degrees(text: str, axis: str) -> float:
    """Read a latitude or longitude.

    Parameters
    ----------
    text : str
        E.g. ``32.59``, ``-90.09``, ``90.09 W``, ``32°35'25"N``, ``32 35 25 N``, ``N 32:35:25``.
    axis : {"latitude", "longitude"}
        Which of the two.

    Returns
    -------
    float
        Degrees, north and east positive.

    Raises
    ------
    ValueError
        If the text is no angle, or none of this axis; the message says what was found.
    """
    most, sides = (90.0, "NS") if axis == "latitude" else (180.0, "EW")
    plain = text.translate(_MARKS).strip()
    first = _SIDE_FIRST.fullmatch(plain)
    if first:
        plain = f"{first[2].strip()} {first[1]}"
    found = _DECIMAL.fullmatch(plain) or _SEXAGESIMAL.fullmatch(plain)
    if found is None:
        raise ValueError(f"""must be a {axis} such as 32.59 or 32°35'25"{sides[0]}; found {text!r:.60}""")
    parts = found.groupdict()
    minutes, seconds = (float(parts.get(name) or 0) for name in ("minutes", "seconds"))
    side = parts["side"].upper()
    if side and side not in sides:
        raise ValueError(f"must be a {axis} ({' or '.join(sides)}); found {text!r:.60}")
    if side and parts["sign"] == "-":
        raise ValueError(f"has both a sign and {side}; found {text!r:.60}")
    if minutes >= 60 or seconds >= 60:
        raise ValueError(f"minutes and seconds of arc must be below 60; found {text!r:.60}")
    size = float(parts["degrees"]) + minutes / 60 + seconds / 3600
    if not math.isfinite(size) or size > most:
        raise ValueError(f"a {axis} lies between -{most:g} and {most:g}; found {text!r:.60}")
    return -size if side in ("S", "W") or parts["sign"] == "-" else size
