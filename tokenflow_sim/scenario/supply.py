"""The supply side of a scenario: hardware, assets and the providers that own them."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from tokenflow_sim.scenario.fields import (
    Count,
    Divisor,
    Freeze,
    FrozenDict,
    Label,
    Name,
    NonNegative,
    Part,
    Positive,
    Share,
    StrategySpec,
)
from tokenflow_sim.scenario.known_types import listed


class Accelerator(Part):
    """One accelerator: what it draws and what it serves."""

    watts: Positive = Field(
        description="Nominal power of one accelerator in W, its share of the server included; cooling is `pue`."
    )
    throughput: Annotated[dict[Name, Divisor], Freeze] = Field(
        min_length=1,
        description="Throughput of one by workload class, in tok/s; a class left out cannot run on it.",
    )


class Hardware(Part):
    """A type of accelerator: what a megawatt of it, or one, serves and what that takes."""

    description: str = Field(default="", description="What it is, in a line.")
    throughput: Annotated[dict[Name, Divisor], Freeze] = Field(
        default_factory=FrozenDict,
        description="Throughput by workload class, in tok/s per MW; a class left out cannot run on it. Give this or"
        " `accelerator`.",
    )
    accelerator: Accelerator | None = Field(
        default=None, description="What one accelerator draws and serves, in place of `throughput` per MW."
    )
    energy: Annotated[dict[Name, NonNegative], Freeze] = Field(
        default_factory=FrozenDict,
        description="Electrical energy of the accelerators by workload class, in kWh/Mtok. With `accelerator`, a class"
        " left out takes nominal power: watts / (3.6 throughput).",
    )
    running_cost: NonNegative = Field(
        default=0.0,
        description="Running cost beside electricity, in $ per MW of nominal power and hour of full use;"
        " it is"
        " spread over the tokens that the power yields.",
    )

    @model_validator(mode="after")
    def _has_one_throughput(self) -> Self:
        if bool(self.throughput) == (self.accelerator is not None):
            found = "both" if self.throughput else "neither"
            raise ValueError(f"needs `throughput` per MW, or `accelerator`, and not both; found {found}")
        return self

    @property
    def rates(self) -> dict[str, float]:
        """Throughput by class in tok/s per MW."""
        one = self.accelerator
        if one is None:
            return dict(self.throughput)
        return {name: rate * 1e6 / one.watts for name, rate in one.throughput.items()}

    @property
    def energies(self) -> dict[str, float]:
        """Energy of the accelerators by class in kWh/Mtok."""
        one = self.accelerator
        if one is None:
            return dict(self.energy)
        nominal = {name: one.watts / (3.6 * rate) for name, rate in one.throughput.items() if rate > 0}
        return nominal | dict(self.energy)


class Asset(Part):
    """A provider's fleet of one hardware type at one node."""

    node: Name = Field(description="Node where it stands.")
    hardware: Name = Field(description="Its hardware type.")
    power_mw: Positive | None = Field(
        default=None,
        description="Nominal power of its accelerators in MW. Give this, `accelerators` or `share`.",
    )
    accelerators: Positive | None = Field(
        default=None, description="How many accelerators it has, where its hardware says what one draws."
    )
    share: Annotated[Share, Field(gt=0)] | None = Field(
        default=None,
        description="Its share of the node's power; the shares at a node add up to 1. Give this, `power_mw` or"
        " `accelerators`.",
    )
    name: Label | None = Field(
        default=None, description="Label of the asset; provider/node/hardware if left out."
    )


def nominal_power(asset: Asset, hardware: Hardware | None, site_mw: float) -> float:
    """Return the nominal power of an asset's accelerators in MW.

    Parameters
    ----------
    asset : Asset
        The asset.
    hardware : Hardware or None
        Its type.
    site_mw : float
        Power of its node.
    """
    if asset.power_mw is not None:
        return asset.power_mw
    if asset.share is not None:
        return asset.share * site_mw
    one = None if hardware is None else hardware.accelerator
    return 0.0 if one is None or asset.accelerators is None else asset.accelerators * one.watts / 1e6


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
