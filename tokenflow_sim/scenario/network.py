"""The network of a scenario: arcs by rule or table, and who owns them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from tokenflow_sim.scenario.fields import (
    Freeze,
    FrozenDict,
    Label,
    Name,
    NonNegative,
    Part,
    Positive,
    StrategySpec,
)
from tokenflow_sim.scenario.known_types import listed


class Arc(Part):
    """One directed arc, from demand to server; what it leaves out comes from the rules of the network."""

    origin: Name = Field(
        description="Node where it starts: an arc carries requests from the demand at its origin ..."
    )
    destination: Name = Field(
        description="... to the servers at its destination, or onward. Give two arcs for both ways, or `undirected`."
    )
    undirected: bool | None = Field(
        default=None,
        description="Whether the row makes an arc in either direction, each with all of what the row says, its"
        " capacity included. The other is called destination->origin, or, beside a name of its own, name:reverse.",
    )
    capacity: NonNegative | None = Field(default=None, description="Link capacity in GB/s.")
    latency: NonNegative | None = Field(
        default=None, description="Latency in ms; from the distance between its ends if left out."
    )
    tariff: NonNegative | None = Field(default=None, description="Transfer tariff in $/GB.")
    route_cost: NonNegative | None = Field(
        default=None, description="Route cost beside the tariff, in $/Mtok, for every class."
    )
    owner: Name | None = Field(default=None, description="Its owner; by the owners' rules if left out.")


class Tier1(Part):
    """The backbone: every pair of nodes marked `tier1` is joined, whatever the distance."""

    capacity: NonNegative = Field(description="Link capacity of the backbone's arcs, in GB/s.")


class Network(Part):
    """Which arcs there are, and what they carry."""

    max_distance: NonNegative | None = Field(
        default=None,
        description="Two nodes no further apart than this (great-circle km) are joined by a pair of arcs.",
    )
    capacity: NonNegative = Field(
        default=1.25, description="Link capacity of an arc that says nothing else, in GB/s."
    )
    tier1: Tier1 | None = Field(
        default=None, description="The backbone between nodes marked `tier1`, if any."
    )
    tariff: NonNegative = Field(
        default=0.01, description="Transfer tariff where neither arc nor owner has one, in $/GB."
    )
    route_cost: Annotated[dict[Name, NonNegative], Freeze] = Field(
        default_factory=FrozenDict,
        description="Route cost beside the tariff by workload class, in $/Mtok; zero if left out.",
    )
    km_per_ms: Positive = Field(
        default=200.0, description="Distance that a signal travels in fibre in 1 ms, in km."
    )
    hop_latency: NonNegative = Field(default=5.0, description="Latency of a hop beside propagation, in ms.")
    arcs: Annotated[dict[Label, Arc], Freeze] = Field(
        default_factory=FrozenDict,
        description="Arcs by label (origin->destination), as a mapping or a CSV table: beside those that the rules"
        " make, or changing them. An arc carries requests from demand (origin) to server (destination).",
    )


def _read_owns(value: Any) -> Any:
    if isinstance(value, str) and value not in ("tier1", "rest"):
        raise ValueError(f"must be tier1, rest or a list of nodes; found {value!r}")
    return listed(value)


Owns = Annotated[str | tuple[Name, ...], BeforeValidator(_read_owns)]


class Owner(Part):
    """A network owner: its arcs and its tariff."""

    description: str = Field(default="", description="Who it is, in a line.")
    owns: Owns = Field(
        default="rest",
        description="Its arcs, where the arc itself names no owner: `tier1` (the backbone), a list of nodes"
        " (other arcs that start there), or `rest` (all arcs that are nobody else's).",
    )
    tariff: NonNegative | None = Field(
        default=None, description="Its transfer tariff in $/GB; the network's if left out."
    )
    strategy: StrategySpec = Field(
        default=StrategySpec(name="fixed_tariff"), description="How it sets its tariff."
    )
