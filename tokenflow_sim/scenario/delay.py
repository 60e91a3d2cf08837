"""Latency that grows with load: its curve at links and sites, and how it counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from tokenflow_sim.market.latency_curve import LatencyCurve
from tokenflow_sim.scenario.fields import Count, Name, NonNegative, Number, Part, Share
from tokenflow_sim.scenario.known_types import listed

Below = Annotated[Number, Field(gt=0, lt=1)]
Point = Annotated[tuple[Share, NonNegative], BeforeValidator(listed)]


def _by_class(value: Any) -> Any:
    return value if isinstance(value, Mapping) else {"all": value}


class Queue(Part):
    """How latency grows with load at the links, or at the sites."""

    idle: NonNegative | None = Field(
        default=None,
        description="Latency at no load in ms, beside that of the distance. The curve is that of an M/M/1 queue:"
        " idle / (1 - utilisation).",
    )
    points: Annotated[tuple[Point, ...], BeforeValidator(listed)] | None = Field(
        default=None,
        description="A measured curve in place of `idle`: pairs of utilisation, from 0 on, and ms, rising ever faster;"
        " straight lines between them.",
    )
    most: Below = Field(
        default=0.95,
        description="Utilisation up to which the curve is followed. Where delay is a cost, more is not taken on; where"
        " it counts in the limit, latency stays as it is there.",
    )
    value: NonNegative | Annotated[dict[Name, NonNegative], Field(min_length=1)] | None = Field(
        default=None,
        description="What a ms of delay costs, where `counts` is `cost`: at sites in $/Mtok, one number or one by"
        " class (a class that is left out does not mind), or in $/MWh where classes share power; at links in $/GB, or"
        " in $/Mtok in token equivalents.",
    )

    @model_validator(mode="after")
    def _is_a_curve(self) -> Self:
        if (self.idle is None) == (self.points is None):
            raise ValueError("give one of `idle` and `points`")
        if self.points is None:
            return self
        if len(self.points) < 2 or self.points[0][0] != 0:
            raise ValueError("`points` must be two or more, the first at utilisation 0")
        load, ms = np.array(self.points).T
        if (np.diff(load) <= 0).any():
            raise ValueError("the utilisations of `points` must rise")
        slope = np.diff(ms) / np.diff(load)
        wrong = np.flatnonzero(np.diff(slope, prepend=0.0) < -1e-9 * np.abs(slope).max(initial=1.0))
        if wrong.size:
            at = load[wrong[0]]
            raise ValueError(f"`points` must rise ever faster; they do not from {at:g} on")
        if load[-1] < self.most:
            raise ValueError(f"`points` end at utilisation {load[-1]:g}, before `most`, {self.most:g}")
        return self

    @property
    def curve(self) -> LatencyCurve:
        """The curve."""
        points = None if self.points is None else np.array(self.points)
        return LatencyCurve(0.0 if self.idle is None else self.idle, self.most, points)


class Delay(Part):
    """Latency that grows with load, at links and at sites."""

    counts: Literal["cost", "limit"] = Field(
        default="cost",
        description="`cost`: a ms of delay costs its `value`, and prices charge what another unit of load delays all"
        " others; `limit`: latencies at the loads of the past count in the latency limits of the next period.",
    )
    links: Queue | None = Field(default=None, description="At links; none if left out.")
    sites: Queue | None = Field(default=None, description="At the sites of assets; none if left out.")
    steps: Annotated[Count, Field(ge=1, le=1000)] = Field(
        default=20, description="Steps into which the marginal cost of delay is parted."
    )
    weight: Annotated[Number, Field(gt=0, le=1)] = Field(
        default=0.5,
        description="Where delay counts in the limit: weight of the last period's loads in the latencies of the next,"
        " beside the latencies before. Less is calmer and slower.",
    )


def _something(value: Delay | None) -> Delay | None:
    if value is not None and value.links is None and value.sites is None:
        raise ValueError("gives no curve: give `links`, `sites` or both")
    return value


OptionalDelay = Annotated[Delay | None, AfterValidator(_something)]
