"""From the names of a file to nodes and workload classes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any

from tokenflow_sim.errors import unknown_name

Targets = dict[tuple[str, ...], tuple[int, int]]
"""Number of the series in a file, and of its column, by node (and class)."""

Note = Callable[..., None]
"""Takes a message, the number of a row or None, and a place."""


def find_targets(
    labels: Sequence[Hashable],
    columns: Sequence[Hashable],
    by_node: bool,
    mapping: Mapping[str, Any] | None,
    note: Note,
) -> tuple[Targets, list[str]]:
    """Find whose numbers each series of a file holds.

    Parameters
    ----------
    labels : sequence
        What rows say of a series: nothing (None), a node, or a node and a class.
    columns : sequence
        The columns of numbers: text, or pairs of node and class.
    by_node : bool
        Whether numbers are by node and class, not by node alone.
    mapping : mapping or None
        Node (or class) by the name that the file has for it. Where it has no node at all, or no class, those keep
        their names.
    note : callable
        Told of every fault.

    Returns
    -------
    targets : dict
        Where the numbers of each node (and class) stand.
    dropped : list of str
        What the mapping leaves out.
    """
    found: Targets = {}
    dropped: list[str] = []
    given = {str(key): value for key, value in (mapping or {}).items()}
    sources = [
        (group, column, _source_name(label, name, by_node))
        for group, label in enumerate(labels)
        for column, name in enumerate(columns)
    ]
    width = len(sources[0][2])
    strict = [any(name[part] in given for *_, name in sources) for part in range(width)]
    every = {part: None for *_, name in sources for part in name}
    unused = [name for name in given if name not in every]
    if unused:
        note(unknown_name("name of the file", unused[0], list(every)), None, ".map")
        return found, dropped
    for group, column, name in sources:
        try:
            wanted = list(_mapped(name, given, strict, by_node))
        except ValueError as error:
            note(str(error), None, f".map.{name[0]}" if given else "")
            continue
        if not wanted:
            dropped.append(", ".join(name))
        for target in wanted:
            if target in found:
                note(f"{', '.join(target)} is given by two series of the file", None, ".map")
            found[target] = (group, column)
    return found, dropped


def _source_name(label: Hashable, column: Hashable, by_node: bool) -> tuple[str, ...]:
    """Return what the file calls a series: its node, its class, or its column."""
    parts: list[Hashable] = [] if label is None else list(label) if isinstance(label, tuple) else [label]
    wanted = 2 if by_node else 1
    if len(parts) < wanted:
        parts += list(column) if isinstance(column, tuple) else [column]
    return tuple(map(str, parts[:wanted]))


def _mapped(
    name: tuple[str, ...], mapping: Mapping[str, Any], strict: Sequence[bool], by_node: bool
) -> Iterator[tuple[str, ...]]:
    """Yield the nodes (and classes) that a series of the file stands for.

    Raises
    ------
    ValueError
        If the mapping says something else than names.
    """
    if by_node and len(name) == 1:
        if name[0] not in mapping and strict[0]:
            return
        given = mapping.get(name[0])
        for one in given if isinstance(given, (list, tuple)) else [given]:
            if not (isinstance(one, Mapping) and set(one) == {"node", "workload"}):
                raise ValueError(
                    f"column {name[0]!r} needs a node and a class: give `map`, e.g. {{{name[0]}: {{node: NODE,"
                    " workload: CLASS}}, or a column of nodes as `node`"
                )
            yield str(one["node"]), str(one["workload"])
        return
    choices: list[list[str]] = []
    for part, is_strict in zip(name, strict, strict=True):
        given = mapping.get(part) if is_strict else part
        if isinstance(given, Mapping):
            raise ValueError("must be a name, or a list of names")
        many = given if isinstance(given, (list, tuple)) else [] if given is None else [given]
        choices.append([str(one) for one in many])
    for first in choices[0]:
        if len(choices) == 1:
            yield (first,)
        else:
            yield from ((first, second) for second in choices[1])
