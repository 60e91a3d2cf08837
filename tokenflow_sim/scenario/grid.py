"""The power grid of a scenario: buses, lines, generators, and which bus each node draws its power from."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from tokenflow_sim.scenario.fields import (
    Divisor,
    Freeze,
    FrozenDict,
    Label,
    Name,
    NonNegative,
    Number,
    Part,
    Positive,
    Share,
)
from tokenflow_sim.scenario.known_types import listed
from tokenflow_sim.scenario.series import PeriodSeries


class Bus(Part):
    """A bus: a place of the grid with one price of power."""

    latitude: Annotated[Number, Field(ge=-90, le=90)] | None = Field(
        default=None, description="Latitude in degrees north, for `nearest` and figures."
    )
    longitude: Annotated[Number, Field(ge=-180, le=180)] | None = Field(
        default=None, description="Longitude in degrees east, for `nearest` and figures."
    )
    load_mw: Number = Field(
        default=0.0,
        description="Local load in MW: what others than the market's assets draw at the bus; negative where they feed"
        " in. Left out where `grid.load` has it by period.",
    )


class Line(Part):
    """A line, transformer or link of the grid between two buses."""

    from_bus: Label = Field(alias="from", description="Bus where it starts; a positive flow leaves this bus.")
    to_bus: Label = Field(alias="to", description="Bus where it ends.")
    limit_mw: NonNegative | None = Field(
        default=None, description="Largest flow in MW, in either direction; no limit if left out."
    )
    back_limit_mw: NonNegative | None = Field(
        default=None,
        description="Largest flow in MW against its direction, where that is another one; 0 for a line that carries"
        " power one way.",
    )
    kind: Literal["dc", "transport"] | None = Field(
        default=None,
        description="`dc`: its flow follows the voltage angles (Kirchhoff's voltage law, DC power flow);"
        " `transport`: its flow is chosen, as on an HVDC link. As `grid.flow` if left out.",
    )
    reactance: Positive | None = Field(
        default=None,
        description="Series reactance, in any unit that all `dc` lines share (per unit, or ohm at one voltage). `dc`"
        " lines need this or `susceptance`.",
    )
    susceptance: Positive | None = Field(
        default=None, description="Series susceptance, the inverse of the reactance, in its place."
    )
    efficiency: Annotated[Share, Field(gt=0)] = Field(
        default=1.0,
        description="Share of what enters that arrives, of a `transport` line that carries power one way.",
    )
    cost: NonNegative = Field(default=0.0, description="Cost of a flow on a `transport` line, in $/MWh.")


class GeneratorStep(Part):
    """A step of a generator's supply."""

    mw: NonNegative = Field(description="Size of the step in MW.")
    cost: Number = Field(description="Its marginal cost in $/MWh.")


class Generator(Part):
    """A generator: stepped supply of power at a bus."""

    bus: Label = Field(description="Bus where it feeds in.")
    capacity_mw: NonNegative | None = Field(
        default=None, description="Capacity in MW; the sum of its `steps` where it has these."
    )
    cost: Number = Field(
        default=0.0,
        description="Marginal cost in $/MWh, which may be negative; `grid.cost` has it by period.",
    )
    steps: Annotated[tuple[GeneratorStep, ...], BeforeValidator(listed)] = Field(
        default=(), description="Supply in steps of rising cost, in place of `capacity_mw` and `cost`."
    )
    availability: Share = Field(
        default=1.0, description="Share of the capacity that can run; `grid.availability` has it by period."
    )
    must_run: Share = Field(
        default=0.0,
        description="Share of the capacity that runs whatever the price; `grid.must_run` has it by period.",
    )
    co2: NonNegative | None = Field(
        default=None,
        description="Emissions of CO2 in t per MWh of electricity. Where every generator has them, the market's"
        " emissions follow the generators that run.",
    )
    carrier: str = Field(default="", description="What it runs on, for figures and tables.")
    curtailable: bool | None = Field(
        default=None,
        description="Whether what is available and does not run counts as curtailment; if left out, where"
        " `grid.availability` has it by period, as weather does.",
    )

    @property
    def capacity(self) -> float:
        """Capacity in MW."""
        return sum(step.mw for step in self.steps) if self.steps else self.capacity_mw or 0.0

    @model_validator(mode="after")
    def _has_one_supply(self) -> Self:
        if not self.steps and self.capacity_mw is None:
            raise ValueError("needs `capacity_mw`, or `steps`")
        if self.steps and (self.capacity_mw is not None or self.cost):
            raise ValueError("has `steps` beside `capacity_mw` or `cost`; give one of the two")
        costs = [step.cost for step in self.steps]
        if sorted(costs) != costs:
            raise ValueError(f"needs steps of rising cost; found {', '.join(f'{cost:g}' for cost in costs)}")
        return self


