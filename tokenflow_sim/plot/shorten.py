"""Long names cut to the room that a figure has, so that no two of a figure's names look the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import xarray as xr

CUT = "…"
_HEAD = 5  # letters kept of what a group of names has in common
_BEFORE = 2  # letters kept before the first that differs


class Family:
    """The names that one figure may show, and what it has shown of them.

    Parameters
    ----------
    names : iterable of str
        Names whose short forms must differ.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.names = dict.fromkeys(names)
        self._shown: dict[int, dict[str, str]] = {}

    def short(self, name: str, longest: int) -> str:
        """Return a name in at most so many letters, different from the short form of any other name."""
        if len(name) <= longest:
            return name
        if longest not in self._shown:
            self._shown[longest] = _plan(list(self.names), longest)
        shown = self._shown[longest]
        if name not in shown:  # a label put together from names, which the results do not hold
            shown[name] = _free(middle_cut(name, longest), set(shown.values()))
        return shown[name]


def middle_cut(name: str, longest: int) -> str:
    """Return a name without its middle."""
    tail = (longest - 1) // 3
    return name if len(name) <= longest else f"{name[: longest - 1 - tail]}{CUT}{name[len(name) - tail :]}"


def _plan(names: list[str], longest: int) -> dict[str, str]:
    """Shorten all long names together: those that would look the same keep the part in which they differ."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(middle_cut(name, longest), []).append(name)
    planned: dict[str, str] = {}
    taken = {label for label, group in groups.items() if len(group) == 1}
    for label, group in groups.items():
        for name in group:
            if len(group) == 1:
                planned[name] = label
            elif len(name) > longest:
                planned[name] = _free(_different(name, group, longest), taken)
                taken.add(planned[name])
    return planned


def _different(name: str, group: list[str], longest: int) -> str:
    """Return the begin of a name, and its letters from where it differs from others of its group."""
    others = [other for other in group if other != name]
    first = max(_common(name, other) for other in others)
    start = max(0, first - _BEFORE)
    head = name[: min(_HEAD, start)]
    room = longest - len(head) - len(CUT)
    if start + room >= len(name):
        return f"{head}{CUT}{name[len(name) - room :]}"
    return f"{head}{CUT}{name[start : start + room - len(CUT)]}{CUT}"


def _common(one: str, other: str) -> int:
    """Return how many letters at their begin two different names share."""
    return next(n for n in range(len(one) + 1) if one[: n + 1] != other[: n + 1])


def _free(label: str, taken: set[str]) -> str:
    """Return a label, with a number at its end where another name has it already."""
    number, free = 1, label
    while free in taken:
        number += 1
        free = f"{label[: -len(str(number)) - 1]}{CUT}{number}"
    return free


_family: ContextVar[Family | None] = ContextVar("family", default=None)


def short(name: str, longest: int) -> str:
    """Return a name in at most so many letters; within `family`, unlike that of any other name."""
    family = _family.get()
    return middle_cut(name, longest) if family is None else family.short(name, longest)


@contextmanager
def family_of(ds: object) -> Iterator[None]:
    """Let the names in results be told apart while a figure of them is drawn."""
    names: list[str] = []
    if isinstance(ds, xr.Dataset):
        for name, coordinate in ds.coords.items():
            # The labels of arcs and assets are put together from the names of others.
            if coordinate.dtype.kind in "OUT" and name not in ("arc", "asset"):
                names += [" ".join(str(value).split()) for value in coordinate.to_numpy().ravel()]
    token = _family.set(Family(names))
    try:
        yield
    finally:
        _family.reset(token)
