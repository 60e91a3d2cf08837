"""What results say of the choices and the code that a model was made with, so that it can be made again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tokenflow_sim.agents.agent_classes import AgentClass, class_names
from tokenflow_sim.market import Limit
from tokenflow_sim.strategies.assignment import Choice, limits_written_down, written_down
from tokenflow_sim.strategies.code import fingerprint, written


def attributes_of_choices(
    strategies: Mapping[str, Choice] | None,
    agents: Mapping[str, AgentClass] | None,
    limits: Iterable[Limit],
    code: Iterable[object],
) -> dict[str, str]:
    """Return the attributes of results for what a model was given beside its scenario.

    Parameters
    ----------
    strategies, agents : mapping or None
        As the model was given them.
    limits : iterable of Limit
        Those that the model was given; the scenario's stand in its own text.
    code : iterable
        Classes and objects whose code may be a user's own.

    Returns
    -------
    dict
        ``strategies``, always; ``agents``, ``limits`` and ``code`` where there are any.
    """
    attrs = {"strategies": written_down(strategies)}
    if agents:
        attrs["agents"] = class_names(agents)
    if given := list(limits):
        attrs["limits"] = limits_written_down(given)
    return attrs | written(fingerprint(*code))
