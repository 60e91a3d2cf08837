"""Why no cell of a column is a time, and what to do about it, in one sentence."""

from __future__ import annotations

import pandas as pd

UNIX = "unix"
"""The form of times that count seconds since 1970 in UTC."""

_FORMS = (
    "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %I:%M %p",
    "%m/%d/%Y %I:%M:%S %p", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%d-%m-%Y %H:%M", "%m-%d-%Y %H:%M", "%d/%m/%Y",
    "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%d %b %Y %H:%M", "%b %d %Y %H:%M", "%Y/%m/%d %H:%M", "%Y/%m/%d",
)  # fmt: skip
_COUNT = r"\d{9,19}(?:\.\d+)?"


def why_no_times(text: pd.Series, form: str | None) -> str:
    """Say of a column none of whose cells is a time how it may be read.

    Parameters
    ----------
    text : Series of str
        Its cells.
    form : str or None
        The form that was asked for; ISO 8601 if None.

    Returns
    -------
    str
        What is wrong with the column, and what to give.
    """
    first = f"{text.iloc[0]!r:.60}"
    if text.str.fullmatch(_COUNT).all():
        longest = int(text.str.extract(r"^(\d+)")[0].str.len().max())
        finer = "" if longest <= 10 else "; divide finer ones first"
        return (
            f"holds counts such as {first}, not times; give `time_format`: unix for seconds since 1970{finer}"
        )
    fitting = [
        one
        for one in _FORMS
        if one != form and pd.to_datetime(text, format=one, errors="coerce").notna().all()
    ]
    said = "ISO 8601" if form is None else f"of the form {form}"
    if fitting:
        orders = " or ".join(fitting[:2])
        return f"holds times such as {first}, none of which is {said}; give `time_format`, e.g. {orders}"
    advice = (
        ""
        if form is not None
        else " (ISO 8601 is 2026-01-05 00:00; for another form give `time_format`, e.g. %d/%m/%Y %H:%M)"
    )
    return f"holds no time that is {said} in any of {len(text)} rows; found {first}{advice}"
