"""The format of a scenario: what a scenario file may say, and in which units."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from tokenflow_sim.market.pricing import Pricing, RuleName, Trade
from tokenflow_sim.scenario.carbon import Carbon
from tokenflow_sim.scenario.contracts import Contract
from tokenflow_sim.scenario.delay import OptionalDelay
from tokenflow_sim.scenario.demand import Day, Demand, Region
from tokenflow_sim.scenario.fields import (
    Count,
    Divisor,
    Freeze,
    FrozenDict,
    LabelPart,
    LimitSpec,
    Name,
    NonNegative,
    Number,
    Part,
    Positive,
    Share,
)
from tokenflow_sim.scenario.grid import Grid
from tokenflow_sim.scenario.known_types import listed
from tokenflow_sim.scenario.mergers import Merger
from tokenflow_sim.scenario.mitigation import Mitigation
from tokenflow_sim.scenario.network import Network, Owner
from tokenflow_sim.scenario.outage_process import OutageProcess
from tokenflow_sim.scenario.reserve import Reserve
from tokenflow_sim.scenario.residency import Places, Residency
from tokenflow_sim.scenario.security import SecurityRule, rule_of
from tokenflow_sim.scenario.series import PeriodSeries
from tokenflow_sim.scenario.supply import Hardware, Outage, Provider
from tokenflow_sim.scenario.zone import known_zone

_DIGITS = re.compile(r"[-+]?\d+(\.\d*)?")


def _no_number(value: object) -> object:
    # pydantic would take a bare 2026 for a count of seconds since 1970
    if isinstance(value, (int, float)) or (isinstance(value, str) and _DIGITS.fullmatch(value.strip())):
        raise ValueError(f"must be a date and time such as 2026-01-05 00:00; found {value!r}")
    return value


def _as_utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class MarketRules(Part):
    """How the market is cleared: which of the paper's formulations."""

    bandwidth: Literal["token_equivalent", "physical", "none"] = Field(
        default="physical",
        description="How links limit flows: `token_equivalent` (equation 1), `physical` (transfer-aware,"
        " equation"
        " 10), or `none` (economic dispatch: all nodes form one free pool).",
    )
    latency_rule: Literal["arc", "path", "none"] = Field(
        default="arc",
        description="`arc`: a class may not use an arc slower than its latency limit; `path`: the latencies of all"
        " arcs from origin to server add up to no more than its limit; `none`: limits are ignored.",
    )
    latency_bounds: Annotated[tuple[Positive, ...], BeforeValidator(listed)] = Field(
        default=(),
        description="Latencies in ms for which results state how much is delivered within, beside 1, 2, 5, 10, ..."
        " 1000 and the classes' limits; recorded where limits hold along paths or classes have residency rules.",
    )
    must_serve: bool = Field(
        default=True,
        description="Whether all demand must be served; if not, it has its value of lost service.",
    )
    shared_power: bool = Field(
        default=False,
        description="Whether the classes of an asset share its power; if not, each class may use all of"
        " it, as in"
        " the paper.",
    )
    publish_offers: bool = Field(
        default=True,
        description="Whether the market publishes all offers, bids and tariffs after each clearing; agents see those"
        " of the last period.",
    )
    pricing: RuleName = Field(
        default="lmp",
        description="What everybody pays and is paid; clearing and prices stay the same. `lmp`: the price at the own"
        " node. `pay_as_bid`: offers, whose mean demand pays. `vcg`: providers are paid their offers and what their"
        " presence saves. `k_double_auction`: a price between bid and offer, at one node or in a pool.",
    )
    k: Share = Field(
        default=0.5,
        description="Weight of the bid in the prices of `k_double_auction`, from 0 to 1; 0.5 is the midpoint.",
    )
    double_auction: Trade = Field(
        default="discriminatory",
        description="Prices of `k_double_auction`: `discriminatory`, one for each matched pair of bid and offer, or"
        " `uniform`, one for all.",
    )
    pivotal_value: NonNegative | None = Field(
        default=None,
        description="Worth in $/Mtok of demand that must be served while `vcg` takes a provider away; if left out, a"
        " provider without which it cannot be served is an error.",
    )
    opex_adder: NonNegative = Field(
        default=0.0,
        description="Uniform operating cost beside electricity, in $ per MW of nominal power and hour of"
        " full use.",
    )
    congestion_curvature: NonNegative = Field(
        default=0.0,
        description="Slope of a congestion charge that grows with a link's load: $/Mtok per Mtok/s in token"
        " equivalents, $/GB per GB/s where bandwidth is physical. Positive makes the congestion-QP.",
    )
    mitigation: Mitigation | None = Field(
        default=None,
        description="Rules against market power, which change what is submitted before the market is cleared; none if"
        " left out.",
    )

    @property
    def pricing_rule(self) -> Pricing | None:
        """By which rule the market is settled; None at its prices."""
        if self.pricing == "lmp":
            return None
        return Pricing(
            rule=self.pricing, k=self.k, trade=self.double_auction, pivotal_value=self.pivotal_value
        )


