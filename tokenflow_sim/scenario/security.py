"""Security of a scenario: which losses every schedule has to survive."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from tokenflow_sim.scenario.fields import Label, Name, NonNegative, Part, Share
from tokenflow_sim.scenario.known_types import listed


class SecurityRule(Part):
    """Which losses every schedule has to survive: what it serves can still be served once any one of them happened."""

    criterion: Literal["n-1"] = Field(default="n-1", description="`n-1`: any one of the losses at a time.")
    assets: Annotated[tuple[Label, ...], BeforeValidator(listed)] | None = Field(
        default=None, description="Assets that may be lost; every one of at least `least_mw` if left out."
    )
    links: Annotated[tuple[Label, ...], BeforeValidator(listed)] | None = Field(
        default=None,
        description="Arcs that may be lost; every one of at least `least_capacity` if left out, none without limits on"
        " links.",
    )
    sites: Annotated[tuple[Name, ...], BeforeValidator(listed)] = Field(
        default=(), description="Nodes all of whose assets may be lost at once."
    )
    least_mw: NonNegative = Field(
        default=0.0, description="Power in MW from which on assets that are not named may be lost."
    )
    least_capacity: NonNegative = Field(
        default=0.0, description="Capacity in GB/s from which on links that are not named may be lost."
    )
    both_ways: bool = Field(
        default=True,
        description="Whether a link is lost with all links between the same two nodes, in both directions: a cable.",
    )
    response: Share = Field(
        default=1.0,
        description="Share of what it offers by which an asset that is left can raise what it serves after a loss;"
        " lowering it, and changing flows, has no limit.",
    )


def rule_of(value: object) -> object:
    """Take the name of a criterion for a rule without fields."""
    return {"criterion": value} if isinstance(value, str) else value
