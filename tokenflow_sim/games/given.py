"""Mixtures, policies and numbers that a user gives, validated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tokenflow_sim.errors import Fault, unknown_name
from tokenflow_sim.games.policies import as_mixtures
from tokenflow_sim.numeric import Floats
from tokenflow_sim.study.arguments import refuse
from tokenflow_sim.study.normal_form import Mixture

_SUM = 1e-9


def check_tolerance(tolerance: object) -> None:
    """Refuse a tolerance of pure equilibria that is no finite number from 0 on."""
    if not isinstance(tolerance, (int, float)) or not 0 <= tolerance < np.inf:
        text = f"must be a finite number from 0 on; found {tolerance!r}"
        refuse([Fault(text, "tolerance")], "pure equilibria")


def check_search(seed: object, starts: object, rounds: object) -> None:
    """Refuse numbers of a search for mixed equilibria that are out of range, all at once."""
    given = {"seed": (seed, 0), "starts": (starts, 1), "rounds": (rounds, 1)}
    faults = [
        Fault(f"must be a whole number from {least} on; found {value!r}", name)
        for name, (value, least) in given.items()
        if not isinstance(value, int) or value < least
    ]
    refuse(faults, "mixed equilibria")


def mixture_of(given: Any, players: Sequence[str], sizes: Sequence[int], faults: list[Fault]) -> Mixture:
    """Return probabilities of each player's actions; what is wrong is added to the faults."""
    found = []
    entries = _each(given, players, "mixture", faults)
    if entries is None:
        return ()
    for name, size, own in zip(players, sizes, entries, strict=True):
        values = _numbers(own)
        if values is None or values.shape != (size,):
            faults.append(
                Fault(f"must have {size} finite probabilities; found {own!r:.80}", f"mixture[{name!r}]")
            )
        elif not _is_mixture(values[None]):
            faults.append(
                Fault(f"must be probabilities that add up to 1; found {own!r:.80}", f"mixture[{name!r}]")
            )
        else:
            found.append(values)
    return tuple(found)


def policies_of(
    given: Any, players: Sequence[str], sizes: Sequence[int], faults: list[Fault]
) -> list[Floats]:
    """Return probabilities of each player's actions after each profile; what is wrong is added to the faults."""
    states, found = int(np.prod(sizes)), []
    entries = _each(given, players, "policies", faults)
    if entries is None:
        return []
    for name, size, own in zip(players, sizes, entries, strict=True):
        place, values = f"policies[{name!r}]", _numbers(own)
        if values is None or values.shape not in ((states,), (states, size)):
            text = f"must have an action for each of {states} profiles, or {size} probabilities each"
            faults.append(
                Fault(
                    f"{text}; found {'what is no finite number' if values is None else values.shape}", place
                )
            )
        elif values.ndim == 1 and not (np.isin(values, np.arange(size))).all():
            faults.append(Fault(f"must be positions of actions, from 0 to {size - 1}", place))
        elif values.ndim == 2 and not _is_mixture(values):
            faults.append(Fault("must be probabilities that add up to 1 after each profile", place))
        else:
            found.append(as_mixtures(values, size))
    return found


def _each(given: Any, players: Sequence[str], what: str, faults: list[Fault]) -> list[Any] | None:
    """Return what is given for each player, in their order; None where there are not as many."""
    if isinstance(given, Mapping):
        faults += [
            Fault(unknown_name("player", name, players), what) for name in given if name not in players
        ]
        lacking = [name for name in players if name not in given]
        if lacking:
            faults.append(Fault(f"lacks {', '.join(lacking)}", what))
        return None if lacking else [given[name] for name in players]
    if isinstance(given, str) or not hasattr(given, "__len__") or len(given) != len(players):
        faults.append(
            Fault(f"must have one entry for each of {len(players)} players; found {given!r:.80}", what)
        )
        return None
    return list(given)


def _numbers(value: Any) -> Floats | None:
    try:
        found = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return found if found.ndim and np.isfinite(found).all() else None


def _is_mixture(values: Floats) -> bool:
    return bool((values >= 0).all() and (np.abs(values.sum(axis=1) - 1.0) <= _SUM).all())