class Tokens(Part):
    """A number for input tokens (prompts) and one for output tokens (what is generated)."""

    input: NonNegative = Field(default=0.0, description="Of input tokens.")
    output: NonNegative = Field(default=0.0, description="Of output tokens.")


class Workload(Part):
    """A class of work: what it asks of hardware, links and patience."""

    description: str = Field(default="", description="What it is, in a line.")
    base_demand: NonNegative = Field(
        default=0.0, description="Demand in tok/s at a node of weight 1 and at scale 1."
    )
    tokens: Tokens | None = Field(
        default=None,
        description="What an input and an output token count as useful tokens, e.g. 0.2 and 1. They weigh"
        " `base_tokens` and the columns `<class>.input` and `<class>.output` of `demand.series`; all else is per"
        " useful token.",
    )
    base_tokens: Tokens | None = Field(
        default=None,
        description="Demand in input and output tok/s at a node of weight 1 and at scale 1, weighed by `tokens`, in"
        " place of `base_demand`.",
    )
    payload: Divisor = Field(description="Data moved, in GB/Mtok.")
    overhead: Positive = Field(
        default=1.0, description="Protocol overhead: factor on the payload where bandwidth is physical."
    )
    latency_limit: Positive | None = Field(default=None, description="Latency limit in ms; none if left out.")
    value: NonNegative | None = Field(
        default=None, description="Value of lost service in $/Mtok; needed where demand need not be served."
    )

    @property
    def base_rate(self) -> float:
        """Base demand in useful tok/s."""
        if self.base_tokens is None or self.tokens is None:
            return self.base_demand
        return self.base_tokens.input * self.tokens.input + self.base_tokens.output * self.tokens.output


class Node(Part):
    """A place of demand and, where assets stand, of supply."""

    latitude: Annotated[Number, Field(ge=-90, le=90)] | None = Field(
        default=None, description="Latitude in degrees north."
    )
    longitude: Annotated[Number, Field(ge=-180, le=180)] | None = Field(
        default=None, description="Longitude in degrees east."
    )
    power_mw: NonNegative | None = Field(
        default=None,
        description="Power of the site in MW that its accelerators may draw (IT power): what the shares of its assets"
        " refer to, and their limit. Left out where `power.series` has it by period.",
    )
    pue: Annotated[Number, Field(ge=1)] | None = Field(
        default=None,
        description="Power usage effectiveness: power of the facility per power of its accelerators; 1 if left out."
        " Electricity cost, emissions and `grid_mw` count the facility's power, all other powers the accelerators'.",
    )
    carbon_intensity: NonNegative | None = Field(
        default=None,
        description="Carbon intensity of its electricity in g of CO2 equivalent per kWh; emissions are recorded where"
        " the sites of assets have it, here or by `carbon.series`.",
    )
    grid_mw: NonNegative | None = Field(
        default=None,
        description="Grid connection in MW: what all assets at the node may draw together, at their nominal power"
        " times `pue`; no limit if left out.",
    )
    electricity_price: Number | None = Field(
        default=None,
        description="Electricity price in $/kWh, which may be below zero; needed where assets stand, unless a series"
        " gives it.",
    )
    demand_weight: NonNegative = Field(default=0.0, description="Weight of its demand.")
    tier1: bool = Field(default=False, description="Whether it is on the tier-1 backbone.")
    time_zone: Annotated[str, AfterValidator(known_zone)] = Field(
        default="UTC",
        description="Its time zone, an IANA name or an offset such as UTC-06:00. Where the scenario has a `start`,"
        " profiles follow the clock changes of the zone.",
    )
    zone: Name | None = Field(
        default=None,
        description="Zone that it belongs to, e.g. a country, by which rules may name its nodes.",
    )
    metro: str = Field(default="", description="Metropolitan area, for figures.")
    state: str = Field(default="", description="State, for figures.")


