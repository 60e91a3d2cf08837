"""``merge``: providers of a scenario put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenflow_sim.errors import Fault, InputError
from tokenflow_sim.scenario.loading import load_scenario
from tokenflow_sim.scenario.scenario import Scenario


def merge(
    scenario: str | Path | Scenario,
    mergers: Mapping[str, Sequence[str]],
    *,
    strategy: str | Mapping[str, Any] | None = None,
) -> Scenario:
    """Return a scenario in which some providers are one.

    Parameters
    ----------
    scenario : str, Path or Scenario
        What to start from.
    mergers : mapping
        The members of each new firm, by its name, e.g. ``{"titan": ["atlas", "boreal"]}``. The name may be that of a
        member, who then takes over the others.
    strategy : str or mapping, optional
        How the new firms offer; if left out, as their members do, who must all play the same then.

    Returns
    -------
    Scenario
        With these beside the mergers that it has already. Assets keep their labels, order and outages, other agents
        their streams of random numbers, so that runs before and after differ, under one seed, by the new firms alone.

    Raises
    ------
    ScenarioError
        If a provider is unknown or in two mergers, a name is taken, or members play different strategies and none is
        given; everything that is wrong is listed.
    InputError
        If `mergers` is no mapping.

    Examples
    --------
    >>> import tokenflow_sim as tf
    >>> tf.merge("us20_oligopoly", {"titan": ["atlas", "boreal"]}).compiled.providers
    ('titan', 'cardinal', 'cascade', 'harbor', 'ember')
    """
    if not isinstance(mergers, Mapping):
        text = f"give a mapping of new names to lists of providers; found a {type(mergers).__name__}"
        raise InputError([Fault(text)], "mergers")
    loaded = load_scenario(scenario)
    made = {name: one.model_dump() for name, one in loaded.mergers.items()}
    for name, members in mergers.items():
        made[name] = {"members": members} | ({} if strategy is None else {"strategy": strategy})
    return loaded.override({"mergers": made})
