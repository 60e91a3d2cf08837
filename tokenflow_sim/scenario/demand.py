"""The demand side of a scenario: scale, profiles, noise, and the regions that pay."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from tokenflow_sim.scenario.fields import Freeze, FrozenDict, Name, NonNegative, Part, Share, StrategySpec
from tokenflow_sim.scenario.known_types import listed
from tokenflow_sim.scenario.series import NodeSeries

Day = Annotated[tuple[NonNegative, ...], BeforeValidator(listed), Field(min_length=24, max_length=24)]
Week = Annotated[tuple[NonNegative, ...], BeforeValidator(listed), Field(min_length=7, max_length=7)]


class Noise(Part):
    """Correlated noise on demand: log-normal with mean one, autoregressive in time."""

    volatility: Annotated[dict[Name, Annotated[NonNegative, Field(le=3)]], Freeze] = Field(
        description="Standard deviation of the logarithm of demand, by workload class; a class left out"
        " has none."
    )
    persistence: Annotated[NonNegative, Field(lt=1)] = Field(
        default=0.8, description="Correlation of the noise of one hour with that of the next."
    )
    common: Share = Field(
        default=0.5,
        description="Share of the variance that all nodes have in common; the rest is each node's own.",
    )


class Demand(Part):
    """How much is asked for: scale x weight of the node x base rate of the class x profile of the period."""

    scale: NonNegative = Field(default=1.0, description="Factor on all demand.")
    hourly: Annotated[dict[Name, Day], Freeze] = Field(
        default_factory=FrozenDict,
        description="24 factors by workload class, by local hour of the node (0 is midnight to one); a"
        " class left out"
        " is flat. A mapping, or a CSV table with a column `hour` and one per class.",
    )
    weekly: Annotated[dict[Name, Week], Freeze] = Field(
        default_factory=FrozenDict,
        description="7 factors by workload class, Monday to Sunday by the node's local time; a class left"
        " out is flat."
        " A mapping, or a CSV table with a column `day` (monday, ...) and one per class.",
    )
    series: NodeSeries | None = Field(
        default=None,
        description="Demand in Mtok/s by period, node and workload class, in place of weights, base rates and"
        " profiles (scale still applies): a CSV table with columns `period`, `node` and one per class, or a mapping"
        " that says how a file is read.",
    )
    noise: Noise | None = Field(
        default=None, description="Noise on top of expected demand; none if left out."
    )


class Region(Part):
    """A demand region: the nodes whose demand it pays for."""

    description: str = Field(default="", description="Who it is, in a line.")
    nodes: Annotated[tuple[Name, ...], BeforeValidator(listed)] = Field(
        min_length=1, description="Its nodes; a node belongs to one region."
    )
    strategy: StrategySpec = Field(default=StrategySpec(name="inelastic"), description="How it asks.")
