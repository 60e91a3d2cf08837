"""Residency: which class may be processed where, by where its requests come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from tokenflow_sim.scenario.fields import FrozenDict, Name, Part
from tokenflow_sim.scenario.known_types import listed


def _one_or_many(value: Any) -> Any:
    return listed([value] if isinstance(value, str) else value)


_ONE_OR_MANY = WithJsonSchema({"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "string"}]})
Places = Annotated[tuple[Name, ...], BeforeValidator(_one_or_many), _ONE_OR_MANY]
"""Names of nodes and zones, one alone also without a list."""


class Residence(Part):
    """Where work may be processed: a list of nodes and zones, or a mapping with `in` and `not`."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    within: Places | None = Field(
        default=None,
        alias="in",
        description="Nodes and zones where it may be processed, and nowhere else; all nodes if left out.",
    )
    outside: Places | None = Field(
        default=None, alias="not", description="Nodes and zones of these where it may not be processed."
    )

    @model_validator(mode="before")
    @classmethod
    def _from_list(cls, value: Any) -> Any:
        """Take a list of places, or the name of one, for where work may be processed."""
        if value is not None and not isinstance(value, (Mapping, cls)):
            return {"in": value}
        return value

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.within and not self.outside:
            raise ValueError(
                "names no place: give a list of nodes or zones, or `in`, `not` or both with such a list"
            )
        return self


def _without_none(rules: Mapping[str, Residence | None]) -> FrozenDict[str, Residence]:
    """Drop rules that are taken away, as `null` in an override does."""
    return FrozenDict({name: rule for name, rule in rules.items() if rule is not None})


def _without_empty(rules: Mapping[str, Mapping[str, Residence]]) -> FrozenDict[str, Any]:
    return FrozenDict({name: by_origin for name, by_origin in rules.items() if by_origin})


ByOrigin = Annotated[dict[Name, Residence | None], AfterValidator(_without_none)]
Residency = Annotated[dict[Name, ByOrigin], AfterValidator(_without_empty)]
"""Rules by workload class, then by where requests come from: a node, a zone, or `all`."""
