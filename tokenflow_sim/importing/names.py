"""Names of other tools as names of a scenario."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tokenflow_sim.importing.node_names import scenario_name

_LONGEST = 64


def is_name(text: str) -> bool:
    """Say whether a scenario takes a text as a name."""
    return scenario_name(text) == text


def map_names(names: Iterable[str], given: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the name that each text has in a scenario.

    Parameters
    ----------
    names : iterable of str
        Names of the other tool.
    given : mapping, optional
        Names to use, by name of the other tool. Several may share one.

    Returns
    -------
    dict
        By name of the other tool: the given name; else itself where a scenario takes it; else what is left of it, made
        unique by a number.
    """
    given = given or {}
    wanted = dict.fromkeys(names)
    result = {name: given.get(name, name) for name in wanted if name in given or is_name(name)}
    taken = set(result.values())
    for name in wanted:
        if name not in result:
            stem = scenario_name(name)
            fitting, number = stem, 2
            while fitting in taken or not is_name(fitting):
                fitting = f"{stem[: _LONGEST - 8]}_{number}"
                number += 1
            result[name] = fitting
            taken.add(fitting)
    return {name: result[name] for name in wanted}


def renamed(mapping: Mapping[str, str], most: int = 8) -> str:
    """Return the names that changed in words; empty where none did."""
    changed = [f"{old!r} is {new!r}" for old, new in mapping.items() if old != new]
    more = f" and {len(changed) - most} more" if len(changed) > most else ""
    return ", ".join(changed[:most]) + more
