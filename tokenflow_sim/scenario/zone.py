"""Time zones by name: names of the IANA database, and fixed offsets from UTC."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tokenflow_sim.numeric import SECONDS_PER_HOUR

_OFFSET = re.compile(r"(?:UTC|GMT)?([+-])(\d{1,2})(?::?(\d{2}))?")


@lru_cache(maxsize=256)
def zone_of(name: str) -> tzinfo:
    """Return a time zone.

    Parameters
    ----------
    name : str
        An IANA name (``America/Chicago``) or an offset (``UTC-06:00``).

    Raises
    ------
    ValueError
        If there is no such zone.
    """
    match = _OFFSET.fullmatch(name)
    if match:
        hours, minutes = int(match[2]), int(match[3] or 0)
        if hours + minutes / 60 <= 14 and minutes < 60:
            offset = timedelta(hours=hours, minutes=minutes)
            return timezone(offset if match[1] == "+" else -offset)
    else:
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            # A name with odd characters or one that is a folder of the database raises the latter two.
            pass
    raise ValueError(
        f"unknown time zone {name!r}; use an IANA name such as America/Chicago, or an offset such as"
        f" UTC-06:00"
    )


def offset_hours(zone: str, at: datetime) -> float:
    """Return a time zone's offset from UTC in hours at an instant.

    Parameters
    ----------
    zone : str
        See `zone_of`.
    at : datetime
        The instant, with a time zone.

    Raises
    ------
    ValueError
        If there is no such zone.
    """
    offset = at.astimezone(zone_of(zone)).utcoffset()
    return offset.total_seconds() / SECONDS_PER_HOUR if offset is not None else 0.0


def known_zone(name: str) -> str:
    """Return the name of a time zone as it is.

    Raises
    ------
    ValueError
        If there is no such zone.
    """
    zone_of(name)
    return name
