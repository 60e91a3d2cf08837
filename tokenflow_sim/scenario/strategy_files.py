"""Files that strategies of a scenario name: their paths start in the scenario's folder, as those of tables do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokenflow_sim.scenario.intake import Intake

_PARAMETERS = {"learned_policy": "path", "learned_tariff": "path", "learned_bid": "path"}
"""The parameter that names a file or folder, by the name of the strategy."""


def place_strategy_files(intake: Intake) -> None:
    """Replace relative paths of strategies' files by absolute ones, in place.

    A scenario is one text in the end, which results carry and whose folder nobody knows any more. Unlike a table, what
    a strategy reads does not become part of that text, so that it may stand outside of the scenario's folder.

    Parameters
    ----------
    intake : Intake
        What was taken in; its source has the folder that paths start in.
    """
    if intake.source.folder is None:
        return
    for section in ("providers", "owners", "regions"):
        agents = intake.data.get(section)
        if not isinstance(agents, dict):
            continue
        intake.data[section] = agents = dict(agents)  # an alias may share it
        for name, agent in agents.items():
            if isinstance(agent, dict) and isinstance(agent.get("strategy"), Mapping):
                agents[name] = {**agent, "strategy": _placed(agent["strategy"], intake)}


def _placed(given: Any, intake: Intake) -> Any:
    """Return a strategy's name and parameters, or part of them, with its paths placed."""
    if isinstance(given, list):
        return [_placed(part, intake) for part in given]
    if not isinstance(given, Mapping):
        return given
    placed = {key: _placed(part, intake) for key, part in given.items()}
    name = placed.get("name")
    key = _PARAMETERS.get(name) if isinstance(name, str) else None
    if key is not None and isinstance(placed.get(key), str) and placed[key]:
        assert intake.source.folder is not None
        placed[key] = str((intake.source.folder / placed[key]).absolute())
    return placed
