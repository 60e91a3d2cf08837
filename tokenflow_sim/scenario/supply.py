"""The supply side of a scenario: hardware, assets and the providers that own them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from tokenflow_sim.scenario.fields import (
    Count,
    Divisor,
    Freeze,
    Label,
    Name,
    NonNegative,
    Part,
    Positive,
    Share,
    StrategySpec,
)
from tokenflow_sim.scenario.known_types import listed


class Hardware(Part):
    """A type of accelerator: what a megawatt of it serves and what that takes."""

    description: str = Field(default="", description="What it is, in a line.")
    throughput: Annotated[dict[Name, Divisor], Freeze] = Field(
        description="Throughput by workload class, in tok/s per MW; a class left out cannot run on it."
    )
    energy: Annotated[dict[Name, NonNegative], Freeze] = Field(
        description="Electrical energy by workload class, in kWh/Mtok."
    )
    running_cost: NonNegative = Field(
        default=0.0,
        description="Running cost beside electricity, in $ per MW of nominal power and hour of full use;"
        " it is"
        " spread over the tokens that the power yields.",
    )


class Asset(Part):
    """A provider's fleet of one hardware type at one node."""

    node: Name = Field(description="Node where it stands.")
    hardware: Name = Field(description="Its hardware type.")
    power_mw: Positive | None = Field(
        default=None, description="Its nominal power in MW. Give this or `share`."
    )
    share: Annotated[Share, Field(gt=0)] | None = Field(
        default=None,
        description="Its share of the node's power_mw; the shares at a node add up to 1. Give this or"
        " `power_mw`.",
    )
    name: Label | None = Field(
        default=None, description="Label of the asset; provider/node/hardware if left out."
    )


class Provider(Part):
    """A compute provider and its portfolio."""

    description: str = Field(default="", description="Who it is, in a line.")
    strategy: StrategySpec = Field(
        default=StrategySpec(name="marginal_cost"), description="How it offers; truthful if left out."
    )
    assets: Annotated[tuple[Asset, ...], BeforeValidator(listed)] = Field(
        min_length=1, description="What it owns: a list, or a CSV table."
    )


class Outage(Part):
    """A span of periods in which assets or an arc are available only in part."""

    first: Count = Field(description="First period of the outage, counted from 0.")
    last: Count = Field(description="Last period of the outage, itself included.")
    available: Share = Field(
        default=0.0,
        description="Share of the capacity that remains; where outages overlap, the shares multiply.",
    )
    node: Name | None = Field(default=None, description="Hits the assets at this node.")
    provider: Name | None = Field(default=None, description="Hits the assets of this provider.")
    hardware: Name | None = Field(default=None, description="Hits the assets of this hardware type.")
    asset: Label | None = Field(default=None, description="Hits this asset.")
    arc: Label | None = Field(default=None, description="Hits this arc; not with any of the four above.")
