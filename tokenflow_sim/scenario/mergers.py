"""Mergers: providers put together under one name and one strategy, their assets as they stand.

A merger changes who owns an asset, and nothing else: assets keep their labels, their order and their outages, so that
a run before and one after it differ, under one seed, only by what the new firm does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from tokenflow_sim.scenario.fields import LabelPart, Part, StrategySpec
from tokenflow_sim.scenario.known_types import listed


class Merger(Part):
    """Providers that become one; a bare list names its members."""

    members: Annotated[tuple[LabelPart, ...], BeforeValidator(listed)] = Field(
        min_length=2, description="The providers that are put together, at least two."
    )
    strategy: StrategySpec | None = Field(
        default=None,
        description="How the new firm offers; that of its members if left out, which they must have in common then.",
    )

    @model_validator(mode="before")
    @classmethod
    def _from_list(cls, value: Any) -> Any:
        return {"members": value} if isinstance(value, (list, tuple)) else value


def firms_of(mergers: Mapping[str, Merger], providers: Mapping[str, Any]) -> dict[str, str]:
    """Return the firm of each provider, itself where it has not merged.

    Parameters
    ----------
    mergers : mapping
        The scenario's section.
    providers : mapping
        Its providers, by name.
    """
    new = {member: firm for firm, merger in mergers.items() for member in merger.members}
    return {name: new.get(name, name) for name in providers}


def strategy_after(merger: Merger, providers: Mapping[str, Any]) -> StrategySpec:
    """Return the strategy of a merged firm: its own, or that which its members have in common."""
    if merger.strategy is not None:
        return merger.strategy
    spec: StrategySpec = providers[merger.members[0]].strategy
    return spec


def find_merger_faults(
    mergers: Mapping[str, Merger], providers: Mapping[str, Any], known: Mapping[str, None]
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Find members that are named twice or are no providers, names that are taken, and strategies that differ.

    Parameters
    ----------
    mergers : mapping
        The scenario's section.
    providers : mapping
        Its providers whose entries are sound, by name.
    known : mapping
        Names of all providers.
    """
    home: dict[str, str] = {}
    for firm, merger in mergers.items():
        place = ("mergers", firm)
        if firm in known and firm not in merger.members:
            yield (
                place,
                f"is called as the provider {firm!r}, which is none of its members; give it another name",
            )
        for member in merger.members:
            if member in mergers and member != firm and member not in known:
                parts = ", ".join(mergers[member].members)
                yield (
                    (*place, "members"),
                    f"name {member!r}, which is a merger itself; name its members ({parts}) in one merger",
                )
                continue
            if member in home:
                where = "twice" if home[member] == firm else f"here and in {home[member]!r}"
                yield (
                    (*place, "members"),
                    f"name the provider {member!r} {where}; each may be in one merger, once",
                )
            home.setdefault(member, firm)
        there = [name for name in dict.fromkeys(merger.members) if name in providers]
        if merger.strategy is None and len({providers[name].strategy for name in there}) > 1:
            said = ", ".join(f"{name} {_shown(providers[name].strategy)}" for name in there)
            yield (*place, "strategy"), f"is needed, since its members play different ones: {said}"


def _shown(spec: StrategySpec) -> str:
    given = "".join(f", {name}: {value}" for name, value in spec.parameters.items())
    return f"{{name: {spec.name}{given}}}" if given else spec.name
