"""Lists of names that a user gives."""

from __future__ import annotations

from collections.abc import Iterable
from typing import overload


@overload
def names_of(names: None) -> None: ...
@overload
def names_of(names: str | Iterable[str]) -> tuple[str, ...]: ...
def names_of(names: str | Iterable[str] | None) -> tuple[str, ...] | None:
    """Return names as a tuple; one alone, which Python would read letter by letter, is a list of one."""
    if names is None:
        return None
    return (names,) if isinstance(names, str) else tuple(names)
