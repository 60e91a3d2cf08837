"""Custom agents: which class each of a market's participants is made of."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from tokenflow_sim.agents.participant import Participant
from tokenflow_sim.agents.participants import ComputeProvider, DemandRegion, NetworkOwner
from tokenflow_sim.errors import Fault, InputError
from tokenflow_sim.strategies.assignment import resolve
from tokenflow_sim.strategies.base import Kind

AgentClass = Callable[..., Participant[Any, Any, Any, Any]]
"""A class of participants, or what makes one: called with model, name, strategy, rows and run."""
CLASSES: Mapping[Kind, type[Participant[Any, Any, Any, Any]]] = {
    "provider": ComputeProvider,
    "owner": NetworkOwner,
    "region": DemandRegion,
}


def choose_classes(
    names: Mapping[Kind, Mapping[str, object]], choices: Mapping[str, AgentClass] | None
) -> dict[Kind, dict[str, AgentClass]]:
    """Choose every participant's class.

    Parameters
    ----------
    names : mapping
        ``{kind: {name: anything}}``, the market's participants.
    choices : mapping, optional
        Other classes than the package's, by an agent's name or by ``providers``, ``owners`` or ``regions``.

    Returns
    -------
    dict
        ``{kind: {name: class}}``.

    Raises
    ------
    InputError
        With all faults: unknown agents, and what is no class of the kind.
    """
    chosen, faults = resolve(names, choices or {}, "agents")
    for (kind, name), choice in chosen.items():
        made = choice.func if isinstance(choice, partial) else choice
        # What a function makes is known once it has been made; see `check_kind`.
        if not callable(made) or (isinstance(made, type) and not issubclass(made, CLASSES[kind])):
            faults.append(_unfit(kind, name, choice))
    if faults:
        raise InputError(faults, "agents")
    return {kind: {name: chosen.get((kind, name), CLASSES[kind]) for name in names[kind]} for kind in names}


def check_kind[P: Participant[Any, Any, Any, Any]](kind: Kind, name: str, made: P) -> P:
    """Give back an agent that has just been made.

    Raises
    ------
    InputError
        If it is none of its kind.
    """
    if not isinstance(made, CLASSES[kind]):
        raise InputError([_unfit(kind, name, made)], "agents")
    return made


def class_names(choices: Mapping[str, AgentClass]) -> str:
    """Return the classes by name, as JSON, for the attributes of results."""
    made = {
        key: choice.func if isinstance(choice, partial) else choice for key, choice in sorted(choices.items())
    }
    return json.dumps({key: f"{found.__module__}:{found.__qualname__}" for key, found in made.items()})


def _unfit(kind: Kind, name: str, found: object) -> Fault:
    base = CLASSES[kind].__name__
    return Fault(
        f"must be a subclass of tokenflow_sim.agents.{base}; found {found!r:.80}", f"agents[{name!r}]"
    )
