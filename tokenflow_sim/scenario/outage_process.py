"""The fields of outages at random times: what fails and is repaired at constant rates.

Each component is a two-state Markov process in continuous time: it is up for an exponential time of mean MTTF, then
down for one of mean MTTR, and so on (Billinton and Allan 1992, chapter 9). Read off where periods begin, this is
exactly the two-state chain whose times in a state are geometric, with
P(up -> down) = u (1 - exp(-(1/MTTF + 1/MTTR) h)) for periods of h hours and u = MTTR / (MTTF + MTTR). The times of
failures do not depend on the length of a period, on how many periods are played, or on where a run was resumed.

References
----------
Billinton and Allan (1992), Reliability Evaluation of Engineering Systems, 2nd edition, Plenum Press.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tokenflow_sim.scenario.fields import Label, Name, Part, Positive, Share

_FAILS = ("mttf_hours", "mtbf_hours", "failure_rate", "forced_outage_rate")
_REPAIRS = ("mttr_hours", "repair_rate")
ASSET_FIELDS = ("node", "provider", "hardware", "asset")
ARC_FIELDS = ("arc", "owner")
"""What of an asset, and of an arc, a process may name."""


class OutageProcess(Part):
    """Outages at random times: what is hit fails and is repaired at constant rates, drawn from the run's seed."""

    mttf_hours: Positive | None = Field(
        default=None,
        description="Mean time to failure: how long it is up, in h, on average. Give this, `mtbf_hours`,"
        " `failure_rate` or `forced_outage_rate`.",
    )
    mtbf_hours: Positive | None = Field(
        default=None,
        description="Mean time between failures, from one failure to the next, in h: MTTF + MTTR.",
    )
    failure_rate: Positive | None = Field(
        default=None, description="Failures per hour of being up: 1 / MTTF."
    )
    forced_outage_rate: Annotated[Share, Field(gt=0, lt=1)] | None = Field(
        default=None, description="Share of the time that it is down: MTTR / (MTTF + MTTR)."
    )
    mttr_hours: Positive | None = Field(
        default=None,
        description="Mean time to repair: how long it is down, in h, on average. Give this or `repair_rate`.",
    )
    repair_rate: Positive | None = Field(
        default=None, description="Repairs per hour of being down: 1 / MTTR."
    )
    available: Share = Field(
        default=0.0,
        description="Share of the capacity that remains while it is down; where outages overlap, the shares multiply.",
    )
    initial: Literal["stationary", "up"] = Field(
        default="stationary",
        description="How it begins: `stationary` (down with the probability that it has in the long run) or `up`.",
    )
    common_cause: bool = Field(
        default=False,
        description="Whether all that it hits goes down and comes back together; by default each asset and arc has a"
        " process of its own.",
    )
    node: Name | None = Field(default=None, description="Hits the assets at this node.")
    provider: Name | None = Field(default=None, description="Hits the assets of this provider.")
    hardware: Name | None = Field(default=None, description="Hits the assets of this hardware type.")
    asset: Label | None = Field(default=None, description="Hits this asset.")
    arc: Label | None = Field(
        default=None, description="Hits this arc, beside the assets that the four above name together."
    )
    owner: Name | None = Field(default=None, description="Hits the arcs of this network owner.")
    both_ways: bool = Field(
        default=False,
        description="Whether an arc goes down with all arcs between the same two nodes, in both directions: a cable.",
    )

    @model_validator(mode="after")
    def _has_two_rates(self) -> Self:
        for fields, what in ((_FAILS, "failures"), (_REPAIRS, "repairs")):
            given = [name for name in fields if getattr(self, name) is not None]
            if len(given) != 1:
                found = " and ".join(given) or "none"
                raise ValueError(f"needs one of {', '.join(fields)} for its {what}; found {found}")
        if self.mtbf_hours is not None and self.mtbf_hours <= self.mean_down:
            raise ValueError(
                f"mtbf_hours, {self.mtbf_hours:g}, is the time from one failure to the next and must exceed the time"
                f" of a repair, {self.mean_down:g} h"
            )
        return self

    @property
    def mean_down(self) -> float:
        """Mean time to repair in h."""
        if self.mttr_hours is not None:
            return self.mttr_hours
        assert self.repair_rate is not None  # one of the two is given
        return 1.0 / self.repair_rate

    @property
    def mean_up(self) -> float:
        """Mean time to failure in h."""
        if self.mttf_hours is not None:
            return self.mttf_hours
        if self.mtbf_hours is not None:
            return self.mtbf_hours - self.mean_down
        if self.forced_outage_rate is not None:
            return self.mean_down * (1.0 - self.forced_outage_rate) / self.forced_outage_rate
        assert self.failure_rate is not None  # one of the four is given
        return 1.0 / self.failure_rate