class SitePower(Part):
    """Power of sites over time."""

    series: PeriodSeries | None = Field(
        default=None,
        description="Power of the site in MW by period, in place of `power_mw` of the nodes that it names, whose"
        " assets have shares: a CSV table with a column `period` and one per node.",
    )


class Electricity(Part):
    """Electricity prices over time."""

    scale: NonNegative = Field(default=1.0, description="Factor on all electricity prices.")
    hourly: Annotated[dict[Name, Day], Freeze] = Field(
        default_factory=FrozenDict,
        description="24 factors on the electricity price by node, by the node's local hour; a node left"
        " out is flat. A"
        " mapping, or a CSV table with a column `hour` and one per node.",
    )
    series: PeriodSeries | None = Field(
        default=None,
        description="Electricity price in $/kWh by period, in place of `electricity_price` of the nodes"
        " that it names: a CSV table with a column `period` (or `time`) and one per node, or a mapping that says how a"
        " file is read.",
    )


class ScenarioFields(Part):
    """A market, its agents and what happens to them: everything that a run needs beside a seed."""

    format: Literal[1] = Field(description="Version of this format.")
    name: LabelPart = Field(description="Name of the scenario.")
    description: str = Field(default="", description="What it is, in a line or two.")
    periods: Annotated[Count, Field(ge=1, le=10_000_000)] = Field(
        default=168, description="Number of periods of a run."
    )
    hours: Positive = Field(default=1.0, description="Length of a period in hours.")
    start: Annotated[datetime, BeforeValidator(_no_number), AfterValidator(_as_utc)] | None = Field(
        default=None,
        description="When period 0 begins, in UTC or with an offset (`2026-01-05T00:00-06:00`); sets local hours and"
        " weekdays, when clocks change, and the dates of results. If left out, a Monday's midnight in January, no"
        " clock ever changes, and results have no dates.",
    )
    time_zone: Annotated[str, AfterValidator(known_zone)] = Field(
        default="UTC",
        description="Time zone in which figures, tables and pages show dates, and in which dates without an offset are"
        " understood where a period is asked for: an IANA name or an offset such as UTC-06:00. `start` without an"
        " offset stays UTC whatever stands here.",
    )
    # Files say `market`; here that name is the method that makes a period's market.
    rules: MarketRules = Field(
        default=MarketRules(), alias="market", description="How the market is cleared."
    )
    demand: Demand = Field(default=Demand(), description="How much is asked for.")
    workloads: Annotated[dict[Name, Workload], Freeze] = Field(
        min_length=1,
        description="Workload classes by name: a mapping, or a CSV table with a column `workload`.",
    )
    nodes: Annotated[dict[LabelPart, Node], Freeze] = Field(
        min_length=1, description="Nodes by name: a mapping, or a CSV table with a column `node`."
    )
    network: Network = Field(default=Network(), description="Arcs, by rule or table; none if left out.")
    electricity: Electricity = Field(default=Electricity(), description="Electricity prices over time.")
    power: SitePower = Field(default=SitePower(), description="Power of sites over time.")
    carbon: Carbon = Field(
        default=Carbon(),
        description="Carbon: intensity of electricity over time, a price, caps and a budget.",
    )
    grid: Grid | None = Field(
        default=None,
        description="The power grid around the market, whose bus prices are what power costs, in place of the nodes'"
        " electricity prices.",
    )
    hardware: Annotated[dict[LabelPart, Hardware], Freeze] = Field(
        min_length=1, description="Hardware types by name."
    )
    providers: Annotated[dict[LabelPart, Provider], Freeze] = Field(
        min_length=1, description="Compute providers by name."
    )
    owners: Annotated[dict[Name, Owner], Freeze] = Field(
        default_factory=lambda: FrozenDict(network=Owner()),
        min_length=1,
        description="Network owners by name; one called `network` that owns every arc if left out.",
    )
    regions: Annotated[dict[Name, Region], Freeze] = Field(
        default_factory=FrozenDict,
        description="Demand regions by name; one for each node with demand if left out.",
    )
    mergers: Annotated[dict[LabelPart, Merger], Freeze] = Field(
        default_factory=FrozenDict,
        description="Providers that are put together, by the name of the new firm: a list of their names, or a mapping"
        " with `members` and `strategy`.",
    )
    contracts: Annotated[dict[Name, Contract], Freeze] = Field(
        default_factory=FrozenDict,
        description="Forward contracts by name, settled beside the market: a mapping, or a CSV table with a column"
        " `contract`.",
    )
    zones: Annotated[dict[Name, Places], Freeze] = Field(
        default_factory=FrozenDict,
        description="Groups of nodes by name, beside those that the nodes' `zone` makes: lists of nodes and of other"
        " zones. They may overlap.",
    )
    residency: Residency = Field(
        default_factory=FrozenDict,
        description="Where a class may be processed, by where its requests come from: by class, then by node or zone"
        " (or `all`), a list of nodes and zones, e.g. `{chat: {eu: [frankfurt, dublin]}}`, or a mapping with `in` and"
        " `not`, e.g. `{code: {all: {not: [us]}}}`. No two rules of a class hold for the same node.",
    )
    delay: OptionalDelay = Field(
        default=None, description="Latency that grows with load, at links and sites; none if left out."
    )
    limits: Annotated[dict[Name, LimitSpec], Freeze] = Field(
        default_factory=FrozenDict,
        description="Constraints of your own by name: a `tf.Limit` as module:Class with its parameters, loaded only"
        " where code is allowed.",
    )
    outages: Annotated[tuple[Outage, ...], BeforeValidator(listed)] = Field(
        default=(), description="Outages: a list, or a CSV table with the columns of an outage."
    )
    security: Annotated[SecurityRule | None, BeforeValidator(rule_of)] = Field(
        default=None,
        description="Losses that every schedule has to survive: `n-1` (every asset and every link), or a mapping that"
        " says which; none if left out.",
    )
    reserve: Annotated[dict[Name, Reserve], Freeze] = Field(
        default_factory=FrozenDict,
        description="Capacity kept free beside what is served, by name; none if left out.",
    )
    outage_processes: Annotated[dict[Name, OutageProcess], Freeze] = Field(
        default_factory=FrozenDict,
        description="Outages at random times by name: a mapping, or a CSV table with a column `process`. Runs draw"
        " them from their seed; `scenario.market(period)` has none of them.",
    )

    def __repr__(self) -> str:
        """Summarise the scenario in one line."""
        counts = (
            (len(self.nodes), "nodes"),
            (len(self.workloads), "workloads"),
            (len(self.providers), "providers"),
            (sum(len(provider.assets) for provider in self.providers.values()), "assets"),
        )
        sizes = ", ".join(f"{count} {what}" for count, what in counts)
        series = [
            f"{name}.series from {part.series.source or 'data'}"
            for name, part in (("electricity", self.electricity), ("demand", self.demand))
            if part.series is not None and part.series.edges is not None
        ]
        read = f"; {', '.join(series)}" if series else ""
        return f"<Scenario {self.name!r}: {sizes}; {self.periods} periods of {self.hours:g} h{read}>"

    __str__ = __repr__
