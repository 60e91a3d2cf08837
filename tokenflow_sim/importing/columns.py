"""Finding a column by the names that exports give it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tokenflow_sim.errors import unknown_name
from tokenflow_sim.importing.faults import Faults


def folded(name: str) -> str:
    """Return a name as it is compared: lower case, without spaces, underscores and hyphens."""
    return re.sub(r"[\s_\-]+", "", name).casefold()


def find_column(columns: Iterable[str], names: Iterable[str]) -> str | None:
    """Return the first column that bears one of the names, in the order of the names; None where none does."""
    by_name = {folded(column): column for column in reversed(list(columns))}
    return next((by_name[folded(name)] for name in names if folded(name) in by_name), None)


def find_measures(columns: Iterable[str], names: Iterable[str]) -> list[str]:
    """Return the columns that bear one of the names, whatever unit in brackets follows, in the order of the names."""
    by_name: dict[str, list[str]] = {}
    for column in columns:
        by_name.setdefault(folded(re.sub(r"\s*[(\[].*?[)\]]", "", column)), []).append(column)
    return list(dict.fromkeys(column for name in names for column in by_name.get(folded(name), [])))


def chosen_column(
    columns: Sequence[str], given: str | None, names: Iterable[str], what: str, file: str, faults: Faults
) -> str | None:
    """Return the column that the user named, or else the first that bears one of the usual names.

    Parameters
    ----------
    columns : sequence of str
        Columns of the file.
    given : str or None
        The user's choice.
    names : iterable of str
        Usual names.
    what : str
        The parameter and its option, for messages, e.g. ``time (--time)``.
    file : str
        The file, for messages.
    faults : Faults
        Takes a choice that the file does not have.
    """
    if given is None:
        return find_column(columns, names)
    found = find_column(columns, [given])
    if found is None:
        faults.add(f"{what}: {unknown_name('column', given, list(columns))}", file=file)
    return found