PARTS = (
    "storage_units", "stores", "global_constraints", "shunt_impedances", "processes", "committable",
    "ramp_limits", "extendable", "quadratic_costs", "energy_limits", "fixed_operation", "line_series", "losses",
    "outputs", "weightings", "signs", "negative_minimum", "maintenance", "delays", "angle_limits", "phase_shifts",
)  # fmt: skip
"""What a PyPSA network may have that a grid here has not, by the names that `ignore` takes; see `grid_pypsa`."""


def _as_list(value: Any) -> Any:
    return (value,) if isinstance(value, str) and value != "all" else value


class PypsaNetwork(Part):
    """A network of PyPSA that the grid is taken from, and how it is read."""

    file: str = Field(
        description="Folder of CSV files, or NetCDF file, in the scenario's folder; read by PyPSA (extra `data`). In"
        " Python also a `pypsa.Network`."
    )
    ignore: Annotated[Literal["all"] | tuple[Annotated[str, Field()], ...], BeforeValidator(_as_list)] = (
        Field(
            default=(),
            description="What of the network may be left out, of: "
            + ", ".join(f"`{name}`" for name in PARTS)
            + "; or `all`. Whatever else has no counterpart here is a fault that names it.",
        )
    )
    rate: Annotated[Divisor, Field(gt=0)] = Field(
        default=1.0, description="Dollars per unit of the network's currency."
    )


class Grid(Part):
    """The power grid around the market."""

    clearing: Literal["joint", "sequential"] = Field(
        default="sequential",
        description="`joint`: tokens and power are cleared as one program, whose duals are both prices. `sequential`:"
        " tokens are cleared at expected bus prices, then the grid with the load that follows; providers pay the bus"
        " prices of the second clearing.",
    )
    expected_price: Literal["last", "base", "given"] = Field(
        default="last",
        description="At which price of power tokens are cleared where clearing is `sequential`: `last`, the bus price"
        " of the period before, in the first period `base`; `base`, that of the grid without the market's load in the"
        " same period; `given`, the nodes' `electricity_price` or `electricity.series`.",
    )
    flow: Literal["dc", "transport"] = Field(
        default="dc", description="Kind of the lines that do not say theirs."
    )
    pypsa: PypsaNetwork | None = Field(
        default=None,
        description="A PyPSA network, in place of `buses`, `lines`, `generators` and their series: its file, or a"
        " mapping. What it holds takes its place when the scenario is read.",
    )
    buses: Annotated[dict[Label, Bus], Freeze] = Field(
        default_factory=FrozenDict,
        description="Buses by name: a mapping, or a CSV table with a column `bus`.",
    )
    lines: Annotated[dict[Label, Line], Freeze] = Field(
        default_factory=FrozenDict,
        description="Lines by name: a mapping, or a CSV table with a column `line`.",
    )
    generators: Annotated[dict[Label, Generator], Freeze] = Field(
        default_factory=FrozenDict,
        description="Generators by name: a mapping, or a CSV table with a column `generator`.",
    )
    links: Annotated[dict[Name, Label], Freeze] = Field(
        default_factory=FrozenDict,
        description="Bus by node: where the assets of the node draw their power. A node that is left out is at the bus"
        " of its own name, or, with `nearest`, at the nearest bus.",
    )
    nearest: bool = Field(
        default=False,
        description="Whether nodes that `links` leaves out are at the nearest bus by coordinates (great circle).",
    )
    load: PeriodSeries | None = Field(
        default=None,
        description="Local load in MW by period, in place of `load_mw` of the buses that it names: a CSV table with a"
        " column `period` (or `time`) and one per bus.",
    )
    availability: PeriodSeries | None = Field(
        default=None,
        description="Share of the capacity that can run by period, in place of `availability` of the generators that"
        " it names: a CSV table with a column `period` (or `time`) and one per generator.",
    )
    must_run: PeriodSeries | None = Field(
        default=None,
        description="Share of the capacity that runs whatever the price by period, in place of `must_run` of the"
        " generators that it names: a table alike.",
    )
    cost: PeriodSeries | None = Field(
        default=None,
        description="Marginal cost in $/MWh by period, in place of `cost` of the generators that it names: a table"
        " alike.",
    )

    @property
    def needs_prices(self) -> bool:
        """Whether the nodes' own electricity prices matter: as what tokens are cleared at."""
        return self.clearing == "sequential" and self.expected_price == "given"

    def kind_of(self, line: Line) -> str:
        """Return the kind of a line."""
        return line.kind or self.flow
