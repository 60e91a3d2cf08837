"""``merge``: providers of a scenario put together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenflow_sim.errors import Fault, InputError
from tokenflow_sim.scenario.loading import load_scenario
from tokenflow_sim.scenario.scenario import Scenario


def merge(
    scenario: str | Path | Scenario,
    mergers: Mapping[str, Sequence[str] | Mapping[str, Any]],
    *,
    strategy: str | Mapping[str, Any] | None = None,
) -> Scenario:
    """Return a scenario in which some providers are one.

    Parameters
    ----------
    scenario : str, Path or Scenario
        What to start from.
    mergers : mapping
        The members of each new firm, by its name, e.g. ``{"titan": ["atlas", "boreal"]}``, or a mapping with
        `members` and `strategy`. The name may be that of a member, who then takes over the others. Members may be
        firms that have merged before, of the scenario or further up in the mapping: their members join the new firm.
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
    made: dict[str, dict[str, Any]] = {name: one.model_dump() for name, one in loaded.mergers.items()}
    firm_of = {name: name for name in made}
    for name, given in mergers.items():
        one: dict[str, Any] = dict(given) if isinstance(given, Mapping) else {"members": given}
        if strategy is not None:
            one["strategy"] = strategy
        joins = _joined(one, made)
        if name in made and name not in joins:
            text = f"is a merged firm already, of {', '.join(made[name]['members'])}; name it among the members, or"
            raise InputError([Fault(f"{text} give another name", name)], "mergers")
        plays = [made[firm].get("strategy") for firm in joins]
        if joins and one.get("strategy") is None and any(plays):
            one["strategy"] = _in_common(name, one["members"], made, loaded)
        for firm in joins:
            at = list(one["members"]).index(firm)
            one["members"] = [*one["members"][:at], *made.pop(firm)["members"], *one["members"][at + 1 :]]
        firm_of = {old: name if firm in joins else firm for old, firm in firm_of.items()} | {name: name}
        made[name] = one
    return loaded.override({"mergers": made, **_contracts_of(loaded, firm_of)})


def _joined(one: Mapping[str, Any], made: Mapping[str, Any]) -> list[str]:
    """Return which of the members are firms that have merged before."""
    members = one.get("members")
    if not isinstance(members, Iterable) or isinstance(members, (str, Mapping)):
        return []  # reported on loading
    return [member for member in dict.fromkeys(members) if member in made]


def _in_common(name: str, members: Sequence[str], made: Mapping[str, Any], scenario: Scenario) -> Any:
    """Return what all members play, of which some have merged before under a strategy of their own."""
    plays = {
        member: made[member].get("strategy")
        or scenario.providers[made[member]["members"][0]].strategy.model_dump()
        if member in made
        else scenario.providers[member].strategy.model_dump()
        for member in members
        if member in made or member in scenario.providers
    }
    first, *others = plays.values()
    if any(other != first for other in others):
        said = ", ".join(f"{member} {spec}" for member, spec in plays.items())
        text = f"a strategy is needed, since its members play different ones: {said}"
        raise InputError([Fault(text, name)], "mergers")
    return first


def _contracts_of(scenario: Scenario, firm_of: Mapping[str, str]) -> dict[str, str]:
    """Return changes by which contracts of firms that joined another are the other's."""
    changes = {}
    for name, contract in scenario.contracts.items():
        for side in ("seller", "buyer"):
            kind, colon, agent = (getattr(contract, side) or "").rpartition(":")
            if kind in ("", "provider") and firm_of.get(agent, agent) != agent:
                changes[f'contracts."{name}".{side}'] = f"{kind}{colon}{firm_of[agent]}"
    return changes
