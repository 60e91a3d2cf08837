"""The reserve of a scenario: how much capacity is kept free, where, of which classes, and what may lack at a price."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from tokenflow_sim.scenario.fields import Name, NonNegative, Part, Positive
from tokenflow_sim.scenario.known_types import listed


class Reserve(Part):
    """Capacity kept free beside what is served: headroom of a zone's assets, as a share of what the zone is served.

    Where `market.shared_power` is true it is counted in MW, over the power that the zone's assets draw.
    """

    margin: Positive = Field(
        description="Headroom as a share of what is served: 0.15 keeps fifteen per cent of it free beside it."
    )
    zone: Name | None = Field(
        default=None,
        description="Node or zone whose assets hold it for what its nodes are served; all if left out.",
    )
    workloads: Annotated[tuple[Name, ...], BeforeValidator(listed)] = Field(
        default=(), description="Workload classes that it is for; all if left out."
    )
    price: NonNegative | None = Field(
        default=None,
        description="Price at which it may be missing, in $/Mtok, or in $/MWh where classes share power; if left out,"
        " all of it must be held.",
    )
