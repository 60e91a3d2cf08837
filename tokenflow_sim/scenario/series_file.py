"""What a scenario may say of a file that holds a series."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from tokenflow_sim.scenario.fields import Divisor, Number, Part
from tokenflow_sim.scenario.zone import known_zone

Names = dict[str, Any]
"""Nodes (or classes) by the names that a file has for them."""


def _as_list(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class SeriesFile(Part):
    """A file of numbers over time, and how it is read.

    The file has one row a time and a column for each node (wide), or one row for each time and node (long: `node`
    names the column).
    """

    file: Any = Field(
        description="Path of a CSV, Parquet or NetCDF file in the scenario's folder; CSV text; or, in Python, a"
        " DataFrame, Series or DataArray."
    )
    format: Literal["csv", "parquet", "netcdf"] | None = Field(
        default=None, description="What the file is; by the end of its name if left out."
    )
    time: str | None = Field(
        default=None, description="Column of times; `time`, or an index of times, if left out."
    )
    time_format: str | None = Field(
        default=None,
        description="How times are written, e.g. `%d/%m/%Y %H:%M`; `unix` for counts of seconds"
        " since 1970; ISO 8601 if left out, since the order of day and month is not guessed.",
    )
    stamp: Literal["begin", "end"] = Field(
        default="begin", description="Whether a time is the begin or the end of what its row measures."
    )
    time_zone: Annotated[str, AfterValidator(known_zone)] | None = Field(
        default=None,
        description="Zone of times that bear none, an IANA name or an offset such as UTC-06:00. When clocks go back,"
        " the order of rows decides which pass of the repeated hour each belongs to.",
    )
    node: str | None = Field(
        default=None, description="Column of nodes, of a long file; `node` where there is such a column."
    )
    workload: str | None = Field(
        default=None,
        description="Column of workload classes, of a long file of demand; `workload` where there is one.",
    )
    value: str | None = Field(
        default=None, description="Column of numbers, of a long file; the variable, of a NetCDF file."
    )
    columns: Annotated[tuple[str, ...], BeforeValidator(_as_list)] | None = Field(
        default=None,
        description="Columns of numbers, of a wide file; all that `map` names, or all, if left out.",
    )
    where: dict[str, Any] | None = Field(
        default=None,
        description="Rows to keep, by the value that a column must have, e.g. `{LMP_TYPE: LMP}`.",
    )
    unit: str | None = Field(
        default=None, description="Unit of the numbers, e.g. `$/MWh`, `tok/s`; the format's own if left out."
    )
    rate: Annotated[Divisor, Field(gt=0)] | None = Field(
        default=None,
        description="Dollars per unit of the currency in `unit`, where that is not $. Nothing converts it otherwise.",
    )
    map: Names | None = Field(
        default=None,
        description="Node by the name that the file has for it; a list for several nodes; for demand also classes, or"
        " `{node: ..., workload: ...}` for a column of a wide file. What it leaves out is not read.",
    )
    fill: Literal["hold", "interpolate"] | Number | None = Field(
        default=None,
        description="What stands where the file has no value: `hold` the last one, `interpolate` in time, or a number"
        " in the unit of the file."
        " If left out, a gap within the run is a fault.",
    )

    @model_validator(mode="after")
    def _one_layout(self) -> SeriesFile:
        if self.columns is not None and self.value is not None:
            raise ValueError("`columns` is for wide files, `value` for long ones; give one of the two")
        return self
