"""What a scenario says of carbon: intensities, a price, caps, and a budget for the whole run."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from tokenflow_sim.scenario.fields import Freeze, FrozenDict, Name, NonNegative, Part, Positive
from tokenflow_sim.scenario.known_types import listed
from tokenflow_sim.scenario.series import PeriodSeries

ALL = "all"
"""Name of the cap that a bare number makes."""
BUDGET = "budget"
"""Name that results give to the zone of a budget, beside those of the caps."""

Nodes = Annotated[tuple[Name, ...], BeforeValidator(listed)]


class CarbonCap(Part):
    """The most that some nodes may emit in each period."""

    tonnes: NonNegative | None = Field(
        default=None, description="Tonnes of CO2 equivalent in a period. Give this or `rate`."
    )
    rate: NonNegative | None = Field(
        default=None, description="Tonnes of CO2 equivalent per hour. Give this or `tonnes`."
    )
    nodes: Nodes = Field(default=(), description="The nodes, or zones, whose assets count; all if left out.")
    offset_price: NonNegative | None = Field(
        default=None,
        description="Price in $/t at which emissions beyond the cap are offset, without limit: no rent is higher."
        " Without it, the cap holds.",
    )


class CarbonBudget(Part):
    """Tonnes for the whole run, spent period by period by a rule that knows no later clearing."""

    tonnes: NonNegative = Field(
        description="Tonnes of CO2 equivalent for all periods of the scenario together."
    )
    rule: Literal["even", "forecast", "adaptive_price"] = Field(
        default="even",
        description="`even`: each period has a cap, an even share of what is left; `forecast`: a share by the"
        " emissions that expected demand would cause; `adaptive_price`: no cap, but a carbon price that rises with"
        " what was spent beyond an even share so far.",
    )
    nodes: Nodes = Field(default=(), description="The nodes, or zones, whose assets count; all if left out.")
    offset_price: NonNegative | None = Field(
        default=None,
        description="As of a cap, for `even` and `forecast`.",
    )
    start_price: NonNegative = Field(
        default=0.0, description="Price in $/t of the first period, for `adaptive_price`."
    )
    gain: Positive = Field(
        default=10.0,
        description="By how much the price rises, in $/t, after a period that emitted twice its even share, for"
        " `adaptive_price`.",
    )


def _named(value: Any) -> Any:
    """Take a bare number for tonnes a period over all nodes."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return {ALL: {"tonnes": value}} if is_number else FrozenDict() if value is None else value


class Carbon(Part):
    """Carbon: the intensity of electricity over time, and what emitting costs or how much may be emitted."""

    series: PeriodSeries | None = Field(
        default=None,
        description="Carbon intensity in g/kWh by period, in place of `carbon_intensity` of the nodes that it names: a"
        " CSV table with a column `period` and one per node.",
    )
    price: NonNegative | None = Field(
        default=None,
        description="Price of emissions in $/t, which providers pay to the state; part of their true cost.",
    )
    prices: PeriodSeries | None = Field(
        default=None,
        description="Price of emissions in $/t by period, in place of `price` at the nodes that it names: a CSV table"
        " with a column `period` and one per node.",
    )
    cap: Annotated[dict[Name, CarbonCap], BeforeValidator(_named), Freeze] = Field(
        default_factory=FrozenDict,
        description="Caps by name, which hold in every period; a bare number is tonnes a period over all nodes, under"
        " the name `all`.",
    )
    budget: CarbonBudget | None = Field(
        default=None, description="A budget over all periods of the scenario."
    )
    payee: Name | None = Field(
        default=None,
        description="Who is paid for permits where a cap or a budget binds; `state` if left out.",
    )
    marginal: bool = Field(
        default=False,
        description="Whether to record `marginal_emissions`, what one more Mtok at each node and class would emit.",
    )
